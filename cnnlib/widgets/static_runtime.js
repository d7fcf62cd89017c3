// Core of a page without a kernel: gives each widget's spec a model that has the methods of anywidget's and replays
// the answers that travel with the page, and hands it to the same renderer that a kernel's widget has.
import * as ui from "./ui.js";

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

const same = (a, b) => a === b || JSON.stringify(a) === JSON.stringify(b);

/** The recorded answer to `state`, or undefined outside the grid. See pack_answers in base.py. */
function recorded({ inputs, grid, answers }, state) {
  let position = 0;
  for (const name of inputs) {
    const step = grid[name].findIndex((value) => same(value, state[name]));
    if (step < 0) return undefined;
    position = position * grid[name].length + step;
  }
  return Object.fromEntries(Object.entries(answers).map(([field, { unique, index, width, runs }]) => {
    const digits = [...index.slice(position * width, (position + 1) * width)];
    const value = unique[digits.reduce((sum, digit) => sum * 64 + DIGITS.indexOf(digit), 0)];
    return [field, runs ? unroll(value) : value];
  }));
}

/** Progressions to the list that they stand for. */
function unroll(runs) {
  const list = [];
  for (let at = 0; at < runs.length; at += 3) {
    const [first, step, count] = runs.slice(at, at + 3);
    for (let i = 0; i < count; i++)
      list.push(typeof first === "number" ? first + i * step
        : i * step ? first.replace(/(0|[1-9][0-9]{0,8})(?=[^0-9]*$)/, (number) => +number + i * step) : first);
  }
  return list;
}

/** 1, 2, 3, 4, 7 -> "1–4, 7". */
function list(values) {
  const runs = [];
  for (const value of values)
    if (runs.length && value === runs.at(-1)[1] + 1) runs.at(-1)[1] = value;
    else runs.push([value, value]);
  return runs.map(([first, last]) => (first === last ? first : `${first}–${last}`)).join(", ");
}

export function makeModel(spec) {
  const state = { ...spec.state, grid: spec.grid }, listeners = new Map(), unsaved = new Set();
  let answered = { ...state };                          // the last state that has an answer
  const emit = (event) => [...(listeners.get(event) || [])].forEach((listener) => listener());
  const patch = (values) => {                           // first every value, then the events: no view mixes two states
    const changed = Object.keys(values).filter((name) => !same(state[name], values[name]));
    for (const name of changed) { state[name] = values[name]; unsaved.add(name); }
    for (const name of changed) emit(`change:${name}`);
    if (changed.length) emit("change");
  };
  return {
    get: (name) => state[name],
    set: (name, value) => patch(typeof name === "object" ? name : { [name]: value }),
    on: (events, listener) => events.split(" ").forEach((event) =>
      listeners.set(event, (listeners.get(event) || new Set()).add(listener))),
    off: (events, listener) => (events ? events.split(" ") : [...listeners.keys()]).forEach((event) =>
      listener ? listeners.get(event)?.delete(listener) : listeners.delete(event)),
    save_changes() {
      const asked = spec.inputs.filter((name) => unsaved.has(name));
      unsaved.clear();
      if (!asked.length) return;
      const answer = recorded(spec, state);
      if (answer) {
        patch({ answer, error: "" });
        answered = { ...state };
      } else {                                          // never a new input beside an old answer: go back
        const strange = asked.filter((name) => !spec.grid[name].some((value) => same(value, state[name])));
        const error = strange.map((name) => `${name.replace("_", " ")} ${state[name]} is not recorded on this page; `
          + `recorded are ${list(spec.grid[name])}. Run the notebook for any other.`).join(" ");
        patch({ ...Object.fromEntries(spec.inputs.map((name) => [name, answered[name]])), error });
        spec.inputs.forEach((name) => emit(`change:${name}`));     // also a control that shows the refused value
      }
      unsaved.clear();
    },
    send: () => console.warn("cnnlib: this page has no kernel to send to"),
  };
}

async function mount(host, render) {
  host.dataset.mounted = "fallback";                    // the table stays if the widget fails
  const spec = JSON.parse(host.querySelector("script[type='application/json']").textContent);
  const el = document.createElement("div");
  await render({ model: makeModel(spec), el });
  host.querySelector(".cnnlib-fallback").replaceWith(el);
  host.dataset.mounted = "static";
}

/** Called by a widget's own script, which the page defers: all hosts of its kind are there. */
const define = (name, render) => document.querySelectorAll(`.cnnlib-widget[data-kind="${name}"]`)
  .forEach((host) => mount(host, render).catch(console.error));

globalThis.cnnlib = { ui, define };                     // what the other scripts of the page build on
