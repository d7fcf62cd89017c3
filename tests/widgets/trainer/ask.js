// What the tests ask of the engine. A job has `do`, `description`, `weights`, `batch`, and what else its function names.
const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const floatsOf = (text) => new Float32Array(bytesOf(text).buffer);
const textOf = (array) => {
  const bytes = new Uint8Array(array.slice().buffer);
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
};
const picturesOf = ({ x, labels }) => {
  const values = floatsOf(x), all = Array.from(bytesOf(labels)), each = values.length / all.length;
  return { count: all.length, labels: all, value: (n, j) => values[n * each + j] };
};
const networkOf = (job) => {
  const net = new Network(job.description, { bytes: bytesOf(KERNELS), batch: job.batch, seed: job.seed ?? 0 });
  if (job.weights) net.load(floatsOf(job.weights));
  return net;
};
const averagesOf = (net) => textOf(Float32Array.from(net.norms.flatMap(({ at, C }) => [...net.floats(at, 2 * C)])));

const JOBS = {
  /** The gradient of one batch after `before` batches of other sizes have passed. */
  gradient(job) {
    const net = networkOf(job), pictures = picturesOf(job), numbers = pictures.labels.map((_, i) => i);
    for (const size of job.before ?? []) net.step(pictures, numbers.slice(0, size), {}, 0, 0);
    const { loss, wrong } = net.step(pictures, numbers, {}, 0, 0);
    return { loss: loss / numbers.length, wrong, gradient: textOf(net.gradients()), megabytes: net.top / 2 ** 20 };
  },
  /** Training with given orders: the loss of every step, every epoch's row, the averages of BatchNorm, the weights. */
  train(job) {
    const net = networkOf(job), data = { train: picturesOf(job.train), test: picturesOf(job.test) };
    const losses = [], rows = [];
    if (job.begin !== undefined) net.begin(randomFrom(job.begin));
    const random = randomFrom(job.begin ?? 0);
    const order = job.orders ? (epoch) => job.orders[epoch - 1] : () => shuffled(data.train.count, random);
    for (const said of train(net, data, job.recipe, order)) {
      if (said.row) rows.push(said.row); else losses.push(said.loss);
      if (losses.length === job.steps) break;
    }
    return { losses, rows, averages: averagesOf(net), weights: textOf(net.weights()) };
  },
  begin(job) {
    const net = networkOf(job);
    net.begin(randomFrom(job.seed));
    return { weights: textOf(net.weights()) };
  },
  /** Bytes of all that a training takes, given out when the network is built; or why it gets none. */
  memory(job) {
    try { return networkOf(job).memory.buffer.byteLength; } catch (problem) { return problem.message; }
  },
};
const answer = (job) => JOBS[job.do](job);
