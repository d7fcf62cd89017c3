"""Ledgers and exhibits are folded in every chapter, and the line that is left says what lies under it."""

import re
from collections import Counter

import nbformat
import pytest

from cnnlib.course import bugs, chapters, claims

PAGES = chapters.notebooks()
CHAPTERS = dict.fromkeys(path.parent.name for path in PAGES)


def folded(cell):
    """The line that is left of a folded cell, open or not; None if it is not folded."""
    says = cell.metadata.get("mystnb", {})
    if not {"hide-cell", "hide-output"} & set(cell.metadata.get("tags", ())):
        return None
    assert says["code_prompt_show"] == says["code_prompt_hide"]
    return says["code_prompt_show"]


def cells(path, function):
    """(argument, cell) of every cell that is one call of the function."""
    code = (cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code")
    return [(found[1], cell) for cell in code if (found := re.fullmatch(function + r'\("([\w/-]+)"\)', cell.source))]


def shown(chapter, function):
    """Arguments of the calls on all pages of a chapter."""
    return [name for path in chapters.notebooks(chapter) for name, _ in cells(path, function)]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_exhibit_and_the_ledger_stand_once_in_their_chapter(chapter):
    assert sorted(shown(chapter, r"bugs\.show")) == sorted(bugs.list_exhibits(chapter))
    written = any(claim.chapter == chapter for claim in claims.load().values())
    assert shown(chapter, r"claims\.show") == written * [chapter]


@pytest.mark.parametrize("path", PAGES, ids=chapters.page)
def test_ledgers_are_folded_under_their_counts(path):
    for chapter, cell in cells(path, r"claims\.show"):
        verdicts = Counter(claim.verdict for claim in claims.load().values() if claim.chapter == chapter)
        tally = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in claims.VERDICTS if verdicts[verdict])
        assert folded(cell) == f"The ledger, {verdicts.total()} claims: {tally}"


@pytest.mark.parametrize("path", PAGES, ids=chapters.page)
def test_exhibits_are_folded_under_their_titles(path):
    exhibits = [(name, folded(cell)) for name, cell in cells(path, r"bugs\.show")]
    assert all(says in (None, bugs.get(name).title) for name, says in exhibits)
    assert len(exhibits) < 2 or any(says for _, says in exhibits)       # one may be open, to be met at once
