"""Predict in a browser: nothing is told before the guess, all of it after, by mouse, keyboard and on paper."""

import pytest

from cnnlib.widgets import Predict

from .barriers import barriers
from .conftest import DESK, PHONE, stage

GUESSES = [10, 100, 1_000, 10_000, 100_000]


@pytest.fixture
def staged(visit, tmp_path):
    """Open a page with a question for a number and one for a word."""
    def opened(theme="light", **options):
        asked = [Predict("How many times as many?", 31_000, GUESSES, unit="times", why="Counted."),
                 Predict("Which of the three?", "tanh", ["sigmoid", "tanh", "ReLU"], why="Measured.")]
        return visit(stage(tmp_path, *asked, theme=theme), theme, shared=True, **options)

    return opened


def question(page, text):
    return page.locator("[data-widget=Predict]").filter(has_text=text)


def seen(widget):
    return widget.evaluate("widget => widget.innerText")


def test_nothing_is_told_before_the_guess(staged):
    with staged() as page:
        for widget, secrets in ((question(page, "How many"), ["31,000", "Counted", "low", "answer"]),
                                (question(page, "Which"), ["Measured", "You said", "Answer"])):
            assert not [secret for secret in secrets if secret in seen(widget).replace("Show the answer", "")]
        assert page.errors == []


def test_one_is_a_singular(visit, tmp_path):
    with visit(stage(tmp_path, Predict("How many?", 1, range(4), unit="blocks"))) as page:
        slider = page.locator("[data-widget=Predict] input")
        slider.focus()
        said = [slider.get_attribute("aria-valuetext")]
        for _ in range(2):
            page.keyboard.press("ArrowRight")
            said.append(slider.get_attribute("aria-valuetext"))
        assert said == ["0 blocks", "1 block", "2 blocks"]


def test_a_number_is_guessed_by_keyboard_and_told_how_far_off_it_was(staged):
    with staged() as page:
        widget = question(page, "How many")
        slider = widget.locator("input")
        slider.focus()
        for key, value in (("Home", "10 times"), ("ArrowRight", "100 times"), ("End", "100,000 times"),
                           ("ArrowLeft", "10,000 times"), ("ArrowLeft", "1,000 times")):
            page.keyboard.press(key)
            assert slider.get_attribute("aria-valuetext") == value
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert widget.locator("[data-value=right]").inner_text() == "31,000 times"
        assert widget.locator("[data-value=verdict]").inner_text() == "You said 1,000 times: 31 times too low."
        assert "Counted." in seen(widget)
        assert slider.is_disabled() and widget.locator("button").is_disabled()       # a guess is made once
        assert page.evaluate("document.activeElement.className") == "predict-told"
        you, answer = (widget.locator(f".predict-{kind}").first for kind in ("guess", "answer"))
        assert you.bounding_box()["x"] < answer.bounding_box()["x"]                  # as on the slider
        assert question(page, "Which").locator("button").first.is_enabled()
        assert page.errors == []


@pytest.mark.parametrize("said, verdict", [("tanh", "You said tanh, too."), ("ReLU", "You said ReLU.")])
def test_a_choice_is_one_click(staged, said, verdict):
    with staged() as page:
        widget = question(page, "Which")
        widget.get_by_role("button", name=said).click()
        assert widget.locator("[data-value=right]").inner_text() == "tanh"
        assert widget.locator("[data-value=verdict]").inner_text() == verdict
        pressed = widget.locator("button[aria-pressed=true]")
        assert pressed.all_inner_texts() == [said] and widget.locator("button:enabled").count() == 0


@pytest.mark.parametrize("theme, viewport", [("light", DESK), ("dark", PHONE)])
def test_no_barrier_and_nothing_sticks_out_before_and_after(staged, theme, viewport):
    with staged(theme=theme, viewport=viewport) as page:
        for guessed in (False, True):
            if guessed:
                page.get_by_role("button", name="Show the answer").click()
                page.get_by_role("button", name="sigmoid").click()
            assert barriers(page) == []
            assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_paper_has_question_and_answer_and_no_controls(staged):
    with staged() as page:
        page.emulate_media(media="print")
        widget = question(page, "How many")
        assert "How many times as many?" in seen(widget) and "Answer: 31,000 times." in seen(widget)
        assert not widget.locator("input, button").first.is_visible()
        page.emulate_media(media="screen")
        assert "31,000" not in seen(widget)


def test_without_javascript_the_answer_is_folded_and_opens(staged):
    with staged(javascript=False) as page:
        host = page.locator(".cnnlib-widget").first
        assert host.get_by_text("How many times as many?").first.is_visible()
        assert not host.get_by_text("31,000 times").is_visible()
        host.locator("summary").click()
        assert host.get_by_text("31,000 times").is_visible() and host.get_by_text("Counted.").is_visible()
