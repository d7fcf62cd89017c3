// Size rule: the formula with its numbers, the windows on the image, and all windows along one axis.
// What is counted comes from Python; where the windows lie is drawn from the inputs.
import { button, h, s, whenResized, widget } from "./ui.js";

const NAMES = ["size", "kernel", "stride", "padding", "dilation", "ceil_mode"];
const PRESETS = [                                       // label, size, kernel, stride, padding, dilation, ceil mode
  ["LeNet C1", 32, 5, 1, 0, 1, false],
  ["LeNet pool", 28, 2, 2, 0, 1, false],
  ["AlexNet at 227", 227, 11, 4, 0, 1, false],
  ["AlexNet at 224", 224, 11, 4, 0, 1, false],
  ["GoogLeNet stem", 224, 7, 2, 3, 1, false],
  ["GoogLeNet pool, ceil", 112, 3, 2, 0, 1, true],
  ["ResNet pool", 112, 3, 2, 1, 1, false],
  ["dilated 3×3", 28, 3, 1, 2, 2, false],
];
const LARGEST_PICTURE = 46;                             // cells a side; larger images are shown along one axis only

export function render({ model, el }) {
  const ui = widget({ model, el, title: "Size rule" });
  const read = () => ({ ...ui.shown(), cell: model.get("cell") });

  const presets = PRESETS.map(([label, ...values]) =>
    button(label, () => ui.ask(Object.fromEntries(NAMES.map((name, i) => [name, values[i]])))));
  ui.controls.append(
    h("div", { class: "cnn-row cnn-wide", role: "group", "aria-label": "layers of well-known networks" }, presets),
    ui.slider("size", { label: "input size", typed: true }),
    ui.slider("kernel", { label: "kernel" }),
    ui.slider("stride", { label: "stride" }),
    ui.slider("padding", { label: "padding on each side" }),
    ui.slider("dilation", { label: "dilation" }),
    ui.checkbox("ceil_mode", { label: "ceil mode (pooling layers)" }));

  const output = h("p", { class: "size-answer" });
  const formula = h("p", { class: "size-formula", "data-value": "formula" });
  const refusal = h("p", { class: "cnn-refusal", role: "status", "data-value": "reason" });
  const facts = h("div", { class: "size-facts" }), remarks = h("p", { class: "cnn-note", "data-value": "remarks" });
  const legend = h("p", { class: "size-legend" });
  const picture = h("div", { class: "size-picture" }), lanes = h("div", { class: "size-lanes" });
  const steps = h("input", { type: "range", min: 0, step: 1, "data-input": "cell",
    "data-lm-suppress-shortcuts": "true", oninput: () => ui.ask({ cell: +steps.value }) });
  const reads = h("span", { class: "cnn-shown", "aria-hidden": "true", "data-value": "reads" });
  const stepper = h("label", { class: "cnn-field" }, h("span", { class: "cnn-label" }, "output cell", reads), steps);
  steps.addEventListener("keydown", (event) => {        // in the picture, up and down go to the next row
    const rows = { ArrowUp: -1, ArrowDown: 1 }[event.key], shape = layout(read());
    if (!rows || !shape.flat) return;
    event.preventDefault();
    const cell = +steps.value + rows * shape.output;
    if (cell >= 0 && cell <= +steps.max) ui.ask({ cell });
  });
  const possible = h("div", { class: "size-possible" },
    h("div", {}, output, formula), facts, remarks, picture, stepper, h("div", {}, legend, lanes));
  ui.results.append(refusal, possible);

  const choose = (cell) => ui.ask({ cell });
  const draw = () => {
    const now = read(), { answer } = now;
    presets.forEach((preset, p) => preset.setAttribute("aria-pressed",
      NAMES.every((name, i) => now[name] === PRESETS[p][i + 1])));
    if (answer.output === undefined) return;
    refusal.hidden = !answer.reason;
    possible.hidden = Boolean(answer.reason);
    refusal.textContent = answer.reason && `No output: ${answer.reason}.`;
    if (answer.reason) { ui.say(refusal.textContent); return; }

    const shape = layout(now);
    output.replaceChildren(h("span", { class: "cnn-unseen" }, "output size "),
      h("b", { "data-value": "output" }, String(answer.output)), ` × ${answer.output}`);
    formula.textContent = formulaText(now);
    facts.replaceChildren(...FACTS.map(([key, label]) => h("p", { class: answer[key] ? "" : "size-zero" },
      h("span", {}, label), " ", h("b", { "data-value": key }, String(answer[key])))));
    remarks.textContent = remarksText(now);
    legend.replaceChildren(...FACTS.filter(([key]) => answer[key]).map(([key, text]) => h("span", {},
      s("svg", { width: 14, height: 14, "aria-hidden": "true" }, key === "overhang" ? rect(1, 1, 12, 12, key)
        : [rect(0.5, 0.5, 13, 13, "input"), s("path", { class: `size-${key}`, d: mark(key, 0.5, 0.5, 13, 13) })]),
      text)));
    steps.max = (shape.flat ? answer.output ** 2 : answer.output) - 1;
    steps.value = shape.cell;
    steps.setAttribute("aria-valuetext", `${shape.where}, reads ${shape.reads}`);
    reads.textContent = `${shape.where} reads ${shape.reads}`;
    ui.say(`${formula.textContent}. ${remarks.textContent}`);

    const width = possible.clientWidth;
    if (!width) return;                                 // not on the page yet
    picture.hidden = !shape.flat;
    if (shape.flat) picture.replaceChildren(drawPicture(shape, width, choose));
    lanes.replaceChildren(drawLanes(shape, width, choose));
  };
  ui.on("change:answer change:cell", draw);
  ui.defer(whenResized(ui.root, draw));
  draw();
  return ui.cleanup;
}

