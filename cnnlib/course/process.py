"""The process of a submission: started, watched through its journal, and ended with all that it started."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from ..checks import one_of
from ..files import PACKAGE
from .exercises import Verdict
from .submission import line

START = SETUP = 300     # seconds for Python to start; for imports and cells that set up: not the student's time
SLACK = 4               # a cell may take so many times its seconds by the clock: it waits, or the machine is busy
PATIENCE = 10           # seconds to wait for a cell that was interrupted
POLL = 0.05             # seconds between two looks into the journal
MARKER = "CNNLIB_SUBMISSION"        # environment variable by which the processes of a submission are found

# Nothing that is imported is garbage, and to look for some took a fifth of the time; `main` turns it on again.
PROGRAM = "import gc, sys; gc.disable(); from cnnlib.course.submission import main; main(sys.argv.pop())"

DIED = "the program ended Python or ran out of memory."
NO_START = "Python did not get to its first cell; this machine is too busy or has too little memory."


class Run:
    """The cells of a submission, and what becomes of them.

    Where a cell kills its process, or cannot be interrupted, another one goes on behind it: the cells before, but not
    the killers, give their names back there, and their verdicts stay as they were.

    Args:
        cells: programs.
        seconds: of work (of the processor), the limit for a cell that does more than set up; `SLACK` times that by the
            clock.
        total: seconds by the clock, the limit for all of these cells together.
        folder: scratch.

    Attributes:
        verdicts: {key: (status, message)}, the last ones.
        errors: {cell: why it stopped}.
        setups: the cells that only set up, as far as they were run.
    """

    def __init__(self, cells, seconds, total, folder):
        self.cells, self.seconds, self.total, self.folder = cells, seconds, total, folder
        self.setup = max(SETUP, seconds)
        self.verdicts, self.errors, self.setups = {}, {}, set()
        self.start, self.killers, self.spent = 0, [], 0.0

    def to_the_end(self, stop):
        """Run all cells. Raises KeyboardInterrupt once `stop`, a `threading.Event`, is set."""
        while self.start < len(self.cells):
            marker, place = uuid.uuid4().hex, Path(tempfile.mkdtemp(dir=self.folder))
            process = self._started(place, marker)
            try:
                self._follow(process, place / "journal", stop)
            finally:
                _end(process, marker)

    def _started(self, place, marker):
        (place / "empty").mkdir()
        (place / "journal").touch()
        (place / "job").write_text(json.dumps({
            "cells": self.cells, "seconds": (self.seconds, SLACK * self.seconds), "setup": (self.setup, self.setup),
            "start": self.start, "skip": self.killers, "journal": str(place / "journal")}), encoding="utf-8")
        paths = [str(PACKAGE.parent), os.environ.get("PYTHONPATH")]
        environment = {
            "OMP_NUM_THREADS": "1", **os.environ, MARKER: marker, "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "IPYTHONDIR": str(place / "ipython"), "MPLBACKEND": "agg", "PIP_NO_INDEX": "1"}
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(place / "job")], cwd=place / "empty", env=environment,
            start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)     # no output counts

    def _follow(self, process, journal, stop):
        """Read the journal until the process has no more to say or must be stopped."""
        self.cell, self.timed, self.since = None, False, time.monotonic()
        with journal.open("rb") as file:
            while self.start < len(self.cells):
                if stop.is_set():
                    raise KeyboardInterrupt
                dead = process.poll() is not None               # asked first: what it wrote before is read below
                for event in _events(file):
                    with contextlib.suppress(ValueError, TypeError, LookupError, RecursionError):   # not our lines
                        self._note(*json.loads(event))
                if self.start < len(self.cells) and self._is_over(time.monotonic() - self.since, dead):
                    return
                time.sleep(POLL)

    def _note(self, when, kind, *rest):
        """Take an event of the journal; see `submission`."""
        if kind == "next":
            self.cell = range(len(self.cells)).index(rest[0])
        elif kind == "began" and rest[0]:
            self.setups.add(self.cell)
        elif kind == "verdict":
            key, status, message = map(str, rest)
            self.verdicts[key] = one_of("status", status, tuple(Verdict.SIGNS)), line(message)
        elif kind == "ended":
            self._ended(when - self.since, *rest)
        elif kind == "done":
            self.start = len(self.cells)
        if kind != "verdict":
            self.timed, self.since = kind == "began", float(when)       # timed: its program runs, not only its imports

    def _is_over(self, late, dead):
        """Whether the process, `late` seconds in its cell, is or must be at its end; if so, says where to go on."""
        student = self.timed and self.cell not in self.setups
        if student and self.spent + late > self.total:
            self._give_up(f"the notebook takes longer than {self.total} seconds.")
            return True
        limit = START if self.cell is None else SLACK * self.seconds if student else self.setup
        if not dead and late <= limit + PATIENCE:
            return False
        if self.cell is None:
            self._give_up(NO_START)
        else:
            self._ended(late if self.timed else 0,
                        DIED if dead else f"takes longer than {limit} seconds and could not be interrupted.")
            self.killers.append(self.cell)
            self.start = max(self.start, self.cell + 1)
        return True

    def _ended(self, seconds, error):
        self.spent += 0 if self.cell in self.setups else seconds
        if error and self.cell >= self.start:                   # before it, the cells are run once more
            self.errors[self.cell] = line(str(error))

    def _give_up(self, reason):
        begin = max(self.cell or 0, self.start)
        self.errors.update(dict.fromkeys(range(begin, len(self.cells)), reason))
        self.start = len(self.cells)


def _events(file):
    """The lines that are new in a journal, and whole."""
    while (event := file.readline(2**16)).endswith(b"\n"):
        yield event
    file.seek(-len(event), os.SEEK_CUR)


def _end(process, marker):
    """Kill the process and all that it has started, also what has left its group."""
    with contextlib.suppress(OSError, AttributeError):          # no groups on Windows
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    for _ in range(100):                                        # some may start others meanwhile
        if not (left := _bearers(marker)):
            return
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def _bearers(marker):
    """Processes with this marker in their environment, where the system shows it in /proc (Linux)."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if marker.encode() in (place / "environ").read_bytes():
                found.append(int(place.name))
    return found
