// Draw a digit: a pad, and LeNet-5 running in the page on every stroke. Nothing here asks a kernel; with one, the
// picture is also the trait `image`, in both directions.
import { digitStrokes, VARIANTS } from "./digit_strokes.js";
import { develop } from "./ink.js";
import { createNet, forward, normalise, receptiveField, SIDE, softmax } from "./lenet_forward.js";
import { decimal, inputView, inspector, outputView, percent, readColours, seen, stageView, unitName } from "./lenet_view.js";
import { button, h, quiet, s, whenResized, widget } from "./ui.js";

const UNTOUCHED = { dx: 0, dy: 0, degrees: 0, noise: 0 };
const FIRST = { digit: 3, variant: 0 };

export function render({ model, el }) {
  const small = model.get("size") === "small";
  const ui = widget({ model, el, title: "Draw a digit" });
  ui.root.classList.add("dd", small ? "dd-small" : "dd-full");
  ui.root.querySelector(".cnn-badge").remove(); // kernel or page, the numbers are computed here
  ui.controls.remove();
  const net = createNet(model.get("net"));

  let drawing = { strokes: digitStrokes(FIRST.digit, FIRST.variant) }, fresh = true; // fresh: a new stroke replaces it
  let settings = { centre: true, width: 2.5, ...UNTOUCHED };
  let unit = null, pixels, maps, colours, said;

  // ------------------------------------------------------------ from drawing to picture to prediction
  let frame = 0;
  const redraw = () => { frame ||= requestAnimationFrame(() => { frame = 0; update(); }); };
  const change = (values) => { settings = { ...settings, ...values }; redraw(); share(); };
  const draw = (next, isFresh) => { drawing = next; fresh = isFresh; redraw(); share(); };

  function update() {
    pixels = develop(drawing, settings);
    maps = forward(net, normalise(net, pixels));
    const probabilities = softmax(maps.output);
    unit ||= strongest(small ? "s4" : "c3");
    pad.paint(drawing, settings.width);
    input.paint(pixels, palette());
    stages.forEach((stage) => stage.paint(maps[stage.name], palette()));
    outputs.paint(maps.output, probabilities);
    point();
    verdict(probabilities);
  }

  /** The unit of a stage that answers loudest: something to look at before the reader has pointed at anything. */
  function strongest(stage) {
    const at = maps[stage].indexOf(Math.max(...maps[stage])), { size } = net.byName[stage];
    return { stage, channel: Math.floor(at / size ** 2), y: Math.floor(at / size) % size, x: at % size };
  }

  function point() {
    stages.forEach((stage) => stage.mark(unit));
    outputs.mark(unit);
    input.mark(receptiveField(net, unit.stage, unit.y, unit.x));
    glass.show(unit, maps, pixels, palette());
  }

  function choose(next, byKeyboard) {
    unit = next;
    glass.node.classList.add("dd-asked");       // from now on it stays in sight
    point();
    if (!byKeyboard) return;
    const { size } = net.byName[unit.stage], value = maps[unit.stage][(unit.channel * size + unit.y) * size + unit.x];
    ui.say(`${unitName(net, unit)} is ${decimal(value)}; ${seen(receptiveField(net, unit.stage, unit.y, unit.x))}.`);
  }

  function verdict(probabilities) {
    const [first, second] = probabilities.map((p, digit) => ({ p, digit })).sort((a, b) => b.p - a.p);
    const inWords = ({ p }) => percent(p, "over", "under");
    const blank = pixels.every((p) => p === 0);
    prediction.textContent = first.digit;
    confidence.replaceChildren(blank ? "nothing drawn, yet it has to choose: " : "", inWords(first), h("br"),
      `then ${second.digit}: ${inWords(second)}`);
    const spoken = `${blank ? "Nothing drawn. " : ""}LeNet says ${first.digit}, ${inWords(first)}; then ${second.digit}, ${inWords(second)}.`;
    if (spoken !== said) ui.say(said = spoken);
  }

  // ------------------------------------------------------------ the kernel's copy of the picture
  let sharing, shared = "";
  const asRows = () => Array.from({ length: SIDE }, (_, row) => [...pixels.slice(row * SIDE, (row + 1) * SIDE)]);
  function share() {
    clearTimeout(sharing);
    sharing = setTimeout(() => {
      const rows = asRows();
      shared = JSON.stringify(rows);
      model.set("image", rows);
      model.save_changes();
    }, 200);
  }
  function fromKernel() {
    const rows = model.get("image");
    if (!rows.length || JSON.stringify(rows) === shared) return;
    drawing = { pixels: rows.flat() };
    fresh = true;
    settings = { ...settings, ...UNTOUCHED };
    showSettings();
    redraw();
  }
  ui.on("change:image", fromKernel);
  ui.defer(() => { clearTimeout(sharing); cancelAnimationFrame(frame); });

  // ------------------------------------------------------------ the parts
  const pad = drawingPad({
    begin: (point) => draw({ strokes: [...(fresh || drawing.pixels ? [] : drawing.strokes), [point]] }, false),
    extend: (points) => draw({ strokes: [...drawing.strokes.slice(0, -1), [...drawing.strokes.at(-1), ...points]] }, false),
  });
  const input = inputView(net, "What LeNet gets: the drawing as 28 by 28 grey pixels, and the padding around it");
  const names = small ? ["s2", "s4"] : net.stages.slice(1, -1).map((stage) => stage.name);
  const stages = names.map((name) => stageView(net, name, choose));
  const outputs = outputView(net, choose);
  const glass = (small ? readout : inspector)(net, choose);
  const prediction = h("b", { "data-value": "prediction" }), confidence = h("span", { "data-value": "confidence" });

  const variants = Array(10).fill(0);
  variants[FIRST.digit] = FIRST.variant + 1;
  const samples = h("div", { class: "dd-samples", role: "group", "aria-label": "Samples" },
    ...variants.map((_, digit) => h("button", { type: "button", class: "dd-sample", "aria-label": `Sample ${digit}`, ...quiet,
      onclick: () => draw({ strokes: digitStrokes(digit, variants[digit]++ % VARIANTS) }, true) }, thumbnail(digit))));
  const clear = button("Clear", () => draw({ strokes: [] }, false));
  const undo = button("Undo stroke", () => draw({ strokes: (drawing.strokes || []).slice(0, -1) }, false));

  const centre = h("input", { type: "checkbox", checked: true, ...quiet, "data-input": "centre",
    onchange: () => change({ centre: centre.checked }) });
  const sliders = [
    slider("width", "brush", 1, 5, 0.25, (v) => `${v} px`),
    slider("dx", "shift x", -10, 10, 1, (v) => `${decimal(v, 0)} px`),
    slider("dy", "shift y", -10, 10, 1, (v) => `${decimal(v, 0)} px`),
    slider("degrees", "turn", -180, 180, 5, (v) => `${decimal(v, 0)}°`),
    slider("noise", "noise", 0, 0.6, 0.05, (v) => `${Math.round(100 * v)} %`),
  ];
  function slider(key, label, min, max, step, format) {
    const range = h("input", { type: "range", min, max, step, ...quiet, "data-input": key,
      oninput: () => { change({ [key]: range.valueAsNumber }); show(); } });
    const shown = h("span", { class: "cnn-shown", "aria-hidden": "true" });
    const show = () => {
      range.value = settings[key];
      range.setAttribute("aria-valuetext", format(settings[key]));
      shown.textContent = format(settings[key]);
    };
    show();
    return { show, node: h("label", { class: "cnn-field" }, h("span", { class: "cnn-label" }, label, shown), range) };
  }
  const showSettings = () => sliders.forEach(({ show }) => show());
  const reset = button("Reset", () => { change(UNTOUCHED); showSettings(); },
    { "aria-label": "Reset shift, turn and noise" });

  const note = (...content) => h("p", { class: "dd-note" }, ...content);
  const step = (title, ...content) => h("section", { class: "dd-step" }, h("p", { class: "dd-step-title" }, title), ...content);
  const draws = step("Your hand", pad.node, h("div", { class: "dd-buttons" }, clear, undo));
  const answers = step("LeNet answers", h("p", { class: "dd-verdict" }, prediction, confidence), outputs.node);
  if (small) {
    draws.append(samples);
    ui.results.append(h("div", { class: "dd-steps" }, draws,
      step("LeNet looks", input.node, ...stages.map(({ node }) => node), glass.node), answers));
  } else {
    const { data, test_error: error } = model.get("net");
    ui.results.append(
      h("div", { class: "dd-steps" }, draws, step("LeNet gets this", input.node,
        note("28×28 grey levels; the grey rim is the padding of C1.")), answers,
        h("div", { class: "dd-pick" }, note("Or pick one; press it again for another handwriting."), samples)),
      h("div", { class: "dd-tools" },
        h("div", { class: "dd-sliders" }, ...sliders.map(({ node }) => node), reset),
        h("label", { class: "cnn-check" }, centre, "centre as MNIST does"),
        note("Centring fits the digit into 20×20 pixels and puts its centre of mass in the middle. "
          + "Shift and turn come after it, so they show how much LeNet forgives."),
        note(h("b", {}, "Try: "), "give a 7 a cross-bar. Shift a digit by 4 pixels, then by 8. Untick the centring and draw small in "
          + "a corner. Clear the pad: what does LeNet see in nothing?")),
      h("div", { class: "dd-net" },
        note(h("b", {}, "Inside. "), "Point at or tap any unit, or reach a row with Tab and move with the arrow keys: it is outlined, and "
          + "so is all that it sees in the stages before it. In its sum, blue weights add and orange ones subtract."),
        h("div", { class: "dd-stages" }, ...stages.map(({ node }) => node)), glass.node),
      error == null ? "" : note(`Weights: trained and tested on ${data} (training + test digits); ${(100 * error).toFixed(2)} % of the test digits are misread.`));
  }

  // ------------------------------------------------------------ theme, width, test hooks
  const palette = () => (colours ||= readColours(ui.root));         // read when the widget stands in the page
  const retint = () => { colours = null; redraw(); };
  const theme = new MutationObserver(retint), dark = matchMedia("(prefers-color-scheme: dark)");
  for (const node of [document.documentElement, document.body])
    theme.observe(node, { attributes: true, attributeFilter: ["data-theme", "data-jp-theme-light", "class"] });
  dark.addEventListener("change", retint);
  ui.defer(() => { theme.disconnect(); dark.removeEventListener("change", retint); });
  const below = new ResizeObserver(() => glass.node.style.setProperty("--dd-below",
    `${glass.node.offsetHeight - (glass.headline?.offsetHeight ?? 0)}px`));
  below.observe(glass.node);
  ui.defer(() => below.disconnect());
  ui.defer(whenResized(ui.root, () => {
    stages.forEach((stage) => stage.fold(ui.root.clientWidth < 620 ? (stage.name === "f6" ? 42 : 40) : Infinity));
    redraw();
  }));

  /** For tests: all stages for 784 grey levels 0..255, and the picture that is shown now. */
  ui.root.cnnForward = (values) => {
    const all = forward(net, normalise(net, values));
    return { ...Object.fromEntries(Object.entries(all).map(([name, v]) => [name, [...v]])), logits: [...all.output],
      probabilities: softmax(all.output) };
  };
  ui.root.cnnPixels = () => [...pixels];

  fromKernel();
  redraw();
  return ui.cleanup;
}

