// The program under test, a browser, and hands to draw with.
//
// The environment says where things are: TRAINER the program, BROWSER Chromium,
// MODULES the npm packages, OUT a directory for models and screenshots.

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import assert from "node:assert/strict";

const { TRAINER, BROWSER, MODULES, OUT } = process.env;
const { chromium } = createRequire(import.meta.url)(join(MODULES, "playwright-core"));
const AXE = readFileSync(join(MODULES, "axe-core/axe.min.js"), "utf8");

export const out = (name) => join(OUT, name);

// Runs a command of the program; fails unless it succeeds.
export function trainer(...arguments_) {
  const { status, stderr } = spawnSync(TRAINER, arguments_, { encoding: "utf8" });
  assert.equal(status, 0, `trainer ${arguments_.join(" ")}: ${stderr}`);
}

// Starts `trainer serve` on a free port: its address, and a way to end it.
export async function serve(...arguments_) {
  const server = spawn(TRAINER, ["serve", ...arguments_, "--port", "0"], { stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  server.stderr.on("data", (text) => { log += text; });
  const ended = new Promise((resolve) => server.once("exit", resolve));
  const lines = createInterface({ input: server.stdout });
  const address = await Promise.race([
    new Promise((resolve) => lines.once("line", resolve)),
    ended.then((status) => assert.fail(`trainer serve ended with ${status}: ${log}`)),
  ]);
  const stop = async () => {
    server.kill();
    await ended;
  };
  return { address, stop };
}

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // A camera that films a moving pattern, which nobody has to allow.
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
];

const profiles = [];
process.on("exit", () => {
  for (const profile of profiles) rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
});

// Milliseconds that anything may take: on a machine that is busy a picture of a
// long page takes minutes.
const PATIENCE = 600_000;

// A browser with a new, empty profile, which is removed at the end.
export async function launch(options = {}) {
  const profile = mkdtempSync(join(tmpdir(), "lookalike-browser-"));
  profiles.push(profile);
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: BROWSER,
    args: FLAGS,
    headless: true,
    timeout: PATIENCE,
    ...options,
  });
  context.setDefaultTimeout(PATIENCE);
  return context;
}

// Notes what a page must not do, from now on: errors and warnings in its
// console, and requests to anywhere but its address.
export function watch(page, address) {
  const trouble = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") trouble.push(message.text());
  });
  page.on("pageerror", (error) => trouble.push(String(error)));
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(address) && !/^(data|blob):/.test(url)) trouble.push(`request to ${url}`);
  });
  return trouble;
}

// Opens the page; `trouble` is what it must not do.
export async function open(context, address) {
  const page = await context.newPage();
  const trouble = watch(page, address);
  await page.goto(address);
  await page.waitForSelector("body[data-ready]");
  return { page, trouble };
}

// Points along lines, in shares of the drawing area's side.
function along(corners, steps = 12) {
  const points = [corners[0]];
  for (let i = 1; i < corners.length; i += 1) {
    const [[x0, y0], [x1, y1]] = [corners[i - 1], corners[i]];
    for (let step = 1; step <= steps; step += 1) {
      const t = step / steps;
      points.push([x0 + t * (x1 - x0), y0 + t * (y1 - y0)]);
    }
  }
  return points;
}

export const SEVEN = along([[0.3, 0.25], [0.68, 0.25], [0.45, 0.8]]);
export const ONE = along([[0.5, 0.2], [0.5, 0.8]]);
export const CROSS = [along([[0.25, 0.25], [0.75, 0.75]]), along([[0.75, 0.25], [0.25, 0.75]])];

async function places(page, points) {
  const area = await page.locator("#pad").boundingBox();
  return points.map(([x, y]) => [area.x + x * area.width, area.y + y * area.height]);
}

// Draws one stroke with the mouse.
export async function stroke(page, points) {
  await page.locator("#pad").scrollIntoViewIfNeeded();
  const [first, ...rest] = await places(page, points);
  await page.mouse.move(...first);
  await page.mouse.down();
  for (const place of rest) await page.mouse.move(...place);
  await page.mouse.up();
}

// Draws one stroke with a finger.
export async function fingerStroke(page, points) {
  await page.locator("#pad").scrollIntoViewIfNeeded();
  const devtools = await page.context().newCDPSession(page);
  const touch = (type, touchPoints) => devtools.send("Input.dispatchTouchEvent", { type, touchPoints });
  const [first, ...rest] = (await places(page, points)).map(([x, y]) => ({ x, y }));
  await touch("touchStart", [first]);
  for (const place of rest) await touch("touchMove", [place]);
  await touch("touchEnd", []);
}

// Waits for the results of what has been done.
export const settled = (page) => page.locator("#results:not([aria-busy=true])").waitFor();

// The labels of what is shown, nearest first, once the page has come to rest.
export async function labels(page) {
  await settled(page);
  return page.locator("#matches li").evaluateAll((items) => items.map((item) => item.dataset.label));
}

// What axe finds against the WCAG's levels A and AA, one line a rule.
export async function accessibility(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target).join(", ")}`);
}

// What scrolls sideways shows as a document wider than the window.
export const overflow = (page) =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

export async function screenshot(page, name) {
  await page.screenshot({ path: out(`${name}.png`), fullPage: true, timeout: PATIENCE });
}
