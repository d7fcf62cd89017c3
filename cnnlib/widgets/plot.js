// The parts of Observable Plot that the book uses, imported one by one so that the rest stays out of the bundle.
export { plot } from "./node_modules/@observablehq/plot/src/plot.js";
export { areaY } from "./node_modules/@observablehq/plot/src/marks/area.js";
export { axisX, axisY, gridX, gridY } from "./node_modules/@observablehq/plot/src/marks/axis.js";
export { barX, barY } from "./node_modules/@observablehq/plot/src/marks/bar.js";
export { dot } from "./node_modules/@observablehq/plot/src/marks/dot.js";
export { lineY } from "./node_modules/@observablehq/plot/src/marks/line.js";
export { ruleX, ruleY } from "./node_modules/@observablehq/plot/src/marks/rule.js";
export { text } from "./node_modules/@observablehq/plot/src/marks/text.js";
