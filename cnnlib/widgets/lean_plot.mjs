// What the book leaves out of Observable Plot when it bundles it: maps, colour schemes, legends, tips and curved
// lines, a third of its weight. A chart that asks for one of them fails at once, with its name.
const out = (what) => `() => { throw new Error("${what} is left out of this bundle: see lean_plot.mjs"); }`;

const REPLACED = {
  "plot/src/projection.js": `
    export const createProjection = () => {}, hasProjection = () => false, projectionAspectRatio = () => {},
      getGeometryChannels = ${out("a map")}, xyProjection = ${out("a map")}, project = ${out("a map")};`,
  "d3-geo/dist/d3-geo.mjs": `export const geoPath = ${out("a map")};`,
  "plot/src/scales/schemes.js": `
    export const isCategoricalScheme = () => false, isDivergingScheme = () => false, maybeBooleanRange = () => {},
      ordinalScheme = ${out("a colour scheme")}, ordinalRange = ${out("a colour scheme")},
      quantitativeScheme = ${out("a colour scheme")};`,
  "plot/src/legends.js": `export const createLegends = () => [], exposeLegends = () => ${out("a legend")};`,
  "plot/src/marks/tip.js": `export const tip = ${out("a tip")};`,
  "plot/src/interactions/pointer.js": `
    export const pointer = ${out("a tip")}, pointerX = pointer, pointerY = pointer;`,
  "plot/src/curve.js": `
    import { curveLinear, curveStep } from "d3";
    export const curveAuto = (context) => curveLinear(context);
    export const maybeCurve = (curve = "linear") => ({ linear: curveLinear, step: curveStep })[curve];
    export const maybeCurveAuto = (curve) => (curve === undefined ? curveAuto : maybeCurve(curve));`,
};

export const leanPlot = {
  name: "lean plot",
  setup: ({ onLoad }) => onLoad({ filter: /[\\/](plot[\\/]src|d3-geo)[\\/]/ }, ({ path }) => {
    const name = Object.keys(REPLACED).find((end) => path.replaceAll("\\", "/").endsWith(end));
    return name && { contents: REPLACED[name], resolveDir: path.replace(/[\\/][^\\/]*$/, "") };
  }),
};
