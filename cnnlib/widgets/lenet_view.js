// LeNet on the page: its maps, the receptive field of the unit pointed at, and how that unit got its value.
import { h, quiet } from "./ui.js";
import { explain, receptiveField, SIDE } from "./lenet_forward.js";

// ---------------------------------------------------------------- numbers and colours

export const decimal = (v, digits = 2) => v.toFixed(digits).replace(/^-(?=0\.?0*$)/, "").replace("-", "−");
const signed = (v) => (/^[-\u2212]/.test(decimal(v)) ? "" : "+") + decimal(v);
const largest = (values) => values.reduce((top, v) => Math.max(top, Math.abs(v)), 1e-6);

/** The colours of this theme: `value(v)` for -1..1, `grey(v)` for 0..1, both -> [r, g, b]. */
export function readColours(el) {
  const style = getComputedStyle(el);
  const lab = (name) => toOklab(style.getPropertyValue(`--cnn-${name}`).trim());
  const ramp = (from, to) => Array.from({ length: 256 }, (_, i) => fromOklab(from.map((v, k) => v + (i / 255) * (to[k] - v))));
  const [negative, zero, positive] = ["negative", "zero", "positive"].map(lab);
  const below = ramp(zero, negative), above = ramp(zero, positive), greys = ramp(lab("paper"), lab("ink"));
  const step = (v) => Math.round(255 * Math.min(1, Math.abs(v)));
  return { value: (v) => (v < 0 ? below : above)[step(v)], grey: (v) => greys[step(v)] };
}

// Mixed in OKLab, equal steps of a value look like equal steps (B. Ottosson's transform).
function toOklab(hex) {
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s, 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s];
}

function fromOklab([L, a, b]) {
  const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (L - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s, -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s]
    .map((c) => Math.round(255 * Math.min(1, Math.max(0, c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055))));
}

