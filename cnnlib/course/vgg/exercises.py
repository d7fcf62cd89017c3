"""Judges of the VGG chapter. The questions and the solutions are in the chapter itself."""

import copy

import torch
from torch import nn
from torch.nn import functional as F

from ...anatomy import of, summary
from ...experiments import likeness as measured
from ...models import VGG, vgg
from ..exercises import Numbers, Part, Wrong, call, call_for_number, exercise, number, tensor
from ..tools import on_meta, parameters


@exercise("stack")
def stack():
    """(3×3 convolutions for a field of 11×11, their weights in C², the weights of one 11×11 in C²)"""
    layers = next(n for n in range(1, 20) if 1 + 2 * n == 11)
    return Numbers(
        Part("layers", layers, {
            4: "the first layer sees 3 pixels, each further one 2 more; four of them see 9.",
            6: "the first layer sees 3 pixels, each further one 2 more; six of them see 13.",
            9: "with each layer a unit sees 2 pixels more: one to each side.",
            10: "with each layer a unit sees 2 pixels more: one to each side.",
        }, "The first layer sees 3 pixels. How many more does each further one see?"),
        Part("weights of the stack", 9 * layers, {
            3 * layers: "a kernel of 3×3 has nine weights for each pair of maps, not three.",
            9: "those are the weights of one layer of the stack.",
            27: "that is a stack of three, which sees 7×7; here 11×11 is to be seen.",
            36: "that is a stack of four, which sees 9×9; here 11×11 is to be seen.",
            54: "that is a stack of six, which sees 13×13; here 11×11 is to be seen.",
        }, "One 3×3 has nine weights for each pair of maps; how many layers are there?"),
        Part("weights of one 11×11", 11**2, {
            11: "a kernel has a height and a width.", 22: "a kernel has its height times its width in weights.",
        }, "How many places has one kernel of 11×11?"),
        why="A little more than a third of the weights, and five ReLUs in place of one.")


@exercise("letter-c")
def letter_c():
    """parameters that configuration D has more than C"""
    right = of("vgg16").total_params - of("vgg16_1x1").total_params
    pairs = 256**2 + 2 * 512**2
    return Numbers(
        Part("parameters", right, {
            -right: "the right number with the wrong sign: D is the larger one.",
            right * 9 // 8: "those are all weights of the three 3×3; the 1×1 in their place have some, too.",
            pairs: "those are the weights of the three 1×1.",
            8 * 512**2 * 3: "not all three have 512 maps.",
            8 * 256**2 * 3: "only one of the three has 256 maps.",
            8 * (256 + 512 + 512): "a convolution has a kernel for every pair of an input and an output map.",
            8 * (256**2 + 512**2): "there are three such convolutions, two of them with 512 maps.",
            8 * 512**2: "that is one of the three convolutions, with 512 maps.",
            8 * 256**2: "that is one of the three convolutions, with 256 maps.",
            2 * pairs: "a kernel of 3×3 has nine weights, one of 1×1 has one.",
            right + 256 + 512 + 512: "a 1×1 convolution has biases, too: they cancel.",
        }, "Take one convolution with 512 maps first: how many pairs of an input and an output map has it, and how "
           "many weights more does a 3×3 have for each pair than a 1×1?"),
        why="Eight weights more for every pair of maps; the biases are the same.")


@exercise("merge")
def merge(answer):
    """merge(first, second): kernels (M, C, 3, 3) and (K, M, 3, 3) -> (K, C, 5, 5), both in one step without a ReLU"""
    first, second = torch.randn(4, 2, 3, 3), torch.randn(3, 4, 3, 3)
    impulse = torch.zeros(2, 2, 9, 9)
    impulse[[0, 1], [0, 1], 4, 4] = 1
    seen = F.conv2d(F.conv2d(impulse, first), second)          # (C, K, 5, 5), turned over, as an impulse sees a kernel
    right = seen.transpose(0, 1).flip(2, 3)
    tensor(call(answer, first.clone(), second.clone()), right, "the kernel", {
        "it is turned over: the answer to a single bright pixel is the kernel upside down.": right.flip(2, 3),
        "the first two axes are exchanged.": right.transpose(0, 1),
        "one of the two kernels must be turned over.":
            F.conv2d(first.transpose(0, 1), second, padding=2).transpose(0, 1),
    })
    x = torch.randn(1, 2, 12, 12)
    apart = (F.conv2d(F.conv2d(x, first), second) - F.conv2d(x, right)).abs().max().item()
    if apart > 1e-3:
        raise Wrong(f"the two ways differ by {apart:.2g}.")
    return "Without a ReLU between them, two 3×3 are one 5×5; the ReLU is what makes them two layers."


