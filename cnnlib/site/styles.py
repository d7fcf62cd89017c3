"""The theme's style sheets without the rules that no page of the book can use: two thirds of their 500 kB."""

import re
from pathlib import Path

SHEETS = ("styles/pydata-sphinx-theme.css", "sphinx-design.min.css", "mystnb.*.css")
BLOCK = re.compile(r"([^{}]*)\{")
CLASS_NAME = re.compile(r"\.(-?[A-Za-z_][\w-]*)")
INSIDE = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"              # brackets and what they hold
CHOICES = re.compile(rf":(?:not|is|where|has){INSIDE}")           # they say little of what a rule needs
ONE_SELECTOR = re.compile(rf"(?:[^,(]|{INSIDE})+")


def pruned(sheet, known):
    """A style sheet without what is for classes that are not among the `known` names."""
    sheet, kept, at = re.sub(r"/\*.*?\*/", "", sheet, flags=re.S), [], 0
    while opening := BLOCK.search(sheet, at):
        head, end = opening[1].rpartition(";"), closing(sheet, opening.end())
        kept.append(head[0] + head[1])                                  # @charset and the like
        selector, body, at = head[2], sheet[opening.end():end - 1], end
        if selector.lstrip().startswith(("@media", "@supports")):
            body = pruned(body, known)
        elif not selector.lstrip().startswith("@"):
            selector = ",".join(one for one in ONE_SELECTOR.findall(selector)
                                if known.issuperset(CLASS_NAME.findall(CHOICES.sub("", one))))
        if selector.strip() and body.strip():
            kept.append(f"{selector}{{{body}}}")
    return "".join(kept) + sheet[at:]


def closing(sheet, at):
    """Behind the bracket that closes the block which is open at a place of the sheet."""
    depth = 1
    while depth:
        bracket = re.compile(r"[{}]").search(sheet, at)
        depth, at = depth + (1 if bracket[0] == "{" else -1), bracket.end()
    return at


def known_names(site):
    """The classes of all pages, and every word of the scripts, which may set some."""
    names = set()
    for page in site.rglob("*.html"):
        names.update(*(each.split() for each in re.findall(r'class="([^"]*)"', page.read_text(encoding="utf-8"))))
    for script in (site / "_static").rglob("*.js"):
        names.update(re.findall(r"[\w-]+", script.read_text(encoding="utf-8")))
    return names


def prune(app, exception):
    if exception or app.builder.format != "html":
        return
    known = known_names(Path(app.outdir))
    for pattern in SHEETS:
        for path in (Path(app.outdir) / "_static").glob(pattern):
            path.write_text(pruned(path.read_text(encoding="utf-8"), known), encoding="utf-8")


def setup(app):
    app.connect("build-finished", prune, priority=900)          # when all pages and scripts are there
