"""The gallery of blocks: what a block is made of and how its paths run, what it costs, and how long a CPU takes.

All of it is read off the block as it runs. `python -m cnnlib.experiments.gallery` measures the milliseconds and writes
`data/times/blocks.json`.
"""

import inspect
import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import nn

from ..anatomy import summary
from ..anatomy.watch import CONCATENATIONS, PRODUCTS, SUMS, Watch, operands, tensors
from ..checks import at_least, one_of
from ..files import DATA
from ..models import blocks
from ..models.sketch import sketching, undisturbed
from ..training.evaluation import evaluating
from . import descendants, measured
from .layer_times import one_thread, shortest

TIMES = DATA / "times" / "blocks.json"
OPTIONS = ("stride", "groups", "expansion")


@dataclass(frozen=True)
class Entry:
    """A block of a collection.

    Attributes:
        title: what readers call it.
        make: (channels, ..., the OPTIONS that the block has) -> the block.
        buys, costs: the ends of a sentence.
    """

    title: str
    make: object
    buys: str
    costs: str

    @property
    def options(self):
        return [name for name in inspect.signature(self.make).parameters if name in OPTIONS]


def _known(name, *words):
    return name, Entry(words[0], blocks.BLOCKS[name], *words[1:])


def _later(name, *words):
    return name, Entry(words[0], descendants.BLOCKS[name], *words[1:])


COLLECTIONS = {
    "gallery": dict([
        _known("convolution", "plain 3×3", "a window on all maps at once", "nine weights for each pair of maps"),
        _known("stack", "stack of two 3×3", "the view of a 5×5 and a ReLU more", "a second layer, with maps to keep"),
        _known("asymmetric", "asymmetric 1×7, 7×1", "a view of 7×7", "kernels that are no longer any 7×7"),
        _known("parallel", "parallel 1×1, 3×3, 5×5", "three views side by side", "a 5×5 that weighs most"),
        _known("bottleneck", "bottleneck", "a 3×3 on a quarter of the maps",
               "three layers, and a narrow one that all must pass"),
        _known("residual", "residual", "a way past both layers for signal and gradient",
               "two layers, and a 1×1 in the way past where shapes differ"),
        _known("preactivation", "pre-activation", "a sum that nothing touches afterwards",
               "the layers of the residual block, BatchNorm and ReLU first"),
        _known("grouped", "grouped 3×3", "a share of the weights", "groups that do not hear of each other"),
        _known("separable", "depthwise separable", "space and maps apart, each cheap",
               "much data to be moved for little arithmetic"),
        _known("point_first", "point-first", "the same two, 1×1 first", "filters for the maps that come out"),
        _known("separable_residual", "separable, residual", "two separable layers and a way past them",
               "many small layers, each with maps to keep"),
        _known("inverted_residual", "inverted residual", "filters on many maps, a shortcut on few",
               "wide maps to compute and to keep in the middle"),
        _known("squeeze_excitation", "squeeze-and-excitation", "maps that are turned up or down by what all maps see",
               "two dense layers and a mean over each map"),
        _known("dense", "dense layer", "new maps beside the old, which stay as they are",
               "an input that grows with every layer"),
        _known("shuffle", "shuffle unit", "1×1 in groups that hear of each other all the same",
               "maps to be moved about"),
    ]),
    "descendants": dict([
        _later("preactivation", "pre-activation", "a stream that is only added to", "no more than the residual block"),
        _later("transformer", "transformer block", "a view of all places in one layer",
               "weights between all pairs of places: their number is squared"),
        _later("drop_path", "DropPath", "a network that is shallower in training than in use",
               "nothing in use: the same layers"),
        _later("convnext", "ConvNeXt", "a view of 7×7 for 49 weights a map", "four times the maps in the middle"),
        _later("mbconv", "EfficientNet’s MBConv", "an inverted residual that turns its maps up or down",
               "wide maps, and gates on all of them"),
        _later("unet", "U-Net’s step", "fine maps beside those that have seen far",
               "twice the maps for the layer that joins them"),
        _later("csp", "CSPNet", "a block on half of the maps", "a 1×1 where the halves meet"),
    ]),
}
# What a page shows. With a kernel any numbers will do.
PAGE = {
    "gallery": {"in_channels": [16, 24, 512], "out_channels": [24, 32, 512], "size": [14, 56],
                "stride": [1, 2], "groups": [2, 8], "expansion": [2, 6]},
    "descendants": {"in_channels": [32, 64, 256], "size": [8, 16, 32], "expansion": [2, 4, 6]},
}


def build(collection, block, in_channels, out_channels, **options):
    """A block of a collection; `options` are those of its entry.

    Raises:
        ValueError: there is no such block, or it cannot be built so: the message says why.
    """
    if collection == "gallery":
        return blocks.create_block(block, in_channels, out_channels, **options)
    one_of("out_channels", out_channels, (at_least("in_channels", in_channels, 1),))
    return _entry(collection, block).make(in_channels, **options)


def _entry(collection, block):
    entries = COLLECTIONS[one_of("collection", collection, tuple(COLLECTIONS))]
    return entries[one_of("block", block, tuple(entries))]


