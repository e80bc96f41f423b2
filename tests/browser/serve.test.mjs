// `trainer serve` in a browser, by real pointer events. Run by scripts/browser.sh.

import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";

import { colourBmp, colourData, sevenOfMnist } from "./images.mjs";
import {
  CROSS, ONE, SEVEN, accessibility, fingerStroke, labels, launch, open, out, overflow, screenshot, serve, stroke, trainer,
} from "./support.mjs";

const DIGITS = out("digits.model");
const INT8 = out("digits.int8.model");
const SEVEN_FILE = out("seven.bmp");
const CODES = ["f32", "u8", "projected", "binary", "two-stage"];
const PHONE = { viewport: { width: 375, height: 812 }, isMobile: true, hasTouch: true };
// Longer than any picture that is taken.
const TOO_LONG = 50 * 2 ** 20;

before(() => {
  writeFileSync(SEVEN_FILE, sevenOfMnist(process.env.MNIST));
  // A network that PyTorch trained with the triplet loss.
  trainer("import", process.env.WEIGHTS, "--out", DIGITS);
  trainer("quantize", DIGITS, "--out", INT8, "--calibration", "p99.99", "--calibration-images", "500");
});

const count = (found, label) => found.filter((one) => one === label).length;

async function message(page) {
  await page.locator("#message").waitFor();
  return page.locator("#message-text").textContent();
}

async function enrol(page, name) {
  await page.fill("#name", name);
  await page.click("#enrol-button");
  return labels(page);
}

