"""The benches run, and compare fairly; how fast they find us is not a matter for tests."""

import time

import pytest

from cnnlib import bench, cli


@pytest.mark.parametrize("name", ["models", "explorer", "densenet"])
def test_runs_quickly(name, capsys):
    results = bench.main(name, quick=True)
    printed = capsys.readouterr().out
    assert results and all(r.what in printed and r.goal in printed for r in results)
    for r in results:
        assert r.ours > 0 and (r.ratio is None or r.ratio > 0) and isinstance(r.ok, bool)


def test_compare_takes_turns_and_the_median_of_ratios():
    turns = []

    def sleeper(who, seconds):
        def sleep():
            turns.append(who)
            time.sleep(seconds)

        return sleep

    ours, peer, ratio = bench.compare(sleeper("ours", 0.02), sleeper("peer", 0.01), repeats=4)
    assert turns.count("ours") == turns.count("peer") == 5
    assert turns[2:4] != turns[4:6]                 # neither is always first
    assert ours >= 0.02 and peer >= 0.01 and ratio > 1


def test_unknown_bench():
    with pytest.raises(ValueError, match="bench is 'speed', allowed: models, explorer"):
        bench.main("speed")
    with pytest.raises(SystemExit):
        cli.main(["bench", "speed"])
