// Shows what was found and what is enrolled.

import { thumbnail } from "/server.js";

// A distance that has nothing in common: that of embeddings at a right angle.
const UNRELATED = 2;

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

// An item's picture, or a place holder.
function picture(item, hasPicture, alt, start) {
  if (!hasPicture) return element("span", "none", "no picture");
  const image = element("img");
  image.src = thumbnail(item, start);
  image.alt = alt;
  return image;
}

function match(found, start) {
  const item = element("li", found.enrolled ? "enrolled" : "");
  item.dataset.id = found.id;
  item.dataset.label = found.label;
  const thumb = element("span", "thumb");
  const what = found.enrolled ? "enrolled here" : `item ${found.id}`;
  thumb.append(picture(found.id, found.picture, `${found.label}, ${what}`, start));
  const label = element("span", "label", found.label);
  label.title = found.label;
  const bar = element("span", "bar");
  const filled = element("i");
  filled.style.width = `${Math.min(found.distance / UNRELATED, 1) * 100}%`;
  bar.append(filled);
  item.append(thumb, label, element("span", "distance", found.distance.toFixed(4)), bar);
  return item;
}

// The matches as list items, nearest first.
export function showMatches(list, found, start) {
  list.replaceChildren(...found.matches.map((one) => match(one, start)));
}

// The label that most of the matches have, of equal ones the nearest's.
export function showVerdict(line, found) {
  if (found.matches.length === 0) {
    line.textContent = "The gallery is empty: enrol something.";
    return;
  }
  const counts = new Map();
  for (const { label } of found.matches) counts.set(label, (counts.get(label) ?? 0) + 1);
  const [label, count] = [...counts].reduce((most, next) => (next[1] > most[1] ? next : most));
  const nearest = found.matches[0];
  line.replaceChildren(element("strong", "", nearest.label), " is nearest");
  if (found.matches.length > 1) {
    const others = label === nearest.label ? "" : `, but “${label}” leads`;
    line.append(`${others}: ${count} of ${found.matches.length} are “${label}”`);
  }
  if (found.recognised !== null) {
    const word = found.recognised ? "recognised" : "unknown";
    line.append(" · ", element("span", found.recognised ? "known" : "unknown", word),
      ` (threshold ${found.threshold.toFixed(4)})`);
  }
}

// What is enrolled, each with a button that calls `remove`.
export function showEnrolled(list, enrolled, start, remove) {
  list.replaceChildren(...enrolled.map(({ id, name }) => {
    const item = element("li");
    item.dataset.id = id;
    const button = element("button", "", "Delete");
    button.type = "button";
    button.setAttribute("aria-label", `Delete ${name}`);
    button.addEventListener("click", () => remove(id));
    item.append(picture(id, true, `${name}, enrolled here`, start), element("span", "label", name), button);
    return item;
  }));
}
