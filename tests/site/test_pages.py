"""What holds for every page: alone, without errors, light enough, readable by everyone, whole on a phone."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from .conftest import PHONE, unfold

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
AXE_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Two of the theme's own: the names of its search button and theme switch, and its logo outside all landmarks.
THEMES_OWN = {
    "label-content-name-mismatch": ("search-button", "theme-switch-button"),
    "region": ("navbar-brand",),
}
SCRIPT_BUDGET = 450_000          # bytes, uncompressed, all scripts of a page but MathJax


SEEN = """() => ({
    images: [...document.images].map(image => [image.getAttribute('src'), image.getAttribute('alt')]),
    blankIcons: [...document.querySelectorAll('[class*="fa-"]')].filter(icon => {
        const style = getComputedStyle(icon);
        return style.display !== 'none' && !style.maskImage.includes('data:image/svg');
    }).map(icon => icon.outerHTML),
    formulas: document.querySelectorAll('span.math, div.math').length,
    formulasSet: document.querySelectorAll('mjx-container').length,
    formulasWrong: document.querySelectorAll('mjx-merror, [data-mjx-error]').length,
    theme: document.documentElement.dataset.theme,
})"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_page_is_whole_and_shuts_nobody_out(visit, page_path, theme):
    with visit(page_path, theme) as page:
        seen = page.evaluate(SEEN)
        faults = {"errors": [*page.errors], "requests that leave the page": [*page.refused]}    # before axe: it asks
        page.evaluate(AXE)                                          # for style sheets, which files may not
        found = page.evaluate("rules => axe.run(document, {runOnly: rules})", AXE_RULES)["violations"]
    assert seen["theme"] == theme
    assert {fault: places for fault, places in {
        **faults,
        "images without words": [src for src, alt in seen["images"]
                                 if alt is None or alt.lower().endswith((".png", ".svg", ".jpg"))],
        "icons without a rule in book/assets/icons.css": seen["blankIcons"],
        "formulas not set": max(seen["formulas"] - seen["formulasSet"], 0) + seen["formulasWrong"],
        "barriers": list(barriers(found)),
        "scripts over their budget": over_budget(page.scripts),
    }.items() if places} == {}


def barriers(violations):
    """What axe found but for the theme's own."""
    for violation in violations:
        for node in violation["nodes"]:
            if not any(mark in node["html"] for mark in THEMES_OWN.get(violation["id"], ())):
                yield f"{violation['id']}: {node['target']} {node['html'][:120]}"


def over_budget(scripts):
    """{script: bytes} of the files among these addresses, if together they are too many."""
    files = {Path(unquote(urlsplit(url).path)) for url in scripts if url.startswith("file:")}
    sizes = {str(path): path.stat().st_size for path in files          # the digits are data: 61 kB, see test_widgets.py
             if "mathjax" not in path.parts and path.name != "digits.js"}
    assert sizes, "no script seen: the count itself is broken"
    return sizes if sum(sizes.values()) > SCRIPT_BUDGET else {}


def test_a_phone_shows_the_page_without_sideways_scrolling(visit, page_path):
    with visit(page_path, viewport=PHONE) as page:
        width = page.evaluate("document.documentElement.scrollWidth")
        wide = page.evaluate("""[...document.querySelectorAll('main *')]
            .filter(element => element.getBoundingClientRect().right > innerWidth + 1)
            .slice(0, 5).map(element => element.outerHTML.slice(0, 120))""")
    assert width <= PHONE["width"], wide


def test_without_javascript_a_table_stands_where_a_widget_would(visit, page_path):
    with visit(page_path, javascript=False) as page:
        for host in page.locator(".cnnlib-widget").all():
            unfold(host)
            assert host.locator(".cnnlib-fallback table tr").count() > 1
            assert host.locator(".cnnlib-fallback").is_visible()


def test_the_search_field_finds_a_chapter(visit):
    with visit("book/intro.html") as page:
        page.keyboard.press("Control+k")
        page.keyboard.type("convolution")
        page.keyboard.press("Enter")
        page.wait_for_url("**/search.html?q=convolution*")
        page.locator("#search-results a[href*='book/']").first.wait_for()
        assert page.refused == []
        assert page.errors == []
