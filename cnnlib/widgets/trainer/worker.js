// One training off the page's main thread. It is sent { description, recipe, size, seed, digits, watch } and then "pause" or
// "go on"; to stop it, end the Worker. It tells { left }, the seconds that it will take, after a few steps; { epoch, part,
// left, seen } several times a second, { row } after an epoch (see `train`), and at last { done: true } or { failed }.
import { Network } from "./engine.js";
import { KERNELS } from "./kernels.js";
import { digits } from "./pictures.js";
import { randomFrom, shuffled, train } from "./run.js";

const TURN = 40, REPORT = 100, TRIAL = 4;                   // milliseconds without a look at messages, between reports; steps
let paused = false, resume = () => {};

onmessage = ({ data }) => {
  if (data === "pause") paused = true;
  else if (data === "go on") { paused = false; resume(); }
  else run(data).catch((problem) => postMessage({ failed: problem.message }));
};

/** Let messages in, and wait while paused. */
const breathe = async () => {
  await new Promise((done) => { const { port1, port2 } = new MessageChannel(); port1.onmessage = done; port2.postMessage(0); });
  if (paused) await new Promise((done) => { resume = done; });
};

async function run({ description, recipe, size, seed, digits: bytes, watch }) {
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
        postMessage({ ...ending, loss: said.loss, seen: watch && look(net, pictures, watch) });
        report = performance.now();
      }
    }
    if (performance.now() - turn > TURN) { await breathe(); turn = performance.now(); }
    begun = performance.now();
  }
  postMessage({ done: true, left: 0, seen: watch && look(net, pictures, watch) });
}

/** What `watch` asks for: `gradients`, the root mean square of the gradient of each convolution's and dense layer's weights; and of
 *  a `picture` (pixels, 0 to 255) the first layer's kernels, its maps, and the probabilities of the classes. */
function look(net, pictures, { gradients, picture }) {
  const seen = {}, layers = net.plans.filter(({ op, w }) => w && op !== "norm");
  if (gradients) {
    const all = net.gradients();
    seen.gradients = layers.map(({ weight }) => {
      const { at, size } = net.parameters.find((parameter) => 4 * parameter.at === weight);
      return Math.sqrt(all.subarray(at, at + size).reduce((sum, value) => sum + value * value, 0) / size);
    });
  }
  if (picture) {
    net.put({ ...pictures.train, value: (n, j) => pictures.train.levels[picture[j]] }, [0]);
    net.forward(1, false);
    const [first] = net.plans, { C, P, W, y } = net.values[net.plans[1]?.of[0] === 1 ? 2 : 1];
    const maps = net.floats(y, C * P * 16), { at, size } = net.parameters[0];
    const z = net.logits(0), top = Math.max(...z), exps = z.map((v) => Math.exp(v - top));
    Object.assign(seen, { kernels: net.weights().slice(at, at + size), side: first.kernel[1], width: W,
      maps: Float32Array.from({ length: C * P }, (_, j) => maps[16 * j]),
      probabilities: exps.map((v) => v / exps.reduce((a, b) => a + b, 0)) });
  }
  return seen;
}
