"""Assignments: exercises of the book as a notebook of their own, for students or with solutions.

The chapters in `book/` are the one source: their cells `exercise-N`, `answer-N` (the stub with its check) and
`solution-N`, and `setup` with the imports. `cnnlib.course.grading` marks what is handed in.
"""

import importlib
import json
import re
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from ..files import save_text
from . import chapters

WELCOME = """\
# Exercises{kind}

Replace the dots by your answer and run the cell. It says what is wrong with a wrong answer. Run all cells from top to
bottom before you hand in, and leave the lines with `check` as they are: the last verdict on an exercise
counts. The package `cnnlib` of the book must be installed.

The texts and their numbers are those of the book. Where one speaks of a network, a table or an experiment of its
chapter, look there; no check needs them."""

# What nbgrader wants to know of a cell that gives a point where it does not fail; students cannot change the cell.
POINT = {"schema_version": 3, "cell_type": "code", "grade": True, "points": 1, "locked": True, "solution": False,
         "task": False}
POINT_PROGRAM = 'from cnnlib.course.exercises import must_be_correct\n\nmust_be_correct("{key}")'


class Exercise(NamedTuple):
    """An exercise as it stands in the book: on `page`, such as `lenet/index`, with its title and imports (`setup`).
    `program` is the solution's code, `remark` its text (may be empty)."""

    key: str
    page: str
    title: str
    setup: str
    text: str
    stub: str
    program: str
    remark: str

    @property
    def heading(self):
        """Number and title, as in the book."""
        return self.text.splitlines()[0].removeprefix("### ")

    @property
    def first_sentence(self):
        """What it asks, in short: the first sentence after heading and kind."""
        asked = " ".join(self.text.split("\n\n", 2)[2].split())
        return re.split(r"(?<=[.?!])\s", asked, maxsplit=1)[0]


def load():
    """Exercise key -> `Exercise`, in the order of the book.

    Raises:
        FileNotFoundError: this is an installed package; the chapters are in a checkout only.
    """
    found = {}
    for path in chapters.notebooks():
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        cells = {cell["id"]: "".join(cell["source"]) for cell in cells}
        for stub_id in (name for name in cells if name.startswith("answer-")):
            number = stub_id.removeprefix("answer-")
            solution = re.match(r":::\{dropdown\} Solution\n```python\n(.*?)\n```\n(.*):::$",
                                cells[f"solution-{number}"], re.DOTALL)
            key = re.search(r'^check\("([^"]+)"', cells[stub_id], re.MULTILINE)[1]
            found[key] = Exercise(
                key, chapters.page(path), cells["title"].splitlines()[0].removeprefix("# "), cells["setup"],
                re.sub(r" ?\{cite:\w\}`[^`]*`", "", cells[f"exercise-{number}"]),      # the book's list is not here
                cells[stub_id], solution[1], solution[2].strip())
    return found


def select(names):
    """The exercises with these keys, or of these pages and chapters (`vgg/stack`, `vgg/index`, `vgg`).

    Each comes once, in the order of the book.

    Raises:
        ValueError: a name is none of these.
    """
    every = load()
    called = {key: {key, exercise.page, key.split("/")[0]} for key, exercise in every.items()}
    for name in names:
        if not any(name in own for own in called.values()):
            near = [key for key in every if key.split("/")[0] == name.split("/")[0]]
            near = near or dict.fromkeys(key.split("/")[0] for key in every)
            raise ValueError(f"key is {name!r}, allowed: {', '.join(near)}; `assign --list` shows all.")
    return [every[key] for key in every if called[key] & set(names)]


def listing(names=()):
    """Text: the exercises (of these names) with what they ask, page by page."""
    lines = []
    for page, group in groupby(select(names) if names else load().values(), lambda exercise: exercise.page):
        group = list(group)
        lines += [f"{page}: {group[0].title}",
                  *(f"  {exercise.key:26} {exercise.heading}: {exercise.first_sentence}" for exercise in group)]
    return "\n".join(lines)


def assign(names, to, solutions=False, nbgrader=False, force=False):
    """Write a notebook with exercises: text and stub, or text and solution. Returns the exercises that it has.

    Each page's imports stand before its first exercise. The notebook remembers its keys for `grade`.

    Args:
        names: keys of exercises, names of pages and of chapters; see `select`.
        to: the file, written whole or not at all.
        solutions: the solution in the place of the stub.
        nbgrader: behind each answer a cell in which nbgrader gives a point.
        force: overwrite a file that is there.

    Raises:
        ValueError: a name is not known.
        FileExistsError: the file is there, and `force` is not given.
    """
    nbformat = _nbformat()
    if Path(to).exists() and not force:
        raise FileExistsError(f"{to} exists: name another file, or overwrite it with --force.")
    chosen = select(names)
    text, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    cells, page = [text(WELCOME.format(kind=", with solutions" if solutions else ""), id="welcome")], None
    for exercise in chosen:
        name = exercise.key.replace("/", "-")
        if page != (page := exercise.page.replace("/", "-")):
            cells += [text(f"## {exercise.title}", id=page), code(exercise.setup, id=f"{page}-setup")]
        cells += [text(exercise.text, id=f"{name}-text"),
                  code(exercise.program if solutions else exercise.stub, id=f"{name}-answer")]
        if nbgrader:
            cells.append(code(POINT_PROGRAM.format(key=exercise.key), id=f"{name}-point",
                              metadata={"nbgrader": {**POINT, "grade_id": name}}))
        if solutions and exercise.remark:
            cells.append(text(exercise.remark, id=f"{name}-remark"))
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={
        "cnnlib": {"exercises": [exercise.key for exercise in chosen]},
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    })
    save_text(to, nbformat.writes(notebook) + "\n")
    return chosen


def _nbformat():
    """The package nbformat, which readers of the pages need not have; `ImportError` says how to get it."""
    try:
        return importlib.import_module("nbformat")
    except ImportError:
        raise ImportError("assign needs nbformat, which is not installed: pip install -r requirements.txt") from None
