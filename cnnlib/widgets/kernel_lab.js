// Kernel lab: a picture, a 3×3 kernel to paint, and the map that it makes, computed here. And the other way round: a
// map is given, and its kernel is to be found.
import { digitStrokes, VARIANTS } from "./digit_strokes.js";
import { develop } from "./ink.js";
import { SIDE as DIGIT } from "./lenet_forward.js";
import { paint, readColours } from "./lenet_view.js";
import { button, h, number, quiet, widget } from "./ui.js";

const K = 3, LARGEST = 9, BRUSHES = [-4, -2, -1, 0, 1, 2, 4, 9];
const AS_DRAWN = { centre: false, width: 2.5, dx: 0, dy: 0, degrees: 0, noise: 0 };

const parse = (text) => text.split(" ").map(Number);
const minus = (value) => String(value).replace("-", "−");
const sum = (values) => values.reduce((all, value) => all + value, 0);

/** The map of a picture: `divide` divides by the sum of the weights, unless that is 0. */
export function convolve({ side, pixels }, weights, divide) {
  const out = side - K + 1, total = sum(weights), scale = divide && total ? total : 1;
  return Float64Array.from({ length: out * out }, (_, i) => {
    const corner = Math.floor(i / out) * side + (i % out);
    return sum(weights.map((w, j) => w * pixels[corner + Math.floor(j / K) * side + (j % K)])) / scale;
  });
}

/** 0..100: how much of the ups and downs of `target` the map explains; 100 only where both are the same. */
export function scoreOf(map, target) {
  const mean = sum([...target]) / target.length;
  const apart = sum([...map].map((v, i) => (v - target[i]) ** 2)), all = sum([...target].map((v) => (v - mean) ** 2));
  if (apart < 1e-9 * Math.max(all, 1)) return 100;
  return all ? Math.min(99, Math.max(0, Math.floor(100 * (1 - apart / all)))) : 0;
}

