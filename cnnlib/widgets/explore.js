// Explore: a knob for every argument of a Python function, and what the function returned.
import { axisX, axisY, barX, cell, chart, dot, gridX, gridY, lineY, ruleX } from "./plot.js";
import { h, number, s, table, widget } from "./ui.js";

const LOOKS = [                                         // never colour alone: each has its dashes and its symbol
  { color: "var(--cnn-lenet)", dash: null, symbol: "circle" },
  { color: "var(--cnn-alexnet)", dash: "7 4", symbol: "diamond" },
  { color: "var(--cnn-inception)", dash: "2 3", symbol: "square" },
  { color: "var(--cnn-resnet)", dash: "10 3 2 3", symbol: "triangle" },
  { color: "var(--cnn-vgg)", dash: "4 2", symbol: "cross" },
  { color: "var(--cnn-densenet)", dash: "1 4", symbol: "star" },
];
const look = (i) => LOOKS[i % LOOKS.length];

export function render({ model, el }) {
  const ui = widget({ model, el, title: model.get("title") });
  ui.results.classList.add("explore-results");
  const labels = model.get("labels"), live = model.get("origin") === "kernel";
  ui.controls.append(...Object.keys(model.get("grid")).map((name) => ui.knob(name, { label: labels[name],
    typed: live && model.get("typed").includes(name) })));

  let views = [];                                       // kept from answer to answer: focus and folding stay
  ui.defer(() => views.forEach((view) => view.stop?.()));
  const draw = () => {
    const { items } = ui.shown().answer;
    const kept = items.map(([kind], i) =>
      (views[i]?.kind === kind ? views[i] : { kind, ...VIEWS[kind](`items.${i}`) }));
    views.forEach((view) => kept.includes(view) || view.stop?.());
    if (kept.length !== views.length || kept.some((view, i) => view !== views[i]))
      ui.results.replaceChildren(...kept.map(({ element }) => element));
    views = kept;
    views.forEach((view, i) => view.update(...items[i].slice(1)));
    ui.say(views.map((view) => view.spoken()).join(". "));
  };
  ui.on("change:answer", draw);
  draw();
  return ui.cleanup;
}

const item = (...children) => h("div", { class: "explore-item" }, ...children);
const labelled = () => h("p", { class: "explore-label" });
const say = (label, text) => [label, text].filter(Boolean).join(": ");

/** How each kind of item is shown, under the dotted `key` of its place in the answer. */
const VIEWS = {
  number(key) {
    const label = labelled(), value = h("b", { "data-value": `${key}.2` }), unit = h("span", { class: "explore-unit" });
    return {
      element: h("div", { class: "explore-item explore-figure" },
        label, h("p", { class: "explore-number" }, value, " ", unit)),
      update: (name, text, of) => { label.textContent = name; value.textContent = text; unit.textContent = of; },
      spoken: () => say(label.textContent, `${value.textContent} ${unit.textContent}`.trim()),
    };
  },

  text(key) {
    const label = labelled(), text = h("p", { "data-value": `${key}.2` });
    return {
      element: item(label, text),
      update: (name, words) => { label.textContent = name; text.textContent = words; },
      spoken: () => say(label.textContent, text.textContent),
    };
  },

  table(key) {
    const element = item();
    let now, head, said;
    return {
      element,
      update(caption, columns, numeric, rows) {
        const wanted = JSON.stringify([columns, numeric]);
        if (wanted !== head) {
          head = wanted;
          now = table(caption, columns.map((label, i) => ({ label, numeric: numeric[i] })));
          element.replaceChildren(now.element);
        }
        now.caption(caption);
        now.update(rows.map((cells, r) => cells.map((text, c) => ({ text, key: `${key}.4.${r}.${c}` }))));
        said = say(caption, `table of ${rows.length} rows`);
      },
      spoken: () => said,
    };
  },

  html(key) {
    const label = labelled(), box = h("div", { class: "explore-html", "data-value": `${key}.markup` });
    return {
      element: item(label, box),
      update: (name, markup) => { label.textContent = name; box.innerHTML = markup; },    // the author's, like the page
      spoken: () => say(label.textContent, "changed"),
    };
  },

  picture() {
    const label = labelled(), image = h("img", { class: "explore-picture" });
    return {
      element: h("div", { class: "explore-item explore-figure" }, label, image),
      update(name, address, alt, [height, width]) {
        label.textContent = name;
        const size = width * Math.max(1, Math.round(240 / Math.max(height, width)));     // a whole multiple
        Object.assign(image, { src: address, alt, width: size, height: (size * height) / width });
      },
      spoken: () => say(label.textContent, image.alt),
    };
  },

  chart(key) {
    const legend = h("p", { class: "explore-legend" }), label = labelled(), axis = labelled(), numbers = h("div");
    let spec, title;
    const picture = chart({ options: (width) => PLOTS[spec.kind](spec, width),
      describe: () => say(title, describe(spec)) });
    return {
      element: item(label, legend, axis, picture.element,
        h("details", {}, h("summary", {}, "The numbers of the chart"), numbers)),
      update(name, next) {
        [title, spec] = [name, next];
        label.textContent = title;
        axis.textContent = spec.kind === "bars" ? "" : spec.labels[1];
        const { series } = spec;
        legend.replaceChildren(...(spec.kind === "cells" ? [] : series).map(([text], i) =>
          (text ? h("span", {}, swatch(look(i), !spec.marked ? spec.kind : spec.marked.includes(text) ? "dots" : "line"),
            text) : "")));
        const names = [spec.labels[0] || "x", ...series.map(([text]) => text || spec.labels[1] || "y")];
        const now = table(title || "What the chart shows", names.map((text, i) => ({ label: text, numeric: i > 0 })));
        now.update(spec.x.map((place, p) => [{ text: write(place), key: `${key}.2.x.${p}` },
          ...series.map(([, values], i) => ({ text: write(values[p]), key: `${key}.2.series.${i}.1.${p}` }))]));
        numbers.replaceChildren(now.element);
        picture.draw();
      },
      spoken: () => say(title, describe(spec)),
      stop: picture.stop,
    };
  },
};

