"""The search page finds sections, from a file and over http; chapters come before what is about the book."""

from contextlib import nullcontext

import pytest

from cnnlib.site import search

from .phone import served

FOUND = """[...document.querySelectorAll('#search-results ul.search > li')].map((page) => ({
    address: page.querySelector('a').getAttribute('href'), title: page.querySelector('a').textContent,
    sections: [...page.querySelectorAll('li')].map((section) => ({
        heading: section.querySelector('a').textContent, excerpt: section.querySelector('p').textContent,
        marked: [...section.querySelectorAll('mark')].map((mark) => mark.textContent.toLowerCase()) })) }))"""


@pytest.mark.parametrize("over_http", [False, True])
def test_a_word_is_found_in_its_sections(visit, build, over_http):
    with served(build) if over_http else nullcontext() as site, visit("book/intro.html", site=site) as page:
        page.keyboard.press("Control+k")
        page.keyboard.type("degradation")
        page.keyboard.press("Enter")
        page.wait_for_url("**/search.html?q=degradation*")
        page.locator("#search-results li").first.wait_for()
        found = page.evaluate(FOUND)
        assert found[0]["address"] == "book/resnet/degradation.html"
        about = [result["address"] in ("book/status.html", "book/references.html") for result in found]
        assert about == sorted(about) and any(about), "chapters first"
        sections = [section for result in found for section in result["sections"]]
        assert all(section["heading"] and len(section["excerpt"]) < 300 for section in sections)
        assert any("degradation" in section["marked"] for section in sections)
        assert page.locator("#search-results [role=status]").text_content().startswith(str(len(found)))
        page.locator("#search-results ul.search > li").first.locator("li a").last.click()
        page.wait_for_url("**/book/resnet/degradation.html#*")
        assert page.refused == [] and page.errors == []


@pytest.mark.parametrize("words, first", [("receptive fields", "reach.html"), ("dense layers vgg", "vgg/"),
                                          ("BATCHNORM", "book/")])
def test_all_words_count_in_any_form(visit, words, first):
    with visit("search.html") as page:
        page.goto(f"{page.url}?q={words.replace(' ', '+')}")
        assert first in page.evaluate(FOUND)[0]["address"]


def test_nothing_is_found_and_nothing_is_asked(visit):
    with visit("search.html") as page:
        assert page.locator("#search-results").text_content() == ""
        page.goto(f"{page.url}?q=zebra%3Cb%3E+[(*")
        assert page.locator("#search-results").text_content().startswith("No pages have “zebra<b> [(*” in ")
        assert page.errors == []


def test_sections_are_read_from_a_page():
    html = """<section id="top"><h1>Top<a class="headerlink" href="#top">#</a></h1><p>One <em>two</em>.</p>
      <pre>code</pre><section id="in"><h2>Inner</h2><p>Three</p><p>four</p></section></section>"""
    assert [[part.strip() for part in found] for found in search.Sections(html).found] == [
        ["top", "Top", "One two."], ["in", "Inner", "Three four"]]
