"""What README.md and its neighbours say is there: commands, files, folders, the picture. And nothing twice."""

import re
import struct
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from cnnlib import files

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("README.md", "TEACHING.md", "CONTRIBUTING.md", "CHANGELOG.md")
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in NAMES}
README = TEXTS["README.md"]


@pytest.mark.parametrize("name", NAMES)
def test_targets_of_make_and_linked_files_exist(name):
    targets = set(re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)[1].split())
    commands = "\n".join(re.findall(r"```sh\n(.*?)```", TEXTS[name], re.S))
    named = re.findall(r"^make ([\w-]+)", commands, re.M) + re.findall(r"`make ([\w-]+)", TEXTS[name])
    assert set(named) <= targets
    links = re.findall(r"\]\(([^)#:]+)\)", re.sub(r"`[^`]*`", "", TEXTS[name]))
    assert not [link for link in links if not (ROOT / link).exists()]


@pytest.mark.skipif(files.CHECKOUT is None, reason="an installed package has no checkout around it")
def test_the_table_names_every_folder():
    rows = re.findall(r"^\| (`.*?) \|", README, re.M)
    named = {name.rstrip("/") for row in rows for name in re.findall("`(.*?)`", row)}
    tracked = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True).stdout
    folders = {path.split("/")[0] for path in tracked.splitlines() if "/" in path and not path.startswith(".")}
    packages = {f"cnnlib/{path.parent.name}" for path in (ROOT / "cnnlib").glob("*/__init__.py")}
    assert named == folders - {"cnnlib"} | packages


def test_it_is_read_in_five_minutes():
    assert len(README.split()) <= 1000


def test_the_picture_is_small_and_in_words():
    words, path = re.search(r"!\[(.*?)\]\((.*?)\)", README, re.S).groups()
    picture = (ROOT / path).read_bytes()
    width, height = struct.unpack(">II", picture[16:24])
    assert len(words.split()) > 8 and len(picture) < 100_000 and width >= 1200 and height >= 700


def test_nothing_is_said_twice():
    """No command in a code block and no sentence of the text stands in two places of README.md and TEACHING.md."""
    said = []
    for text in (README, TEXTS["TEACHING.md"]):
        for block in re.findall(r"```sh\n(.*?)```", text, re.S):
            said += [line.partition("  #")[0].strip() for line in block.splitlines()]
        prose = re.sub(r"```.*?```", "", text, flags=re.S)
        said += [" ".join(sentence.split()) for sentence in re.split(r"[.:]\s", prose)]
    assert [each for each, times in Counter(said).items() if times > 1 and len(each) > 20] == []