@exercise("string")
def string():
    """(parameters, side of the last maps) of the convolutions "8 M 16 16 M" on grey pictures of 28×28"""
    table = summary(VGG("8 M 16 16 M", 1, in_channels=1).features, (1, 1, 28, 28))
    right, side = table.total_params, table.rows[-1].output_shape[-1]
    return Numbers(
        Part("parameters", right, {
            right - 40: "each map has a bias.",
            right + 2 * 9 * 8: "the pictures are grey, with one channel.",
            right - 16 * 145: "there are two convolutions with 16 maps; the second sees 16.",
            right - 16 * 9 * 8: "the third convolution sees 16 maps, not 8.",
            right - 16 * 73: "there are two convolutions with 16 maps; the first of them sees 8.",
        }, "Three convolutions of 3×3: they see 1, 8 and 16 maps. Count each by itself, with a bias for each new map."),
        Part("side of the maps", side, {
            14: "two poolings, each halves.", 28: "the convolutions keep it, the two poolings do not.",
            3: "the convolutions have padding 1 and keep it.", 4: "the convolutions have padding 1 and keep it.",
        }, "Only an M changes the side."),
        why="Words for convolutions add parameters, each M halves and adds none.")


@exercise("field")
def field():
    """receptive fields of a unit after the last pooling in configurations (A, C, E)"""
    def behind_the_last(name, kind):
        return [row.receptive_field for row in of(name).rows if row.type == kind][-1]

    def part(letter, name, doubled):
        right = behind_the_last(name, "MaxPool2d")
        return Part(letter, right, {
            behind_the_last(name, "Conv2d"): "that is the field of the last convolution; its pooling looks at two by "
                                             "two of its units.",
            doubled: "after a pooling neighbours are twice as far apart: its window and all later ones count double.",
            224: "a field is counted whether or not the picture ends before it; count layer by layer.",
            right + 16: "a pooling widens the field by the distance of neighbours before it, 16.",
        }, "Word by word: a 3×3 adds two steps, an M one, a 1×1 none; after each M a step is twice as long.")

    return Numbers(
        part("A", "vgg11", 27), part("C", "vgg16_1x1", 31), part("E", "vgg19", 43),
        why="Most of a field is made by the last stages: their windows lie on maps of few, distant units.")


@exercise("average-pooling")
def average_pooling():
    """parameters of VGG-19 for 1000 classes with average pooling and one linear layer"""
    whole, right = of("vgg19").total_params, of("vgg19", dense=0, grid=1).total_params
    return Numbers(
        Part("parameters", right, {
            right - 513_000: "the linear layer at the end is missing: 512 averages, 1000 classes.",
            right - 1000: "each class has a bias.",
            whole - 102_764_544: "both hidden dense layers go, not only the first.",
            of("vgg19", dense=0).total_params: "the average of a map is one number, not 49.",
            whole - right: "that is the saving; the question is what is left.",
            of("vgg16", dense=0, grid=1).total_params: "that is VGG-16; E has three convolutions more.",
            513_000: "that is the new linear layer; the convolutions stay.",
        }, "Take all dense layers away from VGG-19, and add one linear layer from 512 means to 1000 classes, with "
           "biases."),
        why=f"That is {right / whole:.0%} of VGG-19, with every convolution in place.")


@exercise("count")
def count(answer):
    """count(configuration, channels=3) -> parameters of the convolutions that the string describes"""
    strings = [*vgg.CONFIGURATIONS.values(), "8", "8 M 16 16 M", "4 LRN 1x1-8 M", "7x7-4 M 2"]
    for channels in (3, 1):
        for text in strings:
            given = call(answer, text, channels)
            right = parameters(on_meta(VGG, text, in_channels=channels, dense=0, grid=1).features)
            kernels = {word.partition("x")[0] for word in text.split() if "x" in word}
            number(given, right, f"count({text!r}, {channels})", {
                _counted(text, channels, bias=0): "each map has a bias.",
                _counted(text, 3): "the first convolution sees the channels of the picture.",
                _counted(text, channels, kernel=3): "all is counted as 3×3"
                    + (f"; the kernel of {', '.join(sorted(kernels))} stands before the x." if kernels else "."),
                _counted(text, channels, keeps=True): "a convolution sees the maps of the one before it.",
            }, "Go word by word and remember how many maps there are: a convolution has k · k · maps weights and a "
               "bias for each new map, M and LRN have none.")
    return f"It agrees with the networks of {len(strings)} strings."


