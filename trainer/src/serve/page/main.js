// Ties the page together: what is shown is searched for, one search at a time.

import { Camera } from "/camera.js";
import { Pad } from "/drawing.js";
import { showEnrolled, showMatches, showVerdict } from "/results.js";
import * as server from "/server.js";

// Items that are shown.
const SHOWN = 12;
// At least so many milliseconds lie between two pictures of the camera.
const CAMERA_PAUSE = 250;
// The longer side of a picture that this page converts for the server.
const CONVERTED_SIDE = 1600;

const $ = (id) => document.getElementById(id);

let state; // What the server is about.
let query = null; // What was searched for last: { picture, treatment }.
let shown = 0; // Changes when what is shown is cleared: older answers are out of date.
let busy = false; // Whether a search is under way.
let works = 0; // How many things are, of which there will be a result to show.
let waiting = null; // What gives the next query.
let file = null; // The picture that was chosen.

const pad = new Pad($("pad"), () => {
  $("pad-hint").hidden = !pad.empty;
  $("undo").disabled = $("clear").disabled = pad.empty;
  if (pad.empty) forget();
  else soon(drawing);
});
const camera = new Camera($("video"));

function say(message) {
  $("message-text").textContent = message ?? "";
  $("message").hidden = !message;
}

// Does `work`, and tells that results are awaited.
async function working(work) {
  works += 1;
  $("results").setAttribute("aria-busy", "true");
  try {
    await work();
  } catch (error) {
    say(error.message);
  } finally {
    works -= 1;
    $("results").setAttribute("aria-busy", String(works > 0));
  }
}

const source = () => document.querySelector("input[name=source]:checked").value;
const code = () => document.querySelector("input[name=code]:checked").value;

// Queries, each made when its turn comes: { picture, treatment }, or null.

async function drawing() {
  if (pad.empty) return null;
  const centred = $("centre").checked;
  return { picture: await pad.picture(centred), treatment: centred ? "ink" : "as-it-is" };
}

const chosen = async () => file && { picture: file, treatment: $("picture-as").value };

async function filmed() {
  const picture = camera.running ? await camera.picture() : null;
  return picture && { picture, treatment: $("camera-as").value };
}

const current = () => ({ draw: drawing, picture: chosen, camera: filmed })[source()];

// Searches as soon as the search before is done; of several that wait, the last.
async function soon(makeQuery) {
  waiting = makeQuery;
  if (busy || !state) return;
  busy = true;
  await working(async () => {
    while (waiting) {
      const make = waiting;
      waiting = null;
      await search(await make());
    }
  });
  busy = false;
}

async function search(next) {
  if (!next) return;
  const before = shown;
  try {
    const found = await server.search(code(), SHOWN, next.picture, next.treatment);
    if (shown !== before) return;
    query = next;
    show(found);
    say();
  } catch (error) {
    if (shown !== before) return;
    forget();
    say(error.message);
  }
}

function show(found) {
  showMatches($("matches"), found, state.start);
  showVerdict($("verdict"), found);
  $("seen").src = found.input;
  $("input").hidden = $("distance-note").hidden = false;
  enrollable();
}

// Nothing is shown.
function forget() {
  shown += 1;
  query = null;
  $("matches").replaceChildren();
  $("verdict").textContent = "Nothing shown yet.";
  $("input").hidden = $("distance-note").hidden = true;
  enrollable();
}

function enrollable() {
  $("enrol-button").disabled = !query;
}

// Pictures.

async function choose(next) {
  if (!next) return;
  select("picture");
  file = null;
  forget();
  $("preview").hidden = true;
  $("drop-hint").hidden = false;
  if (next.size > state.upload_bytes) {
    const limit = Math.floor(state.upload_bytes / 2 ** 20);
    say(`${next.name}: this file is too large; a picture may have ${limit} MiB. Scale it down first.`);
    return;
  }
  say();
  await working(async () => {
    file = await readable(next);
    URL.revokeObjectURL($("preview").src);
    $("preview").src = URL.createObjectURL(file);
    $("preview").onload = () => { $("preview").hidden = false; $("drop-hint").hidden = true; };
    await soon(chosen);
  });
}

