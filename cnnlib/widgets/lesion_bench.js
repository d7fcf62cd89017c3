// Lesion bench: a trained residual network and a plain one as blocks in a row. A click takes a block out of both, or
// puts it back. The bars say what the error would be without one block more. All numbers were evaluated, in Python.
import { button, h, number, quiet, s, whenResized, widget } from "./ui.js";

const KINDS = { residual: "ResNet", plain: "plain" };
const TALL = 40, BARS = 46, STAGE = 16;                 // pixels: the tallest block, an error of 100 %, between stages
const ABOVE = { residual: 24, plain: 4 };               // the blocks, where the arcs are

export function render({ model, el }) {
  const ui = widget({ model, el, title: "Lesion bench" });
  const live = model.get("origin") === "kernel";
  const back = button("put all blocks back", () => take([]), { hidden: true });
  const put = (set) => { chosen = set; return { deleted: key(set) }; };
  ui.controls.append(
    ui.select("depth", { label: "two networks of", also: () => put([]),     // another depth has other blocks
      options: model.get("grid").depth.map((layers) => [layers, `${layers} layers, ${(layers - 2) / 2} blocks`]) }),
    ui.select("pictures", { label: "trained on",        // the blocks stay out where that was evaluated, too
      also: (pictures) => put(known(chosen, { ...ui.shown(), pictures }) ? chosen : []) }),
    ui.checkbox("restat", { label: "BatchNorm’s statistics estimated anew" }), back);

  // What was recorded: set of blocks -> wrong answers.
  const recorded = (kind, { pictures, depth, restat } = ui.shown()) =>
    model.get("records")[pictures][depth][kind][restat ? "reestimated" : "kept"];
  const read = () => {
    const { pictures, depth: layers, answer } = ui.shown();
    return { layers, blocks: model.get("drawn")[pictures][layers], images: model.get("images")[pictures], answer, wrong: recorded };
  };
  // What is clicked away; the model has it, too, unless the page has no answer to it.
  let chosen = positions(model.get("deleted"));
  const known = (set, inputs = ui.shown()) => live && inputs.pictures === "digits" || key(set) in recorded("residual", inputs);
  const take = (set) => {
    chosen = set;
    if (known(set)) ui.ask({ deleted: key(set) });
    draw();
  };
  const toggle = (i) => take(chosen.includes(i) ? chosen.filter((j) => j !== i) : [...chosen, i].sort((a, b) => a - b));

  const guide = h("p", { class: "cnn-note" }, "Click a block to take it out of both networks, click again to put it back.");
  const missing = h("p", { class: "cnn-refusal", role: "status", "data-value": "missing" });
  const figures = h("div", { class: "lesion-figures" }), paths = h("p", { class: "cnn-note" });
  const pictures = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, h("div", { class: "lesion-picture" })]));
  const legend = h("p", { class: "lesion-legend" });
  ui.results.append(guide, missing, figures, paths, ...Object.values(pictures), legend);

  for (const [kind, picture] of Object.entries(pictures))
    picture.addEventListener("keydown", (event) => {
      const at = +event.target.dataset?.block, count = read().blocks.length;
      if (Number.isNaN(at)) return;
      const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: count - 1 }[event.key];
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); current[kind] = at; toggle(at); return; }
      if (to === undefined) return;
      event.preventDefault();
      if (to < 0 || to >= count) return;
      current[kind] = to;
      draw();
      picture.querySelector(`[data-block="${to}"]`).focus();
    });
  const current = { residual: 0, plain: 0 };            // the block that tabbing reaches

  const draw = () => {
    const now = read(), { answer, blocks } = now, evaluated = known(chosen);
    if (answer.count === undefined) return;
    const names = chosen.map((i) => blocks[i].name).join(", ");
    back.hidden = !chosen.length;
    missing.hidden = evaluated;
    missing.textContent = evaluated ? "" : `Without ${names} together the networks were not evaluated for this page, `
      + "and nothing is made up from what is known of fewer. Put a block back"
      + (ui.shown().pictures === "digits" ? ", or run the notebook: there any set is evaluated." : ".");
    figures.hidden = paths.hidden = !evaluated;
    figures.replaceChildren(...Object.entries(KINDS).map(([kind, name]) => figure(now, kind, `${name}-${now.layers}`)));
    const all = number(2 ** blocks.length);
    paths.textContent = (chosen.length
      ? `Without ${names} the residual network has ${answer.residual_paths} of its ${all} paths left.`
      : `Nothing is deleted. From input to output the residual network has ${all} paths, the plain one has one.`)
      + (answer.unfit ? ` The plain network cannot do without ${answer.unfit}, which changes the shape.` : "");
    for (const [kind, picture] of Object.entries(pictures)) {
      const focused = picture.contains(document.activeElement) ? document.activeElement.dataset.block : null;
      const width = picture.clientWidth;
      if (!width) continue;                             // not on the page yet
      picture.replaceChildren(h("p", { class: "lesion-name" }, `${KINDS[kind]}-${now.layers}`),
        drawNetwork({ ...now, kind, chosen, current: current[kind] }, width, (i) => { current[kind] = i; toggle(i); }));
      if (focused) picture.querySelector(`[data-block="${focused}"]`)?.focus({ preventScroll: true });
    }
    const bars = next(now, "residual", chosen).some((wrong) => wrong !== undefined);
    legend.textContent = bars ? `Bars: test error, 0 to 100 %, without ${chosen.length ? "one block more" : "this one block"}.`
      : "What happens without one block more was not evaluated.";
    ui.say(evaluated ? `${names ? `Without ${names}` : "Nothing deleted"}: ${figures.textContent}` : missing.textContent);
  };
  let answered = model.get("answered");
  ui.on("change:answer change:answered", () => {
    const { depth: layers, deleted } = answered;
    answered = model.get("answered");
    const late = answered.deleted !== model.get("deleted");     // blocks were clicked since it was asked
    if (!late && (layers !== answered.depth || deleted !== answered.deleted)) chosen = positions(answered.deleted);
    draw();
  });
  ui.defer(whenResized(ui.root, draw));
  draw();
  return ui.cleanup;
}

