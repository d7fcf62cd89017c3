"""Publishing, tried on a bare repository on disk: twice, with one page changed in between."""

import subprocess

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tools import notebooks, publish

PAGE = '<!DOCTYPE html><html lang="en"><title>{0}</title><p id="here">{0}</p><a href="two.html#here">two</a>'
IDENTITY = ("-c", "user.name=Someone", "-c", "user.email=someone@example.org")


def git(folder, *arguments):
    return subprocess.run(["git", *IDENTITY, "-C", str(folder), *arguments], check=True, capture_output=True,
                          text=True).stdout.strip()


@pytest.fixture
def house(tmp_path, monkeypatch):
    """(a checkout with one notebook, its built site, the bare repository that is its origin)."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Someone")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "someone@example.org")
    checkout, bare = tmp_path / "my book", tmp_path / "bare.git"
    site = checkout / "_build" / "html"
    (checkout / "book" / "lenet").mkdir(parents=True)
    site.mkdir(parents=True)
    (checkout / ".gitignore").write_text("_build/\n")
    (checkout / "_config.yml").write_text('repository:\n  url: ""\n  branch: main\n')
    (checkout / "_toc.yml").write_text("root: book/intro\nchapters:\n- file: book/lenet/index\n")
    nb = new_notebook(cells=[new_code_cell("1", id="one")])
    notebooks.stamp(nb, "")
    nbformat.write(nb, checkout / "book" / "lenet" / "index.ipynb")
    for name in ("index", "two"):
        (site / f"{name}.html").write_text(PAGE.format(name))
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(checkout))
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message", "A book")
    git(checkout, "remote", "add", "origin", str(bare))
    git(checkout, "push", "--quiet", "origin", "main")
    return checkout, site, bare


def test_without_push_nothing_leaves_the_checkout(house):
    checkout, site, bare = house
    said = publish.publish(checkout, site)
    assert said.startswith("3 files changed") and "not pushed" in said
    assert git(bare, "branch", "--format=%(refname:short)") == "main"
    assert git(checkout, "status", "--porcelain") == ""


def test_two_pushes_the_second_with_the_one_page_that_changed(house):
    checkout, site, bare = house
    assert publish.publish(checkout, site, push=True).endswith("pushed")
    assert git(bare, "ls-tree", "-r", "--name-only", "gh-pages").splitlines() == [".nojekyll", "index.html", "two.html"]
    (site / "two.html").write_text(PAGE.format("changed"))
    said = publish.publish(checkout, site, push=True)
    assert said.startswith("1 files changed\n  two.html")
    assert git(bare, "diff", "--name-status", "gh-pages~", "gh-pages") == "M\ttwo.html"
    assert git(bare, "show", "gh-pages:two.html") == PAGE.format("changed")
    assert publish.publish(checkout, site, push=True).endswith("nothing to push")
    assert git(bare, "rev-list", "--count", "gh-pages") == "2"


def test_a_page_that_is_gone_is_gone_and_what_others_pushed_stays_in_the_history(house):
    checkout, site, bare = house
    publish.publish(checkout, site, push=True)
    other = checkout.parent / "other"
    git(checkout.parent, "clone", "--quiet", "--branch", "gh-pages", str(bare), str(other))
    (other / "CNAME").write_text("example.org")
    git(other, "add", "CNAME")
    git(other, "commit", "--quiet", "--message", "Elsewhere")
    git(other, "push", "--quiet")
    (site / "index.html").write_text("<p>alone</p>")
    (site / "two.html").unlink()
    publish.publish(checkout, site, push=True)
    assert git(bare, "ls-tree", "-r", "--name-only", "gh-pages").splitlines() == [".nojekyll", "index.html"]
    assert git(bare, "rev-list", "--count", "gh-pages") == "3"


@pytest.mark.parametrize("spoil, complaint", [
    (lambda checkout, site: (site / "two.html").unlink(), "two.html#here is missing"),
    (lambda checkout, site: (site / "two.html").write_text('<p id="here"><script src="https://example.org/x.js">'),
     "loads https://example.org/x.js"),
    (lambda checkout, site: (site / "style.css").write_text("@import url(//example.org/x.css);"),
     "style.css: loads //example.org/x.css"),
    (lambda checkout, site: (site / "index.html").unlink(), "not built"),
    (lambda checkout, site: (checkout / "new.txt").touch(), "has changes"),
    (lambda checkout, site: git(checkout, "switch", "--quiet", "-c", "mine"), "the branch is 'mine', allowed: 'main'"),
    (lambda checkout, site: git(checkout, "remote", "set-url", "origin", "https://github.com/someone/book"),
     "1 notebooks have another address than 'https://github.com/someone/book'"),
])
def test_what_may_not_be_published_is_refused(house, spoil, complaint):
    checkout, site, bare = house
    spoil(checkout, site)
    with pytest.raises(ValueError) as refused:
        publish.publish(checkout, site, push=True)
    assert complaint in str(refused.value)
    assert git(bare, "branch", "--format=%(refname:short)") == "main"


def test_a_fork_gets_its_own_address_committed_and_pushed(house, monkeypatch):
    checkout, site, bare = house
    url = "https://github.com/someone/book"
    monkeypatch.setattr(publish, "repository_url", lambda root: url)
    assert publish.stamp(checkout) == f"1 notebooks stamped with {url}"
    assert git(bare, "log", "-1", "--format=%s", "main") == "The address of this copy"
    assert f'REPOSITORY = \\"{url}\\"' in git(bare, "show", "main:book/lenet/index.ipynb")
    assert publish.stamp(checkout).startswith("0 notebooks")
    assert git(bare, "rev-list", "--count", "main") == "2"
    assert f"launch buttons open {url}; " in publish.publish(checkout, site, push=True)
    (checkout / "new.txt").touch()
    with pytest.raises(ValueError, match="has changes"):
        publish.stamp(checkout)
