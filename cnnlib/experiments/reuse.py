"""Who reads whom in a dense block, and what happens when a layer may no longer read.

A layer of a dense block reads several *sources*: what entered the block, and the new maps of every layer before it.
What stands behind the block, a transition or the classifier, reads them all. Huang et al. (2017, section 5, figure 5)
look at the weights of these connections; here they are also cut, one by one or all of one age (a *lesion*). Blocks
are numbered from 1, as in the names of the network's parts.
"""

import copy
import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

from ..checks import one_of
from ..models import DenseBlock
from ..training import evaluate

AGES = ("input", "oldest", "newest")


@dataclass(frozen=True)
class Reader:
    """What reads the maps of a block, or the first of them.

    Attributes:
        name: "layer 3", "transition" or "classifier".
        norm: its BatchNorm, which scales every map first.
        layer: its convolution or linear layer; of the weight's second axis every map has one slice.
    """

    name: str
    norm: nn.BatchNorm2d
    layer: nn.Module


def blocks(net):
    """The numbers of the dense blocks, from 1."""
    return range(1, 1 + sum(isinstance(part, DenseBlock) for part in net.features))


def readers(net, block):
    """The readers of the dense block number `block`, from 1, in the order in which they run.

    Raises:
        ValueError: the network has no such block.
    """
    one_of("block", block, tuple(blocks(net)))
    layers = net.features.get_submodule(f"denseblock{block}").values()
    found = [Reader(f"layer {i}", layer.norm1, layer.conv1) for i, layer in enumerate(layers, 1)]
    if block < blocks(net)[-1]:
        transition = net.features.get_submodule(f"transition{block}")
        return [*found, Reader("transition", transition.norm, transition.conv)]
    return [*found, Reader("classifier", net.features.norm5, net.classifier)]


def sources(net, block):
    """Name -> slice of the channels: "input" first, then the layers of the block. Reader i sees the first i + 1."""
    ends = [reader.norm.num_features for reader in readers(net, block)]
    edges = pairwise([0, *ends])
    names = ["input", *(f"layer {i}" for i in range(1, len(ends)))]
    return {name: slice(*edge) for name, edge in zip(names, edges, strict=True)}


def weight_map(net, block, scaled=False):
    """Mean absolute weight of every connection: (sources, readers), NaN where there is none.

    Args:
        net: a DenseNet.
        block: number of one of its dense blocks, from 1.
        scaled: multiply each weight by the factor of the reader's BatchNorm for that map. A map arrives with
            variance 1 and is scaled before the weight sees it, so that a small weight may still mean much.
    """
    slices, found = sources(net, block).values(), readers(net, block)
    strength = torch.full((len(found), len(found)), math.nan)
    for column, reader in enumerate(found):
        weight = reader.layer.weight.detach().abs()                                 # (new, old, 1, 1) or (classes, old)
        if scaled:
            factor = reader.norm.weight.detach().abs()                              # (old,)
            weight = weight * factor.view(-1, *[1] * (weight.ndim - 2))
        for row, channels in enumerate(list(slices)[: column + 1]):
            strength[row, column] = weight[:, channels].mean()
    return strength


def without(net, connections):
    """A copy of `net` in which some connections carry nothing: their weights are 0, all others stay.

    Args:
        connections: triples (block, source, reader): the number of a dense block, from 1, and a row and a column of
            its `weight_map`, from 0.

    Raises:
        ValueError: there is no such connection.
    """
    net = copy.deepcopy(net)
    with torch.no_grad():
        for block, source, reader in connections:
            found = readers(net, block)
            if not 0 <= source <= reader < len(found):
                raise ValueError(f"connection is {(block, source, reader)}, allowed in block {block}: readers from 0 "
                                 f"to {len(found) - 1}, and sources from 0 to the reader's number.")
            channels = list(sources(net, block).values())[source]
            found[reader].layer.weight[:, channels] = 0
    return net


def lesion_map(net, images, block):
    """Error (a fraction) of `net` on `images` after one connection was cut: (sources, readers), NaN where there is
    none. Every cell is a network of its own; nothing is trained again."""
    size = len(readers(net, block))
    errors = torch.full((size, size), math.nan)
    for column in range(size):
        for row in range(column + 1):
            errors[row, column] = evaluate(without(net, [(block, row, column)]), images)["error"]
    return errors


def connections_of_age(net, age, count=1):
    """One kind of connection of every reader of the network, as `without` takes them.

    Args:
        age: "oldest" or "newest", `count` of the layers that the reader sees, from the first on or from the last one
            back, and all of them where it sees no more than `count`; "input", what entered the block. The first layer
            of a block sees no other layer, and nothing is cut from it.
    """
    one_of("age", age, AGES)
    found = []
    for block in blocks(net):
        for reader in range(1, len(readers(net, block))):
            seen = range(1, reader + 1)                                     # the layers before; 0 is the input
            chosen = {"input": (0,), "oldest": seen[:count], "newest": seen[max(0, reader - count):]}[age]
            found += [(block, source, reader) for source in chosen]
    return found
