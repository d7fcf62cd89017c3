// The search page: pages in which a section has all the words, chapters before what is about the book; under each the
// sections, with the place. `searchTexts` is written by search.py.
const SECTIONS = 3, BEFORE = 70, AFTER = 130;           // sections shown of a page; letters around the place

const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
const stem = (word) => (word.length > 4 ? word.replace(/(ies|es|s|ing|ed)$/, "") : word);
const asked = new URLSearchParams(location.search).get("q")?.trim() ?? "";
const words = plain(asked).match(/[\p{L}\p{N}]+/gu) ?? [];
const starts = words.map((word) => new RegExp(`(?<![\\p{L}\\p{N}])${stem(word)}`, "giu"));

/** How often a text has a word. */
const count = (text, start) => (text.match(start) ?? []).length;

/** How much a section is about the words: 0 if one is missing; a heading counts as ten places, a long text no more. */
function score([, heading, text], title) {
  const found = starts.map((start) => 10 * count(plain(heading), start) + Math.min(3, count(plain(text), start))
    + 5 * count(plain(title), start));
  return found.every(Boolean) ? found.reduce((sum, each) => sum + each) : 0;
}

const element = (tag, attributes, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};

/** The place of the first word in a text, with the words marked. */
function excerpt(text) {
  const place = Math.max(0, Math.min(...starts.map((start) => plain(text).search(start)).filter((at) => at >= 0)));
  const from = Math.max(0, text.lastIndexOf(" ", Math.max(0, place - BEFORE))), part = text.slice(from, place + AFTER);
  const line = element("p", { class: "context" }, from ? "… " : ""), any = RegExp(starts.map(({ source }) =>
    `${source}[\\p{L}\\p{N}]*`).join("|"), "giu");
  let at = 0;
  for (const found of part.matchAll(any)) {
    line.append(part.slice(at, found.index), element("mark", {}, found[0]));
    at = found.index + found[0].length;
  }
  line.append(part.slice(at), text.length > place + AFTER ? " …" : "");
  return line;
}

function results() {
  const found = searchTexts.map(([address, title, aboutTheBook, sections]) => {
    const best = sections.map((section) => ({ section, points: score(section, title) }))
      .filter(({ points }) => points).sort((a, b) => b.points - a.points);
    return { address, title, aboutTheBook, best };
  }).filter(({ best }) => best.length);
  return found.sort((a, b) => a.aboutTheBook - b.aboutTheBook || b.best[0].points - a.best[0].points);
}

function show() {
  const place = document.getElementById("search-results"), found = words.length ? results() : [];
  document.querySelectorAll("form.bd-search input").forEach((field) => { field.value = asked; });
  if (!words.length) return;
  const many = found.length === 1 ? "One page has" : `${found.length || "No"} pages have`;
  place.append(element("p", { role: "status" }, `${many} “${asked}” in ${found.length === 1 ? "a section" : "one of their sections"}.`),
    element("ul", { class: "search" }, ...found.map(({ address, title, best }) => element("li", {},
      element("a", { href: address }, title),
      element("ul", {}, ...best.slice(0, SECTIONS).map(({ section: [anchor, heading, text] }) => element("li", {},
        element("a", { href: `${address}#${anchor}` }, heading), excerpt(text))))))));
}

show();