const FACTS = [["dropped", "dropped at the far edge"], ["between_windows", "jumped over by the stride"],
  ["between_taps", "in holes between taps"], ["overhang", "overhang in ceil mode"]];

function formulaText({ size, kernel, stride, padding, dilation, ceil_mode, answer }) {
  const [open, close] = ceil_mode ? "⌈⌉" : "⌊⌋";
  const span = dilation === 1 ? `${kernel}` : `${dilation}·(${kernel} − 1) − 1`;
  const room = size + 2 * padding - dilation * (kernel - 1) - 1, digits = Math.trunc((room * 100) / stride) / 100;
  const back = answer.taken_back ? ` − ${answer.taken_back}` : "";
  const shown = `${digits}${digits * stride === room ? "" : "…"}`.replace("-", "−");
  return `${open}(${size} + 2·${padding} − ${span}) / ${stride}${close} + 1${back}`
    + ` = ${open}${shown}${close} + 1${back} = ${answer.output}`;
}

function remarksText({ padding, answer }) {
  const cells = (count) => (count === 1 ? "1 cell" : `${count} cells`), remarks = [];
  if (answer.dropped)
    remarks.push(`Rounding down drops ${cells(answer.dropped)} at the far end of each axis: the last window stops `
      + "short, and no output knows what is there.");
  if (answer.between_windows)
    remarks.push(`The stride is longer than the window and jumps over ${cells(answer.between_windows)}.`);
  if (answer.between_taps)
    remarks.push(`Windows pass over ${cells(answer.between_taps)} without reading: always a hole between two taps.`);
  if (answer.overhang)
    remarks.push(`The last window sticks out by ${cells(answer.overhang)} beyond the ${padding ? "padded " : ""}input; `
      + "the pooling uses what is there.");
  if (answer.taken_back)
    remarks.push("Rounding up would allow one window more, but it would start in the far padding, "
      + "so it is taken back.");
  return remarks.join(" ") || "Every cell of the input is read by some window.";
}

/** Where everything lies: windows, unread cells by kind, and the window to show. */
function layout({ size, kernel, stride, padding, dilation, answer, cell }) {
  const { output, overhang } = answer, span = dilation * (kernel - 1) + 1;
  const flat = size + 2 * padding + overhang <= LARGEST_PICTURE;
  cell = Math.min(cell, (flat ? output ** 2 : output) - 1);
  const column = cell % output, row = flat ? Math.floor(cell / output) : column;
  const start = (i) => i * stride - padding;
  const taps = (i) => Array.from({ length: kernel }, (_, tap) => start(i) + tap * dilation);
  const touched = new Set(Array.from({ length: output }, (_, i) => taps(i)).flat());
  const kind = (at) => {                                // of an input cell; null where a window reads it
    if (touched.has(at)) return null;
    if (at >= size - answer.dropped) return "dropped";
    return (at + padding) % stride >= span ? "between_windows" : "between_taps";
  };
  const stretch = (i) => (span === 1 ? `${start(i)}` : `${start(i)} to ${start(i) + span - 1}`).replace(/-/g, "−");
  return { size, kernel, stride, padding, span, output, overhang, flat, cell, column, row, start, taps, kind,
    dropped: answer.dropped,
    where: flat ? `row ${row}, column ${column}` : `window ${column}`,
    reads: flat ? `rows ${stretch(row)}, columns ${stretch(column)}` : `cells ${stretch(column)}` };
}

