"""The ledger of claims: what people write about these networks, a verdict on each, and what settles it.

The entries are in the folders of the chapters, `claims.yml`. A verdict rests on at least one of

* a **computation**: a few lines of Python whose last line is a dict of named values. It is run again whenever
  the ledger is shown or tested, and the numbers of the correct statement are filled in from its result;
* a **paper**: a key of the bibliography, the place, and the fact found there;
* a **reason** why there is nothing to compute or to look up.

    >>> from cnnlib.course import claims
    >>> claims.show("lenet")                    # the table of a chapter
    >>> claims.check("lenet/first-maps")        # {'size': 28, 'parameters': 156}
"""

import ast
import html
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from torch import nn

import cnnlib

from ..markup import Markup, html_table
from .chapters import ledgers
from .highlighting import python_html

__all__ = ["Claim", "Ledger", "check", "load", "show"]

# A verdict is a word and a sign, so that its colour is never needed.
VERDICTS = {"true": "✓", "false": "✗", "imprecise": "≈", "unverified": "?"}
FIELDS = ("id", "claim", "seen_in", "verdict", "statement", "settled_by")
SAFE = getattr(yaml, "CSafeLoader", yaml.SafeLoader)      # ten times as fast, where it was compiled
SETTLERS = ("computation", "expected", "paper", "reason")
PAPER = ("key", "where", "fact")
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Claim:
    """One entry. `id` is chapter and name, such as `lenet/first-maps`; a file of a chapter has the name only.
    `statement` may name values of the computation in braces, such as `{parameters:,}`."""

    id: str
    claim: str
    seen_in: str
    verdict: str
    statement: str
    settled_by: dict

    @property
    def chapter(self):
        return self.id.split("/")[0]

    @property
    def computation(self):
        return self.settled_by.get("computation")

    def measure(self):
        """Run the computation; return its dict of values, or None where the claim has no computation."""
        return run(self.computation) if self.computation else None

    def confirm(self):
        """Run the computation and compare with what the ledger expects; return the measured values.

        Raises:
            ValueError: the measured values are not the expected ones.
        """
        measured = self.measure()
        expected = self.settled_by.get("expected")
        if measured != expected:
            raise ValueError(f"claim {self.id}: measured {measured}, the ledger expects {expected}.")
        return measured

    def sentence(self, values):
        """The correct statement with the values filled in."""
        return self.statement.format(**(values or {}))


def run(source):
    """Run a computation of the ledger and return the dict on its last line, as plain lists and numbers.

    The computation can use the names `cnnlib`, `torch` and `nn`.
    """
    *body, last = ast.parse(source).body
    if not isinstance(last, ast.Expr):
        raise ValueError(f"a computation must end in an expression, this one ends in: {ast.unparse(last)}")
    names = {"cnnlib": cnnlib, "torch": torch, "nn": nn}
    exec(compile(ast.Module(body, []), "<claim>", "exec"), names)
    values = eval(compile(ast.Expression(last.value), "<claim>", "eval"), names)
    if not isinstance(values, dict):
        raise ValueError(f"a computation must end in a dict of named values, this one gives {values!r}.")
    return {name: _plain(value) for name, value in values.items()}


def _plain(value):
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def load(paths=None):
    """Read and check the ledger; return its claims by id, in the order of the chapters.

    Args:
        paths: files of another ledger than the book's own, each in a folder that is called like its chapter.

    Raises:
        ValueError: a missing or unknown field, an unknown verdict, an id given twice, nothing that settles
            the claim, or a statement that names a value its computation does not give.
    """
    claims = {}
    for file in map(Path, ledgers() if paths is None else paths):
        for number, entry in enumerate(yaml.load(file.read_text(encoding="utf-8"), SAFE), 1):
            try:
                claim = _read(entry, file.parent.name)
                if claim.id in claims:
                    raise ValueError(f"id {entry['id']!r} is given twice.")
            except ValueError as error:
                name = entry.get("id", "without id") if isinstance(entry, dict) else "without id"
                raise ValueError(f"{file}: entry {number} ({name}): {error}") from None
            claims[claim.id] = claim
    return claims


