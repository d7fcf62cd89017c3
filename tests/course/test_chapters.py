"""A chapter is a line in CHAPTERS, its lines in `_toc.yml` and two folders: one is added here to a copy of the book."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from cnnlib import files
from cnnlib.course import chapters

ROOT = Path(__file__).resolve().parents[2]

EXERCISES = '''
from ..exercises import Numbers, Part, exercise


@exercise("heads")
def heads():
    """How many heads?"""
    return Numbers(Part("heads", 8, {1: "that is one; there are several."}, "Count them in the figure."),
                   why="Eight see more than one.")
'''
BUGS = '''
from ..bugs import Exhibit
from . import faulty, repaired

EXHIBITS = [
    Exhibit(
        id="sum-of-weights",
        title="More than all",
        task="weights(scores): the share of each place.",
        faulty=faulty.weights,
        repaired=repaired.weights,
        symptom=lambda: f"The shares of two equal places sum to {sum(faulty.weights([1, 1]))}.",
        checks={"shares sum to 1": lambda weights: None if sum(weights([1, 3])) == 1 else "they do not sum to 1."},
        exposed_by=("shares sum to 1",),
        explanation="The scores are not divided by their sum.",
        hints=("What is a share?",),
    ),
]
'''
CLAIM = {
    "id": "heads-are-cheap", "claim": "Two heads cost twice as much as one.", "seen_in": "a test", "verdict": "false",
    "statement": "They cost {times} times as much.",
    "settled_by": {"computation": '{"times": 2 // 2}', "expected": {"times": 1}},
}
SECTION = [
    new_markdown_cell("# Heads", id="title"),
    new_code_cell("from cnnlib.course.exercises import check", id="setup"),
    new_code_cell('bugs.show("attention/sum-of-weights")', id="bug-sum-of-weights",
                  metadata={"tags": ["hide-cell"],
                            "mystnb": {"code_prompt_show": "More than all", "code_prompt_hide": "More than all"}}),
    new_code_cell('claims.show("attention")', id="claims", metadata={"tags": ["hide-output"], "mystnb": {
        f"code_prompt_{way}": "The ledger, 1 claims: 1 false" for way in ("show", "hide")}}),
    new_markdown_cell("### 1. Heads\n\n*Number.*\n\nHow many heads? Say it.", id="exercise-1"),
    new_code_cell('check("attention/heads", ...)', id="answer-1"),
    new_markdown_cell(':::{dropdown} Solution\n```python\ncheck("attention/heads", 8)\n```\n:::', id="solution-1"),
]
SEEN = '''
import json
from cnnlib.course import assignments, bugs, chapters, claims, exercises
print(json.dumps([
    [chapters.page(path) for path in chapters.notebooks("attention")],
    [name for name in claims.load() if name.startswith("attention/")], claims.show("attention").rows[0][1],
    bugs.list_exhibits("attention"), bugs.check("attention/sum-of-weights", lambda scores: [0.5, 0.5]).passed,
    [key for key in exercises.list_exercises() if key.startswith("attention/")],
    [(found.key, found.page) for found in assignments.select(["attention/heads"])],
    [found.key for found in assignments.select(["attention/many"])],
]))
'''


def changed(before, after):
    """Files of the copy that are new or differ."""
    files = (path.relative_to(after) for path in after.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(file) for file in files
            if not (before / file).exists() or (before / file).read_bytes() != (after / file).read_bytes()}


def write_chapter(root):
    """The chapter `attention`, with one section, one exercise, one exhibit and one claim."""
    course, book = root / "cnnlib" / "course" / "attention", root / "book" / "attention"
    for folder in (course, book):
        folder.mkdir()
    (course / "__init__.py").touch()
    (course / "exercises.py").write_text(EXERCISES)
    (course / "bugs.py").write_text(BUGS)
    (course / "faulty.py").write_text("def weights(scores):\n    return scores\n")
    (course / "repaired.py").write_text("def weights(scores):\n    return [x / sum(scores) for x in scores]\n")
    (course / "claims.yml").write_text(yaml.safe_dump([CLAIM]))
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Attention", id="title")]), book / "index.ipynb")
    nbformat.write(new_notebook(cells=SECTION), book / "many.ipynb")
    names = root / "cnnlib" / "course" / "chapters.py"
    names.write_text(re.sub(r"^(CHAPTERS = \([^)]*)", r'\1, "attention"', names.read_text(), flags=re.MULTILINE))
    toc = yaml.safe_load((root / "_toc.yml").read_text())
    toc["parts"][0]["chapters"].append({"file": "book/attention/index", "sections": [{"file": "book/attention/many"}]})
    (root / "_toc.yml").write_text(yaml.safe_dump(toc))


@pytest.fixture
def copy(tmp_path):
    for folder in ("cnnlib", "book", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    shutil.copy(ROOT / "_toc.yml", tmp_path)
    (tmp_path / "data").symlink_to(ROOT / "data")
    return tmp_path


@pytest.mark.skipif(files.CHECKOUT is None, reason="an installed package has no checkout around it")
def test_a_chapter_touches_its_two_folders_and_two_lists(copy):
    write_chapter(copy)
    assert {file for file in changed(ROOT, copy) if "/attention/" not in file} == {
        "cnnlib/course/chapters.py", "_toc.yml"}
    python = dict(cwd=copy, env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}, text=True,
                  capture_output=True)
    seen = subprocess.run([sys.executable, "-c", SEEN], **python)
    assert seen.returncode == 0, seen.stderr
    assert json.loads(seen.stdout) == [
        ["attention/index", "attention/many"],
        ["attention/heads-are-cheap"], {"times": 1},
        ["attention/sum-of-weights"], True,
        ["attention/heads"], [["attention/heads", "attention/many"]], ["attention/heads"]]
    # The tests of the course reach it, too. Of every exercise they want wrong answers (mutants), in a file in tests.
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "attention and not mutants",
         "tests/course/test_bugs.py", "tests/course/test_claims.py", "tests/course/test_folds.py",
         "tests/course/exercises"], **python)
    assert tests.returncode == 0, tests.stdout


def test_the_list_has_every_folder_in_the_order_of_the_book():
    assert {path.parent.name for path in Path(chapters.__file__).parent.glob("*/__init__.py")} <= set(chapters.CHAPTERS)
    pages = dict.fromkeys(path.parent.name for path in chapters.notebooks())
    assert list(pages) == [name for name in chapters.CHAPTERS if name in pages]


def test_a_chapter_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="chapter is 'poetry', allowed: 'anatomy', 'lenet'"):
        chapters.parts("bugs", "poetry")
