"""The map of the book: the networks in the order in which they appeared, what they cost and what was reported of them.

`book/timeline.yml` holds what cannot be computed: year, idea, and the error that the paper reports, with the way in
which it was measured. Layers, parameters, MACs and kept bytes come from the networks themselves.
"""

import html

import yaml

from ..anatomy import of
from ..files import CHECKOUT, DATA
from ..markup import Markup, table

SOURCE = "book/timeline.yml"
FIELDS = {"name", "year", "family", "chapter", "new", "grew", "model", "input", "error", "measured", "paper"}
OPTIONAL = {"options", "note"}


def read(path=None):
    """Entries of the time line, a list of dicts in order of appearance.

    Raises:
        ValueError: an entry lacks a field or has one that is not known.
    """
    path = path or (CHECKOUT / SOURCE if CHECKOUT else DATA / "timeline.yml")
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    for entry in entries:
        missing, unknown = FIELDS - set(entry), set(entry) - FIELDS - OPTIONAL
        if missing or unknown:
            raise ValueError(f"{path.name}: {entry.get('name', entry)}: "
                             f"missing {sorted(missing)}, unknown {sorted(unknown)}")
    return entries


def measure(entry):
    """The `Summary` of the network of an entry, for one picture."""
    return of(entry["model"], tuple(entry["input"]), **entry.get("options", {}))


class Table:
    """The time line as a table, for a notebook: two lines a network, the second says how its error was measured."""

    HEAD = ("year", "network", "layers with weights", "million parameters", "million MACs", "error reported")

    def __init__(self):
        self.rows = [(self.counts(entry), f"{entry['measured']} ({entry['paper']})") for entry in read()]

    def counts(self, entry):
        found = measure(entry)
        return (str(entry["year"]), entry.get("note", entry["name"]), str(sum(stage.layers for stage in found.stages)),
                f"{found.total_params / 1e6:,.2f}", f"{found.total_macs / 1e6:,.1f}", entry["error"])

    def __repr__(self):
        lines = ["  ".join(self.HEAD), *("  ".join(counts) + f"\n    {note}" for counts, note in self.rows)]
        return "\n".join(lines)

    def _repr_html_(self):
        # Year and network head a group of rows: four columns are as many as fit a phone.
        head = [Markup(name.replace(" ", "<br>")) for name in self.HEAD[2:]]
        body = ""
        for (year, name, *counts), note in self.rows:
            cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in counts).replace(" %", "&nbsp;%")
            body += (f'<tr><th scope="rowgroup" colspan="4">{html.escape(f"{year}: {name}")}</th></tr><tr>{cells}</tr>'
                     f'<tr><td colspan="4"><small>{html.escape(note)}</small></td></tr>')
        shown = table("The networks of the map; counts for one picture", head, body)
        return f'<div class="cnnlib-html cnnlib-timeline">{shown}</div>'
