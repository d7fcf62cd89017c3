// On paper folded results stand open, and every widget is drawn as its knobs are. Solutions, hints and the code of
// figures stay shut, by decision; the line that is left says so (book.css).
const opened = new Set();

/** Is it a result, that of a cell or a box of text, and no solution, nor the source of a class? */
const CODE = ".cell_output .cnnlib-html > .highlight:only-child";
const isResult = (fold) => (fold.matches(".hide") ? fold.matches(`:has(.cell_output):not(:has(${CODE}))`)
  : fold.matches(".sd-dropdown") && !fold.querySelector("summary").textContent.trim().startsWith("Solution"));

addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("article details:not([open])")) {
    if (!isResult(fold)) continue;
    fold.open = true;
    opened.add(fold);
  }
  globalThis.cnnlib?.mountAll().then(cnnlib.ui.drawResized);        // after the folds: a chart measures its place
});

addEventListener("afterprint", () => {
  for (const fold of opened) fold.open = false;
  opened.clear();
});
