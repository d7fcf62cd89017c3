"""Training short paths only: each step goes through some blocks of a residual network, the test through all of them.

Veit, Wilber, Belongie, "Residual networks behave like ensembles of relatively shallow networks", NeurIPS 2016, train
ResNet-110 in this way, with 23 of its 54 blocks a step. `python -m cnnlib.experiments.subsets` writes
`data/measured/subsets.json`: ResNet-56 with 12 of its 27 blocks, beside all of them, and beside the network of 12.
"""

from itertools import product
from statistics import mean

import torch

from .. import data, training
from ..checks import at_least
from ..files import DATA
from ..models import create_model
from ..models.residual import ResidualBlock
from ..records.grids import grid
from . import lesion, measured

FILE = DATA / "measured" / "subsets.json"
KEPT = 12                               # of the 27 blocks of ResNet-56; ResNet-26 has 12
EPOCHS = 6, 14, 40                      # in 14 a block of the 27 takes part in as many steps as in 6 with all blocks
WAYS = {"all": ("resnet56", None), "some": ("resnet56", KEPT), "shallow": ("resnet26", None)}


def blocks_of(network):
    return [module for module in network.modules() if isinstance(module, ResidualBlock)]


def keep(network, share):
    """Multiply the branch of every block by `share`; at 1 the network is what it was built as."""
    for block in blocks_of(network):
        block.survival = share


def train_some(network, k):
    """Let each training step go through k blocks, drawn at random, and around all others; see `keep` for the test.

    Returns the handle of the hook that draws; its `remove()` ends it.
    """
    blocks = blocks_of(network)
    at_least("k", k, 1, len(blocks))

    def draw(network, inputs):
        if network.training:
            kept = torch.randperm(len(blocks))[:k].tolist()
            for i, block in enumerate(blocks):
                block.survival = float(i in kept)       # 1: through its branch, 0: around it

    return network.register_forward_pre_hook(draw)


def train(way, epochs, seed):
    """A network trained on the digits in one of the `WAYS`, and the data set."""
    name, k = WAYS[way]
    plan = grid("digits-degradation")
    digits = data.load(**plan.data)
    torch.manual_seed(seed)
    network = create_model(name, **plan.cases[0].options)
    hook = train_some(network, k) if k else None

    # What `fit` tests after each epoch is the network with the blocks of the last step: not used here.
    training.fit(network, digits, **{**plan.recipe, "epochs": epochs}, seed=seed, device="cpu", progress=False)
    if hook:
        hook.remove()
        keep(network, k / len(blocks_of(network)))
    return network, digits


def tested(way, epochs, seed):
    """{what is tested: error}, of a network trained so: "test" and "train"; and if in training some blocks were left
    out, "unscaled", the test with whole branches, and "renewed", with BatchNorm's averages estimated for these."""
    network, digits = train(way, epochs, seed)
    errors = {split: training.evaluate(network, getattr(digits, split))["error"] for split in ("test", "train")}
    if WAYS[way][1]:
        keep(network, 1.0)
        errors["unscaled"] = training.evaluate(network, digits.test)["error"]
        with lesion.reestimated(network, digits.train):
            errors["renewed"] = training.evaluate(network, digits.test)["error"]
    return errors


def record(file=FILE, seeds=3):
    """Train each of the `WAYS` with all `EPOCHS`, and write the errors; after each seed what there is."""
    rows = []
    for seed in range(at_least("seeds", seeds, 1)):
        rows += [{"way": way, "epochs": epochs, "seed": seed, **tested(way, epochs, seed)}
                 for way, epochs in product(WAYS, EPOCHS)]
        measured.write(file, {**measured.about("subsets"), "rows": rows})


def recorded(file=FILE):
    """{(way, epochs): the rows of its seeds} of what `record` wrote."""
    found = {}
    for row in measured.read(file)["rows"]:
        found.setdefault((row["way"], row["epochs"]), []).append(row)
    return found


def average(rows, what="test"):
    """Mean over seeds of one of the errors."""
    return mean(row[what] for row in rows)


if __name__ == "__main__":
    record()
