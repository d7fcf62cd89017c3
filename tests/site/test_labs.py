"""Path lab and lesion bench on pages of their own, in a browser: what is clicked is what is answered."""

import math

import pytest

from cnnlib.experiments import lesion_records, paths
from cnnlib.widgets import LesionBench, PathLab

from .barriers import barriers
from .conftest import DESK, PHONE, drawn
from .test_widgets import compare, drive


def shown(page, name):
    return page.locator(f"[data-value={name}]").text_content()


# -- path lab ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 4])
def test_every_path_can_be_clicked_and_says_what_it_computes(staged, n):
    with staged(PathLab(n=n)) as page:
        for term in paths.terms(n):
            bits = "".join(map(str, term.bits))
            page.locator(f"[data-leaf='{bits}']").click()
            assert shown(page, "bits") == bits
            said = page.locator(".path-chosen").text_content()
            assert term.text in said and f"length {term.length}, one of {math.comb(n, term.length)} of" in said
            taken = [page.locator(f"[data-key=block{i}]").get_attribute("aria-checked") for i in range(n)]
            assert taken == ["true" if bit else "false" for bit in term.bits]
            assert page.locator(".path-tree .path-taken").count() == term.length     # its boxes, and no others
            assert page.locator(".path-here").count() == 1
        assert page.locator(".path-tree .path-box").count() == 2**n - 1             # block i stands there 2^(i-1) times
        assert page.errors == []


def test_a_click_on_a_block_turns_its_bit_and_the_keys_walk_along_the_paths(staged):
    with staged(PathLab(n=3)) as page:
        page.locator("[data-key=block1]").click()
        assert shown(page, "bits") == "010"
        page.locator("[data-key=block0]").press("Enter")
        assert shown(page, "bits") == "110"
        assert page.evaluate("document.activeElement.dataset.key") == "block0"
        page.locator("[data-leaf='110']").focus()
        for key, bits in (("ArrowDown", "111"), ("ArrowDown", "111"), ("Home", "000"), ("ArrowUp", "000"),
                          ("End", "111")):
            page.keyboard.press(key)
            assert shown(page, "bits") == bits
            assert page.evaluate("document.activeElement.dataset.leaf") == bits


@pytest.mark.parametrize("n, low, high", [(54, 19, 35), (54, 5, 17), (27, 0, 27), (6, 2, 2), (9, 9, 9)])
def test_between_the_limits_the_page_counts_exactly(staged, n, low, high):
    lab = PathLab(n=n, ratio=0.256, low=low, high=high)
    with staged(lab) as page:
        said = shown(page, "counted")
        assert said.startswith(f"Lengths {low} to {high}: {paths.count(n, low, high):,} paths, ")
        share, gradient = numbers_after(said, "paths,")
        assert share == pytest.approx(100 * paths.share(n, low, high), rel=6e-4)
        assert gradient == pytest.approx(100 * sum(paths.modelled(n, 0.256)[low:high + 1]), rel=6e-4)


def numbers_after(text, mark):
    """The numbers of the text behind a mark."""
    words = text.partition(mark)[2].replace(",", "").split()
    return [float(word) for word in words if word.replace(".", "", 1).isdigit()]


def test_limits_follow_the_sliders_also_when_they_cross(staged):
    with staged(PathLab(n=9)) as page:
        drive(page.locator("[data-input=low]"), 7)
        drive(page.locator("[data-input=high]"), 4)
        assert shown(page, "counted").startswith(f"Lengths 4 to 7: {paths.count(9, 4, 7)} paths")
        assert page.errors == []


# -- lesion bench -----------------------------------------------------------------------------------------------------


def block(page, kind, i):
    return page.locator(f".lesion-picture >> nth={('residual', 'plain').index(kind)}").locator(f"[data-block='{i}']")


def test_clicks_on_either_network_answer_for_exactly_these_blocks(staged):
    with staged(LesionBench(depth=56)) as page:
        root = page.locator(".cnnlib-widget")
        for kind, i, deleted in (("residual", 0, "0"), ("plain", 12, "0 12"), ("residual", 0, "12"),
                                 ("residual", 9, "9 12"), ("plain", 12, "9"), ("plain", 9, "")):
            block(page, kind, i).click()
            answer = LesionBench(depth=56, deleted=deleted).answer
            assert compare(root, answer) >= (2 if answer["unfit"] else 4)
            pressed = page.locator("[aria-pressed=true]").evaluate_all("all => all.map(one => one.dataset.block)")
            assert pressed == 2 * deleted.split()
            assert page.locator(".lesion-bar").count() == (27 + 25 if not deleted else 0 if " " in deleted else
                                                           26 + (0 if answer["unfit"] else 24))
        assert page.errors == []


