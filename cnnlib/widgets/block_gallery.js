// The gallery of blocks: two of them side by side on the same maps. All numbers, and which step takes what, come from
// Python; where the steps are drawn is decided here. A slab is as high as its resolution and as wide as its channels.
import { h, number, s, table, widget } from "./ui.js";

const TALLEST = 84, LOWEST = 4, WIDEST = 46;            // pixels: the input's resolution; the least; the most channels
const APART = 15, LANE = 10, ARC = 13, LINE = 13;       // between columns, between lanes, room of an arc, of a label
const ROOT = 1.7, SIGN = 15, LETTER = 6.2;              // for the root of the channels at most; of a sign, of a letter
const KNOBS = { in_channels: "input channels", out_channels: "output channels", size: "size of the maps",
  stride: "stride", groups: "groups", expansion: "expansion" };
const TOTALS = [["weights", "weights"], ["params", "parameters"], ["macs", "MACs"], ["kept", "bytes kept"],
  ["field", "receptive field"], ["ms", "milliseconds"]];

export function render({ model, el }) {
  const small = model.get("collection") !== "gallery";
  const ui = widget({ model, el, title: small ? "Blocks that came later" : "Gallery of blocks" });
  const titles = model.get("titles"), names = Object.keys(titles), live = model.get("origin") === "kernel";
  const label = (name) => (small && name === "in_channels" ? "channels" : KNOBS[name]);
  ui.controls.append(
    ui.select("block", { label: "block", options: names.map((name) => [name, titles[name]]) }),
    ui.select("beside", { label: "beside it",
      options: [...names.map((name) => [name, titles[name]]), ["", "nothing"]] }),
    ...Object.keys(model.get("grid")).filter((name) => name in KNOBS)
      .map((name) => ui.slider(name, { label: label(name), typed: live })));

  const cards = [cardOf(model), cardOf(model)];
  const legend = h("p", { class: "ex-legend" }), origin = h("p", { class: "gallery-origin" });
  ui.results.append(h("div", { class: small ? "gallery-cards gallery-wide" : "gallery-cards" },
    cards.map(({ element }) => element)), legend, origin);

  const draw = () => {
    const { answer, ...given } = ui.shown();
    const shown = ["block", "beside"].map((name) => model.get(name));
    const found = shown.map((name) => answer[name]).filter((card) => card && !card.refused);
    const most = Math.max(given.in_channels, ...found.flatMap(({ shape }) => shape.map(([channels]) => channels)));
    const unit = Math.min(ROOT, WIDEST / Math.sqrt(most));
    cards.forEach((card, i) => card.update(shown[i], answer[shown[i]], given, unit));
    legend.replaceChildren(...legendOf(found));
    origin.textContent = model.get("measured");
    ui.say(cards.map((card) => card.spoken()).filter(Boolean).join(". "));
  };
  ui.on("change:answer change:block change:beside", draw);
  draw();
  return ui.cleanup;
}

const times = (share) => number(share, { maximumSignificantDigits: 3 });

/** One block: its title, what it buys and costs, its diagram, its totals and its steps. */
function cardOf(model) {
  const title = h("p", { class: "gallery-title" }), sentence = h("p", { class: "gallery-sentence" });
  const refusal = h("p", { class: "cnn-refusal", role: "status" });
  const drawing = h("div", { class: "gallery-drawing", tabindex: 0, role: "group", "aria-label": "diagram" });
  const facts = h("div", { class: "gallery-facts" });
  const steps = table("", ["step", "result", { label: "parameters", numeric: true },
    { label: "MACs", numeric: true }]);
  const content = h("div", { class: "gallery-content" }, sentence, drawing, facts, steps.element);
  const element = h("section", { class: "gallery-card" }, title, refusal, content);
  let said = "";
  const update = (name, card, given, unit) => {
    element.hidden = !card;
    said = "";
    if (!card) return;
    const key = (part) => `${name}.${part}`, [buys, costs] = model.get("sentences")[name];
    title.textContent = model.get("titles")[name];
    refusal.hidden = !card.refused;
    refusal.dataset.value = key("refused");
    refusal.textContent = card.refused;
    content.hidden = Boolean(card.refused);
    said = `${title.textContent}: ${card.refused}`;
    if (card.refused) return;
    const by = (part) => h("b", { "data-value": key(part) }, times(card[part]));
    sentence.replaceChildren(`Buys ${buys}; costs ${costs}: `, by("weights_by"), " times the weights and ",
      by("macs_by"), " times the MACs of one 3×3.");
    drawing.replaceChildren(diagram(card, given, unit, title.textContent));
    const shown = TOTALS.map(([part, label]) => [part, label, told(card[part])]);
    facts.replaceChildren(...shown.flatMap(([part, label, text]) =>
      [h("span", {}, label), h("b", { "data-value": text === NONE ? null : key(part) }, text)]));
    const cell = (column, i) => ({ text: number(card[column][i]), key: key(`${column}.${i}`) });
    steps.update(card.says.map((says, i) => [[WORD[card.join[i]], says].filter(Boolean).join(", "),
      card.shape[i].join("×"), cell("params_of", i), cell("macs_of", i)]));
    said = `${title.textContent}: ${shown.map(([, label, text]) => `${label} ${text}`).join(", ")}`;
  };
  return { element, update, spoken: () => said };
}

