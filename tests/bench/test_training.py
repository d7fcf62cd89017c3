"""That the measurements run; how fast we are is said by `python -m cnnlib bench training`."""

import pytest

from cnnlib.bench import training


def test_everything_is_measured():
    results = training.run(quick=True)
    assert [result.goal for result in results] == [">= 9", ">= 5", "<= 1.03"]
    for result in results:
        bound = float(result.goal.split()[1])
        assert result.ours > 0 and result.peer > 0 and result.unit == "images/s"
        assert result.ok == (result.ratio <= bound if result.goal[0] == "<" else result.ratio >= bound)
    assert results[0].ratio == pytest.approx(results[0].ours / results[0].peer), "of one pair, more is better"
    assert results[2].ratio == pytest.approx(results[2].peer / results[2].ours), "of one pair, less is better"
