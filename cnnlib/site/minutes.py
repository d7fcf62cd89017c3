"""The minutes that a page takes, wherever the book leads to it: counted by `cnnlib.course.reading`."""

import posixpath
import re
from pathlib import Path

from docutils import nodes

from ..course import chapters, reading
from ..course.reading import counted

LINK = re.compile(r'(<a class="[^"]*reference internal[^"]*" href="([^"]*)">)(.*?)(</a>)', re.DOTALL)


def pages(root):
    """{document name: its `Page`} of all chapters in sections; a landing page has the minutes of its whole chapter."""
    found = {}
    for chapter in reading.in_sections(root):
        own = {path: reading.read(path) for path in chapters.notebooks(chapter, root)}
        for path, page in own.items():
            if path.stem == reading.LANDING:
                page = page._replace(minutes=sum(each.minutes for each in own.values()),
                                     exercises=sum(each.exercises for each in own.values()))
            found[path.relative_to(root).with_suffix("").as_posix()] = page
    return found


def sections_of(landing, root):
    """{document name: `Page`} of the sections behind a landing page, in order; {} for any other document."""
    folder, _, stem = landing.rpartition("/")
    return {} if stem != reading.LANDING else {
        name: page for name, page in pages(root).items() if name.rpartition("/")[0] == folder and name != landing}


def tell(app, doctree, docname):
    """Write under the title of a page what it takes, and after the links of a landing page what they lead to."""
    known = pages(Path(app.srcdir))
    if docname not in known:
        return
    page = known[docname]
    title = next(doctree.findall(nodes.title))
    parts = [f"{counted(page.minutes, 'minute')} to read"]
    if page.exercises:
        parts.append(counted(page.exercises, "exercise"))
    landing = docname.endswith(f"/{reading.LANDING}")
    if not landing and page.seconds:
        parts.append(f"its cells run in {counted(max(1, round(page.seconds)), 'second')}")
    title.parent.insert(title.parent.index(title) + 1, nodes.paragraph("", " · ".join(parts), classes=["takes"]))
    for item in doctree.findall(nodes.list_item) if landing else ():
        link = next(item.findall(nodes.reference), None)
        target = link and target_of(docname, link.get("refuri", ""))
        if target in known and target != docname:
            item.children[0] += nodes.inline("", f" {known[target].takes}", classes=["takes"])


def target_of(docname, uri):
    """The document that a relative address on a page leads to."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(docname), uri.partition("#")[0])).removesuffix(".html")


def in_sidebar(app, pagename, templatename, context, doctree):
    """Let the side bar show minutes behind the titles of pages in sections, and name what unfolds these."""
    original, known = context.get("generate_toctree_html"), pages(Path(app.srcdir))
    if original is None:
        return

    def marked(link):
        target = pagename if link[2] == "#" else target_of(pagename, link[2])
        minutes = f'<span class="minutes">{known[target].minutes} min</span>' if target in known else ""
        return f"{link[1]}{link[3]}{minutes}{link[4]}"

    def toctree(*args, **kwargs):
        bar = LINK.sub(marked, str(original(*args, **kwargs)))
        toggle = '<span class="toctree-toggle"'
        return bar.replace(f"<summary>{toggle}", f'<summary aria-label="Sections">{toggle}')

    context["generate_toctree_html"] = toctree


def depend(app, docname, source):
    """A landing page and the first page show what the sections take, so they are written again with these."""
    names = pages(Path(app.srcdir))
    if docname in names or docname == app.config.root_doc:
        for name in names:
            app.env.note_dependency(f"{name}.ipynb")


def setup(app):
    app.connect("source-read", depend)
    app.connect("doctree-resolved", tell)
    app.connect("html-page-context", in_sidebar, priority=900)      # after the theme's