const rect = (x, y, width, height, kind) => s("rect", { x, y, width, height, class: `size-${kind}` });
const label = (x, y, text, anchor = "start") => s("text", { x, y, "text-anchor": anchor }, text);

/** Lines between `n` cells of `cell` pixels, both ways. */
const mesh = (x, y, n, cell) => s("path", { class: "size-mesh", d: Array.from({ length: n + 1 }, (_, i) =>
  `M${x + i * cell},${y}v${n * cell}M${x},${y + i * cell}h${n * cell}`).join("") });

/** One mark a cell: a slash where it is dropped, a cross where it is jumped over, a dot where it lies in a hole. */
function mark(kind, x, y, w, height) {
  if (kind === "dropped") return `M${x},${y + height}l${w},${-height}`;
  if (kind === "between_windows")
    return `M${x + w / 4},${y + height / 4}l${w / 2},${height / 2}m0,${-height / 2}l${-w / 2},${height / 2}`;
  return `M${x + w / 2 - 0.6},${y + height / 2}h1.2`;
}

/** The image with padding, the window that is shown, and the output beside (on narrow pages: below) it. */
function drawPicture(shape, width, choose) {
  const { size, padding, overhang, output, span, row, column, start, taps, kind } = shape;
  const n = size + 2 * padding + overhang, top = 22;
  const beside = (width - 48) / (n + output) >= 6;
  const cell = Math.max(3, Math.min(16, 400 / n, beside ? (width - 48) / (n + output) : width / Math.max(n, output)));
  const at = (i) => (i + padding) * cell;               // from the number of a cell to pixels
  const ox = beside ? n * cell + 48 : 0, oy = beside ? 0 : n * cell + top + 14;

  const marks = { dropped: "", between_windows: "", between_taps: "" };
  const kinds = Array.from({ length: size }, (_, i) => kind(i));
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) {
      const both = [kinds[y], kinds[x]], worst = Object.keys(marks).find((each) => both.includes(each));
      if (worst) marks[worst] += mark(worst, at(x), top + at(y), cell, cell);
    }
  const target = rect(ox, oy + top, output * cell, output * cell, "output");
  target.addEventListener("click", (event) => {
    const box = target.getBoundingClientRect(), index = (from, length, all) =>
      Math.min(output - 1, Math.max(0, Math.floor((from / length) * all)));
    choose(index(event.clientY - box.top, box.height, output) * output
      + index(event.clientX - box.left, box.width, output));
  });
  return s("svg", { class: "cnn-figure", role: "img",
    width: Math.max(n * cell, ox + output * cell) + 1,
    height: oy + top + Math.max(beside ? n * cell : 0, output * cell) + 1,
    "aria-label": `An image of ${size} by ${size} cells${padding ? ` with ${padding} cells of padding` : ""}, and its `
      + `output of ${output} by ${output}. The output cell in ${shape.where} reads ${shape.reads}.` },
    label(0, 13, `input ${size} × ${size}${padding ? `, padding ${padding}` : ""}`),
    padding ? rect(0, top, (size + 2 * padding) * cell, (size + 2 * padding) * cell, "padding") : null,
    overhang ? rect(0, top, n * cell, n * cell, "overhang") : null,
    rect(at(0), top + at(0), size * cell, size * cell, "input"),
    cell >= 5 ? mesh(at(0), top + at(0), size, cell) : null,
    Object.entries(marks).map(([name, d]) => d && s("path", { d, class: `size-${name}` })).filter(Boolean),
    taps(row).flatMap((y) => taps(column).map((x) => rect(at(x), top + at(y), cell, cell, "tap"))),
    rect(at(start(column)), top + at(start(row)), span * cell, span * cell, "window"),
    label(ox, oy + 13, `output ${output} × ${output}`),
    target,
    cell >= 5 ? mesh(ox, oy + top, output, cell) : null,
    rect(ox + column * cell, oy + top + row * cell, cell, cell, "tap"),
    rect(ox + column * cell, oy + top + row * cell, cell, cell, "window"));
}

