"""Sphinx extension of the book: its widgets and answer boxes on static pages, its address, time line and status page.

Nothing here reaches for the network: a built page must work from a file, alone.
"""

import json
import re
from pathlib import Path

import yaml
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.errors import ExtensionError

from . import answers, formulas, minutes, moved, reference, search, styles
from .address import repository_url
from .ledger import Ledger
from .status import Status
from .timeline import Timeline

PACKAGE = Path(__file__).resolve().parent.parent
WIDGET_SCRIPTS = PACKAGE / "widgets" / "dist" / "page"          # see build.mjs there
WIDGET_STYLE = PACKAGE / "widgets" / "widgets.css"
TEMPLATES = Path(__file__).resolve().parent / "templates"
PRINT = Path(__file__).with_name("print.js")
WIDGET_MARK = re.compile(r'<div class="cnnlib-widget" data-kind="(\w+)"')

WIDGET_TRAINS = " data-trains>"              # the end of that tag where the widget trains in the page

NEEDED_BY = {                   # script -> what in a page needs it
    "design-tabs.js": ("sd-tab-set",),
    "togglebutton.js": ("toggle", "dropdown"),
    "copybutton.js": ('class="highlight',),
    "clipboard.min.js": ('class="highlight',),
}

BINDER = "https://mybinder.org"
COLAB = "https://colab.research.google.com"


class WidgetDirective(Directive):
    """Place a widget in a Markdown page; its answers are computed while the book is built.

    The argument names a class of `cnnlib.widgets`, the content is YAML with its keyword arguments:

        ```{widget} DrawDigit
        size: small
        ```
    """

    required_arguments = 1
    has_content = True

    def run(self):
        from cnnlib import widgets

        name = self.arguments[0]
        if name not in (known := [widget.__name__ for widget in widgets.WIDGETS]):
            raise self.error(f"widget {name!r} is unknown; cnnlib.widgets has {', '.join(known)}")
        options = yaml.safe_load("\n".join(self.content)) or {}
        return [nodes.raw("", getattr(widgets, name)(**options).to_html(), format="html")]


def set_address(app, config):
    """Give the theme the book's address, and buttons that lead there; without an address, neither."""
    theme = config.html_theme_options
    url = repository_url(app.srcdir)
    theme.pop("repository_url", None)
    if not url:
        return
    theme.update(repository_url=url, use_repository_button=True,
                 launch_buttons={"binderhub_url": BINDER, "notebook_interface": "jupyterlab"})
    if url.startswith("https://github.com/"):       # Colab opens notebooks from GitHub only
        theme["launch_buttons"]["colab_url"] = COLAB


def copy_widgets(app):
    """Put the scripts of widgets and answer boxes, and their style sheet, beside the theme's files."""
    if app.builder.format != "html":
        return
    scripts = sorted(WIDGET_SCRIPTS.glob("*.js"))
    if not scripts:
        raise ExtensionError(f"no scripts in {WIDGET_SCRIPTS}; `make widgets` writes them")
    static = Path(app.outdir) / "_static"
    (static / "widgets").mkdir(parents=True, exist_ok=True)
    for source in scripts:
        (static / "widgets" / source.name).write_bytes(source.read_bytes())
    for source in (WIDGET_STYLE, PRINT, answers.SCRIPT):
        (static / source.name).write_bytes(source.read_bytes())
    app.add_css_file(WIDGET_STYLE.name, priority=400)


def widget_scripts(body):
    """The scripts that the widgets in a page's body need, each once and in order; ExtensionError for an unknown one."""
    needs = json.loads((WIDGET_SCRIPTS / "scripts.json").read_text(encoding="utf-8"))
    kinds = list(dict.fromkeys(WIDGET_MARK.findall(body)))
    if unknown := [kind for kind in kinds if kind not in needs]:
        raise ExtensionError(f"no script draws the widget {', '.join(unknown)}: list it in widgets/renderers.js and "
                             "run `make widgets`")
    trains = needs["data-trains"] if WIDGET_TRAINS in body else []
    first, *others = dict.fromkeys(script for kind in kinds for script in needs[kind]) or [None]
    return [script for script in (first, *trains, *others) if script]


def choose_scripts(app, pagename, templatename, context, doctree):
    """Load a script on the pages that have something for it to do, and only there."""
    body = context.get("body", "")
    for script in widget_scripts(body):
        app.add_js_file(f"widgets/{script}", loading_method="defer")
    if "<details" in body or WIDGET_MARK.search(body):
        app.add_js_file(PRINT.name, loading_method="defer")
    if answers.MARK in body:
        app.add_js_file(answers.SCRIPT.name, loading_method="defer")
    idle = {name for name, marks in NEEDED_BY.items() if not any(mark in body for mark in marks)}
    context["script_files"] = [script for script in context["script_files"]
                               if Path(getattr(script, "filename", None) or "").name not in idle]


def mend_names(app, pagename, templatename, context, doctree):
    """What screen readers are told: entries of the bibliography stand in a list, so they are list items; and a
    folded cell is called what it says ("Show code cell source")."""
    if "body" in context:
        context["body"] = (context["body"].replace('role="doc-biblioentry"', 'role="listitem"')
                           .replace('<summary aria-label="Toggle hidden content">', "<summary>"))


def drop_widget_state(app, env):
    """Saved ipywidgets state would pull require.js from a CDN; the pages carry their own answers."""
    for document in getattr(env, "nb_metadata", {}).values():
        scripts = document.get("js_files", {})
        for name in [name for name in scripts if name.startswith("ipywidgets")]:
            del scripts[name]


def drop_icon_script(app, exception):
    """Empty the theme's Font Awesome script (over 1 MB): `book/assets/icons.css` draws the few icons in use."""
    script = Path(app.outdir) / "_static" / "scripts" / "fontawesome.js"
    if exception is None and script.is_file():
        script.write_text("/* icons: see icons.css */\n", encoding="utf-8")
        script.with_name("fontawesome.js.map").unlink(missing_ok=True)


def setup(app):
    app.add_directive("widget", WidgetDirective)
    app.add_directive("timeline", Timeline)
    app.add_directive("status", Status)
    app.add_directive("ledger", Ledger)
    app.connect("config-inited", set_address, priority=100)
    app.connect("config-inited", lambda app, config: config.templates_path.append(str(TEMPLATES)))
    app.connect("builder-inited", copy_widgets)
    app.connect("env-updated", drop_widget_state)
    app.connect("html-page-context", choose_scripts, priority=600)
    app.connect("html-page-context", mend_names)
    app.connect("build-finished", drop_icon_script)
    answers.setup(app)
    formulas.setup(app)
    minutes.setup(app)
    moved.setup(app)
    reference.setup(app)
    search.setup(app)
    styles.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
