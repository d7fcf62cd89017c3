"""What a page of the book takes: its minutes and its exercises, counted from its notebook and stated by nobody.

The landing page of a chapter, the side bar, the time line and the top of each page all show these numbers.
"""

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from . import chapters

WORDS_A_MINUTE = 150            # prose with figures and formulas in it
A_CELL, A_PLAY = 0.5, 2         # minutes: to read code and its result; to move a widget's controls, or find a bug
LANDING, BUGS, SOURCES = "index", "bugs", "sources"
GLUED = re.compile(r"\{glue:text\}`([\w-]+)`")


class Page(NamedTuple):
    """A notebook as its reader meets it. `words` are those of the text and of the exercises, without the solutions;
    `minutes` are to read it and move its widgets, without the exercises; `seconds` ran its cells, 0 if they did not."""

    name: str
    title: str
    words: int
    minutes: int
    exercises: int
    seconds: float

    @property
    def takes(self):
        """What it takes, in words: `12 minutes`, and the exercises if it has any."""
        return counted(self.minutes, "minute") + (f", {counted(self.exercises, 'exercise')}" if self.exercises else "")


def counted(number, noun):
    """1 minute, 2 minutes."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


@lru_cache
def _read(path, _changed):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    prose = exercises = time = count = 0
    for cell in notebook["cells"]:
        source, kind = "".join(cell["source"]), cell["id"].split("-")[0]
        if cell["cell_type"] == "markdown":
            prose += 0 if kind in ("exercise", "solution") else len(source.split())
            exercises += len(source.split()) if kind == "exercise" else 0
        elif kind == "answer":
            count += 1
        elif "remove-cell" not in cell["metadata"].get("tags", ()):
            time += A_PLAY if kind == "bug" or shows_widget(cell) else A_CELL
    title = next("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    return Page(chapters.page(path), title.splitlines()[0].removeprefix("# "), prose + exercises,
                max(1, round(prose / WORDS_A_MINUTE + time)), count,
                notebook["metadata"].get("cnnlib", {}).get("seconds", 0))


def shows_widget(cell):
    """Does the cell show a widget that takes a while? A question (`Predict`) does not."""
    shown = "".join("".join(output.get("data", {}).get("text/html", "")) for output in cell["outputs"])
    return 'class="cnnlib-widget"' in shown and 'data-kind="Predict"' not in shown


def read(path):
    """The `Page` of a notebook."""
    return _read(Path(path), Path(path).stat().st_mtime)


def sections(chapter, root=None):
    """Paths of the sections of a chapter, in order: its notebooks but the landing page, the bugs and the sources."""
    return [path for path in chapters.notebooks(chapter, root) if path.stem not in (LANDING, BUGS, SOURCES)]


def in_sections(root=None):
    """The chapters that have sections; one that is only begun has none yet."""
    return [chapter for chapter in chapters.CHAPTERS if sections(chapter, root)]