def test_what_was_not_evaluated_has_no_number(staged):
    with staged(LesionBench(depth=56)) as page:
        for i in (3, 4, 5):
            block(page, "residual", i).click()
        assert "layer1.3, layer1.4, layer1.5 together the networks were not evaluated" in shown(page, "missing")
        assert not page.locator(".lesion-figures").is_visible() and page.locator(".lesion-bar").count() == 0
        block(page, "residual", 4).click()
        assert not page.locator("[data-value=missing]").is_visible()
        assert compare(page.locator(".cnnlib-widget"), LesionBench(depth=56, deleted="3 5").answer) >= 4
        page.get_by_role("button", name="put all blocks back").click()
        assert compare(page.locator(".cnnlib-widget"), LesionBench(depth=56).answer) >= 4
        page.locator("[data-input=restat]").check()
        for i, deleted in ((0, "0"), (1, "0 1")):
            block(page, "residual", i).click()
            answer = LesionBench(depth=56, deleted=deleted, restat=True).answer
            assert compare(page.locator(".cnnlib-widget"), answer) >= 4
        block(page, "residual", 2).click()
        assert page.locator("[data-value=missing]").is_visible()


def test_every_set_of_the_small_networks_is_there(staged):
    with staged(LesionBench(depth=20)) as page:
        for i in range(9):
            block(page, "residual", i).click()
            answer = LesionBench(depth=20, deleted=" ".join(map(str, range(i + 1)))).answer
            assert compare(page.locator(".cnnlib-widget"), answer) >= 2
        everything = lesion_records.recorded("digits-resnet20").wrong["kept"]["0 1 2 3 4 5 6 7 8"]
        assert shown(page, "residual_wrong") == str(everything)


def test_other_pictures_show_the_same_blocks_gone_where_that_was_evaluated(staged):
    with staged(LesionBench(depth=20)) as page:
        root, pictures = page.locator(".cnnlib-widget"), page.locator("[data-input=pictures]")
        for i in (1, 5, 7):
            block(page, "residual", i).click()
        pictures.select_option("CIFAR-10")
        assert compare(root, LesionBench(pictures="CIFAR-10", depth=20, deleted="1 5 7").answer) >= 4
        assert page.locator("[aria-pressed=true]").count() == 6
        assert " of 1,000 wrong; " in page.locator(".lesion-residual").text_content()
        assert "64 × 8 × 8" in page.locator(".lesion-picture >> nth=0").text_content()      # as published
        block(page, "residual", 8).click()
        said = shown(page, "missing")
        assert said.startswith("Without layer1.1, layer2.2, layer3.1, layer3.2 together") and "notebook" not in said
        pictures.select_option("digits")                # there every set was evaluated
        assert compare(root, LesionBench(depth=20, deleted="1 5 7 8").answer) >= 4
        pictures.select_option("CIFAR-10")              # here not: all blocks are back
        assert compare(root, LesionBench(pictures="CIFAR-10", depth=20).answer) >= 4
        assert page.locator("[aria-pressed=true]").count() == 0
        page.locator("[data-input=depth]").select_option("56 layers, 27 blocks")
        block(page, "plain", 20).click()
        assert compare(root, LesionBench(pictures="CIFAR-10", depth=56, deleted="20").answer) >= 4
        block(page, "plain", 4).click()
        assert page.locator("[data-value=missing]").is_visible()
        assert page.errors == []


def test_bars_say_the_recorded_errors(staged):
    singles = lesion_records.recorded("digits-resnet56").singles()
    with staged(LesionBench(depth=56)) as page:
        for i, error in enumerate(singles.values()):
            assert f"the error is {100 * error:.1f} %" in block(page, "residual", i).get_attribute("aria-label")
        heights = [float(bar.get_attribute("height")) for bar in page.locator(".lesion-bar").all()[:27]]
        assert heights == pytest.approx([max(1, 46 * error) for error in singles.values()], abs=1e-6)


def test_blocks_are_reached_by_keyboard(staged):
    with staged(LesionBench(depth=20)) as page:
        assert page.locator("[data-block][tabindex='0']").count() == 2               # one stop a network
        block(page, "residual", 0).focus()
        for key in ("ArrowRight", "ArrowRight", "ArrowLeft", " "):
            page.keyboard.press(key)
        assert page.evaluate("document.activeElement.dataset.block") == "1"
        assert block(page, "residual", 1).get_attribute("aria-pressed") == "true"
        page.keyboard.press("End")
        page.keyboard.press("Enter")
        assert page.locator("[aria-pressed=true]").count() == 4


def test_the_address_opens_a_bench_as_it_was(staged):
    with staged(LesionBench(), fragment="lesion-bench?pictures=CIFAR-10&depth=20&restat=false&deleted=2 5") as page:
        answer = LesionBench(pictures="CIFAR-10", depth=20, deleted="2 5").answer
        assert compare(page.locator(".cnnlib-widget"), answer) >= 4
        assert page.locator("[aria-pressed=true]").count() == 4


@pytest.mark.parametrize("theme, viewport", [("light", DESK), ("dark", PHONE)])
def test_no_barrier_and_nothing_sticks_out(staged, theme, viewport):
    with staged(PathLab(n=6), PathLab(n=54), LesionBench(), theme=theme, viewport=viewport) as page:
        block(page, "residual", 0).click()
        drawn(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert barriers(page) == []