describe("digits", () => {
  let server;
  let context;

  before(async () => {
    server = await serve(DIGITS, "--int8", INT8, "--per-class", "50");
    context = await launch({ viewport: { width: 1100, height: 760 } });
  });

  after(async () => {
    await context?.close();
    await server?.stop();
  });

  test("a 7 drawn with the mouse finds 7s, in every code", async () => {
    const { page, trouble } = await open(context, server.address);
    await stroke(page, SEVEN);
    for (const code of CODES) {
      await page.check(`input[name=code][value=${code}]`);
      const found = await labels(page);
      assert.equal(found.length, 12);
      assert.deepEqual(found.slice(0, 3), ["7", "7", "7"], code);
      assert.ok(count(found, "7") >= 10, `${code}: ${found}`);
    }
    assert.match(await page.locator("#verdict").textContent(), /^7 is nearest/);
    const distances = await page.locator("#matches .distance").allTextContents();
    assert.deepEqual(distances, [...distances].sort());
    // Wherever and however small it is drawn.
    await page.click("#clear");
    await stroke(page, SEVEN.map(([x, y]) => [0.05 + x / 3, 0.6 + y / 3]));
    assert.ok(count(await labels(page), "7") >= 10);
    assert.deepEqual(trouble, []);
    await page.close();
  });

  test("undo and clear change what is found", async () => {
    const { page, trouble } = await open(context, server.address);
    await stroke(page, ONE);
    assert.ok(count(await labels(page), "1") >= 10);
    await stroke(page, [[0.2, 0.2], [0.8, 0.2], [0.2, 0.8], [0.8, 0.8]]);
    await page.click("#undo");
    assert.ok(count(await labels(page), "1") >= 10);
    await page.click("#clear");
    assert.equal(await page.locator("#matches li").count(), 0);
    assert.ok(await page.locator("#enrol-button").isDisabled());
    assert.deepEqual(trouble, []);
    await page.close();
  });

  test("the keyboard draws too", async () => {
    const { page, trouble } = await open(context, server.address);
    await page.focus("#pad");
    for (let i = 0; i < 10; i += 1) await page.keyboard.press("ArrowUp");
    await page.keyboard.press("Space");
    for (let i = 0; i < 20; i += 1) await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Space");
    assert.ok(count(await labels(page), "1") >= 10);
    await page.keyboard.press("Delete");
    assert.equal(await page.locator("#matches li").count(), 0);
    assert.deepEqual(trouble, []);
    await page.close();
  });

  test("what is enrolled is found again, and gone when it is deleted", async () => {
    const { page, trouble } = await open(context, server.address);
    for (const line of CROSS) await stroke(page, line);
    assert.ok(!(await labels(page)).includes("my ✕"));
    assert.equal((await enrol(page, "  my ✕  "))[0], "my ✕");
    await screenshot(page, "serve-enrolled");
    // For the README.
    await page.evaluate(() => scrollTo(0, 0));
    await page.screenshot({ path: out("serve-readme.png"), clip: { x: 0, y: 0, width: 1100, height: 700 } });

    await page.click("#clear");
    for (const line of CROSS) await stroke(page, line.map(([x, y]) => [x * 0.8 + 0.1, y * 0.8]));
    for (const code of CODES) {
      await page.check(`input[name=code][value=${code}]`);
      assert.equal((await labels(page))[0], "my ✕", code);
    }
    const first = page.locator("#matches li").first();
    assert.match(await first.getAttribute("class"), /enrolled/);
    assert.equal(await first.locator("img").getAttribute("alt"), "my ✕, enrolled here");
    assert.ok(await first.locator("img").evaluate((image) => image.naturalWidth === 28));

    await page.getByRole("button", { name: "Delete my ✕" }).click();
    await page.locator("#enrolled li").waitFor({ state: "detached" });
    assert.ok(!(await labels(page)).includes("my ✕"));
    assert.deepEqual(trouble, []);

    // 33 bytes in 11 characters.
    await page.fill("#name", "✕".repeat(11));
    await page.click("#enrol-button");
    assert.match(await message(page), /1 to 32 bytes/);
    await page.click("#dismiss");
    assert.ok(await page.locator("#message").isHidden());
    await page.close();
  });

  test("a picture is dropped", async () => {
    const { page, trouble } = await open(context, server.address);
    const bytes = [...readFileSync(SEVEN_FILE)];
    const transfer = await page.evaluateHandle((bytes) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([new Uint8Array(bytes)], "seven.bmp", { type: "image/bmp" }));
      return transfer;
    }, bytes);
    await page.dispatchEvent("#show", "dragover", { dataTransfer: transfer });
    await page.dispatchEvent("#show", "drop", { dataTransfer: transfer });
    assert.ok(count(await labels(page), "7") >= 10);
    assert.ok(await page.locator("#preview").isVisible());
    await page.selectOption("#picture-as", "inverted");
    assert.ok(count(await labels(page), "7") < 10);
    await screenshot(page, "serve-picture");
    assert.deepEqual(trouble, []);
    await page.close();
  });

  test("what the browser reads and the server does not is converted", async () => {
    const { page, trouble } = await open(context, server.address);
    await page.check("input[name=source][value=picture]");
    await page.selectOption("#picture-as", "ink");
    await page.setInputFiles("#file", { name: "7.webp", mimeType: "image/webp", buffer: await webp(page) });
    assert.ok(count(await labels(page), "7") >= 10);
    assert.deepEqual(trouble, []);
    await page.close();
  });

  test("pictures that cannot be used are refused with a message", async () => {
    const { page } = await open(context, server.address);
    const bmp = readFileSync(SEVEN_FILE);
    await page.check("input[name=source][value=picture]");
    const choose = async (name, buffer) => {
      await page.setInputFiles("#file", { name, mimeType: "image/png", buffer });
      const text = await message(page);
      assert.equal(await page.locator("#matches li").count(), 0);
      await page.click("#dismiss");
      return text;
    };
    assert.match(await choose("broken.bmp", bmp.subarray(0, bmp.length / 2)), /picture is broken/);
    await page.setInputFiles("#file", { name: "x.png", mimeType: "image/png", buffer: Buffer.from("no picture") });
    assert.match(await message(page), /not a PNG, JPEG or BMP/);
    await screenshot(page, "serve-refused");

    writeFileSync(out("large.png"), Buffer.alloc(TOO_LONG));
    await page.setInputFiles("#file", out("large.png"));
    await page.waitForFunction(() => document.querySelector("#message-text").textContent.includes("16 MiB"));
    rmSync(out("large.png"));

    // The server refuses it as well, whatever a page does.
    const [status, answer] = await page.evaluate(async (length) => {
      const body = new Blob([new Uint8Array(length)]);
      const response = await fetch("/api/search?code=f32", { method: "POST", body });
      return [response.status, await response.json()];
    }, TOO_LONG);
    assert.equal(status, 413);
    assert.match(answer.error, /too large: a picture may have 16 MiB/);
    await page.close();
  });

  test("the camera is searched with until it is stopped", async () => {
    const { page, trouble } = await open(context, server.address);
    await page.check("input[name=source][value=camera]");
    await page.click("#film");
    await page.locator("#matches li >> nth=11").waitFor();
    assert.ok(await page.locator("#video").evaluate((video) => video.videoWidth > 0));
    await screenshot(page, "serve-camera");
    await page.click("#film");
    assert.ok(await page.locator("#video").evaluate((video) => video.srcObject === null));
    assert.deepEqual(trouble, []);
    await page.close();
  });

  test("the gallery is downloaded and searched on the command line", async () => {
    const { page } = await open(context, server.address);
    await stroke(page, SEVEN);
    await labels(page);
    await enrol(page, "from the page");
    await page.check("input[name=code][value=binary]");
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("#download")]);
    assert.equal(download.suggestedFilename(), "binary.gallery");
    await download.saveAs(out("binary.gallery"));
    trainer("search", INT8, "--gallery", out("binary.gallery"), SEVEN_FILE);
    await page.getByRole("button", { name: "Delete from the page" }).click();
    await page.locator("#enrolled li").waitFor({ state: "detached" });
    await page.close();
  });

  test("another site in the same browser reaches nothing", async () => {
    const elsewhere = createServer((_, response) => {
      response.setHeader("content-type", "text/html");
      response.end("<!doctype html><title>elsewhere</title>");
    });
    await new Promise((resolve) => { elsewhere.listen(0, "127.0.0.1", resolve); });
    const page = await context.newPage();
    await page.goto(`http://127.0.0.1:${elsewhere.address().port}/`);
    const reached = await page.evaluate(async (address) => {
      const outcome = (promise) => promise.then(({ status }) => status, () => "refused");
      const image = new Image();
      const loaded = new Promise((resolve, reject) => { image.onload = resolve; image.onerror = reject; });
      image.src = `${address}thumbnail/0`;
      const post = { method: "POST", mode: "no-cors", body: "x" };
      return [
        await outcome(loaded.then(() => ({ status: "loaded" }))),
        await outcome(fetch(`${address}api/about`)),
        await outcome(fetch(`${address}api/items/1`, { method: "DELETE" })),
        await outcome(fetch(`${address}api/enrol?name=x`, post)),
      ];
    }, server.address);
    assert.deepEqual(reached, ["refused", "refused", "refused", "refused"]);
    const { enrolled } = await (await context.request.get(`${server.address}api/about`)).json();
    assert.deepEqual(enrolled, []);
    await page.close();
    elsewhere.close();
    elsewhere.closeAllConnections();
  });

  test("controls have names, pictures have alternatives, contrast suffices", async () => {
    const { page } = await open(context, server.address);
    await stroke(page, SEVEN);
    await labels(page);
    await enrol(page, "seven");
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      for (const source of ["draw", "picture", "camera"]) {
        await page.check(`input[name=source][value=${source}]`);
        assert.deepEqual(await accessibility(page), [], `${source}, ${colorScheme}`);
      }
    }
    await page.getByRole("button", { name: "Delete seven" }).click();
    await page.locator("#enrolled li").waitFor({ state: "detached" });
    await page.close();
  });

  test("screenshots", async () => {
    const { page, trouble } = await open(context, server.address);
    await stroke(page, SEVEN);
    await labels(page);
    await screenshot(page, "serve");
    await page.emulateMedia({ colorScheme: "dark" });
    await screenshot(page, "serve-dark");
    assert.deepEqual(trouble, []);
    await page.close();
  });
});

