// Pictures and data sets that the tests make.

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

// A square BMP file of 24 bits a pixel; `colour` gives red, green and blue.
function bmp(side, colour) {
  const HEAD = 54;
  const padding = Buffer.alloc((4 - ((3 * side) % 4)) % 4);
  const rows = [];
  for (let y = side - 1; y >= 0; y -= 1) {
    for (let x = 0; x < side; x += 1) rows.push(Buffer.from(colour(x, y).slice().reverse()));
    rows.push(padding);
  }
  const pixels = Buffer.concat(rows);
  const head = Buffer.alloc(HEAD);
  head.write("BM");
  head.writeUInt32LE(HEAD + pixels.length, 2);
  head.writeUInt32LE(HEAD, 10);
  head.writeUInt32LE(40, 14); // the length of what follows
  head.writeInt32LE(side, 18);
  head.writeInt32LE(side, 22);
  head.writeUInt16LE(1, 26);
  head.writeUInt16LE(24, 28);
  return Buffer.concat([head, pixels]);
}

// The first of MNIST's test images, which is a 7.
export function sevenOfMnist(directory) {
  const HEAD = 16;
  const images = gunzipSync(readFileSync(`${directory}/t10k-images-idx3-ubyte.gz`));
  return bmp(28, (x, y) => Array(3).fill(images[HEAD + 28 * y + x]));
}

// A patch of one colour on a grey ground.
export const colourBmp = (side, colour) =>
  bmp(side, (x, y) => (patch(x / side, y / side) ? colour : [120, 120, 120]));

const patch = (x, y) => x > 0.2 && x < 0.8 && y > 0.2 && y < 0.8;

const COLOURS = [[220, 40, 40], [40, 200, 60], [40, 60, 220]];
const [HEIGHT, WIDTH] = [24, 30];

function idx(dimensions, values) {
  const header = Buffer.alloc(4 + 4 * dimensions.length);
  header[2] = 8;
  header[3] = dimensions.length;
  dimensions.forEach((dimension, i) => header.writeUInt32BE(dimension, 4 + 4 * i));
  return Buffer.concat([header, Buffer.from(values)]);
}

// Files of a data set of 24x30 colour images: a patch in one of three colours.
export function colourData() {
  let state = 1;
  const noise = () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 16) % 32;
  };
  const files = [];
  for (const [split, count] of [["train", 90], ["t10k", 30]]) {
    const [pixels, labels] = [[], []];
    for (let i = 0; i < count; i += 1) {
      labels.push(i % COLOURS.length);
      for (let y = 0; y < HEIGHT; y += 1) {
        for (let x = 0; x < WIDTH; x += 1) {
          const colour = patch(x / WIDTH, y / HEIGHT) ? COLOURS[i % COLOURS.length] : [120, 120, 120];
          pixels.push(...colour.map((value) => value + noise() - 16));
        }
      }
    }
    files.push([`${split}-images-idx4-ubyte`, idx([count, HEIGHT, WIDTH, 3], pixels)]);
    files.push([`${split}-labels-idx1-ubyte`, idx([count], labels)]);
  }
  return files;
}
