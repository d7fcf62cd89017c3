"""Answers that data can judge: whole numbers, or one of a few words.

`check` judges on this data, and so do the answer boxes of the pages (`site/answers.js`), by the same rules in the
same order:

1. An answer with dots, or an empty field, is open.
2. What is no whole number, or not among the words, is said.
3. A known mistake in all numbers together.
4. The right numbers in another order.
5. The first number that is wrong: what led to it if that is known, else whether it is too large or too small, and
   where to look next.
"""

import operator
from dataclasses import dataclass

__all__ = ["Choice", "NotAnswered", "Numbers", "Part", "Wrong"]


class Wrong(Exception):
    """The answer is wrong; the message says how."""


class NotAnswered(Exception):
    """The answer is still the stub."""


@dataclass(frozen=True)
class Part:
    """A whole number that is asked for.

    Args:
        name: what it counts.
        right: its value.
        mistakes: wrong value -> what led to it.
        hint: a sentence that says where to look next, for any other wrong value.
    """

    name: str
    right: int
    mistakes: dict
    hint: str

    def told(self, given):
        """What is wrong with a number; "" if nothing is."""
        if given == self.right:
            return ""
        if given in self.mistakes:
            return f"{self.name}: {self.mistakes[given]}"
        return f"{self.name}: {given:,} is too {'large' if given > self.right else 'small'}. {self.hint}"

    def whole(self, value):
        """The value as an int; `Wrong` if it is no whole number."""
        try:
            return operator.index(int(value) if isinstance(value, float) and value.is_integer() else value)
        except TypeError:
            raise Wrong(f"{self.name}: a whole number is wanted, this is {value!r}.") from None


class Numbers:
    """One or more whole numbers.

    Args:
        parts: a `Part` for each.
        why: why the right ones are right, said with "correct".
        together: tuple of wrong values -> what led to all of them.
    """

    def __init__(self, *parts, why, together=None):
        self.parts, self.why, self.together = parts, why, together or {}

    def judge(self, answer):
        """Return `why`, or raise `Wrong` with what is wrong with the answer."""
        names = "; ".join(part.name for part in self.parts)
        answer = answer.tolist() if hasattr(answer, "tolist") else answer       # an array of NumPy, a tensor
        values = [answer] if len(self.parts) == 1 else answer
        if not isinstance(values, (tuple, list)) or len(values) != len(self.parts):
            raise Wrong(f"{len(self.parts)} numbers are wanted ({names}), this is {answer!r}.")
        given = tuple(part.whole(value) for part, value in zip(self.parts, values, strict=True))
        told = [part.told(value) for part, value in zip(self.parts, given, strict=True)]
        if not any(told):
            return self.why
        if given in self.together:
            raise Wrong(self.together[given])
        if sorted(given) == sorted(part.right for part in self.parts):
            raise Wrong(f"the right numbers in the wrong order; wanted: {names}.")
        rest = f" ({told.count('')} of {len(told)} right)" if len(told) > 1 else ""
        raise Wrong(next(filter(None, told)) + rest)

    def data(self):
        """The same as JSON has it, for the pages."""
        return {"parts": [{"name": part.name, "right": int(part.right), "hint": part.hint,
                           "mistakes": {str(int(value)): told for value, told in part.mistakes.items()}}
                          for part in self.parts],
                "together": {",".join(str(int(value)) for value in values): told
                             for values, told in self.together.items()},
                "why": self.why}


class Choice:
    """One of a few words.

    Args:
        right: the right word.
        mistakes: wrong word -> what is wrong with it.
        options: all words, in the order in which they are offered.
        why: why the right one is right, said with "correct".
    """

    def __init__(self, options, right, mistakes, why):
        self.options, self.right, self.mistakes, self.why = options, right, mistakes, why

    def judge(self, answer):
        """Return `why`, or raise `Wrong` with what is wrong with the answer."""
        if not isinstance(answer, str) or answer not in self.options:
            raise Wrong(f"one of {', '.join(self.options)} is wanted, this is {answer!r}.")
        if answer != self.right:
            raise Wrong(self.mistakes[answer])
        return self.why

    def data(self):
        """The same as JSON has it, for the pages."""
        return {"options": list(self.options), "right": self.right, "mistakes": self.mistakes, "why": self.why}
