// Trains a network that describe.py has described, with the kernels of kernels.c. Runs in a Worker, and in Node.
//
// Memory is one piece, given out once, when the network is built. What can be shared is: an activation or a sum is
// computed in place where nobody else needs its operand, and the parts of a concatenation are made where they end up, so
// that a DenseNet's growing stack of maps is one tensor, of which each layer sees the beginning.
const LANES = 16, PAGE = 65536, MOST = 64 * 2 ** 20;       // bytes of memory; a phone closes a page that takes much more
const IN_PLACE = new Set(["relu", "tanh", "sigmoid", "times", "drop", "add"]);
const OUTPUT_UNUSED = new Set(["conv", "linear", "norm", "add", "gate"]);      // on the way back they ask for inputs only
const KINDS = ["relu", "tanh", "sigmoid"];
const size = ({ C, P }) => C * P * LANES;                   // numbers of a tile

export class Network {
  /** `bytes`: the compiled kernels. `batch`: the most pictures of a step. `seed`: what dropout draws from. */
  constructor(description, { bytes, batch = 64, seed = 0 }) {
    this.tiles = Math.ceil(batch / LANES);
    this.seed = seed;
    this.memory = new WebAssembly.Memory({ initial: 2, maximum: MOST / PAGE });
    this.kernels = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory: this.memory } }).exports;
    this.top = PAGE;
    this.lists = new Map();
    this.plans = description.steps.flatMap((part) =>        // [how often, steps], or a step
      (Array.isArray(part) ? Array(part[0]).fill(part[1]).flat() : [part]).map((step) => ({ ...step })));
    this.values = this.plan(description.input);
    this.claimParameters();
    this.values.forEach((value) => this.place(value));
    this.placeGradients();
    this.steps = this.plans.map((step, i) => this.build(step, i + 1));
    this.planGradients();
    this.output = this.values.at(-1);
  }

  // ---- memory

  claim(bytes) {
    const at = this.top;
    this.top += Math.ceil(bytes / 64) * 64;
    if (this.top > MOST) throw new RangeError(`needs more than the ${MOST >> 20} MB of memory that a page may take`);
    const missing = Math.ceil((this.top - this.memory.buffer.byteLength) / PAGE);
    if (missing > 0) this.memory.grow(missing);
    return at;
  }
  floats(at, length) { return new Float32Array(this.memory.buffer, at, length); }

  /** A place for the weights and the bias of a step, in the order of the steps: one row of numbers for all. */
  claimParameters() {
    let at = 0;
    this.parameters = [];
    const claim = (length, beginning, inputs) => {
      this.parameters.push({ at, size: length, beginning, inputs });
      return (at += length) - length;
    };
    this.plans.forEach((step, i) => {
      const [x] = step.from, { C } = this.values[i + 1], { groups = 1, kernel: [kh, kw] = [1, 1] } = step;
      const length = { conv: (C * x.C * kh * kw) / groups, linear: C * x.C * x.P }[step.op] ?? C;
      if (step.w) step.weight = 4 * claim(length, step.w, length / C);
      if (step.b) step.bias = 4 * claim(C, step.b, length / C);
    });
    this.size = at;
    [this.w, this.g, this.m, this.v] = [0, 0, 0, 0].map(() => this.claim(4 * Math.ceil(at / 4) * 4));
    this.norms = [];
  }
  weights() { return this.floats(this.w, this.size); }
  gradients() { return this.floats(this.g, this.size); }

  /** Rows of pairs as three arrays in memory: where each row begins, the first and the second number of each pair. */
  list(rows) {
    const flat = rows.flat(), first = [0];
    for (const row of rows) first.push(first.at(-1) + row.length);
    return [first, flat.map(([a]) => a), flat.map(([, b]) => b)].map((values) => {
      const at = this.claim(4 * values.length);
      new Int32Array(this.memory.buffer, at, values.length).set(values);
      return at;
    });
  }
  /** The windows of a step, from each side: by output pixel, by input pixel, by weight. Equal layers share them. */
  windows(x, y, step) {
    const key = [x.H, x.W, y.H, y.W, step.kernel, step.stride, step.padding, step.dilation].join();
    if (!this.lists.has(key)) {
      const { rows, back, taps } = windows(x, y, step);
      this.lists.set(key, { rows, out: this.list(rows), back: this.list(back), taps: this.list(taps) });
    }
    return this.lists.get(key);
  }

  // ---- which value lies where

  /** The shape of every value, and where it is computed: in the place of `root`, or as channels `from`.. of `home`. */
  plan([C, H, W]) {
    const values = [{ C, H, W, P: H * W, op: "input", users: 0 }];
    this.plans.forEach((step, i) => {
      step.from = step.of.map((back) => values[i + 1 - back]);
      step.from.forEach((value) => { value.users++; });
      values.push({ ...shapeOf(step), op: step.op, users: 0 });
    });
    this.plans.forEach((step, i) => {
      const [x] = step.from;
      if ((step.op === "concat" && step.from.length === 1) || (IN_PLACE.has(step.op) && x.users === 1 && OUTPUT_UNUSED.has(x.op)))
        values[i + 1].root = x;
    });
    for (let i = this.plans.length; i > 0; i--)     // the longest concatenation comes last and chooses first
      if (values[i].op === "concat" && !values[i].root) this.settle(this.plans[i - 1], values[i]);
    return values;
  }
  /** Parts of a concatenation that have no place yet get theirs in it; if all have one in a row already, it is a view. */
  settle(step, value) {
    const root = (x) => (x.root ? root(x.root) : x), parts = step.from.map(root), [{ home, from }] = parts;
    let next = from;
    const inRow = (part) => { next += part.C; return part.home === home && part.from === next - part.C; };
    if (home && parts.every(inRow)) {
      Object.assign(value, { home, from });
      return;
    }
    next = 0;
    for (const part of parts) {
      if (!part.home && part !== value && part.op !== "input") Object.assign(part, { home: value, from: next });
      next += part.C;
    }
  }
  /** Give a value y, its memory, s, the numbers from one tile to the next, and `buffer`, all that lies there together. */
  place(value) {
    if (value.buffer) return value;
    const { root, home } = value;
    if (root || home) {
      const { s, P, buffer, offset } = this.place(root || home), at = offset + (root ? 0 : 4 * value.from * P * LANES);
      return Object.assign(value, { y: buffer.y + at, s, buffer, offset: at });
    }
    const s = size(value), y = this.claim(4 * s * this.tiles);
    return Object.assign(value, { y, s, offset: 0, buffer: { whole: s, y, first: Infinity, last: 0 } });
  }
  /** Give every value d, the memory of its gradient. On the way back a gradient is needed from the last step that uses the
   *  value to the step that made it; then others take its place. */
  placeGradients() {
    this.values.forEach((value, number) => {
      for (const { buffer } of [value, ...(this.plans[number - 1]?.from ?? [])]) {
        buffer.first = Math.min(buffer.first, number);
        buffer.last = number;
      }
    });
    const places = new Set();                               // { d, whole, until }: taken back to step `until`
    for (const buffer of [...new Set(this.values.map((value) => value.buffer))].sort((a, b) => b.last - a.last)) {
      const free = [...places].filter(({ whole, until }) => until > buffer.last && whole >= buffer.whole);
      const place = free.sort((a, b) => a.whole - b.whole)[0]
        ?? { d: this.claim(4 * buffer.whole * this.tiles), whole: buffer.whole };
      places.add(Object.assign(place, { until: buffer.first }));
      buffer.d = place.d;
    }
    for (const value of this.values) value.d = value.buffer.d + value.offset;
  }

  // ---- steps

  build(step, number) {
    const y = this.values[number], [x] = step.from;
    return { y, from: step.from, ...LAYERS[KINDS.includes(step.op) ? "activation" : step.op](this, step, x, y) };
  }

  /** Who is the first to write a gradient on the way back, and who adds to it: of each operand 0 or 1. A tensor whose first
   *  writer knows only some of its channels is cleared before. What is computed in place is written in place. */
  planGradients() {
    const written = new Set();
    for (const made of [...this.steps].reverse()) {
      made.cleared = [];
      made.adds = made.from.map((x) => {
        const { buffer } = x, fresh = !written.has(buffer);
        if (x.d === made.y.d) return 0;
        written.add(buffer);
        if (fresh && size(x) === buffer.whole) return 0;
        if (fresh) made.cleared.push(buffer);
        return 1;
      });
    }
  }

  /** Compute all values. `real` pictures are in the batch, `training` as in PyTorch. */
  forward(real, training) {
    const tiles = Math.ceil(real / LANES);
    for (const made of this.steps) made.forward?.(tiles, real, training);
  }
  /** From the gradient of the output to those of all parameters. */
  backward(real) {
    const tiles = Math.ceil(real / LANES);
    for (const made of [...this.steps].reverse()) {
      for (const { d, whole } of made.cleared) this.floats(d, whole * tiles).fill(0);
      made.backward?.(tiles, real, made.adds);
    }
  }

  // ---- pictures in, loss out

  /** Pictures of a `Pictures` with these numbers become the batch. */
  put(pictures, numbers) {
    const { values: [{ y, C, P }] } = this, x = this.floats(y, C * P * LANES * this.tiles), end = numbers.length;
    for (let tile = 0; tile * LANES < end; tile++)
      for (let lane = 0; lane < LANES; lane++) {
        const n = tile * LANES + lane, base = tile * C * P * LANES + lane;
        for (let j = 0; j < C * P; j++) x[base + j * LANES] = n < end ? pictures.value(numbers[n], j, P) : 0;
      }
    this.labels = Array.from(numbers, (number) => pictures.labels[number]);
  }
  /** Logits of picture n of the batch. */
  logits(n) {
    const { y, s, C } = this.output, z = this.floats(y, s * this.tiles), base = Math.floor(n / LANES) * s + (n % LANES);
    return Float64Array.from({ length: C }, (_, c) => z[base + c * LANES]);
  }
  /** Sum of the cross-entropies, number of wrong answers; the gradient of the mean goes to the output. */
  loss(real) {
    const { d, s, C } = this.output, slope = this.floats(d, s * this.tiles).fill(0);
    let sum = 0, wrong = 0;
    for (let n = 0; n < real; n++) {
      const z = this.logits(n), top = Math.max(...z), exps = z.map((v) => Math.exp(v - top));
      const all = exps.reduce((a, b) => a + b, 0), label = this.labels[n], base = Math.floor(n / LANES) * s + (n % LANES);
      sum += Math.log(all) + top - z[label];
      wrong += z.indexOf(top) !== label;
      for (let c = 0; c < C; c++) slope[base + c * LANES] = (exps[c] / all - (c === label)) / real;
    }
    return { loss: sum, wrong };
  }
  /** Forward, backward, and a step of the optimizer unless there is no `lr`. */
  step(pictures, numbers, recipe, lr, count) {
    const { kernels: K, w, g, m, v } = this, real = numbers.length, length = Math.ceil(this.size / 4) * 4;
    this.put(pictures, numbers);
    this.drawn = count;
    this.forward(real, true);
    const result = this.loss(real);
    this.backward(real);
    const decay = recipe.weight_decay ?? 0, momentum = recipe.momentum ?? 0.9;
    if (lr && recipe.optimizer === "adam")
      K.adam(w, g, m, v, length, lr, decay, 1 - 0.9 ** (count + 1), Math.sqrt(1 - 0.999 ** (count + 1)));
    else if (lr) K.sgd(w, g, m, length, lr, momentum, decay, +!count);
    return result;
  }
  /** Mean loss and share of wrong answers in evaluation mode. */
  evaluate(pictures) {
    const sum = { loss: 0, wrong: 0 };
    for (let from = 0; from < pictures.count; from += this.tiles * LANES) {
      const numbers = range(from, Math.min(pictures.count, from + this.tiles * LANES));
      this.put(pictures, numbers);
      this.forward(numbers.length, false);
      const { loss, wrong } = this.loss(numbers.length);
      sum.loss += loss;
      sum.wrong += wrong;
    }
    return { loss: sum.loss / pictures.count, error: sum.wrong / pictures.count };
  }

  // ---- beginnings

  load(weights) {
    if (weights.length !== this.size) throw new Error(`${weights.length} weights for ${this.size} parameters`);
    this.weights().set(weights);
  }
  /** Draw every parameter as its description says; `random` gives numbers from 0 to 1. */
  begin(random) {
    const weights = this.weights();
    const draw = { constant: () => 1, uniform: () => 2 * random() - 1,
      normal: () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()) };
    for (const { at, size: length, beginning: [kind, number], inputs } of this.parameters) {
      const scale = kind === "constant" ? number : number / Math.sqrt(inputs);
      for (let j = at; j < at + length; j++) weights[j] = scale * draw[kind]();
    }
  }
}

