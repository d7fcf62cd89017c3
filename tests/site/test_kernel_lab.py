"""The kernel lab in a browser: the map is the one of PyTorch, and mouse, finger and keyboard paint the same kernels."""

import pytest
import torch

from cnnlib.widgets import KernelLab
from cnnlib.widgets.kernel_lab import HIDDEN, PRESETS
from tests.widgets.test_kernel_lab import map_of

from .barriers import barriers
from .conftest import DESK, PHONE, drawn
from .test_widgets import drive


def weights(page):
    """The kernel that is shown, as text."""
    return " ".join(page.locator("[data-weight]").all_text_contents()).replace("−", "-")


def must_show(page, kernel, divide=False):
    """The kernel and its map, as PyTorch computes it."""
    drawn(page)
    assert weights(page) == kernel
    lab = page.locator(".cnn").evaluate("root => root.cnnLab()")
    picture = torch.tensor(lab["pixels"]).view(lab["side"], lab["side"])
    assert torch.allclose(torch.tensor(lab["map"], dtype=torch.float64), map_of(picture, kernel, divide).flatten())


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_gives_the_map_of_pytorch(staged, name):
    with staged(KernelLab(kernel="1 2 3 4 5 6 7 8 9")) as page:
        must_show(page, "1 2 3 4 5 6 7 8 9")
        page.get_by_role("button", name=name, exact=True).click()
        must_show(page, *PRESETS[name])
        assert page.errors == []


def test_keys_change_a_weight_and_move_on(staged):
    with staged(KernelLab(kernel="0 0 0 0 0 0 0 0 0")) as page:
        page.locator("[data-weight='0']").focus()
        for key in ("ArrowUp", "ArrowUp", "ArrowRight", "ArrowDown", "ArrowRight", "7", "-", "ArrowRight", " "):
            page.keyboard.press(key)
        must_show(page, "2 -1 -7 1 0 0 0 0 0")
        assert page.locator("[data-weight='2']").get_attribute("aria-valuenow") == "-7"
        for _ in range(12):
            page.keyboard.press("ArrowUp")
        must_show(page, "2 -1 -7 9 0 0 0 0 0")


def test_a_drag_paints_all_weights_under_it(staged):
    with staged(KernelLab(kernel="0 0 0 0 0 0 0 0 0")) as page:
        drive(page.locator("[data-input=brush]"), 1)                 # -2
        for place in (3, 4, 5):
            box = page.locator(f"[data-weight='{place}']").bounding_box()
            page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            if place == 3:
                page.mouse.down()
        page.mouse.up()
        must_show(page, "0 0 0 -2 -2 -2 0 0 0")


def test_a_digit_of_ones_own_is_the_picture(staged):
    with staged(KernelLab(picture="digit")) as page:
        before = page.locator(".cnn").evaluate("root => root.cnnLab().pixels")
        page.get_by_role("button", name="Clear").click()
        drawn(page)
        assert sum(page.locator(".cnn").evaluate("root => root.cnnLab().pixels")) == 0
        box = page.locator(".kl-drawn").bounding_box()
        page.mouse.move(box["x"] + 20, box["y"] + 20)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] - 20, box["y"] + 20, steps=4)
        page.mouse.up()
        drawn(page)
        after = page.locator(".cnn").evaluate("root => root.cnnLab().pixels")
        assert sum(after) > 1000 and after != before
        must_show(page, PRESETS["edge"][0])


@pytest.mark.parametrize("game", HIDDEN)
def test_only_the_hidden_kernel_scores_a_hundred(staged, game):
    with staged(KernelLab(game=game, kernel="0 0 0 0 0 0 0 0 3")) as page:
        drawn(page)
        assert f"Find hidden kernel {game} of 5." in page.locator(".kl-task").text_content()
        assert "Found" not in page.locator(".kl-score").text_content()
        page.get_by_role("button", name="Show the kernel").click()
        must_show(page, *HIDDEN[game])
        assert page.locator(".kl-score").text_content() == "Score: 100 of 100. Found!"


def test_a_kernel_that_is_nearer_scores_more(staged):
    scores = []
    for kernel in ("0 0 0 0 0 0 0 0 0", "-1 0 0 0 0 0 0 0 1", "-1 -1 0 0 0 0 0 1 1"):
        with staged(KernelLab(game="2", kernel=kernel)) as page:
            drawn(page)
            scores.append(int(page.locator(".kl-score").text_content().split()[1]))
    assert scores == sorted(scores) and 0 < scores[1] < scores[2] < 100


def test_the_map_tells_where_a_number_comes_from(staged):
    with staged(KernelLab(kernel="0 0 0 0 1 0 0 0 0")) as page:
        drawn(page)
        lab = page.locator(".cnn").evaluate("root => root.cnnLab()")
        page.locator(".kl canvas[tabindex]").focus()
        for key in ("ArrowUp", "ArrowLeft", "ArrowLeft"):
            page.keyboard.press(key)
        row, column = lab["side"] // 2 - 2, lab["side"] // 2 - 3
        value = lab["pixels"][(row + 1) * lab["side"] + column + 1]
        said = f"Row {row + 1}, column {column + 1}: {value} = {value}"
        assert page.locator("[data-value=sum]").text_content() == said


def test_the_address_opens_the_lab_as_it_was(staged):
    with staged(KernelLab(), fragment="kernel-lab?picture=digit&game=3&kernel=0 1 0 1 -4 1 0 1 0") as page:
        must_show(page, "0 1 0 1 -4 1 0 1 0")
        assert "Found" in page.locator(".kl-score").text_content()


@pytest.mark.parametrize("theme, viewport", [("light", DESK), ("dark", PHONE)])
def test_no_barrier_and_nothing_sticks_out(staged, theme, viewport):
    with staged(KernelLab(game="1", picture="digit"), theme=theme, viewport=viewport) as page:
        drawn(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert barriers(page) == []