const key = (set) => set.join(" ");
const positions = (text) => (text ? text.split(" ").map(Number) : []);
const percent = (share) => `${number(100 * share, { minimumFractionDigits: 1, maximumFractionDigits: 1 })} %`;

/** Recorded wrong answers without the chosen blocks and block i, a list over i; undefined where not evaluated. */
function next({ wrong, blocks }, kind, chosen) {
  return blocks.map((_, i) => (chosen.includes(i) ? undefined : wrong(kind)[key([...chosen, i].sort((a, b) => a - b))]));
}

/** The test error, and what it was with all blocks. */
function figure({ answer, wrong, images }, kind, name) {
  const whole = wrong(kind)[""], without = answer[`${kind}_error`];
  return h("div", { class: `lesion-figure lesion-${kind}` },
    h("p", { class: "lesion-of" }, `test error of ${name}`),
    without === "" ? h("p", { class: "lesion-error" }, "–")
      : h("p", { class: "lesion-error" }, h("b", { "data-value": `${kind}_error` }, percent(without))),
    h("p", { class: "lesion-of" }, without === "" ? "does not work without it"
      : [h("span", { "data-value": `${kind}_wrong` }, String(answer[`${kind}_wrong`])), ` of ${number(images)} wrong; `
        + `${percent(whole / images)} with all blocks`]));
}

/** Blocks from left to right, on a narrow page a row for each stage; as high as their maps. */
function drawNetwork({ kind, layers, blocks, wrong, chosen, images, current }, width, toggle) {
  const stages = [...new Set(blocks.map(({ stage }) => stage))], most = blocks.length / stages.length;
  const rows = width < 26 * blocks.length + 2 * STAGE ? stages.length : 1;
  const step = Math.min(64, rows > 1 ? (width - 8) / most : (width - 8 - STAGE * (stages.length - 1)) / blocks.length);
  const residual = kind === "residual", above = ABOVE[kind], row = above + TALL + BARS + 46, bars = next({ wrong, blocks }, kind, chosen);
  const side = (pixels) => TALL * Math.sqrt(pixels / blocks[0].side), parts = [];
  blocks.forEach((block, i) => {
    const stage = stages.indexOf(block.stage), inside = i - stage * most;
    const x = 4 + step * (rows > 1 ? inside : i) + (rows > 1 ? 0 : STAGE * stage), top = row * (rows > 1 ? stage : 0);
    const middle = top + above + TALL / 2, tall = side(block.side), gone = chosen.includes(i), box = step * 0.62;
    const fixed = !residual && !block.plain, without = bars[i], base = top + above + TALL + BARS + 12;
    if (inside === 0) parts.push(s("text", { x, y: base + 18 }, `${block.channels} × ${block.side} × ${block.side}`));
    const arc = `M${x + 1},${middle}C${x + 1},${top - 4} ${x + step - 1},${top - 4} ${x + step - 1},${middle}`;
    const said = gone ? "taken out" : fixed ? "cannot be taken out: it changes the shape"
      : without === undefined ? "in place" : `in place; without it, too, the error is ${percent(without / images)}`;
    parts.push(s("g", { class: `lesion-block ${gone ? "lesion-gone" : ""} ${fixed ? "lesion-fixed" : ""}`, role: "button", ...quiet,
      "aria-pressed": String(gone), "aria-label": `${block.name}, ${said}`, "data-block": i, tabindex: i === current ? 0 : -1,
      onclick: () => toggle(i) },
    s("title", {}, `${block.name}: ${said}`),
    s("rect", { class: "lesion-target", x, y: top + 2, width: step, height: base - top }),
    residual ? s("path", { class: "lesion-arc", d: arc })
      : s("path", { class: "lesion-wire", d: gone && !fixed ? `M${x},${middle}H${x + step}` : `M${x},${middle}h${(step - box) / 2}m${box},0H${x + step}` }),
    residual ? s("path", { class: "lesion-wire", d: gone ? "" : `M${x},${middle}H${x + step}` }) : null,
    s("rect", { class: "lesion-slab", x: x + (step - box) / 2, y: middle - tall / 2, width: box, height: tall, rx: 2 }),
    gone && !fixed ? s("path", { class: "lesion-cross", d: `M${x + (step - box) / 2},${middle - tall / 2}l${box},${tall}m0,${-tall}l${-box},${tall}` }) : null,
    without === undefined ? null : s("rect", { class: "lesion-bar", x: x + step * 0.19, width: box,
      y: base - Math.max(1, BARS * without / images), height: Math.max(1, BARS * without / images) })));
    if (inside === most - 1) {
      const from = rows > 1 || stage === 0 ? 4 : 4 + step * most * stage + STAGE * stage, to = x + step;
      parts.unshift(s("path", { class: "lesion-base", d: `M${from},${base}H${to}M${from},${base - BARS}H${to}` }));
      if (stage < stages.length - 1 && rows === 1) parts.unshift(s("path", { class: "lesion-wire", d: `M${x + step},${middle}h${STAGE}` }));
    }
  });
  return s("svg", { class: "cnn-figure", role: "group", width, height: row * rows,
    "aria-label": `the ${blocks.length} blocks of the ${residual ? "residual" : "plain"} network of ${layers} layers` }, parts);
}
