"""Limits of grading: whatever a program does, it ends in time with all that it started, and no other answer is lost."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from cnnlib.course import exercises, process
from tests.course.exercises.test_exercises import cells

from .submissions import RIGHT, SETUP, THREE, graded, hand_in, read

DEAF = "import time\n\nwhile True:\n    try:\n        time.sleep(9)\n    except KeyboardInterrupt:\n        pass"
DEAF_MESSAGE = "takes longer than 4 seconds and could not be interrupted."
KILLERS = {"os._exit(1)": process.DIED, "os.kill(os.getpid(), signal.SIGKILL)": process.DIED,
           "ctypes.string_at(0)": process.DIED, DEAF: DEAF_MESSAGE,
           "os.kill(os.getpid(), signal.SIGSTOP)": DEAF_MESSAGE}


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_killed_process_loses_no_other_answer(tmp_path, monkeypatch):
    """Every second cell kills it; names made before are there behind it."""
    monkeypatch.setattr(process, "PATIENCE", 1)
    monkeypatch.setattr(process, "SLACK", 2)
    right = cells("vgg")[1]
    keys = list(right)[:2 * len(KILLERS) + 1]
    answers = {key: "assert squares[8] == 64\n" + right[key] for key in keys}
    answers[keys[0]] = "import ctypes, os, signal\n\nsquares = [i * i for i in range(9)]\n" + right[keys[0]]
    answers.update({key: f"{killer}\n" + right[key] for key, killer in zip(keys[1::2], KILLERS, strict=True)})
    marks = list(graded(hand_in(tmp_path / "bob.ipynb", keys, answers), seconds=2).values())
    assert [mark[0] for mark in marks[::2]] == ["correct"] * (len(KILLERS) + 1), marks
    assert marks[1::2] == [("error", message) for message in KILLERS.values()]


def test_output_goes_nowhere(tmp_path):
    """An endless one ends with its time, a stream that was thrown away stops nobody, and to wait is no work."""
    endless = "import os\n\nwhile True:\n    print(9999 * 'x')\n    os.write(1, 9999 * b'x')"
    path = hand_in(tmp_path / "cal.ipynb", THREE, {
        "vgg/stack": endless, "vgg/string": "import sys\n\nsys.stdout = sys.stderr = None\n" + RIGHT["vgg/string"],
        "vgg/letter-c": "import time\n\nprint('a')\ntime.sleep(4)\n" + RIGHT["vgg/letter-c"]})
    marks = graded(path, THREE, seconds=3)
    assert [marks[key.split("/")[1]][0] for key in THREE] == ["missing", "correct", "correct"], marks


def alive(pid):
    """Whether a process is there, and no zombie that waits for its parent."""
    try:
        return "Z (zombie)" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="a system without /proc")
def test_all_processes_end_with_the_notebook(tmp_path):
    """One of the group, one that left it, and a copy of the process that left it, too."""
    pids = tmp_path / "pids"
    path = hand_in(tmp_path / "dan.ipynb", THREE, {
        "vgg/stack": f"""import os, subprocess, time
sleep = [{sys.executable!r}, "-c", "import time; time.sleep(600)"]
children = [subprocess.Popen(sleep, start_new_session=new) for new in (False, True)]
with open({str(pids)!r}, "w") as file:
    print(*(child.pid for child in children), file=file)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        with open({str(pids)!r}, "a") as file:
            print(os.getpid(), file=file)
        time.sleep(600)
    os._exit(0)
