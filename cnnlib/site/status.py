"""The status page: what the book was built with, when its notebooks ran, and where each recorded curve comes from."""

import html
import json
import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version

from docutils import nodes
from docutils.parsers.rst import Directive

from .. import __version__
from ..course import chapters
from ..records import runs, tables
from ..records.grids import GRIDS

PACKAGES = ("cnnlib", "torch", "torchvision", "numpy", "matplotlib", "scikit-learn", "anywidget", "ipywidgets",
            "jupyter-book", "sphinx", "sphinx-book-theme", "nbval")


class Status(Directive):
    """Tables written anew at each build: environment, notebooks, what is recorded and what is not, and every run."""

    def run(self):
        env = self.state.document.settings.env
        env.note_reread()                           # never served from an older build
        shown = [
            ("Environment of this build", ["", ""], environment_rows()),
            ("Notebooks", ["notebook", "executed", "seconds", "Python", "torch", "device"],
             [notebook_row(path) for path in chapters.notebooks(root=env.srcdir)]),
            ("Experiments", ["experiment", "recorded", tables.ERRORS, "recorded on", "what"],
             [experiment_row(name) for name in GRIDS]),
        ]
        return [*(section(title, head, rows) for title, head, rows in shown),
                *(recorded(name, runs.load(name)) for name in runs.experiments())]


def environment_rows():
    """Rows [name, value]: Python, the packages that shape a page, and the processor or GPU torch would use."""
    rows = [["Python", platform.python_version()]]
    for name in PACKAGES:
        try:
            rows.append([name, version(name)])
        except PackageNotFoundError:
            rows.append([name, __version__ if name == "cnnlib" else "not installed"])      # built from the checkout
    return [*rows, ["device", device()]]


def device():
    """The device that training cells would use here, in words."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    return f"CPU, {os.cpu_count()} cores, {platform.machine()}"


def notebook_row(path):
    """Row of what `tools/notebooks.py execute` wrote into the notebook's metadata."""
    ran = json.loads(path.read_text(encoding="utf-8"))["metadata"].get("cnnlib", {})
    return [chapters.page(path), *(str(ran.get(key, "not recorded"))
                         for key in ("executed", "seconds", "python", "torch", "device"))]


def experiment_row(name):
    """Row of one declared experiment: how many of its runs are there, and what came out."""
    plan, found = GRIDS[name], runs.load(name)
    return [name, f"{len(found)} of {plan.seeds * len(plan.cases)}", " to ".join(tables.errors(name)) or "not yet",
            ", ".join(sorted({run.device_name for run in found})), plan.about]


RUN_HEAD = ["run", "final test error", "epochs", "seconds", "images/s", "device", "threads", "torch", "commit", "date"]


def recorded(name, found):
    """Section of one experiment: what its runs share in words, what differs in a table."""
    first = found[0]
    recipe = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in first.recipe.items())
    block = section(f"Recorded runs: {name}", RUN_HEAD, [run_row(run) for run in found], fold=f"Runs: {len(found)}")
    block.insert(1, nodes.paragraph("", f"{first.data['variant']}; {recipe}; {first.precision}. Written by:"))
    command = re.sub(r"--seeds \d+", f"--seeds {len({run.seed for run in found})}", first.command)
    block.insert(2, nodes.literal_block(command, command, language="text"))
    return block


def run_row(run):
    """One row of RUN_HEAD."""
    return [run.run, f"{run.final['test_error']:.2%}", str(len(run.epochs)), f"{run.wall_seconds:.0f}",
            f"{run.images_per_second:,.0f}", run.device_name, str(run.threads), run.torch, run.commit,
            run.date.partition("T")[0]]


def shared(head, rows):
    """What is the same in every row that has it, in words, and the head and rows without those columns.

    The first column always stays; so does everything in a table of one row or without a head.
    """
    if len(rows) < 2 or not any(head):
        return "", head, rows
    found = [{cell for cell in column if cell} for column in zip(*rows, strict=True)]
    keep = [number for number, cells in enumerate(found) if number == 0 or len(cells) > 1]
    said = "; ".join(f"{head[number]} {found[number].pop()}" for number in range(len(head))
                     if number not in keep and found[number])
    return said, [head[number] for number in keep], [[row[number] for number in keep] for row in rows]


def section(title, head, rows, fold=""):
    """A titled section with one table, under `fold` if given; columns that are the same throughout are a sentence.

    Where the window is narrow its cells break into lines, and then the table scrolls sideways.
    """
    block = nodes.section(ids=[nodes.make_id(title)])
    block += nodes.title(title, title)
    if not rows:
        block += nodes.paragraph("", "None yet.")
        return block

    def cells(row):
        first, *rest = (html.escape(cell) for cell in row)
        return f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in rest) + "</tr>"

    said, head, rows = shared(head, rows)
    if said:
        block += nodes.paragraph("", f"The same throughout: {said}.")
    top = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in head) if any(head) else ""
    table = (f'<div class="wide-table" tabindex="0" role="region" '
             f'aria-label="{html.escape(title)}"><table class="table">'
             + (f"<thead><tr>{top}</tr></thead>" if top else "")
             + f"<tbody>{''.join(map(cells, rows))}</tbody></table></div>")
    if fold:
        table = f"<details><summary>{html.escape(fold)}</summary>{table}</details>"
    block += nodes.raw("", table, format="html")
    return block
