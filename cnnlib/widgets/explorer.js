// Explorer: the knobs of a family of networks; what becomes of its diagram, its stages and its training curves.
// All numbers come from Python; here they are drawn and formatted. A configuration that makes no network leaves the last
// one standing.
import { curvesChart, MEASURES } from "./curves_chart.js";
import { diagram, legend } from "./explorer_diagram.js";
import { morphChildren } from "./morph.js";
import { trainHere } from "./train_here.js";
import { button, h, number, quiet, same, table, widget } from "./ui.js";

const SHARES = [["params", "parameters"], ["macs", "work: MACs"], ["kept", "memory for training"]];
const FACTS = [["params", "parameters"], ["macs", "MACs for one picture"], ["kept", "kept for the backward pass"],
  ["layers", "convolutions, dense layers"]];
const PINNED = [...FACTS.map(([name]) => name), "recorded", "stage_name",
  ...SHARES.map(([name]) => `stage_${name}_share`)];

/** 12,345,678 bytes -> "12.3 MB". */
const bytes = (value) => {
  const [unit, name] = value >= 1e9 ? [1e9, "GB"] : value >= 1e6 ? [1e6, "MB"] : value >= 1e3 ? [1e3, "kB"] : [1, "bytes"];
  return `${number(value / unit, { maximumSignificantDigits: value < 1e3 ? 3 : 4 })} ${name}`;
};
const shown = (key, value) => (key === "kept" ? bytes(value) : number(value));
const shape = (...sides) => sides.filter(Boolean).join("×");

