"""Draw a digit: what the reader points at is in sight, its inspector covers no stage, a new theme breaks nothing."""

import pytest

from cnnlib.widgets import DrawDigit

from .conftest import PHONE, stage

POINTED = """() => document.querySelector('[data-stage=c1] .dd-map').dispatchEvent(
    new PointerEvent('pointermove', {bubbles: true, clientX: 1, clientY: 1}))"""
COVERED = """() => {          // share of the window that the inspector takes while the first stage is at its top
    document.querySelector('.dd-stages').scrollIntoView();
    const { top } = document.querySelector('.dd-inspector').getBoundingClientRect();
    return Math.max(0, innerHeight - top) / innerHeight;
}"""


@pytest.mark.parametrize("viewport, most", [({"width": 1280, "height": 720}, 0.15), (PHONE, 0.15)])
def test_where_the_window_is_low_only_a_line_of_the_inspector_stays(visit, tmp_path, viewport, most):
    """With the stages below the top of a page that goes on, so that nothing but stickiness brings the inspector up."""
    with visit(stage(tmp_path, DrawDigit()), viewport=viewport) as page:
        page.add_style_tag(content="main { padding-bottom: 3000px; width: 690px; max-width: 100% } "
                                   ".dd-stages { min-height: 1500px }")
        page.wait_for_timeout(100)
        assert page.evaluate(COVERED) == 0, "it is in the way before the reader has pointed at anything"
        page.evaluate(POINTED)
        assert 0.02 < page.evaluate(COVERED) < most
        assert page.locator(".dd-headline").is_visible()


def test_where_the_window_is_high_all_of_the_inspector_stays(visit, tmp_path):
    with visit(stage(tmp_path, DrawDigit()), viewport={"width": 1280, "height": 1000}) as page:
        page.add_style_tag(content="main { padding-bottom: 3000px; width: 690px } .dd-stages { min-height: 1500px }")
        page.wait_for_timeout(100)
        page.evaluate(POINTED)
        page.evaluate(COVERED)
        box = page.locator(".dd-inspector").bounding_box()
        assert box["y"] + box["height"] <= 1000 + 1


def test_a_theme_that_changes_under_the_pointer_finds_its_colours(visit, tmp_path):
    """Before the next frame has drawn anything in the new colours."""
    with visit(stage(tmp_path, DrawDigit())) as page:
        before = page.locator("[data-stage=c1] canvas").first.evaluate("canvas => canvas.toDataURL()")
        page.evaluate("""async () => {
            const maps = document.querySelector('[data-stage=c1] .dd-map');
            document.documentElement.dataset.theme = 'dark';
            await Promise.resolve();                      // observers have been told
            const { left, top } = maps.getBoundingClientRect();
            maps.dispatchEvent(new PointerEvent('pointermove', {bubbles: true, clientX: left + 9, clientY: top + 9}));
        }""")
        assert page.locator("[data-value=unit]").inner_text().startswith("c1[0, ")
        page.wait_for_timeout(100)
        assert page.locator("[data-stage=c1] canvas").first.evaluate("canvas => canvas.toDataURL()") != before
        assert page.errors == []
