"""The workflows do nothing of their own: each of their commands is a target of the Makefile, with variables it has."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".github" / "workflows"
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
FILES = sorted(FOLDER.glob("*.yml"))


def targets():
    return set(re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.M)[1].split())


def steps():
    """(file, job, step) of every step of every workflow."""
    for path in FILES:
        for name, job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].items():
            yield from ((path.name, name, step) for step in job["steps"])


RUNS = [(file, job, step["run"]) for file, job, step in steps() if "run" in step]


def test_there_are_three_workflows_that_do_what_they_are_for():
    assert {(file, run.split()[1]) for file, _, run in RUNS} == {
        ("test.yml", "test"), ("test.yml", "test-library"), ("publish.yml", "publish"), ("weekly.yml", "test"),
        ("weekly.yml", "test-lowest"), ("weekly.yml", "test-colab"), ("weekly.yml", "links")}


@pytest.mark.parametrize("file, job, run", RUNS)
def test_a_command_is_a_target_of_make(file, job, run):
    program, target, *variables = run.split()
    assert program == "make" and target in targets() and re.search(rf"^{target}:", MAKEFILE, re.M)
    for variable in variables:
        name = variable.partition("=")[0]
        assert re.search(rf"\$\(.*\b{name}\b|^{name} *\?=", MAKEFILE, re.M), name


@pytest.mark.skipif(not shutil.which("make"), reason="a machine without make")
@pytest.mark.parametrize("run", sorted({run for *_, run in RUNS}))
def test_make_knows_what_it_would_do(run):
    done = subprocess.run([*run.split(), "--dry-run"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip(), done.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_workflow_says_what_it_may_do_and_for_how_long(path):
    flow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(flow[True]) and flow["permissions"] == {"contents": "write" if path.stem == "publish" else "read"}
    assert all(job["timeout-minutes"] for job in flow["jobs"].values())
    used = [step["uses"] for job in flow["jobs"].values() for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", action) for action in used)


def test_every_target_is_explained_by_make_help():
    told = set(re.findall(r'echo "make ([\w-]+)', MAKEFILE))
    assert told == targets() - {"help", "steps"}
