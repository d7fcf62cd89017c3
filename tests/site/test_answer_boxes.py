"""Answer boxes in a browser: typed, checked and told without a kernel, by keyboard, on a phone, in the dark."""

import pytest

from cnnlib.course.exercises import asked, judge, list_exercises
from cnnlib.site import answers

from .barriers import barriers
from .conftest import DESK, PHONE

NUMBERS, WORDS = ("book/vgg/three.html", "vgg/stack"), ("book/comparison/map.html", "comparison/used-most")


def box_of(page, key):
    return page.locator(f'[data-answer="{key}"]')


def told(box):
    return box.locator("output").inner_text()


def said(key, answer):
    """What Python's check says, without the key."""
    verdict = str(judge(key, answer))
    return verdict.replace(f"{key}: ", "", 1)


def test_numbers_are_typed_checked_and_told_by_keyboard(visit):
    path, key = NUMBERS
    with visit(path, shared=True) as page:
        box = box_of(page, key)
        fields = box.get_by_role("textbox")
        assert box.locator("label").all_inner_texts() == [part.name for part in asked(key).parts]
        fields.nth(0).focus()
        page.keyboard.press("Enter")
        assert told(box) == "… not answered yet."
        for value in (4, 45, 121):
            page.keyboard.type(str(value))
            page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Check"
        page.keyboard.press("Enter")
        assert told(box) == said(key, (4, 45, 121)) and "four of them see 9" in told(box)
        assert fields.nth(0).get_attribute("aria-invalid") == "true"
        assert fields.nth(0).evaluate("field => field === document.activeElement")       # the one that is wrong
        page.keyboard.press("Control+A")
        page.keyboard.type("5")
        assert told(box) == "" and fields.nth(0).get_attribute("aria-invalid") is None   # no stale verdict
        page.keyboard.press("Enter")
        assert told(box) == said(key, (5, 45, 121)) and told(box).startswith("✓ correct. ")
        assert page.errors == [] and page.refused == []


def test_a_word_is_chosen_by_keyboard(visit):
    path, key = WORDS
    with visit(path, shared=True) as page:
        box = box_of(page, key)
        for word in asked(key).options:
            box.locator("select").focus()
            page.keyboard.type(word)
            page.keyboard.press("Tab")
            page.keyboard.press("Enter")
            assert told(box) == said(key, word)
        assert page.errors == [] and page.refused == []


@pytest.mark.parametrize(("path", "key"), [NUMBERS, WORDS])
@pytest.mark.parametrize(("theme", "viewport"), [("light", DESK), ("dark", PHONE)])
def test_no_barrier_and_nothing_sticks_out_with_any_verdict(visit, path, key, theme, viewport):
    with visit(path, theme=theme, viewport=viewport, shared=True) as page:
        box, page_width = box_of(page, key), page.evaluate("document.documentElement.scrollWidth")
        options = getattr(asked(key), "options", None)
        for answer in ("", "wrong", "right"):
            if options:
                word = {"": "", "wrong": next(o for o in options if o != asked(key).right), "right": asked(key).right}
                box.locator("select").select_option(value=word[answer] and word[answer])
            else:
                for field, part in zip(box.get_by_role("textbox").all(), asked(key).parts, strict=True):
                    field.fill({"": "", "wrong": "3", "right": str(part.right)}[answer])
            box.get_by_role("button", name="Check").click()
            assert told(box)[0] == {"": "…", "wrong": "✗", "right": "✓"}[answer]
            assert barriers(page, f"[data-answer='{key}']") == []
            edge = box.bounding_box()
            assert edge["x"] >= 0 and edge["x"] + edge["width"] <= viewport["width"]
            assert page.evaluate("document.documentElement.scrollWidth") == page_width


def test_every_exercise_of_the_book_has_its_box_or_the_line_that_says_why_not(build):
    found = {"box": [], "program": 0}
    for path in sorted((build / "book").glob("*/*.html")):
        body = path.read_text(encoding="utf-8")
        found["box"] += [key for key in list_exercises() if f'{answers.MARK}"{key}"' in body]
        found["program"] += body.count(answers.PROGRAM)
        assert (answers.SCRIPT.name in body) == (answers.MARK in body), path
        assert "not answered yet; replace the dots" not in body, path
    assert sorted(found["box"]) == sorted(key for key in list_exercises() if asked(key))
    assert found["program"] == sum(asked(key) is None for key in list_exercises())


def test_without_javascript_the_box_says_what_it_needs(visit):
    with visit(NUMBERS[0], javascript=False) as page:
        assert box_of(page, NUMBERS[1]).inner_text() == "Your answer can be checked here where JavaScript is on."