// ---- what each operation does: (network, step, first operand, result) -> { forward, backward }

const LAYERS = {
  conv(net, step, x, y) {
    const { kernel: [kh, kw], groups = 1, weight, bias } = step, { kernels: K } = net, T = kh * kw;
    const [I, O] = [x.C / groups, y.C / groups], { out, back, taps } = net.windows(x, y, step);
    const first = x.op === "input", biased = bias === undefined ? 0 : 1;
    const each = (f) => {                                   // a group sees its share of the channels
      for (let group = 0; group < groups; group++)
        f(4 * group * I * x.P * LANES, 4 * group * O * y.P * LANES, weight + 4 * group * O * I * T, 4 * group * O);
    };
    return {
      forward: (tiles) => each((xAt, yAt, at, bAt) => K.gather(x.y + xAt, x.s, net.w + at, y.y + yAt, y.s, tiles, I, x.P,
        O, y.P, I * T, T, ...out, biased && net.w + bias + bAt, 0)),
      backward(tiles, real, [add]) {
        if (biased) K.bias_back(y.d, y.s, net.g + bias, tiles, y.C, y.P);
        each((xAt, yAt, at) => {
          K.weights(x.y + xAt, x.s, y.d + yAt, y.s, net.g + at, tiles, I, x.P, O, y.P, I * T, T, T,
            ...taps);
          if (!first) K.gather(y.d + yAt, y.s, net.w + at, x.d + xAt, x.s, tiles, O, y.P, I, x.P, T, I * T, ...back, 0, add);
        });
      },
    };
  },
  linear: (net, step, x, y) => LAYERS.conv(net, { ...step, kernel: [1, 1] }, { ...x, C: x.C * x.P, H: 1, W: 1, P: 1 }, y),
  norm(net, { weight: gain, bias: shift, momentum = 0.1, eps = 1e-5 }, x, y) {
    const { kernels: K } = net, running = net.claim(8 * x.C), saved = net.claim(8 * x.C);
    net.floats(running, 2 * x.C).fill(1, x.C);
    net.norms.push({ at: running, C: x.C });
    return {
      forward: (tiles, real, training) => K.norm(x.y, x.s, y.y, y.s, tiles, real, x.C, x.P, net.w + gain, net.w + shift,
        running, saved, momentum, eps, +training),
      backward: (tiles, real, [add]) => K.norm_back(x.y, x.s, y.d, y.s, x.d, x.s, tiles, real, x.C, x.P, net.w + gain, saved,
        net.g + gain, net.g + shift, add),
    };
  },
  activation: ({ kernels: K }, { op }, x, y) => ({
    forward: (tiles) => K.activate(x.y, x.s, y.y, y.s, tiles, size(x), KINDS.indexOf(op)),
    backward: (tiles, real, [add]) => K.activate_back(y.y, y.s, y.d, y.s, x.d, x.s, tiles, size(x), KINDS.indexOf(op), add),
  }),
  average: (net, step, x, y) => pooling(net, step, x, y, 0),
  largest: (net, step, x, y) => pooling(net, step, x, y, 1),
  add: ({ kernels: K }, { from: [a, b] }, x, y) => ({
    forward(tiles) {
      if (y.y !== a.y) K.blend(a.y, a.s, y.y, y.s, tiles, size(y), 1, 0);
      K.blend(b.y, b.s, y.y, y.s, tiles, size(y), 1, 1);
    },
    backward(tiles, real, adds) {
      if (y.y !== a.y) K.blend(y.d, y.s, a.d, a.s, tiles, size(y), 1, adds[0]);
      K.blend(y.d, y.s, b.d, b.s, tiles, size(y), 1, adds[1]);
    },
  }),
  concat({ kernels: K }, { from }, x, y) {
    let at = 0;
    const copied = from.map((part, i) => ({ part, i, at: (at += 4 * size(part)) - 4 * size(part) }))
      .filter(({ part, at: start }) => part.y !== y.y + start);
    return {
      forward: (tiles) => copied.forEach(({ part, at: start }) =>
        K.blend(part.y, part.s, y.y + start, y.s, tiles, size(part), 1, 0)),
      backward: (tiles, real, adds) => copied.forEach(({ part, i, at: start }) =>
        K.blend(y.d + start, y.s, part.d, part.s, tiles, size(part), 1, adds[i])),
    };
  },
  pad({ kernels: K }, { before }, x, y) {                   // the channels of zeros are never written
    const at = 4 * before * x.P * LANES;
    return {
      forward: (tiles) => K.blend(x.y, x.s, y.y + at, y.s, tiles, size(x), 1, 0),
      backward: (tiles, real, [add]) => K.blend(y.d + at, y.s, x.d, x.s, tiles, size(x), 1, add),
    };
  },
  times: ({ kernels: K }, { factor }, x, y) => ({
    forward: (tiles) => K.blend(x.y, x.s, y.y, y.s, tiles, size(x), factor, 0),
    backward: (tiles, real, [add]) => K.blend(y.d, y.s, x.d, x.s, tiles, size(x), factor, add),
  }),
  gate: ({ kernels: K }, { from: [, g] }, x, y) => ({
    forward: (tiles) => K.gate(x.y, x.s, g.y, g.s, y.y, y.s, tiles, x.C, x.P, 0),
    backward(tiles, real, adds) {
      K.gate(y.d, y.s, g.y, g.s, x.d, x.s, tiles, x.C, x.P, adds[0]);
      K.gate_back(x.y, x.s, y.d, y.s, g.d, g.s, tiles, x.C, x.P, adds[1]);
    },
  }),
  drop(net, { rate }, x, y) {
    const { kernels: K } = net, place = net.drops = (net.drops ?? 0) + 1;
    const seed = () => Math.imul(net.seed * 1009 + net.drawn * 31 + place, 0x9e3779b1) >>> 0;
    return {
      forward: (tiles, real, training) => K.drop(x.y, x.s, y.y, y.s, tiles, size(x), seed(), training ? 1 - rate : 1, 0),
      backward: (tiles, real, [add]) => K.drop(y.d, y.s, x.d, x.s, tiles, size(x), seed(), 1 - rate, add),
    };
  },
};

