"""The book's address: read from the setting or the origin, and never something else than an https address."""

import subprocess

import pytest

from cnnlib.site import address as repository


@pytest.fixture
def checkout(tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "_config.yml").write_text('repository:\n  url: ""\n')
    return tmp_path


def add_origin(checkout, url):
    subprocess.run(["git", "-C", str(checkout), "remote", "add", "origin", url], check=True)


def test_no_setting_and_no_origin_is_no_address(checkout):
    assert repository.repository_url(checkout) == ""


@pytest.mark.parametrize("origin", [
    "https://github.com/someone/some.book", "https://github.com/someone/some.book.git",
    "git@github.com:someone/some.book.git", "ssh://git@github.com/someone/some.book",
    "https://name:secret@github.com/someone/some.book.git",
])
def test_an_origin_on_github_is_the_address_without_user_and_password(checkout, origin):
    add_origin(checkout, origin)
    assert repository.repository_url(checkout) == "https://github.com/someone/some.book"


@pytest.mark.parametrize("origin", ["https://example.org/someone/somebook", "../elsewhere",
                                    "https://notgithub.com/someone/somebook"])
def test_any_other_origin_is_none(checkout, origin):
    add_origin(checkout, origin)
    assert repository.repository_url(checkout) == ""


def test_the_setting_wins_over_the_origin(checkout):
    add_origin(checkout, "https://github.com/fork/somebook")
    (checkout / "_config.yml").write_text("repository:\n  url: https://github.com/set/somebook/\n")
    assert repository.repository_url(checkout) == "https://github.com/set/somebook"


@pytest.mark.parametrize("config", ["title: x\n", "repository:\n", "repository:\n  url:\n"])
def test_a_missing_setting_is_an_empty_one(checkout, config):
    (checkout / "_config.yml").write_text(config)
    assert repository.configured_url(checkout) == ""


@pytest.mark.parametrize("url", ["http://github.com/a/b", "https://u:p@github.com/a/b", 'https://github.com/a/b"; x',
                                 "https://github.com", "github.com/a/b", "https://github.com/a b/c"])
def test_what_is_no_plain_https_address_is_refused(url):
    with pytest.raises(ValueError, match="repository url is .* allowed"):
        repository.https_url(url)
