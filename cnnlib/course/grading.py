"""Grading: a submission is run in a fresh kernel, and what `check` says there counts."""

import csv
import json
import logging
import re
import socket
import tempfile
from pathlib import Path
from typing import NamedTuple

from ..files import PACKAGE, whole
from . import exercises
from .assignments import jupyter

LONGEST = 300           # characters of a message; what an answer prints of itself may be endless
PATIENCE = 20           # seconds to wait for a cell that was interrupted, and for output that is under way
_SILENT = logging.Logger("nbclient", logging.CRITICAL + 1)      # the marks say what happened


class Mark(NamedTuple):
    """What a submission is worth in one exercise.

    status is "correct", "wrong" or "open" (the dots are still there) as `exercises.judge` says, "error" where the
    cell with the check stopped, or "missing" where no check was run.
    """

    key: str
    status: str
    message: str


def grade(path, seconds=120):
    """Run a submission in a fresh kernel and an empty folder, and return its `Mark`s. The file stays as it is.

    Its stored outputs are ignored. Asked for are the exercises that `assign` noted in the notebook; in one that it did
    not write, those that the cells name. A cell that fails or takes longer than `seconds` does not stop the others.

    Raises:
        ImportError: nbformat or nbclient is missing, or the kernel does not find `cnnlib`.
    """
    nbformat, nbclient = jupyter("nbformat"), jupyter("nbclient")
    try:
        notebook = nbformat.read(path, 4)
        programs = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
        keys = list(map(str, notebook.metadata.get("cnnlib", {}).get("exercises", []))) or [
            key for key in exercises.list_exercises() if any(_names(program, key) for program in programs)]
    except Exception as error:          # whatever stands in a file that was handed in
        return [Mark("", "error", _line(f"not a notebook: {error}"))]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        verdicts, room = Path(folder) / "verdicts", Path(folder) / "empty"
        room.mkdir()
        first = nbformat.v4.new_code_cell(
            f"import sys\nsys.path.insert(0, {str(PACKAGE.parent)!r})\nfrom cnnlib.course.grading import report_to\n"
            f"report_to({str(verdicts)!r})\ndel sys, report_to")
        notebook.cells = [first, *(cell for cell in notebook.cells if cell.cell_type == "code")]
        for cell in notebook.cells:
            cell.outputs = []
        client = nbclient.NotebookClient(
            notebook, kernel_name="python3", resources={"metadata": {"path": str(room)}}, allow_errors=True,
            log=_SILENT, extra_arguments=["--log-level=ERROR"],
            timeout_func=lambda cell: None if cell is first else seconds, interrupt_on_timeout=True,
            error_on_timeout={"ename": "Timeout", "evalue": "", "traceback": []},
            iopub_timeout=PATIENCE, raise_on_iopub_timeout=True, shutdown_kernel="immediate")
        try:
            client.execute()
            stopped = None
        except nbclient.exceptions.DeadKernelError:
            stopped = "the program ended Python or ran out of memory"
        except nbclient.exceptions.CellTimeoutError:
            stopped = f"a cell took longer than {seconds} seconds and could not be interrupted"
        except AssertionError:          # nbclient's own: Ctrl-C has ended its kernel
            raise KeyboardInterrupt from None
        if not verdicts.exists():
            raise ImportError(f"the kernel python3 cannot import cnnlib: {_error(first, seconds)}")
        found = {key: Mark(key, status, _line(message.removeprefix(f"{key}: ")))
                 for key, status, message in map(json.loads, verdicts.read_text().splitlines())}
    return [found.get(key) or _unjudged(key, notebook.cells, stopped, seconds) for key in keys]


def report_to(path):
    """In the kernel of a submission: write every verdict to a file, and let Python reach no other machine."""
    judge, connect, look_up = exercises.judge, socket.socket.connect, socket.getaddrinfo
    here = (None, "", "localhost", "127.0.0.1", "::1")

    def reporting(key, answer):
        verdict = judge(key, answer)
        with open(path, "a") as file:
            file.write(json.dumps([key, verdict.status, verdict.message]) + "\n")
        return verdict

    def only_here(host):
        if host not in here:
            raise OSError("there is no network while grading.")

    def connecting(self, address):
        only_here(address[0] if isinstance(address, tuple) else "")     # no tuple: a socket that is a file
        return connect(self, address)

    def looking_up(host, *args, **kwargs):
        only_here(host)
        return look_up(host, *args, **kwargs)

    exercises.judge = reporting
    socket.socket.connect, socket.getaddrinfo = connecting, looking_up
    Path(path).touch()


def write_csv(marks, path):
    """Write {file: its marks} as a table with a line an exercise; its first bytes tell spreadsheets: UTF-8."""
    with whole(path) as scratch, scratch.open("w", newline="", encoding="utf-8-sig") as file:
        table = csv.writer(file)
        table.writerow(("file", "key", "status", "message"))
        table.writerows((name, *mark) for name, own in marks.items() for mark in own)


def _unjudged(key, cells, stopped, seconds):
    """The mark where no verdict came: the error of a cell that names the key, or that none was run."""
    naming = [cell for cell in cells if _names(cell.source, key)]
    for cell in naming:
        if error := _error(cell, seconds):
            return Mark(key, "error", error)
    if naming and stopped:
        return Mark(key, "error", f"no verdict came before {stopped}.")
    return Mark(key, "missing", "no cell asks for it." if not naming else "its check was not run.")


def _error(cell, seconds):
    """The error that ended a cell, in one line; None if it ended well."""
    for output in cell.outputs:
        if output.output_type == "error":
            late = output.ename == "KeyboardInterrupt"
            return f"takes longer than {seconds} seconds." if late else _line(f"{output.ename}: {output.evalue}")


def _names(program, key):
    return re.search(f"""["']{re.escape(key)}["']""", program)


def _line(text):
    """Text of a submission as one line of bounded length, without what could steer a terminal."""
    text = "".join(sign if sign.isprintable() else "?" for sign in " ".join(text.split()))
    return text if len(text) <= LONGEST else text[:LONGEST - 1] + "…"
