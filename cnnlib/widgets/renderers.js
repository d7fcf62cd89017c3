// Which module draws which widget, by the name of its Python class.
import { render as SizeRule } from "./size_rule.js";

export const renderers = { SizeRule };
