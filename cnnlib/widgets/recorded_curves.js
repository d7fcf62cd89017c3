// Recorded curves: the chosen configuration with its spread, one to compare with, all others faint behind.
import { curvesChart, MEASURES } from "./curves_chart.js";
import { trainHere } from "./train_here.js";
import { h, number, table, widget } from "./ui.js";

export function render({ model, el }) {
  const ui = widget({ model, el, title: "Recorded training curves" });
  const curves = model.get("curves");
  const at = () => model.get("answer").chosen ?? -1;
  const kind = (i) => (i === at() ? "chosen" : i === model.get("compare") ? "compare" : "faint");
  const figure = curvesChart({ ui, model, recorded: () => curves.map((curve, i) => ({ kind: kind(i), curve })) });

  const [measure, axis, log] = figure.controls;
  ui.controls.append(
    ...Object.keys(model.get("grid")).map((name) => ui.select(name, { label: name.replace(/_/g, " ") })),
    measure, axis,
    curves.length > 1 && ui.select("compare", { label: "compare with",
      options: [[-1, "nothing"], ...curves.map(({ name }, i) => [i, name])] }),
    log);

  const refusal = h("p", { class: "cnn-refusal", role: "status", "data-value": "reason" });
  const finals = table("", ["configuration", ...["seeds", "mean", "lowest", "highest", "parameters"]
    .map((label) => ({ label, numeric: true }))]);
  const epochs = table("", ["epoch", ...["seconds", "mean", "lowest", "highest"]
    .map((label) => ({ label, numeric: true }))]);
  const layers = table("", ["layer", "type", "output", ...["parameters", "MACs", "receptive field"]
    .map((label) => ({ label, numeric: true }))]);
  const origin = table("How the runs were recorded", ["what", "recorded"]);
  origin.update(model.get("provenance"));
  const content = h("div", { class: "curves-content" },
    figure.element,
    trainHere({ ui, model, note: "Trains the chosen network on digits (1,797 small scans, enlarged), not on MNIST: "
      + "compare the shape of the curves, not their level." }),
    h("div", { class: "curves-tables" }, finals.element, layers.element),
    h("details", {}, h("summary", {}, "The numbers of the chosen curve"), epochs.element),
    h("details", {}, h("summary", {}, "Where the runs come from"), origin.element));
  ui.results.append(refusal, content);

  const draw = () => {
    const { reason, layers: rows = [], parameters, macs } = model.get("answer");
    refusal.hidden = !reason;
    refusal.textContent = reason;
    content.hidden = at() < 0;
    if (at() < 0) return;
    const key = model.get("measure"), name = MEASURES[key], chosen = curves[at()];
    finals.caption(`${name} after the last epoch`);
    finals.update(curves.map((each, i) => ({ current: i === at(), cells: [each.name, each.seeds.length,
      ...["mean", "min", "max"].map((part) => ({ text: figure.show(each[key][part].at(-1)),
        key: `${part}:${each.name}` })),
      number(each.model.parameters)] })));
    epochs.caption(`${name} of ${chosen.name}, seeds ${chosen.seeds.join(", ")}`);
    epochs.update(chosen.seconds.map((seconds, e) => [e + 1, number(seconds),
      ...["mean", "min", "max"].map((part) => figure.show(chosen[key][part][e]))]));
    layers.caption(`The network of ${chosen.name}`);
    layers.update([...rows.map(([layer, type, shape, params, work, field]) =>
      [layer, type, shape, number(params), number(work), field]),
    { current: true, cells: ["total", "", "", { text: number(parameters), key: "parameters" },
      { text: number(macs), key: "macs" }, ""] }]);
    figure.draw();
    ui.say(figure.describe());
  };
  ui.on("change:answer change:measure change:x_axis change:log_scale change:compare change:training", draw);
  draw();
  return ui.cleanup;
}
