// A network that learns before the reader's eyes: *Train here* with its inside unfolded, and the curve that grows.
import { curvesChart } from "./curves_chart.js";
import { trainHere } from "./train_here.js";
import { h, number, widget } from "./ui.js";

export function render({ model, el }) {
  const ui = widget({ model, el, title: model.get("title") });
  const figure = curvesChart({ ui, model, recorded: () => [] });
  ui.controls.append(...Object.keys(model.get("grid")).map((name) => ui.select(name, { label: name.replace(/_/g, " ") })));
  const about = h("p", { class: "cnn-note" });
  ui.bound("answer", () => {
    const { code, parameters, macs } = model.get("answer");
    about.replaceChildren(h("code", { "data-value": "code" }, code), " · ", h("span", { "data-value": "parameters" }, number(parameters)),
      " parameters · ", h("span", { "data-value": "macs" }, number(macs)), " MACs for a picture");
  });
  ui.results.append(about, h("div", { class: "curves-content" },
    trainHere({ ui, model, note: "Trains on 1,442 scanned digits of scikit-learn, tests on 355 others.", unfolded: true }),
    figure.element));
  ui.on("change:training", figure.draw);
  figure.draw();
  return ui.cleanup;
}
