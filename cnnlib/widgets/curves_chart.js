// What the widgets with training curves share: the chart with its legend and its controls.
// A recorded curve is what `curve` of recorded_curves.py makes of the runs of one configuration.
import { areaY, axisX, axisY, chart, dot, gridY, lineY } from "./plot.js";
import { h, number, s } from "./ui.js";

export const MEASURES = { test_error: "test error", train_error: "training error",
  test_loss: "test loss", train_loss: "training loss" };
const LOOKS = {                                         // never colour alone: each has its dashes and its symbol
  chosen: { color: "var(--cnn-accent)", dash: null, symbol: "circle" },
  compare: { color: "var(--cnn-text)", dash: "7 4", symbol: "diamond" },
  other: { color: "var(--cnn-other)", dash: "9 3 2 3", symbol: "triangle" },
  live: { color: "var(--cnn-live)", dash: "2 3", symbol: "square" },
};
const ORDER = ["faint", "compare", "chosen", "other", "live"];     // the most important last, on top

/** A value of the measure as text: errors in per cent. */
export const showMeasure = (measure) => (value) => (measure.endsWith("error")
  ? `${number(100 * value, { minimumFractionDigits: 2, maximumFractionDigits: 2 })} %`
  : number(value, { minimumFractionDigits: 4, maximumFractionDigits: 4 }));

/** The chart of `recorded()`, a list of { kind, curve } with the kinds of LOOKS and "faint", and of the run made here.
 *  `on()` says on what they were recorded.
 *  Returns its controls, its element, `draw`, and `describe`, what it says in words. */