# ---------------------------------------------------------------- how the paths of a block run


class Step(NamedTuple):
    """One thing that a block does.

    Attributes:
        says: in words, the first of them the layer: ["3×3", "BN", "ReLU"].
        join: "+", "×", "·" (a product of matrices) or "cat"; empty for a layer.
        takes: positions of the steps whose results it takes; -1 is the block's input.
        shape: of its result, (C, H, W), or (C,) where there are no pixels.
        params, macs: its parameters, and multiply-accumulates of one picture.
        field: receptive field in pixels of the block's input, a side; None if it is not known.
    """

    says: tuple
    join: str
    takes: tuple
    shape: tuple
    params: int
    macs: int
    field: int | tuple | None


def flow(block, shape):
    """The steps of a block on maps of `shape` (C, H, W), in the order in which they run.

    Normalisation, activation and what else keeps the shape goes with the step before it, where nothing else takes that
    step's result.
    """
    watch = _Flow(block)
    with undisturbed(), torch.inference_mode(False):
        watch.run([torch.empty(1, *shape, device="meta")], {})
    return _together(watch.steps)


class _Flow(Watch):
    """Writes down every layer, sum, product and concatenation, and where what it takes was made."""

    JOINS = {**dict.fromkeys(SUMS, "+"), **dict.fromkeys(PRODUCTS, "×"), **dict.fromkeys(CONCATENATIONS, "cat"),
             **dict.fromkeys(("matmul", "__matmul__", "bmm"), "·")}
    NAMES = {"relu": "ReLU", "relu_": "ReLU"}

    def __init__(self, model):
        super().__init__(model)
        self.steps, self.made = [], {}                  # id of a storage -> (storage, the steps it comes from)

    def run(self, args, kwargs):
        self.makes(args, (-1,))
        return super().run(args, kwargs)

    def makes(self, values, steps):
        for tensor in tensors(values):
            storage = tensor.untyped_storage()
            self.made[id(storage)] = storage, steps

    def origins(self, values):
        """The steps from which tensors come, each once."""
        found = (self.made.get(id(tensor.untyped_storage()), ((), ()))[1] for tensor in tensors(values))
        return tuple(dict.fromkeys(itertools.chain(*found)))

    def left(self, call, args, out):
        if call.is_row:
            self.step(words(call.module), "", self.origins(args), out, call.params, call.macs)

    def function(self, function, name, args, kwargs):
        if self.top.is_row:                             # told of when the layer ends
            return super().function(function, name, args, kwargs)
        given, before = list(operands([*args, *kwargs.values()])), self.top.macs
        takes, parts = self.origins(given), sum(bool(self.origins(part)) for part in given)
        out = super().function(function, name, args, kwargs)
        if name in self.JOINS and parts > 1:
            self.step((), self.JOINS[name], takes, out, 0, self.top.macs - before)
        elif name in self.NAMES:
            self.step((self.NAMES[name],), "", takes, out, 0, 0)
        elif takes:
            self.makes(out, takes)
        return out

    def step(self, says, join, takes, out, params, macs):
        trace = self.trace(out)
        field = trace.reach.field if trace is not None and trace.reach is not None else None
        field = field[0] if field and field[0] == field[1] else field
        self.makes(out, (len(self.steps),))
        self.steps.append(Step(says, join, takes, tuple(out.shape[1:]), params, macs, field))


FOLLOWS = ("BN", "LN", "ReLU", "ReLU6", "GELU", "SiLU", "sigmoid", "softmax", "drop path", "scale")
WORDS = {"BatchNorm2d": "BN", "LayerNorm2d": "LN", "AdaptiveAvgPool2d": "mean", "Linear": "dense", "Sigmoid": "sigmoid",
         "Softmax": "softmax", "ChannelShuffle": "shuffle", "DropPath": "drop path", "LayerScale": "scale"}


