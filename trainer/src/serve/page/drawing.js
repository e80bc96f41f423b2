// The drawing area: strokes by mouse, pen, finger or keyboard.

// A pen's width as a share of the area's width, on the page.
const PEN = 0.075;
// As a share of the drawing's longer side, when it is scaled and centred: what
// strokes have in MNIST, however large one draws.
const CENTRED_PEN = 0.16;
// The longer side of a drawing that is sent to be scaled and centred, in pixels.
const CENTRED_SIDE = 280;
// One step of an arrow key, as a share of the width.
const STEP = 1 / 40;

export class Pad {
  // `changed` is called when there is another drawing.
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.changed = changed;
    // Each stroke: its colour, and points in shares of the area's width.
    this.strokes = [];
    this.ground = "#000";
    this.colour = "#fff";
    this.cursor = { x: 0, y: 0, shown: false, down: false };
    this.pending = false;
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("lostpointercapture", () => { this.stroke = null; });
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => this.lift());
    this.height = 1; // as a share of the width
    this.paint();
  }

  // Gives the area so many times its width as height.
  resize(height) {
    const { canvas } = this;
    this.height = height;
    canvas.height = Math.round(canvas.width * height);
    Object.assign(this.cursor, { x: 0.5, y: height / 2 });
    this.clear();
  }

  get empty() {
    return this.strokes.length === 0;
  }

  undo() {
    this.strokes.pop();
    this.lift();
    this.update();
  }

  clear() {
    this.strokes = [];
    this.lift();
    this.update();
  }

  // The drawing as a PNG file: black on white and cut out if it will be scaled
  // and centred, otherwise the whole area as it is.
  picture(centred) {
    const canvas = document.createElement("canvas");
    if (centred) {
      this.paintCentred(canvas);
    } else {
      canvas.width = this.canvas.width;
      canvas.height = this.canvas.height;
      this.paintArea(canvas);
    }
    return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  }

  paintCentred(canvas) {
    const points = this.strokes.flatMap((stroke) => stroke.points);
    const xs = points.map((point) => point.x);
    const ys = points.map((point) => point.y);
    const [left, top] = [Math.min(...xs), Math.min(...ys)];
    const [width, height] = [Math.max(...xs) - left, Math.max(...ys) - top];
    const scale = CENTRED_SIDE / Math.max(width, height, PEN);
    const pen = CENTRED_PEN * CENTRED_SIDE;
    canvas.width = Math.ceil(width * scale + 2 * pen);
    canvas.height = Math.ceil(height * scale + 2 * pen);
    this.paintStrokes(canvas, (point) => [(point.x - left) * scale + pen, (point.y - top) * scale + pen],
      pen, "#fff", "#000");
  }

  paintArea(canvas) {
    const { width } = canvas;
    this.paintStrokes(canvas, (point) => [point.x * width, point.y * width], PEN * width, this.ground);
  }

  paintStrokes(canvas, place, pen, ground, colour) {
    const context = canvas.getContext("2d");
    context.fillStyle = ground;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.lineCap = context.lineJoin = "round";
    context.lineWidth = pen;
    for (const stroke of this.strokes) {
      context.strokeStyle = colour ?? stroke.colour;
      context.beginPath();
      const [first, ...rest] = stroke.points.map(place);
      context.moveTo(...first);
      // A dot, if it is the only point; a line of no length would not be painted.
      context.lineTo(first[0] + 0.01, first[1]);
      rest.forEach((point) => context.lineTo(...point));
      context.stroke();
    }
  }

  paint() {
    this.pending = false;
    const { canvas, cursor } = this;
    this.paintArea(canvas);
    if (cursor.shown) {
      const context = canvas.getContext("2d");
      context.strokeStyle = cursor.down ? "#e8590c" : "#868e96";
      context.lineWidth = 4;
      context.beginPath();
      const { width } = canvas;
      context.arc(cursor.x * width, cursor.y * width, PEN * width * 0.7, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  // Repaints before the next frame.
  update() {
    if (!this.pending) {
      this.pending = true;
      requestAnimationFrame(() => this.paint());
    }
    this.changed();
  }

  point(event) {
    const area = this.canvas.getBoundingClientRect();
    return this.inside((event.clientX - area.left) / area.width, (event.clientY - area.top) / area.width);
  }

  inside(x, y) {
    return { x: Math.min(Math.max(x, 0), 1), y: Math.min(Math.max(y, 0), this.height) };
  }

  begin(event) {
    if (event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.lift();
    this.pointer = event.pointerId;
    this.start(this.point(event));
  }

  move(event) {
    if (!this.stroke || event.pointerId !== this.pointer) return;
    // All places since the last frame, where the browser tells them.
    const events = event.getCoalescedEvents?.() ?? [];
    for (const one of events.length ? events : [event]) this.stroke.points.push(this.point(one));
    this.update();
  }

  start(point) {
    this.stroke = { colour: this.colour, points: [point] };
    this.strokes.push(this.stroke);
    this.update();
  }

  // Ends a stroke, and the keyboard's pen is up.
  lift() {
    this.stroke = null;
    if (this.cursor.shown) {
      this.cursor.shown = this.cursor.down = false;
      this.update();
    }
  }

  key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const { cursor } = this;
    if (event.key in moves) {
      const [x, y] = moves[event.key];
      Object.assign(cursor, this.inside(cursor.x + x * STEP, cursor.y + y * STEP));
      cursor.shown = true;
      if (cursor.down) this.stroke.points.push({ x: cursor.x, y: cursor.y });
    } else if (event.key === " ") {
      cursor.shown = true;
      cursor.down = !cursor.down;
      if (cursor.down) this.start({ x: cursor.x, y: cursor.y });
      else this.stroke = null;
    } else if (event.key === "Backspace") {
      this.undo();
    } else if (event.key === "Delete") {
      this.clear();
    } else {
      return;
    }
    event.preventDefault();
    this.update();
  }
}
