"""The reference of the library as it is built: every public name with its signature, and ways there and back."""

import inspect
import posixpath
import re
from html import unescape
from importlib import import_module

import pytest

from cnnlib.course import chapters
from cnnlib.site import reference

from .conftest import BUILD, ROOT

NOTEBOOKS = chapters.notebooks(root=ROOT)
LINK = re.compile(r'<a class="reference internal(?: api)?" href="([^"#]*)#(cnnlib\.[\w.]+)"')


def text_of(name):
    return (BUILD / f"{name}.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("package", reference.PACKAGES)
def test_a_page_has_every_public_name_of_its_package_and_no_other(package):
    module = import_module(f"cnnlib.{package}")
    shown = re.findall(rf'<dt class="sig sig-object py" id="cnnlib\.{package}\.(\w+)"', text_of(f"book/api/{package}"))
    assert sorted(shown) == sorted(module.__all__)


@pytest.mark.parametrize("package", reference.PACKAGES)
def test_an_entry_shows_the_signature_and_what_the_docstring_says(package):
    module = import_module(f"cnnlib.{package}")
    for name in module.__all__:
        value = getattr(module, name)
        if not (inspect.isfunction(value) or inspect.isclass(value)):
            continue
        _, _, after = text_of(f"book/api/{package}").partition(f'id="cnnlib.{package}.{name}"')
        signature, _, told = after.partition("</dt>")
        if inspect.isfunction(value):
            assert all(f'<span class="n"><span class="pre">{parameter}</span></span>' in signature
                       for parameter in inspect.signature(value).parameters), name
        told, said = unescape(re.sub(r"<[^>]+>", "", told)), inspect.getdoc(value).partition("\n\n")[0]
        words = re.findall(r"\w+", said)
        assert re.findall(r"\w+", told)[:len(words)] == words, name
        if "Raises:" in inspect.getdoc(value):
            assert "Raises:" in told, name


@pytest.mark.parametrize("path", NOTEBOOKS, ids=chapters.page)
def test_code_leads_to_what_it_calls_first_and_the_reference_leads_back(path):
    name = path.relative_to(ROOT).with_suffix("").as_posix()
    used = reference.on_page(path)
    linked = [(posixpath.normpath(posixpath.join(posixpath.dirname(name), page)), entry)
              for page, entry in LINK.findall(text_of(name))]
    if path.stem != "index":
        assert sorted(linked) == sorted((f"book/api/{entry.split('.')[1]}.html", entry) for entry in used)
    for entry in used:
        first = reference.pages_of(entry, ROOT)
        assert path.parent in {page.parent for page in first}
        _, _, told = text_of(f"book/api/{entry.split('.')[1]}").partition(f'id="{entry}"')
        told = re.split(r'id="cnnlib\.\w+\.\w+"', told)[0]
        assert all(f'href="../{page.parent.name}/{page.stem}.html"' in told for page in first), entry


def test_a_landing_page_leads_to_all_that_its_chapter_calls():
    for chapter in chapters.CHAPTERS:
        used = {entry for path in chapters.notebooks(chapter, ROOT) for entry in reference.on_page(path)}
        assert used <= {entry for _, entry in LINK.findall(text_of(f"book/{chapter}/index"))}, chapter


def test_the_main_functions_are_used_in_the_book():
    used = {entry for path in NOTEBOOKS for entry in reference.on_page(path)}
    assert {"cnnlib.models.create_model", "cnnlib.anatomy.summary", "cnnlib.training.fit", "cnnlib.data.load"} <= used
