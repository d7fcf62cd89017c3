// Recorded curves: the chosen configuration with its spread, one to compare with, all others faint behind.
import { areaY, axisX, axisY, chart, dot, gridY, lineY } from "./plot.js";
import { button, h, number, s, table, widget } from "./ui.js";

const MEASURES = { test_error: "test error", train_error: "training error",
  test_loss: "test loss", train_loss: "training loss" };
const LOOKS = {                                         // never colour alone: each has its dashes and its symbol
  chosen: { color: "var(--cnn-lenet)", dash: null, symbol: "circle" },
  compare: { color: "var(--cnn-alexnet)", dash: "7 4", symbol: "diamond" },
  live: { color: "var(--cnn-inception)", dash: "2 3", symbol: "square" },
};

export function render({ model, el }) {
  const ui = widget({ model, el, title: "Recorded training curves" });
  const curves = model.get("curves");
  const errors = () => model.get("measure").endsWith("error");
  const show = (value) => errors()
    ? `${number(100 * value, { minimumFractionDigits: 2, maximumFractionDigits: 2 })} %`
    : number(value, { minimumFractionDigits: 4, maximumFractionDigits: 4 });
  const at = () => model.get("answer").chosen ?? -1;
  const other = () => (model.get("compare") === at() ? -1 : model.get("compare"));

  ui.controls.append(
    ...Object.keys(model.get("grid")).map((name) => ui.select(name, { label: name.replace(/_/g, " ") })),
    ui.select("measure", { label: "measure", options: Object.entries(MEASURES) }),
    ui.select("x_axis", { label: "horizontal axis",
      options: [["epochs", "epochs"], ["seconds", "training time in seconds"]] }),
    curves.length > 1 && ui.select("compare", { label: "compare with",
      options: [[-1, "nothing"], ...curves.map(({ name }, i) => [i, name])] }),
    ui.checkbox("log_scale", { label: "logarithmic" }));

  const refusal = h("p", { class: "cnn-refusal", role: "status", "data-value": "reason" });
  const legend = h("div", { class: "curves-legend" }), axis = h("p", { class: "curves-axis" });
  const picture = chart({ options: plotOptions, describe });
  const finals = table("", ["configuration", ...["seeds", "mean", "lowest", "highest", "parameters"]
    .map((label) => ({ label, numeric: true }))]);
  const epochs = table("", ["epoch", ...["seconds", "mean", "lowest", "highest"]
    .map((label) => ({ label, numeric: true }))]);
  const layers = table("", ["layer", "type", "output", ...["parameters", "MACs", "receptive field"]
    .map((label) => ({ label, numeric: true }))]);
  const origin = table("How the runs were recorded", ["what", "recorded"]);
  origin.update(model.get("provenance"));
  const content = h("div", { class: "curves-content" },
    h("div", {}, legend, axis, picture.element), trainer(),
    h("div", { class: "curves-tables" }, finals.element, layers.element),
    h("details", {}, h("summary", {}, "The numbers of the chosen curve"), epochs.element),
    h("details", {}, h("summary", {}, "Where the runs come from"), origin.element));
  ui.results.append(refusal, content);
  ui.defer(picture.stop);

  /** The curves to draw, the most important last: { kind, name, points: [{ epoch, x, mean, min, max }] }. */
  function series() {
    const measure = model.get("measure"), seconds = model.get("x_axis") === "seconds";
    const recorded = curves.map((each, i) => ({
      kind: i === at() ? "chosen" : i === other() ? "compare" : "faint", name: each.name,
      points: each.seconds.map((second, e) => ({ epoch: e + 1, x: seconds ? second : e + 1,
        mean: each[measure].mean[e], min: each[measure].min[e], max: each[measure].max[e] })),
    }));
    const { curve = [], name } = model.get("training");
    const live = curve.length ? [{ kind: "live", name: `${name}, trained here on digits`,
      points: curve.map((row) => ({ epoch: row.epoch, x: seconds ? row.seconds : row.epoch,
        mean: row[measure], min: row[measure], max: row[measure] })) }] : [];
    const order = ["faint", "compare", "chosen", "live"];
    return [...recorded, ...live].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
  }

  function plotOptions(width) {
    const all = series(), log = model.get("log_scale"), factor = errors() ? 100 : 1;
    const values = all.flatMap(({ points }) => points.flatMap(({ min, max }) => [min, max])).map((v) => v * factor);
    const least = Math.min(...values.filter((value) => value > 0)), most = Math.max(...values);
    const y = (key) => (point) => (log ? Math.max(point[key] * factor, least) : point[key] * factor);
    const title = ({ name }) => (point) =>
      `${name}, epoch ${point.epoch}: ${show(point.mean)} (${show(point.min)} to ${show(point.max)})`;
    const last = Math.max(...all.flatMap(({ points }) => points.map(({ x }) => x)));
    const epochs = model.get("x_axis") === "epochs", every = Math.ceil(last / (width < 420 ? 6 : 12));
    return {
      height: Math.round(Math.min(380, Math.max(260, width * 0.5))), marginLeft: 44, marginRight: 12, marginTop: 12,
      marginBottom: 40,
      x: { domain: [epochs ? 1 : 0, last] },
      y: log ? { type: "log", domain: [least, most] } : { domain: [0, most] },
      marks: [
        gridY({ ticks: log ? ticks(least, most) : 6, stroke: "currentColor", strokeOpacity: 0.12 }),
        axisX({ label: epochs ? "epoch" : "training time (s)", labelAnchor: "center", labelArrow: "none", tickSize: 4,
          ticks: epochs ? Array.from({ length: last }, (_, i) => i + 1).filter((i) => i % every === 0) : width / 80,
          tickFormat: (value) => number(value) }),
        axisY({ label: null, ticks: log ? ticks(least, most) : 6, tickSize: 0, tickFormat: (value) => number(value) }),
        ...all.flatMap((each) => {
          if (each.kind === "faint")
            return [lineY(each.points, { x: "x", y: y("mean"), stroke: "currentColor", strokeOpacity: 0.28,
              strokeWidth: 1.25, title: title(each) })];
          const { color, dash, symbol } = LOOKS[each.kind];
          return [
            areaY(each.points, { x: "x", y1: y("min"), y2: y("max"), fill: color, fillOpacity: 0.18 }),
            lineY(each.points, { x: "x", y: y("mean"), stroke: color, strokeWidth: 2.25, strokeDasharray: dash }),
            dot(each.points, { x: "x", y: y("mean"), fill: color, symbol, r: 3.5, title: title(each) }),
          ];
        }),
      ],
    };
  }

  function describe() {
    const spoken = series().filter(({ kind }) => kind !== "faint").reverse().map(({ name, points }) =>
      `${name}: from ${show(points[0].mean)} after the first epoch to ${show(points.at(-1).mean)} `
      + `after epoch ${points.at(-1).epoch}`);
    return `${MEASURES[model.get("measure")]} over ${model.get("x_axis")}, mean over seeds. ${spoken.join(". ")}.`;
  }

  function swatch({ color, dash, symbol }) {
    const shapes = { circle: "M13,4a4,4 0 1,0 .01,0", diamond: "M13,3l5,5l-5,5l-5,-5z", square: "M9.5,4.5h7v7h-7z" };
    return s("svg", { width: 26, height: 16, "aria-hidden": "true" },
      s("path", { d: "M0,8h26", style: `stroke:${color}`, "stroke-width": 2.25, "stroke-dasharray": dash }),
      s("path", { d: shapes[symbol], style: `fill:${color}` }));
  }

  /** Training in the kernel; on a page without one a sentence says how to get there. */
  function trainer() {
    if (model.get("origin") === "recorded")
      return h("p", { class: "cnn-note" },
        "Open this chapter as a notebook to train the chosen network here yourself.");
    const go = button("Train here", () => model.send({ do: model.get("training").running ? "stop" : "train" }));
    const bar = h("progress", { max: 1, value: 0, "aria-label": "training progress" });
    const status = h("p", { class: "cnn-note", role: "status", "data-value": "training" });
    const row = h("div", {}, h("div", { class: "cnn-row" },
      ui.slider("train_epochs", { label: "epochs", values: [1, 2, 3, 5, 10, 15, 20, 30] }), go, bar), status);
    ui.bound("training", () => {
      const { running, name, curve = [], epochs: all = 1, message } = model.get("training");
      go.textContent = running ? "Stop" : "Train here";
      bar.hidden = !running;
      bar.value = curve.length / all;
      const last = curve.length
        && `test error ${number(100 * curve.at(-1).test_error, { maximumFractionDigits: 2 })} %`;
      status.textContent = running || message
        ? [name, `epoch ${curve.length} of ${all}`, last, message].filter(Boolean).join(" · ")
        : "Trains the chosen network on digits (1,797 small scans, enlarged), not on MNIST: compare the shape of "
          + "the curves, not their level.";
      status.classList.toggle("curves-failed", /^\w+(Error|Exception)/.test(message || ""));
    });
    return row;
  }

  const draw = () => {
    const { reason, layers: rows = [], parameters, macs } = model.get("answer");
    refusal.hidden = !reason;
    refusal.textContent = reason;
    content.hidden = at() < 0;
    if (at() < 0) return;
    const measure = model.get("measure"), name = MEASURES[measure], chosen = curves[at()];
    const of = (each, key) => each[measure][key].at(-1);
    const main = series().filter(({ kind }) => LOOKS[kind]).reverse();
    legend.replaceChildren(...main.map(({ kind, name: text, points }) => {
      const { mean, min, max } = points.at(-1);
      return h("p", {}, swatch(LOOKS[kind]), h("b", {}, text), " ",
        h("span", { "data-value": `${kind}-mean` }, show(mean)),
        kind === "live" ? null : h("span", { class: "curves-spread" }, ` (${show(min)} to ${show(max)})`));
    }), h("p", { class: "curves-spread" }, "thin lines: the other configurations"));
    axis.textContent = `${name}${errors() ? ", %" : ""}: mean over seeds, band from lowest to highest`;
    finals.caption(`${name} after the last epoch`);
    finals.update(curves.map((each, i) => ({ current: i === at(), cells: [each.name, each.seeds.length,
      ...["mean", "min", "max"].map((key) => ({ text: show(of(each, key)), key: `${key}:${each.name}` })),
      number(each.model.parameters)] })));
    epochs.caption(`${name} of ${chosen.name}, seeds ${chosen.seeds.join(", ")}`);
    epochs.update(chosen.seconds.map((seconds, e) => [e + 1, number(seconds),
      ...["mean", "min", "max"].map((key) => show(chosen[measure][key][e]))]));
    layers.caption(`The network of ${chosen.name}`);
    layers.update([...rows.map(([layer, type, shape, params, work, field]) =>
      [layer, type, shape, number(params), number(work), field]),
    { current: true, cells: ["total", "", "", { text: number(parameters), key: "parameters" },
      { text: number(macs), key: "macs" }, ""] }]);
    picture.draw();
    ui.say(describe());
  };
  ui.on("change:answer change:measure change:x_axis change:log_scale change:compare change:training", draw);
  draw();
  return ui.cleanup;
}

/** 1, 2, 5 steps of every decade between two values. */
function ticks(least, most) {
  const found = [];
  for (let power = 10 ** Math.floor(Math.log10(least)); power <= most; power *= 10)
    found.push(...[1, 2, 5].map((step) => Number((step * power).toPrecision(1))));
  return found.filter((value) => value >= least && value <= most);
}
