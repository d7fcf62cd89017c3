"""The chapter's table of the sources' options: whatever it names of ours is there."""

import re

import pytest

from cnnlib.cli import main
from cnnlib.course.transfer import options


def offered(command, capsys):
    """What the help of a command offers: options, and its arguments in capitals."""
    with pytest.raises(SystemExit):
        main([command, "--help"])
    said = capsys.readouterr().out
    arguments = re.search(r"positional arguments:\n(.*?)\n\n", said, re.S)[1]
    return set(re.findall(r"--[a-z][\w-]*", said)) | {name.upper() for name in re.findall(r"^  (\w+)", arguments, re.M)}


@pytest.mark.parametrize("command, rows, published", [("train", options.TRAIN, 13), ("evaluate", options.TEST, 10)])
def test_every_option_of_the_sources_has_its_place_or_a_reason(command, rows, published, capsys):
    there = offered(command, capsys)
    assert len({theirs for theirs, *_ in rows}) == published
    for theirs, _, ours, why in rows:
        assert why or ours, theirs
        for option in filter(None, ours.split(", ")):
            assert option in there, f"{theirs} -> {option}"


def test_the_table_is_shown_with_all_rows():
    assert options.show("train").data.count('scope="row"') == len(options.TRAIN)
    assert options.show("evaluate").data.count("none") >= 4
