// Path lab: the blocks in a row and what they are unravelled, every path from the input to the sum at the output; and
// the lengths of all paths, with the gradient that each length carries. Counts and shares come from Python; between two
// limits the page adds them up, exactly.
import { areaY, axisX, axisY, chart, dot, gridY, lineY, ruleX } from "./plot.js";
import { h, number, quiet, s, whenResized, widget } from "./ui.js";

export function render({ model, el }) {
  const ui = widget({ model, el, title: "Path lab" });
  const read = () => {
    const { n, ratio, answer } = ui.shown(), top = (length) => Math.min(length, n);
    const path = Math.min(model.get("path"), 2 ** Math.min(n, 30) - 1);
    const [low, high] = [top(model.get("low")), top(model.get("high"))].sort((a, b) => a - b);
    return { n, ratio, answer, low, high, path, bits: bitsOf(path, n) };
  };
  ui.controls.append(
    ui.slider("n", { label: "blocks", typed: model.get("origin") === "kernel" }),
    ui.slider("ratio", { label: "a branch passes on", format: (ratio) => `${number(ratio, { maximumSignificantDigits: 3 })} ×` }));

  const limit = (name, label) => {
    const range = h("input", { type: "range", min: 0, step: 1, "data-input": name, ...quiet,
      oninput: () => ui.ask({ [name]: +range.value }) });
    const shown = h("span", { class: "cnn-shown", "aria-hidden": "true" });
    return { range, shown, element: h("label", { class: "cnn-field" },
      h("span", { class: "cnn-label" }, label, shown), range) };
  };
  const limits = { low: limit("low", "count from length"), high: limit("high", "to length") };

  const facts = h("p", { class: "path-facts" }, h("b", { "data-value": "paths" }), h("span"));
  const formula = h("p", { class: "path-formula", "data-value": "expansion" });
  const graph = h("div", { class: "path-graph" }), chosen = h("p", { class: "path-chosen", "aria-live": "polite" });
  const many = h("p", { class: "cnn-note" });
  const lengths = chart({ options: (width) => plotOf(read(), width), describe: () => described(read()) });
  const legend = h("p", { class: "path-legend" },
    h("span", {}, sign("paths"), "share of all paths"), h("span", {}, sign("gradient"), "share of the gradient"),
    h("span", {}, sign("limit"), "the lengths counted"));
  const counted = h("p", { class: "path-counted", "data-value": "counted" });
  const held = h("p", { class: "path-held" });
  ui.results.append(
    h("div", { class: "path-unravelled" }, facts, formula, graph, chosen, many),
    h("div", { class: "path-lengths" }, h("p", { class: "path-heading" }, "How long the paths are"), legend,
      lengths.element, h("div", { class: "cnn-controls" }, limits.low.element, limits.high.element), counted, held));

  const choose = (path) => ui.ask({ path });
  graph.addEventListener("keydown", (event) => {        // along the list of paths
    if (!event.target.dataset.leaf) return;
    const { path, n } = read(), to = { ArrowDown: path + 1, ArrowUp: path - 1, Home: 0, End: 2 ** n - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (to < 0 || to >= 2 ** n) return;
    choose(to);
    graph.querySelector(`[data-key="leaf${to}"]`).focus();
  });
  const kept = keepFocus(graph);
  const draw = () => {
    const now = read(), { n, answer, low, high } = now, drawn = answer.terms.length > 0;
    facts.firstChild.textContent = answer.paths;
    facts.lastChild.textContent = ` paths through ${n === 1 ? "1 block" : `${n} blocks`}`;
    formula.hidden = graph.hidden = chosen.hidden = !drawn;
    formula.textContent = `y${n} = ${answer.expansion}`;
    many.textContent = drawn ? "" : "Too many to draw; up to six blocks every path is shown.";
    for (const [name, { range, shown }] of Object.entries(limits)) {
      range.max = n;
      range.value = now[name];
      shown.textContent = now[name];
      range.setAttribute("aria-valuetext", `length ${now[name]}`);
    }
    if (drawn && graph.clientWidth) {
      const focused = kept.before();
      graph.replaceChildren(drawChain(now, graph.clientWidth, choose), drawTree(now, graph.clientWidth, choose));
      kept.after(focused);
      const length = now.bits.filter(Boolean).length;
      chosen.replaceChildren("The path ", h("b", { "data-value": "bits" }, now.bits.join("")), " computes ",
        h("b", { "data-value": `terms.${now.path}` }, answer.terms[now.path]), `: length ${length}, one of `,
        h("b", { "data-value": `counts.${length}` }, answer.counts[length]),
        " of this length.");
    }
    lengths.draw();
    const sum = answer.counts.slice(low, high + 1).reduce((all, count) => all + BigInt(count), 0n);
    const part = answer.gradient.slice(low, high + 1).reduce((all, share) => all + share, 0);
    counted.textContent = `Lengths ${low} to ${high}: ${sum.toLocaleString("en")} paths, `
      + `${percent(Number(sum) / 2 ** n)} of all, with ${percent(part)} of the gradient.`;
    held.replaceChildren("The shortest stretch with 95 % of the gradient: lengths ",
      h("b", { "data-value": "from_length" }, String(answer.from_length)), " to ",
      h("b", { "data-value": "to_length" }, String(answer.to_length)), ", which are ",
      h("b", { "data-value": "held_paths" }, percent(answer.held_paths)), " of the paths.");
    ui.say(`${facts.textContent}. ${counted.textContent} ${held.textContent}`);
  };
  ui.on("change:answer change:path change:low change:high", draw);
  ui.defer(whenResized(ui.root, draw));
  ui.defer(lengths.stop);
  draw();
  return ui.cleanup;
}

const bitsOf = (path, n) => Array.from({ length: n }, (_, i) => Math.floor(path / 2 ** (n - 1 - i)) % 2);
const pathOf = (bits) => bits.reduce((path, bit) => 2 * path + bit, 0);
/** 0.0045366 -> "0.4537 %": four digits, less where they would be zeros. */
const percent = (share) => `${number(100 * share, { maximumSignificantDigits: 4 })} %`;

/** What had the focus is drawn anew: remember which, and give it back. */
function keepFocus(root) {
  return {
    before: () => (root.contains(document.activeElement) ? document.activeElement.dataset.key : null),
    after: (key) => { if (key) root.querySelector(`[data-key="${key}"]`)?.focus({ preventScroll: true }); },
  };
}

const label = (x, y, text, attributes) => s("text", { x, y, "text-anchor": "middle", ...attributes }, text);

/** A part that is chosen by click, Enter or space. */
const pressed = (attributes, act, ...children) => s("g", { tabindex: 0, ...quiet, ...attributes, onclick: act,
  onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); act(); } } },
  ...children);

