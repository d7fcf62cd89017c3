"""Grading: what becomes of what students hand in, whatever it is."""

import csv
import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from cnnlib import cli
from cnnlib.course import assignments, exercises, gradebook, grading, process
from tests.course.exercises.test_exercises import CHAPTERS, cells

from .submissions import RIGHT, SETUP, THREE, graded, hand_in, read

KEYS = exercises.list_exercises()


def table(path):
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


# ---------------------------------------------------------------- one submission


def test_all_solutions_of_the_book_are_correct(tmp_path):
    """Also: each runs behind its chapter's imports and what stands before it in the notebook, and needs no more."""
    path = tmp_path / "solutions.ipynb"
    assignments.assign(CHAPTERS, path, solutions=True)
    before = path.read_bytes()
    marks = grading.grade(path)
    assert [mark.key for mark in marks] == KEYS
    assert [mark for mark in marks if mark.status != "correct"] == []
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_every_kind_of_answer_gets_its_mark(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "SLACK", 2)
    right = cells("lenet")[1]
    path = hand_in(tmp_path / "ada.ipynb", ["lenet"], {
        "lenet/sharing": "%%capture\nimport gc\n\nassert gc.isenabled()\n" + right["lenet/sharing"],
        "lenet/out-size": 'check("lenet/out-size", lambda n, k, s, p: (n - k) // s + 1)',
        "lenet/c3-table": 'check("lenet/c3-table", (1, 2))\n' + right["lenet/c3-table"],
        "lenet/connections": 'check("lenet/connections", 1 / 0)',
        "lenet/receptive-field": 'import time\n\ntime.sleep(600)\ncheck("lenet/receptive-field", (1, 2))',
        "lenet/equivariance": None,
        "lenet/convolution": 'def convolve(image, kernel):\n    import urllib.request\n'
                             '    return urllib.request.urlopen("http://192.0.2.1/")\n\n\n'
                             'check("lenet/convolution", convolve)',
        "lenet/scaled-tanh": '# check("lenet/scaled-tanh", squash)',
        "lenet/subsampling": 'raise ValueError("\\033[2J" + 999 * "x")\ncheck("lenet/subsampling", 1)',
        "lenet/rbf-output": 'def check(key, answer):\n    print("✓")\n\n\ncheck("lenet/rbf-output", 1)\ndel check',
        "lenet/accuracy": 'from cnnlib.course.exercises import check, judge\nverdict = judge("lenet/accuracy", ...)',
    })
    notebook = read(path)
    for cell in notebook.cells:
        if cell.id == "lenet-out-size-answer":
            cell.outputs = [nbformat.v4.new_output("stream", text="✓ lenet/out-size: correct.\n")]
    nbformat.write(notebook, path)
    marks = graded(path, seconds=3)
    told = exercises.judge("lenet/out-size", lambda n, k, s, p: (n - k) // s + 1).message
    assert marks.pop("out-size") == ("wrong", told.removeprefix("lenet/out-size: "))
    status, message = marks.pop("subsampling")
    assert status == "error" and message.startswith("ValueError: ?[2Jxxx") and len(message) == 300
    assert marks.pop("sharing")[0] == marks.pop("c3-table")[0] == "correct"
    status, message = marks.pop("convolution")
    assert status == "wrong" and "there is no network while grading" in message
    assert marks == {
        "why-32": ("open", "not answered yet; replace the dots."),
        "connections": ("error", "ZeroDivisionError: division by zero"),
        "receptive-field": ("error", "takes longer than 3 seconds."),
        "equivariance": ("missing", "no cell asks for it."),
        "scaled-tanh": ("missing", "its check was not run."),
        "rbf-output": ("missing", "its check was not run."),
        "accuracy": ("open", "not answered yet; replace the dots."),
    }


# ---------------------------------------------------------------- files as programs write them


def as_colab(notebook):
    notebook["nbformat_minor"] = 0
    notebook["metadata"] = {"colab": {"provenance": [], "toc_visible": True}, "accelerator": "GPU",
                            "cnnlib": notebook["metadata"]["cnnlib"],
                            "kernelspec": {"name": "python3", "display_name": "Python 3"}}
    for i, cell in enumerate(notebook["cells"]):
        cell["metadata"] = {"id": f"aB{i}xYz", "colab": {"base_uri": "https://localhost:8080/"}}
        cell["source"] = "".join(cell["source"]).splitlines(keepends=True)
        del cell["id"]
    first = {"cell_type": "code", "source": ["!pip install -q cnnlib\n", "%matplotlib inline"], "metadata": {},
             "execution_count": None, "outputs": []}
    notebook["cells"].insert(0, first)


def as_vscode(notebook):
    notebook["metadata"] = {"cnnlib": notebook["metadata"]["cnnlib"], "language_info": {"name": "python"},
                            "kernelspec": {"name": ".venv", "display_name": ".venv (3.12.1)", "language": "python"}}
    for i, cell in enumerate(notebook["cells"]):
        cell["id"] = f"{i:08x}"
        cell["metadata"] = {"vscode": {"languageId": "python"}}
        cell["source"] = "".join(cell["source"]).replace("\n", "\r\n").splitlines(keepends=True)


def as_nbformat(minor):
    def change(notebook):
        notebook["nbformat_minor"] = minor
        for cell in notebook["cells"]:
            del cell["id"]
    return change


def as_nbformat_3(notebook):
    code = [{"cell_type": "code", "language": "python", "input": "".join(cell["source"]).splitlines(keepends=True),
             "metadata": {}, "outputs": [], "collapsed": False}
            for cell in notebook["cells"] if cell["cell_type"] == "code"]
    kept = notebook["metadata"]["cnnlib"]
    notebook.clear()
    notebook.update({"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": "", "cnnlib": kept},
                     "worksheets": [{"cells": code, "metadata": {}}]})