/** In the small widget: one line instead of the magnifying glass. */
function readout(net) {
  const node = h("p", { class: "dd-note dd-readout" });
  return {
    node,
    show(unit, maps) {
      const { size } = net.byName[unit.stage], value = maps[unit.stage][(unit.channel * size + unit.y) * size + unit.x];
      node.textContent = `${unitName(net, unit)} = ${decimal(value)}, ${seen(receptiveField(net, unit.stage, unit.y, unit.x))}`;
    },
  };
}

/** The pad: strokes of a mouse, a finger or a pen, in 0..1 of its side. */
function drawingPad({ begin, extend }) {
  const canvas = h("canvas", { class: "dd-pad", role: "img",
    "aria-label": "Drawing pad for mouse, finger or pen. Without one, pick a sample digit." });
  const hint = h("span", { class: "dd-hint", "aria-hidden": "true" }, "draw here");
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  let active = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    active = event.pointerId;
    canvas.setPointerCapture(active);
    begin(place(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== active) return;
    const events = event.getCoalescedEvents?.() || [];
    extend((events.length ? events : [event]).map(place));
  });
  for (const end of ["pointerup", "pointercancel"])
    canvas.addEventListener(end, (event) => { if (event.pointerId === active) active = null; });
  return {
    node: h("div", { class: "dd-pad-frame" }, canvas, hint),
    paint({ strokes, pixels }, width) {
      const side = Math.round((canvas.clientWidth || 240) * (window.devicePixelRatio || 1)), context = canvas.getContext("2d");
      canvas.width = canvas.height = side;
      context.fillStyle = context.strokeStyle = getComputedStyle(canvas).color;
      hint.hidden = Boolean(pixels || strokes.length);
      if (pixels) {
        pixels.forEach((p, i) => {
          context.globalAlpha = p / 255;
          const cell = side / SIDE;
          context.fillRect((i % SIDE) * cell, Math.floor(i / SIDE) * cell, cell + 0.5, cell + 0.5);
        });
        return;
      }
      Object.assign(context, { lineWidth: (width * side) / SIDE, lineCap: "round", lineJoin: "round" });
      for (const stroke of strokes) {
        context.beginPath();
        stroke.forEach(([x, y]) => context.lineTo(x * side, y * side));
        if (stroke.length === 1) context.lineTo(stroke[0][0] * side, stroke[0][1] * side);
        context.stroke();
      }
    },
  };
}

const thumbnail = (digit) => s("svg", { viewBox: "0 0 1 1", "aria-hidden": "true" },
  ...digitStrokes(digit).map((stroke) => s("polyline", { points: stroke.join(" ") })));