def _counted(text, channels, bias=1, kernel=None, keeps=False):
    """The parameters of a configuration, counted with mistakes."""
    total, maps = 0, channels
    for kind, *rest in vgg.parse(text):
        if kind == "conv":
            total += rest[1] * (maps * (kernel or rest[0]) ** 2 + bias)
            maps = channels if keeps else rest[1]
    return total


@exercise("start")
def start(answer):
    """start(conv): fill weight and bias so that a signal keeps its size through ReLUs; return the layer"""
    conv = nn.Conv2d(32, 128, 3, padding=1)
    before = conv.weight.clone()
    if not isinstance(call(answer, conv), nn.Conv2d):
        raise Wrong("return the layer when it is filled.")
    inputs, outputs = 32 * 9, 128 * 9
    if torch.equal(conv.weight, before):
        raise Wrong("the weights are as they were: fill conv.weight in place, with torch.nn.init.")
    if conv.bias.abs().max() > 1e-6:
        raise Wrong("set the bias to 0: it is the same for all pictures.")
    given, right = conv.weight.std().item(), (2 / inputs) ** 0.5
    if conv.weight.mean().abs() > 0.1 * given:
        raise Wrong("the weights should have mean 0.")
    for what, wrong in {
        "that keeps the size going backward; forward it is the number of inputs that counts.": (2 / outputs) ** 0.5,
        "a ReLU throws half of the signal away, and you did not make up for it.": (1 / inputs) ** 0.5,
        "a ReLU throws half of the signal away; Glorot's start, made for tanh, does not count with it.":
            (2 / (inputs + outputs)) ** 0.5,
        "that is the variance; its root is wanted.": 2 / inputs,
        "a kernel has 3×3 weights for each map that it sees; all of them add to the sum.": (2 / 32) ** 0.5,
    }.items():
        if abs(given / wrong - 1) < 0.03:
            raise Wrong(what)
    if abs(given / right - 1) > 0.03:
        raise Wrong(f"the weights have a spread of {given:.3g}; a layer would change the size of a signal "
                    f"{given / right:.2g} times, after 13 layers {(given / right) ** 13:.2g} times.")
    return "Variance 2 / inputs: 2 for the half that a ReLU throws away."


@exercise("likeness")
def likeness(answer):
    """alike(network, pictures): mean cosine between the last maps (flattened) of all pairs of pictures"""
    network = VGG("8 8 8", 1, variant="cifar", in_channels=1).features
    x = torch.randn(6, 1, 8, 8)
    right = measured.likeness(network, x)[-1]
    maps = network(x).flatten(1)
    normed = F.normalize(maps, dim=1)
    cosines = normed @ normed.T
    given = call_for_number(answer, network, x)
    off = torch.corrcoef(maps)
    for what, wrong in {
        "a picture is not to be compared with itself: that adds ones.": cosines.mean().item(),
        "the vectors are not brought to length 1.": ((maps @ maps.T).sum() - maps.square().sum()).item() / 30,
        "those are the pictures; let the network run first.": measured.mean_cosine(x),
        "that is the correlation: the mean of each vector is taken away before. The cosine leaves it.":
            ((off.sum() - 6) / 30).item(),
    }.items():
        if abs(given - wrong) < 1e-4 < abs(given - right):
            raise Wrong(what)
    if abs(given - right) > 1e-4:
        raise Wrong(f"{given:.4f} is too {'large' if given > right else 'small'}. Flatten the last maps of each "
                    "picture, bring each to length 1, and take the mean product over all pairs of different pictures.")
    return "Now try it with more layers, and with BatchNorm between them."


