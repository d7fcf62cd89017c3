"""A training takes little of a browser's memory: the engine claims one piece, when the network is built, or refuses."""

import pytest

from cnnlib.widgets.trainer.describe import described

from .engine import ask

MOST = 64 * 2**20
# The book's digits recipes.
NETWORKS = [("resnet56", {"width": 8, "in_channels": 1}, 8, 64),
            ("densenet_cifar", {"depth": 40, "growth_rate": 8, "in_channels": 1}, 8, 64),
            ("lenet5_modern", {}, 28, 32)]


@pytest.mark.parametrize("name, options, side, batch", NETWORKS, ids=[name for name, *_ in NETWORKS])
def test_the_digits_recipes_take_at_most_64_mb(name, options, side, batch):
    description = described(name, (1, side, side), **options)
    taken, = ask([{"do": "memory", "description": description, "batch": batch}])
    assert 2**20 < taken <= MOST, f"{taken / 2**20:.1f} MB"


def test_a_network_that_needs_more_is_refused_when_it_is_built():
    wide = described("resnet110", (1, 8, 8), width=32, in_channels=1)
    refused, = ask([{"do": "memory", "description": wide, "batch": 64}])
    assert refused == "needs more than the 64 MB of memory that a page may take"
