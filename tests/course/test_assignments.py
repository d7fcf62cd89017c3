"""Assignments: what students get, and what their teachers do."""

import re
import sys

import nbformat
import pytest

from cnnlib import cli
from cnnlib.course import assignments, chapters, exercises
from tests.course.exercises.test_exercises import CHAPTERS, cells

KEYS = exercises.list_exercises()


def read(path):
    return nbformat.read(path, 4)


def code(notebook):
    """Stubs or solutions, without the imports of each page."""
    return [cell.source for cell in notebook.cells if cell.cell_type == "code" and not cell.id.endswith("-setup")]


# ---------------------------------------------------------------- assign


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_students_get_texts_and_stubs_and_no_solution(chapter, tmp_path):
    chosen = assignments.assign([chapter], tmp_path / "student.ipynb")
    assert {exercise.key for exercise in chosen} == {key for key in KEYS if key.startswith(f"{chapter}/")}
    notebook = read(tmp_path / "student.ipynb")
    nbformat.validate(notebook)
    stubs, solutions = cells(chapter)           # read in another way
    assert code(notebook) == list(stubs.values())
    everything = "\n".join(cell.source for cell in notebook.cells)
    for exercise in chosen:
        assert exercise.text in everything and exercise.heading in exercise.text
        assert solutions[exercise.key].strip() not in everything
        assert not exercise.remark or exercise.remark not in everything
    assert not re.search(r":::|\bsolution|\{cite", everything, re.IGNORECASE)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_teachers_get_the_solution_in_the_place_of_the_stub(chapter, tmp_path):
    chosen = assignments.assign([chapter], tmp_path / "solutions.ipynb", solutions=True)
    notebook = read(tmp_path / "solutions.ipynb")
    assert code(notebook) == [cells(chapter)[1][exercise.key].strip() for exercise in chosen]
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    assert all(exercise.remark in texts for exercise in chosen if exercise.remark)
    assert not any(":::" in text for text in texts)


def test_keys_and_chapters_mix_in_the_order_of_the_book(tmp_path):
    chosen = assignments.assign(["resnet/block", "vgg", "vgg/count"], tmp_path / "mix.ipynb")
    keys = [exercise.key for exercise in chosen]
    assert keys == [key for key in KEYS if key.startswith("vgg/")] + ["resnet/block"]
    notebook = read(tmp_path / "mix.ipynb")
    assert notebook.metadata.cnnlib.exercises == keys
    ids = [cell.id for cell in notebook.cells]
    setups = [cell_id for cell_id in ids if cell_id.endswith("-setup")]
    assert ids.index("vgg-stack-answer") < ids.index(setups[-1]) and setups[-1].startswith("resnet-")
    assert setups == list(dict.fromkeys(f"{exercise.page.replace('/', '-')}-setup" for exercise in chosen))
    assert ids[-1] == "resnet-block-answer"


def test_no_page_has_the_name_of_an_exercise():
    """`assign resnet/block` means one thing."""
    assert not {chapters.page(path) for path in chapters.notebooks()} & set(KEYS)


def test_a_section_is_assigned_alone_behind_its_own_imports(tmp_path, capsys):
    cli.main(["assign", "lenet/today", "lenet/sharing", "--to", str(tmp_path / "today.ipynb")])
    notebook = read(tmp_path / "today.ipynb")
    own = ["lenet/why-32", "lenet/connections", "lenet/receptive-field", "lenet/accuracy"]
    assert notebook.metadata.cnnlib.exercises == ["lenet/sharing", *own]
    setups = [cell for cell in notebook.cells if cell.id.endswith("-setup")]
    assert [cell.id for cell in setups] == ["lenet-watch-setup", "lenet-today-setup"]
    page = {cell.id: cell.source for cell in nbformat.read(chapters.notebooks("lenet")[3], 4).cells}
    assert setups[1].source == page["setup"]


