// Which module draws which widget, by the name of its Python class: one line a widget. build.mjs reads them, too.
export { render as BlockGallery } from "./block_gallery.js";
export { render as DrawDigit } from "./draw_digit.js";
export { render as Explorer } from "./explorer.js";
export { render as KernelLab } from "./kernel_lab.js";
export { render as Learning } from "./learning.js";
export { render as LesionBench } from "./lesion_bench.js";
export { render as PathLab } from "./path_lab.js";
export { render as Predict } from "./predict.js";
export { render as RecordedCurves } from "./recorded_curves.js";
export { render as SizeRule } from "./size_rule.js";
export { render as Explore } from "./explore.js";