/** The network as it is: blocks in a row, a shortcut around each; a click on one sends the path through or around it. */
function drawChain({ n, path, bits }, width, choose) {
  const step = Math.min(110, (width - 40) / n), box = Math.min(44, step * 0.5), y = 46, high = 26, x = (i) => 20 + step * i;
  const parts = [label(10, y + 4, "y0"), label(x(n) + 12, y + 4, `y${n}`)];
  bits.forEach((bit, i) => {
    const left = x(i), right = x(i + 1), middle = (left + right) / 2 - 6, plus = right - 8;
    const through = `M${left},${y}H${middle - box / 2}M${middle + box / 2},${y}H${plus - 6}`;
    const around = `M${left + 4},${y}C${left + 4},${y - 38} ${plus},${y - 38} ${plus},${y - 6}`;
    parts.push(
      s("path", { class: bit ? "path-off" : "path-on", d: around }),
      s("path", { class: bit ? "path-on" : "path-off", d: through }),
      s("path", { class: "path-on", d: `M${left},${y}h4M${plus + 6},${y}H${right}` }),
      s("circle", { class: "path-plus", cx: plus, cy: y, r: 6 }), s("path", { class: "path-cross", d: `M${plus - 3},${y}h6m-3,-3v6` }),
      pressed({ class: `path-block ${bit ? "path-taken" : ""}`, role: "switch", "aria-checked": bit ? "true" : "false",
        "aria-label": `through block ${i + 1}`, "data-key": `block${i}` },
      () => choose(pathOf(bits.map((old, j) => (j === i ? 1 - old : old)))),
      s("rect", { x: left, y: y - high / 2 - 8, width: right - left - 14, height: high + 22, class: "path-target" }),
      s("rect", { x: middle - box / 2, y: y - high / 2, width: box, height: high, rx: 3, class: "path-box" }),
      label(middle, y + 4, `f${i + 1}`), label(middle, y + 31, bit, { class: "path-bit" })));
  });
  return s("svg", { class: "cnn-figure path-chain", role: "group", width, height: y + 36, "data-path": path,
    "aria-label": `${n} blocks in a row; a click sends the path through a block or around it` }, parts);
}