const NONE = "–";                                       // not known, or not measured
const told = (value) => (value === null || value === "" ? NONE : typeof value === "number" ? number(value) : value);
const WORD = { "": "", "+": "sum", "×": "product", "·": "matrix product", cat: "concatenation" };

/** Where the steps stand: column (longest way from the input), lane (0 is the longest way, 1, 2, … below it). */
function placed({ takes }) {
  const column = [], lane = takes.map(() => 0), main = new Set();
  takes.forEach((from, i) => { column[i] = 1 + Math.max(0, ...from.map((j) => (j < 0 ? 0 : column[j]))); });
  for (let i = takes.length - 1; i >= 0;) {
    main.add(i);
    i = takes[i].reduce((far, j) => (j >= 0 && (far < 0 || column[j] > column[far]) ? j : far), -1);
  }
  let lanes = 0;
  takes.forEach((from, i) => {
    const before = from.length === 1 && from[0] >= 0 ? lane[from[0]] : 0;
    if (!main.has(i)) lane[i] = before || ++lanes;
  });
  return { column, lane, lanes };
}

/** The picture of a card; `unit` is the pixels for the root of the channels. */
function diagram(card, given, unit, title) {
  const { says, shape, join, takes } = card, plan = layout(card, given, unit), { at, source, tallest } = plan;
  const drawn = { flow: "", arc: "" };
  takes.forEach((from, i) => from.forEach((j) => {
    const arc = plan.arcs.find((each) => each.from === j && each.to === i), a = at[j] ?? source, b = at[i];
    const start = a.x + a.w / 2, end = b.x - b.w / 2;
    if (arc) {                                          // over all that lies between, into its end from above
      const over = plan.top - 6 - arc.level * ARC;
      drawn.arc += `M${start + 3},${a.y}V${over + 5}q0,-5 5,-5H${b.x - 5}q5,0 5,5V${b.y - b.h / 2 - 1}`;
    } else {
      const turn = b.y > a.y ? start + 5 : end - 6;
      drawn.flow += `M${start},${a.y}${a.y === b.y ? "" : `H${turn}V${b.y}`}H${end}`;
    }
  }));
  const what = (i) => [WORD[join[i]], says[i], shape[i].join("×")].filter(Boolean).join(" ");
  return s("svg", { class: "cnn-figure ex-figure", width: plan.width, height: plan.height, role: "img",
    viewBox: `0 0 ${plan.width} ${plan.height}`,
    "aria-label": `${title}: ${says.map((_, i) => what(i)).join(", then ")}` },
  s("path", { class: "ex-flow", d: drawn.flow }), s("path", { class: "ex-arc", d: drawn.arc }),
  s("rect", { class: "ex-source", x: source.x - source.w / 2, y: source.y - source.h / 2, width: source.w,
    height: source.h }),
  at.map((box, i) => [...mark(box, join[i], card.params_of[i], what(i)), ...plan.labels[i].map((text, l) =>
    s("text", { x: box.x, y: box.y + tallest / 2 + LINE * (l + 1) - 1, "text-anchor": "middle" }, text))]).flat());
}

