"""A 3x3 convolution whole and taken apart, timed: by width and by size of the maps, on one thread of a CPU.

`python -m cnnlib.experiments.conv_times` writes `data/times/convolutions.json`; a page shows what stands there, since
milliseconds differ by machine and by minute.
"""

from dataclasses import asdict, dataclass
from functools import lru_cache

import torch
from torch import nn

from ..checks import one_of
from ..files import DATA
from ..models import SeparableConv2d
from . import layer_times, measured

CHANNELS, SIZES, BATCH, REPEATS = (8, 16, 32, 64, 128, 256, 512), (4, 8, 16, 32, 64), 8, 7
FILE = DATA / "times" / "convolutions.json"
KINDS = {
    "whole": lambda channels: nn.Conv2d(channels, channels, 3, padding=1, bias=False),
    "separable": lambda channels: SeparableConv2d(channels, channels),
}


@dataclass
class Times:
    """What was measured: `rows` are dicts with kind, channels, size, macs (of the batch), seconds (shortest of the
    repeats, processor time of one thread) and, of separable ones, the seconds of the depthwise half."""

    batch: int
    repeats: int
    environment: dict
    rows: list

    def row(self, kind, channels, size):
        """The row of one measurement.

        Raises:
            ValueError: it was not measured.
        """
        one_of("kind", kind, tuple(KINDS))
        one_of("channels", channels, CHANNELS)
        one_of("size", size, SIZES)
        return next(row for row in self.rows if (row["kind"], row["channels"], row["size"]) == (kind, channels, size))

    def ratio(self, channels, size, what="seconds"):
        """How many times as much the whole convolution takes, in "seconds" or in "macs"."""
        whole_one, separable = (self.row(kind, channels, size)[what] for kind in KINDS)
        return whole_one / separable


def measure(kind, channels, size, batch=BATCH, repeats=REPEATS):
    """One row of `Times`, measured here and now: from `channels` maps to as many, maps of `size` x `size`."""
    torch.manual_seed(0)
    x = torch.randn(batch, channels, size, size)
    layers = layer_times.layer_times(nn.Sequential(KINDS[one_of("kind", kind, tuple(KINDS))](channels)), x, repeats)
    return {"kind": kind, "channels": channels, "size": size, "macs": sum(layer.macs for layer in layers),
            "seconds": sum(layer.seconds for layer in layers),
            "depthwise_seconds": sum(layer.seconds for layer in layers if layer.kind == "depthwise")}


def record(file=FILE):
    """Measure every kind at every width and size, and write them; returns the Times."""
    rows = [measure(kind, channels, size) for channels in CHANNELS for size in SIZES for kind in KINDS]
    times = Times(BATCH, REPEATS, measured.about("conv_times", threads=1), rows)
    measured.write(file, asdict(times))
    return times


@lru_cache(maxsize=2)
def recorded(file=FILE):
    """The Times that were recorded; FileNotFoundError if there are none."""
    return Times(**measured.read(file))


if __name__ == "__main__":
    record()
