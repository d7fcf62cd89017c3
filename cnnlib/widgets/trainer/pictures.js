// The digits as they travel with a page (compile.py packs them), made ready for a network.
const TRAIN = 1442, SIDE = 8, CLASSES = 10;

/** Base64 of gzipped bytes -> the bytes. */
export async function unpacked(text) {
  const letters = atob(text), zipped = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) zipped[i] = letters.charCodeAt(i);         // `from` is ten times slower
  const stream = new Blob([zipped]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Training and test split at size x size pixels, as cnnlib.data.load("digits", size=size) has them. */
export function digits(bytes, size = SIDE) {
  const count = bytes.length / (SIDE * SIDE + 1), labels = bytes.subarray(count * SIDE * SIDE);
  const pixels = new Uint8Array(count * size * size), weights = enlarging(size);
  for (let n = 0; n < count; n++) {
    const picture = Array.from(bytes.subarray(n * SIDE * SIDE, (n + 1) * SIDE * SIDE), (level) => even(level * (255 / 16)));
    pixels.set(size === SIDE ? picture : enlarged(picture, size, weights), n * size * size);
  }
  const split = (from, to) => ({ pixels: pixels.subarray(from * size * size, to * size * size),
    labels: labels.subarray(from, to), count: to - from, classes: CLASSES });
  const train = split(0, TRAIN), test = split(TRAIN, count), levels = normalised(train.pixels);
  train.levels = levels;
  for (const each of [train, test])
    each.value = (n, j, P) => levels[each.pixels[n * P + (j % P)]];       // every channel sees the same picture
  return { train, test };
}

/** Level 0 to 255 -> what the network sees: zero mean and unit variance over the training split. */
function normalised(pixels) {
  const mean = pixels.reduce((sum, level) => sum + level / 255, 0) / pixels.length;
  const variance = pixels.reduce((sum, level) => sum + (level / 255 - mean) ** 2, 0) / pixels.length;
  return Float32Array.from({ length: 256 }, (_, level) => (level / 255 - mean) / Math.sqrt(variance));
}

const even = (x) => (x % 1 === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));     // halves to the even neighbour, as in PyTorch

/** Bilinear: every new row is a mean of two old ones, rows of [first old one, its weight, weight of the next]. */
function enlarging(size) {
  return Array.from({ length: size }, (_, i) => {
    const centre = ((i + 0.5) * SIDE) / size - 0.5, first = Math.min(SIDE - 1, Math.max(0, Math.floor(centre)));
    const part = Math.min(1, Math.max(0, centre - first));
    return [first, 1 - part, first + 1 < SIDE ? part : 0];
  });
}
function enlarged(picture, size, weights) {
  const at = (r, c) => picture[Math.min(r, SIDE - 1) * SIDE + Math.min(c, SIDE - 1)];
  return Array.from({ length: size * size }, (_, j) => {
    const [r, a, b] = weights[Math.floor(j / size)], [c, u, v] = weights[j % size];
    return even((a * (u * at(r, c) + v * at(r, c + 1)) + b * (u * at(r + 1, c) + v * at(r + 1, c + 1))) / ((a + b) * (u + v)));
  });
}
