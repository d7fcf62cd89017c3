"""Times of convolutions: what is measured is what it says, and what was recorded is whole."""

import pytest
from torch import nn

from cnnlib.experiments import conv_times


@pytest.mark.parametrize("kind, macs", [("whole", 9 * 8 * 8), ("separable", 9 * 8 + 8 * 8)])
def test_a_measurement_counts_its_work(kind, macs):
    row = conv_times.measure(kind, 8, 5, batch=2, repeats=1)
    assert row["macs"] == macs * 25 * 2 and row["seconds"] > 0
    assert 0 <= row["depthwise_seconds"] < row["seconds"] and (row["depthwise_seconds"] > 0) == (kind == "separable")
    with pytest.raises(ValueError, match="kind is 'half', allowed: 'whole', 'separable'"):
        conv_times.measure("half", 8, 5)


def test_what_was_recorded_is_whole():
    times = conv_times.recorded()
    assert times.environment["threads"] == 1 and not times.environment["commit"].endswith("+")
    assert len(times.rows) == len(conv_times.KINDS) * len(conv_times.CHANNELS) * len(conv_times.SIZES)
    for channels in conv_times.CHANNELS:
        rule = 1 / (1 / channels + 1 / 9)
        assert all(times.ratio(channels, size, "macs") == pytest.approx(rule) for size in conv_times.SIZES)
    whole = times.row("whole", 16, 8)
    assert whole["macs"] == nn.Conv2d(16, 16, 3, bias=False).weight.numel() * 64 * times.batch
    with pytest.raises(ValueError, match="channels is 17, allowed: 8, 16"):
        times.row("whole", 17, 8)
