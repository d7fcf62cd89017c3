"""Predict without a browser: what it says of a guess, what a page gets, what it refuses."""

import pytest

from cnnlib.widgets import Predict
from cnnlib.widgets.predict import nearest, place
from tests.widgets.test_widgets import PAGE_BUDGET, unpack


def factor():
    return Predict("How many times?", 31_000, [10, 100, 1_000, 10_000, 100_000], unit="times", why="Counted.")


def percent():
    return Predict("How many per cent?", 0.96, [0.5, 0.9, 1.1, 2.0], unit="%")


def choice():
    return Predict("Which one?", "tanh", ["sigmoid", "tanh", "ReLU"])


@pytest.mark.parametrize("asked, guess, verdict", [
    (factor, 1_000, "You said 1,000 times: 31 times too low."),
    (factor, 10, "You said 10 times: 3,100 times too low."),
    (factor, 100_000, "You said 100,000 times: 3.2 times too high."),
    (percent, 1.1, "You said 1.1 %: 0.14 points too high."),
    (percent, 0.9, "You said 0.9 %: no number on the slider is nearer."),
    (percent, 2.0, "You said 2 %: 2.1 times too high."),
    (choice, "tanh", "You said tanh, too."),
    (choice, "ReLU", "You said ReLU."),
])
def test_a_guess_is_told_how_far_off_it_is(asked, guess, verdict):
    assert asked().compute(guess=guess)["verdict"] == verdict


@pytest.mark.parametrize("unit, right, close, far", [
    ("blocks", "1 block", "You said 0 blocks: 1 block too low.", "You said 3 blocks: 3 times too high."),
    ("%", "1 %", "You said 0 %: 1 point too low.", "You said 3 %: 3 times too high."),
    ("of four", "1 of four", "You said 0 of four: 1 too low.", "You said 3 of four: 3 times too high."),
    ("", "1", "You said 0: 1 too low.", "You said 3: 3 times too high."),
])
def test_a_number_and_its_unit_agree(unit, right, close, far):
    asked = Predict("How many?", 1, range(4), unit=unit)
    assert asked.compute(guess=1)["right"] == right
    assert [asked.compute(guess=guess)["verdict"] for guess in (0, 3)] == [close, far]
    assert asked.compute(guess=1)["verdict"] == f"You said {right}: no number on the slider is nearer."


def test_distance_is_a_factor_or_a_difference_that_leads_back_to_the_answer():
    """For every guess of a slider, read from the words: the reader can find the answer from the guess."""
    asked = factor()
    for guess in asked.inputs["guess"]:
        words = asked.compute(guess=guess)["verdict"].split(": ")[1].split()
        if words[0] == "no":
            continue
        times = float(words[0].replace(",", ""))
        assert guess * times == pytest.approx(31_000, rel=0.06) or guess / times == pytest.approx(31_000, rel=0.06)


def test_a_place_on_the_slider_is_between_its_neighbours_and_ends_at_its_ends():
    assert [place(value, [10, 100, 1_000]) for value in (10, 31.6228, 100, 1_000)] == [0, 0.5, 1, 2]
    assert [place(value, [0, 10, 15]) for value in (0, 5, 12.5, 15)] == [0, 0.5, 1.5, 2]
    assert nearest(40, [10, 100]) == 100 and nearest(40, [30, 55]) == 30
    assert choice().answer["place"] == -1


@pytest.mark.parametrize("asked", [factor, percent, choice])
def test_the_page_has_the_answer_to_every_guess_and_little_else(asked):
    widget = asked()
    spec = widget.static_spec()
    assert spec["grid"]["guess"] == widget.inputs["guess"]
    for guess in widget.inputs["guess"]:
        assert unpack(spec, {"guess": guess}) == widget.compute(guess=guess)
    assert len(widget.to_html().encode()) < PAGE_BUDGET / 50
    assert asked().to_html() == widget.to_html()


def test_without_javascript_the_answer_is_folded():
    before, _, folded = Predict("Is 1 < 2?", "yes & no", ["yes & no", "no"], why="So.").fallback_html().partition(
        "<details><summary>")
    assert "Is 1 &lt; 2? (yes &amp; no, no)" in before and "So." not in before
    assert "<td>yes &amp; no</td>" in folded and "So." in folded and folded.endswith("</details>")


def test_what_a_notebook_prints_of_it_does_not_give_the_answer_away():
    assert repr(factor()) == "Predict('How many times?')"


def test_a_kernel_answers_another_guess_and_names_a_wrong_one():
    asked = factor()
    asked.guess = 100_000
    assert asked.answer["verdict"].startswith("You said 100,000 times")
    asked.guess = 7
    assert asked.error == "guess is 7, allowed: 10, 100, 1000, 10000, 100000."
    assert asked.answer["verdict"].startswith("You said 100,000 times")


@pytest.mark.parametrize("answer, guesses, says", [
    (1, [1], "two or more"),
    (1, ["1", "2"], "all numbers or all texts"),
    ("1", [1, 2], "all numbers or all texts"),
    ("x", ["y", "z"], "answer is 'x', allowed: 'y', 'z'"),
    (2, [3, 2, 1], "numbers that rise"),
    (2, [1, 2, 2], "numbers that rise"),
    (9, [1, 2], "answer is 9, allowed with these guesses: 1 to 2"),
    (float("nan"), [1, 2], "answer is nan"),
])
def test_a_question_that_cannot_be_answered_is_refused(answer, guesses, says):
    with pytest.raises(ValueError, match=says):
        Predict("?", answer, guesses)