export function render({ model, el }) {
  const ui = widget({ model, el, title: model.get("title") });
  const knobs = model.get("knobs"), curves = model.get("curves"), sources = model.get("sources");
  let answer, chosen = 0;                               // what is shown, and the block in view

  // ---------------------------------------------------------------- knobs
  const places = {};
  for (const { name, label, typed } of knobs) {
    const values = model.get("grid")[name], live = typed && model.get("origin") === "kernel";
    const few = values.length < 3 && !live && typeof values[0] === "number";        // two numbers are no range
    places[name] = h("div", { class: "ex-knob" }, few ? ui.select(name, { label }) : ui.knob(name, { label, typed: live }));
    ui.controls.append(places[name]);
  }
  const alert = ui.root.querySelector(".cnn-error");
  const accuse = () => {                                // what is wrong stands next to the knob that it is about
    const error = model.get("error"), names = knobs.map(({ name }) => name);
    const strange = names.filter((name) => !ui.isShown(name));
    const at = [...strange, ...names].find((name) => error.includes(name.replace(/_/g, " ")) || error.includes(name))
      ?? strange[0];
    if (error && at) places[at].append(alert); else ui.controls.after(alert);
  };

  // ---------------------------------------------------------------- anatomy
  const facts = h("div", { class: "ex-facts" }), code = h("code", { class: "ex-code", "data-value": "code" });
  const pin = h("div", { class: "cnn-row ex-pin" });
  const choose = (i) => { chosen = i; view.mark(i); readBlock(); };
  const view = diagram({ answer: () => answer, select: choose });
  const list = h("select", { ...quiet, onchange: () => choose(list.selectedIndex) });      // in deep networks for fingers
  const key = h("p", { class: "ex-legend" });
  const block = h("div", { class: "ex-block-row", role: "status", "data-value": "block" });
  const strips = h("div", { class: "ex-strips" });
  const stages = table("", ["stage", "output", ...["layers", "parameters", "MACs", "memory", "sees"]
    .map((label) => ({ label, numeric: true }))]);
  const blocks = table("", ["block", "type", "output", ...["parameters", "MACs", "memory", "sees"]
    .map((label) => ({ label, numeric: true }))]);
  const everyBlock = h("details", { ontoggle: () => fillBlocks() }, h("summary", {}, "Every block as a table"),
    blocks.element);
  ui.defer(view.stop);

  // ---------------------------------------------------------------- curves
  const source = () => Math.min(model.get("source"), sources.length - 1);
  const figure = curvesChart({ ui, model, on: () => sources[source()]?.on,
    recorded: () => curves.flatMap((curve, i) => (curve.source !== source() ? []
      : [{ curve, kind: i === answer.recorded[source()] ? "chosen"
        : i === model.get("pinned").recorded?.[source()] ? "compare" : "faint" }])) });
  const unrecorded = h("p", { class: "ex-unrecorded cnn-row" });
  const madeOn = h("summary"), origin = table("How the runs were recorded", ["what", "recorded"]);
  const finals = table("", ["configuration", ...["seeds", "mean", "lowest", "highest", "parameters"]
    .map((label) => ({ label, numeric: true }))]);
  const everyCurve = h("details", { ontoggle: () => fillCurves() },
    h("summary", {}, "Every curve's last value as a table"), finals.element);
  const note = "Trains the chosen network on digits (1,797 small scans), enlarged and repeated as it needs them: compare "
    + "the shape of the curves, not their level.";
  const training = h("section", { class: "ex-training" },
    sources.length > 0 && h("p", { class: "ex-heading" }, "Training curves"),
    sources.length > 0 && h("div", { class: "cnn-controls" },
      sources.length > 1 && h("div", { class: "cnn-wide" }, ui.select("source", { label: "recorded on",
        options: sources.map(({ on, about }, i) => [i, on ? `${on}: ${about}` : about]) })),
      figure.controls),
    unrecorded, figure.element, trainHere({ ui, model, note }),
    ...(sources.length > 0 ? [everyCurve, h("details", {}, madeOn, origin.element)] : []));

  const content = h("div", { class: "ex-content" }, facts, h("div", { class: "ex-line" }, code, pin),
    h("div", { class: "ex-anatomy" }, view.element, key,
      h("label", { class: "cnn-field ex-list" }, h("span", { class: "cnn-label" }, "block in view"), list), block), strips, stages.element, everyBlock, training);
  ui.results.append(content);

  function readBlock() {
    list.selectedIndex = chosen;
    const of = (name) => answer[`unit_${name}`][chosen];
    const joins = [of("adds") && "added to its input", of("concats") && "concatenated"].filter(Boolean).join(", ");
    block.replaceChildren(h("b", { "data-value": `unit_name.${chosen}` }, of("name")), " ",
      h("span", { class: "ex-type" }, [of("type"), joins].filter(Boolean).join(", ")), h("span", { class: "ex-numbers" },
        ...[["output", shape(of("channels"), of("height"), of("width"))], ["parameters", number(of("params"))],
          ["MACs", number(of("macs"))], ["memory", bytes(of("kept"))], ["sees", sees(of("field"))]]
          .flatMap(([label, text]) => [h("span", {}, `${label} `, h("b", { "data-block": label }, text)), " "])));
  }
  const sees = (field) => (field ? (typeof field === "number" ? `${field}×${field}` : field) : "–");

  function fillBlocks() {
    if (!everyBlock.open) return;
    blocks.caption(`The blocks of ${answer.network}`);
    blocks.update(answer.unit_name.map((name, i) => [name, answer.unit_type[i],
      shape(answer.unit_channels[i], answer.unit_height[i], answer.unit_width[i]),
      { text: number(answer.unit_params[i]), key: `unit_params.${i}` },
      { text: number(answer.unit_macs[i]), key: `unit_macs.${i}` }, bytes(answer.unit_kept[i]), sees(answer.unit_field[i])]));
  }

  function fillStages() {
    const batch = answer.batch === 1 ? "one picture" : `a batch of ${number(answer.batch)}`;
    stages.caption(`Stages of ${answer.network}; memory for ${batch}`);
    const cell = (name, k) => h("span", { class: "ex-cell" },
      h("span", { "data-value": `stage_${name}.${k}` }, shown(name, answer[`stage_${name}`][k])),
      h("small", {}, `${answer[`stage_${name}_share`][k]} %`));
    stages.update([...answer.stage_name.map((name, k) => [name,
      shape(answer.stage_channels[k], answer.stage_height[k], answer.stage_width[k]),
      { text: number(answer.stage_layers[k]), key: `stage_layers.${k}` },
      ...SHARES.map(([key]) => cell(key, k)), sees(answer.stage_field[k])]),
    { current: true, cells: ["total", "", { text: number(answer.layers), key: "layers" },
      { text: number(answer.params), key: "params" }, { text: number(answer.macs), key: "macs" }, bytes(answer.kept), ""] }]);
  }

  /** The shares of the stages as a bar; a label is seen where it fits. */
  function bar(kind, label, stages, shares) {
    const said = stages.map((stage, k) => `${stage} ${shares[k]} %`);
    return h("div", { class: kind, role: "img", "aria-label": `${label}: ${said.join(", ")}` },
      ...shares.map((share, k) => share > 0 && h("span", { style: `flex-grow:${share}`, title: said[k],
        class: share >= 2 && "ex-wide" }, share >= 3 && [h("span", {}, h("span", {}, stages[k])),
        h("span", {}, h("b", {}, `${share} %`))])));
  }

  function drawStrips() {
    const pinned = model.get("pinned");
    morphChildren(strips, SHARES.flatMap(([name, label]) => [
      h("div", { class: "ex-strip" }, h("span", { class: "ex-strip-label" }, label),
        bar("ex-bar", label, answer.stage_name, answer[`stage_${name}_share`])),
      pinned.label && h("div", { class: "ex-strip" }, h("span", { class: "ex-strip-label" },
        `pinned: ${number(pinned[name] / answer[name], { maximumSignificantDigits: 3 })} times`),
      bar("ex-bar ex-thin", `${label}, pinned`, pinned.stage_name, pinned[`stage_${name}_share`]))]).filter(Boolean));
  }

  function drawFacts() {
    const pinned = model.get("pinned");
    morphChildren(facts, FACTS.map(([name, label]) => h("p", {}, h("span", {}, label),
      h("b", name === "kept" ? { "data-kept": answer.kept } : { "data-value": name }, shown(name, answer[name])),
      pinned.label && h("small", {}, `pinned: ${shown(name, pinned[name])}`))));
    code.textContent = answer.code;
    const back = pinned.label && same(pinned.knobs, model.get("answered"));
    pin.replaceChildren(...(pinned.label
      ? [h("span", { class: "ex-pinned" }, "pinned: ", h("b", {}, pinned.label)),
        button("Show", () => ui.ask(pinned.knobs), { disabled: Boolean(back) }),
        button("Clear", () => ui.ask({ pinned: {} }))]
      : [button("Pin to compare", () => ui.ask({ pinned: { knobs: model.get("answered"),
        label: `${answer.label}, ${shape(...answer.input)}, batch of ${number(answer.batch)}`,
        ...Object.fromEntries(PINNED.map((name) => [name, answer[name]])) } }))]));
  }

  function fillCurves() {
    if (!everyCurve.open) return;
    const key = model.get("measure");
    finals.caption(`${MEASURES[key]} after the last epoch, recorded on ${sources[source()].on}`);
    finals.update(curves.flatMap((each, i) => (each.source !== source() ? [] : [{
      current: i === answer.recorded[source()], cells: [each.name, each.seeds.length,
        ...["mean", "min", "max"].map((part) => figure.show(each[key][part].at(-1))), number(each.model.parameters)] }])));
  }

  function drawCurves() {
    const at = source();
    figure.draw();
    if (at < 0) return;
    fillCurves();
    const { data, provenance } = sources[at];
    madeOn.textContent = `Where the runs come from${data && `: ${data}`}`;
    origin.update(provenance);
    const nearest = curves[answer.nearest[at]], missing = answer.recorded[at] < 0;
    unrecorded.hidden = !missing;
    unrecorded.replaceChildren(...(nearest
      ? [h("span", {}, "No run of this configuration is recorded. The nearest that has one: ", h("b", {}, nearest.name)),
        button("Show it", () => ui.ask(nearest.knobs))]
      : [`Nothing of this family is recorded yet: python -m cnnlib record ${sources[at].name}`]));
  }

  const draw = () => {
    ({ answer } = ui.shown());
    ui.root.style.setProperty("--cnn-accent", `var(--cnn-${answer.colour})`);
    chosen = Math.min(chosen, answer.unit_name.length - 1);
    drawCurves();                                       // first: it measures its place
    view.draw();
    morphChildren(key, legend(answer));
    list.replaceChildren(...answer.unit_name.map((name) => h("option", {}, name)));
    readBlock();
    fillBlocks();
    drawStrips();
    fillStages();
    drawFacts();
    ui.say(`${answer.label}: ${FACTS.map(([name, label]) => `${shown(name, answer[name])} ${label}`).join(", ")}.`);
  };
  ui.on("change:answer", draw);
  ui.on("change:error change:answered", accuse);
  ui.on("change:pinned", () => { drawFacts(); drawStrips(); drawCurves(); });
  ui.on("change:measure change:x_axis change:log_scale change:source change:training", drawCurves);
  draw();
  return ui.cleanup;
}
