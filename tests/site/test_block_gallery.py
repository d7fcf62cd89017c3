"""The gallery of blocks on a page of its own, in a browser: what is drawn is what was traced."""

import pytest

from cnnlib.experiments import gallery
from cnnlib.widgets import BlockGallery

from .conftest import DESK, PHONE, stage
from .test_widgets import compare

FIGURES = """card => [...card.querySelectorAll('.gallery-drawing .ex-slab')].map(slab =>
    [slab.getAttribute('width'), slab.getAttribute('height')].map(Number))"""


@pytest.fixture
def staged(visit, tmp_path):
    """Open a page with a gallery that answers a few choices."""
    def open_page(theme="light", viewport=DESK, **values):
        shown = BlockGallery(**values)
        shown.inputs = {name: [getattr(shown, name)] for name in shown.inputs}
        if shown.collection == "gallery":
            shown.inputs["out_channels"] = sorted({24, 32, shown.out_channels})
        shown.grid = shown.inputs
        return visit(stage(tmp_path, shown, theme=theme), theme, viewport=viewport, shared=True)

    return open_page


def choose(page, name, value):
    page.locator(f"select[data-input={name}]").select_option(label=value)


@pytest.mark.parametrize("block, given, weights", [
    ("convolution", (512, 512), "2,359,296"), ("bottleneck", (512, 512), "278,528"), ("convolution", (16, 32), "4,608"),
    ("separable", (16, 32), "656"), ("point_first", (16, 32), "800"), ("inverted_residual", (24, 24), "8,208")])
def test_the_numbers_of_the_sources(staged, block, given, weights):
    with staged(in_channels=given[0], out_channels=given[1], beside="") as page:
        choose(page, "block", gallery.COLLECTIONS["gallery"][block].title)
        assert page.locator(f"[data-value='{block}.weights']").text_content() == weights
        assert page.locator(".gallery-card:visible").count() == 1 and page.errors == []


@pytest.mark.parametrize("collection", gallery.COLLECTIONS)
def test_every_block_is_drawn_as_it_was_traced(staged, collection):
    """A slab for each layer and concatenation, a sign for each sum and product; their sizes are in the order of the
    resolutions and the channels."""
    given = {"gallery": {"in_channels": 16, "out_channels": 24}, "descendants": {"in_channels": 64, "size": 16}}
    with staged(collection=collection, **given[collection]) as page:
        answer = BlockGallery(collection, **given[collection]).answer
        for block, entry in gallery.COLLECTIONS[collection].items():
            choose(page, "block", entry.title)
            card, first = answer[block], page.locator(".gallery-card").first
            if card["refused"]:
                assert first.locator(".cnn-refusal").text_content() == card["refused"]
                continue
            boxes = [shape for shape, join in zip(card["shape"], card["join"], strict=True) if join in ("", "cat")]
            drawn = first.evaluate(FIGURES)
            assert len(drawn) == len(boxes)
            assert first.locator(".ex-plus").count() == len(card["join"]) - len(boxes)
            assert first.locator(".gallery-drawing .ex-bracket").count() == card["join"].count("cat")
            for axis in (0, 1):
                sizes = [(shape[axis] if len(shape) > axis else 0, box[axis])
                         for shape, box in zip(boxes, drawn, strict=True)]
                assert all(b <= d + 1e-6 for a, b in sizes for c, d in sizes if a <= c)
            assert compare(page.locator(".cnnlib-widget"), answer) > 10
        assert page.errors == []


def test_two_cards_or_one_and_a_refusal_leaves_the_other(staged):
    with staged(block="dense", beside="convolution", in_channels=24, out_channels=24) as page:
        assert "allowed: whole numbers from 25" in page.locator(".cnn-refusal:visible").text_content()
        assert page.locator(".gallery-drawing:visible").count() == 1
        page.locator("[data-input=out_channels]").press("End")
        assert page.locator(".cnn-refusal:visible").count() == 0
        assert page.locator(".gallery-drawing:visible").count() == 2
        choose(page, "beside", "nothing")
        assert page.locator(".gallery-card:visible").count() == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_nothing_hangs_over_the_edge(staged, theme, viewport):
    """Long drawings scroll in a box of their own, which the keyboard reaches."""
    with staged(theme, viewport, collection="descendants", size=16) as page:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        drawing = page.locator(".gallery-drawing").first
        drawing.focus()
        assert page.evaluate("document.activeElement.classList.contains('gallery-drawing')")
