// Bundle the widgets: dist/widgets.mjs for a kernel (anywidget), dist/widgets.static.js for pages without one.
// The banner carries the hash of everything the bundle is made from; tests/test_widgets.py compares it.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
process.chdir(here);

const hash = createHash("sha256");
for (const name of readdirSync(".").filter((name) => /\.(js|mjs|json)$/.test(name)).sort())
  hash.update(`${name}\0`).update(readFileSync(name)).update("\0");
const banner = `/*! cnnlib widgets, sources sha256:${hash.digest("hex")}. `
  + "Contains Observable Plot and D3 (ISC) and others: see LICENSES.txt. */";

const options = { bundle: true, minify: true, target: "es2021", charset: "utf8", legalComments: "none",
  banner: { js: banner }, metafile: true, absWorkingDir: here };
const results = await Promise.all([
  build({ ...options, entryPoints: ["live.js"], outfile: "dist/widgets.mjs", format: "esm" }),
  build({ ...options, entryPoints: ["static_runtime.js"], outfile: "dist/widgets.static.js", format: "iife" }),
]);

// The licence of every package of which at least one line is in the bundle.
const used = Object.entries(results[1].metafile.outputs["dist/widgets.static.js"].inputs)
  .map(([file, { bytesInOutput }]) => bytesInOutput && file.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1]);
const licences = [...new Set(used)].filter(Boolean).sort().map((name) => {
  const folder = join("node_modules", name), about = JSON.parse(readFileSync(join(folder, "package.json")));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  if (!file) throw new Error(`no licence file in ${folder}`);
  return `${name} ${about.version} (${about.license})\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
});
mkdirSync("dist", { recursive: true });
writeFileSync("dist/LICENSES.txt", licences.join(`\n${"-".repeat(80)}\n\n`));
for (const file of ["dist/widgets.mjs", "dist/widgets.static.js"])
  console.log(`${file}  ${Math.round(readFileSync(file).length / 1024)} KB`);
