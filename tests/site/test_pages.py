"""What holds for every page: alone, without errors, light enough, readable by everyone, whole on a phone."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .barriers import barriers
from .conftest import BUILD, DESK, PHONE, drawn, stage, unfold
from .phone import served
from .test_sections import PAGES as SECTIONS
from .test_sections import SCROLLS, TALLEST

SCRIPT_BUDGET = 450_000          # bytes, uncompressed, all scripts of a page
DATA = {"digits.js", "search-texts.js"}      # no program: 61 kB, see test_widgets.py; the text of the whole book
WEIGHT = 1_200_000               # bytes, uncompressed, all that a page loads
NARROW = 320                     # pixels: a desktop page at a zoom of 400 %


SEEN = """() => ({
    images: [...document.images].map(image => [image.getAttribute('src'), image.getAttribute('alt')]),
    blankIcons: [...document.querySelectorAll('[class*="fa-"]')].filter(icon => {
        const style = getComputedStyle(icon);
        return style.display !== 'none' && !style.maskImage.includes('data:image/svg');
    }).map(icon => icon.outerHTML),
    formulas: document.querySelectorAll('span.math, div.math').length,
    formulasSet: document.querySelectorAll(':is(span, div).math > math[alttext]').length,
    theme: document.documentElement.dataset.theme,
})"""
STICKS_OUT = """[...document.querySelectorAll('main *')]
    .filter(element => element.getBoundingClientRect().right > innerWidth + 1)
    .slice(0, 5).map(element => element.outerHTML.slice(0, 120))"""


def test_a_page_is_whole_and_shuts_nobody_out(visit, page_path):
    """Opened in the dark on a phone; the same page is then seen by day at a desk, as on a tablet that is turned."""
    with visit(page_path, "dark", PHONE, shared=True) as page:
        faults = looked_at(page, "dark")
        faults["sticks out"] = sticks_out(page)
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
        page.set_viewport_size(DESK)
        drawn(page)
        height = page.evaluate("document.documentElement.scrollHeight")
        faults |= looked_at(page, "light")
        if page_path.removesuffix(".html") in SECTIONS:
            faults["pixels over a sitting"] = max(height - TALLEST, 0)
            faults["code wider than its box"] = page.evaluate(SCROLLS)             # opens all folds
        page.set_viewport_size(PHONE)
        faults["printed lines cut"] = page.evaluate(SCROLLS, ".cell_output .stream pre")
        faults["scripts over their budget"] = over_budget(page.scripts, SCRIPT_BUDGET, but=DATA)
        faults["files over their budget"] = over_budget(page.files, WEIGHT)
    assert {fault: places for fault, places in faults.items() if places} == {}


def looked_at(page, theme):
    """{fault: where} of the page as it stands."""
    seen = page.evaluate(SEEN)
    assert seen["theme"] == theme
    faults = {"errors": [*page.errors],
              "requests that leave the page": [*page.refused],
              "images without words": [src for src, alt in seen["images"]
                                       if alt is None or alt.lower().endswith((".png", ".svg", ".jpg"))],
              "icons without a rule in book/assets/icons.css": seen["blankIcons"],
              "formulas not set": seen["formulas"] - seen["formulasSet"],
              "barriers": barriers(page)}
    return {f"{fault} ({theme})": places for fault, places in faults.items()}


def sticks_out(page):
    """What makes the page wider than a phone, and than the narrowest screen."""
    wide = []
    for width in (PHONE["width"], NARROW):
        page.set_viewport_size({**PHONE, "width": width})
        drawn(page)
        if page.evaluate("document.documentElement.scrollWidth") > width:
            wide += [width, *page.evaluate(STICKS_OUT)]
    return wide


def over_budget(addresses, budget, but=()):
    """{file: bytes} of the files among these addresses, if together they are too many."""
    files = {Path(unquote(urlsplit(url).path)) for url in addresses if url.startswith("file:")}
    sizes = {str(path): path.stat().st_size for path in files if path.name not in but}
    assert sizes, "no file seen: the count itself is broken"
    return sizes if sum(sizes.values()) > budget else {}


LEFT = """() => [scrollX, scrollY, location.hash, document.querySelectorAll(':hover').length, localStorage.length,
    sessionStorage.length, matchMedia('(forced-colors: active)').matches, document.documentElement.dataset.theme,
    document.querySelector('.cnnlib-widget input[type=range]').value]"""


def test_nothing_is_left_in_a_tab_that_visits_share(visit):
    path = "book/resnet/degradation.html"
    with visit(path) as page:
        new = sorted(page.files), page.evaluate(LEFT)
    with visit(path, "dark", PHONE, shared=True, forced_colors="active") as page:
        knob = page.locator(".cnnlib-widget input[type=range]").first
        knob.press("End" if knob.input_value() == "0" else "Home")
        knob.hover()
        page.wait_for_function("location.hash.includes('?')")
        page.evaluate("localStorage.left = sessionStorage.left = 'here'")
        assert all(one != other for one, other in zip(page.evaluate(LEFT)[1:], new[1][1:], strict=True))
    with visit(path, shared=True) as page:
        assert (sorted(page.files), page.evaluate(LEFT)) == new and page.errors == page.refused == []


def test_what_a_page_asks_of_other_machines_is_refused_and_listed(visit, tmp_path):
    path, outside = stage(tmp_path), ["http://book.invalid/a.png", "http://192.0.2.1/b.png"]
    body = "".join(f'<img src="{address}" alt="">' for address in outside)
    path.write_text(path.read_text(encoding="utf-8").replace("</main>", f"{body}</main>"), encoding="utf-8")
    with visit(path) as page:
        assert page.refused == outside
        assert {f"not loaded: {address}" for address in outside} <= set(page.errors)


def test_a_barrier_is_found_where_it_is(visit, tmp_path):
    path = stage(tmp_path)
    pale = '<p id="pale" style="color: #bbb; background: #fff">Hardly seen</p>'
    path.write_text(path.read_text(encoding="utf-8").replace("</main>", f'{pale}<img src="data:,"></main>'),
                    encoding="utf-8")
    with visit(path) as page:
        assert [found.split(":")[0] for found in barriers(page)] == ["color-contrast", "image-alt"]
        assert [found.split(":")[0] for found in barriers(page, "#pale")] == ["color-contrast"]


def test_a_comma_stays_with_its_formula(page_path):
    """A browser may break a line between a formula and what follows; inside its box it may not."""
    assert not re.findall(r"</math></span>[,.;:!?)]", (BUILD / page_path).read_text(encoding="utf-8"))


def test_without_javascript_a_table_stands_where_a_widget_would(visit, widget_page):
    with visit(widget_page, viewport=PHONE, javascript=False, shared=True) as page:
        assert page.locator(".cnnlib-widget").count()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        for host in page.locator(".cnnlib-widget").all():
            unfold(host)
            assert host.locator(".cnnlib-fallback table tr").count() > 1
            assert host.locator(".cnnlib-fallback").is_visible()


def test_over_http_a_page_asks_for_nothing_that_is_not_there(visit, build):
    answers = []
    with served(build) as site, visit("book/references.html", site=site) as page:
        page.on("response", lambda response: answers.append((response.status, response.url)))
        for path in ("book/intro.html", "book/resnet/networks.html", "book/status.html", "search.html?q=block"):
            page.goto(f"{site}/{path}", wait_until="networkidle")
            assert page.locator("link[rel=icon]").count() == 1
    assert len(answers) > 40 and {status for status, _ in answers} <= {200, 304}, answers
