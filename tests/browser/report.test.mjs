// `trainer report` in a browser: the page as a file. Run by scripts/browser.sh.

import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

import { colourData } from "./images.mjs";
import { accessibility, launch, out, overflow, screenshot, trainer, watch } from "./support.mjs";

const DIGITS = out("report-digits.model");
const DIGITS_PAGE = out("report-digits.html");
const COLOUR_PAGE = out("report-colour.html");
const SIZES = { phone: { width: 375, height: 812 }, desk: { width: 1280, height: 900 } };
const MEGABYTE = 2 ** 20;

before(() => {
  // A network that PyTorch trained with the triplet loss, which has no history.
  trainer("import", process.env.WEIGHTS, "--out", DIGITS);
  trainer("report", DIGITS, "--baseline", "pixels", "--resamples", "100", "--out", DIGITS_PAGE);

  const data = out("report-colour-data");
  mkdirSync(data, { recursive: true });
  for (const [name, bytes] of colourData()) writeFileSync(`${data}/${name}`, bytes);
  const model = out("report-colour.model");
  trainer("train", "--loss", "triplet", "--data", data, "--widths", "8,8,16", "--epochs", "5",
    "--batch-size", "30", "--restart", "--out", model);
  trainer("report", model, "--data", data, "--out", COLOUR_PAGE);
});

// Opens a page; `trouble` lists errors, warnings and requests.
async function open(context, path) {
  const page = await context.newPage();
  const url = pathToFileURL(path).href;
  const trouble = watch(page, url);
  await page.goto(url);
  return { page, trouble };
}

const box = async (locator) => {
  const { x, y, width, height } = await locator.boundingBox();
  return { left: x, top: y, right: x + width, bottom: y + height };
};

for (const [name, path] of [["digits", DIGITS_PAGE], ["colour", COLOUR_PAGE]]) {
  describe(name, () => {
    for (const colorScheme of ["light", "dark"]) {
      for (const [size, viewport] of Object.entries(SIZES)) {
        test(`${size}, ${colorScheme}: no trouble, nothing wider than the window, accessible`, async () => {
          const context = await launch({ viewport, colorScheme });
          const { page, trouble } = await open(context, path);
          assert.equal(await overflow(page), 0);
          for (const summary of await page.locator("summary").all()) await summary.click();
          assert.equal(await overflow(page), 0);
          assert.deepEqual(await accessibility(page), []);
          const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
          const light = Number(/\d+/.exec(ground)[0]) > 127;
          assert.equal(light, colorScheme === "light");
          for (const summary of await page.locator("summary").all()) await summary.click();
          await screenshot(page, `report-${name}-${size}-${colorScheme}`);
          assert.deepEqual(trouble, []);
          await context.close();
        });
      }
    }

    test("every picture is there and has a text in its place", async () => {
      const context = await launch({ viewport: SIZES.desk });
      const { page, trouble } = await open(context, path);
      const pictures = await page.locator("img").evaluateAll((images) =>
        images.map(({ alt, naturalWidth, className }) => [alt, naturalWidth, className]));
      assert.ok(pictures.length > 100);
      for (const [alt, width, kind] of pictures) {
        assert.ok(width > 0);
        assert.equal(alt === "", kind === "sprite");
      }
      assert.deepEqual(trouble, []);
      await context.close();
    });
  });
}

describe("the map", () => {
  let context;

  before(async () => { context = await launch({ viewport: SIZES.desk }); });
  after(async () => { await context?.close(); });

  // How much of the picture shown differs from its first pixel.
  const drawn = (page) => page.locator(".tip canvas").evaluate((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return [...data].filter((value, i) => value !== data[i % 4]).length;
  });

  test("pointing at an image shows it", async () => {
    const { page, trouble } = await open(context, DIGITS_PAGE);
    await page.locator("#map").scrollIntoViewIfNeeded();
    const point = page.locator("#map path").nth(10);
    const { left, top, right, bottom } = await box(point);
    await page.mouse.move((left + right) / 2, (top + bottom) / 2);
    await page.locator(".tip").waitFor();
    assert.match(await page.locator(".tip p").textContent(), /^image \d+: \d; nearest is image \d+: \d$/);
    assert.ok(await drawn(page) > 20);
    const [map, tip] = [await box(page.locator("#map")), await box(page.locator(".tip"))];
    assert.ok(tip.left >= map.left && tip.right <= map.right && tip.top >= map.top && tip.bottom <= map.bottom);
    await page.screenshot({ path: out("report-map.png") });
    await page.mouse.move(2, 2);
    assert.ok(await page.locator(".tip").isHidden());
    assert.deepEqual(trouble, []);
    await page.close();
  });

  test("arrow keys go from image to image", async () => {
    const { page, trouble } = await open(context, DIGITS_PAGE);
    await page.focus("#map");
    await page.keyboard.press("ArrowRight");
    const first = await page.locator(".tip p").textContent();
    const place = () => page.locator(".ring").evaluate((ring) => [ring.cx.baseVal.value, ring.cy.baseVal.value]);
    const before_ = await place();
    await page.keyboard.press("ArrowRight");
    assert.notEqual(await page.locator(".tip p").textContent(), first);
    assert.ok((await place())[0] > before_[0]);
    await page.keyboard.press("Escape");
    assert.ok(await page.locator(".tip").isHidden());
    assert.deepEqual(trouble, []);
    await page.close();
  });

  test("a finger shows an image too", async () => {
    const phone = await launch({ viewport: SIZES.phone, isMobile: true, hasTouch: true });
    const { page, trouble } = await open(phone, DIGITS_PAGE);
    await page.locator("#map").scrollIntoViewIfNeeded();
    const { left, top, right, bottom } = await box(page.locator("#map path").nth(200));
    await page.touchscreen.tap((left + right) / 2, (top + bottom) / 2);
    await page.locator(".tip").waitFor();
    assert.ok(await drawn(page) > 20);
    assert.equal(await overflow(page), 0);
    assert.deepEqual(trouble, []);
    await phone.close();
  });
});

test("without scripts all but the pictures over the map is there", async () => {
  const context = await launch({ viewport: SIZES.phone, javaScriptEnabled: false });
  const { page, trouble } = await open(context, DIGITS_PAGE);
  assert.equal(await page.locator("section").count(), 8);
  assert.ok(await page.locator("#map svg").isVisible());
  assert.ok(await page.locator("#map-help").isHidden());
  assert.match(await page.locator("#map path title").first().textContent(), /^image 0: 7/);
  assert.deepEqual(trouble, []);
  await context.close();
});

test("in print the page is light, and its details are open", async () => {
  const context = await launch({ viewport: SIZES.desk, colorScheme: "dark" });
  const { page } = await open(context, DIGITS_PAGE);
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  const [ground, text] = await page.evaluate(() => {
    const { backgroundColor, color } = getComputedStyle(document.body);
    return [backgroundColor, color];
  });
  assert.deepEqual([ground, text], ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]);
  assert.ok(await page.locator("nav").isHidden());
  assert.ok(await page.locator("dd").first().isVisible());
  await screenshot(page, "report-print");
  await context.close();
});

test("ten thousand images make a page of a few megabytes", () => {
  const { size } = statSync(DIGITS_PAGE);
  assert.ok(size < 3 * MEGABYTE, `${size}`);
});
