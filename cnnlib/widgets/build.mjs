// Bundle the widgets. With a kernel anywidget loads dist/live.mjs, one module with everything. A page without a kernel
// loads classic scripts, which also work from a file: dist/page/core.js, the modules of SHARED, and one a widget;
// dist/page/scripts.json says which a widget needs, in order.
// Every banner carries the hash of all that the bundles are made from; tests/widgets/test_widgets.py compares it.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { leanPlot } from "./lean_plot.mjs";

const SHARED = ["ui", "plot", "curves_chart", "train_here"];        // what widgets share on a page, in order of need

const here = dirname(fileURLToPath(import.meta.url));
process.chdir(here);

const hash = createHash("sha256");
const sources = [".", "trainer"].flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)));
for (const name of sources.filter((name) => /\.(js|mjs|json)$/.test(name)).sort())
  hash.update(`${name}\0`).update(readFileSync(name)).update("\0");
const banner = `/*! cnnlib widgets, sources sha256:${hash.digest("hex")}. `
  + "Contains Observable Plot and D3 (ISC) and others: see LICENSES.txt. */";
const options = { bundle: true, minify: true, target: "es2021", charset: "utf8", legalComments: "none",
  banner: { js: banner }, metafile: true, absWorkingDir: here };

/** Import a shared module as what its own script has left in `cnnlib`; `but` itself is bundled. */
const shared = (but) => ({
  name: "shared",
  setup({ onResolve, onLoad }) {
    const others = SHARED.filter((name) => name !== but);
    onResolve({ filter: RegExp(`^\\./(${others.join("|")})\\.js$`) }, ({ path }) => ({ path, namespace: "shared" }));
    onLoad({ filter: /./, namespace: "shared" },
      ({ path }) => ({ contents: `module.exports = cnnlib.${path.slice(2, -3)}` }));
  },
});

/** `import text from "text:./file.js"`: the file, bundled as a script of its own, as text. */
const asText = {
  name: "as text",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^text:/ }, ({ path, resolveDir }) => ({ path: join(resolveDir, path.slice(5)), namespace: "text" }));
    onLoad({ filter: /./, namespace: "text" }, async ({ path }) => {
      const { outputFiles: [{ text }] } = await build({ ...options, banner: {}, entryPoints: [path], format: "iife", write: false });
      return { contents: text, loader: "text" };
    });
  },
};

/** Write one script of a page; returns the shared modules that it needs. */
async function script(name, contents, but) {
  const { metafile } = await build({ ...options, stdin: { contents, resolveDir: here }, format: "iife",
    outfile: `dist/page/${name}.js`, plugins: [shared(but), leanPlot, asText] });
  return SHARED.filter((other) => `shared:./${other}.js` in metafile.inputs);
}

rmSync("dist", { recursive: true, force: true });
mkdirSync("dist/page", { recursive: true });
const widgets = [...readFileSync("renderers.js", "utf8").matchAll(/render as (\w+) } from "(.*)"/g)];
const live = await build({ ...options, entryPoints: ["live.js"], outfile: "dist/live.mjs", format: "esm",
  plugins: [leanPlot] });
const needs = { ui: [] };                               // of every shared module: the others, all the way down
const down = (names) => SHARED.filter((each) => names.some((name) => name === each || needs[name].includes(each)));
await script("core", 'import "./static_runtime.js"', "ui");
for (const name of SHARED.slice(1))
  needs[name] = down(await script(name, `import * as all from "./${name}.js"; cnnlib.${name} = all;`, name));
const scripts = await Promise.all(widgets.map(async ([, name, file]) => {
  const shared = down(await script(name, `import { render } from "${file}"; cnnlib.define("${name}", render);`));
  return [name, ["core", ...shared.filter((each) => each !== "ui"), name].map((each) => `${each}.js`)];
}));
await script("trainer", 'import * as all from "./trainer/page.js"; cnnlib.trainer = all;');
await script("digits", 'import { DIGITS } from "./trainer/digits.js"; cnnlib.digits = DIGITS;');
scripts.push(["data-trains", ["trainer.js", "digits.js"]]);      // what bears this attribute trains in the page
writeFileSync("dist/page/scripts.json", `${JSON.stringify(Object.fromEntries(scripts), null, 1)}\n`);

// The licence of every package of which at least one line is in the bundle.
const used = Object.entries(live.metafile.outputs["dist/live.mjs"].inputs)
  .map(([file, { bytesInOutput }]) => bytesInOutput && file.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1]);
const licences = [...new Set(used)].filter(Boolean).sort().map((name) => {
  const folder = join("node_modules", name), about = JSON.parse(readFileSync(join(folder, "package.json")));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  if (!file) throw new Error(`no licence file in ${folder}`);
  return `${name} ${about.version} (${about.license})\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
});
writeFileSync("dist/LICENSES.txt", licences.join(`\n${"-".repeat(80)}\n\n`));
for (const file of ["live.mjs", ...readdirSync("dist/page").map((name) => `page/${name}`)])
  console.log(`dist/${file}  ${(readFileSync(join("dist", file)).length / 1000).toFixed(1)} kB`);