/** Fill a canvas of one pixel a cell: `colour(i)` -> [r, g, b]. CSS enlarges it without smoothing. */
export function paint(canvas, colour) {
  const context = canvas.getContext("2d"), picture = context.createImageData(canvas.width, canvas.height);
  for (let i = 0, p = 0; i < canvas.width * canvas.height; i++, p += 4) {
    const [r, g, b] = colour(i);
    picture.data[p] = r;
    picture.data[p + 1] = g;
    picture.data[p + 2] = b;
    picture.data[p + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
}

/** A small picture of weights or activations, `columns` cells wide. */
function picture(values, columns, top, colours, label, className = "dd-picture") {
  const canvas = h("canvas", { class: className, width: columns, height: values.length / columns, role: "img",
    "aria-label": label, title: label });
  paint(canvas, (i) => colours.value(values[i] / top));
  return canvas;
}

/** The same with the numbers written into the cells. */
function cells(values, columns, top, colours, label) {
  return h("div", { class: "dd-cells", style: `--columns: ${columns}`, role: "img", "aria-label": `${label}: ${Array.from(values, (v) => decimal(v)).join(", ")}` },
    ...Array.from(values, (v) => {
      const [r, g, b] = colours.value(v / top);
      const dark = 0.2126 * (r / 255) ** 2.2 + 0.7152 * (g / 255) ** 2.2 + 0.0722 * (b / 255) ** 2.2 < 0.18;
      return h("span", { style: `background: rgb(${r} ${g} ${b}); color: ${dark ? "#fff" : "#000"}` }, decimal(v, 1));
    }));
}

// ---------------------------------------------------------------- the input

/** The picture as LeNet takes it, with the padding of C1 around it; `mark(field)` outlines a receptive field. */
export function inputView(net, label) {
  const { pad } = net.byName.c1, side = SIDE + 2 * pad;
  const canvas = h("canvas", { width: side, height: side, role: "img", "aria-label": label });
  const field = h("i", { class: "dd-field", hidden: "" });
  const node = h("div", { class: "dd-input", style: `--rim: ${(100 * pad) / side}%` }, canvas, h("i", { class: "dd-rim" }), field);
  return {
    node,
    paint(pixels, colours) {
      paint(canvas, (i) => {
        const row = Math.floor(i / side) - pad, col = (i % side) - pad;
        const inside = row >= 0 && col >= 0 && row < SIDE && col < SIDE;
        return colours.grey(inside ? pixels[row * SIDE + col] / 255 : net.mean); // zero of the normalised input
      });
    },
    mark({ top, left, size }) {
      outline(field, (top + pad) / side, (left + pad) / side, size / side, size / side);
    },
  };
}

function outline(node, top, left, height, width) {
  node.hidden = false;
  Object.assign(node.style, { top: `${100 * top}%`, left: `${100 * left}%`, height: `${100 * height}%`, width: `${100 * width}%` });
}

// ---------------------------------------------------------------- the stages

const activationName = { none: "", sigmoid: "sigmoid", tanh: "tanh", relu: "ReLU" };
const title = (name) => (name === "output" ? "Output" : name.toUpperCase());

/** What a stage does, in a line. */
function describe(net, stage) {
  const squash = activationName[net.byName.c1.activation], then = squash && `, then ${squash}`;
  const source = net.stages[stage.index - 1];
  if (stage.op === "pool") return `the ${net.pooling === "max" ? "largest" : "mean"} of every 2×2 above`;
  if (stage.size === 1) return `each weighs all of ${title(source.name)}${then}`;
  return source.channels === 1 ? `one ${stage.kernel}×${stage.kernel} kernel a map${then}`
    : `${source.channels} kernels a map, one per S2 map${then}`;
}

/** Where a unit is, as PyTorch would index it. */
export function unitName(net, { stage, channel, y, x }) {
  return net.byName[stage].size === 1 ? `${stage}[${channel}]` : `${stage}[${channel}, ${y}, ${x}]`;
}

/** One stage as a row of maps. `choose(unit, byKeyboard)` is called for the unit pointed at or moved to. */
export function stageView(net, name, choose) {
  const stage = net.byName[name], { channels, size } = stage, flat = size === 1;
  const count = flat ? 1 : channels, side = flat ? channels : size;
  const maps = Array.from({ length: count }, () => {
    const canvas = h("canvas", { width: side, height: flat ? 1 : size });
    const field = h("i", { class: "dd-field", hidden: "" }), unit = h("i", { class: "dd-unit", hidden: "" });
    return { canvas, field, unit, node: h("div", { class: "dd-map" }, canvas, field, unit) };
  });
  const low = h("span"), high = h("span");
  const weights = stage.weight ? `, ${(stage.weight.length + stage.bias.length).toLocaleString("en")} parameters` : "";
  const shape = flat ? `${channels} units` : `${channels} maps ${size}×${size}`;
  const board = h("div", {
    class: "dd-maps", tabindex: "0", role: "application", ...quiet,
    "aria-label": `${title(name)}, ${shape}. Arrow keys move from unit to unit${flat ? "" : ", Page Up and Page Down from map to map"}.`,
  }, ...maps.map((m) => m.node));
  const node = h("section", { class: `dd-stage dd-${flat ? "flat" : "square"}`, "data-stage": name, style: `--side: ${side}; --rows: 1` },
    h("p", { class: "dd-head" }, h("b", {}, title(name)), h("span", { class: "dd-shape" }, shape + weights),
      h("span", { class: "dd-about" }, describe(net, stage)),
      h("span", { class: "dd-legend" }, low, h("i", {}), high)), board);

  let at = { stage: name, channel: 0, y: 0, x: 0 }, columns = side;
  const pointed = (event) => {
    const map = maps.findIndex((m) => m.node.contains(event.target));
    if (map < 0) return;
    const box = maps[map].canvas.getBoundingClientRect(), { width, height } = maps[map].canvas;
    const cell = (v, start, length, n) => Math.min(n - 1, Math.max(0, Math.floor(((v - start) / length) * n)));
    const row = cell(event.clientY, box.top, box.height, height), col = cell(event.clientX, box.left, box.width, width);
    const channel = flat ? row * columns + col : map;
    if (channel < channels) go(flat ? { channel, y: 0, x: 0 } : { channel, y: row, x: col }, false);
  };
  const go = (place, byKeyboard) => choose((at = { stage: name, ...place }), byKeyboard);
  board.addEventListener("pointermove", pointed);
  board.addEventListener("pointerdown", pointed);
  board.addEventListener("focus", () => { if (board.matches(":focus-visible")) go(at, true); });
  board.addEventListener("keydown", (event) => {
    const place = moved(event.key, at, stage, columns);
    if (!place) return;
    event.preventDefault();
    go(place, true);
  });

  return {
    node, name, board,
    /** How many units of a flat stage stand side by side. */
    fold(width) {
      columns = flat ? Math.min(channels, width) : side;
      if (flat) Object.assign(maps[0].canvas, { width: columns, height: Math.ceil(channels / columns) });
      node.style.setProperty("--side", columns);
      node.style.setProperty("--rows", maps[0].canvas.height);
    },
    paint(values, colours) {
      const top = largest(values), area = flat ? 0 : size * size, zero = colours.value(0);
      maps.forEach((m, c) => paint(m.canvas, (i) => (flat && i >= channels ? zero : colours.value(values[c * area + i] / top))));
      const negative = values.some((v) => v < 0);
      low.textContent = negative ? decimal(-top, 1) : "0";
      high.textContent = decimal(top, 1);
      node.classList.toggle("dd-signed", negative);
    },
    /** Outline the unit chosen if it is of this stage, or what it sees here; null clears. */
    mark(unit) {
      maps.forEach((m) => { m.field.hidden = m.unit.hidden = true; });
      if (!unit) return;
      const chosen = net.byName[unit.stage];
      if (chosen === stage) {
        at = unit;
        const rows = maps[0].canvas.height, [map, y, x] = flat ? [0, Math.floor(unit.channel / columns), unit.channel % columns]
          : [unit.channel, unit.y, unit.x];
        outline(maps[map].unit, y / rows, x / columns, 1 / rows, 1 / columns);
      } else if (chosen.index > stage.index) {
        const { top, left, size: span } = receptiveField(net, unit.stage, unit.y, unit.x, name);
        const one = unit.stage === "s2" || (unit.stage === "s4" && name === "c3"); // pooling looks at its own map only
        maps.forEach((m, c) => {
          if (one && c !== unit.channel) return;
          if (flat) outline(m.field, 0, 0, 1, 1);
          else outline(m.field, Math.max(0, top) / size, Math.max(0, left) / size,
            (Math.min(size, top + span) - Math.max(0, top)) / size, (Math.min(size, left + span) - Math.max(0, left)) / size);
        });
      }
    },
  };
}

/** The unit that a key leads to, or null for other keys. Left and right run on into the next map. */
function moved(key, { channel, y, x }, { channels, size }, columns) {
  if (size === 1) {
    const to = { ArrowLeft: channel - 1, ArrowRight: channel + 1, ArrowUp: channel - columns, ArrowDown: channel + columns,
      Home: 0, End: channels - 1 }[key];
    return to === undefined ? null : { channel: to < 0 || to >= channels ? channel : to, y, x };
  }
  const clip = (v, n) => Math.min(n - 1, Math.max(0, v));
  const across = channel * size + x, step = (to) => ({ channel: Math.floor(to / size), y, x: to % size });
  switch (key) {
    case "ArrowLeft": return step(clip(across - 1, channels * size));
    case "ArrowRight": return step(clip(across + 1, channels * size));
    case "ArrowUp": return { channel, y: clip(y - 1, size), x };
    case "ArrowDown": return { channel, y: clip(y + 1, size), x };
    case "PageUp": return { channel: clip(channel - 1, channels), y, x };
    case "PageDown": return { channel: clip(channel + 1, channels), y, x };
    case "Home": return { channel, y: 0, x: 0 };
    case "End": return { channel, y: size - 1, x: size - 1 };
    default: return null;
  }
}

/** A probability; no network is quite sure. */
export const percent = (p, over = ">", under = "<") =>
  (p > 0.9995 ? `${over} 99.9 %` : p < 0.0005 ? `${under} 0.1 %` : `${(100 * p).toFixed(1)} %`);

/** The ten outputs: logit and probability as numbers and bars; each row is a unit that can be pointed at. */
export function outputView(net, choose) {
  const rows = Array.from({ length: 10 }, (_, digit) => {
    const bar = h("i"), probability = h("span", { "data-value": `probability-${digit}` });
    const logit = h("td", { class: "cnn-number dd-logit", "data-value": `logit-${digit}` });
    const button = h("button", { type: "button", tabindex: digit ? "-1" : "0", ...quiet,
      "aria-label": `digit ${digit}: what feeds it` }, String(digit));
    const node = h("tr", {}, h("th", { scope: "row" }, button), h("td", { class: "dd-bar" }, bar, probability), logit);
    const go = (byKeyboard) => choose({ stage: "output", channel: digit, y: 0, x: 0 }, byKeyboard);
    node.addEventListener("pointermove", () => go(false));
    node.addEventListener("pointerdown", () => go(false));
    button.addEventListener("focus", () => {
      rows.forEach((row) => row.button.setAttribute("tabindex", row.button === button ? "0" : "-1"));
      if (button.matches(":focus-visible")) go(true);
    });
    button.addEventListener("keydown", (event) => {
      const to = { ArrowUp: digit - 1, ArrowDown: digit + 1, Home: 0, End: 9 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      rows[Math.min(9, Math.max(0, to))].button.focus();
    });
    return { node, bar, probability, logit, button };
  });
  const node = h("table", { class: "dd-outputs" },
    h("thead", {}, h("tr", {}, ...["digit", "probability", "logit"].map((text) => h("th", { scope: "col", class: text === "logit" && "cnn-number" }, text)))),
    h("tbody", {}, ...rows.map((row) => row.node)));
  return {
    node,
    paint(logits, probabilities) {
      const best = probabilities.indexOf(Math.max(...probabilities));
      rows.forEach((row, digit) => {
        row.bar.style.width = `${100 * probabilities[digit]}%`;
        row.probability.textContent = percent(probabilities[digit]);
        row.logit.textContent = decimal(logits[digit]);
        row.node.classList.toggle("dd-best", digit === best);
      });
    },
    mark(unit) {
      rows.forEach((row, digit) => row.node.classList.toggle("dd-chosen", unit?.stage === "output" && unit.channel === digit));
    },
  };
}

// ---------------------------------------------------------------- one unit under the magnifying glass

/** Where a unit looks and what it computes. */
export function inspector(net, choose) {
  const input = inputView(net, "the input; outlined: what the unit sees");
  const name = h("code", { "data-value": "unit" }), value = h("b", { "data-value": "unit-value" });
  const sees = h("span", { "data-value": "receptive-field" });
  const map = h("canvas", { class: "dd-large" }), marker = h("i", { class: "dd-unit" });
  const large = h("div", { class: "dd-map dd-enlarged" }, map, marker);
  const largeTitle = h("p", { class: "dd-caption" });
  const largeFigure = h("div", {}, large, largeTitle);
  const story = h("div", { class: "dd-story" });
  const headline = h("p", { class: "dd-headline" }, name, " = ", value, " ", sees);
  const node = h("section", { class: "dd-inspector", "aria-label": "the unit pointed at" }, headline,
    h("div", { class: "dd-glass" },
      figure(input.node, "what it sees"), largeFigure, story));
  let unit;
  large.addEventListener("pointerdown", (event) => {
    const box = map.getBoundingClientRect(), n = map.width;
    const cell = (v, start, length) => Math.min(n - 1, Math.max(0, Math.floor(((v - start) / length) * n)));
    choose({ ...unit, y: cell(event.clientY, box.top, box.height), x: cell(event.clientX, box.left, box.width) }, false);
  });
  return {
    node, headline,
    show(chosen, maps, pixels, colours) {
      unit = chosen;
      const stage = net.byName[unit.stage], how = explain(net, maps, unit.stage, unit.channel, unit.y, unit.x);
      const field = receptiveField(net, unit.stage, unit.y, unit.x);
      name.textContent = unitName(net, unit);
      value.textContent = decimal(how.value);
      sees.textContent = seen(field);
      input.paint(pixels, colours);
      input.mark(field);
      largeFigure.hidden = stage.size === 1;
      if (stage.size > 1) {
        const top = largest(maps[unit.stage]), from = unit.channel * stage.size ** 2;
        map.width = map.height = stage.size;
        paint(map, (i) => colours.value(maps[unit.stage][from + i] / top));
        outline(marker, unit.y / stage.size, unit.x / stage.size, 1 / stage.size, 1 / stage.size);
        largeTitle.textContent = `its map, ${title(unit.stage)} no. ${unit.channel}`;
      }
      story.replaceChildren(...(stage.op === "pool" ? poolStory(net, stage, how, colours) : convStory(net, stage, how, colours)));
    },
  };
}

/** The receptive field in words. */
export function seen({ top, left, size }) {
  const range = (from) => `${Math.max(0, from)}–${Math.min(SIDE, from + size) - 1}`;
  const padded = top < 0 || left < 0 || top + size > SIDE || left + size > SIDE;
  return `sees ${size}×${size} of the input: rows ${range(top)}, columns ${range(left)}${padded ? ", and padding" : ""}`;
}

function poolStory(net, stage, { value, parts: [{ channel, patch }] }, colours) {
  const above = net.stages[stage.index - 1], numbers = Array.from(patch, (v) => decimal(v)).join(", ");
  const max = net.pooling === "max";
  return [
    h("div", { class: "dd-parts" }, figure(cells(patch, 2, largest(patch), colours, "window"), `2×2 window of ${title(above.name)} no. ${channel}`)),
    h("p", { class: "dd-sum" }, `${max ? "max" : "mean"}(${numbers}) = ${decimal(value)}. No weights: nothing to learn here.`),
  ];
}

const figure = (content, caption) => h("div", {}, content, h("p", { class: "dd-caption" }, caption));

function convStory(net, stage, { value, bias, sum, parts }, colours) {
  const source = net.stages[stage.index - 1], squash = activationName[stage.activation];
  const end = `${signed(bias)} (bias) = ${decimal(sum)}${squash ? `; ${squash} → ${decimal(value)}` : ""}`;
  const topPatch = largest(parts.flatMap((p) => [...p.patch])), topWeight = largest(parts.flatMap((p) => [...p.weights]));
  if (parts.length === 1) {
    const [{ patch, weights }] = parts, k = stage.kernel;
    return [
      h("div", { class: "dd-parts" }, figure(cells(patch, k, topPatch, colours, "patch"), "patch of the input, normalised"),
        h("span", { class: "dd-times" }, "×"), figure(cells(weights, k, topWeight, colours, "kernel"), "kernel")),
      h("p", { class: "dd-sum" }, `${k * k} products, summed: ${signed(sum - bias)} ${end}`),
    ];
  }
  const order = parts.map((_, i) => i).sort((a, b) => Math.abs(parts[b].sum) - Math.abs(parts[a].sum));
  if (stage.kernel > 1) {
    const strong = order.slice(0, 6);
    return [
      h("div", { class: `dd-pairs dd-of-${parts.length}` }, ...parts.map((p) => h("div", {},
        picture(p.patch, stage.kernel, topPatch, colours, `${title(source.name)} no. ${p.channel}: patch`),
        picture(p.weights, stage.kernel, topWeight, colours, `kernel for ${title(source.name)} no. ${p.channel}`),
        h("span", { class: strong.includes(p.channel) ? "dd-strong" : "" }, decimal(p.sum, parts.length > 6 ? 1 : 2))))),
      h("p", { class: "dd-sum" }, `Above, the patch of each ${title(source.name)} map; below, its kernel; then the sum of their products. `
        + `All ${parts.length}: ${signed(sum - bias)} ${end}`),
    ];
  }
  const strip = (values, top, label) => h("div", { class: "dd-strip" }, h("span", {}, label), picture(values, parts.length, top, colours, label));
  const sums = parts.map((p) => p.sum), strong = order.slice(0, 5), rest = order.slice(5).reduce((t, i) => t + sums[i], 0);
  return [
    strip(parts.map((p) => p.patch[0]), topPatch, title(source.name)),
    strip(parts.map((p) => p.weights[0]), topWeight, "weights"),
    strip(sums, largest(sums), "products"),
    h("p", { class: "dd-sum" }, "Strongest: ", ...strong.flatMap((i) => [
      h("span", { class: "dd-term" }, `${source.name}[${i}]: ${decimal(parts[i].patch[0])} × ${decimal(parts[i].weights[0])} = ${signed(sums[i])}`), " "]),
    `the other ${parts.length - 5}: ${signed(rest)}. With all: ${signed(sum - bias)} ${end}`),
  ];
}
