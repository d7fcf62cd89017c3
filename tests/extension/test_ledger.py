"""The ledger of all claims: every claim once, under its verdict, with a link to the page that settles it."""

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

from cnnlib.course import chapters, claims
from cnnlib.site import ledger

ROOT = Path(__file__).parents[2]


class Rows(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.classes, self.links = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag == "tr" and dict(attributes).get("class"):
            self.classes.append(dict(attributes)["class"])
        elif tag == "a":
            self.links.append(dict(attributes)["href"])


def test_every_claim_stands_there_with_its_verdict_and_its_page():
    entries, pages = claims.load(), ledger.places(ROOT)
    rows = Rows(ledger.table(entries.values(), pages))
    assert rows.classes == [f"is-{claim.verdict}" for claim in entries.values()]
    assert rows.links == [pages[claim.chapter] for claim in entries.values() if claim.chapter in pages]


def test_the_pages_are_in_the_book():
    listed = {f"book/{chapters.page(path)}" for path in chapters.notebooks(root=ROOT)}
    assert set(ledger.places(ROOT).values()) <= listed
    assert set(ledger.places(ROOT)) >= {"lenet", "vgg", "comparison"}


def test_each_choice_says_how_many_rows_it_leaves_and_the_style_sheet_knows_it():
    text = ledger.table(claims.load().values(), ledger.places(ROOT))
    counts = Counter(claim.verdict for claim in claims.load().values())
    css = (ROOT / "book" / "assets" / "book.css").read_text(encoding="utf-8")
    for verdict in claims.VERDICTS:
        assert f'value="{verdict}"> {verdict} ({counts[verdict]})' in text
        assert f'input[value="{verdict}"]:checked) tbody tr:not(.is-{verdict})' in css
    assert re.search(rf'value="all" checked> all \({counts.total()}\)', text)


def test_what_a_claim_says_is_no_markup():
    spoilt = claims.Claim("lenet/x", "<b>claim</b>", "a blog", "true", "{n} < 2", {"expected": {"n": 1}})
    assert "&lt;b&gt;claim" in ledger.row(spoilt, "p.html") and "1 &lt; 2" in ledger.row(spoilt, "p.html")
