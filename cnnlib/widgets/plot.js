// Charts: the parts of Observable Plot that the book uses, imported one by one so that the rest stays out of the
// bundle (lean_plot.mjs leaves out more), and `chart`, which puts a plot on the page.
import { plot } from "./node_modules/@observablehq/plot/src/plot.js";
import { h, whenResized } from "./ui.js";

export { areaY } from "./node_modules/@observablehq/plot/src/marks/area.js";
export { axisX, axisY, gridX, gridY } from "./node_modules/@observablehq/plot/src/marks/axis.js";
export { barX, barY } from "./node_modules/@observablehq/plot/src/marks/bar.js";
export { cell } from "./node_modules/@observablehq/plot/src/marks/cell.js";
export { dot } from "./node_modules/@observablehq/plot/src/marks/dot.js";
export { lineY } from "./node_modules/@observablehq/plot/src/marks/line.js";
export { ruleX, ruleY } from "./node_modules/@observablehq/plot/src/marks/rule.js";
export { text } from "./node_modules/@observablehq/plot/src/marks/text.js";

/** A chart of Observable Plot that follows its width and the theme's colours.
 *  `options(width)` returns Plot's options, `describe()` the text read instead of the picture. */
export function chart({ options, describe }) {
  const picture = h("div", { class: "cnn-chart", role: "img" });
  let width = 0;                                        // of what is drawn: what has just been is not drawn again
  const draw = () => {
    width = Math.floor(picture.clientWidth);
    if (!width) return;                                 // not on the page yet; the observer draws it then
    const figure = plot({ width, ...options(width), style: { background: "none", color: "inherit" } });
    figure.setAttribute("aria-hidden", "true");
    picture.setAttribute("aria-label", describe());
    picture.replaceChildren(figure);
  };
  const stop = whenResized(picture, () => { if (Math.floor(picture.clientWidth) !== width) draw(); });
  return { element: picture, draw, stop };
}
