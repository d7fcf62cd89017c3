// From pen strokes to the 28x28 grey picture that LeNet takes, prepared as MNIST was. Plain arithmetic, no page.
// Strokes are lists of [x, y]; on the pad 0..1, in the picture 0..28 with pixel (row, col) covering
// [col, col + 1] x [row, row + 1]. A picture is a Float32Array of 784, 0 = paper, 1 = ink.
import { SIDE } from "./lenet_forward.js";

const FIT = 20; // MNIST: the digit is fitted into 20x20, its aspect kept ...
const CENTRE = 14.5; // ... and its centre of mass put on the middle of pixel 14 (measured: 14.0 +- 0.3 on its test set)

/** Anti-aliased strokes `width` pixels wide: a pixel's ink falls from 1 to 0 within one pixel across the edge. */
export function rasterise(strokes, width) {
  const ink = new Float32Array(SIDE * SIDE), reach = width / 2 + 0.5;
  const clip = (v) => Math.min(SIDE, Math.max(0, v));
  for (const stroke of strokes) {
    for (let i = 0; i < stroke.length; i++) {
      const [x0, y0] = stroke[Math.max(0, i - 1)], [x1, y1] = stroke[i];
      if (stroke.length > 1 && i === 0) continue;
      const dx = x1 - x0, dy = y1 - y0, length2 = dx * dx + dy * dy;
      for (let row = clip(Math.floor(Math.min(y0, y1) - reach)); row < clip(Math.ceil(Math.max(y0, y1) + reach)); row++) {
        for (let col = clip(Math.floor(Math.min(x0, x1) - reach)); col < clip(Math.ceil(Math.max(x0, x1) + reach)); col++) {
          const px = col + 0.5 - x0, py = row + 0.5 - y0;
          const t = length2 ? Math.min(1, Math.max(0, (px * dx + py * dy) / length2)) : 0;
          const cover = reach - Math.hypot(px - t * dx, py - t * dy);
          const at = row * SIDE + col;
          if (cover > ink[at]) ink[at] = Math.min(1, cover);
        }
      }
    }
  }
  return ink;
}

/** The strokes of the pad in picture coordinates, prepared as MNIST did it, or just enlarged when `centre` is off. */
export function place(strokes, width, centre) {
  const points = strokes.flat();
  if (!points.length) return [];
  if (!centre) return move(strokes, (p) => p * SIDE, (p) => p * SIDE);
  const [xs, ys] = [0, 1].map((d) => points.map((p) => p[d]));
  const box = Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys));
  const scale = (FIT - width) / Math.max(box, 0.05); // a dot stays a dot
  const middle = (v) => (Math.max(...v) + Math.min(...v)) / 2;
  const [mx, my] = [middle(xs), middle(ys)];
  const fitted = move(strokes, (x) => CENTRE + (x - mx) * scale, (y) => CENTRE + (y - my) * scale);
  const mass = centreOfMass(rasterise(fitted, width));
  return move(fitted, (x) => x + CENTRE - mass.x, (y) => y + CENTRE - mass.y);
}

const move = (strokes, fx, fy) => strokes.map((stroke) => stroke.map(([x, y]) => [fx(x), fy(y)]));

/** Where the ink balances, {x, y}. */
export function centreOfMass(image) {
  let total = 0, x = 0, y = 0;
  image.forEach((v, i) => { total += v; x += v * ((i % SIDE) + 0.5); y += v * (Math.floor(i / SIDE) + 0.5); });
  return total ? { x: x / total, y: y / total } : { x: CENTRE, y: CENTRE };
}

/** Turn clockwise by `degrees` about the middle, then shift by (dx, dy) pixels. */
export function transformStrokes(strokes, { degrees, dx, dy }) {
  const c = Math.cos((degrees * Math.PI) / 180), s = Math.sin((degrees * Math.PI) / 180), m = CENTRE;
  return strokes.map((stroke) => stroke.map(([x, y]) =>
    [m + c * (x - m) - s * (y - m) + dx, m + s * (x - m) + c * (y - m) + dy]));
}

/** The same for a picture: every new pixel is looked up where it came from, between four old ones. */
export function transformImage(image, { degrees, dx, dy }) {
  if (!degrees && !dx && !dy) return Float32Array.from(image);
  const c = Math.cos((degrees * Math.PI) / 180), s = Math.sin((degrees * Math.PI) / 180), m = CENTRE - 0.5;
  const at = (row, col) => (row < 0 || col < 0 || row >= SIDE || col >= SIDE ? 0 : image[row * SIDE + col]);
  return Float32Array.from({ length: SIDE * SIDE }, (_, i) => {
    const px = (i % SIDE) - dx - m, py = Math.floor(i / SIDE) - dy - m;
    const x = m + c * px + s * py, y = m - s * px + c * py;
    const col = Math.floor(x), row = Math.floor(y), fx = x - col, fy = y - row;
    return (1 - fy) * ((1 - fx) * at(row, col) + fx * at(row, col + 1))
      + fy * ((1 - fx) * at(row + 1, col) + fx * at(row + 1, col + 1));
  });
}

/** Gaussian noise of standard deviation `sigma` (1 = from paper to ink); the same noise every time for one seed. */
export function addNoise(image, sigma, seed = 0) {
  if (!sigma) return image;
  let state = (seed + 0x9e3779b9) | 0;
  const uniform = () => { // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return image.map((v) => v + sigma * Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()));
}

/** Grey levels 0..255, as MNIST stores them. */
export const toBytes = (image) => Uint8Array.from(image, (v) => Math.round(255 * Math.min(1, Math.max(0, v))));

/** The whole way: `drawing` is {strokes} on the pad or {pixels} (784 grey levels, taken as they are). */
export function develop(drawing, { centre, width, degrees, dx, dy, noise }) {
  const turn = { degrees, dx, dy };
  const clean = drawing.pixels ? transformImage(drawing.pixels.map((p) => p / 255), turn)
    : rasterise(transformStrokes(place(drawing.strokes, width, centre), turn), width);
  return toBytes(addNoise(clean, noise));
}
