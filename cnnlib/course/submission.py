"""The program of a submission: its cells, run one by one in a process of their own, which notes what happens.

`process` starts and ends it, and reads the journal. A line of the journal is a list: the time, then

    "next", cell                        its modules are being imported
    "began", sets_up                    its program runs; whether it only sets up
    "verdict", key, status, message     what `exercises.judge` said
    "ended", error                      None if it ended well
    "done"                              no cell is left
"""

import ast
import contextlib
import gc
import importlib
import json
import os
import re
import signal
import socket
import sys
import threading
import time
from functools import partial
from pathlib import Path

from ..models import create_model
from . import exercises, tools

LONGEST = 300               # characters of a message; what an answer prints of itself may be endless
LARGEST = 2**30             # bytes of a file that a submission may write
HERE = (None, "", "localhost", "127.0.0.1", "::1")


class TooLate(KeyboardInterrupt):
    """A cell has used up its time. No Exception, so that few programs catch it."""


def main(job):
    """Run the cells of a job, a file that `process` wrote, from its cell `start` on.

    Cells before it were run in a process that died: they give their names back, but no verdict, and those that killed
    a process (`skip`) are left out.
    """
    job = json.loads(Path(job).read_text(encoding="utf-8"))
    note, own = _journal(job["journal"]), os.getpid()
    _stay_with_parent()
    _cap_files()
    _close_network()
    shell, run = _shell(), _timer()
    exercises.list_exercises()                  # imports all judges, and torch
    tools.output_shape(tools.on_meta(create_model, "vgg11"), 1, 3, 224, 224)    # and what torch imports late
    gc.freeze()
    gc.enable()                                 # `process` turned it off
    judge, streams, cell = exercises.judge, (sys.stdout, sys.stderr), 0

    def reporting(key, answer):
        verdict = judge(key, answer)
        if cell >= job["start"] and os.getpid() == own:
            note("verdict", key, verdict.status, line(verdict.message.removeprefix(f"{key}: ")))
        return verdict

    exercises.judge = reporting
    for cell, source in enumerate(job["cells"]):
        if cell in job["skip"]:
            continue
        note("next", cell)
        statements = _statements(shell, source)
        _import_all(statements)                 # imports, too, are not the student's time
        sets_up = _sets_up(source, statements)
        note("began", sets_up)
        error = run(partial(_failure, shell, source), *job["setup" if sets_up else "seconds"])
        if os.getpid() != own:
            os._exit(0)                         # a copy that the cell made of this process
        sys.stdout, sys.stderr = streams
        note("ended", error)
    note("done")
    os._exit(0)                                 # whatever threads or exit handlers are left


def line(text):
    """Text of a submission as one line of bounded length, without what could steer a terminal."""
    text = "".join(sign if sign.isprintable() else "?" for sign in " ".join(text[:100 * LONGEST].split()))
    return text if len(text) <= LONGEST else text[:LONGEST - 1] + "…"


def _journal(path):
    """A function that adds a line to the journal at once: the process may be killed at any time."""
    dumps, clock = json.dumps, time.monotonic

    def note(*event):
        with open(path, "a", encoding="utf-8") as file:
            file.write(dumps([clock(), *event]) + "\n")

    return note


def _shell():
    """IPython without a terminal: magics and top-level `await` work, nothing is shown or kept."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    shell.showtraceback = shell.showsyntaxerror = lambda *args, **kwargs: None
    shell.ask_exit = sys.exit                   # `exit` ends the cell
    return shell


def _failure(shell, source):
    """Run a cell; what ended it, in a line, or None."""
    result = shell.run_cell(source, store_history=True)
    error = result.error_before_exec or result.error_in_exec
    if isinstance(error, TooLate):
        raise error
    return None if error is None else line(f"{type(error).__name__}: {error}")


def _timer():
    """A function that runs a program for so many seconds of work, and so many by the clock, at most; it returns what
    the program returns or why it stopped."""
    limits, work, clock = None, time.process_time, time.monotonic
    alarm = hasattr(signal, "setitimer")        # elsewhere `process` kills the process when its time is over

    def is_late():
        return limits is not None and (work() >= limits[0] or clock() >= limits[1])

    def ring(*_):
        if is_late():
            raise TooLate

    def run(program, seconds, by_the_clock):
        nonlocal limits
        limits = work() + seconds, clock() + by_the_clock
        try:
            if alarm:
                signal.signal(signal.SIGALRM, ring)
                signal.setitimer(signal.ITIMER_REAL, 1, 1)
            return program()
        except BaseException as error:          # TooLate, or what it became on its way, or one that cannot be shown
            return f"takes longer than {seconds} seconds." if is_late() else f"{type(error).__name__}."
        finally:
            limits = None
            if alarm:
                signal.setitimer(signal.ITIMER_REAL, 0)

    return run


def _statements(shell, source):
    try:
        return ast.parse(shell.transform_cell(source)).body
    except Exception:                           # it will fail for the same reason
        return []


def _import_all(statements):
    """Import the modules that a cell will import, so that its clock does not run meanwhile."""
    for node in statements:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else \
            [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
        for name in names:
            with contextlib.suppress(BaseException):
                importlib.import_module(name)


def _sets_up(source, statements):
    """Is a cell imports and what goes with them: no loop, no function, and no exercise?"""
    imports, kinds = {ast.Import, ast.ImportFrom}, set(map(type, statements))
    return bool(kinds & imports) and kinds <= {*imports, ast.Assign, ast.Expr} and not any(
        names_key(source, key) for key in exercises.list_exercises())


def names_key(source, key):
    """Does a program name an exercise?"""
    return re.search(f"""["']{re.escape(key)}["']""", source) is not None


def _stay_with_parent():
    """End this process and its group soon after the one that started it, should that be killed."""
    parent, parent_now, sleep = os.getppid(), os.getppid, time.sleep

    def watch():
        while parent_now() == parent:
            sleep(1)
        os.killpg(os.getpid(), signal.SIGKILL)

    if hasattr(os, "killpg"):
        threading.Thread(target=watch, daemon=True).start()


def _cap_files():
    with contextlib.suppress(ImportError):      # there is none on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, LARGEST))


def _close_network():
    """Let Python reach no other machine."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def only_here(host):
        if host not in HERE:
            raise OSError("there is no network while grading.")

    def connecting(self, address):
        only_here(address[0] if isinstance(address, tuple) else "")     # no tuple: a socket that is a file
        return connect(self, address)

    def looking_up(host, *args, **kwargs):
        only_here(host)
        return look_up(host, *args, **kwargs)

    socket.socket.connect, socket.getaddrinfo = connecting, looking_up
