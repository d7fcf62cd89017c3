// *Watch it learn*: what a training in the page looks like from inside. The size of the gradient in every layer, of the two
// trainings seen last; and of the last one the first layer's kernels, its maps of a digit, and what the network says of it.
// The digit is the one that the reader has drawn, where DrawDigit stands on the page and the sizes agree.
import { axisX, axisY, chart, dot, gridY, lineY } from "./plot.js";
import { h, number, s } from "./ui.js";

const MOST = 16, PAUSE = 300;                               // maps shown; milliseconds between two pictures
const COLOURS = ["var(--cnn-live)", "var(--cnn-other)"], SYMBOLS = ["square", "triangle"];
const SIGNS = [[213, 94, 0], [0, 114, 178]];                // below and above zero: safe for colour-blind readers

/** Pixels of what the reader has drawn on this page; undefined if nothing. */
export const drawnDigit = () => {
  const pixels = document.querySelector("[data-widget=DrawDigit]")?.cnnPixels();
  return pixels?.some(Boolean) ? pixels : undefined;
};

/** Its element, `show(jobs)`, and whether anybody looks; `opened` is called when that changes. */
export function watching({ ui, unfolded, opened }) {
  let lines = [], timer;
  const gradients = chart({ options: plotOptions, describe });
  ui.defer(() => { gradients.stop(); clearTimeout(timer); });
  const legend = h("p", { class: "curves-spread" }), kernels = h("div", { class: "watch-tiles" });
  const maps = h("div", { class: "watch-tiles" }), answer = h("p", { class: "cnn-note", "data-value": "reads" });
  const content = h("div", { class: "watch-content", hidden: true },
    h("p", { class: "curves-axis" }, "size of the gradient (root mean square) in each layer with weights"), legend, gradients.element,
    h("p", { class: "curves-axis" }, "kernels of the first layer: blue adds, orange takes away"), kernels,
    h("p", { class: "curves-axis" }, "what they find in a digit"), maps, answer);
  const hint = h("p", { class: "cnn-note" }, "Train a network to see it change here.");
  const element = h("details", { class: "train-watch", open: unfolded, ontoggle: () => { opened(element.open); draw(); } },
    h("summary", {}, "Watch it learn: gradients, kernels and maps"), hint, content);

  function plotOptions(width) {
    const points = lines.flatMap(({ name, seen }, i) => seen.gradients.map((value, layer) => ({ name, i, layer: layer + 1, value })))
      .filter(({ value }) => value > 0 && value < Infinity);
    const powers = points.map(({ value }) => Math.log10(value));
    const [low, high] = [Math.floor(Math.min(...powers)), Math.ceil(Math.max(...powers) + 1e-9)];
    const ticks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
    const last = Math.max(...lines.map(({ seen }) => seen.gradients.length)), every = Math.ceil((last * 40) / width);
    return { height: Math.round(Math.min(260, Math.max(200, width * 0.35))), marginLeft: 56, marginBottom: 36,
      x: { domain: [1, Math.max(2, last)] },
      y: { type: "log", domain: [ticks[0], ticks.at(-1)] },
      marks: [gridY({ ticks, stroke: "currentColor", strokeOpacity: 0.12 }),
        axisX({ label: "layer, first to last", labelAnchor: "center", labelArrow: "none", tickFormat: String,
          ticks: Array.from({ length: last }, (_, i) => i + 1).filter((layer) => layer % every === last % every) }),
        axisY({ label: null, ticks, tickSize: 0, text: (value) => number(value, { maximumSignificantDigits: 1 }) }),
        ...lines.flatMap((_, i) => {
          const own = points.filter((point) => point.i === i);
          return [lineY(own, { x: "layer", y: "value", stroke: COLOURS[i], strokeWidth: 2 }),
            dot(own.filter(({ layer }) => layer % 6 === 1), { x: "layer", y: "value", fill: COLOURS[i], symbol: SYMBOLS[i], r: 3.5 })];
        })] };
  }
  function describe() {
    return lines.map(({ name, seen: { gradients: all } }) => `${name}: gradient ${all[0].toExponential(1)} in the first layer, `
      + `${all.at(-1).toExponential(1)} in the last.`).join(" ");
  }

  function tiles(place, values, count, side, label) {
    const each = values.length / count, top = Math.max(1e-9, ...values.map(Math.abs));
    while (place.childElementCount < Math.min(MOST, count)) place.append(h("canvas", { role: "img" }));
    while (place.childElementCount > Math.min(MOST, count)) place.lastChild.remove();
    [...place.children].forEach((canvas, i) => {
      Object.assign(canvas, { width: side, height: each / side, ariaLabel: `${label} ${i + 1}` });
      const context = canvas.getContext("2d"), picture = context.createImageData(side, each / side);
      for (let j = 0; j < each; j++) {
        const value = values[i * each + j];
        picture.data.set([...SIGNS[+(value > 0)], 255 * Math.abs(value / top)], 4 * j);
      }
      context.putImageData(picture, 0, 0);
    });
  }

  function draw() {
    content.hidden = !lines.length;
    hint.hidden = Boolean(lines.length);
    if (!lines.length || !element.open) return;
    legend.replaceChildren(...lines.flatMap(({ name, seed }, i) => [i ? "   " : "",
      s("svg", { width: 14, height: 12, "aria-hidden": "true" }, s("path", { d: i ? "M7,1l5,9h-10z" : "M3,2h8v8h-8z", style: `fill:${COLOURS[i]}` })),
      ` ${name}, seed ${seed}`]));
    setTimeout(drawGradients);                          // tasks of their own: the page must not stand still for long
  }
  function drawGradients() {
    if (!lines.length) return;
    gradients.draw();
    setTimeout(drawInside);
  }
  function drawInside() {
    if (!lines.length) return;
    const { seen: { kernels: weights, side, count, maps: values, width, probabilities } } = lines[0];
    tiles(kernels, weights, count, side, "kernel");
    tiles(maps, values, count, width, "map");
    const best = probabilities.indexOf(Math.max(...probabilities));
    answer.textContent = `The network reads it as ${best}, with a probability of ${number(100 * probabilities[best], { maximumFractionDigits: 1 })} %.`;
  }

  return { element, open: () => element.open,
    show(jobs) {
      lines = jobs.filter(({ seen }) => seen).slice(-2).reverse();
      timer ??= setTimeout(() => { timer = undefined; draw(); }, PAUSE);      // a chart is dearer than a message
    } };
}
