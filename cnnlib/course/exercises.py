"""Exercises: `check` says not only that an answer is wrong but also what is wrong with it.

    >>> from cnnlib.course.exercises import check
    >>> check("lenet/sharing", (150, ...))
    … lenet/sharing: not answered yet; replace the dots.

Each chapter has a file with one judge an exercise, in the order of the book. A judge is a program or data:

    @exercise("out-size")               # in lenet/exercises.py: the exercise `lenet/out-size`
    def out_size(answer):               # says why an answer is right, or raises `Wrong`
        ...

    @exercise("stack")
    def stack():                        # takes no answer: what it returns judges, in `check` and on the page
        return Numbers(Part("layers", 5, {4: "four see 9 pixels."}, "What does the first see?"), why="...")

Right values come from the library, and no message gives them away.
"""

import dis
import functools
import inspect
import reprlib
import sys
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from .. import randomness
from .answers import Choice, NotAnswered, Numbers, Part, Wrong
from .chapters import parts

__all__ = ["Choice", "Numbers", "Part", "Verdict", "Wrong", "asked", "call", "check", "exercise", "judge",
           "list_exercises", "must_be_correct", "number", "tensor"]

JUDGES = {}         # chapter -> {name: judge}, filled by `exercise`
CHECKED = {}        # key -> what the last `check` said of it


@dataclass(frozen=True)
class Verdict:
    """What `judge` says. status is "open", "correct" or "wrong"."""

    status: str
    message: str

    SIGNS = {"open": "…", "correct": "✓", "wrong": "✗"}

    def __str__(self):
        return f"{self.SIGNS[self.status]} {self.message}"


def exercise(name):
    """Register a function as the judge of the exercise `name` of the chapter in whose folder it stands."""

    def enter(function):
        judges = JUDGES.setdefault(function.__module__.split(".")[-2], {})
        if name in judges and judges[name].__name__ != function.__name__:
            raise ValueError(f"name is {name!r}, allowed: one that is not yet taken by {judges[name].__name__}.")
        judges[name] = function
        return function

    return enter


def _judges():
    chapters = parts("exercises")       # imports them
    return {f"{chapter}/{name}": judge for chapter in chapters for name, judge in JUDGES.get(chapter, {}).items()}


def list_exercises():
    """The keys of all exercises, in the order of the book."""
    return list(_judges())


@functools.cache
def asked(key):
    """The `Numbers` or the `Choice` that judges an exercise; None where a program does."""
    judge = _judges()[key]
    return None if inspect.signature(judge).parameters else judge()


def judge(key, answer):
    """Judge an answer: a number, a tuple, a function or a class, as the exercise asks. Returns a `Verdict`.

    The random state is the same at every call and is left as it was.

    Raises:
        ValueError: there is no such exercise.
    """
    if key not in _judges():
        raise ValueError(f"exercise {key!r} is not known, allowed: {', '.join(list_exercises())}.")
    with randomness.seeded(), torch.no_grad():
        try:
            _must_be_answered(answer)
            told = _judges()[key](answer) if asked(key) is None else asked(key).judge(answer)
            return Verdict("correct", f"{key}: correct. {told}")
        except NotAnswered:
            return Verdict("open", f"{key}: not answered yet; replace the dots.")
        except Wrong as wrong:
            return Verdict("wrong", f"{key}: {wrong}")


def check(key, answer):
    """Print what `judge` says of an answer, in one line; nothing while all of it is still dots."""
    CHECKED[key] = judge(key, answer)
    if CHECKED[key].status != "open" or _is_begun(answer):
        print(CHECKED[key])


def must_be_correct(key):
    """Raise AssertionError unless the last `check` of an exercise said "correct".

    For graders such as nbgrader, which give a cell's points where it does not fail.
    """
    if key not in CHECKED:
        raise AssertionError(f"{key}: its check was not run.")
    if CHECKED[key].status != "correct":
        raise AssertionError(CHECKED[key].message)


# ---------------------------------------------------------------- what the judges are made of


def _must_be_answered(value):
    values = value if isinstance(value, (tuple, list)) else [value]
    if any(part is None or part is ... for part in values):
        raise NotAnswered
    if any(isinstance(part, torch.Tensor) and part.is_meta for part in values):
        raise Wrong("this is a tensor on the meta device, which has a shape and no numbers.")


