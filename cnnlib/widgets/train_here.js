// *Train here*. With a kernel it trains there (see training_here.py) or, as the reader chooses, in the page; on a page
// without one the trainer does, in a Worker (trainer/page.js): any number of seeds, two networks at a time, and any value in range of the knobs that are numbers.
import { drawnDigit, watching } from "./train_watch.js";
import { button, h, number, quiet } from "./ui.js";

const AT_ONCE = 2, USUAL = 8e9;                             // Workers; multiply-accumulates in a second on a common laptop
const PICTURES = 1442, TESTED = 355;                        // the digits
let speed;                                                  // as measured on this page

const percent = (value) => `${number(100 * value, { minimumFractionDigits: 2, maximumFractionDigits: 2 })} %`;
const duration = (seconds) => (seconds < 1 ? "less than 1 s" : seconds < 90 ? `about ${Math.round(seconds)} s`
  : `about ${Math.round(seconds / 60)} minutes`);

/** The button with all that belongs to it. `note` says on what it trains; `unfolded`: its inside is seen at once. */
export function trainHere(options) {
  const { model } = options, trainer = globalThis.cnnlib?.trainer;
  return model.get("origin") === "kernel" ? withKernel(options) : inPage({ ...options, trainer, plan: model.get("in_page") });
}

/** Where there is a kernel the reader may choose: it trains, or the page does with the trainer that the kernel lends. */
function withKernel(options) {
  const { ui, model } = options, kernel = inKernel(options), status = h("p", { class: "cnn-note", role: "status" });
  const place = h("div", {}, kernel);
  let page, here = () => {};
  const where = h("select", { "data-train": "where", ...quiet, onchange: () => (where.value === "page" ? borrow() : show(kernel)) },
    h("option", { value: "kernel" }, "in the kernel"), h("option", { value: "page" }, "in this page"));
  const show = (element) => { status.textContent = ""; place.replaceChildren(element); };
  async function borrow() {
    if (!page) {
      status.textContent = "Asking the kernel for its trainer …";
      model.send({ do: "lend the trainer" });
      const { plan, scripts } = await new Promise((done) => { here = done; });
      page = inPage({ ...options, plan, trainer: await trainerOf(scripts) });
    }
    if (where.value === "page") show(page);
  }
  ui.on("msg:custom", ({ trainer }) => trainer && here(trainer));
  return h("div", { class: "train-where" }, h("label", { class: "cnn-field" }, h("span", { class: "cnn-label" }, "train"), where), status, place);
}

/** The trainer of these scripts, once for all widgets. */
async function trainerOf(scripts) {
  globalThis.cnnlib ??= {};
  for (const text of cnnlib.trainer ? [] : scripts) {
    const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    await import(address);
    URL.revokeObjectURL(address);
  }
  return cnnlib.trainer;
}

function inKernel({ ui, model, note }) {
  const running = () => model.get("training").running && model.get("pulse") !== "lost";
  const go = button("Train here", () => model.send({ do: running() ? "stop" : "train" }), { "data-action": "train" });
  const bar = h("progress", { max: 1, value: 0, "aria-label": "training progress" });
  const status = h("p", { class: "cnn-note", role: "status", "data-value": "training" });
  const show = () => {
    const { name, curve = [], epochs: all = 1, part = 0, message } = model.get("training");
    go.textContent = running() ? "Stop" : "Train here";
    bar.hidden = !running();
    bar.value = (curve.length + part) / all;
    const last = curve.length
      && `test error ${number(100 * curve.at(-1).test_error, { maximumFractionDigits: 2 })} %`;
    const text = name ? [name, `epoch ${curve.length} of ${all}`, last, message].filter(Boolean).join(" · ") : note;
    if (status.textContent !== text) status.textContent = text;
    status.classList.toggle("curves-failed", /^\w+(Error|Exception|NotFound)/.test(message || ""));
  };
  ui.on("change:training change:pulse", show);
  show();
  ui.defer(() => running() && model.send({ do: "stop" }));         // the view is gone: so is who asked for it
  return h("div", {}, h("div", { class: "cnn-row" },
    ui.slider("train_epochs", { label: "epochs", values: [1, 2, 3, 5, 10, 15, 20, 30] }), go, bar), status);
}

