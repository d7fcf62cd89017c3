"""The whole ledger on one page: every claim of the book with its verdict and the page that settles it.

It is filtered by radio buttons and a style sheet: no script, so that it works wherever a page does.
"""

import html
import json
import os
import re

from docutils import nodes
from docutils.parsers.rst import Directive

from ..course import chapters, claims

SHOWN = re.compile(r'claims\.show\("(\w+)"\)')


class Ledger(Directive):
    """Every claim, written anew at each build."""

    def run(self):
        env = self.state.document.settings.env
        env.note_reread()
        here = os.path.dirname(env.docname)
        pages = {chapter: os.path.relpath(page, here) + ".html" for chapter, page in places(env.srcdir).items()}
        return [nodes.raw("", table(claims.load().values(), pages), format="html")]


def places(root):
    """{chapter: the page that shows its claims with what settles them}, such as book/lenet/sources."""
    found = {}
    for path in chapters.notebooks(root=root):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if shown := SHOWN.search("".join(cell["source"])):
                found[shown[1]] = f"book/{chapters.page(path)}"
    return found


def table(entries, pages):
    """HTML: a choice of verdicts, and a row a claim; its verdict is the row's class."""
    entries = list(entries)
    counts = {verdict: sum(claim.verdict == verdict for claim in entries) for verdict in claims.VERDICTS}
    buttons = "".join(
        f'<label><input type="radio" name="verdict" value="{verdict}"{" checked" * (verdict == "all")}> '
        f"{verdict} ({count})</label> " for verdict, count in {"all": len(entries), **counts}.items())
    rows = "".join(row(claim, pages.get(claim.chapter)) for claim in entries)
    head = '<tr><th scope="col">Verdict</th><th scope="col">Claim, and what is right</th></tr>'
    return (f'<form class="ledger"><fieldset><legend>Verdicts to be shown</legend>{buttons}</fieldset>'
            '<div class="wide-table" tabindex="0" role="region" aria-label="All claims of the book">'
            f'<table class="table"><thead>{head}</thead><tbody>{rows}</tbody></table></div></form>')


def row(claim, page):
    """One claim, with a link if its chapter has a page yet; the values of its statement are those that its computation
    is known to give."""
    name = f'<a href="{page}">{claim.id}</a>' if page else f"<code>{claim.id}</code>"
    right = claim.sentence(claim.settled_by.get("expected"))
    return (f'<tr class="is-{claim.verdict}"><td><span class="verdict verdict-{claim.verdict}">'
            f'<span aria-hidden="true">{claims.VERDICTS[claim.verdict]}</span> {claim.verdict}</span></td>'
            f"<td><strong>{html.escape(claim.claim)}</strong> {html.escape(right)} "
            f"{name}</td></tr>")
