"""What the same networks cost by several yardsticks, and in which order each yardstick puts them.

Parameters, multiply-accumulates and memory come from the networks themselves, without a number computed. Seconds were
measured once on one thread of a CPU: `python -m cnnlib.experiments.yardsticks` measures them again.
"""

import itertools
from functools import cache

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from ..anatomy import of
from ..checks import at_least, one_of
from ..files import DATA
from ..models import create_model
from . import measured
from .layer_times import one_thread, shortest

FLOAT = 4               # bytes of a float32
# Family -> {member: options}. As in torchvision where it has them, without auxiliary heads.
MEMBERS = {
    "VGG": {"vgg11": {"variant": "torchvision"}, "vgg16": {"variant": "torchvision"}},
    "Inception": {"googlenet": {"variant": "torchvision", "aux_logits": False}, "inception_v3": {"aux_logits": False}},
    "ResNet": {"resnet18": {"variant": "torchvision"}, "resnet50": {"variant": "torchvision"}},
    "DenseNet": {"densenet121": {}, "densenet201": {}},
}
OPTIONS = {member: options for family in MEMBERS.values() for member, options in family.items()}
NAMES = {"vgg11": "VGG-11", "vgg16": "VGG-16", "googlenet": "GoogLeNet", "inception_v3": "Inception-v3",
         "resnet18": "ResNet-18", "resnet50": "ResNet-50", "densenet121": "DenseNet-121", "densenet201": "DenseNet-201"}
# What is done -> how often the weights stand in memory: themselves, their gradients, and what the optimiser keeps.
WORK = {"inference": 1, "training, plain SGD": 2, "training, momentum": 3, "training, Adam": 4}
YARDSTICKS = ("parameters", "MACs", "memory", "time")
SIZES = (224, 299)
SECONDS = DATA / "measured" / "zoo_seconds.json"

# What one source says, the least first.
COMPUTE = ("Inception", "DenseNet", "ResNet", "VGG")
MEMORY = ("Inception", "ResNet", "DenseNet", "VGG")


def cost(member, size=224, batch=1, work="inference"):
    """What a network costs: {yardstick: number}, for a whole batch; parameters, MACs, bytes, and processor seconds.

    Memory in training is what it holds as the backward pass begins: what was kept for it, and the weights as often as
    WORK says. In inference it is the weights, and the most that the maps take up at any time. The seconds of a batch
    are those of one picture times `batch`: a guess from above, since a batch is computed at least as well.

    Args:
        member: one of OPTIONS.
        size: height and width of the pictures, one of SIZES.
        batch: pictures.
        work: one of WORK.

    Raises:
        ValueError: an argument that is not allowed.
    """
    one_of("member", member, OPTIONS)
    one_of("size", size, SIZES)
    at_least("batch", batch, 1)
    one_of("work", work, WORK)
    table = of(member, (1, 3, size, size), **OPTIONS[member])
    maps = live_bytes(member, size) if work == "inference" else table.total_kept_bytes
    passed, trained = recorded()[f"{member}, {size}"]
    return {
        "parameters": table.total_params,
        "MACs": batch * table.total_macs * (1 if work == "inference" else 3),
        "memory": FLOAT * WORK[work] * table.total_params + batch * maps,
        "time": batch * (passed if work == "inference" else trained),
    }


def order(costs, yardstick):
    """Of {family: cost} the families, the least first."""
    return tuple(sorted(costs, key=lambda family: (costs[family][yardstick], family)))


def crossings(costs, first, second):
    """How many pairs of families two yardsticks put in opposite orders."""
    one, other = order(costs, first), order(costs, second)
    return sum(other.index(a) > other.index(b) for a, b in itertools.combinations(one, 2))


def batches_in_order(members, claimed, work, size=224, most=1024):
    """(first, last) batch up to `most` with which memory puts the members in the order that is claimed, None if with
    none. Memory is linear in the batch, so these are all between first and last.

    Args:
        members: {family: member}.
        claimed: the families, the least first.
    """
    costs = {family: [cost(member, size, batch, work)["memory"] for batch in (1, 2)]
             for family, member in members.items()}
    holds = [batch for batch in range(1, most + 1)
             if tuple(sorted(costs, key=lambda f: costs[f][0] + (batch - 1) * (costs[f][1] - costs[f][0]))) == claimed]
    return (holds[0], holds[-1]) if holds else None


class _Live(TorchDispatchMode):
    """Counts the bytes of the tensors that are made while it is on, without those of `model`; `peak`: the most of
    them at any time."""

    def __init__(self, model):
        super().__init__()
        self.old = [StorageWeakRef(weight.untyped_storage()) for weight in model.state_dict().values()]
        self.known, self.made, self.peak = {reference.cdata for reference in self.old}, {}, 0

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        out = op(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                reference = StorageWeakRef(storage)
                if reference.cdata not in self.known:
                    self.made[reference.cdata] = reference, storage.nbytes()
        self.made = {key: entry for key, entry in self.made.items() if not entry[0].expired()}
        self.peak = max(self.peak, sum(nbytes for _, nbytes in self.made.values()))
        return out


@cache
def live_bytes(member, size=224):
    """The most bytes of maps that exist at one time while one picture is classified, without the weights and the
    picture. The network runs on the meta device: shapes only."""
    with torch.device("meta"):
        model, x = create_model(member, **OPTIONS[member]).eval(), torch.empty(1, 3, size, size)
        with torch.no_grad(), _Live(model) as live:
            model(x)
    return live.peak


# ---- seconds ----

@cache
def recorded(file=SECONDS):
    """{"member, size": (seconds of a picture classified, seconds of one trained on)}, as `record` has written it."""
    return measured.read(file)["seconds"]


def seconds(member, size, repeats=2):
    """Processor seconds of one picture on one thread, (classified, trained on): the least of the repeats, after one
    that does not count. Training is a forward and a backward pass, with BatchNorm as in use: one picture has no
    statistics where its maps have one pixel."""
    model, x, y = create_model(member, **OPTIONS[member]).eval(), torch.randn(1, 3, size, size), torch.tensor([0])

    def classify():
        with torch.no_grad():
            model(x)

    def train():
        model.zero_grad()
        F.cross_entropy(model(x), y).backward()

    with one_thread():
        return [shortest(work, repeats) for work in (classify, train)]


def record(file=SECONDS):
    """Measure all members and write their seconds, with where and how."""
    found = {f"{member}, {size}": seconds(member, size) for member in OPTIONS for size in SIZES}
    measured.write(file, {**measured.about("yardsticks", threads=1), "seconds": found})


if __name__ == "__main__":
    record()