/** All windows along one axis, one a lane; of a long axis both ends and the part around the shown window. */
function drawLanes(shape, width, choose) {
  const { size, padding, overhang, output, span, column, start, taps, kind } = shape;
  const first = -padding, end = size + padding + overhang, all = end - first;
  const room = Math.max(58, Math.floor(width / 9));     // cells that fit
  let parts = [[first, end]];                           // stretches of cells to draw
  if (all > Math.max(room, LARGEST_PICTURE)) {
    const side = Math.floor((room - span - 6) / 2), middle = [start(column) - 1, start(column) + span + 1];
    parts = [[first, first + side], middle, [end - side, end]].sort((a, b) => a[0] - b[0]);
    parts = parts.reduce((joined, part) => {
      const last = joined.at(-1);
      if (last && part[0] <= last[1]) last[1] = Math.max(last[1], part[1]); else joined.push([...part]);
      return joined;
    }, []).map(([from, to]) => [Math.max(from, first), Math.min(to, end)]);
  }
  const cells = parts.reduce((sum, [from, to]) => sum + to - from, 0) + 2 * (parts.length - 1);
  const cell = Math.min(16, width / cells);
  let offset = 0;
  const placed = parts.map(([from, to]) => {
    const part = { from, to, x: (i) => (i - from) * cell + part.left, left: offset * cell };
    offset += to - from + 2;
    return part;
  });

  const windows = Array.from({ length: output }, (_, i) => i)
    .map((i) => [i, placed.find((part) => start(i) >= part.from && start(i) + span <= part.to)])
    .filter(([, part]) => part);
  const top = 34, strip = 15, lane = Math.max(5, Math.min(12, 230 / windows.length));
  const bottom = top + strip + 8 + windows.length * lane;

  const drawn = [], marks = { dropped: "", between_windows: "", between_taps: "" };
  for (const part of placed) {
    for (let i = part.from; i < part.to; i++) {
      const inside = i >= 0 && i < size, why = inside && kind(i);
      drawn.push(rect(part.x(i), top, cell, strip, inside ? "input" : i >= size + padding ? "overhang" : "padding"));
      if (why) marks[why] += mark(why, part.x(i), top, cell, strip);
    }
    const inputs = [Math.max(part.from, 0), Math.min(part.to, size) - 1];
    if (inputs[0] <= inputs[1]) {
      drawn.push(label(part.x(inputs[0]), top - 6, String(inputs[0])));
      if (inputs[1] - inputs[0] > 2) drawn.push(label(part.x(inputs[1]) + cell, top - 6, String(inputs[1]), "end"));
    }
    if (part !== placed.at(-1)) drawn.push(label(part.x(part.to) + cell, top + strip - 3, "⋯", "middle"));
    const lost = Math.max(part.from, size - shape.dropped);
    if (shape.dropped && part.to >= size && lost < size)
      drawn.push(rect(part.x(lost), top + strip, (size - lost) * cell, bottom - top - strip, "shaft"));
  }
  windows.forEach(([i, part], position) => {
    const y = top + strip + 8 + position * lane, height = Math.max(3, lane - 2);
    drawn.push(s("g", { class: i === column ? "size-chosen" : "size-lane",
      onclick: () => choose(shape.flat ? shape.row * output + i : i) },
      s("title", {}, `window ${i}: from ${start(i)} to ${start(i) + span - 1}`),
      s("path", { class: "size-thread", d: `M${part.x(start(i))},${y + height / 2}h${span * cell}` }),
      taps(i).map((tap) => rect(part.x(tap) + 0.75, y, cell - 1.5, height, "bead"))));
  });
  drawn.push(...Object.entries(marks).filter(([, d]) => d).map(([name, d]) => s("path", { d, class: `size-${name}` })));
  const shown = windows.length === output ? `all ${output} windows` : `${windows.length} of the ${output} windows`;
  return s("svg", { class: "cnn-figure", role: "img", width, height: bottom + 2,
    "aria-label": `Along one axis: ${shown} of ${span} cells. The shown one, ${column}, covers ${shape.reads}.` },
    label(0, 11, `along one axis: ${shown}`), drawn);
}
