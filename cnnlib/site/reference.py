"""The reference of the library, `book/api/`: code on the pages leads to it, and it leads back to the pages.

Where a page's code first calls a public name, the call is a link. A landing page names all that its chapter calls; the
entry of a name lists a page of each chapter that calls it. All of it is read from the notebooks' code.
"""

import ast
import html
import json
import re
from functools import lru_cache
from importlib import import_module
from pathlib import Path

from docutils import nodes
from sphinx import addnodes

import cnnlib

from ..course import chapters, reading

PACKAGES = ("models", "anatomy", "data", "training", "records")
PAGES = "book/api"
MAGIC = re.compile(r"^(\s*)%pip .*", re.M)
HIDDEN = {"remove-cell", "remove-input"}


@lru_cache
def entries():
    """{a name in full: its entry}: `cnnlib.create_model`, too, is the entry `cnnlib.models.create_model`."""
    found = {}
    for package in PACKAGES:
        module = import_module(f"cnnlib.{package}")
        for name in module.__all__:
            entry = f"{module.__name__}.{name}"
            found[entry] = entry
            if hasattr(value := getattr(module, name), "__qualname__"):
                found[f"{value.__module__}.{value.__qualname__}"] = entry
            if name in cnnlib.__all__:
                found[f"cnnlib.{name}"] = entry
    return found


def calls(code):
    """{entry: how the code writes it}, `{"cnnlib.data.load": "data.load"}`, in the order of the first calls."""
    tree = ast.parse(MAGIC.sub(r"\1pass", code))
    bound = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            bound |= {alias.asname or alias.name.split(".")[0]: alias.name if alias.asname else alias.name.split(".")[0]
                      for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            bound |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    written = [(node.lineno, node.col_offset, ast.unparse(node.func)) for node in ast.walk(tree)
               if isinstance(node, ast.Call)]
    found = {}
    for *_, name in sorted(written):
        first, dot, rest = name.partition(".")
        if entry := entries().get(f"{bound.get(first, '')}{dot}{rest}"):
            found.setdefault(entry, name)
    return found


@lru_cache
def _on_page(path, _changed):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return calls("\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"
                           and not HIDDEN & set(cell["metadata"].get("tags", ()))))


def on_page(path):
    """What the visible code of a notebook calls, as `calls` says it."""
    return _on_page(path, path.stat().st_mtime)


def pages_of(entry, root):
    """The first notebook of each chapter that calls it, in order."""
    first = {}
    for path in chapters.notebooks(root=root):
        if entry in on_page(path):
            first.setdefault(path.parent, path)
    return list(first.values())


def address(app, docname, entry):
    """The address of an entry, as seen from a page."""
    _, package, _ = entry.split(".")
    return f"{app.builder.get_relative_uri(docname, f'{PAGES}/{package}')}#{entry}"


def line(words, links):
    """A paragraph: some words, then (text, address) as links."""
    paragraph = nodes.paragraph("", words, classes=["api"])
    for number, (text, uri) in enumerate(links):
        paragraph += [nodes.Text(" · " if number else " "), nodes.reference("", "", text, refuri=uri, internal=True)]
    return paragraph


def lead(app, doctree, docname):
    """End a landing page with what its chapter calls, and each entry of the reference with the pages that call it."""
    root = Path(app.srcdir)
    folder, _, page = docname.rpartition("/")
    if page == reading.LANDING:
        used = {entry: None for path in chapters.notebooks(folder.rpartition("/")[2], root) for entry in on_page(path)}
        links = [(nodes.literal(text=entry.removeprefix("cnnlib.")), address(app, docname, entry)) for entry in used]
        if links:
            next(doctree.findall(nodes.section)).append(line("What the chapter uses of the library:", links))
    elif folder == PAGES:
        for described in doctree.findall(addnodes.desc):
            entry = next((id for id in described.children[0]["ids"] if id in entries()), None)
            links = [(nodes.Text(reading.read(path).title), app.builder.get_relative_uri(
                docname, path.relative_to(root).with_suffix("").as_posix())) for path in pages_of(entry, root)]
            if links:
                described.children[-1].append(line("Used in", links))


def link_calls(app, pagename, templatename, context, doctree):
    """Make the first call of each public name, in the code of a notebook's page, a link to its entry."""
    path = Path(app.srcdir, f"{pagename}.ipynb")
    if "body" not in context or not path.is_file():
        return
    for entry, written in on_page(path).items():
        tokens = r'<span class="o">\.</span>'.join(
            rf'<span class="n\w*">{html.escape(part)}</span>' for part in written.split("."))
        call = re.compile(rf'(?<!<span class="o">\.</span>)({tokens})(?=<span class="p">\()')
        uri = address(app, pagename, entry)
        context["body"] = call.sub(rf'<a class="reference internal api" href="{uri}">\1</a>', context["body"], count=1)


def depend(app, docname, source):
    """The reference shows what the notebooks call, so it is written again with these."""
    if docname.startswith(f"{PAGES}/"):
        for path in chapters.notebooks(root=app.srcdir):
            app.env.note_dependency(path.relative_to(app.srcdir).as_posix())


def setup(app):
    app.connect("source-read", depend)
    app.connect("doctree-resolved", lead)
    app.connect("html-page-context", link_calls)
