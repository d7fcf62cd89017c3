"""Wrong answers to the exercises on DenseNet: (exercise, answer, what it is told)."""

import torch
from torch.utils.checkpoint import checkpoint

from cnnlib.experiments import reuse
from cnnlib.training import evaluate


def widths(each=0, keep=None, share_of_new=False, after=False, reset=False, rounded=int):
    """The rule for the widths with something wrong in it."""

    def rule(stem, blocks, k, theta):
        found, channels, theta = [], stem, keep or theta
        for layers in blocks:
            start = stem if reset else channels
            channels = start + k * (layers + each)
            left = rounded(start + (channels - start) * theta if share_of_new else channels * theta)
            found.append(left if after else channels)
            channels = left
        return found

    return rule


def joined(join):
    def dense_block(layers, x):
        maps, width = x, x.shape[1]
        for i, layer in enumerate(layers):
            maps = join(maps, layer(maps[:, : width + 4 * i]))
        return maps

    return dense_block


def in_order(choose):
    def dense_block(layers, x):
        maps = [x]
        for layer in layers:
            maps.append(layer(torch.cat(maps, 1)))
        return torch.cat(choose(maps), 1)

    return dense_block


def without_autograd(layer, x):
    with torch.no_grad():
        return layer(x)


def in_evaluation_mode(layer, x):
    return checkpoint(layer.eval(), x, use_reentrant=False)


def averages_put_back_too_often(layer, x):
    before = [b.clone() for b in layer.buffers()]
    y = layer(x)
    for buffer, old in zip(layer.buffers(), before, strict=True):
        buffer.data = old
    return y


