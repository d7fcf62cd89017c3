"""The exercises: a stub is not answered, a solution is right, and every wrong answer is told what is wrong with it."""

import functools
import json
import math
import re
from importlib import import_module
from importlib.util import find_spec

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import cnnlib
from cnnlib.course import chapters
from cnnlib.course.exercises import CHECKED, asked, check, exercise, judge, list_exercises

CHAPTERS = list(chapters.parts("exercises"))


# ---------------------------------------------------------------- stubs and solutions, as they stand in the chapters


@functools.cache
def cells(chapter):
    """Exercise key -> (stub, solution), taken from the chapter's notebooks."""
    pages = [json.loads(path.read_text(encoding="utf-8")) for path in chapters.notebooks(chapter)]
    stubs, solutions = {}, {}
    for cell in (cell for page in pages for cell in page["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            programs, found = [source], stubs
        else:
            dropdowns = re.findall(r"^:::\{dropdown\} Solution\n(.*?)^:::", source, re.MULTILINE | re.DOTALL)
            programs = [p for d in dropdowns for p in re.findall(r"^```python\n(.*?)^```", d, re.MULTILINE | re.DOTALL)]
            found = solutions
        for program in programs:
            for key in re.findall(r'^check\("([^"]+)"', program, re.MULTILINE):
                assert key not in found, f"{key} is asked twice"
                found[key] = program
    return stubs, solutions


def run(program, capsys):
    exec(program, {"cnnlib": cnnlib, "torch": torch, "nn": nn, "F": F, "check": check})
    return capsys.readouterr().out


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_exercise_stands_in_its_chapter_with_a_solution(chapter):
    """Also: judges stand in their file in the order of the book."""
    expected = [key for key in list_exercises() if key.startswith(f"{chapter}/")]
    stubs, solutions = cells(chapter)
    assert list(stubs) == expected
    assert list(solutions) == expected


def test_a_name_is_taken_once():
    def again(answer):
        ...

    again.__module__ = "cnnlib.course.lenet.exercises"
    with pytest.raises(ValueError, match="name is 'sharing', allowed: one that is not yet taken by sharing"):
        exercise("sharing")(again)


@pytest.mark.parametrize("key", list_exercises())
def test_the_stub_is_not_answered_and_prints_nothing(key, capsys):
    CHECKED.pop(key, None)
    assert run(cells(key.split("/")[0])[0][key], capsys) == ""
    assert CHECKED[key].status == "open"


@pytest.mark.parametrize(("key", "half"), [
    ("lenet/sharing", (150, ...)),
    ("blocks/one-kernel", (lambda depthwise, pointwise: pointwise * depthwise.transpose(0, 1), lambda *_: ...)),
])
def test_half_an_answer_is_told_that_dots_are_left(key, half, capsys):
    check(key, half)
    assert capsys.readouterr().out == f"… {key}: not answered yet; replace the dots.\n"


@pytest.mark.parametrize("key", list_exercises())
def test_the_solution_is_right(key, capsys):
    printed = run(cells(key.split("/")[0])[1][key], capsys)
    assert printed.startswith(f"✓ {key}: correct. ")
    assert printed.count("\n") == 1


# ---------------------------------------------------------------- wrong answers, listed in a file a chapter

MUTANTS = [(f"{chapter}/{key}", answer, told) for chapter in CHAPTERS if find_spec(f"{__package__}.{chapter}")
           for key, answer, told in import_module(f"{__package__}.{chapter}").MUTANTS]


@pytest.mark.parametrize(("key", "answer", "told"), MUTANTS)
def test_a_wrong_answer_is_told_what_is_wrong(key, answer, told):
    verdict = judge(key, answer)
    assert verdict.status == "wrong", verdict
    assert told in verdict.message


# Whatever a reader's program may give, or hand in in its place.
ODD = ["x", 2.5, math.nan, 1j, 10**400, {}, (1, 2), ([500], [1]), ("x", 1j), (torch.ones(2, 2) / 3, torch.ones(1)),
       torch.arange(40.0).view(4, 10) / 40, 1j * torch.ones(4, 10), torch.arange(3), torch.ones(3, device="meta"),
       nn.Identity(), object()]


@pytest.mark.parametrize("key", list_exercises())
def test_whatever_is_answered_is_judged(key):
    """A judge never stops, and takes nothing odd for right, least of all NaN, which is neither near nor far."""
    programs = [] if asked(key) else [lambda *given, value=value: value for value in ODD]
    for answer in [*ODD, *programs, nn.Identity]:
        assert judge(key, answer).status == "wrong", (answer, answer() if answer in programs else "")


@pytest.mark.parametrize("key", list_exercises())
def test_every_exercise_has_three_mutants(key):
    assert sum(mutant == key for mutant, _, _ in MUTANTS) >= 3


def test_the_right_value_is_not_given_away_by_a_wrong_number():
    assert "448" not in judge("lenet/sharing", (440, 1)).message
    assert not re.search(r"\b10\b|\b18\b", judge("lenet/receptive-field", (9, 17)).message)


def test_a_forgotten_return_is_no_stub():
    def forgotten(x):
        x + 1

    class Forgotten(nn.Module):
        def __init__(self, channels):
            super().__init__()

        def forward(self, x):
            x + 1

    class Stub(Forgotten):
        @torch.no_grad()
        def forward(self, x):
            ...

    for key, answer, name in (("lenet/scaled-tanh", forgotten, "forgotten"), ("resnet/block", Forgotten, "Forgotten")):
        verdict = judge(key, answer)
        assert verdict.status == "wrong"
        assert verdict.message == f"{key}: {name} returns None: is `return` missing, or are there dots left?"
    assert judge("resnet/block", Stub).status == "open"


def test_wanted_numbers_are_told_apart():
    told = judge("anatomy/strides", (1, 2)).message
    assert "6 numbers are wanted (to the right, NCHW; down, NCHW; channel, NCHW; to the right, channels-last;" in told


def test_an_unknown_exercise_is_named():
    with pytest.raises(ValueError, match="exercise 'lenet/none' is not known, allowed: anatomy/next-map, .*lenet/shar"):
        judge("lenet/none", 1)


@pytest.mark.parametrize("key", ["lenet/rbf-output", "resnet/agreement", "densenet/recompute"])
def test_judging_leaves_the_random_state(key, gpu_seeds):
    """Also where the judge has a seed of its own."""
    before = torch.random.get_rng_state()
    judge(key, lambda *given: torch.rand(4, 10))
    assert torch.equal(before, torch.random.get_rng_state()) and gpu_seeds == []