export function render({ model, el }) {
  const ui = widget({ model, el, title: "Kernel lab" });
  ui.root.classList.add("dd", "kl");
  ui.root.querySelector(".cnn-badge").remove();          // with a kernel of Jupyter or without, the map is computed here
  const stored = model.get("photo");
  const photo = { side: stored.side, pixels: Uint8Array.from(atob(stored.pixels), (c) => c.charCodeAt(0)) };
  let strokes = digitStrokes(4), digit = 4, variant = 0, fresh = true;
  let colours, chosen;                                   // the place of the map that is looked at
  const picture = () => (model.get("picture") === "photograph" ? photo
    : { side: DIGIT, pixels: develop({ strokes }, AS_DRAWN) });
  const weights = () => parse(model.get("kernel"));
  const target = () => { const { hidden, hidden_divide: divide } = ui.shown().answer; return hidden && [parse(hidden), divide]; };

  // ------------------------------------------------------------ the kernel
  const brush = h("select", { "data-input": "brush", ...quiet }, BRUSHES.map((w) => h("option", { selected: w === 1 }, minus(w))));
  const set = (place, value) => {
    const next = weights();
    next[place] = Math.max(-LARGEST, Math.min(LARGEST, value));
    ui.ask({ kernel: next.join(" ") });
  };
  const cells = Array.from({ length: K * K }, (_, place) => h("div", { class: "kl-weight", role: "spinbutton", tabindex: 0,
    "aria-valuemin": -LARGEST, "aria-valuemax": LARGEST, ...quiet, "data-weight": place,
    "aria-label": `weight in row ${Math.floor(place / K) + 1}, column ${(place % K) + 1}`,
    onkeydown: (event) => byKey(event, place) }));
  function byKey(event, place) {
    const moves = { ArrowLeft: -1, ArrowRight: 1 }, now = weights()[place];
    const value = { ArrowUp: now + 1, ArrowDown: now - 1, "-": -now, " ": BRUSHES[brush.selectedIndex] }[event.key]
      ?? (/^\d$/.test(event.key) ? +event.key : undefined);
    if (value === undefined && !(event.key in moves)) return;
    event.preventDefault();
    if (value !== undefined) set(place, value);
    else cells[Math.min(K * K - 1, Math.max(0, place + moves[event.key]))].focus();
  }
  const under = ({ clientX, clientY }) => cells.indexOf(document.elementFromPoint(clientX, clientY));
  const dab = (event) => { const place = under(event); if (place >= 0) set(place, BRUSHES[brush.selectedIndex]); };
  const grid = h("div", { class: "kl-kernel", role: "group", "aria-label": "kernel, 3 by 3 weights" }, cells);
  let painting = false;
  grid.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    painting = true;
    event.target.releasePointerCapture?.(event.pointerId);           // a finger goes on to other cells
    dab(event);
  });
  grid.addEventListener("pointermove", (event) => { if (painting) dab(event); });
  const lift = () => { painting = false; };
  for (const end of ["pointerup", "pointercancel"]) addEventListener(end, lift);
  ui.defer(() => ["pointerup", "pointercancel"].forEach((end) => removeEventListener(end, lift)));

  // ------------------------------------------------------------ picture and map
  const canvases = { picture: h("canvas", { class: "kl-drawn" }), map: h("canvas", { tabindex: 0, role: "img", ...quiet }),
    target: h("canvas", { role: "img", "aria-label": "the map of the hidden kernel" }) };
  const frames = { picture: h("i", { class: "dd-field" }), map: h("i", { class: "dd-field" }) };
  const view = (name, title) => h("section", { class: "dd-step" }, h("p", { class: "dd-step-title" }, title),
    h("div", { class: "dd-input" }, canvases[name], frames[name]));
  const goal = view("target", "Map to be found"), line = h("p", { class: "dd-note kl-line", "data-value": "sum" });
  const point = (next) => { chosen = next; mark(); };
  const placeOf = (canvas, { clientX, clientY }) => {
    const box = canvas.getBoundingClientRect();
    return [(clientX - box.left) / box.width, (clientY - box.top) / box.height];
  };
  canvases.map.addEventListener("pointermove", (event) => {
    const [x, y] = placeOf(canvases.map, event), out = picture().side - K + 1;
    point({ row: clip(Math.floor(y * out)), column: clip(Math.floor(x * out)) });
  });
  const clip = (at) => Math.min(picture().side - K, Math.max(0, at));
  canvases.map.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    point({ row: clip(chosen.row + step[0]), column: clip(chosen.column + step[1]) });
    ui.say(line.textContent);
  });
  let pen = null;
  canvases.picture.addEventListener("pointerdown", (event) => {
    if (event.button || model.get("picture") !== "digit") return;
    event.preventDefault();
    pen = event.pointerId;
    canvases.picture.setPointerCapture(pen);
    strokes = [...(fresh ? [] : strokes), [placeOf(canvases.picture, event)]];
    fresh = false;
    redraw();
  });
  canvases.picture.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pen) return;
    strokes.at(-1).push(placeOf(canvases.picture, event));
    redraw();
  });
  for (const end of ["pointerup", "pointercancel"]) canvases.picture.addEventListener(end, () => { pen = null; });

  // ------------------------------------------------------------ the controls
  const presets = model.get("presets").map(([name, kernel, divide]) =>
    button(name, () => ui.ask({ kernel, divide }), { "data-kernel": kernel }));
  const again = button("Another digit", () => {
    digit = (digit + 1) % 10;
    variant = (variant + (digit === 0)) % VARIANTS;
    strokes = digitStrokes(digit, variant);
    fresh = true;
    redraw();
  });
  const clear = button("Clear", () => { strokes = []; fresh = false; redraw(); });
  const give = button("Show the kernel", () => { const [hidden, divide] = target(); ui.ask({ kernel: hidden.join(" "), divide }); });
  const score = h("p", { class: "kl-score", role: "status" });
  ui.controls.append(
    ui.select("picture", { label: "picture", options: [["photograph", "photograph"], ["digit", "your own digit"]] }),
    ui.select("game", { label: "game", options: model.get("grid").game.map((game) =>
      [game, game === "paint" ? "paint a kernel" : `find this kernel: ${game}`]) }),
    h("label", { class: "cnn-field" }, h("span", { class: "cnn-label" }, "weight to paint"), brush),
    ui.checkbox("divide", { label: "divide by sum of weights" }));
  ui.results.append(
    h("p", { class: "kl-task" }, h("b", { "data-value": "task" }), " ", score),
    h("div", { class: "dd-steps kl-steps" },
      h("section", { class: "dd-step" }, h("p", { class: "dd-step-title" }, "Kernel"), grid,
        h("p", { class: "dd-note" }, "Click or drag to paint; or Tab to a weight, and type or use the arrow keys up and down.")),
      view("picture", "Picture"), view("map", "Map"), goal),
    h("div", { class: "cnn-row", role: "group", "aria-label": "kernels to start from" }, presets, again, clear, give), line);

  // ------------------------------------------------------------ drawing
  const palette = () => (colours ||= readColours(ui.root));
  const grey = (value) => { const level = Math.max(0, Math.min(255, Math.round(value))); return [level, level, level]; };
  function show(canvas, values, side, top) {
    canvas.width = canvas.height = side;
    const signed = values.some((v) => v < 0);
    paint(canvas, (i) => (signed ? palette().value(values[i] / top) : grey((255 * values[i]) / top)));
  }
  let map = [], frame = 0;
  const redraw = () => { frame ||= requestAnimationFrame(() => { frame = 0; draw(); }); };
  function draw() {
    const { task } = ui.shown().answer, image = picture(), out = image.side - K + 1, wanted = target();
    ui.root.querySelector("[data-value=task]").textContent = task;
    weights().forEach((w, i) => {
      const [r, g, b] = palette().value(w / Math.max(...weights().map(Math.abs), 1));
      Object.assign(cells[i].style, { background: `rgb(${r} ${g} ${b})`, color: r * 0.3 + g * 0.6 + b * 0.1 < 128 ? "#fff" : "#000" });
      cells[i].textContent = minus(w);
      cells[i].setAttribute("aria-valuenow", w);
    });
    presets.forEach((preset) => preset.setAttribute("aria-pressed", preset.dataset.kernel === model.get("kernel")));
    show(canvases.picture, image.pixels, image.side, 255);
    map = convolve(image, weights(), model.get("divide"));
    const goalMap = wanted ? convolve(image, ...wanted) : [], values = [...map, ...goalMap];
    const top = Math.max(1e-6, ...(values.some((v) => v < 0) ? values.map(Math.abs) : [255, ...values]));
    show(canvases.map, map, out, top);
    goal.hidden = give.hidden = !wanted;
    again.hidden = clear.hidden = model.get("picture") !== "digit";
    canvases.picture.setAttribute("role", "img");
    canvases.picture.setAttribute("aria-label", model.get("picture") === "digit"
      ? "a digit; draw your own with mouse, finger or pen" : "part of a photograph of a temple, grey");
    canvases.map.setAttribute("aria-label", `the map of this kernel, ${out} by ${out} numbers; arrow keys move along it`);
    score.textContent = "";
    if (wanted) {
      show(canvases.target, goalMap, out, top);
      const reached = scoreOf(map, goalMap);
      score.textContent = `Score: ${reached} of 100.${reached === 100 ? " Found!" : ""}`;
    }
    mark();
  }
  function mark() {
    const { side, pixels } = picture(), out = side - K + 1, row = clip(chosen.row), column = clip(chosen.column);
    const box = (node, x, y, width, all) => Object.assign(node.style, { left: `${(100 * x) / all}%`, top: `${(100 * y) / all}%`,
      width: `${(100 * width) / all}%`, height: `${(100 * width) / all}%` });
    box(frames.picture, column, row, K, side);
    box(frames.map, column, row, 1, out);
    const terms = weights().map((w, j) => [w, pixels[(row + Math.floor(j / K)) * side + column + (j % K)]]).filter(([w]) => w);
    const total = sum(weights()), divided = model.get("divide") && total && total !== 1;
    const added = terms.map(([w, x]) => `${w === 1 ? "" : `${minus(w)}·`}${x}`).join(" + ").replace(/\+ −/g, "− ") || "0";
    line.textContent = `Row ${row + 1}, column ${column + 1}: ${divided ? `(${added}) / ${minus(total)}` : added} = `
      + `${minus(number(map[row * out + column], { maximumFractionDigits: 1 }))}`;
  }

  // ------------------------------------------------------------ theme, test hooks
  const retint = () => { colours = null; redraw(); };
  const theme = new MutationObserver(retint), dark = matchMedia("(prefers-color-scheme: dark)");
  for (const node of [document.documentElement, document.body])
    theme.observe(node, { attributes: true, attributeFilter: ["data-theme", "data-jp-theme-light", "class"] });
  dark.addEventListener("change", retint);
  ui.defer(() => { theme.disconnect(); dark.removeEventListener("change", retint); cancelAnimationFrame(frame); });
  const middle = () => { const at = Math.floor(picture().side / 2) - 1; chosen = { row: at, column: at }; };
  ui.on("change:picture", middle);
  ui.on("change:kernel change:divide change:picture change:answer", redraw);
  ui.on("change:kernel change:divide change:answer", () => setTimeout(() => score.textContent && ui.say(score.textContent), 50));
  /** For tests: the picture as rows of grey levels, and the map. */
  ui.root.cnnLab = () => ({ side: picture().side, pixels: [...picture().pixels], map: [...map] });
  middle();
  redraw();
  return ui.cleanup;
}