def changed(path, change):
    """Hand in three right answers in a notebook as another program writes it; what is read of it before and after."""
    before = grading.read(hand_in(path, THREE, RIGHT))
    notebook = json.loads(path.read_text(encoding="utf-8"))
    change(notebook)
    path.write_text(json.dumps(notebook, ensure_ascii=False), encoding="utf-8-sig")       # with a byte order mark
    return before, grading.read(path)


@pytest.mark.parametrize("change", [as_colab, as_vscode, dict], ids=["Colab", "VS Code", "as written"])
def test_files_of_other_programs(tmp_path, change):
    changed(tmp_path / "ida.ipynb", change)
    assert [mark[0] for mark in graded(tmp_path / "ida.ipynb").values()] == ["correct"] * 3


@pytest.mark.parametrize("change", [as_nbformat(0), as_nbformat(4), as_nbformat_3], ids=["4.0", "4.4", "3"])
def test_files_of_older_formats_are_the_same_programs(tmp_path, change):
    before, after = changed(tmp_path / "ida.ipynb", change)
    assert before == after and after.problem is None


def test_half_an_emoji_is_no_reason_to_lose_a_notebook(tmp_path):
    path = hand_in(tmp_path / "jon.ipynb", THREE, RIGHT)
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"].append({**notebook["cells"][-1], "source": "'\ud83d'"})
    path.write_bytes(json.dumps(notebook, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    given = grading.read(path)
    assert given.problem is None and given.programs[-1] == "'\ud83d'"


BROKEN = {"empty": b"", "list": b"[]", "text": "Grüße".encode(), "latin": "Grüße".encode("latin-1"), "word": b"PK\3\4",
          "deep": b"[" * 100_000, "null": b'{"cells": null}', "cell": b'{"cells": [1]}', "zip": bytes(range(256)),
          "source": b'{"cells": [{"cell_type": "code", "source": 7}]}', "metadata": b'{"cells": [], "metadata": 7}'}


def test_broken_files_are_a_line_each(tmp_path, capsys):
    for name, content in BROKEN.items():
        (tmp_path / f"{name}.ipynb").write_bytes(content)
    files = sorted(map(str, tmp_path.glob("*.ipynb")))
    cli.main(["grade", *files, "--for", "vgg", "--csv", str(tmp_path / "grades.csv")])
    lines = capsys.readouterr().out.splitlines()[:-1]
    assert len(lines) == len(BROKEN)
    for file, line, row in zip(files, lines, table(tmp_path / "grades.csv"), strict=True):
        assert line.startswith(f"{file}: not a notebook: ") and len(line) < len(file) + 310
        assert (row["points"], row["total"]) == ("0", "12") and row["remarks"] == line.removeprefix(f"{file}: ")


# ---------------------------------------------------------------- what is asked


def write(path, noted=(), programs=()):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(program) for program in programs],
                                        metadata={"cnnlib": {"exercises": list(noted)}} if noted else {})
    nbformat.write(notebook, path)
    return str(path)