function pooling(net, step, x, y, kind) {
  const { kernels: K } = net, { rows, out: [first, place] } = net.windows(x, y, step);
  const share = net.claim(4 * y.P), whole = step.outside && step.kernel[0] * step.kernel[1];
  net.floats(share, y.P).set(rows.map((row) => 1 / (whole || row.length)));
  return {
    forward: (tiles) => K.pool(x.y, x.s, y.y, y.s, tiles, x.C, x.P, y.P, first, place, share, kind),
    backward(tiles, real, [add]) {
      if (!add) K.blend(x.d, x.s, x.d, x.s, tiles, size(x), 0, 0);
      K.pool_back(x.y, x.s, y.y, y.s, y.d, y.s, x.d, x.s, tiles, x.C, x.P, y.P, first, place, share, kind);
    },
  };
}

/** What sees what. `rows`: of every output pixel [place of an input pixel, weight]; `back`: of every input pixel [place of
 *  an output pixel, weight]; `taps`: of every weight [place in, place out]. Without a kernel the picture is divided into as
 *  many windows as there are outputs. */
function windows(x, y, { kernel, stride = [1, 1], padding = [0, 0], dilation = [1, 1] }) {
  const span = (o, n, out, axis) => (kernel
    ? range(0, kernel[axis]).map((k) => [o * stride[axis] + k * dilation[axis] - padding[axis], k])
    : range(Math.floor((o * n) / out), Math.ceil(((o + 1) * n) / out)).map((at) => [at, 0]))
    .filter(([at]) => at >= 0 && at < n);
  const back = range(0, x.P).map(() => []), taps = range(0, kernel ? kernel[0] * kernel[1] : 1).map(() => []);
  const rows = range(0, y.P).map((q) => span(Math.floor(q / y.W), x.H, y.H, 0).flatMap(([r, i]) =>
    span(q % y.W, x.W, y.W, 1).map(([c, j]) => {
      const pixel = r * x.W + c, tap = i * (kernel?.[1] ?? 0) + j;
      back[pixel].push([q * LANES, tap]);
      taps[tap].push([pixel * LANES, q * LANES]);
      return [pixel * LANES, tap];
    })));
  return { rows, back, taps };
}

/** Channels, height, width and pixels of what a step makes. */
function shapeOf({ op, from, channels, kernel = [1, 1], stride = [1, 1], padding = [0, 0], dilation = [1, 1], ...step }) {
  const [x] = from, reach = (axis) => dilation[axis] * (kernel[axis] - 1) + 1;
  const side = (n, axis) => Math.floor((n + 2 * padding[axis] - reach(axis)) / stride[axis]) + 1;
  let { C, H, W } = x;
  if (op === "conv") [C, H, W] = [channels, side(H, 0), side(W, 1)];
  else if (op === "linear") [C, H, W] = [channels, 1, 1];
  else if (op === "concat") C = from.reduce((sum, part) => sum + part.C, 0);
  else if (op === "pad") C += step.before + step.after;
  else if (step.size) [H, W] = step.size;
  return { C, H, W, P: H * W };
}

const range = (from, to) => Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
