"use strict";
// Shows the picture of the point nearest to the pointer, or to go on to with
// the arrow keys.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  // Screen pixels from a point to the pointer, at most.
  const REACH = 24;

  const map = document.getElementById("map");
  const svg = map.querySelector("svg");
  const sprite = map.querySelector(".sprite");
  const [columns, width, height] = ["columns", "width", "height"].map((key) => Number(map.dataset[key]));
  const points = [...svg.querySelectorAll("path")].map((path) => {
    const [, x, y] = /^M(\S+) (-?[\d.]+)/.exec(path.getAttribute("d"));
    return { x: Number(x), y: Number(y), text: path.querySelector("title").textContent };
  });
  // They would appear as well.
  for (const title of svg.querySelectorAll("title")) title.remove();

  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  canvas.setAttribute("aria-hidden", "true");
  const text = document.createElement("p");
  text.setAttribute("role", "status");
  tip.append(canvas, text);
  map.append(tip);
  const ring = document.createElementNS(SVG, "circle");
  ring.setAttribute("r", "10");
  ring.setAttribute("class", "ring");

  const scale = () => svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
  let shown = -1;

  function hide() {
    shown = -1;
    tip.hidden = true;
    ring.remove();
  }

  function show(index) {
    if (index === shown) return;
    shown = index;
    const point = points[index];
    const [column, row] = [index % columns, Math.floor(index / columns)];
    const context = canvas.getContext("2d");
    context.drawImage(sprite, column * width, row * height, width, height, 0, 0, width, height);
    text.textContent = point.text;
    ring.setAttribute("cx", point.x);
    ring.setAttribute("cy", point.y);
    svg.append(ring);
    tip.hidden = false;
    // Beside the point, and within the map.
    const [x, y] = [point.x * scale(), point.y * scale()];
    const left = x + 16 + tip.offsetWidth > map.clientWidth ? x - 16 - tip.offsetWidth : x + 16;
    tip.style.left = `${Math.max(0, left)}px`;
    tip.style.top = `${Math.max(0, Math.min(y - tip.offsetHeight / 2, map.clientHeight - tip.offsetHeight))}px`;
  }

  // The point with the least cost, -1 without any.
  function least(cost) {
    let [best, found] = [Infinity, -1];
    points.forEach((point, index) => {
      const value = cost(point, index);
      if (value < best) [best, found] = [value, index];
    });
    return found;
  }

  function follow(event) {
    const area = svg.getBoundingClientRect();
    const [x, y] = [(event.clientX - area.left) / scale(), (event.clientY - area.top) / scale()];
    const found = least((point) => Math.hypot(point.x - x, point.y - y));
    if (found >= 0 && Math.hypot(points[found].x - x, points[found].y - y) * scale() <= REACH) show(found);
    else hide();
  }

  // The nearest point in a direction, mostly straight ahead.
  function step(dx, dy) {
    const from = points[shown];
    const found = least((point, index) => {
      const [ahead, aside] = [
        (point.x - from.x) * dx + (point.y - from.y) * dy,
        Math.abs((point.x - from.x) * dy) + Math.abs((point.y - from.y) * dx),
      ];
      return index === shown || ahead <= 0 || aside > ahead ? Infinity : ahead + 2 * aside;
    });
    if (found >= 0) show(found);
  }

  const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  map.tabIndex = 0;
  map.setAttribute("role", "group");
  map.setAttribute("aria-label", "Map of the embeddings, with pictures");
  map.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
    const direction = KEYS[event.key];
    if (!direction || points.length === 0) return;
    event.preventDefault();
    if (shown < 0) show(0);
    else step(...direction);
  });
  map.addEventListener("blur", hide);
  svg.addEventListener("pointermove", follow);
  svg.addEventListener("pointerdown", follow);
  svg.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hide(); });
  document.getElementById("map-help").hidden = false;
})();
