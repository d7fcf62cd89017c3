"""Addresses of a chapter's former one page lead to the section in which their anchor stands now."""

import pytest


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
    ("book/resnet/lesions.html", "the-block", "lesions.html"),
])
def test_an_old_anchor_leads_to_its_section(visit, landing, fragment, page):
    with visit(landing) as tab:
        tab.evaluate("(hash) => { location.hash = hash; location.reload(); }", fragment)
        tab.wait_for_url(f"**/{page}*", timeout=10_000)
        tab.wait_for_load_state("load")
        assert tab.url.split("#")[0].endswith(f"/{page}") and not tab.errors
        assert fragment.split("?")[0] in tab.url