const write = (value) => (value == null ? "–" : typeof value !== "number" ? value
  : value && Math.abs(value) < 1e-4 ? value.toExponential(2).replace(/\.?0+e/, "e")           // 4.44e-27, 1e-5
    : number(value, { maximumSignificantDigits: Number.isInteger(value) ? 21 : 6 }));

function describe({ kind, x, series, labels }) {
  return series.map(([name, values]) => {
    const known = x.map((place, i) => [place, values[i]]).filter(([, value]) => value != null);
    if (!known.length) return say(name || labels[1], "nothing");
    const told = kind === "bars" && known.length <= 8 ? known : [known[0], known.at(-1)];
    return say(name || labels[1], told.map(([place, value]) =>
      `${write(value)} at ${`${labels[0]} ${write(place)}`.trim()}`).join(told === known ? ", " : " to "));
  }).join("; ");
}

const scale = (log, range, values) => ({ type: log ? "log" : "linear", domain: range.length ? range : undefined,
  nice: !range.length, zero: !log && !range.length && values.every((value) => value >= 0) });

function points({ kind, x, series, labels, ranges, logs, marked = [] }, width) {
  const all = series.flatMap(([, values]) => values).filter((value) => value != null);
  const fits = (value, log) => value != null && (!log || value > 0);
  return {
    height: Math.round(Math.min(360, Math.max(240, width * 0.5))), marginLeft: 52, marginRight: 16, marginTop: 12,
    marginBottom: labels[0] ? 40 : 28,
    x: { ...scale(logs[0], ranges[0], x), zero: false, nice: false },
    y: scale(logs[1], ranges[1], all),
    marks: [
      gridY({ ticks: 6, stroke: "currentColor", strokeOpacity: 0.12 }),
      axisX({ label: labels[0] || null, labelAnchor: "center", labelArrow: "none", tickSize: 4,
        ticks: Math.min(x.length, width / 70), tickFormat: write }),
      axisY({ label: null, ticks: 6, tickSize: 0, tickFormat: write }),
      ...series.flatMap(([name, values], i) => {
        const { color, dash, symbol } = look(i);
        const data = x.map((place, p) =>
          ({ x: place, y: fits(place, logs[0]) && fits(values[p], logs[1]) ? values[p] : NaN }));
        const title = (point) => `${name} ${write(point.y)} at ${labels[0]} ${write(point.x)}`.trim();
        const dots = marked.length ? marked.includes(name) : kind === "dots" || x.length <= 40;
        return [
          kind === "lines" && !marked.includes(name) && lineY(data, { x: "x", y: "y", stroke: color, strokeWidth: 2.25, strokeDasharray: dash }),
          dots && dot(data, { x: "x", y: "y", fill: color, symbol, r: 3.5, title }),
        ].filter(Boolean);
      }),
    ],
  };
}

