import { h, widget } from "./ui.js";

export function render({ model, el }) {
  const ui = widget({ model, el, title: "Size rule" });
  const output = h("p", { "data-value": "output" });
  ui.controls.append(ui.slider("size", { label: "input size", typed: true }), ui.slider("kernel", { label: "kernel" }));
  ui.results.append(output);
  ui.bound("answer", () => { output.textContent = model.get("answer").output; });
  return ui.cleanup;
}
