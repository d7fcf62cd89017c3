"""What the search page searches: the text of every section of every page, in a script, so that files can be searched.

It is read from the pages as they were written, so numbers that cells have glued into the text are found, too. Code,
results and widgets are left out.
"""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

SCRIPT = Path(__file__).with_name("search.js")
TEXTS = "search-texts.js"
ARTICLE = re.compile(r'<article class="bd-article">(.*?)</article>', re.DOTALL)
BULK = re.compile(r"<(script|style|svg|pre|button)\b.*?</\1>", re.DOTALL)
HEADINGS = {"h1", "h2", "h3", "h4"}
ABOUT_THE_BOOK = {"book/status", "book/references"}


class Sections(HTMLParser):
    """The sections of an article: [anchor, heading, text]; the first one is the page itself."""

    def __init__(self, html):
        super().__init__()
        self.found, self.anchors, self.heading, self.link = [], [], False, False
        self.feed(BULK.sub(" ", html))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "section":
            self.anchors.append(attributes.get("id", ""))
        elif tag in HEADINGS and self.anchors:
            self.found.append([self.anchors[-1], "", ""])
            self.heading = True
        self.link = tag == "a" and "headerlink" in attributes.get("class", "")

    def handle_endtag(self, tag):
        if tag == "section" and self.anchors:
            self.anchors.pop()
        if tag in HEADINGS:
            self.heading = False
        self.link = False
        if self.found and tag in ("p", "li", "td", "th", "dt", "dd"):
            self.found[-1][2] += " "

    def handle_data(self, data):
        if self.found and not self.link:
            self.found[-1][1 if self.heading else 2] += data


def texts(site, pages):
    """[address, title, is it about the book, its sections] of each of the `pages` (document names) of a built site."""
    found = []
    for name in pages:
        article = ARTICLE.search((site / f"{name}.html").read_text(encoding="utf-8"))
        sections = [[anchor, *(" ".join(text.split()) for text in both)]
                    for anchor, *both in Sections(article[1] if article else "").found]
        if sections:
            found.append([f"{name}.html", sections[0][1], name in ABOUT_THE_BOOK, sections])
    return found


def write(app, exception):
    if exception is None and app.builder.format == "html":
        static = Path(app.outdir) / "_static"
        found = json.dumps(texts(Path(app.outdir), sorted(app.env.found_docs)), ensure_ascii=False)
        (static / TEXTS).write_text(f"globalThis.searchTexts = {found};\n", encoding="utf-8")
        (static / SCRIPT.name).write_bytes(SCRIPT.read_bytes())


def setup(app):
    app.connect("build-finished", write)
