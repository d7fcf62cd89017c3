"""Pages of chapters in sections, as they are built: short enough to read, wide enough for code; minutes are told."""

import ast
import re
from html import unescape

import nbformat
import pytest

from cnnlib.course import chapters, reading
from cnnlib.site import minutes

from .conftest import BUILD, DESK, ROOT

TALLEST = 15_000            # pixels at a width of 1280
PAGES = minutes.pages(ROOT)
LANDINGS = [name for name in PAGES if name.endswith("/index")]
# Widths in pixels of what is shown and of its place, where the first is the greater: there a scroll bar is.
SCROLLS = """(which) => {
    for (const fold of document.querySelectorAll('main details')) fold.open = true;
    return [...document.querySelectorAll(which ?? '.cell_input pre, .cell_output pre')]
        .filter((box) => box.scrollWidth > box.clientWidth)
        .map((box) => `${box.scrollWidth} of ${box.clientWidth}: ` + box.textContent.split('\\n')
            .reduce((long, line) => (line.length > long.length ? line : long)));
}"""


def test_wide_code_is_found(visit, tmp_path):
    (tmp_path / "wide.html").write_text("<main><details><div class='cell_input'><pre style='overflow: auto'>"
                                        f"{'wide ' * 200}</pre></div></details></main>")
    with visit(tmp_path / "wide.html", viewport=DESK) as page:
        assert len(page.evaluate(SCROLLS)) == 1


def takes(html):
    """What a piece of a page says that something takes."""
    return [unescape(text) for text in re.findall(r'class="(?:minutes|takes)">\s*(.*?)\s*<', html)]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_under_its_title_what_it_takes(name):
    html = (BUILD / f"{name}.html").read_text(encoding="utf-8")
    said = re.search(r"</h1>\s*<p class=\"takes\">(.*?)</p>", html, re.S)[1]
    assert said.startswith(f"{PAGES[name].minutes} minutes to read")
    assert (f"{PAGES[name].exercises} exercises" in said) == (PAGES[name].exercises > 0)


@pytest.mark.parametrize("name", LANDINGS)
def test_a_landing_page_says_what_its_sections_take(name):
    html = (BUILD / f"{name}.html").read_text(encoding="utf-8")
    article = html[html.index("<article"):html.index("</article>")]
    behind = minutes.sections_of(name, ROOT)
    assert takes(article)[1:] == [page.takes for page in behind.values()]
    assert PAGES[name].minutes == sum(page.minutes for page in behind.values()) + reading.read(
        ROOT / f"{name}.ipynb").minutes
    listed = [chapters.page(path) for path in chapters.notebooks(name.split("/")[-2])]
    assert [page.name for page in behind.values()] == listed[1:]


@pytest.mark.parametrize("path", ["book/intro", *PAGES])
def test_the_side_bar_shows_minutes(path):
    html = (BUILD / f"{path}.html").read_text(encoding="utf-8")
    bar = html[html.index('<nav class="bd-links'):html.index("</nav>", html.index('<nav class="bd-links'))]
    shown = {title.strip(): time for title, time in re.findall(
        r'<a class="[^"]*reference internal"[^>]*>([^<]*)<span class="minutes">(.*?)</span></a>', bar)}
    assert {unescape(title): time for title, time in shown.items()} == {
        page.title.replace("'", "’"): f"{page.minutes} min" for page in PAGES.values()}


def test_the_first_page_leads_to_the_sections_with_their_minutes():
    html = (BUILD / "book" / "intro.html").read_text(encoding="utf-8")
    for name in LANDINGS:
        for section, page in minutes.sections_of(name, ROOT).items():
            assert re.search(rf'href="{section.removeprefix("book/")}\.html">.*?</a>\s*{page.minutes} min', html)


@pytest.mark.parametrize("name", PAGES)
def test_the_text_shows_the_numbers_that_its_cells_glued(name):
    nb = nbformat.read(ROOT / f"{name}.ipynb", 4)
    glued = {output.metadata["scrapbook"]["name"]: output["data"]["application/papermill.record/text/plain"]
             for cell in nb.cells for output in cell.get("outputs", []) if "scrapbook" in output.get("metadata", {})}
    wanted = [ast.literal_eval(glued[key]) for cell in nb.cells if cell.cell_type == "markdown"
              for key in reading.GLUED.findall(cell.source)]
    html = (BUILD / f"{name}.html").read_text(encoding="utf-8")
    assert [unescape(text) for text in re.findall(r'<span class="pasted-text">(.*?)</span>', html)] == wanted


def test_some_text_is_glued():
    assert any("pasted-text" in (BUILD / f"{name}.html").read_text(encoding="utf-8") for name in PAGES)