while len(open({str(pids)!r}).read().split()) < 3:
    time.sleep(0.1)
{RIGHT["vgg/stack"]}"""})
    assert graded(path, THREE)["stack"][0] == "correct"
    started = list(map(int, pids.read_text().split()))
    assert len(started) == 3
    until = time.monotonic() + 60
    while any(alive(pid) for pid in started):
        assert time.monotonic() < until
        time.sleep(0.1)


def test_setup_is_not_the_students_time(tmp_path, monkeypatch):
    """Neither for a cell nor for the whole; a setup that has no end is said to be the reason."""
    monkeypatch.setattr(process, "SLACK", 2)
    path = hand_in(tmp_path / "eve.ipynb", THREE, RIGHT, setup=SETUP + "\n\nimport time\ntime.sleep(5)")
    slow = tmp_path / "slow_import.py"
    slow.write_text("import time\n\ntime.sleep(5)\n")
    notebook = read(path)
    for cell in notebook.cells:
        if cell.id == "vgg-string-answer":
            cell.source = f"import sys\nfrom slow_import import time\n{cell.source}"
    nbformat.write(notebook, path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    assert [mark[0] for mark in graded(path, seconds=2, total_seconds=9).values()] == ["correct"] * 3
    monkeypatch.setattr(process, "SETUP", 3)
    path = hand_in(tmp_path / "fay.ipynb", THREE, RIGHT, setup="import time\n\ntime.sleep(600)\n" + SETUP)
    assert set(graded(path, seconds=3).values()) == {
        ("error", "NameError: name 'check' is not defined (its setup stopped before: takes longer than 3 seconds.)")}


def test_the_whole_has_a_limit(tmp_path):
    """What was judged before it stays."""
    path = hand_in(tmp_path / "gil.ipynb", THREE, {
        "vgg/stack": RIGHT["vgg/stack"], "vgg/letter-c": "import time\n\ntime.sleep(600)\n" + RIGHT["vgg/letter-c"],
        "vgg/string": RIGHT["vgg/string"]})
    marks = graded(path, seconds=300, total_seconds=6)
    late = ("error", "the notebook takes longer than 6 seconds.")
    assert marks["stack"][0] == "correct" and marks["string"] == marks["letter-c"] == late


def test_a_copy_of_the_process_judges_nothing(tmp_path):
    path = hand_in(tmp_path / "hal.ipynb", THREE[:2], {
        "vgg/stack": 'import os\n\nchild = os.fork() == 0\ncheck("vgg/stack", 1 if child else (5, 45, 121))',
        "vgg/letter-c": "import time\n\ntime.sleep(1)\n" + RIGHT["vgg/letter-c"]})
    expected = exercises.judge("vgg/stack", (5, 45, 121)).status
    assert [mark[0] for mark in graded(path).values()] == [expected, "correct"]


def test_what_a_program_writes_into_the_journal_stops_nobody(tmp_path):
    forged = [b"[", b"{}", b"[1]", b"7", b"\xff", b"[" * 60_000,
              b'[1, "verdict", 1]', b'[1, "verdict", "a", "great", "x"]',
              b'["x", "ended", {}]', b'[1, "began"]', b'[1, "next", "x"]', b'[1, "next", 99]', b'[[], "next", 1]']
    lines = b"".join(line + b"\n" for line in forged)
    path = hand_in(tmp_path / "ian.ipynb", THREE, {
        "vgg/stack": f"""import glob, os
for journal in glob.glob("../journal"):
    with open(journal, "ab") as file:
        file.write({lines!r})
{RIGHT["vgg/stack"]}""", **{key: RIGHT[key] for key in THREE[1:]}})
    assert [mark[0] for mark in graded(path, seconds=60).values()] == ["correct"] * 3


def started_by(teacher, file):
    """The process of a submission that has written its number into a file."""
    while not file.exists() or not file.read_text():
        assert teacher.poll() is None
        time.sleep(0.1)
    return int(file.read_text())


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_ends_what_runs(tmp_path):
    path = hand_in(tmp_path / "kim.ipynb", THREE, {"vgg/stack": f"""import os, time
with open({str(tmp_path / 'pid')!r}, "w") as file:
    file.write(str(os.getpid()))
time.sleep(600)"""})
    with subprocess.Popen([sys.executable, "-m", "cnnlib", "grade", str(path)], stderr=subprocess.PIPE,
                          preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler)) as teacher:
        child = started_by(teacher, tmp_path / "pid")
        teacher.send_signal(signal.SIGINT)
        assert b"stopped; what was finished is kept" in teacher.communicate(timeout=60)[1]
    assert teacher.returncode == 130
    assert not alive(child)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_teacher_who_is_killed_leaves_nothing_behind(tmp_path):
    path = hand_in(tmp_path / "mia.ipynb", THREE, {"vgg/stack": f"""import os, time
with open({str(tmp_path / 'pid')!r}, "w") as file:
    file.write(str(os.getpid()))
{DEAF}"""})
    with subprocess.Popen([sys.executable, "-m", "cnnlib", "grade", str(path)]) as teacher:
        child = started_by(teacher, tmp_path / "pid")
        teacher.kill()
    until = time.monotonic() + 60
    while alive(child):
        assert time.monotonic() < until
        time.sleep(0.1)
