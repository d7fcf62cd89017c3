"""Grading: a submission is run in a process of its own, and what `check` says there counts.

`process` starts that process and watches it, `submission` is its program; `gradebook` makes tables and pages of the
marks.
"""

import json
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from . import assignments, exercises, process
from .submission import line, names_key


class Mark(NamedTuple):
    """What a submission is worth in one exercise.

    status is "correct", "wrong" or "open" (the dots are still there) as `exercises.judge` says, "error" where the
    cell with the check stopped, or "missing" where no check was run.
    """

    key: str
    status: str
    message: str


class Submission(NamedTuple):
    """A notebook as it was handed in: the programs of its cells and the exercises that `assign` noted in it.
    `problem` says why it cannot be read, None if it can."""

    programs: list
    noted: list
    problem: str | None = None


# -- what is asked, and what was handed in ----------------------------------------------------------------------


def read(path):
    """The `Submission` in a file, whatever it holds: nbformat 3 or 4, with a byte order mark or without."""
    try:
        notebook = json.loads(Path(path).read_text("utf-8-sig", errors="surrogatepass"))     # half an emoji, too
        sheets = [notebook] if "cells" in notebook else notebook["worksheets"]
        cells = [cell for sheet in sheets for cell in sheet["cells"] if cell["cell_type"] == "code"]
        programs = ["".join(cell["source"] if "source" in cell else cell["input"]) for cell in cells]
        noted = notebook.get("metadata", {}).get("cnnlib", {}).get("exercises", [])
        return Submission(programs, [key for key in noted if isinstance(key, str)])
    except Exception as error:          # whatever stands in a file that was handed in
        return Submission([], [], line(f"not a notebook: {type(error).__name__}: {error}"))


def asked(names=(), like=None, submissions=()):
    """Keys of the exercises that are graded, in the order of the book: the teacher's list.

    Args:
        names: keys, pages and chapters, as `assign` takes them.
        like: the notebook that `assign` wrote for the students, in place of names.
        submissions: where neither is given, what was noted in any of these, or else what their cells name, so that
            nobody's own file can shorten the list.

    Raises:
        ValueError: a name is not known, or no exercise is asked.
    """
    known = exercises.list_exercises()
    if names:
        return [exercise.key for exercise in assignments.select(names)]
    if like is not None:
        given = read(like)
        if unknown := [key for key in given.noted if key not in known]:
            raise ValueError(f"{like} asks for {unknown[0]!r}, allowed: exercises of this book.")
        if not given.noted:
            raise ValueError(f"{like} is {given.problem or 'a notebook that notes no exercises'}; allowed: one that "
                             "`assign` wrote.")
        return [key for key in known if key in given.noted]
    submissions = list(submissions)
    noted = {key for each in submissions for key in each.noted}
    found = [key for key in known if key in noted] or [
        key for key in known if any(names_key(program, key) for each in submissions for program in each.programs)]
    if not found:
        raise ValueError("no exercise is named in what was handed in: say with --for or --like which were asked.")
    return found


# -- marks ------------------------------------------------------------------------------------------------------


def grade(path, keys=None, seconds=120, total_seconds=600, stop=None):
    """Run a submission in a process of its own and an empty folder; return its `Mark`s. The file stays as it is.

    Stored outputs are ignored. A cell that fails, takes too long or kills its process does not stop the others.

    Args:
        keys: the exercises asked; None takes those that the notebook names, see `asked`.
        seconds: of work, the limit for a cell; four times that by the clock, so that neither a busy machine nor a cell
            that sleeps is waited for too short or too long. Imports, and cells that only set up, do not count.
        total_seconds: by the clock, the limit for all of these cells.
        stop: a `threading.Event` that ends it.

    Raises:
        ValueError: keys is None, and the notebook names none.
    """
    given = read(path)
    keys = asked(submissions=[given]) if keys is None else keys
    if given.problem:
        return [Mark(key, "missing", given.problem) for key in keys]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        run = process.Run(given.programs, seconds, total_seconds, folder)
        run.to_the_end(stop or threading.Event())
    return [Mark(key, *run.verdicts[key]) if key in run.verdicts else _unjudged(key, run) for key in keys]


def grade_all(paths, keys, jobs=1, **limits):
    """Yield (path, its `Mark`s), in order, `jobs` at the same time. Whoever stops asking ends what still runs."""
    stop = threading.Event()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            yield from zip(paths, pool.map(lambda path: grade(path, keys, stop=stop, **limits), paths), strict=True)
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _unjudged(key, run):
    """The mark where no verdict came: why a cell that names the key stopped, or that none was run."""
    naming = [i for i, program in enumerate(run.cells) if names_key(program, key)]
    setup = next((f" (its setup stopped before: {run.errors[i]})" for i in sorted(run.setups) if i in run.errors), "")
    for i in naming:
        if i in run.errors:
            return Mark(key, "error", line(run.errors[i] + setup))
    return Mark(key, "missing", "no cell asks for it." if not naming else "its check was not run.")