// The picture itself if the server reads its format; otherwise, if the browser
// does, a PNG of it.
async function readable(picture) {
  if (["image/png", "image/jpeg", "image/bmp"].includes(picture.type)) return picture;
  try {
    const bitmap = await createImageBitmap(picture);
    const scale = Math.min(1, CONVERTED_SIDE / Math.max(bitmap.width, bitmap.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(bitmap.width * scale));
    canvas.height = Math.max(1, Math.round(bitmap.height * scale));
    canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    const png = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    return png ?? picture;
  } catch {
    return picture;
  }
}

// The camera.

async function film() {
  if (camera.running) {
    stopFilming();
    return;
  }
  try {
    await camera.start();
  } catch (error) {
    say(error.message);
    return;
  }
  $("film").textContent = "Stop the camera";
  $("video-hint").hidden = true;
  while (camera.running && source() === "camera") {
    await soon(filmed);
    await new Promise((resolve) => setTimeout(resolve, CAMERA_PAUSE));
  }
}

function stopFilming() {
  camera.stop();
  $("film").textContent = "Start the camera";
  $("video-hint").hidden = false;
}

// Where what is shown comes from.

function select(name) {
  document.querySelector(`input[name=source][value=${name}]`).checked = true;
  for (const panel of ["draw", "picture", "camera"]) $(panel).hidden = panel !== name;
  if (name !== "camera" && camera.running) stopFilming();
}

// Enrolment.

function enrol(event) {
  event.preventDefault();
  if (!query) return;
  const name = $("name").value.trim();
  working(async () => {
    await server.enrol(name, query.picture, query.treatment);
    $("name").value = "";
    await refresh();
    await again();
  });
}

function remove(id) {
  working(async () => {
    await server.remove(id);
    await refresh();
    await again();
    $("name").focus();
  });
}

// Searches once more for what was searched for.
async function again() {
  const same = query;
  if (same) await soon(async () => same);
}

async function refresh() {
  state = await server.about();
  showEnrolled($("enrolled"), state.enrolled, state.start, remove);
}

// The page's first state.

const TITLES = { f32: "f32", u8: "int8", projected: "projected", binary: "binary", "two-stage": "two-stage" };

const NOTES = {
  f32: "32-bit floating point",
  u8: "A byte a value",
  projected: "A signed byte for each value of a learned projection",
  binary: "A bit a value of the learned projection",
  "two-stage": "Bits find a shortlist, bytes rank it",
};

function offerCodes() {
  for (const { code } of state.codes) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: "code", value: code });
    const title = document.createElement("span");
    title.textContent = TITLES[code] ?? code;
    label.append(input, title);
    $("codes").append(label);
  }
  $("codes").querySelector("input").checked = true;
  $("codes").addEventListener("change", () => {
    describeCode();
    again();
  });
  describeCode();
}

function describeCode() {
  const { item_bytes, int8 } = state.codes.find((one) => one.code === code());
  const model = int8 ? "int8 model" : "f32 model";
  $("code-note").textContent = `${NOTES[code()]}: ${item_bytes.toLocaleString("en")} bytes an item, by the ${model}.`;
  $("download").href = server.galleryFile(code());
}

function describe() {
  const [height, width, channels] = state.input;
  const size = `${width} × ${height} pixels, ${channels === 1 ? "grey" : "colour"}`;
  const items = state.items.toLocaleString("en");
  $("summary").textContent = `${items} images in the gallery · ${size}`;
  const kept = state.saved ? "It is kept in the file of --save." : "It is forgotten when the server ends; --save keeps it.";
  $("enrol-note").textContent = `Give what is shown a name, and it is found from then on, with no training. ${kept}`;
}

function adapt() {
  const [height, width, channels] = state.input;
  const colour = channels === 3;
  pad.ground = state.light_ground ? "#fff" : "#000";
  pad.colour = colour ? $("pen").value : state.light_ground ? "#000" : "#fff";
  $("pen-label").hidden = !colour;
  $("centre").checked = !colour;
  if (!colour) $("camera-as").value = "ink";
  for (const stage of document.querySelectorAll(".stage")) stage.style.aspectRatio = `${width} / ${height}`;
  camera.height = height / width;
  pad.resize(height / width);
}

function listen() {
  $("dismiss").addEventListener("click", () => say());
  $("undo").addEventListener("click", () => pad.undo());
  $("clear").addEventListener("click", () => pad.clear());
  $("pen").addEventListener("input", () => { pad.colour = $("pen").value; });
  $("film").addEventListener("click", film);
  $("enrol").addEventListener("submit", enrol);
  $("file").addEventListener("change", () => choose($("file").files[0]));
  for (const id of ["centre", "picture-as", "camera-as"]) {
    $(id).addEventListener("change", () => soon(current()));
  }
  $("sources").addEventListener("change", () => {
    select(source());
    forget();
    say();
    soon(current());
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    $("drop").classList.add("over");
  });
  document.addEventListener("dragleave", () => $("drop").classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    $("drop").classList.remove("over");
    choose(event.dataTransfer.files[0]);
  });
  document.addEventListener("paste", (event) => choose(event.clipboardData.files[0]));
}

try {
  await refresh();
  offerCodes();
  describe();
  listen();
  adapt();
  document.body.dataset.ready = "true";
} catch (error) {
  $("summary").textContent = "";
  say(error.message);
}
