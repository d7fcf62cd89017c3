// One training off the page's main thread. It is sent { description, recipe, size, seed, digits, watch } and then "pause",
// "go on" or { watch }; to stop it, end the Worker. It tells { left }, the seconds that it will take, after a few steps; { epoch, part,
// left, seen } several times a second, { row } after an epoch (see `train`), and at last { done: true } or { failed }, with
// { never: true } if it would fail again.
import { Network } from "./engine.js";
import { KERNELS } from "./kernels.js";
import { digits } from "./pictures.js";
import { randomFrom, shuffled, train } from "./run.js";

const TURN = 40, REPORT = 100, TRIAL = 4;                   // milliseconds without a look at messages, between reports; steps
let paused = false, watched = null, resume = () => {};

onmessage = ({ data }) => {
  if (data === "pause") paused = true;
  else if (data === "go on") { paused = false; resume(); }
  else if ("watch" in data && !data.description) watched = data.watch;
  else run(data).catch((problem) => postMessage({ failed: problem.message, never: problem instanceof RangeError }));
};

/** Let messages in, and wait while paused. */
const breathe = async () => {
  await new Promise((done) => { const { port1, port2 } = new MessageChannel(); port1.onmessage = done; port2.postMessage(0); });
  if (paused) await new Promise((done) => { resume = done; });
};

async function run({ description, recipe, size, seed, digits: bytes, watch }) {
  watched = watch;
  const pictures = digits(bytes, size), random = randomFrom(seed), { train: { count }, test } = pictures;
  const kernels = Uint8Array.from(atob(KERNELS), (letter) => letter.charCodeAt(0));
  const net = new Network(description, { bytes: kernels, batch: recipe.batch_size, seed });
  net.begin(random);
  const per = Math.ceil(count / recipe.batch_size), steps = per * recipe.epochs, times = [];
  let done = 0, seconds = 0, turn = performance.now(), report = turn, begun = turn;
  for (const said of train(net, pictures, recipe, () => shuffled(count, random))) {
    const now = performance.now();
    if (said.row) {
      postMessage({ row: { ...said.row, seconds, images_per_second: (count * said.row.epoch) / seconds } });
    } else {
      done++;
      times.push((now - begun) / 1000);
      if (times.length > 25) times.shift();
      const usual = [...times].sort((a, b) => a - b)[times.length >> 1];
      seconds += Math.min(times.at(-1), 10 * usual);        // a closed lid is no training time
      const left = usual * (steps - done + (recipe.epochs - said.epoch + 1) * (test.count / recipe.batch_size / 3));
      const ending = { epoch: said.epoch, part: said.part, left };
      if (done === TRIAL) postMessage(ending);
      if (!(said.loss < Infinity)) return postMessage({ failed: `the loss is no number any more, in epoch ${said.epoch}` });
      if (now - report > REPORT) {
        postMessage({ ...ending, loss: said.loss, seen: watched && look(net, pictures, watched) });
        report = performance.now();
      }
    }
    if (performance.now() - turn > TURN) { await breathe(); turn = performance.now(); }
    begun = performance.now();
  }
  postMessage({ done: true, left: 0, seen: look(net, pictures, watched ?? {}) });
}

/** What a watched training shows: `gradients`, the root mean square of the gradient of the weights of each convolution and
 *  dense layer; the first layer's kernels (those of the first input), and of a picture its maps and the probabilities of the
 *  classes. The picture is `picture` (pixels, 0 to 255) where it has the right size, otherwise the first test digit. */
function look(net, { train: { levels }, test }, { picture }) {
  const all = net.gradients(), layers = net.plans.filter(({ op, w }) => w && op !== "norm");
  const gradients = layers.map(({ weight }) => {
    const { at, size } = net.parameters.find((parameter) => 4 * parameter.at === weight);
    return Math.sqrt(all.subarray(at, at + size).reduce((sum, value) => sum + value * value, 0) / size);
  });
  const [{ P: pixels }, { C, P, W, y }] = net.values, own = picture?.length === pixels ? picture : test.pixels;
  net.put({ labels: test.labels, value: (n, j) => levels[own[j % pixels]] }, [0]);
  net.forward(1, false);
  const maps = net.floats(y, C * P * 16), { at, size } = net.parameters[0], [{ kernel: [high, side] }] = net.plans;
  const z = net.logits(0), top = Math.max(...z), exps = z.map((v) => Math.exp(v - top));
  return { gradients, count: C, side, width: W, maps: Float32Array.from({ length: C * P }, (_, j) => maps[16 * j]),
    kernels: net.weights().slice(at, at + size).filter((_, j) => j % (size / C) < high * side),
    probabilities: Array.from(exps, (v) => v / exps.reduce((a, b) => a + b, 0)) };
}
