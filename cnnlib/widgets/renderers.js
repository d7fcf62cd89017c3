// Which module draws which widget, by the name of its Python class.
import { render as DrawDigit } from "./draw_digit.js";
import { render as RecordedCurves } from "./recorded_curves.js";
import { render as SizeRule } from "./size_rule.js";

export const renderers = { DrawDigit, RecordedCurves, SizeRule };
