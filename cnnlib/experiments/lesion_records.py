"""Recorded lesions: `data/lesions/<network>.json` says what a trained network answered without each block, each pair,
and many random sets, so that a page can show it. `python -m cnnlib.experiments.lesion_records NAME ...` writes them.

Every number in such a file is the count of wrong test images of a network that was evaluated with that very lesion.
"""

import hashlib
import sys
import time
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import combinations

from ..checks import one_of
from ..data.images import balanced
from ..files import DATA
from . import lesion, measured

# Up to how many blocks are deleted in all possible ways: of 9 blocks and 7, every set.
NETWORKS = {"digits-resnet20": 9, "digits-plain20": 7, "digits-resnet56": 2, "digits-plain56": 2,
            "digits-vgg16_bn": 2, "digits-densenet_bc40_k4": 2, "cifar10-short-resnet20": 3,
            "cifar10-short-plain20": 3, "cifar10-short-resnet56": 1, "cifar10-short-plain56": 1,
            "cifar10-short-vgg16_bn-quarter": 1, "cifar10-short-densenet_bc40_k12": 1}
LARGE, SOME = 2000, 1000    # of a split of more images than 2,000 some are taken, chosen evenly
DRAWS = 12              # random sets of each size, and random exchanges of each number
FEW = (1, 2, 3, 5, 7, 10, 15, 20)
STATISTICS = ("kept", "reestimated")


@dataclass
class Lesions:
    """What was recorded of one network.

    Attributes:
        network: the name of its weights. weights: their SHA-256. data: the variant. images: how many of the test split.
        environment: where, when and with what it was evaluated, as in a recorded run, and the command.
        blocks: the names of those that can be deleted, in the order of the network.
        wrong: statistics -> set -> count of wrong answers; a set is written as positions in `blocks`: "", "3", "3 7".
        random: statistics -> number of deleted blocks -> counts, one a random set.
        swaps: list of [swaps, Kendall's tau, wrong]; empty where no two blocks have one shape.
    """

    network: str
    weights: str
    data: str
    images: int
    environment: dict
    blocks: list
    wrong: dict
    random: dict
    swaps: list

    def error(self, deleted=(), statistics="kept"):
        """The test error without the named blocks; None if this set was not evaluated.

        Raises:
            ValueError: unknown names, or `statistics` that are not "kept" or "reestimated".
        """
        one_of("statistics", statistics, STATISTICS)
        deleted = [deleted] if isinstance(deleted, str) else deleted
        for name in deleted:
            one_of("a name of deleted", name, tuple(self.blocks))
        wrong = self.wrong[statistics].get(key(self.blocks.index(name) for name in deleted))
        return None if wrong is None else self._share(wrong)

    def _share(self, wrong):
        return 1 - (self.images - wrong) / self.images          # to the last bit as `training.evaluate` has it

    def singles(self, statistics="kept"):
        """{block: test error without it}, as `lesion.singles`."""
        return {name: self.error([name], statistics) for name in self.blocks}

    def pairs(self, statistics="kept"):
        """{(block, later block): test error without the two}, as `lesion.pairs`."""
        return {pair: self.error(pair, statistics) for pair in combinations(self.blocks, 2)}

    def random_deletions(self, statistics="kept"):
        """{k: list of test errors without k random blocks}, as `lesion.random_deletions`."""
        one_of("statistics", statistics, STATISTICS)
        return {int(k): [self._share(wrong) for wrong in counts] for k, counts in self.random[statistics].items()}

    def random_swaps(self):
        """List of dicts with swaps, tau, error, as `lesion.random_swaps`, with the statistics kept."""
        return [{"swaps": swaps, "tau": tau, "error": self._share(wrong)} for swaps, tau, wrong in self.swaps]


def key(positions):
    """A set of positions as it is written: (7, 3) -> "3 7"."""
    return " ".join(map(str, sorted(positions)))


@lru_cache(maxsize=16)
def recorded(network, root=None):
    """The Lesions of a network of `data/weights`.

    Raises:
        ValueError: none were recorded; those that were are named.
    """
    return Lesions(**measured.of_network(root or DATA / "lesions", network))


def some(split):
    """The images of a split on which lesions are tested, or BatchNorm's averages estimated: all, or SOME of many."""
    chosen = balanced(split.labels, SOME if len(split) > LARGE else len(split))
    return replace(split, images=split.images[chosen], labels=split.labels[chosen])


def record(network, root=None, progress=True):
    """Evaluate all lesions of a network of `data/weights` and write them; returns the Lesions."""
    one_of("network", network, tuple(NETWORKS))
    started = time.perf_counter()
    model, dataset = lesion.load(network)
    split, train = some(dataset.test), some(dataset.train)
    names = lesion.blocks(model, next(split.batches(2))[0])
    wrong, drawn = {}, {}
    most = NETWORKS[network]
    for statistics in STATISTICS:
        restat = train if statistics == "reestimated" else None
        ask = {"restat": restat, "progress": progress}
        sets = [each for many in range(most + 1) for each in combinations(range(len(names)), many)]
        errors = lesion.test_errors(model, split, [[names[i] for i in each] for each in sets], **ask)
        wrong[statistics] = {key(each): round(error * len(split)) for each, error in zip(sets, errors, strict=True)}
        every = restat is None and len(dataset.test) <= LARGE        # every number of blocks where that is soon done
        k = None if every else [many for many in FEW if many <= len(names)]
        errors = lesion.random_deletions(model, split, k, DRAWS, **ask)
        drawn[statistics] = {str(k): [round(error * len(split)) for error in found] for k, found in errors.items()}
    try:
        rows = lesion.random_swaps(model, split, FEW, DRAWS, progress=progress)
    except ValueError:                                  # of dense layers no two have one shape
        rows = []
    swapped = [[row["swaps"], round(row["tau"], 6), round(row["error"] * len(split))] for row in rows]
    lesions = Lesions(
        network, hashlib.sha256((lesion.WEIGHTS / f"{network}.safetensors").read_bytes()).hexdigest(), dataset.variant,
        len(split), measured.about(f"lesion_records {network}") | {"wall_seconds": time.perf_counter() - started},
        names, wrong, drawn, swapped)
    measured.write((root or DATA / "lesions") / f"{network}.json", asdict(lesions))
    return lesions


if __name__ == "__main__":
    for name in sys.argv[1:] or NETWORKS:
        found = record(name)
        print(f"{name}: {len(found.wrong['kept'])} sets of {len(found.blocks)} blocks, "
              f"{found.environment['wall_seconds']:.0f} s")