@exercise("picture-size")
def picture_size():
    """(smallest, largest) side of a square picture whose last maps are 7×7 in VGG-16"""
    sides = [side for side in range(200, 280) if side // 32 == 7]
    remainder = "a pooling rounds down: the last column of an odd map is dropped."
    return Numbers(
        Part("smallest", sides[0], {193: "poolings round down, not up.", 223: "it ends with maps of 6×6.",
                                    7: "that is the side of the last maps.", 112: "there are five poolings, not four."},
             "Five poolings halve, and round down: go back from 7 and double five times."),
        Part("largest", sides[-1], {
            224: remainder, 256: "256 is halved five times without a remainder, and leaves 8.",
            239: "the remainders of all five halvings count, not only that of the last.",
            225: "225 is not the end: 113 rounds down, too.",
        }, "Go back from 7: which is the largest number that half, rounded down, makes 7 of? Five times so."),
        together={(224, 224): remainder},
        why="All of them run without an error, so nothing says which one was meant.")


@exercise("as-convolution")
def as_convolution(answer):
    """as_convolution(linear, maps, side): Linear(maps·side², units) -> Conv2d(maps, units, side), the same function"""
    linear, x = nn.Linear(4 * 3 * 3, 5), torch.randn(2, 4, 3, 3)
    given = call(answer, copy.deepcopy(linear), 4, 3)
    if not isinstance(given, nn.Conv2d):
        raise Wrong(f"a torch.nn.Conv2d is wanted, this is a {type(given).__name__}.")
    if tuple(given.weight.shape) != (5, 4, 3, 3):
        raise Wrong(f"its weight has the shape {tuple(given.weight.shape)}, (5, 4, 3, 3) is wanted.")
    if given.bias is None or not torch.equal(given.bias, linear.bias):
        raise Wrong("the bias is not copied.")
    w = linear.weight

    def conv(weight):
        return F.conv2d(x, weight, linear.bias)

    tensor(call(given, x), conv(w.view(5, 4, 3, 3)), "its output", {
        "flatten runs through maps first, then rows, then columns; so must the weights.":
            conv(w.view(5, 3, 3, 4).permute(0, 3, 1, 2)),
        "rows and columns are exchanged.": conv(w.view(5, 4, 3, 3).transpose(2, 3)),
    })
    larger = call(given, torch.randn(1, 4, 8, 6)).shape
    return f"On maps of 8×6 it answers at {larger[2]}×{larger[3]} places at once; the linear layer would stop."


@exercise("extractor")
def extractor(answer):
    """extractor(network, classes): freeze a VGG, new last layer, BatchNorm averages fixed even in training mode"""
    classes = 3
    network = VGG("4 M 8 M", 10, variant="cifar", batch_norm=True, in_channels=1)
    given = call(answer, copy.deepcopy(network), classes)
    if not isinstance(given, nn.Module):
        raise Wrong(f"a network is wanted, this makes a {type(given).__name__}.")
    averages = {name: value.clone() for name, value in given.named_buffers() if "running" in name}
    given.train()
    x = torch.randn(6, 1, 8, 8) + 2
    out = call(given, x)
    if tuple(out.shape) != (6, classes):
        raise Wrong(f"the output has the shape {tuple(out.shape)}, (6, {classes}) is wanted: a new last layer.")
    # The old parameters are known by their values: their names may be others by now.
    free = {name: p for name, p in given.named_parameters() if p.requires_grad}
    convolutional = [name for name, p in free.items()
                     if any(torch.equal(p, old) for old in network.features.parameters())]
    if convolutional:
        raise Wrong(f"{len(convolutional)} parameters of the convolutional part would still be trained, "
                    f"{convolutional[0]} among them.")
    if len(free) < 2:
        raise Wrong("nothing is left to train: the new layer must not be frozen.")
    now = dict(given.named_buffers())
    moved = [name for name, value in averages.items() if not torch.equal(value, now[name])]
    if moved:
        raise Wrong("in training mode BatchNorm still updates its averages; they are no parameters, and requires_grad "
                    f"does not stop them. {moved[0]} has changed.")
    first = call(given, x[:1]) if len(averages) else out[:1]
    if not torch.allclose(first, out[:1], atol=1e-4):
        raise Wrong("in training mode the features of a picture depend on the others in its batch.")
    return "Parameters are frozen by requires_grad, averages by the mode; both are needed."