def test_unknown_names_and_files_that_are_there_are_refused(tmp_path, capsys):
    file = tmp_path / "homework.ipynb"

    def says(*args):
        with pytest.raises(SystemExit, match="2"):
            cli.main(["assign", *args])
        return capsys.readouterr().err

    first, second, *_ = [key for key in KEYS if key.startswith("vgg/")]
    assert f"key is 'vgg/letters', allowed: {first}, {second}," in says("vgg", "vgg/letters", "--to", str(file))
    assert "key is 'wgg', allowed: anatomy, lenet, alexnet, vgg," in says("wgg", "--to", str(file))
    assert "--to FILE is missing" in says("vgg")
    assert not file.exists()
    file.write_text("a student's work")
    assert "homework.ipynb exists" in says("vgg", "--to", str(file))
    assert file.read_text() == "a student's work"
    cli.main(["assign", "vgg/stack", "--to", str(file), "--force"])
    assert capsys.readouterr().out == f"{file}: 1 exercise\n" and len(read(file).cells) == 5
    assert list(tmp_path.iterdir()) == [file]


def test_the_list_says_what_each_exercise_asks(capsys):
    cli.main(["assign", "--list"])
    lines = capsys.readouterr().out.splitlines()
    asked = [line.split()[0] for line in lines if line.startswith("  ")]
    assert asked == [key for chapter in CHAPTERS for key in cells(chapter)[0]]
    cli.main(["assign", "--list", "vgg/stack"])
    page, asked = capsys.readouterr().out.splitlines()
    assert page.startswith("vgg/")
    assert asked.split() == "vgg/stack 1. Eleven by eleven: AlexNet begins with kernels of 11×11.".split()


def test_a_page_of_a_chapter_is_assigned_by_its_name(tmp_path, monkeypatch, capsys):
    """A chapter on two pages, of which each has two exercises of VGG and imports of its own."""
    def page(title, *exercises):
        text = [nbformat.v4.new_markdown_cell(f"# {title}", id="title"),
                nbformat.v4.new_code_cell(f"import torch    # {title}", id="setup")]
        for i, exercise in enumerate(exercises, 1):
            text += [nbformat.v4.new_markdown_cell(exercise.text, id=f"exercise-{i}"),
                     nbformat.v4.new_code_cell(exercise.stub, id=f"answer-{i}"),
                     nbformat.v4.new_markdown_cell(
                         f":::{{dropdown}} Solution\n```python\n{exercise.program}\n```\n{exercise.remark}\n:::",
                         id=f"solution-{i}")]
        return nbformat.v4.new_notebook(cells=text)

    keys = ["vgg/stack", "vgg/letter-c", "vgg/string", "vgg/count"]          # as the book has them
    four = assignments.select(keys)
    (tmp_path / "book" / "vgg").mkdir(parents=True)
    (tmp_path / "_toc.yml").write_text("root: book/vgg/index\nsections:\n- file: book/vgg/small-kernels\n")
    nbformat.write(page("VGG", *four[:2]), tmp_path / "book/vgg/index.ipynb")
    nbformat.write(page("Small kernels", *four[2:]), tmp_path / "book/vgg/small-kernels.ipynb")
    monkeypatch.setattr(chapters, "CHECKOUT", tmp_path)
    assert {exercise.key: exercise.page for exercise in assignments.load().values()} == {
        **dict.fromkeys(keys[:2], "vgg/index"), **dict.fromkeys(keys[2:], "vgg/small-kernels")}
    for name, chosen in (("vgg/index", four[:2]), ("vgg/small-kernels", four[2:]), ("vgg", four)):
        assert [exercise.key for exercise in assignments.select([name])] == [exercise.key for exercise in chosen]
    cli.main(["assign", "vgg/small-kernels", "vgg/stack", "--to", str(tmp_path / "homework.ipynb")])
    setups = [cell.source for cell in read(tmp_path / "homework.ipynb").cells if cell.id.endswith("-setup")]
    assert setups == ["import torch    # VGG", "import torch    # Small kernels"]
    capsys.readouterr()
    cli.main(["assign", "--list"])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "vgg/index:", *keys[:2], "vgg/small-kernels:", *keys[2:]]


@pytest.mark.parametrize(("command", "taught"), [("assign", "python -m cnnlib assign --list"),
                                                 ("grade", "Handed-in programs run with YOUR rights")])
def test_help_teaches(command, taught, capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main([command, "--help"])
    assert taught in capsys.readouterr().out


def test_what_is_missing_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "nbformat", None)
    with pytest.raises(ImportError, match="needs nbformat, .* pip install -r requirements.txt"):
        assignments.assign(["vgg"], "homework.ipynb")
    monkeypatch.setattr(chapters, "CHECKOUT", None)
    assert assignments.load()                                       # the working folder is a checkout
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="run this in a checkout"):
        assignments.load()