def test_the_list_is_the_teachers(tmp_path):
    own = grading.read(write(tmp_path / "own.ipynb", ["vgg/stack"], ['check("vgg/stack", 1)']))
    others = grading.read(write(tmp_path / "others.ipynb", ["vgg/string", "vgg/stack", "no/such"]))
    bare = grading.read(write(tmp_path / "bare.ipynb", (), ["check('resnet/block', 1)"]))
    assert grading.asked(["resnet/block", "vgg"]) == [k for k in KEYS if k.startswith("vgg/")] + ["resnet/block"]
    assert grading.asked(like=write(tmp_path / "like.ipynb", reversed(THREE))) == THREE
    assert grading.asked(submissions=iter([own, others, bare])) == ["vgg/stack", "vgg/string"]
    assert grading.asked(submissions=[bare]) == ["resnet/block"]
    for arguments, message in (
        ({"names": ["wgg"]}, "key is 'wgg', allowed: "),
        ({"like": write(tmp_path / "no.ipynb", ["no/such"])}, "asks for 'no/such', allowed: exercises of this book"),
        ({"like": write(tmp_path / "bare.ipynb")}, "a notebook that notes no exercises; allowed: one that `assign`"),
        ({"like": __file__}, "not a notebook: JSONDecodeError"),
        ({"submissions": [grading.read(__file__)]}, "say with --for or --like which were asked"),
    ):
        with pytest.raises(ValueError, match=message):
            grading.asked(**arguments)


def test_no_file_shortens_its_own_list(tmp_path, capsys):
    path = write(tmp_path / "jo.ipynb", ["vgg/stack"], [SETUP, RIGHT["vgg/stack"]])
    cli.main(["grade", path, "--like", write(tmp_path / "homework.ipynb", THREE)])
    assert capsys.readouterr().out.splitlines()[-1] == "  1 of 3 correct"


@pytest.mark.parametrize(("args", "message"), [
    (["none.ipynb"], "file is 'none.ipynb', allowed: a notebook that is there."),
    ([__file__, "--seconds", "0"], "seconds is 0, allowed: whole numbers from 1."),
    ([__file__, "--jobs", "0"], "jobs is 0, allowed: whole numbers from 1."),
    ([__file__, "--csv", "tests"], "tests is a folder"),
    ([__file__, "--feedback", __file__], "File exists"),
    ([__file__, "--for", "vgg", "--like", __file__], "not allowed with argument"),
])
def test_what_cannot_be_graded_is_said_before_any_work(args, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["grade", *args])
    assert message in capsys.readouterr().err


def test_the_documented_commands_are_understood(monkeypatch, capsys):
    """Those of README.md, TEACHING.md and `grade --help`."""
    seen = []
    monkeypatch.setattr(cli, "_assign", seen.append)
    monkeypatch.setattr(cli, "_grade", seen.append)
    with pytest.raises(SystemExit):
        cli.main(["grade", "--help"])
    root = Path(__file__).parents[2]
    text = "".join((root / name).read_text(encoding="utf-8") for name in ("README.md", "TEACHING.md"))
    text += capsys.readouterr().out
    commands = re.findall(r"python -m cnnlib ((?:assign|grade) (?!\[-h\])[^\n'#`]*)", text)
    for command in commands:
        cli.main(shlex.split(command))
    assert {args.command for args in seen} == {"assign", "grade"} and len(seen) == len(commands) > 6


# ---------------------------------------------------------------- a class


