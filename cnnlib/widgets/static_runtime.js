// Core of a page without a kernel: gives each widget's spec a model that has the methods of anywidget's and replays
// the answers that travel with the page, hands it to the same renderer that a kernel's widget has, and keeps the
// state of the knobs in the page's address.
import * as ui from "./ui.js";
import { same } from "./ui.js";

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

/** A packed value -> the value; see share in base.py. */
function whole(value, shared) {
  if (!value || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((part) => whole(part, shared));
  if ("$" in value) return whole(shared[value.$], shared);
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, whole(part, shared)]));
}

/** Runs -> the list that they stand for; see progressions in base.py. */
function unroll(runs) {
  const list = [];
  for (let at = 0; at < runs.length; at += 3) {
    const [first, step, count] = runs.slice(at, at + 3);
    for (let i = 0; i < count; i++)
      list.push(typeof first === "number" ? first + i * step
        : i * step ? first.replace(/(0|[1-9][0-9]{0,8})(?=[^0-9]*$)/, (number) => Number(number) + i * step) : first);
  }
  return list;
}

/** The value of a packed column at a position of the grid; see pack_column in base.py. */
function at({ unique, shared, runs, index, width }, position) {
  const digits = [...index.slice(position * width, (position + 1) * width)];
  const place = digits.reduce((sum, digit) => sum * 64 + DIGITS.indexOf(digit), 0);
  return runs ? runs[place] && unroll(runs[place]) : whole(unique[place], shared);
}

/** What the page knows of `state`: { answer }, { error } where compute refused, undefined outside the grid. */
function lookUp({ inputs, grid, answers }, state) {
  let position = 0;
  for (const name of inputs) {
    const step = grid[name].findIndex((value) => same(value, state[name]));
    if (step < 0) return undefined;
    position = position * grid[name].length + step;
  }
  const error = at(answers.refusals, position);
  if (error !== null) return { error };
  const pairs = answers.fields ? Object.entries(answers.fields).map(([name, column]) => [name, at(column, position)])
    : at(answers.rows, position).map((value, i) => [answers.names[i], value]);
  return { answer: Object.fromEntries(pairs) };
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
  const inputs = () => Object.fromEntries(spec.inputs.map((name) => [name, state[name]]));
  const grid = Object.fromEntries(spec.inputs.map((name) => [name, spec.grid[name]]));        // in the author's order
  const state = { ...spec.state, grid }, listeners = new Map(), unsaved = new Set();
  state.answered = inputs();
  let known = state.answered;                           // the last inputs that the page has an answer to, or a refusal
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
      const found = lookUp(spec, state);
      if (found) {
        known = inputs();
        patch(found.error ? { error: found.error } : { answer: found.answer, answered: known, error: "" });
      } else {                                          // never a new input beside an old answer: go back
        const strange = asked.filter((name) => !spec.grid[name].some((value) => same(value, state[name])));
        const error = strange.map((name) => `${name.replace(/_/g, " ")} ${state[name]} is not on this page; `
          + `it has ${list(spec.grid[name])}. Run the notebook for any other.`).join(" ");
        patch({ ...known, error });
        spec.inputs.forEach((name) => emit(`change:${name}`));     // also a control that shows the refused value
      }
      unsaved.clear();
    },
    send: () => console.warn("cnnlib: this page has no kernel to send to"),
  };
}

// ---------------------------------------------------------------- the state in the address
// #size-rule?size=32&kernel=5;another-title?depth=20 : the widgets that a reader has moved, the last one first.

const mounted = new Map();                              // anchor -> { host, model, spec, opening: values at first }
const moved = new Map();                                // anchor -> its part of the address

/** "Where the work is" -> "where-the-work-is", and -2, -3 … after it for further widgets of that title on the page. */
function anchorOf(host, title) {
  const twins = [...document.querySelectorAll(`.cnnlib-widget[data-kind="${host.dataset.kind}"]`)]
    .filter((other) => titleIn(other) === titleIn(host));
  const nth = twins.indexOf(host) + 1;
  return nth > 1 ? `${slug(title)}-${nth}` : slug(title);
}
const slug = (title) => title.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "");

const specs = new WeakMap();
function specOf(host) {
  if (!specs.has(host)) specs.set(host, JSON.parse(host.querySelector("script[type='application/json']").textContent));
  return specs.get(host);
}
/** The title that a widget was given; most kinds have one of their own. */
const titleIn = (host) => { const { title, question } = specOf(host).state; return title ?? question ?? ""; };

