"""Predict, then see: the reader commits to a guess before the answer is shown."""

import html
from bisect import bisect_right
from math import log

import traitlets as t

from ..checks import one_of
from .base import BookWidget, html_table


class Predict(BookWidget):
    """Asks a question, takes the reader's guess, and only then shows the answer and how far off the guess was.

        Predict("How many parameters does sharing save?", 30_908, [10, 100, 1_000, 10_000, 100_000], unit="times")
        Predict("Which of the three makes the fewest errors?", "ReLU", ["sigmoid", "tanh", "ReLU"])

    Give the answer as the cell has computed it, or read it from recorded runs, never typed.

    Args:
        question: what is asked, a sentence.
        answer: a number, or one of the guesses where these are texts.
        guesses: what the reader can choose: numbers, rising, are a slider; texts are a button each.
        unit: stands after the numbers, such as "%" or "pixels"; a plural loses its s after 1.
        why: one sentence that is shown together with the answer.

    Raises:
        ValueError: fewer than two guesses, numbers that do not rise, or an answer that no guess could come near.
    """

    question = t.Unicode().tag(sync=True)
    unit = t.Unicode().tag(sync=True)
    why = t.Unicode().tag(sync=True)
    guess = t.Any().tag(sync=True)

    def __init__(self, question, answer, guesses, *, unit="", why=""):
        guesses = list(guesses)
        if len(guesses) < 2 or any(isinstance(guess, str) != isinstance(answer, str) for guess in guesses):
            raise ValueError(f"guesses is {guesses!r}, allowed: two or more, all numbers or all texts, as the answer.")
        if isinstance(answer, str):
            one_of("answer", answer, guesses)
        elif sorted(set(guesses)) != guesses:
            raise ValueError(f"guesses is {guesses!r}, allowed: numbers that rise.")
        elif not guesses[0] <= answer <= guesses[-1]:
            raise ValueError(f"answer is {answer!r}, allowed with these guesses: {guesses[0]} to {guesses[-1]}.")
        self.inputs, self._right = {"guess": guesses}, answer
        super().__init__(question=question, unit=unit, why=why, guess=guesses[0])

    def compute(self, guess):
        """`right`: the answer in words; `verdict`: what the guess was, and how far off; `place`: where the answer
        lies on the slider, in steps from its start, -1 for texts.

        Raises:
            ValueError: a guess that is not offered.
        """
        guesses = self.inputs["guess"]
        one_of("guess", guess, guesses)
        said = self._said(guess)
        if isinstance(guess, str):
            verdict = f"You said {said}, too." if guess == self._right else f"You said {said}."
        elif guess == nearest(self._right, guesses):
            verdict = f"You said {said}: no number on the slider is nearer."
        else:
            verdict = f"You said {said}: {self._apart(guess)} too {'high' if guess > self._right else 'low'}."
        return {"right": self._said(self._right), "verdict": verdict, "place": place(self._right, guesses)}

    def _said(self, value):
        return value if isinstance(value, str) else with_unit(value, self.unit)

    def _apart(self, guess):
        """How far a number is from the answer: as a factor from 2 on, else as a difference."""
        low, high = sorted((guess, self._right))
        if low > 0 and high / low >= 2:
            return f"{in_words(float(f'{high / low:.2g}'))} times"
        unit = "" if self.unit.startswith("of ") else self.unit         # 2 of 7: 1 too low
        return with_unit(high - low, "points" if unit == "%" else unit)

    def fallback_html(self):
        """Question and guesses, and the answer folded."""
        rows = [("answer", self.answer["right"])] + [("why", self.why)] * bool(self.why)
        asked, offered = html.escape(self.question), html.escape(", ".join(map(self._said, self.inputs["guess"])))
        return (f"<p><strong>Predict:</strong> {asked} ({offered})</p><details><summary>The answer</summary>"
                f"{html_table(self.question, ['quantity', 'value'], rows)}</details>")

    def __repr__(self):
        return f"Predict({self.question!r})"


def in_words(value):
    """A number to three digits, or all those before the point; with separators."""
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def with_unit(value, unit):
    """A number and its unit: 2 blocks, 1 block."""
    said = in_words(value)
    return f"{said} {unit.removesuffix('s') if said == '1' else unit}".rstrip()


def nearest(value, guesses):
    """The guess nearest to a value, in steps of the slider."""
    return guesses[round(place(value, guesses))]


def place(value, guesses):
    """Where a value lies on a slider of these guesses, in steps from the first; -1 for a text.

    Between two guesses it goes by differences; by ratios where the greater is at least twice the smaller.
    """
    if isinstance(value, str):
        return -1
    step = min(bisect_right(guesses, value), len(guesses) - 1) - 1
    low, high = guesses[step:step + 2]
    if low > 0 and high / low >= 2:
        low, high, value = log(low), log(high), log(value)
    return round(step + (value - low) / (high - low), 3)
