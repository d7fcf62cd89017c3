"""Two families on equal terms: of their recorded runs the two networks that cost nearly the same.

What is equal has to be said. Parameters, multiply-accumulates and the memory of training are three measures, and each
may have another winner.
"""

import math
from dataclasses import dataclass
from statistics import mean

from ..anatomy import of
from ..checks import one_of
from ..records import runs

MEASURES = ("parameters", "macs", "kept_bytes")


@dataclass(frozen=True)
class Entry:
    """A recorded network.

    Attributes:
        name: of the case in its experiment, "resnet20".
        parameters: of the whole network. macs, kept_bytes: of one picture of the size it was trained on; kept is
            what training keeps for the backward pass.
        errors: test errors after the last epoch, one a seed, as fractions.
    """

    name: str
    parameters: int
    macs: int
    kept_bytes: int
    errors: tuple

    @property
    def error(self):
        """Mean over the seeds."""
        return mean(self.errors)


def entries(experiment, start="", root=None, **options):
    """The networks of an experiment as a list of `Entry`, in the order of their names.

    Args:
        start: only cases whose names begin so, or in one of several ways, a tuple.
        root: another folder of experiments than `data/runs`.
        options: of `create_model`, for the costs only: `memory_efficient=True` gives the same network and the same
            training, which keep less.
    """
    return [_entry(case, group, options) for case, group in runs.by_case(experiment, root).items()
            if case.startswith(start)]


def _entry(case, group, options):
    model = group[0].model
    cost = of(model["name"], (1, *group[0].shape), **model["options"], **options)
    return Entry(case, cost.total_params, cost.total_macs, cost.total_kept_bytes,
                 tuple(run.final["test_error"] for run in group))


def closest(first, second, measure):
    """The pair, one entry of each list, whose values of a measure have the ratio nearest to 1.

    Raises:
        ValueError: an unknown measure, or an empty list.
    """
    one_of("measure", measure, MEASURES)
    if not first or not second:
        raise ValueError(f"first and second are lists of {len(first)} and {len(second)}, allowed: at least one each.")
    pairs = [(a, b) for a in first for b in second]
    return min(pairs, key=lambda pair: abs(math.log(getattr(pair[0], measure) / getattr(pair[1], measure))))
