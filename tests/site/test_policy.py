"""Under `Content-Security-Policy: script-src 'self'` the theme's inline scripts are dead; all text is there."""


import pytest
from playwright.sync_api import expect

from .phone import served

PAGE = "book/resnet/networks.html"                      # formulas, tables, widgets, one of which trains
TEXT = """[...document.querySelectorAll('article :is(h1, h2, p, li, td)')]
    .filter((part) => !part.closest('.cnnlib-widget')).map((part) => part.innerText)"""
FORMULAS = """[...document.querySelectorAll('article math')].map((formula) =>
    formula.checkVisibility() && formula.getBoundingClientRect().width > 0)"""


@pytest.fixture
def strict(build):
    """The address of the book under that policy."""
    with served(build, "script-src 'self'") as site:
        yield site


def test_all_is_read_without_inline_scripts(visit, strict):
    with visit(PAGE) as page:
        text = page.evaluate(TEXT)
    with visit(PAGE, site=strict) as page:
        assert any("inline script violates" in error for error in page.errors), "the policy does not hold"
        formulas = page.evaluate(FORMULAS)
        assert len(formulas) > 2 and all(formulas)
        assert page.evaluate(TEXT) == text and len(text) > 30
        mounted = page.locator(".cnnlib-widget").evaluate_all("hosts => hosts.map((host) => host.dataset.mounted)")
        assert mounted and set(mounted) == {"static"}
        train = page.locator(".train-here")             # such a policy forbids the Worker, and the page says so
        train.locator("[data-action=train]").click()
        expect(train).to_contain_text("the browser refuses the Worker")
        expect(train).to_have_attribute("data-state", "failed")
    with visit(PAGE, site=strict, javascript=False) as page:
        assert all(page.locator(".cnnlib-fallback table").evaluate_all(
            "tables => tables.map((table) => table.rows.length > 1)"))