/** The same unravelled: from the input a fork at every block, up around it, down through it. Block i stands there
 *  2^(i-1) times, and the ends of all paths are added. */
function drawTree({ n, path, answer }, width, choose) {
  const rows = 2 ** n, row = { 1: 34, 2: 30, 3: 26, 4: 21, 5: 17, 6: 14 }[n], small = row < 16;
  const words = width >= 520, letters = answer.terms.at(-1).length;
  const right = n * (small ? 6.2 : 7.5) + 10 + (words ? Math.min(letters * 6.2 + 8, width * 0.42) : 0);
  const tree = width - right - 34, step = (tree - 24) / n, y = (at) => 12 + row * (at + 0.5);
  // The middle of all paths that begin with the first `depth` bits of path `at`.
  const middle = (at, depth) => { const many = 2 ** (n - depth); return y(Math.floor(at / many) * many + (many - 1) / 2); };
  const x = (depth) => 24 + step * depth, box = Math.min(26, step * 0.55), parts = [], marks = [];
  for (let depth = 1; depth <= n; depth++)
    for (let fork = 0; fork < 2 ** depth; fork++) {
      const first = fork * 2 ** (n - depth), on = Math.floor(path / 2 ** (n - depth)) === fork;
      const from = middle(first, depth - 1), to = middle(first, depth), end = x(depth), bend = x(depth - 1) + step * 0.25;
      marks[on ? "push" : "unshift"](s("path", { class: on ? "path-on" : "path-off",
        d: `M${x(depth - 1)},${from}C${bend},${from} ${bend - step * 0.1},${to} ${x(depth - 1) + step * 0.4},${to}H${end}` }));
      if (fork % 2) parts.push(s("g", { class: on ? "path-taken" : "" },
        s("rect", { class: "path-box", x: end - box - 4, y: to - Math.min(11, row * 0.42), width: box, height: Math.min(22, row * 0.84), rx: 2 }),
        label(end - box / 2 - 4, to + (small ? 3.3 : 4), `f${depth}`, small ? { class: "path-small" } : {})));
    }
  const sum = x(n) + 14, leaves = answer.terms.map((text, at) => {
    const bits = bitsOf(at, n).join(""), here = at === path;
    return pressed({ class: `path-leaf ${here ? "path-here" : ""} ${small ? "path-small" : ""}`, role: "option",
      "aria-selected": String(here), tabindex: here ? 0 : -1, "data-key": `leaf${at}`,
      "data-leaf": bits }, () => choose(at),
    s("rect", { class: "path-target", x: x(n) + 2, y: y(at) - row / 2, width: width - x(n) - 4, height: row }),
    s("text", { x: sum + 14, y: y(at) + 4 }, bits), " ",
    words ? s("text", { class: "path-term", x: sum + 14 + n * (small ? 6.2 : 7.5) + 12, y: y(at) + 4 }, text) : null);
  });
  return s("svg", { class: "cnn-figure path-tree", role: "group", width, height: rows * row + 24,
    "aria-label": `the same unravelled: ${rows} paths from y0 to the sum` },
  label(10, y((rows - 1) / 2) + 4, "y0"), marks, parts,
  s("path", { class: "path-sum", d: `M${sum - 6},${y(0)}H${sum}V${y(rows - 1)}h-6` }),
  s("circle", { class: "path-plus", cx: sum, cy: y((rows - 1) / 2), r: 6 }),
  s("path", { class: "path-cross", d: `M${sum - 3},${y((rows - 1) / 2)}h6m-3,-3v6` }),
  s("g", { role: "listbox", "aria-label": `all ${rows} paths` }, leaves));
}

