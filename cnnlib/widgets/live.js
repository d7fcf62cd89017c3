// Entry of the bundle that anywidget loads when there is a kernel.
import { watched } from "./pulse.js";
import * as renderers from "./renderers.js";

export default {
  async render({ model: kernels, el }) {
    const { model, stop } = watched(kernels);
    const cleanup = await renderers[model.get("widget_name")]({ model, el });
    return () => { stop(); cleanup(); };
  },
};