/** The trainings of a widget: waiting, running, paused, done, stopped or failed; `trained` of the model has what the chart draws. */
function trainings({ model, plan, trainer, view, refuse }) {
  const all = [], networks = trainer.unpacked(plan.packed).then((bytes) => JSON.parse(new TextDecoder().decode(bytes)));
  const bytes = trainer.unpacked(globalThis.cnnlib.digits);
  const tell = () => model.set({ trained: all.map(({ handle, seen, ...said }) => ({ ...said, curve: [...said.curve] })) });
  const active = () => all.filter(({ state }) => state === "training" || state === "paused");

  const watch = () => (view.open() ? { picture: drawnDigit() } : null);

  async function begin(job) {
    job.state = "training";
    const [list, digits] = await Promise.all([networks, bytes]);
    if (job.state === "stopped") return;
    const description = list[job.place];
    job.handle = trainer.start({ description, recipe: { ...plan.recipe, epochs: job.epochs }, size: description.input[1],
      seed: job.seed, digits, watch: watch() }, (said) => heard(job, said));
  }
  function heard(job, { row, done, failed, never, ...said }) {
    if (job.state === "stopped") return;
    if (never) refuse(job, failed);
    Object.assign(job, said);
    if (said.seen) view.show(all);
    if (row) { job.curve.push(row); job.part = 0; }
    if (job.curve.length && job.state === "training")
      speed = (job.macs * (3 * PICTURES * job.curve.length)) / job.curve.at(-1).seconds;
    if (done) finish(job, "done");
    else if (failed) finish(job, "failed", failed);
    else tell();
  }
  function finish(job, state, message = "") {
    job.handle?.stop();
    Object.assign(job, { state, message, left: 0 });
    next();
  }
  function next() {
    for (const job of all) if (job.state === "waiting" && active().length < AT_ONCE) begin(job);
    tell();
  }
  return {
    add(jobs) { all.push(...jobs.map((job) => ({ curve: [], part: 0, epoch: 1, state: "waiting", message: "", ...job }))); next(); },
    pause(on) {
      for (const job of active()) { job.state = on ? "paused" : "training"; job.handle?.[on ? "pause" : "goOn"](); }
      tell();
    },
    stop() {
      for (const job of all) if (job.state === "waiting") job.state = "stopped";
      active().forEach((job) => finish(job, "stopped"));
      tell();
    },
    clear() { all.splice(0); view.show(all); tell(); },
    look() { active().forEach(({ handle }) => handle?.watch(watch())); },
    all, active,
  };
}