def words(module):
    """A layer in words: ("3×3", "one a map", "/2")."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        kernel = "×".join(map(str, module.kernel_size))
        groups = [] if module.groups == 1 else ["one a map"] if module.groups == module.in_channels else [
            f"{module.groups} groups"]
        up = isinstance(module, nn.ConvTranspose2d)
        return (f"up {kernel}" if up else kernel, *groups, *([] if up or module.stride[0] == 1 else [
            f"stride {module.stride[0]}"]))
    if isinstance(module, nn.MaxPool2d):
        return (f"max {module.kernel_size}×{module.kernel_size}",)
    return (WORDS.get(type(module).__name__, type(module).__name__),)


def _together(steps):
    """Steps that follow another and keep its shape, with it."""
    readers = [sum(position in step.takes for step in steps) for position in range(len(steps))]
    units, where, last = [], {-1: -1}, []               # where: step -> its unit; last: unit -> its last step
    for position, step in enumerate(steps):
        before = step.takes[0] if step.takes else -1
        follows = step.says[:1] and step.says[0] in FOLLOWS and len(step.takes) == 1 and before >= 0
        if follows and last[where[before]] == before and readers[before] == 1 and steps[before].shape == step.shape:
            unit = where[before]
            units[unit] = units[unit]._replace(
                says=units[unit].says + step.says, params=units[unit].params + step.params,
                macs=units[unit].macs + step.macs, field=step.field)
            last[unit] = position
        else:
            unit = len(units)
            units.append(step._replace(takes=tuple(where[each] for each in step.takes)))
            last.append(position)
        where[position] = unit
    return units


# ---------------------------------------------------------------- a card


def card(collection, block, in_channels, out_channels, size, stride=1, groups=2, expansion=6):
    """All that the gallery says of a block on maps (in_channels, size, size).

    Returns:
        a dict: `says`, `join`, `takes`, `shape`, `params_of`, `macs_of`, `field_of`, lists with an entry a step (see
        `Step`); `weights` (of convolutions and dense layers, without biases and normalisation), `params`, `macs`,
        `kept` (bytes for the backward pass of one picture), `field`; `ms` recorded, None if it was not; `weights_by`
        and `macs_by`, how many times those of one 3×3.

    Raises:
        ValueError: see `build`.
    """
    given = {"stride": stride, "groups": groups, "expansion": expansion}
    taken = tuple(given[name] for name in _entry(collection, block).options)
    if stride != 1 and "stride" not in _entry(collection, block).options:
        raise ValueError(f"stride is {stride}, allowed for this block: 1.")
    return _card(collection, block, in_channels, out_channels, at_least("size", size, 1), *taken)


@lru_cache(maxsize=4096)
def _card(collection, block, in_channels, out_channels, size, *taken):
    options = dict(zip(_entry(collection, block).options, taken, strict=True))
    with sketching():
        module = build(collection, block, in_channels, out_channels, **options)
        plain = blocks.create_block("convolution", in_channels, out_channels, stride=options.get("stride", 1))
    shape = in_channels, size, size
    steps, whole, macs = flow(module, shape), summary(module, (1, *shape)), summary(plain, (1, *shape)).total_macs
    return {
        "says": [" ".join(step.says) for step in steps], "join": [step.join for step in steps],
        "takes": [list(step.takes) for step in steps], "shape": [list(step.shape) for step in steps],
        "params_of": [step.params for step in steps], "macs_of": [step.macs for step in steps],
        "field_of": [_side(step.field) for step in steps],
        "weights": weights(module), "params": whole.total_params, "macs": whole.total_macs,
        "kept": whole.total_kept_bytes, "field": _side(steps[-1].field),
        "ms": times().get(key(collection, block, in_channels, out_channels, size, taken)),
        "weights_by": _digits(weights(module) / weights(plain)), "macs_by": _digits(whole.total_macs / macs),
    }


def _side(field):
    return "×".join(map(str, field)) if isinstance(field, tuple) else "" if field is None else str(field)


def _digits(value):
    return float(f"{value:.3g}")


def weights(module):
    """Weights of convolutions and dense layers."""
    return sum(layer.weight.numel() for layer in module.modules()
               if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear))


# ---------------------------------------------------------------- milliseconds


def key(collection, block, in_channels, out_channels, size, taken):
    """Under what name a measurement is kept."""
    options = [f"{name} {value}" for name, value in zip(_entry(collection, block).options, taken, strict=True)]
    return ", ".join([collection, block, f"{in_channels} to {out_channels}", f"size {size}", *options])


@lru_cache(maxsize=1)
def recorded():
    """What `record` wrote: the environment, how it was measured, and the milliseconds by `key`."""
    return measured.read(TIMES) if TIMES.exists() else {"milliseconds": {}}


def times():
    return recorded()["milliseconds"]


def page(collection):
    """Every choice that a page of a collection offers, as the arguments of `_card`; not all can be built."""
    offered = PAGE[collection]
    choices = []
    for values in itertools.product(*offered.values()):
        choice = {"stride": 1, **dict(zip(offered, values, strict=True))}
        choice.setdefault("out_channels", choice["in_channels"])
        for block, entry in COLLECTIONS[collection].items():
            choices.append((collection, block, choice["in_channels"], choice["out_channels"], choice["size"],
                            *(choice[name] for name in entry.options)))
    return list(dict.fromkeys(choices))


def milliseconds(module, shape, repeats=7):
    """The shortest time of a forward pass of one picture of `shape`, of one thread."""
    x = torch.randn(1, *shape)
    with evaluating(module), one_thread(), torch.inference_mode():
        return 1000 * shortest(lambda: module(x), repeats)


def record(file=TIMES):
    """Measure all that a page shows, and write it."""
    found = {}
    for collection, block, in_channels, out_channels, size, *taken in itertools.chain(*map(page, COLLECTIONS)):
        options = dict(zip(_entry(collection, block).options, taken, strict=True))
        try:
            module = build(collection, block, in_channels, out_channels, **options)
        except ValueError:                              # the page says why, in the place of the block
            continue
        name = key(collection, block, in_channels, out_channels, size, taken)
        found[name] = _digits(milliseconds(module, (in_channels, size, size)))
    about = {"what": "milliseconds of a forward pass of one picture, the shortest of 7, processor time of one thread",
             **measured.about("gallery", threads=1)}
    measured.write(file, {**about, "milliseconds": found})


if __name__ == "__main__":
    record()