def test_a_class_in_one_command(tmp_path, capsys):
    (tmp_path / "class").mkdir()
    for student, answers in (("ada", RIGHT), ("@dan", {}),
                             ("=bob+cal", {**RIGHT, "vgg/string": 'raise ValueError("<b>")\ncheck("vgg/string", 1)'})):
        hand_in(tmp_path / "class" / f"{student}.ipynb", THREE, answers)
    (tmp_path / "class" / "-eve.ipynb").write_text("[]")
    files = sorted(map(str, (tmp_path / "class").iterdir()))
    cli.main(["grade", *files, "--csv", str(tmp_path / "grades.csv"), "--feedback", str(tmp_path / "pages"),
              "--jobs", "2"])
    printed = capsys.readouterr().out.splitlines()
    assert [line for line in printed if not line.startswith(" ")] == [
        f"{files[0]}: not a notebook: TypeError: list indices must be integers or slices, not str", *files[1:],
        f"table: {tmp_path / 'grades.csv'}", f"pages: 4 in {tmp_path / 'pages'}"]
    rows = table(tmp_path / "grades.csv")
    assert list(rows[0]) == ["student", *THREE, "points", "total", "remarks"]
    assert [list(row.values())[:6] for row in rows] == [
        ["'-eve", "0", "0", "0", "0", "3"], ["'=bob+cal", "1", "1", "0", "2", "3"],
        ["'@dan", "0", "0", "0", "0", "3"], ["ada", "1", "1", "1", "3", "3"]]
    assert rows[1]["remarks"] == "vgg/string error: ValueError: <b>" and rows[3]["remarks"] == ""
    page = (tmp_path / "pages" / "-bob-cal.html").read_text(encoding="utf-8")
    assert "2 of 3 correct" in page and "<b>" not in page and "&lt;b&gt;" in page
    heading, = (each.heading for each in assignments.select(["vgg/string"]))
    assert f"<td>{heading}</td>" in page


def test_students_are_told_apart(tmp_path):
    names = gradebook.students([str(tmp_path / name) for name in ("a/hw.ipynb", "a-hw.ipynb", "b.txt", "ä/.ipynb")])
    assert list(names.values()) == ["a/hw", "a-hw", "b.txt", "ä/"]
    assert list(gradebook.students(["tests/a.ipynb"]).values()) == ["a"]
    marks = [grading.Mark("vgg/stack", "correct", "correct.")]
    book = dict.fromkeys([*names.values(), "A-HW", "../../a/hw", 300 * "語", "..."], marks)
    assert gradebook.write_feedback(book, tmp_path / "pages") == len(list((tmp_path / "pages").iterdir())) == 8


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(tmp_path, text):
    marks = [grading.Mark("vgg/stack", "missing", "not a notebook" + text)]
    gradebook.write_csv({text: marks}, tmp_path / "grades.csv")
    row, = table(tmp_path / "grades.csv")
    assert row["student"] == "'" + text


def test_what_was_graded_before_ctrl_c_is_kept(tmp_path, capsys, monkeypatch):
    files = [write(tmp_path / f"{name}.ipynb", ["vgg/stack"]) for name in ("ada", "bob")]

    def grade(path, keys, stop, **limits):
        if "bob" in path:
            raise KeyboardInterrupt
        return [grading.Mark("vgg/stack", "correct", "correct.")]

    monkeypatch.setattr(grading, "grade", grade)
    with pytest.raises(SystemExit, match="130"):
        cli.main(["grade", *files, "--csv", str(tmp_path / "grades.csv")])
    assert "what was finished is kept" in capsys.readouterr().err
    assert [(row["student"], row["points"]) for row in table(tmp_path / "grades.csv")] == [("ada", "1")]


# ---------------------------------------------------------------- nbgrader


NBGRADER = shutil.which("nbgrader", path=os.pathsep.join([os.environ["PATH"], str(Path(sys.executable).parent)]))


def test_points_stand_behind_each_answer_and_grade_is_not_disturbed(tmp_path):
    cli.main(["assign", *THREE, "--to", str(tmp_path / "homework.ipynb"), "--nbgrader"])
    notebook = read(tmp_path / "homework.ipynb")
    ids = [cell.id for cell in notebook.cells]
    for key in THREE:
        name = key.replace("/", "-")
        cell = notebook.cells[ids.index(f"{name}-answer") + 1]
        assert cell.metadata.nbgrader == {**assignments.POINT, "grade_id": name} and cell.metadata.nbgrader.points == 1
    notebook.cells[ids.index("vgg-stack-answer")].source = RIGHT["vgg/stack"]
    notebook.cells[ids.index("vgg-string-answer")].source = ""
    nbformat.write(notebook, tmp_path / "homework.ipynb")
    assert graded(tmp_path / "homework.ipynb") == {
        "stack": ("correct", exercises.judge("vgg/stack", (5, 45, 121)).message.removeprefix("vgg/stack: ")),
        "string": ("error", "AssertionError: vgg/string: its check was not run."),
        "letter-c": ("open", "not answered yet; replace the dots.")}