function inPage({ ui, model, plan, trainer, note, unfolded = false }) {
  const elsewhere = model.get("origin") === "kernel" ? "Train the chosen network in the kernel."
    : "Open this section as a notebook to train the chosen network here yourself.";
  if (!plan || !trainer) return h("p", { class: "cnn-note" }, elsewhere);
  if (trainer.missing())
    return h("p", { class: "cnn-note", "data-state": "missing" }, `This browser lacks ${trainer.missing()}, so nothing can be `
      + `trained in this page; the recorded curves are all here. ${elsewhere}`);
  let runs;                                                 // made when the reader asks for the first
  const inputs = Object.keys(model.get("grid")).filter((name) => plan.knobs.includes(name));
  const ranges = Object.entries(plan.ranges).map(([name, { label, values }]) =>
    [name, label, h("select", { "data-train": name, ...quiet, onchange: () => show() }), values]);
  const choice = () => ({ ...Object.fromEntries(inputs.map((name) => [name, model.get("answered")[name]])),
    ...Object.fromEntries(ranges.map(([name, , box]) => [name, Number(box.value)])) });
  const keyOf = (values) => plan.knobs.map((name) => values[name]).join("|");
  const word = (name, value) => (typeof value === "boolean" ? `${value ? "" : "no "}${plan.words[name]}`
    : `${plan.words[name]} ${value}`.trim());
  const label = (values) => plan.knobs.map((name) => word(name, values[name])).join(", ") || plan.title;

  const pick = (text, box) => h("label", { class: "cnn-field" }, h("span", { class: "cnn-label" }, text), box);
  const seeds = h("select", { "data-train": "seeds", ...quiet, onchange: () => show() },
    [1, 3, 5].map((n) => h("option", { value: n }, n)));
  const go = button("Train here", () => train(), { "data-action": "train" });
  const pause = button("Pause", () => runs.pause(state() === "training"), { "data-action": "pause" });
  const stop = button("Stop", () => runs.stop(), { "data-action": "stop" });
  const clear = button("Clear", () => runs.clear(), { "data-action": "clear" });
  const bar = h("progress", { max: 1, value: 0, "aria-label": "training progress" });
  const status = h("p", { class: "cnn-note", role: "status", "data-value": "training" });
  const lines = h("ul", { class: "train-runs" }), view = watching({ ui, unfolded, opened: () => runs?.look() });
  const element = h("div", { class: "train-here", "data-state": "idle" },
    h("div", { class: "cnn-controls" }, ranges.map(([, text, box]) => pick(text, box)),
      ui.slider("train_epochs", { label: "epochs", values: [1, 2, 3, 6, 10, 15, 20, 30] }), pick("seeds", seeds)),
    h("div", { class: "cnn-row" }, go, pause, stop, clear, bar), status, lines,
    view.element, plan.source < 0 && h("p", { class: "cnn-note" }, note));

  /** What the last training, or the state of all, is called. */
  const state = () => {
    const states = (runs?.all ?? []).map((job) => job.state);
    return ["training", "paused"].find((each) => states.includes(each)) ?? states.at(-1) ?? "idle";
  };
  const cost = (macs) => (macs * model.get("train_epochs") * (3 * PICTURES + TESTED) * Number(seeds.value)) / (speed ?? USUAL);

  function train() {
    runs ??= trainings({ model, plan, trainer, view, refuse });
    const values = choice(), macs = plan.networks[keyOf(values)], place = plan.order.indexOf(keyOf(values));
    const epochs = model.get("train_epochs"), name = label(values);
    if (plan.source >= 0 && model.get("source") !== plan.source) ui.ask({ source: plan.source });
    const before = runs.all.filter((job) => job.name === name && job.epochs === epochs).length;
    runs.add(Array.from({ length: Number(seeds.value) }, (_, i) => ({ name, epochs, macs, place, seed: before + i })));
  }

  /** What one seed cannot do, none can: the others do not begin, and the button says why. */
  function refuse({ place }, why) {
    plan.networks[plan.order[place]] = `Not to be trained in a page: it ${why}. Choose a smaller one.`;
    for (const job of runs.all) if (job.place === place && job.state === "waiting") Object.assign(job, { state: "failed", message: why });
  }

  /** Only values with which there is a network can be chosen. */
  function offer(fresh) {
    for (const [name, , box, values] of ranges) {
      const wanted = fresh ? model.get("answered")[name] : Number(box.value);
      const there = values.filter((value) => keyOf({ ...choice(), [name]: value }) in plan.networks || value === wanted);
      box.replaceChildren(...there.map((value) => h("option", { value }, value)));
      box.value = wanted;
    }
  }
  function show() {
    offer(false);
    const found = plan.networks[keyOf(choice())], about = plan.about;
    go.disabled = typeof found !== "number";
    const text = go.disabled ? (found ?? `This network takes too long for a page, or is none. ${elsewhere}`)
      : `Trains this network on ${about}, in this page: ${duration(cost(found))} ${speed ? "here" : "on a common laptop"}.`;
    if (status.textContent !== text) status.textContent = text;
    progress();
  }
  function progress() {
    const now = state(), jobs = runs?.all ?? [], busy = runs?.active() ?? [];
    element.dataset.state = now;
    pause.hidden = stop.hidden = bar.hidden = !busy.length;
    clear.hidden = Boolean(busy.length) || !jobs.length;
    pause.textContent = now === "paused" ? "Go on" : "Pause";
    bar.value = jobs.reduce((sum, { curve, part, epochs }) => sum + Math.min(1, (curve.length + part) / epochs), 0) / jobs.length || 0;
    lines.replaceChildren(...jobs.slice(-6).map((job, i, shown) => line(job, i === shown.length - 1)));
  }
  function line({ name, seed, state: now, curve, epochs, left, message }, last) {
    const row = curve.at(-1), key = (value) => (last ? { "data-value": value } : {});
    return h("li", { "data-run": now }, h("b", {}, name), ` · seed ${seed} · epoch `, h("span", key("epoch"), curve.length), ` of ${epochs}`,
      row && [" · test error ", h("span", key("test-error"), percent(row.test_error)), " · training error ",
        h("span", key("train-error"), percent(row.train_error))],
      now === "training" ? (left >= 0 ? ` · ${duration(left)} left` : " · starting") : ` · ${message || now}`);
  }

  offer(true);
  ui.on("change:answered", () => { offer(true); show(); });
  ui.on("change:train_epochs", show);
  ui.on("change:trained", () => { if (state() === "training") progress(); else show(); });
  ui.defer(() => runs?.stop());
  show();
  return element;
}