def _is_begun(answer):
    """Is a part of an answer more than dots?"""
    values = answer if isinstance(answer, (tuple, list)) else [answer]
    return any(part is not None and part is not ... and not _is_stub(part) for part in values)


def call(function, *args):
    """Call what the reader wrote. A stub counts as no answer yet, an exception in it as a wrong one."""
    name = getattr(function, "__name__", type(function).__name__)
    if not callable(function):
        raise Wrong(f"a function or a class is wanted here, this is {function!r}.")
    try:
        value = function(*args)
    except NotImplementedError:
        raise NotAnswered from None
    except Exception as error:      # whatever a reader's program may raise
        raise Wrong(f"{name} stops with {type(error).__name__}: {error}") from None
    if value is None and not _is_stub(function):
        raise Wrong(f"{name} returns None: is `return` missing, or are there dots left?")
    _must_be_answered(value)
    return value


def call_for_number(function, *args):
    """`call` a function that is to give one finite number, also in a tensor or an array; returns a float."""
    value = plain(call(function, *args))
    if not is_number(value):
        raise Wrong(f"a number is wanted, this is {_told(value)}.")
    return float(value)


def call_for_numbers(names, function, *args):
    """`call` a function that is to give finite numbers, one for each of `names`; returns a tuple of them."""
    value = plain(call(function, *args))
    given = tuple(map(plain, value)) if isinstance(value, (tuple, list)) else ()
    if len(given) != len(names) or not all(map(is_number, given)):
        raise Wrong(f"{len(names)} numbers are wanted ({', '.join(names)}), this is {_told(value)}.")
    return given


def is_number(value):
    """Is it one that a float can hold, and no truth value, NaN or infinity?"""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def plain(value):
    """A tensor or an array as Python's own numbers and lists, which can be compared with any other value."""
    return value.tolist() if isinstance(value, (torch.Tensor, np.ndarray, np.generic)) else value


def as_tensor(value, wanted="a tensor is wanted"):
    """What a reader's function gives as a tensor, where a list or an array of numbers will do."""
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise Wrong(f"{wanted}, this is {_told(value)}.") from None


def _told(value):
    """A value in a few words."""
    return reprlib.repr(value) if isinstance(value, (int, float, complex, tuple, list)) else f"a {type(value).__name__}"


def _is_stub(function):
    """Does a function, or what a module or its class does with its input, consist of dots alone?"""
    kind = function if isinstance(function, type) else type(function)
    written = kind.forward if issubclass(kind, nn.Module) else function
    code = getattr(inspect.unwrap(written), "__code__", None)
    idle = {"RESUME", "NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE"}
    return code is not None and all(step.opname in idle for step in dis.get_instructions(code))


def number(value, right, what, mistakes, hint):
    """Compare a whole number that a reader's function gives with the right one; see `Part`."""
    part = Part(what, right, mistakes, hint)
    if told := part.told(part.whole(value)):
        raise Wrong(told)


def tensor(value, right, what, mistakes=None):
    """Compare a tensor with the right one; `mistakes` maps what led to them to wrong tensors."""
    if not isinstance(value, torch.Tensor):
        raise Wrong(f"{what} gives {type(value).__name__}, a tensor is wanted.")
    if value.is_complex():
        raise Wrong(f"{what} gives complex numbers, real ones are wanted.")
    value = value.to(right)                         # numbers of another kind, such as float64, will do
    for mistake, wrong in (mistakes or {}).items():
        if value.shape == wrong.shape and torch.allclose(value, wrong, atol=1e-5):
            raise Wrong(mistake)
    if value.shape != right.shape:
        raise Wrong(f"{what} has shape {tuple(value.shape)}, {tuple(right.shape)} is wanted.")
    if not torch.allclose(value, right, atol=1e-5):
        far = (value - right).abs()
        place = tuple((~(far <= 1e-5)).nonzero()[0].tolist())             # NaN is far, too
        raise Wrong(f"{what} has the right shape, but differs from ours by up to {far.max().item():.3g}. Begin with "
                    f"place {place}, where it has {value[place].item():.4g} and {right[place].item():.4g} is right.")