def parts(reduce, first=6, flip=False):
    def strength(weight, k0, k):
        weight = weight.flatten(1)
        found = [reduce(p) for p in weight.split([first, *[4] * ((weight.shape[1] - first) // 4)], 1)]
        return found[::-1] if flip else found

    return strength


def cut(choose):
    def error_without(net, block, source, images):
        last = len(reuse.readers(net, block))
        connections = [(block, source, reader) for reader in range(source, last)]
        return evaluate(reuse.without(net, choose(connections)), images)["error"]

    return error_without


def cut_for_good(net, block, source, images):
    for reader in reuse.readers(net, block)[source:]:
        reader.layer.weight[:, list(reuse.sources(net, block).values())[source]] = 0
    return evaluate(net, images)["error"]


def nearest(a, b, far):
    """The places (i, j) of the pair that is least far apart."""
    return min(((i, j) for i in range(len(a)) for j in range(len(b))), key=lambda pair: far(a[pair[0]], b[pair[1]]))


MUTANTS = [
    ("connections", (1155, 300), "wanted: one block; DenseNet-169"),
    ("connections", (276, 1073), "what enters the block is a source, too"),
    ("connections", (576, 2228), "only half of the square"),
    ("connections", (24, 82), "an ordinary network"),
    ("connections", (300, 3403), "no connection crosses a transition"),
    ("connections", (325, 1241), "not one of its layers"),
    ("connections", (300, 1156), "DenseNet-169: 1,156 is too large. Count each of the four blocks"),
    ("connections", 300, "2 numbers are wanted"),
    ("ledger", (264, 240), "in the wrong order"),
    ("ledger", (264, 288), "one step less"),
    ("ledger", (216, 240), "is read, too"),
    ("ledger", (192, 216), "is read, too"),
    ("ledger", (48, 48), "the old maps stay"),
    ("ledger", (240, 24), "a layer makes 24 maps"),
    ("widths", widths(each=-1), "adds k·L, not k·(L − 1)"),
    ("widths", widths(keep=1.0), "theta is not used"),
    ("widths", widths(share_of_new=True), "not only of what was added"),
    ("widths", widths(after=True), "the question is what the blocks hand on"),
    ("widths", widths(reset=True), "not with the stem"),
    ("widths", widths(rounded=float), "without int"),
    ("widths", lambda *_: 64, "a list is wanted"),
    ("widths", lambda *_: [64, 64], "and the network has [40, 64]"),
    ("bottleneck", 86, "there the bottleneck still has more"),
    ("bottleneck", 48, "the width of the bottleneck"),
    ("bottleneck", 49, "narrower than its input"),
    ("bottleneck", 22, "reads 4k maps"),
    ("bottleneck", 108, "nine weights for each pair"),
    ("bottleneck", 90, "90 is too large. Without: a 3×3"),
    ("depth", (98, 41), "has two convolutions, and stem"),
    ("depth", (196, 41), "stem, transitions and classifier have weights"),
    ("depth", (198, 41), "the three transitions"),
    ("depth", (200, 41), "one of stem"),
    ("depth", (201, 82), "two layers with weights"),
    ("depth", (201, 123), "there are three blocks"),
    ("depth", (41, 201), "in the wrong order"),
    ("block", joined(lambda old, new: torch.cat([new, old], 1)), "new maps stand before old ones"),
    ("block", in_order(lambda maps: maps[-1:]), "a block hands on everything"),
    ("block", in_order(lambda maps: maps[1:]), "what entered the block is missing"),
    ("block", in_order(lambda maps: maps[::-1]), "the last ones made stand first"),
    ("block", in_order(lambda maps: maps[:-1]), "the maps of the last layer are missing"),
    ("block", lambda layers, x: layers[1](x), "stops with RuntimeError"),
    ("block", lambda layers, x: 1, "a tensor is wanted"),
    ("threshold", (10, 5), "there the weights are still more"),
    ("threshold", (11, 11), "every picture of a batch"),
    ("threshold", (109, 28), "height times width"),
    ("threshold", (11, 22), "smaller maps are enough"),
    ("threshold", (15, 8), "there is a 2 on one side"),
    ("deepest", (37, 1365), "the first that does not fit"),
    ("deepest", (36, 1365), "one more portion"),
    ("deepest", (1364, 36), "in the wrong order"),
    ("deepest", (52, 1364), "every layer keeps two temporaries"),
    ("deepest", (73, 1364), "four bytes"),
    ("recompute", lambda layer, x: checkpoint(layer, x, use_reentrant=False), "has counted 4 batches"),
    ("recompute", lambda layer, x: layer(x), "bytes are kept"),
    ("recompute", without_autograd, "it was computed without autograd"),
    ("recompute", in_evaluation_mode, "the output"),
    ("recompute", averages_put_back_too_often, "has not counted both steps"),
    ("recompute", lambda layer, x: layer(x.detach()), "some gradients are missing"),
    ("recompute", lambda layer, x: 1.0, "a tensor is wanted"),
    ("strength", parts(lambda p: p.mean()), "signs cancel"),
    ("strength", parts(lambda p: p.abs().sum()), "those are sums"),
    ("strength", parts(lambda p: p.abs().max()), "the largest weights"),
    ("strength", parts(lambda p: p.square().mean().sqrt()), "roots of mean squares"),
    ("strength", parts(lambda p: p.abs().mean(), flip=True), "begin with what entered the block"),
    ("strength", lambda weight, k0, k: weight.abs().mean(), "a list of numbers is wanted"),
    ("strength", lambda weight, k0, k: [1.0], "has shape (1,)"),
    ("lesion", cut(lambda connections: []), "nothing is cut"),
    ("lesion", cut(lambda connections: connections[-1:]), "only the last reader"),
    ("lesion", cut(lambda connections: connections[:-1]), "still reads this source"),
    ("lesion", lambda *a: 1 - cut(lambda connections: connections)(*a), "that is the accuracy"),
    ("lesion", cut_for_good, "cut a copy of it"),
    ("lesion", lambda *_: 0.5, "is the error. Set to 0"),
    ("one-picture", (1000, 3), "wrong order"),
    ("one-picture", (302, 1000), "0.0085"),
    ("one-picture", (352, 1000), "that it reads"),
    ("one-picture", (3, 100), "a whole point"),
    ("one-picture", (3, 355), "0.28 points"),
    ("one-picture", (3, 10_000), "a hundredth of a point"),
    ("apart", lambda a, b: max(a) < min(b), "the second network may be"),
    ("apart", lambda a, b: max(a) <= min(b) or max(b) <= min(a), "no better than itself"),
    ("apart", lambda a, b: sum(a) / len(a) != sum(b) / len(b), "compares the means"),
    ("apart", lambda a, b: len({x < y for x, y in zip(a, b, strict=False)}) == 1, "seeds are not pairs"),
    ("apart", lambda a, b: not (max(a) < min(b) or max(b) < min(a)), "the opposite"),
    ("apart", lambda a, b: "perhaps", "the worst seed of one"),
    ("unequal-work", (10_800, 691_200, 11_059_200), "wrong order"),
    ("unequal-work", (10_800, 10_800, 10_800), "once for every place"),
    ("unequal-work", (1_200, 1_228_800, 76_800), "nine weights"),
    ("unequal-work", (108, 110_592, 6_912), "reads all 100"),
    ("unequal-work", (10_812, 11_059_200, 691_200), "no bias"),
    ("unequal-work", (10_800, 345_600, 86_400), "height times width"),
    ("unequal-work", (10_800, 9_720_000, 388_800), "keep their size"),
    ("closest", lambda a, b: nearest(a, b, lambda x, y: abs(x - y)), "Take the ratio"),
    ("closest", lambda a, b: nearest(a, b, lambda x, y: x / y), "a ratio below 1 is not close"),
    ("closest", lambda a, b: nearest(a, b, lambda x, y: -max(x / y, y / x)), "least alike"),
    ("closest", lambda a, b: nearest(a, b, lambda x, y: max(x / y, y / x))[::-1], "comes first"),
    ("closest", lambda a, b: (0, 0), "another pair is closer"),
    ("closest", lambda a, b: 0, "two places"),
    ("ledger", (240, 24), "a layer makes 24 maps, the block hands on all that it has. (1 of 2 right)"),
    ("threshold", (11, 7), "four pictures: 7 is too large. Try a side"),
    ("deepest", (36, 5460), "maps alone: a float32 has four bytes"),
]
