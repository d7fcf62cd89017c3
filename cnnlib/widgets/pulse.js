// Is there still a kernel behind a widget? Who sends to it waits for a sign of life, and silence is said.

const PATIENCE = 2500, TRAINING = 8000;                 // milliseconds of silence before we ask, and then once more
const SIGNS = "change:answer change:answered change:error change:training msg:custom";

/** anywidget's model with traits of the page's own beside those of the kernel, which are never sent: `pulse`, which is
 *  "kernel", "busy" or "lost", and `trained`, see train_here.js. A kernel that was restarted does not know the widget any
 *  more. `stop` ends the watch. */
export function watched(model) {
  const own = { pulse: "kernel", trained: [] }, listeners = new Map();      // event of a trait of our own -> functions
  const mine = (events) => events.split(" ").filter((event) => event.slice(7) in own);
  const set = (values) => {
    const theirs = Object.entries(values).filter(([name]) => !(name in own));
    if (theirs.length) model.set(Object.fromEntries(theirs));                 // at once: listeners see all of them
    for (const [name, value] of Object.entries(values)) {
      if (!(name in own) || own[name] === value) continue;
      own[name] = value;
      [...(listeners.get(`change:${name}`) ?? [])].forEach((listener) => listener());
    }
  };
  const watch = pulse(model, (state) => set({ pulse: state }));
  return { stop: watch.stop, model: {
    get: (name) => (name in own ? own[name] : model.get(name)),
    set(name, value) {
      if (typeof name === "object") set(name);
      else if (name in own) set({ [name]: value });
      else model.set(name, value);
    },
    on(events, listener) {
      mine(events).forEach((event) => listeners.set(event, (listeners.get(event) ?? new Set()).add(listener)));
      model.on(events, listener);
    },
    off(events, listener) {
      mine(events).forEach((event) => listeners.get(event)?.delete(listener));
      model.off(events, listener);
    },
    send: (message) => watch.send(() => model.send(message)),
    save_changes: () => watch.send(() => model.save_changes()),
  } };
}

function pulse(model, become) {
  let asked = false, timer;
  const wait = (time = PATIENCE) => { timer ??= setTimeout(look, time); };
  const rest = () => { clearTimeout(timer); timer = undefined; asked = false; };
  const busy = () => model.widget_manager?.kernel?.status === "busy";         // JupyterLab and Notebook say so
  const lost = () => { rest(); become("lost"); };       // until the reader tries again
  const send = (deed) => {
    try { deed(); wait(); } catch { lost(); }           // a connection that is closed may throw
  };
  function look() {
    timer = undefined;
    if (!asked) { asked = true; send(() => model.send({ do: "answer" })); }
    else if (busy()) { become("busy"); wait(); }
    else lost();
  }
  const alive = () => {
    rest();
    become("kernel");
    if (model.get("training")?.running) wait(TRAINING);
  };
  const doubt = () => wait();                           // the notebook has lost its kernel, or found it again
  model.on(SIGNS, alive);
  model.on("comm_live_update", doubt);
  return { send, stop() { rest(); SIGNS.split(" ").forEach((sign) => model.off(sign, alive)); model.off("comm_live_update", doubt); } };
}
