"""The book's public address is one setting: with it buttons lead to the right notebook, without it nowhere."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

from .conftest import ROOT

sys.path.insert(0, str(ROOT))
from tools import notebooks

PAGES = ["index", "watch"]
URL = "https://github.com/someone/somebook"


def git(folder, *arguments):
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


@pytest.fixture
def tiny(tmp_path):
    """A book of one page and one notebook with the configuration of this one, in a repository of its own."""
    for name in ("_config.yml", "book/references.bib", "book/assets/book.css", "book/assets/icons.css",
                 "book/assets/favicon.svg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    notebooks.set_address(tmp_path / "_config.yml", "")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/intro\nchapters:\n- file: book/lenet/index\n"
                                      "  sections:\n  - file: book/lenet/watch\n")
    (tmp_path / "book/intro.md").write_text("# Start\n")
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# LeNet")], metadata={
        "kernelspec": notebooks.KERNEL, "language_info": notebooks.LANGUAGE})
    notebooks.stamp(nb, "")
    (tmp_path / "book/lenet").mkdir()
    for page in PAGES:
        nbformat.write(nb, tmp_path / f"book/lenet/{page}.ipynb")
    git(tmp_path, "init", "-q")
    return tmp_path


def outward_links(book):
    """Build `book`; the addresses outside it that its pages link to, a set for each of PAGES."""
    made = subprocess.run([Path(sys.executable).with_name("jupyter-book"), "build", book, "-W", "-n", "--keep-going"],
                          capture_output=True, text=True)
    assert made.returncode == 0, made.stdout[-2000:] + made.stderr[-2000:]
    pages = [(book / f"_build/html/book/lenet/{page}.html").read_text() for page in PAGES]
    return [set(re.findall(r'href="(https?://[^"]*)"', page)) for page in pages]


def buttons(url):
    """Where the buttons of each of PAGES lead for a book published at `url`."""
    name = url.removeprefix("https://github.com/")
    return [{url,
             f"https://colab.research.google.com/github/{name}/blob/main/book/lenet/{page}.ipynb",
             f"https://mybinder.org/v2/gh/{name}/main?urlpath=lab/tree/book/lenet/{page}.ipynb"} for page in PAGES]


def lead(links, url):
    """Do the buttons of each page lead to its own notebook?"""
    return all(wanted <= found for wanted, found in zip(buttons(url), links, strict=True))


def test_without_an_address_no_button_and_no_dead_link(tiny):
    assert not [link for links in outward_links(tiny) for link in links if re.search("colab|mybinder|github", link)]


def test_with_an_address_the_buttons_lead_to_the_notebook(tiny):
    notebooks.set_address(tiny / "_config.yml", URL)
    assert lead(outward_links(tiny), URL)


def test_the_origin_on_github_is_found(tiny):
    git(tiny, "remote", "add", "origin", "git@github.com:fork/somebook.git")
    assert lead(outward_links(tiny), "https://github.com/fork/somebook")


def test_an_address_elsewhere_gives_no_colab_button(tiny):
    notebooks.set_address(tiny / "_config.yml", "https://gitlab.com/someone/somebook")
    assert yaml.safe_load((tiny / "_config.yml").read_text())["repository"]["url"].startswith("https://gitlab")
    for links in outward_links(tiny):
        assert any("mybinder.org/v2/gl/" in link for link in links)
        assert not any("colab" in link for link in links)