describe("on a phone", () => {
  test("a finger draws, and nothing scrolls sideways", async () => {
    const server = await serve(DIGITS, "--int8", INT8, "--per-class", "20");
    const context = await launch(PHONE);
    const { page, trouble } = await open(context, server.address);
    assert.equal(await overflow(page), 0);
    await fingerStroke(page, SEVEN);
    assert.ok(count(await labels(page), "7") >= 10);
    await enrol(page, "a name of 32 bytes without space".replaceAll(" ", "_"));
    assert.equal(await overflow(page), 0);
    await screenshot(page, "serve-phone");
    await page.emulateMedia({ colorScheme: "dark" });
    for (const source of ["picture", "camera"]) {
      await page.check(`input[name=source][value=${source}]`);
      assert.equal(await overflow(page), 0, source);
      await screenshot(page, `serve-phone-${source}`);
    }
    assert.deepEqual(trouble, []);
    await context.close();
    await server.stop();
  });
});

describe("other models", () => {
  test("what is enrolled outlives the server with --save", async () => {
    const saved = out("mine.enrolled");
    rmSync(saved, { force: true });
    const context = await launch();
    let server = await serve(DIGITS, "--int8", INT8, "--per-class", "5", "--save", saved);
    const first = await open(context, server.address);
    for (const line of CROSS) await stroke(first.page, line);
    await labels(first.page);
    await enrol(first.page, "a cross");
    await server.stop();

    // Another model of the same input, and the drawing is embedded anew.
    server = await serve(INT8, "--per-class", "5", "--save", saved);
    const { page, trouble } = await open(context, server.address);
    assert.equal(await page.locator("#enrolled li").count(), 1);
    for (const line of CROSS) await stroke(page, line);
    assert.equal((await labels(page))[0], "a cross");
    assert.deepEqual(await codes(page), ["u8", "projected", "binary", "two-stage"]);
    assert.deepEqual(trouble, []);
    await context.close();
    await server.stop();
  });

  test("a gallery without pictures is searched in its own code", async () => {
    trainer("gallery", INT8, "--out", out("some.gallery"), "--per-class", "3", "--split", "test", "--code", "binary");
    const server = await serve(DIGITS, "--int8", INT8, "--gallery", out("some.gallery"));
    const context = await launch();
    const { page, trouble } = await open(context, server.address);
    await stroke(page, SEVEN);
    assert.equal((await labels(page))[0], "7");
    assert.deepEqual(await codes(page), ["binary"]);
    assert.equal(await page.locator("#matches .none").count(), 12);
    assert.ok((await enrol(page, "mine")).includes("mine"));
    assert.equal(await page.locator("#matches .enrolled img").count(), 1);
    assert.deepEqual(trouble, []);
    await context.close();
    await server.stop();
  });

  test("the page adapts to colour", async () => {
    mkdirSync(out("colours"), { recursive: true });
    for (const [name, bytes] of colourData()) writeFileSync(out(`colours/${name}`), bytes);
    trainer("train", "--loss", "triplet", "--data", out("colours"), "--widths", "4,4,8", "--epochs", "20",
      "--batch-size", "30", "--restart", "--out", out("colours.model"));
    const server = await serve(out("colours.model"), "--data", out("colours"));
    const context = await launch({ viewport: { width: 1100, height: 760 } });
    const { page, trouble } = await open(context, server.address);
    assert.match(await page.locator("#summary").textContent(), /30 × 24 pixels, colour/);
    assert.ok(!(await page.locator("#centre").isChecked()));
    assert.ok(await page.locator("#pen").isVisible());

    await page.check("input[name=source][value=picture]");
    for (const [label, colour] of [["0", [220, 40, 40]], ["2", [40, 60, 220]]]) {
      await page.setInputFiles("#file", { name: "c.bmp", mimeType: "image/bmp", buffer: colourBmp(96, colour) });
      const found = await labels(page);
      assert.ok(count(found, label) >= 10, `${label}: ${found}`);
    }
    await screenshot(page, "serve-colour");
    await page.check("input[name=source][value=draw]");
    await stroke(page, SEVEN);
    assert.equal((await labels(page)).length, 12);
    assert.deepEqual(trouble, []);
    await context.close();
    await server.stop();
  });
});

const codes = (page) => page.locator("input[name=code]").evaluateAll((inputs) => inputs.map((input) => input.value));

// A 7 in dark ink on light paper as a WebP file, made by the browser.
async function webp(page) {
  const url = await page.evaluate(() => {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 90;
    const context = canvas.getContext("2d");
    context.fillStyle = "#eee";
    context.fillRect(0, 0, 90, 90);
    context.strokeStyle = "#113";
    context.lineWidth = 8;
    context.stroke(new Path2D("M20 20 h40 L35 80"));
    return canvas.toDataURL("image/webp");
  });
  return Buffer.from(url.split(",")[1], "base64");
}
