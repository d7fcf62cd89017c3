"""Internal links and anchors resolve; and the checker that says so finds what it should."""

import pytest

from cnnlib.site.links import broken


def test_every_internal_link_and_anchor_resolves(build):
    assert broken(build) == []


@pytest.mark.parametrize("body, complaint", [
    ('<a href="other.html#here">', None),
    ('<a href="#top"><p id="top">', None),
    ('<a href="https://example.org/x">', None),
    ('<img src="data:image/png;base64,AA">', None),
    ('<a href="gone.html">', "gone.html is missing"),
    ('<a href="other.html#gone">', "no such anchor"),
    ('<a href="#gone">', "no such anchor"),
    ('<img src="gone%20too.png">', "is missing"),
    ('<script src="https://example.org/x.js"></script>', "loads https://example.org/x.js"),
    ('<link rel="stylesheet" href="//example.org/x.css">', "loads //example.org/x.css"),
    ('<meta http-equiv="Refresh" content="0; url=gone.html">', "gone.html is missing"),
])
def test_the_checker_finds(tmp_path, body, complaint):
    (tmp_path / "page.html").write_text(body)
    (tmp_path / "other.html").write_text('<p id="here">')
    found = broken(tmp_path)
    assert len(found) == (complaint is not None)
    assert complaint is None or complaint in found[0]
