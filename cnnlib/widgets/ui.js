// What the widgets share: elements, labelled controls bound to the model, tables.
// Every control has a visible label, works by keyboard and keeps JupyterLab's shortcuts away from its keys.

import { morphChildren } from "./morph.js";

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child != null && child !== false));
  return node;
}

/** An HTML element: h("p", { class: "note", onclick: f }, "text", node, [more]). */
export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

/** An SVG element, the same way. */
export const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

/** 1234567 -> "1,234,567"; options as in Number.toLocaleString. */
export const number = (value, options) => value.toLocaleString("en", options);

/** A table: `columns` are labels or { label, numeric: true }; `update(rows)` fills it, `caption(text)` renames it.
 *  A cell is text, a node, or { text, key } where key becomes data-value; the first one heads its row.
 *  A row may be { cells, current: true } to be marked. */
export function table(caption, columns) {
  columns = columns.map((column) => (typeof column === "string" ? { label: column } : column));
  const body = h("tbody"), title = h("caption", {}, caption), kind = (i) => (columns[i].numeric ? "cnn-number" : null);
  const element = h("div", { class: "cnn-table", tabindex: 0, role: "group", "aria-label": "table" }, h("table", {},
    title,
    h("thead", {}, h("tr", {}, columns.map(({ label }, i) => h("th", { scope: "col", class: kind(i) }, label)))),
    body));
  const cell = (value, i) => h(i ? "td" : "th", {
    scope: i ? null : "row", class: kind(i), "data-value": value?.key,
  }, value?.key ? String(value.text) : value instanceof Node ? value : String(value));
  const update = (rows) => morphChildren(body, rows.map((row) =>
    h("tr", { class: row.current && "cnn-current" }, (row.cells || row).map(cell))));
  return { element, update, caption: (text) => { title.textContent = text; } };
}

const watched = new Set();                              // looks at the widths of elements

/** Call `draw` when the width of `element` changes, at the latest in the next frame; returns the way to stop. */
export function whenResized(element, draw) {
  let width = 0;
  const look = () => { if (element.clientWidth !== width) { width = element.clientWidth; draw(); } };
  const observer = new ResizeObserver(() => requestAnimationFrame(look));
  observer.observe(element);
  watched.add(look);
  return () => { observer.disconnect(); watched.delete(look); };
}

/** Draw at once what has a new width: before a page is printed there is no next frame. */
export const drawResized = () => watched.forEach((look) => look());

/** Are two JSON values equal? */
export const same = (a, b) => a === b || JSON.stringify(a) === JSON.stringify(b);

const ORIGINS = { kernel: "Answered by the running kernel", computed: "Computed when this page was made",
  recorded: "From runs that were recorded" };
const SILENT = { busy: ["kernel busy", "The kernel is busy; the answer comes when it is done."],
  lost: ["no kernel", "The kernel does not answer; run this cell again."] };           // see pulse.js

/** The frame of a widget and its controls.
 *
 *  ui.controls, ui.results   where controls and results go (results hide while there is no answer)
 *  ui.shown()                the inputs and the `answer` that belong together: what a picture is to be drawn from. They
 *                            may differ from the traits while a kernel computes, and after a refusal.
 *  ui.root                   the element `.cnn`
 *  ui.on(events, f)          listen to the model until ui.cleanup()
 *  ui.defer(f)               run f at cleanup
 *  ui.say(text)              tell a screen reader, politely, once things are quiet
 *  ui.ask({ name: value })   set traits and let the kernel, or the recording, answer
 *  ui.slider | select | checkbox (name, { label, ... })   a control bound to the trait
 *  ui.knob(name, { label, ... })   the one of them that suits the values of an input
 *  ui.cleanup                to be returned by render
 */