export function curvesChart({ ui, model, recorded, on = () => "" }) {
  const measure = () => model.get("measure"), errors = () => measure().endsWith("error");
  const show = (value) => showMeasure(measure())(value);
  const controls = [
    ui.select("measure", { label: "measure", options: Object.entries(MEASURES) }),
    ui.select("x_axis", { label: "horizontal axis",
      options: [["epochs", "epochs"], ["seconds", "training time in seconds"]] }),
    ui.checkbox("log_scale", { label: "logarithmic" })];
  const legend = h("div", { class: "curves-legend" }), axis = h("p", { class: "curves-axis" });
  const picture = chart({ options: plotOptions, describe });
  ui.defer(picture.stop);

  /** What the seeds make of a mean, as text; nothing for the run made here. */
  const spread = ({ seeds }, { min, max }) =>
    (seeds > 1 ? ` (${show(min)} to ${show(max)})` : seeds === 1 ? " (one seed)" : "");

  /** The runs trained in the page that have something to show. */
  const shownRuns = () => (model.get("trained") ?? []).filter(({ curve }) => curve.length);

  /** The curves to draw: { kind, name, seeds, points: [{ epoch, x, mean, min, max }] }. */
  function series() {
    const key = measure(), seconds = model.get("x_axis") === "seconds";
    const point = (epoch, second, mean, min, max) => ({ epoch, x: seconds ? second : epoch, mean, min, max });
    const lines = recorded().map(({ kind, curve }) => ({ kind, name: curve.name, seeds: curve.seeds.length,
      points: curve.seconds.map((second, e) =>
        point(e + 1, second, curve[key].mean[e], curve[key].min[e], curve[key].max[e])) }));
    const { curve = [], name } = model.get("training");
    if (curve.length) lines.push({ kind: "live", name: `${name}, trained here`,
      points: curve.map((row) => point(row.epoch, row.seconds, row[key], row[key], row[key])) });
    for (const { curves, ...line } of trainedHere(shownRuns()))
      lines.push({ ...line, points: curves[0].map((row, e) => {
        const values = curves.map((curve) => curve[e][key]), mean = values.reduce((a, b) => a + b) / values.length;
        return point(row.epoch, row.seconds, mean, Math.min(...values), Math.max(...values));
      }) });
    return lines.sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
  }

  function plotOptions(width) {
    const all = series(), log = model.get("log_scale"), factor = errors() ? 100 : 1;
    const values = all.flatMap(({ points }) => points.flatMap(({ min, max }) => [min, max])).map((v) => v * factor);
    const steps = log && ticks(Math.min(...values.filter((value) => value > 0)), Math.max(...values));
    const least = steps[0], most = log ? steps.at(-1) : Math.max(...values);
    const y = (key) => (point) => (log ? Math.max(point[key] * factor, least) : point[key] * factor);
    const title = (each) => (point) => `${each.name}, epoch ${point.epoch}: ${show(point.mean)}${spread(each, point)}`;
    const last = Math.max(...all.flatMap(({ points }) => points.map(({ x }) => x)));
    const epochs = model.get("x_axis") === "epochs", every = Math.ceil(last / (width < 420 ? 6 : 12));
    return {
      height: Math.round(Math.min(380, Math.max(260, width * 0.5))), marginLeft: 44, marginRight: 12, marginTop: 12,
      marginBottom: 40,
      x: { domain: [epochs ? 1 : 0, last] },
      y: log ? { type: "log", domain: [least, most] } : { domain: [0, most] },
      marks: [
        gridY({ ticks: log ? steps : 6, stroke: "currentColor", strokeOpacity: 0.12 }),
        axisX({ label: epochs ? "epoch" : "training time (s)", labelAnchor: "center", labelArrow: "none", tickSize: 4,
          ticks: epochs ? Array.from({ length: last }, (_, i) => i + 1).filter((i) => i % every === 0) : width / 80,
          tickFormat: (value) => number(value) }),
        axisY({ label: null, ticks: log ? steps : 6, tickSize: 0,        // a tickFormat would leave out labels of a log axis
          text: (value) => number(value) }),
        lineY(all.filter(({ kind }) => kind === "faint").flatMap(({ name, points }) =>      // one mark for all: fast
          points.map((point) => ({ ...point, name }))), { x: "x", y: y("mean"), z: "name", stroke: "currentColor",
          strokeOpacity: 0.28, strokeWidth: 1.25, title: "name" }),
        ...all.filter(({ kind }) => kind !== "faint").flatMap((each) => {
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
      + `after epoch ${points.at(-1).epoch}.`);
    return [`${MEASURES[measure()]} over ${model.get("x_axis")}, mean over seeds.`, ...spoken].join(" ");
  }

  let drawn;                                            // what the picture shows: it is drawn again only for news
  const draw = () => {
    const key = JSON.stringify([measure(), model.get("x_axis"), model.get("log_scale"),
      recorded().map(({ kind, curve }) => [kind, curve.name]), on(), model.get("training").curve?.length,
      model.get("training").name, shownRuns().map(({ name, curve }) => [name, curve.length])]);
    if (key === drawn) return;
    drawn = key;
    const all = series();
    element.hidden = !all.length;
    if (!all.length) return;
    legend.replaceChildren(...all.filter(({ kind }) => LOOKS[kind]).reverse().map((each) => {
      const { kind, name, points } = each, last = points.at(-1);
      return h("p", { "data-curve": kind }, swatch(LOOKS[kind]), h("b", {}, name), " ",
        h("span", { "data-value": `${kind}-mean` }, show(last.mean)),
        h("span", { class: "curves-spread" }, spread(each, last)));
    }), all.some(({ kind }) => kind === "faint")
      ? h("p", { class: "curves-spread" }, "thin lines: the other configurations, listed in the table below") : "");
    const seeded = all.some(({ seeds }) => seeds > 1) ? ": mean over seeds, band from lowest to highest" : "";
    axis.replaceChildren(`${MEASURES[measure()]}${errors() ? ", %" : ""}${seeded}`,
      ...(on() ? ["; ", h("b", { "data-value": "recorded-on" }, `recorded on ${on()}`)] : []));
    picture.draw();
  };
  const element = h("div", {}, legend, axis, picture.element);
  let timer;                                            // a chart is dear: drawn in a task of its own
  ui.on("change:trained", () => { timer ??= setTimeout(() => { timer = undefined; draw(); }); });
  ui.defer(() => clearTimeout(timer));
  return { controls, element, draw, describe, show };
}

/** The runs trained in the page, as lines: runs of one network and length are its seeds, of which a line shows the
 *  epochs that all have done. The two trained last are drawn in colour. */
function trainedHere(runs) {
  const groups = new Map();
  for (const run of runs) {
    const key = `${run.epochs} ${run.name}`;
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return [...groups.values()].map((group, i, all) => {
    const epochs = Math.min(...group.map(({ curve }) => curve.length)), seeds = group.map(({ seed }) => seed);
    const said = `trained in this page, seed${seeds.length > 1 ? "s" : ""} ${seeds.join(", ")}`;
    return { kind: ["live", "other"][all.length - 1 - i] ?? "faint", name: `${group[0].name}, ${said}`,
      seeds: group.length > 1 ? group.length : 0, curves: group.map(({ curve }) => curve.slice(0, epochs)) };
  });
}

function swatch({ color, dash, symbol }) {
  const shapes = { circle: "M13,4a4,4 0 1,0 .01,0", diamond: "M13,3l5,5l-5,5l-5,-5z", square: "M9.5,4.5h7v7h-7z",
    triangle: "M13,3l5,9h-10z" };
  return s("svg", { width: 26, height: 16, "aria-hidden": "true" },
    s("path", { d: "M0,8h26", style: `stroke:${color}`, "stroke-width": 2.25, "stroke-dasharray": dash }),
    s("path", { d: shapes[symbol], style: `fill:${color}` }));
}

/** Steps of 1, 2, 5 in every decade, all nine where it is less than one, from the last step below `least` to the first
 *  above `most`. */
function ticks(least, most) {
  const found = [], steps = most > 10 * least ? [1, 2, 5] : [1, 2, 3, 4, 5, 6, 7, 8, 9];
  for (let power = Math.floor(Math.log10(least)); power <= Math.ceil(Math.log10(most)); power++)
    found.push(...steps.map((step) => Number(`${step}e${power}`)));
  return found.slice(found.findLastIndex((value) => value <= least), found.findIndex((value) => value >= most) + 1);
}
