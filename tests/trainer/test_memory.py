"""A training takes a browser at most 64 MB, in one piece, whichever network of the book a reader chooses."""

import gzip
import json
import re
from base64 import b64decode

import pytest

from cnnlib import data, files
from cnnlib.course import chapters

from .engine import ask

MOST = 64 * 2**20
SPEC = re.compile(r'data-trains>.*?<script type="application/json">(.*?)</script>', re.DOTALL)


def plans():
    """What the widgets of the notebooks give their pages to train."""
    for path in chapters.notebooks():
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for output in cell.get("outputs", ()):
                html = "".join(output.get("data", {}).get("text/html", ()))
                yield from (json.loads(spec)["state"]["in_page"] for spec in SPEC.findall(html))


@pytest.mark.skipif(files.CHECKOUT is None, reason="an installed package has no checkout around it")
def test_no_network_that_a_page_can_train_takes_more():
    jobs = [{"do": "memory", "description": description, "batch": plan["recipe"]["batch_size"]}
            for plan in plans() for description in json.loads(gzip.decompress(b64decode(plan["packed"])))]
    digits = data.load("digits")
    pictures = 65 * (len(digits.train) + len(digits.test))
    taken = ask(jobs)
    assert len(taken) > 100 and min(taken) > 65536
    assert max(taken) + pictures <= MOST, f"{max(taken) / 2**20:.1f} MB"
