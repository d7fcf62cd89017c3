// Entry of the bundle that anywidget loads when there is a kernel.
import * as renderers from "./renderers.js";

export default { render: (view) => renderers[view.model.get("widget_name")](view) };
