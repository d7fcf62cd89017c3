"""Widgets mount when a reader comes near, or when something leads to them: an address, a reload, paper."""

import pytest

from .conftest import PHONE, drawn

MOUNTED = "[...document.querySelectorAll('.cnnlib-widget')].map((host) => host.dataset.mounted === 'static')"
FAR = "book/anatomy/questions.html"                     # two explorers, screens below its beginning


@pytest.fixture
def far(visit):
    return lambda **options: visit(FAR, viewport=PHONE, lazy=True, **options)


def test_a_widget_far_below_waits_until_one_scrolls_to_it(far):
    with far() as page:
        drawn(page)
        assert page.evaluate(MOUNTED)[-1] is False
        page.locator(".cnnlib-widget").last.locator(".cnnlib-fallback").scroll_into_view_if_needed()
        page.wait_for_function(f"{MOUNTED}.at(-1)")
        assert page.errors == []


def test_an_address_with_knobs_mounts_its_widget_and_leads_there(far, visit):
    with visit(FAR, viewport=PHONE) as page:
        host = page.locator(".cnnlib-widget").last
        knob = host.locator(".cnn-controls :is(input[type=range], select)").first
        name = knob.get_attribute("data-input")
        knob.focus()
        page.keyboard.press("End")
        page.wait_for_function("location.hash.includes('?')")
        address, shown = page.evaluate("location.hash.slice(1)"), host.locator(".cnn-printed").text_content()
    with far(fragment=address) as page:
        host = page.locator(".cnnlib-widget").last
        host.locator(f"[data-input={name}]").first.wait_for()
        page.wait_for_function("(text) => [...document.querySelectorAll('.cnn-printed')].at(-1)?.textContent === text",
                               arg=shown)
        page.wait_for_function("(host) => host.getBoundingClientRect().top < innerHeight", arg=host.element_handle())


def test_after_a_reload_all_are_there_before_the_reader(far):
    with far() as page:
        drawn(page)
        assert not all(page.evaluate(MOUNTED))
        page.reload()
        assert all(page.evaluate(MOUNTED))


def test_a_folded_widget_mounts_when_it_is_unfolded(visit):
    with visit("book/resnet/networks.html", lazy=True) as page:
        folded = page.locator("details:not([open]) .cnnlib-widget")
        assert folded.count() == 1
        folded.locator("xpath=ancestor::details").scroll_into_view_if_needed()
        drawn(page)
        assert folded.get_attribute("data-mounted") is None
        folded.locator("xpath=ancestor::details").locator("> summary").click()
        page.wait_for_function(f"{MOUNTED}.at(-1)")