export function widget({ model, el, title }) {
  const undo = [];
  const on = (events, listener) => {
    model.on(events, listener);
    undo.push(() => events.split(" ").forEach((event) => model.off(event, listener)));
  };
  const badge = h("span", { class: "cnn-badge", "data-value": "origin" });
  const alert = h("p", { class: "cnn-error", role: "alert", "data-value": "error" });
  const still = h("p", { class: "cnn-still" }), printed = h("p", { class: "cnn-printed" });
  const controls = h("div", { class: "cnn-controls" }), results = h("div", { class: "cnn-results" });
  const voice = h("p", { class: "cnn-unseen", "aria-live": "polite" });
  const root = h("div", { class: "cnn", role: "group", "aria-label": title, "data-widget": model.get("widget_name") },
    h("div", { class: "cnn-head" }, h("p", { class: "cnn-title" }, title), badge), controls, printed, alert, still,
    results, voice);
  el.append(root);
  undo.push(() => root.remove());                       // JupyterLab keeps `el` as long as the kernel

  const inputs = Object.keys(model.get("grid")), knobs = new Map();        // name -> { label, format, control }
  const shown = () => ({ ...model.get("answered"), answer: model.get("answer") });
  const isShown = (name) => same(model.get(name), model.get("answered")[name]);
  const listed = (get) => [...knobs].filter(([name]) => inputs.includes(name))
    .map(([name, { label, format }]) => `${label} ${format(get(name))}`).join(", ");
  const state = () => {
    const origin = model.get("origin"), current = inputs.every(isShown);
    const [silent, silence] = SILENT[model.get("pulse")] ?? [], error = silence ?? model.get("error");
    badge.textContent = silent ?? origin;
    badge.title = silence ?? ORIGINS[origin];
    badge.classList.toggle("cnn-silent", Boolean(silent));
    alert.textContent = error;
    for (const [name, { control }] of knobs)
      control.setAttribute("aria-invalid", Boolean(error) && inputs.includes(name) && !isShown(name));
    still.textContent = error && !current ? `Still shown: ${listed((name) => model.get("answered")[name])}.` : "";
    printed.textContent = listed((name) => model.get(name));
    results.hidden = !Object.keys(model.get("answer")).length;
    root.setAttribute("aria-busy", !error && !current);
  };
  on(["origin", "pulse", "error", "answer", "answered", ...inputs].map((name) => `change:${name}`).join(" "), state);
  queueMicrotask(state);                                // once the controls are there
  state();

  const ask = (values) => { model.set(values); model.save_changes(); };
  let timer;
  const say = (text) => { clearTimeout(timer); timer = setTimeout(() => { voice.textContent = text; }, 500); };
  undo.push(() => clearTimeout(timer));

  const knobOf = (name, control, label, format = String) => knobs.set(name, { control, label, format });

  /** Show the trait in its control, now and on every change. */
  const bound = (name, show) => { on(`change:${name}`, show); show(); };

  /** A slider over the recorded values of `name`, or over `values`; `typed: true` adds a field for any integer. */
  function slider(name, { label, format = String, typed = false, values: offered }) {
    const values = () => [...new Set([...(offered || model.get("grid")[name]), model.get(name)])].sort((a, b) => a - b);
    const range = h("input", { type: "range", min: 0, step: 1, "data-input": name, ...quiet,
      oninput: () => ask({ [name]: values()[range.value] }) });
    const text = h("span", { class: "cnn-shown", "aria-hidden": "true" });
    const take = () => { if (field.value !== "") ask({ [name]: field.valueAsNumber }); };
    const field = typed && h("input", { type: "number", step: 1, "aria-label": `${label}, typed`, ...quiet,
      onchange: take, onkeydown: ({ key }) => { if (key === "Enter") take(); } });    // JupyterLab keeps Enter's change
    bound(name, () => {
      const value = model.get(name);
      range.max = values().length - 1;
      range.value = values().indexOf(value);
      range.setAttribute("aria-valuetext", format(value));
      if (field) field.value = value; else text.textContent = format(value);
    });
    knobOf(name, range, label, format);
    return h("div", { class: field ? "cnn-field cnn-typed" : "cnn-field" },
      h("label", {}, h("span", { class: "cnn-label" }, label, field ? null : text), range), field);
  }

  /** A choice among the recorded values of `name`, or among `options` ([value, text] pairs); `also(value)` are other
   *  traits to be set with it. */
  function select(name, { label, options = model.get("grid")[name].map((value) => [value, String(value)]), also }) {
    const chosen = () => options[box.selectedIndex][0];
    const box = h("select", { "data-input": name, ...quiet,
      onchange: () => ask({ [name]: chosen(), ...also?.(chosen()) }) },
      options.map(([, text]) => h("option", {}, text)));
    knobOf(name, box, label, (value) => options.find((option) => option[0] === value)?.[1] ?? value);
    bound(name, () => { box.selectedIndex = options.findIndex(([value]) => value === model.get(name)); });
    const long = options.some(([, text]) => text.length > 14) ? "cnn-long" : "";     // a whole row on a phone
    return h("label", { class: `cnn-field ${long}` }, h("span", { class: "cnn-label" }, label), box);
  }

  function checkbox(name, { label }) {
    const box = h("input", { type: "checkbox", "data-input": name, ...quiet,
      onchange: () => ask({ [name]: box.checked }) });
    knobOf(name, box, label, (value) => (value ? "on" : "off"));
    bound(name, () => { box.checked = model.get(name); });
    return h("label", { class: "cnn-check" }, box, label);
  }

  function knob(name, options) {
    const values = model.get("grid")[name];
    if (values.every((value) => typeof value === "boolean")) return checkbox(name, options);
    return (values.every((value) => typeof value === "number") ? slider : select)(name, options);
  }

  return { root, controls, results, on, ask, say, shown, isShown, slider, select, checkbox, knob, bound,
    defer: (f) => undo.push(f), cleanup: () => undo.splice(0).forEach((f) => f()) };
}

/** Attributes of an input that keep JupyterLab from taking its arrow keys. */
export const quiet = { "data-lm-suppress-shortcuts": "true" };

export const button = (label, onclick, attributes) =>
  h("button", { type: "button", class: "cnn-button", ...quiet, onclick, ...attributes }, label);
