// The diagram of a network, to scale: a slab is as high as its resolution and as wide as its channels. Arcs are
// shortcuts and end in a +, or in a bracket where maps are concatenated. Every block can be focused.
import { morph } from "./morph.js";
import { h, number, quiet, s, whenResized } from "./ui.js";

const TALLEST = 132, LOWEST = 5;                        // pixels: the input's resolution, and the least of a slab
const ARC = 17, LABELS = 30, GAP = 2, BETWEEN = 16;     // room above and below the slabs, between them, between stages
const NAME = 76, APART = 10;                            // the most room a name may ask for, the least between labels
const WIDTHS = [3, 2.6, 2.2, 1.9, 1.6, 1.35, 1.15, 0.95, 0.8, 0.65, 0.5];      // pixels for the root of the channels
const RUNS = [64, 16, 9, 7, 5, 4, 3];                   // how many equal blocks in a row are drawn one by one

/** `answer()` is the answer shown, `select(i)` is called when the block i is chosen.
 *  Returns the element, `draw()`, and `mark(i)`, which shows that the block i is chosen. */
export function diagram({ answer, select }) {
  const element = h("div", { class: "ex-diagram" }, s("svg"));
  let slabs = [], chosen = 0, width = 0, long;          // the width is not asked for while things change: that is slow

  const draw = () => {
    if (!width) return;                                 // not on the page yet; the observer draws it then
    const kept = document.activeElement?.closest?.(".ex-block") && element.contains(document.activeElement);
    const plan = layout(answer(), width, long);
    slabs = plan.slabs;
    morph(element.firstChild, picture(answer(), plan, long));
    element.querySelectorAll(".ex-block").forEach((node, i) => { slabs[i].node = node; });
    mark(Math.min(chosen, answer().unit_name.length - 1));
    if (kept) slabOf(chosen)?.node.focus({ preventScroll: true });
  };
  const slabOf = (i) => slabs.find(({ first, last }) => first <= i && i <= last);
  const mark = (i) => {
    chosen = i;
    for (const slab of slabs) {
      const here = slab.first <= i && i <= slab.last;
      slab.node.setAttribute("aria-selected", here);
      slab.node.setAttribute("tabindex", here ? 0 : -1);
      if (here) slab.node.setAttribute("aria-label", answer().unit_name[i]);
    }
  };
  const choose = (i) => { select(i); slabOf(i)?.node.focus({ preventScroll: true }); };

  element.addEventListener("click", ({ target }) => {
    const slab = slabs.find(({ node }) => node === target.closest(".ex-block"));
    if (slab) choose(slab.first <= chosen && chosen < slab.last ? chosen + 1 : slab.first);
  });
  element.addEventListener("keydown", (event) => {
    const { stage_units: sizes } = answer(), count = answer().unit_name.length;
    const starts = sizes.map((_, k) => sizes.slice(0, k).reduce((sum, size) => sum + size, 0));
    const to = { ArrowRight: chosen + 1, ArrowDown: chosen + 1, ArrowLeft: chosen - 1, ArrowUp: chosen - 1, Home: 0,
      End: count - 1, PageDown: starts.find((start) => start > chosen) ?? count - 1,
      PageUp: starts.findLast((start) => start < chosen) ?? 0 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (to >= 0 && to < count) choose(to);
  });
  const stop = whenResized(element, () => {
    width = Math.floor(element.clientWidth);
    long = ruler(getComputedStyle(element).fontFamily);
    draw();
  });
  return { element, draw, mark, stop };
}

/** A function that says how many pixels long a label of the diagram is. */
function ruler(family) {
  const pen = document.createElement("canvas").getContext("2d"), known = new Map();
  pen.font = `600 11px ${family}`;                      // as in widgets.css
  return (text) => {
    if (!known.has(text)) known.set(text, pen.measureText(text).width);
    return known.get(text);
  };
}

/** The text, cut to so many pixels. */
function cut(text, room, long) {
  if (long(text) <= room) return text;
  let end = text.length - 1;
  while (end > 1 && long(`${text.slice(0, end)}…`) > room) end--;
  return `${text.slice(0, end)}…`;
}

/** Where everything goes: slabs { first, last (unit), stage, x, y, w, h, bus }, stages, rows. */
function layout(answer, width, long) {
  const rows = width < 480 ? 3 : width < 640 ? 2 : 1, scale = width < 480 ? 0.72 : 1;
  const top = TALLEST * scale / Math.sqrt(Math.max(1, answer.input[1]));
  const high = (side) => Math.max(LOWEST, top * Math.sqrt(Math.max(1, side)));
  const labels = [-1, ...answer.stage_name.keys()].map((stage) =>
    Math.max(long(shapeOf(answer, stage)), Math.min(NAME, long(nameOf(answer, stage)))));
  let plan;
  search: for (const run of RUNS.slice(rows > 1 ? 1 : 0))
    for (const unit of WIDTHS) {
      const groups = grouped(answer, run, (channels) => Math.max(LOWEST, unit * Math.sqrt(channels)));
      plan = placed(groups, labels, width);
      if (plan.rows <= rows) break search;
    }
  const { groups } = plan;
  const slabs = [], stages = [];
  let y = 0;
  for (let row = 0; row < plan.rows; row++) {
    const here = groups.filter((group) => group.row === row);
    const tall = Math.max(...here.flatMap(({ stage, items }) =>
      items.length ? [high(Math.max(answer.stage_height[stage] ?? 1, ...items.map(({ first }) => answer.unit_height[first])))]
        : [high(answer.input[1])]));
    const middle = y + ARC + tall / 2;
    for (const group of here) {
      stages.push({ ...group, middle, bottom: y + ARC + tall });
      let x = group.x;
      for (const item of group.items) {
        const tallness = high(item.folded ? 0 : answer.unit_height[item.first]);
        slabs.push({ ...item, stage: group.stage, x, w: item.w, h: item.folded ? 0 : tallness, middle, y: middle - tallness / 2 });
        x += item.w + item.gap;
      }
    }
    y += ARC + tall + LABELS + 10;
  }
  const source = groups[0];
  return { slabs, stages, width, height: y - 8, source, high, rows: plan.rows };
}

/** The stages with their slabs; runs of more than `most` equal blocks lose their middle to one slab "×n". */
function grouped(answer, most, wide) {
  const same = (a, b) => ["type", "channels", "height", "branches"]
    .every((key) => answer[`unit_${key}`][a] === answer[`unit_${key}`][b]);
  const groups = [{ stage: -1, items: [], w: wide(answer.input[0]) }];
  let at = 0;
  answer.stage_units.forEach((size, stage) => {
    const items = [], end = at + size;
    while (at < end) {
      let run = 1;
      while (at + run < end && same(at, at + run)) run++;
      const dense = answer.unit_branches[at] < 2 && answer.unit_concats.slice(at, at + run).some(Boolean), gap = dense ? 0.5 : GAP;
      const slab = (first) => ({ first, last: first, w: wide(answer.unit_channels[first]), gap, dense, run: at });
      if (run <= most) for (let i = 0; i < run; i++) items.push(slab(at + i));
      else {
        const before = Math.ceil((most - 1) / 2), after = most - 1 - before;
        for (let i = 0; i < before; i++) items.push(slab(at + i));
        items.push({ first: at + before, last: at + run - after - 1, folded: true, w: 34, gap, dense, run: at });
        for (let i = run - after; i < run; i++) items.push(slab(at + i));
      }
      at += run;
    }
    groups.push({ stage, items, w: items.reduce((sum, { w, gap }) => sum + w + gap, 0) });
  });
  return groups;
}

const shapeOf = (answer, stage) => (stage < 0 ? answer.input : ["channels", "height", "width"]
  .map((side) => answer[`stage_${side}`][stage])).filter(Boolean).join("×");

const nameOf = (answer, stage) => answer.stage_name[stage] ?? "input";

/** The groups in rows; a group is at least as wide as its labels. */
function placed(groups, labels, width) {
  let x = 1, row = 0;
  for (const [i, group] of groups.entries()) {
    const w = Math.max(group.w, labels[i]);
    if (x > 1 && x + w > width) { row++; x = 1; }
    Object.assign(group, { row, x, span: w });
    x += w + BETWEEN;
  }
  const over = groups.some((group) => group.x + group.w > width);
  return { groups, rows: over ? Infinity : row + 1 };
}

function picture(answer, { slabs, stages, width, height, high }, long) {
  const drawn = [], lines = { arc: "", padding: "", bracket: "", plus: "", cross: "", layer: "", branches: "" };
  let flow = "";                                        // the line on which everything hangs, behind the slabs
  for (const [k, stage] of stages.entries()) {
    const next = stages[k + 1], goesOn = next && next.row === stage.row, begins = stage.row && stages[k - 1].row !== stage.row;
    flow += `M${begins ? 0 : stage.x},${stage.middle}H${goesOn ? next.x : next ? Math.min(width, stage.x + stage.span + 10)
      : stage.x + stage.w}`;
  }
  const side = high(answer.input[1]), source = stages[0];
  drawn.push(s("path", { class: "ex-flow", d: flow }), s("rect", { class: "ex-source", x: source.x,
    y: source.middle - side / 2, width: source.w, height: side }));
  for (const stage of stages) {
    const name = cut(nameOf(answer, stage.stage), Math.min(stage.span + BETWEEN - APART, width - stage.x), long);
    drawn.push(
      s("text", { class: "ex-stage", x: stage.x, y: stage.bottom + 15 }, name),
      s("text", { class: "ex-shape", x: stage.x, y: stage.bottom + 28 }, shapeOf(answer, stage.stage)));
  }
  for (const { first: i, last, folded, dense, gap, x, y, w, h: tall, middle } of slabs) {
    const right = x + w, kind = folded ? "ex-folded" : answer.unit_params[i] ? "ex-weights" : "ex-plain";
    drawn.push(s("g", { class: `ex-block ${kind}`, role: "option", ...quiet,
      "aria-label": folded ? `${answer.unit_name[i]} ×${number(last - i + 1)}` : answer.unit_name[i] },
      s("rect", { class: "ex-target", x: x - gap / 2, y: middle - Math.max(tall, 28) / 2, width: w + gap,
        height: Math.max(tall, 28) }),
      folded ? s("text", { class: "ex-times", x: x + w / 2, y: middle + 4, "text-anchor": "middle" }, `×${number(last - i + 1)}`)
        : s("rect", { class: "ex-slab", x, y, width: w, height: tall, rx: 1 })));
    if (folded) continue;
    const ways = answer.unit_adds[i] ? 1 : answer.unit_branches[i];
    for (let part = 1; part < ways; part++)             // branches side by side, one lane each
      lines.branches += `M${x + 2},${y + tall * part / ways}H${right - 2}`;
    if (answer.unit_adds[i]) {                          // over the block, into the + behind it
      lines[answer.unit_shortcut[i] === "padding" ? "padding" : "arc"]
        += `M${x - 1},${middle}V${y - 4}q0,-6 6,-6H${right - 5}q6,0 6,6V${y - 2}`;
      if (answer.unit_shortcut[i] === "projection") lines.layer += `M${x + w / 2 - 3},${y - 13}h6v6h-6z`;
      lines.plus += `M${right + 1},${y - 2}a4,4 0 1,1 -.01,0z`;
      lines.cross += `M${right - 1.5},${y + 2}h5m-2.5,-2.5v5`;
    }
    if (answer.unit_concats[i] && !dense) lines.bracket += `M${right - 3},${y - 3}h4.5V${y + tall + 3}h-4.5`;
  }
  for (const run of new Set(slabs.filter(({ dense }) => dense).map(({ run }) => run))) {     // every layer reads all before it
    const layers = slabs.filter((slab) => slab.dense && slab.run === run), [first] = layers, last = layers.at(-1);
    const { y, h: tall } = layers.find(({ folded }) => !folded), end = last.x + last.w;
    lines.arc += `M${first.x - 3},${first.middle}V${y - 3}q0,-6 6,-6H${end - 4}q6,0 6,6`
      + layers.map(({ x }) => `M${x},${y - 9}v5`).join("");
    lines.bracket += `M${end - 3},${y - 3}h5V${y + tall + 3}h-5`;
  }
  return s("svg", { class: "cnn-figure ex-figure", width, height, viewBox: `0 0 ${width} ${height}`, role: "listbox",
    "aria-orientation": "horizontal", "aria-label": `Diagram of ${answer.network}: ${answer.unit_name.length} blocks in `
      + `${answer.stage_name.length} stages. Arrow keys go from block to block, Page Up and Page Down from stage to stage.` },
    drawn, Object.entries(lines).map(([name, d]) => s("path", { class: `ex-${name}`, d, "aria-hidden": "true" })));
}

/** What the drawing means, in signs and words; only what occurs. */
export function legend(answer) {
  const some = (key) => answer[`unit_${key}`].some(Boolean);
  const sign = (...marks) => s("svg", { width: 26, height: 18, "aria-hidden": "true", class: "ex-sign" }, ...marks);
  return [
    h("span", {}, sign(s("path", { class: "ex-arc", d: "M4,2V16M2,4l2,-2l2,2M2,14l2,2l2,-2" }),
      s("path", { class: "ex-arc", d: "M11,9H25M13,7l-2,2l2,2M23,7l2,2l-2,2" })),
    "height: resolution, width: channels (square roots of both)"),
    h("span", {}, sign(s("g", { class: "ex-weights" }, s("rect", { class: "ex-slab", x: 2, y: 2, width: 9, height: 14 })),
      s("g", { class: "ex-plain" }, s("rect", { class: "ex-slab", x: 15, y: 2, width: 9, height: 14 }))),
    "with weights, without"),
    some("adds") && h("span", {}, sign(s("path", { class: "ex-arc", d: "M3,16V8q0,-6 6,-6H12q6,0 6,6" }),
      s("circle", { class: "ex-plus", cx: 18, cy: 12, r: 4 }), s("path", { class: "ex-cross", d: "M15.5,12h5m-2.5,-2.5v5" })),
    "shortcut, added"
      + (answer.unit_shortcut.includes("projection") ? "; box: shortcut passes through a convolution" : "")
      + (answer.unit_shortcut.includes("padding") ? "; dashed: padded with zeros" : "")),
    some("concats") && h("span", {}, sign(s("path", { class: "ex-bracket", d: "M11,2h5V16h-5" })), "concatenated"),
  ].filter(Boolean);
}
