"""The archive for a class without network, unpacked elsewhere: pages open, and a notebook runs with the wheel in it."""

import os
import subprocess
import sys
import zipfile

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

from tools import pack

from .conftest import pages


@pytest.fixture(scope="module")
def unpacked(build, tmp_path_factory):
    """The folder that the archive makes."""
    folder = tmp_path_factory.mktemp("packed")
    archive = folder / "cnn-book.zip"
    pack.pack(build, archive, pack.wheel(folder))
    elsewhere = folder / "memory stick, größer"
    zipfile.ZipFile(archive).extractall(elsewhere)
    return elsewhere / "cnn-book"


def test_the_archive_has_pages_notebooks_wheel_and_ten_lines_to_begin_with(unpacked):
    assert {path.name for path in unpacked.iterdir()} == {"README.txt", "LICENSE", "CITATION.cff", "pages", "notebooks",
                                                          "wheel"}
    readme = (unpacked / "README.txt").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 13 and next((unpacked / "wheel").iterdir()).name in readme
    inside = {path.relative_to(unpacked / "pages").as_posix() for path in (unpacked / "pages" / "book").rglob("*.html")}
    assert inside == {page for page in pages() if page.startswith("book/")}
    assert len(list((unpacked / "notebooks").rglob("*.ipynb"))) == len(pack.chapters.notebooks(root=pack.ROOT))


@pytest.mark.parametrize("page", ["book/intro.html", "book/lenet/watch.html", "search.html"])
def test_its_pages_open_and_ask_nobody(visit, unpacked, page):
    with visit(unpacked / "pages" / page) as tab:
        tab.wait_for_load_state()
        assert tab.refused == [] and tab.errors == []
        assert tab.locator("h1").count() >= 1


def test_its_first_page_leads_on(unpacked):
    assert "url=book/intro.html" in (unpacked / "pages" / "index.html").read_text(encoding="utf-8")


def test_a_section_runs_with_the_wheel_beside_torch(unpacked, tmp_path, monkeypatch, offline):
    library = tmp_path / "library"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target",
                    str(library), *map(str, (unpacked / "wheel").iterdir())], check=True)
    monkeypatch.setenv("PYTHONPATH", str(library))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    path = unpacked / "notebooks" / "lenet" / "watch.ipynb"
    nb = nbformat.read(path, as_version=4)
    nb.cells.append(new_code_cell("import cnnlib\nprint(cnnlib.__file__)"))
    NotebookClient(nb, timeout=400, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}).execute()
    assert nb.cells[-1].outputs[0].text.strip() == os.path.join(library, "cnnlib", "__init__.py")


def test_pages_that_are_not_whole_are_not_packed(tmp_path):
    with pytest.raises(ValueError, match="not built"):
        pack.pack(tmp_path, tmp_path / "x.zip", tmp_path)
    (tmp_path / "index.html").write_text('<a href="gone.html">')
    with pytest.raises(ValueError, match="gone.html is missing"):
        pack.pack(tmp_path, tmp_path / "x.zip", tmp_path)
    assert not (tmp_path / "x.zip").exists()
