// A training run: random numbers and orders, the learning rate, epochs and tests. What a step is, engine.js says.

/** Numbers from 0 to 1 that follow from a seed (Mulberry32). */
export function randomFrom(seed) {
  let state = Math.imul(seed + 1, 0x9e3779b1);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** 0 .. n-1 in random order. */
export function shuffled(n, random) {
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) { const j = Math.floor(random() * (i + 1)); [order[i], order[j]] = [order[j], order[i]]; }
  return order;
}

/** Factor of the highest learning rate; see one_cycle in recipe.py. */
export function oneCycle(step, steps) {
  const low = 1 / 25, lowest = 1 / 25e4, top = 0.3 * steps - 1;
  const wave = (a, b, done) => b + ((a - b) * (1 + Math.cos(Math.PI * done))) / 2;
  return step <= top ? wave(low, 1, step / top) : wave(1, lowest, (step - top) / (steps - 1 - top));
}
const SCHEDULES = { "one-cycle": oneCycle, constant: () => 1,
  step: (step, steps) => 0.1 ** ((2 * step >= steps) + (4 * step >= 3 * steps)) };

/** Train by a `Recipe`'s fields, testing after every epoch; yields after each step { epoch, part, loss, wrong }, after each
 *  epoch { row } with the columns of `History`. `order(epoch)` are the numbers of the training pictures. */
export function* train(net, { train: pictures, test }, recipe, order) {
  const { epochs, batch_size: batch, lr, schedule = "one-cycle" } = recipe, per = Math.ceil(pictures.count / batch);
  let count = 0;
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const numbers = order(epoch);
    let sum = 0, errors = 0, rate = 0;
    for (let s = 0; s < per; s++, count++) {
      rate = lr * SCHEDULES[schedule](count, epochs * per);
      const { loss, wrong } = net.step(pictures, numbers.slice(s * batch, (s + 1) * batch), recipe, rate, count);
      sum += loss;
      errors += wrong;
      yield { epoch, part: (s + 1) / per, loss: loss / Math.min(batch, pictures.count - s * batch), wrong };
    }
    const { loss, error } = net.evaluate(test);
    yield { row: { epoch, lr: rate, train_loss: sum / pictures.count, train_error: errors / pictures.count, test_loss: loss,
      test_error: error } };
  }
}