def _read(entry, chapter):
    _has_exactly(entry, FIELDS, FIELDS)
    entry = {**entry, "verdict": str(entry["verdict"]).lower()}     # YAML reads a bare true as a boolean
    if entry["verdict"] not in VERDICTS:
        raise ValueError(f"verdict is {entry['verdict']!r}, allowed: {', '.join(VERDICTS)}.")
    for name in FIELDS[:-1]:
        if not isinstance(entry[name], str) or not entry[name].strip():
            raise ValueError(f"{name} is {entry[name]!r}, allowed: a text.")
    if not NAME.fullmatch(entry["id"]):
        raise ValueError(f"id is {entry['id']!r}, allowed: a few words such as 'first-maps'.")
    settled = entry["settled_by"]
    _has_exactly(settled, SETTLERS, ())
    if not settled:
        raise ValueError("settled_by is empty, allowed: computation with expected, paper, reason.")
    if ("computation" in settled) != ("expected" in settled):
        raise ValueError("computation and expected belong together, one of them is missing.")
    if "paper" in settled:
        _has_exactly(settled["paper"], PAPER, PAPER)
    try:
        entry["statement"].format(**settled.get("expected", {}))
    except (KeyError, IndexError) as error:
        raise ValueError(f"statement names {error}, which is not among the expected values.") from None
    return Claim(**{**entry, "id": f"{chapter}/{entry['id']}"})


def _has_exactly(mapping, allowed, required):
    if not isinstance(mapping, dict):
        raise ValueError(f"found {mapping!r} where a mapping of {', '.join(allowed)} belongs.")
    for name in mapping:
        if name not in allowed:
            raise ValueError(f"field {name!r} is not known, allowed: {', '.join(allowed)}.")
    for name in required:
        if name not in mapping:
            raise ValueError(f"field {name!r} is missing.")


def check(claim_id):
    """Run the computation that settles a claim again and return what it measures, a dict of named values.

    Raises:
        ValueError: there is no such claim, or it is not settled by a computation.
    """
    claims = load()
    if claim_id not in claims:
        raise ValueError(f"claim {claim_id!r} is not known, allowed: {', '.join(claims)}.")
    claim = claims[claim_id]
    if claim.computation is None:
        kinds = " and ".join(claim.settled_by)
        raise ValueError(f"claim {claim_id} has no computation, it is settled by {kinds}.")
    return claim.measure()


def show(chapter):
    """The claims of a chapter as a table, every computation run again.

    Raises:
        ValueError: the chapter has no claims, or a computation no longer gives what the ledger expects.
    """
    claims = load().values()
    chosen = [claim for claim in claims if claim.chapter == chapter]
    if not chosen:
        chapters = dict.fromkeys(claim.chapter for claim in claims)
        raise ValueError(f"chapter {chapter!r} has no claims, allowed: {', '.join(chapters)}.")
    return Ledger(chapter, [(claim, claim.confirm()) for claim in chosen])


@dataclass(frozen=True)
class Ledger:
    """Claims with their measured values, shown as a table in a notebook and as text elsewhere."""

    chapter: str
    rows: list

    def __repr__(self):
        margin = " " * 5
        wrapper = textwrap.TextWrapper(
            100, initial_indent=margin, subsequent_indent=margin, break_on_hyphens=False
        )
        lines = []
        for claim, values in self.rows:
            lines.append(f"{claim.id} {VERDICTS[claim.verdict]} {claim.verdict}: {claim.claim}")
            lines.extend(wrapper.wrap(claim.sentence(values)))
        return "\n".join(lines)

    def _repr_html_(self):
        counts = {v: sum(claim.verdict == v for claim, _ in self.rows) for v in VERDICTS}
        tally = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
        rows = [_row(claim, values) for claim, values in self.rows]
        table = html_table(f"Verdicts: {tally}", ["Verdict", "Said, and right"], rows, first_width="8rem")
        return f'<div class="cnnlib-html cnnlib-claims">{table}</div>'


def _row(claim, values):
    """Verdict; claim, its right statement and the grounds."""
    return (
        Markup(f'<span class="verdict verdict-{claim.verdict}">'
               f'<span aria-hidden="true">{VERDICTS[claim.verdict]}</span> {claim.verdict}</span>'),
        Markup(f"<p><strong>{html.escape(claim.claim)}</strong> "
               f'<span class="claim-source">({html.escape(claim.seen_in)}) <code>{claim.id}</code></span></p>'
               f"<p>{html.escape(claim.sentence(values))}</p>{_grounds(claim, values)}"),
    )


def _grounds(claim, values):
    parts = []
    if values is not None:
        gives = ", ".join(f"{name} = {value}" for name, value in values.items())
        parts.append(f"{python_html(claim.computation)}<p>Measured: {html.escape(gives)}</p>")
    if paper := claim.settled_by.get("paper"):
        parts.append(f"<p>{html.escape(paper['where'])}: {html.escape(paper['fact'])}</p>")
    if reason := claim.settled_by.get("reason"):
        parts.append(f"<p>{html.escape(reason)}</p>")
    kinds = [kind for kind in SETTLERS if kind in claim.settled_by and kind != "expected"]
    return (
        f"<details><summary>How we know: {' and '.join(kinds)}"
        f'<span class="visually-hidden"> for {claim.id}</span></summary>{"".join(parts)}</details>'
    )
