// LeNet-5 as cnnlib.models.LeNet5Modern computes it, in plain arithmetic: no page, no library.
//
// One idea keeps it short: a fully connected layer is a convolution whose kernel covers its whole input. C5 is a
// 5x5 convolution on the 5x5 maps of S4 (so the paper calls it), F6 and the output are 1x1 convolutions.
// Every map is stored row by row, channel after channel, as PyTorch does it.

export const SIDE = 28;

const ACTIVATIONS = {
  none: (x) => x,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  tanh: Math.tanh,
  relu: (x) => (x > 0 ? x : 0),
};

/** Little-endian float16 numbers in base64 -> Float32Array. Exact: every float16 is a float32. */
export function decodeHalf(base64) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 2 }, (_, i) => {
    const half = view.getUint16(2 * i, true);
    const sign = half & 0x8000 ? -1 : 1, exponent = (half >> 10) & 31, fraction = half & 1023;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}

/**
 * The network of `spec` = {kernel_size, pooling, activation, mean, std, weights}. `weights` are the tensors of the
 * state dict one after the other (c1.weight, c1.bias, c3.weight, ...) as float16 in base64.
 */
export function createNet({ kernel_size, pooling, activation, mean, std, weights }) {
  const conv = (name, channels, kernel, pad, size) => ({ name, op: "conv", channels, kernel, stride: 1, pad, size });
  const pool = (name, channels, size) => ({ name, op: "pool", channels, kernel: 2, stride: 2, pad: 0, size });
  const stages = [
    { name: "input", op: "input", channels: 1, size: SIDE },
    conv("c1", 6, kernel_size, kernel_size >> 1, 28), pool("s2", 6, 14),
    conv("c3", 16, 5, 0, 10), pool("s4", 16, 5),
    conv("c5", 120, 5, 0, 1), conv("f6", 84, 1, 0, 1), conv("output", 10, 1, 0, 1),
  ];
  const numbers = decodeHalf(weights);
  let used = 0;
  const take = (count) => numbers.subarray(used, (used += count));
  stages.forEach((stage, i) => {
    stage.index = i;
    if (stage.op !== "conv") return;
    stage.weight = take(stage.channels * stages[i - 1].channels * stage.kernel ** 2);
    stage.bias = take(stage.channels);
    stage.activation = stage.name === "output" ? "none" : activation;
  });
  if (used !== numbers.length) throw new Error(`LeNet-5 has ${used} weights, got ${numbers.length}`);
  return { stages, pooling, activation, mean, std, byName: Object.fromEntries(stages.map((s) => [s.name, s])) };
}

/** Grey levels 0..255 (28x28 = 784 of them) -> what the network was trained on. */
export function normalise(net, pixels) {
  return Float32Array.from(pixels, (p) => (p / 255 - net.mean) / net.std);
}

/** All stages for one normalised image: {input, c1, s2, c3, s4, c5, f6, output}, each a Float32Array. */
export function forward(net, input) {
  const maps = { input };
  for (let i = 1; i < net.stages.length; i++) {
    const stage = net.stages[i], source = net.stages[i - 1];
    maps[stage.name] = (stage.op === "conv" ? convolve : subsample)(net, stage, source, maps[source.name]);
  }
  return maps;
}

function convolve(net, { channels, kernel, pad, size, weight, bias, activation }, source, x) {
  const out = new Float32Array(channels * size * size), sums = new Float64Array(size * size);
  const squash = ACTIVATIONS[activation], side = source.size;
  let w = 0;
  for (let o = 0; o < channels; o++) {
    sums.fill(bias[o]);
    for (let c = 0; c < source.channels; c++) {
      for (let ky = 0; ky < kernel; ky++) {
        const top = Math.max(0, pad - ky), bottom = Math.min(size, side + pad - ky);
        for (let kx = 0; kx < kernel; kx++, w++) {
          const left = Math.max(0, pad - kx), right = Math.min(size, side + pad - kx), factor = weight[w];
          for (let y = top; y < bottom; y++) {
            const from = (c * side + y + ky - pad) * side + kx - pad;
            for (let col = left; col < right; col++) sums[y * size + col] += factor * x[from + col];
          }
        }
      }
    }
    for (let j = 0; j < sums.length; j++) out[o * sums.length + j] = squash(sums[j]);
  }
  return out;
}

function subsample(net, { channels, size }, source, x) {
  const out = new Float32Array(channels * size * size), side = source.size, max = net.pooling === "max";
  for (let c = 0, j = 0; c < channels; c++) {
    for (let y = 0; y < size; y++) {
      for (let col = 0; col < size; col++, j++) {
        const p = (c * side + 2 * y) * side + 2 * col;
        out[j] = max ? Math.max(x[p], x[p + 1], x[p + side], x[p + side + 1])
          : (x[p] + x[p + 1] + x[p + side] + x[p + side + 1]) / 4;
      }
    }
  }
  return out;
}

/** Probabilities from logits. */
export function softmax(logits) {
  const top = Math.max(...logits), powers = Array.from(logits, (z) => Math.exp(z - top));
  const total = powers.reduce((a, b) => a + b);
  return powers.map((p) => p / total);
}

/**
 * What unit (y, x) of a stage sees of an earlier stage: {top, left, size} in cells of that stage's maps. The window
 * may reach over the edge into the padding (top or left negative, or top + size beyond the map).
 */
export function receptiveField(net, name, y, x, earlier = "input") {
  let top = y, left = x, size = 1;
  for (let i = net.byName[name].index; i > net.byName[earlier].index; i--) {
    const { kernel, stride, pad } = net.stages[i];
    top = top * stride - pad;
    left = left * stride - pad;
    size = (size - 1) * stride + kernel;
  }
  return { top, left, size };
}

/**
 * How one unit got its value: the patch of every map that feeds it, the weights it is multiplied by, and the sums.
 * -> {value, bias, sum, parts: [{channel, patch, weights, sum}]}; a pooling unit has one part and no weights.
 */
export function explain(net, maps, name, channel, y, x) {
  const stage = net.byName[name], source = net.stages[stage.index - 1];
  const { kernel, stride, pad, size } = stage, area = kernel * kernel, input = maps[source.name];
  const value = maps[name][(channel * size + y) * size + x];
  const patchOf = (c) => Float32Array.from({ length: area }, (_, i) => {
    const row = y * stride - pad + Math.floor(i / kernel), col = x * stride - pad + (i % kernel);
    const inside = row >= 0 && col >= 0 && row < source.size && col < source.size;
    return inside ? input[(c * source.size + row) * source.size + col] : 0;
  });
  if (stage.op === "pool") return { value, parts: [{ channel, patch: patchOf(channel) }] };
  const parts = Array.from({ length: source.channels }, (_, c) => {
    const patch = patchOf(c), from = (channel * source.channels + c) * area;
    const weights = stage.weight.subarray(from, from + area);
    return { channel: c, patch, weights, sum: patch.reduce((total, p, i) => total + p * weights[i], 0) };
  });
  const bias = stage.bias[channel];
  return { value, bias, sum: parts.reduce((total, part) => total + part.sum, bias), parts };
}
