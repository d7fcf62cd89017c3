"""Addresses of a chapter's former one page lead to the section in which their anchor stands now."""

import pytest

from .conftest import settle


@pytest.mark.parametrize("landing, fragment, page", [
    ("book/resnet/index.html", "the-block", "residual.html"),
    ("book/resnet/index.html", "fig-resnet-many", "lesions.html"),
    ("book/resnet/index.html", "a-puzzle-more-layers-worse-training", "degradation.html"),
    ("book/resnet/index.html", "how-many", "lesions.html"),
    ("book/resnet/index.html", "the-same-network-made-deeper?depth=110&shortcuts=true", "degradation.html"),
    ("book/densenet/index.html", "resnet-or-densenet-equal-what", "equal.html"),
    ("book/densenet/index.html", "memory-meter?depth=190", "memory.html"),
    ("book/lenet/index.html", "fig-lenet-matrices", "watch.html"),
    ("book/anatomy/index.html", "how-large-is-the-next-map", "convolution.html"),
    ("book/anatomy/index.html", "what-a-unit-can-see", "reach.html"),
    ("book/anatomy/index.html", "is-a-mac-a-good-predictor-of-time", "memory.html"),
    ("book/anatomy/index.html", "the-experiment-here-is-a-mac-a-good-predictor-of-time", "memory.html"),
    ("book/anatomy/index.html", "the-map-with-numbers", "map.html"),
    ("book/anatomy/index.html", "size-rule?size=32&kernel=5", "convolution.html"),
    ("book/resnet/index.html", "summary", "index.html"),
    ("book/resnet/index.html", "nowhere", "index.html"),
    ("book/resnet/index.html", "%E0%A4%A", "index.html"),
    ("book/resnet/lesions.html", "the-block", "lesions.html"),
])
def test_an_old_anchor_leads_to_its_section(visit, landing, fragment, page):
    with visit(landing, lazy=True, shared=True) as tab:
        tab.evaluate("(hash) => { location.hash = hash; globalThis.old = true; setTimeout(() => location.reload()); }",
                     fragment)
        tab.wait_for_url(f"**/{page}*", timeout=10_000)
        tab.wait_for_function("!globalThis.old")
        tab.wait_for_load_state("networkidle")          # nothing is on its way any more, not even another page
        assert tab.url.split("#")[0].endswith(f"/{page}") and not tab.errors
        assert fragment.split("?")[0] in tab.url


# The heading nearest to the upper edge of the window, and how far below it: widgets above may change their height.
NEAREST = """() => [...document.querySelectorAll('main h2')]
    .map(heading => [heading.textContent, heading.getBoundingClientRect().top])
    .reduce((one, other) => (Math.abs(one[1]) < Math.abs(other[1]) ? one : other))"""


def test_after_a_reload_readers_are_where_they_were(visit):
    """With the knobs as they were set; whoever follows a link to a widget comes to that widget."""
    with visit("book/resnet/degradation.html") as page:
        knob = page.locator(".cnnlib-widget input[type=range]").first
        knob.press("Home")
        knob.press("End")
        page.wait_for_function("location.hash.includes('?')")
        linked = page.url.split("#")[1]
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight / 2)")
        before, value = page.evaluate(NEAREST), knob.input_value()
        page.reload(wait_until="load")
        settle(page)
        after = page.evaluate(NEAREST)
        assert after[0] == before[0] and abs(after[1] - before[1]) < 100 and page.evaluate("scrollY") > 1000
        assert knob.input_value() == value and page.errors == []
    with visit("book/resnet/degradation.html", fragment=linked) as page:
        top = page.locator(".cnnlib-widget").filter(has=page.locator("input[type=range]")).first.bounding_box()["y"]
        assert abs(top) < 100