let timer;
/** Keep what a widget's knobs show in the address, once they rest (browsers limit how often one may). */
function remember(anchor) {
  const { model, spec, opening } = mounted.get(anchor), query = new URLSearchParams();
  for (const name of new Set([...spec.inputs, ...Object.keys(opening)]))
    if (spec.inputs.includes(name) || model.get(name) !== opening[name]) query.set(name, model.get(name));
  moved.delete(anchor);
  moved.set(anchor, `${anchor}?${query}`);
  clearTimeout(timer);
  timer = setTimeout(() => history.replaceState(history.state, "", `#${[...moved.values()].reverse().join(";")}`), 250);
}

/** Set the knobs as the address says; the first widget that it names. */
async function follow() {
  const parts = location.hash.slice(1).split(";").map((part) => part.split("?")).filter(([, query]) => query);
  for (const [name] of parts) await mountNamed(decoded(name));
  const found = parts.map(([name, query]) => [mounted.get(decoded(name)), query]).filter(([at]) => at);
  for (const [{ model, opening, spec }, query] of found) {
    const values = {};
    for (const [name, text] of new URLSearchParams(query)) {
      if (!(name in opening)) continue;
      const known = spec.grid[name]?.find((value) => String(value) === text);
      const read = { number: Number, boolean: (word) => word === "true", string: String }[typeof opening[name]];
      values[name] = known ?? read(text);
    }
    try { ask(model, values); } catch { ask(model, opening); }     // a value that the widget has no picture for
  }
  return found[0]?.[0].host;
}
/** What anybody may write into an address: where it is no code for letters, it stays as it is. */
function decoded(name) { try { return decodeURIComponent(name); } catch { return name; } }
const ask = (model, values) => { model.set(values); model.save_changes(); };

// ---------------------------------------------------------------- mounting, where readers are

const waiting = new Map();                              // host -> render, of widgets that nobody has come near
const near = new IntersectionObserver((entries) => {    // each in a task of its own: the page answers in between
  for (const { target, isIntersecting } of entries) if (isIntersecting) setTimeout(() => mount(target));
}, { rootMargin: "150% 0px" });

async function mount(host) {
  const render = waiting.get(host);
  if (!render) return;
  waiting.delete(host);
  near.unobserve(host);
  host.dataset.mounted = "fallback";                    // the table stays if the widget fails
  try {
    const spec = specOf(host), el = document.createElement("div"), model = makeModel(spec);
    await render({ model, el });
    host.querySelector(".cnnlib-fallback").replaceWith(el);
    host.dataset.mounted = "static";
    const anchor = anchorOf(host, el.querySelector("[data-widget]").getAttribute("aria-label"));
    const opening = Object.fromEntries(Object.entries(spec.state).filter(([name, value]) =>
      !["widget_name", "origin", "error"].includes(name) && ["number", "boolean", "string"].includes(typeof value)));
    mounted.set(anchor, { host, model, spec, opening });
    Object.keys(opening).forEach((name) => model.on(`change:${name}`, () => remember(anchor)));
  } catch (problem) { console.error(problem); }
}

const mountAll = () => Promise.all([...waiting.keys()].map(mount));

/** Mount the widget of that anchor, if the page has it; only rendering tells the title of some kinds. */
async function mountNamed(anchor) {
  const alike = (host) => Number(anchor.startsWith(slug(titleIn(host)) || "?"));
  for (const host of [...waiting.keys()].sort((a, b) => alike(b) - alike(a)))
    if (!mounted.has(anchor)) await mount(host);
}

// After a reload, and on the way back, the page gets its old heights at once: readers stay where they were.
const again = performance.getEntriesByType("navigation")[0]?.type !== "navigate";

/** Called by a widget's own script, which the page defers: all hosts of its kind are there. */
function define(name, render) {
  for (const host of document.querySelectorAll(`.cnnlib-widget[data-kind="${name}"]`)) {
    waiting.set(host, render);
    if (again) mount(host); else near.observe(host);
  }
}

globalThis.cnnlib = { ui, define, mountAll };           // what the other scripts of the page build on, and print.js
addEventListener("hashchange", () => follow().then((host) => host?.scrollIntoView()));
addEventListener("load", async () => {
  const host = await follow();
  if (!again) host?.scrollIntoView();
});