const PATHS = "var(--cnn-lenet)", GRADIENT = "var(--cnn-alexnet)";

function plotOf({ n, answer, low, high }, width) {
  const all = 2 ** n;
  const points = answer.gradient.map((gradient, length) => ({ length, gradient, paths: Number(answer.counts[length]) / all }));
  const inside = points.filter(({ length }) => low <= length && length <= high);
  const title = (name) => (point) => `length ${point.length}: ${percent(point[name])} of the ${name}`;
  const few = n <= 27;
  return {
    height: Math.round(Math.min(300, Math.max(210, width * 0.42))), marginLeft: 44, marginRight: 14, marginTop: 12,
    marginBottom: 38,
    x: { domain: [-0.5, n + 0.5] }, y: { domain: [0, 1.05 * Math.max(...points.flatMap((p) => [p.paths, p.gradient]))] },
    marks: [
      gridY({ ticks: 5, stroke: "currentColor", strokeOpacity: 0.12 }),
      axisX({ label: "length of the path (branches gone through)", labelAnchor: "center", labelArrow: "none", tickSize: 4,
        ticks: Math.min(n, width / 60), tickFormat: (length) => (Number.isInteger(length) ? length : "") }),
      axisY({ label: null, ticks: 5, tickSize: 0, tickFormat: (share) => `${number(100 * share)} %` }),
      areaY(inside, { x: "length", y: "paths", fill: PATHS, fillOpacity: 0.14 }),
      areaY(inside, { x: "length", y: "gradient", fill: GRADIENT, fillOpacity: 0.18 }),
      ruleX([low, high], { stroke: "currentColor", strokeOpacity: 0.6, strokeDasharray: "3 3" }),
      lineY(points, { x: "length", y: "paths", stroke: PATHS, strokeWidth: 2, strokeDasharray: "6 3" }),
      lineY(points, { x: "length", y: "gradient", stroke: GRADIENT, strokeWidth: 2.25 }),
      few && dot(points, { x: "length", y: "paths", fill: PATHS, r: 3.2, title: title("paths") }),
      few && dot(points, { x: "length", y: "gradient", fill: GRADIENT, symbol: "diamond", r: 3.8, title: title("gradient") }),
    ].filter(Boolean),
  };
}

function described({ n, answer }) {
  const most = (shares) => shares.indexOf(Math.max(...shares));
  return `Of the paths through ${n} blocks most have length ${most(answer.counts.map(Number))}; `
    + `most of the gradient has length ${most(answer.gradient)}.`;
}

function sign(kind) {
  const draw = { paths: [["M0,8h26", PATHS, "6 3"], ["M13,4a4,4 0 1,0 .01,0", PATHS]],
    gradient: [["M0,8h26", GRADIENT], ["M13,3l5,5l-5,5l-5,-5z", GRADIENT]],
    limit: [["M8,1v14M18,1v14", "currentColor", "3 3"]] }[kind];
  return s("svg", { width: 26, height: 16, "aria-hidden": "true" }, draw.map(([d, color, dash], i) =>
    s("path", { d, style: i ? `fill:${color}` : `stroke:${color};fill:none`, "stroke-width": 2, "stroke-dasharray": dash })));
}
