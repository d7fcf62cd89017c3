"""Pages printed as one PDF: its contents are right, pages have numbers, figures are there once, links stay inside."""

import re
import unicodedata
from html import unescape

import pytest
from pypdf import PdfReader

from tools import pdf

from .conftest import BUILD

NAMES = ["book/lenet/index", "book/lenet/today"]
TITLE = "Convolutional networks, block by block"


@pytest.fixture(scope="module", params=[NAMES, NAMES[1:]], ids=["two pages", "a section"])
def file(request, browser, build, tmp_path_factory):
    """(the PDF, the names of the pages in it)."""
    path = tmp_path_factory.mktemp("pdf") / "book.pdf"
    count = pdf.write(browser, build, request.param, TITLE, path)
    reader = PdfReader(path)
    assert count == len(reader.pages)
    return reader, request.param


def words(html):
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", html))).strip()


def text_on(page):
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", page.extract_text())).strip()         # fi is one sign


def html_of(name):
    text = (BUILD / f"{name}.html").read_text(encoding="utf-8")
    return text[text.index("<article"):text.index("</article>")]


def test_every_page_has_its_number(file):
    reader, _ = file
    for number, page in enumerate(reader.pages, 1):
        assert text_on(page).endswith(f"{TITLE} {number}")


def test_the_contents_and_the_bookmarks_name_the_page_on_which_a_heading_stands(file):
    reader, names = file
    marks = [(mark.title, reader.get_destination_page_number(mark)) for item in reader.outline
             for mark in (item if isinstance(item, list) else [item])]
    heads = "h1" if len(names) > 1 else "h[12]"
    assert [title for title, _ in marks] == [words(title).rstrip("#") for name in names
                                             for title in re.findall(rf"<{heads}>(.*?)</{heads}>", html_of(name))]
    contents = text_on(reader.pages[0])
    for title, page in marks:
        assert f"{title} {page + 1}" in contents or f"{title}{page + 1}" in contents
        assert title in text_on(reader.pages[page])
    assert marks[0][1] == 1


def test_each_figure_and_caption_is_there_once(file):
    reader, names = file
    text = " ".join(map(text_on, reader.pages))
    captions = [words(caption) for name in names
                for caption in re.findall(r'<span class="caption-text">(.*?)</span>', html_of(name), re.S)]
    assert captions and [text.count(caption[:40]) for caption in captions] == [1] * len(captions)
    pictures = [image for name in names for image in re.findall(r"<img [^>]*_images/", html_of(name))]
    drawn = [name for page in reader.pages for name in page.images.keys()]
    assert len(pictures) > 0 and len(drawn) >= len(pictures)


def test_links_stay_in_the_file_and_tell_nothing_of_the_machine(file):
    reader, names = file
    links = [link.get_object() for page in reader.pages for link in page.get("/Annots", ())]
    assert not [link for link in links if "file:" in str(link.get("/A", {}).get("/URI", ""))]
    inside = [link["/A"]["/D"][0] for link in links if link.get("/A", {}).get("/S") == "/GoTo"]
    assert all(reader.get_page_number(page.get_object()) is not None for page in inside)
    if len(names) > 1:                  # the landing page leads to its section
        second = reader.get_destination_page_number(reader.outline[-1][-1] if isinstance(reader.outline[-1], list)
                                                    else reader.outline[-1])
        assert second in {reader.get_page_number(page.get_object()) for page in inside}


@pytest.mark.parametrize("name, count", [("lenet/watch", 1), ("lenet", 6)])
def test_pages_are_chosen_by_name(name, count):
    assert len(pdf.chosen(name)) == count and pdf.chosen(name)[0].startswith("book/lenet/")


def test_the_whole_book_is_every_page_that_the_side_bar_lists():
    bar = re.search(r'<nav class="bd-links.*?</nav>', (BUILD / "book/intro.html").read_text(encoding="utf-8"), re.S)[0]
    listed = re.findall(r'class="reference internal" href="([\w/#-]+)(?:\.html)?"', bar)
    assert [name for name in pdf.chosen()] == ["book/intro", *(f"book/{name}" for name in listed if name != "#")]


def test_a_name_that_is_none_is_refused():
    with pytest.raises(ValueError, match="name is 'lenet/poem', allowed"):
        pdf.chosen("lenet/poem")
