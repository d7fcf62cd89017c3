"""Ledgers and exhibits are folded in every chapter, and the line that is left says what lies under it."""

import re
from collections import Counter

import nbformat
import pytest

from cnnlib.course import bugs, chapters, claims, reading

PAGES = chapters.notebooks()
CLINICS = [path for path in PAGES if path.stem == "bugs" or path.parent.name not in reading.in_sections()]


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
    return [(found[1], cell) for cell in code if (found := re.fullmatch(function + r'\("(\w+)"\)', cell.source))]


@pytest.mark.parametrize("path", PAGES, ids=chapters.page)
def test_ledgers_are_folded_under_their_counts(path):
    for chapter, cell in cells(path, r"claims\.show"):
        verdicts = Counter(claim.verdict for claim in claims.load().values() if claim.chapter == chapter)
        tally = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in claims.VERDICTS if verdicts[verdict])
        assert folded(cell) == f"The ledger, {verdicts.total()} claims: {tally}"


@pytest.mark.parametrize("path", CLINICS, ids=chapters.page)
def test_exhibits_are_folded_under_their_titles(path):
    exhibits = cells(path, r"bugs\.show")
    assert len(exhibits) >= 3
    for name, cell in exhibits:
        assert folded(cell) in (None, f"{name}: {bugs.get(name).title}")
    assert sum(folded(cell) is None for _, cell in exhibits) < len(exhibits)       # one is open, to be met at once