function bars({ x, series, labels, ranges, logs }, width) {
  const ends = x.map(() => 0), longest = Math.max(0, ...x.map((name) => name.length));
  const data = series.map(([name, values], i) => ({ color: look(i).color, bars: values.map((value, p) => {
    const from = ends[p];
    ends[p] += value ?? 0;
    return { place: x[p], from, to: ends[p], title: say([x[p], name].filter(Boolean).join(", "), write(value)) };
  }) }));
  const least = Math.min(...ends.filter((end) => end > 0));
  return {
    height: 24 * x.length + 44, marginLeft: Math.min(7.2 * longest + 14, width * 0.45), marginRight: 20, marginTop: 6,
    marginBottom: 38,
    x: scale(logs[1], logs[1] && !ranges[1].length ? [least / 2, Math.max(...ends)] : ranges[1], ends),
    y: { domain: x, padding: 0.2 },
    marks: [
      gridX({ ticks: width / 90, stroke: "currentColor", strokeOpacity: 0.12 }),
      axisX({ label: labels[1] || null, labelAnchor: "center", labelArrow: "none", tickSize: 0, ticks: width / 90,
        tickFormat: write }),
      axisY({ label: null, tickSize: 0 }),
      ...data.map((each) => barX(each.bars, { x1: ({ from }) => (logs[1] ? Math.max(from, least / 2) : from), x2: "to",
        y: "place", fill: each.color, insetRight: series.length > 1 ? 1 : 0, title: "title" })),
      logs[1] ? null : ruleX([0]),
    ],
  };
}

function cells({ x, series, labels, ranges }, width) {
  const known = series.flatMap(([, values]) => values).filter((value) => value != null);
  const [low, high] = ranges[1].length ? ranges[1] : [Math.min(0, ...known), Math.max(...known)];
  const longest = Math.max(0, ...series.map(([name]) => name.length));
  const every = Math.ceil(series.length / 30);                 // a row in so many has its name, with room for it
  const data = series.flatMap(([name, values]) => values.map((value, p) => ({ row: name, place: x[p], value,
    title: say([name, `${labels[0]} ${x[p]}`.trim()].filter(Boolean).join(", "), write(value)) })))
    .filter(({ value }) => value != null);
  return {
    height: Math.min(24, Math.max(8, 14 / every, (width - 60) / x.length)) * series.length + 52,
    marginRight: 16, marginTop: 6,
    marginLeft: Math.min(7.2 * longest + 14, width * 0.3), marginBottom: 40,
    x: { domain: x, padding: 0.04 }, y: { domain: series.map(([name]) => name), padding: 0.04 },
    marks: [
      axisX({ label: labels[0] || null, labelAnchor: "center", labelArrow: "none", tickSize: 0,
        ticks: x.filter((_, p) => p % Math.ceil((22 * x.length) / width) === 0) }),
      axisY({ label: null, tickSize: 0,
        ticks: series.map(([name]) => name).filter((_, r) => r % every === 0) }),
      cell(data, { x: "place", y: "row", fill: "var(--cnn-accent)", title: "title",
        fillOpacity: ({ value }) => 0.04 + (0.96 * (value - low)) / (high - low || 1) }),
    ],
  };
}

const PLOTS = { lines: points, dots: points, bars, cells };

function swatch({ color, dash, symbol }, kind) {
  const shapes = { circle: "M13,4a4,4 0 1,0 .01,0", diamond: "M13,3l5,5l-5,5l-5,-5z", square: "M9.5,4.5h7v7h-7z",
    triangle: "M13,3l5,9h-10z", cross: "M11,3h4v3h3v4h-3v3h-4v-3h-3v-4h3z",
    star: "M13,3l1.5,3.5l4,.5l-3,2.5l1,4l-3.5,-2l-3.5,2l1,-4l-3,-2.5l4,-.5z" };
  return s("svg", { width: 26, height: 16, "aria-hidden": "true" }, kind === "bars"
    ? s("path", { d: "M2,3h22v10h-22z", style: `fill:${color}` })
    : [kind.startsWith("line") && s("path", { d: "M0,8h26", style: `stroke:${color};fill:none`, "stroke-width": 2.25,
      "stroke-dasharray": dash }),
      kind !== "line" && s("path", { d: shapes[symbol], style: `fill:${color}` })].filter(Boolean));
}