/** Where everything goes: `at` the steps and `source`, the input, as { x, y (their middles), w, h }. */
function layout({ shape, says, join, takes }, { in_channels: channels, size }, unit) {
  const { column, lane, lanes } = placed({ takes }), labels = says.map(lines), arcs = arcsOf(takes, column, lane);
  const tallest = lanes ? TALLEST * 0.7 : TALLEST;
  const high = (side) => Math.max(LOWEST, tallest * Math.sqrt(Math.min(1, (side || 0) / size)));
  const wide = (maps) => Math.max(LOWEST, unit * Math.sqrt(maps));
  const boxes = shape.map(([maps, side], i) =>
    (isSign(join[i]) ? { w: SIGN, h: SIGN } : { w: wide(maps), h: high(side) }));
  const widths = [wide(channels)], middles = [];
  boxes.forEach(({ w }, i) => {
    widths[column[i]] = Math.max(widths[column[i]] || 0, w, ...labels[i].map((text) => LETTER * text.length));
  });
  let x = 6;
  widths.forEach((width, c) => { middles[c] = x + width / 2; x += width + APART; });
  const top = ARC * (1 + Math.max(-1, ...arcs.map(({ level }) => level))) + 6;
  const labelled = LINE * Math.max(1, ...labels.map((text) => text.length));
  const y = (l) => top + tallest / 2 + l * (tallest + labelled + LANE);
  return { arcs, labels, tallest, top, width: x - APART + 4, height: y(lanes) + tallest / 2 + labelled + 3,
    at: boxes.map((box, i) => ({ ...box, x: middles[column[i]], y: y(lane[i]) })),
    source: { x: middles[0], y: y(0), w: widths[0], h: tallest } };
}

const isSign = (join) => join && join !== "cat";

/** A label in lines, one for each word, but "3 groups" and the like stay together. */
const lines = (text) => text.match(/one a map|drop path|\d+ groups|(stride|max|up) \S+|\S+/g) || [];

/** A slab with or without weights; the sign where paths meet; a slab behind a bracket where they are concatenated. */
function mark({ x, y, w, h: tall }, join, params, title) {
  const told = s("title", {}, title);
  if (isSign(join)) {
    const sign = { "+": "M-4,0h8M0,-4v8", "×": "M-3,-3l6,6M-3,3l6,-6", "·": "M-1,0a1,1 0 1,0 2,0a1,1 0 1,0 -2,0" };
    return [s("g", {}, told, s("circle", { class: "ex-plus", cx: x, cy: y, r: 7 }),
      s("path", { class: "ex-cross gallery-sign", transform: `translate(${x},${y})`, d: sign[join] }))];
  }
  const slab = s("g", { class: params ? "ex-weights" : "ex-plain" }, told,
    s("rect", { class: "ex-slab", x: x - w / 2, y: y - tall / 2, width: w, height: tall, rx: 1 }));
  const bracket = `M${x - w / 2},${y - tall / 2 - 3}h-4V${y + tall / 2 + 3}h4`;
  return join ? [slab, s("path", { class: "ex-bracket", d: bracket })] : [slab];
}

/** The ways that pass over something: from, to, and how high; short ones lie lower. */
function arcsOf(takes, column, lane) {
  const arcs = takes.flatMap((from, to) => from.filter((j) => {
    const start = j < 0 ? 0 : column[j], here = j < 0 ? 0 : lane[j];
    return column[to] - start > 1 && here === lane[to];
  }).map((j) => ({ from: j, to, start: j < 0 ? 0 : column[j], end: column[to] })));
  for (const arc of [...arcs].sort((a, b) => (a.end - a.start) - (b.end - b.start))) {
    const over = arcs.filter((other) => other.level !== undefined && other.start < arc.end && arc.start < other.end);
    arc.level = Math.max(-1, ...over.map(({ level }) => level)) + 1;
  }
  return arcs;
}

/** What the drawing means; only what occurs. */
function legendOf(cards) {
  const joins = new Set(cards.flatMap(({ join }) => join));
  const sign = (...marks) => s("svg", { width: 26, height: 18, "aria-hidden": "true", class: "ex-sign" }, ...marks);
  const at = (join) => sign(...mark({ x: 13, y: 9, w: 6, h: 12 }, join, 0, ""));
  return [
    h("span", {}, sign(s("path", { class: "ex-arc", d: "M4,2V16M2,4l2,-2l2,2M2,14l2,2l2,-2" }),
      s("path", { class: "ex-arc", d: "M11,9H25M13,7l-2,2l2,2M23,7l2,2l-2,2" })),
    "height: resolution, width: channels (square roots of both)"),
    h("span", {}, sign(s("rect", { class: "ex-source", x: 9, y: 3, width: 8, height: 12 })), "input"),
    h("span", {}, sign(...mark({ x: 7, y: 9, w: 8, h: 14 }, "", 1, ""),
      ...mark({ x: 19, y: 9, w: 8, h: 14 }, "", 0, "")), "with weights, without"),
    joins.has("+") && h("span", {}, at("+"), "added"),
    joins.has("×") && h("span", {}, at("×"), "multiplied, place by place"),
    joins.has("·") && h("span", {}, at("·"), "multiplied as matrices"),
    joins.has("cat") && h("span", {}, at("cat"), "concatenated"),
  ].filter(Boolean);
}
