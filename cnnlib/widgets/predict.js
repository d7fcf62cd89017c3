// Predict, then see: a slider or a choice, and only after it the answer, how far off the guess was, and why.
import { button, h, widget } from "./ui.js";

export function render({ model, el }) {
  const ui = widget({ model, el, title: model.get("question") });
  ui.root.querySelector(".cnn-badge").remove();         // where the number comes from, the cell says
  ui.root.querySelector(".cnn-head").prepend(h("span", { class: "predict-sign" }, "Predict"));
  const guesses = model.get("grid").guess, choice = typeof guesses[0] === "string", unit = model.get("unit");
  const format = (value) => `${value.toLocaleString("en")} ${value === 1 ? unit.replace(/s$/, "") : unit}`.trim();

  const right = h("b", { "data-value": "right" }), verdict = h("span", { "data-value": "verdict" });
  const scale = h("div", { class: "predict-scale", "aria-hidden": "true" });
  const told = h("div", { class: "predict-told", hidden: true, tabindex: -1 },
    h("p", { class: "predict-right" }, "Answer: ", right), h("p", {}, verdict), choice ? null : scale,
    model.get("why") ? h("p", { class: "cnn-note" }, model.get("why")) : null);
  const paper = h("p", { class: "predict-paper" });
  ui.results.append(told, paper);

  let committed = false;
  const commit = () => {                                // a guess is made once
    committed = true;
    ui.controls.querySelectorAll("input, button").forEach((control) => { control.disabled = true; });
    draw();
  };
  const choose = (value) => { ui.ask({ guess: value }); commit(); };
  const buttons = choice && guesses.map((guess) => button(guess, () => choose(guess)));
  if (choice) ui.controls.append(h("div", { class: "cnn-row cnn-wide", role: "group", "aria-label": "your guess" }, buttons));
  else ui.controls.append(ui.slider("guess", { label: "your guess", format }), button("Show the answer", commit));
  ui.root.classList.toggle("predict-choice", choice);

  const mark = (kind, step, text) => h("span", { class: `predict-${kind}`,
    style: `--at: ${(100 * step) / (guesses.length - 1)}%; --back: ${(-100 * step) / (guesses.length - 1)}%` }, text);
  function draw() {
    const { guess, answer } = ui.shown();
    paper.textContent = `Answer: ${answer.right}.`;
    buttons && buttons.forEach((each, i) => each.setAttribute("aria-pressed", committed && guesses[i] === guess));
    if (!committed || !ui.isShown("guess")) return;     // a kernel may take its time
    right.textContent = answer.right;
    verdict.textContent = answer.verdict;
    scale.replaceChildren(mark("guess", guesses.indexOf(guess), "you"), mark("answer", answer.place, "answer"));
    ui.root.classList.add("predict-done");
    told.hidden = false;
    told.focus({ preventScroll: true });
    ui.say(`Answer: ${answer.right}. ${answer.verdict}`);
  }
  ui.on("change:answer change:answered", draw);
  draw();
  return ui.cleanup;
}
