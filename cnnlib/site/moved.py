"""Old addresses: an #anchor of a chapter that was one long page leads to the section in which it stands now.

Whoever opens `book/resnet/index.html#the-block` is sent on to `residual.html#the-block` beside it. Where a heading has
a new name, a target of the old name stands above it in the section: `(a-puzzle)=`.
"""

import json
import posixpath
import re
from pathlib import Path

from docutils import nodes

from .minutes import sections_of

WIDGET = re.compile(r'<div class="cnnlib-widget" data-kind="(\w+)".*?>(\{.*?\})</script>', re.DOTALL)
# A widget's part of the address ends with what its knobs show: #path-lab?n=54
SCRIPT = """addEventListener("DOMContentLoaded", () => {{
  const moved = {moved};
  let anchor = location.hash.slice(1).split(/[?;]/)[0];
  try {{ anchor = decodeURIComponent(anchor); }} catch {{ /* no address of ours */ }}
  if (Object.hasOwn(moved, anchor)) location.replace(moved[anchor] + location.hash);
}});"""


def anchors(doctree):
    """The names to which an address can lead on a page: headings, targets, figures, and the titles of widgets."""
    found = [name for node in doctree.findall() if isinstance(node, (nodes.section, nodes.target, nodes.figure))
             for name in node["ids"]]
    for raw in doctree.findall(nodes.raw):
        for kind, content in WIDGET.findall(raw.astext()):
            title = json.loads(content)["state"].get("title") or re.sub(r"(?<!^)(?=[A-Z])", " ", kind)
            found.append(re.sub(r"[\W_]+", "-", title.lower()).strip("-"))
    return found


def lead_on(app, pagename, templatename, context, doctree):
    """Give a landing page the places of all that stands in its sections and not on itself."""
    moved = {}
    for name in sections_of(pagename, Path(app.srcdir)):
        page = posixpath.relpath(name, posixpath.dirname(pagename)) + ".html"
        for anchor in anchors(app.env.get_doctree(name)):
            moved.setdefault(anchor, page)
    for anchor in anchors(doctree) if moved else ():
        moved.pop(anchor, None)
    if moved:
        app.add_js_file(None, body=SCRIPT.format(moved=json.dumps(moved, sort_keys=True)))


def setup(app):
    app.connect("html-page-context", lead_on)
