"""The bug museum: short programs with a real mistake in them, and checks that tell whether a repair holds.

    >>> from cnnlib.course import bugs
    >>> bugs.show("lenet/smoke-test")               # the faulty program and what it does; the rest is folded
    >>> bugs.check("lenet/smoke-test", my_text)     # what passes now, and what still fails and why

Each chapter has a file with its exhibits and one file each for the faulty and for the repaired programs. A repair is
the library's own network wherever it has one.
"""

import html
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..randomness import seeded
from .chapters import parts
from .highlighting import python_html

__all__ = ["Exhibit", "Report", "check", "get", "list_exhibits", "show"]


@dataclass(frozen=True)
class Exhibit:
    """One mistake.

    Attributes:
        id: its name, such as "smoke-test"; `get` puts the chapter before it, "lenet/smoke-test".
        title: what the exhibit is about, without giving the mistake away.
        task: what the program is meant to do, and how it is called.
        faulty, repaired: the program, a class or function whose source is shown, or a text.
        symptom: computes what the author of the program saw, one or two sentences.
        checks: name -> function of a program that returns None, or says what is wrong with it.
        exposed_by: names of the checks that the faulty program fails; it passes all others.
        explanation: why it happens, and what the repair changes.
        hints: from vague to nearly the cause, each folded.
    """

    id: str
    title: str
    task: str
    faulty: object
    repaired: object
    symptom: Callable
    checks: dict
    exposed_by: tuple
    explanation: str
    hints: tuple = ()

    def __repr__(self):
        # Neither cause nor repair: in a notebook they are folded.
        program = textwrap.indent(_source(self.faulty).strip("\n"), "    ")
        return "\n\n".join([f"{self.id}: {self.title}", self.task, program, f"What was seen: {self.seen()}"])

    def seen(self):
        """The symptom, computed; the same at every call, and the random state is left as it was."""
        with seeded():
            return self.symptom()

    def _repr_html_(self):
        exposed = ", ".join(f"“{name}”" for name in self.exposed_by)
        checks = "check" if len(self.exposed_by) == 1 else "checks"
        hidden = f'<span class="visually-hidden"> of exhibit {self.id}</span>'
        return (
            '<div class="cnnlib-html cnnlib-bug">'
            f'<p class="bug-title"><strong>{html.escape(self.title)}</strong> <code>{self.id}</code></p>'
            f"<p>{html.escape(self.task)}</p>{python_html(_source(self.faulty))}"
            f'<p class="bug-symptom"><strong>What was seen:</strong> {html.escape(self.seen())}</p>'
            f"{self._ladder(hidden)}"
            f"<details><summary>The cause{hidden}</summary>"
            f"<p>{html.escape(self.explanation)}</p><p>Exposed by the {checks} {html.escape(exposed)}.</p></details>"
            f"<details><summary>A repair{hidden}</summary>{python_html(_source(self.repaired))}</details></div>"
        )

    def _ladder(self, hidden):
        return "".join(
            f"<details><summary>Hint {number}{hidden}</summary><p>{html.escape(hint)}</p></details>"
            for number, hint in enumerate(self.hints, 1)
        )


@dataclass(frozen=True)
class Report:
    """What the checks of an exhibit say of a program: check name -> None or what is wrong."""

    id: str
    results: dict

    @property
    def passed(self):
        return bool(self.results) and not self.failures

    @property
    def failures(self):
        """The checks that fail, with their messages."""
        return {name: problem for name, problem in self.results.items() if problem}

    def __repr__(self):
        if not self.results:
            return f"… {self.id}: no repair yet.\n  Hand in your own version of the program."
        lines = [f"✗ {name}: {problem}" if problem else f"✓ {name}" for name, problem in self.results.items()]
        good = len(self.results) - len(self.failures)
        return "\n".join([f"{self.id}: {good} of {len(self.results)} checks pass.", *lines])


def _source(program):
    return program if isinstance(program, str) else textwrap.dedent(inspect.getsource(program))


def _exhibits(chapter=None):
    rooms = parts("bugs", chapter).items()
    exhibits = (replace(exhibit, id=f"{name}/{exhibit.id}") for name, room in rooms for exhibit in room.EXHIBITS)
    return {exhibit.id: exhibit for exhibit in exhibits}


def list_exhibits(chapter=None):
    """The ids of all exhibits in the order of the book, or those of one chapter, such as "vgg".

    Raises:
        ValueError: there is no such chapter.
    """
    return list(_exhibits(chapter))


def get(exhibit_id):
    """The exhibit with this id.

    Raises:
        ValueError: there is none.
    """
    exhibits = _exhibits()
    if exhibit_id not in exhibits:
        raise ValueError(f"exhibit {exhibit_id!r} is not known, allowed: {', '.join(exhibits)}.")
    return exhibits[exhibit_id]


def show(exhibit_id):
    """The exhibit as a notebook shows it: program and symptom open, cause and repair folded."""
    return get(exhibit_id)


def check(exhibit_id, repair=None):
    """Run the checks of an exhibit on the reader's version of the program; return a `Report`.

    The random state is the same at every call and is left as it was.
    """
    exhibit = get(exhibit_id)
    if repair is None or repair is ...:
        return Report(exhibit.id, {})
    return Report(exhibit.id, {name: _verdict(test, repair) for name, test in exhibit.checks.items()})


def _verdict(test, program):
    """What one check says; a program that breaks while being checked has failed that check."""
    with seeded():
        try:
            return test(program)
        except Exception as error:      # whatever a reader's program may raise
            return f"it stops with {type(error).__name__}: {error}"
