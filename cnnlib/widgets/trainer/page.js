// The page's side of the trainer: a Worker from the text of worker.js, which the build puts here. Nothing is fetched.
import WORKER from "text:./worker.js";

export { unpacked } from "./pictures.js";

const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];
let address;

/** Why this browser cannot train; empty if it can. */
export function missing() {
  if (typeof Worker === "undefined" || typeof DecompressionStream === "undefined") return "Workers and DecompressionStream";
  return typeof WebAssembly === "object" && WebAssembly.validate(Uint8Array.from(SIMD)) ? "" : "WebAssembly with SIMD";
}

/** Start a training in a Worker of its own; see worker.js for `job` and for what `tell` is told. */
export function start(job, tell) {
  address ??= URL.createObjectURL(new Blob([WORKER], { type: "text/javascript" }));
  const worker = new Worker(address);
  worker.onmessage = ({ data }) => tell(data);
  worker.onerror = (problem) => tell({ failed: problem.message || "the browser refuses the Worker" });
  worker.postMessage(job);
  return { pause: () => worker.postMessage("pause"), goOn: () => worker.postMessage("go on"),
    watch: (watch) => worker.postMessage({ watch }), stop: () => worker.terminate() };
}
