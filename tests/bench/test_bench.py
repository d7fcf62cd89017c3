"""The benches run, and compare fairly; how fast they find us is not a matter for tests."""

from types import SimpleNamespace

import pytest

from cnnlib import bench, cli


@pytest.mark.parametrize("name", ["models", "explorer", "densenet", "trainer"])
def test_runs_quickly(name, capsys):
    results = bench.main(name, quick=True)
    printed = capsys.readouterr().out
    assert results and all(r.what in printed and r.goal in printed for r in results)
    for r in results:
        assert r.ours > 0 and (r.ratio is None or r.ratio > 0) and isinstance(r.ok, bool)


def test_compare_takes_turns_and_the_median_of_ratios(monkeypatch):
    turns, now = [], 0.0
    monkeypatch.setattr(bench, "time", SimpleNamespace(perf_counter=lambda: now))     # that of all others stays

    def sleeper(who, *seconds):
        def sleep():
            nonlocal now
            now += seconds[turns.count(who)]
            turns.append(who)

        return sleep

    # the first of each is not counted; ratios 2, 4, 8
    ours, peer, ratio = bench.compare(sleeper("ours", 9, 2, 8, 8), sleeper("peer", 1, 1, 2, 1), repeats=3)
    assert turns.count("ours") == turns.count("peer") == 4
    assert turns[2:4] != turns[4:6]                 # neither is always first
    assert (ours, peer, ratio) == (8, 1, 4)


def test_unknown_bench():
    with pytest.raises(ValueError, match="bench is 'speed', allowed: models, explorer"):
        bench.main("speed")
    with pytest.raises(SystemExit):
        cli.main(["bench", "speed"])