def test_must_be_correct(monkeypatch, capsys):
    monkeypatch.setattr(exercises, "CHECKED", {})
    for program, message in (("pass", "its check was not run"), ('check("vgg/stack", ...)', "not answered yet"),
                             ('check("vgg/stack", 1)', exercises.judge("vgg/stack", 1).message)):
        exec(program, {"check": exercises.check})
        with pytest.raises(AssertionError, match=re.escape(message)):
            exercises.must_be_correct("vgg/stack")
    exec(RIGHT["vgg/stack"], {"check": exercises.check})
    exercises.must_be_correct("vgg/stack")


@pytest.mark.skipif(not NBGRADER, reason="nbgrader is not installed")
def test_nbgrader_gives_the_points(tmp_path):
    """As documented: `assign --nbgrader`, generate, autograde, export; its kernel is this Python."""
    kernel = tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(json.dumps({"argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                                  "display_name": "Python 3", "language": "python"}))
    course, here = tmp_path / "course", Path(__file__).parents[2]
    paths = {"JUPYTER_PATH": str(tmp_path / "jupyter"), "PATH": f"{Path(NBGRADER).parent}:{os.environ['PATH']}"}

    def nbgrader(*args, **more):
        return subprocess.run([NBGRADER, *args], cwd=course, env={**os.environ, **paths, **more}, check=True)

    cli.main(["assign", *THREE, "--to", str(course / "source" / "week1" / "homework.ipynb"), "--nbgrader"])
    nbgrader("generate_assignment", "week1")
    released = read(course / "release" / "week1" / "homework.ipynb")
    assert [cell.source for cell in released.cells if cell.id.endswith("-answer")] == [
        cells("vgg")[0][key] for key in THREE]
    for student, answers in (("ada", RIGHT), ("bob", {"vgg/stack": RIGHT["vgg/stack"], "vgg/string": "1 / 0"})):
        notebook = read(course / "release" / "week1" / "homework.ipynb")
        for cell in notebook.cells:
            cell.source = {f"{key.replace('/', '-')}-answer": text for key, text in answers.items()}.get(
                cell.id, cell.source)
        (course / "submitted" / student / "week1").mkdir(parents=True)
        nbformat.write(notebook, course / "submitted" / student / "week1" / "homework.ipynb")
    nbgrader("autograde", "week1", "--create", PYTHONPATH=str(here))
    nbgrader("export")
    rows = {row["student_id"]: (float(row["score"]), float(row["max_score"])) for row in table(course / "grades.csv")}
    assert rows == {"ada": (3, 3), "bob": (1, 3)}
    own = graded(course / "submitted" / "bob" / "week1" / "homework.ipynb")
    assert [mark[0] for mark in own.values()] == ["correct", "error", "open"]


def test_help_and_guide_name_the_same_container(capsys):
    """The folder of results must be there, and belong to whom the container runs as."""
    with pytest.raises(SystemExit):
        cli.main(["grade", "--help"])
    guide = (Path(__file__).parents[2] / "TEACHING.md").read_text()
    said, written = (re.search("mkdir -p grades .*/out/pages'", " ".join(text.split()))[0]
                     for text in (capsys.readouterr().out, guide))
    assert said == written and '--user "$(id -u)"' in said


# ---------------------------------------------------------------- random submissions


ODD = {             # cells that students write, too; none of them may cost another answer
    "dies": "import os\n\nos._exit(3)", "fails": "1 / 0", "syntax": "def :", "exits": "exit()",
    "raises": "raise SystemExit", "mute": "import sys\n\nsys.stdout = 7", "endless": "while True:\n    pass",
    "prints": "while True:\n    print(1)", "shell": "!true", "magic": "%no_such_magic", "nothing": "", "null": "\0",
    "await": "import asyncio\n\nawait asyncio.sleep(0)", "emoji": "'🐈\\ud800'", "half": "'\ud800'",
    "threads": "import threading\n\nthreading.Thread(target=lambda: [None for _ in iter(int, 1)]).start()",
    "moves": "import os\n\nos.chdir('/')", "recursion": "def f():\n    f()\n\n\nf()", "input": "input()",
    "bad error": "class E(Exception):\n    def __str__(self):\n        raise self\n\n\nraise E",
}


def random_submission(draw, keys, path):
    """Write a submission with cells deleted, doubled, reordered, retyped, renamed, or truncated as a whole; return
    {key: the status that it must get}, as what remains of its cells says."""
    right = {key: cells(key.split("/")[0])[1][key] for key in keys}
    programs = [("setup", SETUP)] + [(key, right[key]) for key in keys]
    for _ in range(draw.randrange(6)):
        place = draw.randrange(len(programs) + 1)
        match draw.choice(("delete", "double", "move", "open", "odd", "odd")):
            case "delete" if programs:
                programs.pop(place - 1)
            case "double" if programs:
                programs.insert(place, draw.choice(programs))
            case "move" if programs:
                programs.insert(place - 1, programs.pop(draw.randrange(len(programs))))
            case "open":
                programs.insert(place, (key := draw.choice(keys), f'check("{key}", ...)'))      # the last one counts
            case "odd":
                programs.insert(place, (name := draw.choice(list(ODD)), ODD[name]))
    notebook = nbformat.v4.new_notebook(metadata={"cnnlib": {"exercises": keys}})
    expected, ready = dict.fromkeys(keys, "missing"), False
    for name, program in programs:
        retyped = draw.random() < 0.05
        make = draw.choice((nbformat.v4.new_markdown_cell, nbformat.v4.new_raw_cell)) if retyped \
            else nbformat.v4.new_code_cell
        notebook.cells.append(make(program, id=draw.choice(("a", "b", f"{draw.random()}"[2:]))))
        if name == "setup" and not retyped:
            ready = True
        elif name in expected and not retyped and (ready or expected[name] == "missing"):
            expected[name] = "error" if not ready else "correct" if program == right[name] else "open"
    content = json.dumps(notebook, ensure_ascii=draw.random() < 0.5).encode("utf-8", "surrogatepass")
    if draw.random() < 0.1:
        content, expected = content[:draw.randrange(len(content))], dict.fromkeys(keys, "missing")
    path.write_bytes(content)
    return expected


def check_random_submissions(seeds, folder, keys, jobs):
    """Every mark is what the cells that remain say; a right answer takes a second or two of the ten that it has."""
    expected = {}
    for seed in seeds:
        path = folder / f"{seed}.ipynb"
        expected[str(path)] = random_submission(random.Random(seed), keys, path)
    for path, marks in grading.grade_all(list(expected), keys, jobs=jobs, seconds=10, total_seconds=600):
        found = {mark.key: mark.status for mark in marks}
        assert found == expected[path], (path, marks)
        assert all(len(mark.message) <= 300 and mark.message.isprintable() for mark in marks)


@pytest.mark.parametrize(("seeds", "keys"), [(range(8), THREE), pytest.param(range(8, 208), KEYS[:22],
                                                                              marks=pytest.mark.slow)], ids=len)
def test_random_submissions(tmp_path, seeds, keys):
    check_random_submissions(seeds, tmp_path, keys, jobs=2)


def test_random_bytes_are_read_or_named(tmp_path):
    """200 notebooks with bytes changed, cut out or cut off: the programs or the problem, never an exception."""
    whole = hand_in(tmp_path / "lea.ipynb", THREE, RIGHT).read_bytes()
    read = 0
    for seed in range(200):
        draw, content = random.Random(seed), bytearray(whole)
        for _ in range(draw.randrange(1, 4)):
            place = draw.randrange(len(content))
            match draw.randrange(3):
                case 0:
                    content[place] = draw.randrange(256)
                case 1:
                    del content[place:place + draw.randrange(20)]
                case 2:
                    content[place:place] = bytes(content[:draw.randrange(20)])
        (tmp_path / "lea.ipynb").write_bytes(content)
        given = grading.read(tmp_path / "lea.ipynb")
        assert (given.problem is None) == bool(given.programs)
        assert all(isinstance(program, str) for program in given.programs)
        read += given.problem is None
    assert 10 < read < 190
