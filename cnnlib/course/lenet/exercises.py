"""Judges of the exercises of the LeNet chapter. The questions and the solutions are in the chapter itself."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from ...anatomy import summary
from ...models import create_model
from ...models.lenet import EuclideanRBF, ScaledTanh, SparseConv2d, Subsampling
from .. import bugs
from ..exercises import Numbers, Part, Wrong, call, call_for_number, exercise, plain, tensor

LENET_INPUT = (1, 1, 32, 32)


def table():
    return summary(create_model("lenet5"), LENET_INPUT)


@exercise("sharing")
def sharing():
    """(parameters of 16 kernels of 3×3 on a colour picture of 64×64, parameters of a dense layer in their place)"""
    conv = summary(nn.Conv2d(3, 16, 3), (1, 3, 64, 64)).rows[0]
    maps, height, width = conv.output_shape[1:]
    kernel = conv.params // maps - 1
    inputs, units = 3 * 64 * 64, maps * height * width
    dense = units * (inputs + 1)
    return Numbers(
        Part("convolution", conv.params, {
            maps * kernel: "you forgot the bias of each map.",
            kernel: "that is the number of weights of one kernel, without its bias; how many kernels are there?",
            kernel + 1: "that is one kernel with its bias; how many kernels are there?",
            kernel * maps + 1: "each map has a bias of its own.",
            maps * (3 * 3 + 1): "the picture has three colours, and a kernel has weights for each of them.",
            conv.macs: "that counts each weight at every place where it is used; shared weights count once.",
            conv.macs + units: "those are the connections; shared weights and biases count once.",
        }, "Count one kernel first, over all three colours and with its bias; then all kernels."),
        Part("dense layer", dense, {
            units * inputs: "you forgot the biases, one for each unit.",
            units * inputs + maps: "in a dense layer every unit has a bias of its own, not every map.",
            height * width * (inputs + 1): f"that is enough for one map; there are {maps}.",
            maps * 64 * 64 * (inputs + 1): "without padding the maps are smaller than the picture.",
            units * (64 * 64 + 1): "the picture has three colours: three numbers a pixel.",
        }, "How many numbers go in, how many come out? Every one that comes out has a weight for each that goes in, "
           "and a bias."),
        why=f"A dense layer would need {dense // conv.params:,} times as many: that is what sharing and locality save.")


@exercise("out-size")
def out_size(answer):
    """out_size(n, k, s, p) -> the size after a window k with stride s and padding p on each side of n pixels"""
    cases = [
        (n, k, s, p) for n in (5, 10, 27, 28, 32) for k in (1, 2, 3, 5) for s in (1, 2, 3) for p in (0, 1, 2)
        if p < k
    ]
    right = {case: _conv_size(*case) for case in cases}
    given = {case: plain(call(answer, *case)) for case in cases}
    wrong = [case for case in cases if given[case] != right[case]]
    if not wrong:
        if not all(isinstance(size, int) for size in given.values()):
            raise Wrong("the values are right, but a size is an int: use //, not /.")
        return f"It agrees with PyTorch in all {len(cases)} cases tried."
    mistakes = {
        "you forgot the + 1: a window that fits exactly once gives one output.":
            lambda n, k, s, p: (n + 2 * p - k) // s,
        "padding is added on both sides.": lambda n, k, s, p: (n + p - k) // s + 1,
        "the padding is ignored.": lambda n, k, s, p: (n - k) // s + 1,
        "the stride is ignored.": lambda n, k, s, p: n + 2 * p - k + 1,
        "it rounds up: a window that hangs over the edge is dropped, so round down (//).":
            lambda n, k, s, p: -(-(n + 2 * p - k) // s) + 1,
        "without rounding the windows do not come out whole: use //, not /.":
            lambda n, k, s, p: (n + 2 * p - k) / s + 1,
        "+ 1 belongs after the division by the stride.": lambda n, k, s, p: (n + 2 * p - k + 1) // s,
    }
    for mistake, formula in mistakes.items():
        if all(given[case] == formula(*case) for case in cases):
            raise Wrong(mistake)
    n, k, s, p = case = wrong[0]
    raise Wrong(
        f"n={n}, k={k}, s={s}, p={p} gives {given[case]!r}, PyTorch gives {right[case]} "
        f"({len(wrong)} of {len(cases)} cases differ)."
    )


@exercise("equivariance")
def equivariance():
    """pixels the picture must move so that the maps of (C1, S2, C3, S4) move by exactly one unit"""
    c1, s2, c3, s4 = (table().row(name).jump for name in ("c1", "s2", "c3", "s4"))
    keeps = "a convolution with stride 1 keeps the step of its input."
    hint = "How far apart in the picture do two neighbours of this map look?"
    return Numbers(
        Part("C1", c1, {5: "that is how much a unit sees; how far apart do neighbours look?"}, hint),
        Part("S2", s2, {1: "a subsampling answers a shift by one pixel with other numbers, not with a shift.",
                        6: "that is how much a unit sees; how far apart do neighbours look?"}, hint),
        Part("C3", c3, {1: "along the way the steps multiply; that is the step of C3 by itself.",
                        3: keeps, 4: keeps, 10: keeps}, hint),
        Part("S4", s4, {2: "along the way the steps multiply; that is the step of S4 by itself.",
                        8: "of the layers up to S4 only the subsamplings double the step; how many are there?"}, hint),
        together={
            (1, 2, 1, 2): "those are the steps of each layer by itself; along the way they multiply.",
            (1, 1, 1, 1): "a subsampling answers a shift by one pixel with other numbers, not with a shift.",
            (5, 6, 14, 16): "that is how much a unit sees; the question is how far apart neighbours look.",
        },
        why="Convolution keeps the step, subsampling doubles it.")


@exercise("convolution")
def convolution(answer):
    """convolve(image, kernel): (H, W) and (k, k) -> (H-k+1, W-k+1), by loops"""
    image, kernel = torch.randn(7, 9), torch.randn(3, 3)

    def conv(image, kernel, **options):
        return F.conv2d(image[None, None], kernel[None, None], **options)[0, 0]

    right = conv(image, kernel)
    given = call(answer, image.clone(), kernel.clone())
    if isinstance(given, list):
        given = torch.tensor(given)
    tensor(given, right, "the result", {
        "the kernel is turned over: mathematicians convolve like that, networks do not.":
            conv(image, kernel.flip(0, 1)),
        "rows and columns of the kernel are exchanged.": conv(image, kernel.T),
        "the last row and the last column are missing: there are H - k + 1 places, not H - k.": right[:-1, :-1],
        "the size is kept, as with padding 1; here no window hangs over the edge.": conv(image, kernel, padding=1),
        "the windows do not overlap: step by 1, not by k.": conv(image, kernel, stride=3),
    })
    return "The same numbers as F.conv2d, which wastes no time on loops in Python."


@exercise("c3-table")
def c3_table():
    """(parameters of C3 if each of its 16 maps saw four maps, parameters with the paper's table and 3×3 kernels)"""
    four = SparseConv2d("\n".join([" ".join("X" * 16)] * 4 + [" ".join("." * 16)] * 2))
    small = SparseConv2d(kernel_size=3)
    paper = sum(p.numel() for p in create_model("lenet5").c3.parameters())

    def part(name, layer, hint):
        kernels, kernel = len(layer.weight), layer.weight[0].numel()
        return Part(name, sum(p.numel() for p in layer.parameters()), {
            kernels: "that is the number of kernels; each has weights.",
            kernels * kernel: "you forgot the bias of each map.",
            kernels * (kernel + 1): "a map has one bias, however many kernels feed it.",
            16 * (kernel + 1): "a map of C3 has a kernel of its own for each map of S2 that it sees.",
            6 * 16 * kernel + 16: "that connects every map to every map.",
            paper: "that is C3 as it stands in the paper; here it is changed.",
        }, hint)

    return Numbers(
        part("four maps each", four, "A map of C3 has a kernel of 5×5 for each map that it sees, and one bias."),
        part("3×3 kernels", small, "Count the crosses of the paper's table: each is a kernel. Then the biases."),
        why="Connections cost a kernel each, maps only a bias.")


@exercise("scaled-tanh")
def scaled_tanh(answer):
    """squash(x) = A tanh(S x) with A = 1.7159 and S = 2/3"""
    x = torch.linspace(-4, 4, 81)
    big, steep = ScaledTanh()(torch.tensor(1e9)).item(), 2 / 3
    given = call(answer, x)
    tensor(given, ScaledTanh()(x), "squash(x)", {
        "that is the plain tanh: at 1 it gives 0.76, here f(1) = 1 is wanted.": torch.tanh(x),
        "you forgot S inside the tanh.": big * torch.tanh(x),
        "you forgot A before the tanh.": torch.tanh(steep * x),
        "A and S are exchanged: A stretches the result, S the argument.": steep * torch.tanh(big * x),
        "that is the logistic sigmoid; a tanh is symmetric about 0.": torch.sigmoid(x),
    })
    return f"f(1) = {ScaledTanh()(torch.tensor(1.0)):.3f}: targets of ±1 lie well inside the range of ±{big:.4f}."


@exercise("subsampling")
def subsampling(answer):
    """class Subsampling(channels): S2 and S4 of the paper, before squashing; parameters weight and bias, one a map"""
    channels = 3
    ours, theirs = Subsampling(channels), call(answer, channels)
    if not isinstance(theirs, nn.Module):
        raise Wrong(f"a torch.nn.Module is wanted, this makes a {type(theirs).__name__}.")
    x = torch.randn(2, channels, 6, 8)
    named = dict(theirs.named_parameters())
    if any(parameter.shape == (channels,) for parameter in named.values()):
        raise Wrong("one value a map does not line up with (N, C, H, W); give the parameters the shape (C, 1, 1).")
    call(theirs, x)
    if set(named) != {"weight", "bias"}:
        found = ", ".join(named) or "none"
        raise Wrong(f"it should have the parameters weight and bias (nn.Parameter), found: {found}.")
    for name, parameter in named.items():
        if parameter.numel() != channels:
            raise Wrong(f"{name} has {parameter.numel()} values for {channels} maps; each map has one.")
        mine = getattr(ours, name).normal_()
        parameter.copy_(mine.reshape(parameter.shape))
    w, b, mean = ours.weight, ours.bias, F.avg_pool2d(x, 2)
    tensor(call(theirs, x), ours(x), "the output", {
        "it takes the mean of the four units, the paper their sum.": w * mean + b,
        "the bias is not added.": w * 4 * mean,
        "the weight is not used.": 4 * mean + b,
        "it takes the largest of the four units, the paper adds them.": w * F.max_pool2d(x, 2) + b,
        "leave the squashing out: the network does it after the layer.": torch.tanh(ours(x)),
        "leave the squashing out; the network does it after the layer.": ScaledTanh()(ours(x)),
        "the weight multiplies the sum, the bias is added after it.": w * (4 * mean + b),
        "only every second unit is taken, without adding its neighbours.": w * x[..., ::2, ::2] + b,
    })
    return f"{2 * channels} parameters for {channels} maps, and the same numbers as ours."


@exercise("rbf-output")
def rbf_output(answer):
    """rbf(x, codes): (N, 84) and (10, 84) -> (N, 10), the squared distance of each row to each code"""
    layer = EuclideanRBF()
    codes = layer.codes
    x = codes[:4] / 2 + torch.randn(4, codes.shape[1])
    right = -layer(x)
    tensor(call(answer, x.clone(), codes.clone()), right, "the result", {
        "the distances are not squared: leave the root out.": right.sqrt(),
        "that is minus the distance, the score that the library uses; the paper's y is positive.": -right,
        "that is the mean over the 84 units, the paper takes the sum.": right / codes.shape[1],
        "that is the sum of the distances along each unit, not of their squares.": torch.cdist(x, codes, p=1),
        "that is the product with the codes, a linear layer; a distance is wanted.": x @ codes.T,
        "rows and columns are exchanged: a row for each picture.": right.T,
    })
    return "The smallest value wins: it is a penalty, not a score."


def _conv_size(n, k, s, p):
    image, kernel = torch.empty(1, 1, n, n, device="meta"), torch.empty(1, 1, k, k, device="meta")
    return F.conv2d(image, kernel, stride=s, padding=p).shape[-1]


@exercise("why-32")
def why_32():
    """(C1, S2, C3, S4) map sizes of LeNet-5 on a digit of 28×28 without its paper around it"""
    net = create_model("lenet5").to("meta")
    sizes, x = [], torch.empty(1, 1, 28, 28, device="meta")
    for layer in (net.c1, net.s2, net.c3, net.s4):
        x = layer(x)
        sizes.append(x.shape[-1])
    usual = tuple(table().row(name).output_shape[-1] for name in ("c1", "s2", "c3", "s4"))
    c1, s2, c3, s4 = sizes
    window = "without padding a 5×5 window fits at fewer places than the map has pixels. At how many along one side?"
    halves = "A subsampling takes two by two units: its maps are half as large as those before it."
    return Numbers(
        Part("C1", c1, {28: window, 27: window, 23: "you forgot the + 1 of the size rule.",
                        26: "the kernels are 5×5."}, window.capitalize()),
        Part("S2", s2, {c1: "a subsampling halves.", 6: "a subsampling halves once."}, halves),
        Part("C3", c3, {s2: window, 7: "you forgot the + 1 of the size rule.", 10: "the kernels are 5×5."},
             window.capitalize()),
        Part("S4", s4, {c3: "a subsampling halves.", 3: "half of C3 comes out whole; nothing is rounded."}, halves),
        together={
            usual: "right for an input of 32×32, or for 28×28 with padding 2; here there is neither.",
            (28, 14, 14, 7): "a convolution without padding makes a map smaller by its kernel size less one.",
            (23, 11, 6, 3): "you forgot the + 1 of the size rule.",
        },
        why=f"The 5×5 kernels of C5 do not fit on {s4}×{s4} any more.")


@exercise("connections")
def connections():
    """number of connections of the whole LeNet-5: every use of a weight or a bias, and the 84 inputs of each output"""
    rows = {name: table().row(name) for name in ("c1", "s2", "c3", "s4", "c5", "f6", "output")}
    units = {name: math.prod(row.output_shape) for name, row in rows.items()}
    weights = sum(rows[name].macs for name in ("c1", "c3", "c5", "f6"))
    biases = sum(units[name] for name in ("c1", "c3", "c5", "f6"))
    pooled, output = units["s2"] + units["s4"], rows["output"].macs
    right = weights + biases + 5 * pooled + output
    missing = {name: rows[name].macs + units[name] for name in ("c1", "c3", "c5", "f6")}
    return Numbers(
        Part("connections", right, {
            **{right - lost: f"{name.upper()} is missing." for name, lost in missing.items()},
            right - 5 * pooled: "the two subsamplings are missing.",
            right - output: "the ten outputs are missing, with a connection to each of the 84 units of F6.",
            right - pooled: "a unit of S2 and S4 has four inputs and a bias, five connections.",
            right - 4 * pooled: "a unit of S2 and S4 adds four inputs before its weight: four connections and a bias.",
            right + pooled: "a unit of S2 and S4 has four inputs and a bias, five connections.",
            right + 10: "the outputs have no bias.",
            weights + 4 * pooled + output: "you forgot the biases; each of them is a connection too.",
            table().total_params: "those are the parameters; a shared one makes a connection wherever it is used.",
        }, "Go layer by layer: units of the layer, times what each of them is connected to. C1 alone has "
           f"{rows['c1'].macs + units['c1']:,}."),
        why=f"{right / table().total_params:.1f} connections for each free parameter.")


@exercise("receptive-field")
def receptive_field():
    """(pixels that a unit of S4 sees along one side, the same for C5), if all kernels of LeNet-5 were 3×3"""
    s4, c5 = (row.receptive_field for row in summary(nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.AvgPool2d(2), nn.Conv2d(6, 16, 3), nn.AvgPool2d(2), nn.Conv2d(16, 120, 3)
    ), LENET_INPUT).rows[-2:])
    large_s4, large_c5 = (table().row(name).receptive_field for name in ("s4", "c5"))
    steps = ("you let every layer widen the view by its window less one; after S2 neighbours are 2 pixels apart, "
             "after S4 4.")
    hint = ("Go layer by layer: a window of k widens the view by k − 1 steps, and a step is as long as neighbours are "
            "apart in the picture.")
    return Numbers(
        Part("S4", s4, {
            large_s4: "right for kernels of 5×5; here they are 3×3.", 7: steps,
            8: "that is what a unit of C3 sees; the 2×2 window of S4 adds to it.",
            4: "that is what a unit of S2 sees; C3 and S4 come after it.",
            12: "the window of S4 is 2×2; it widens the view by one step, not by two.",
            2: "that is the window on the map below; the question is how much of the picture one unit sees.",
        }, hint),
        Part("C5", c5, {
            large_c5: "right for kernels of 5×5; here they are 3×3.", 9: steps,
            14: "after S4 neighbours are 4 pixels apart, not 2.",
            22: "a window of 3 widens the view by two steps, not by three.",
            3: "that is the window on the map below; the question is how much of the picture one unit sees.",
        }, hint),
        why="Smaller kernels see less, but the steps of the subsampling count as before.")


@exercise("accuracy")
def accuracy(answer):
    """accuracy(model, batches): the fraction of right answers, for any batch size and any network"""
    checks = {**bugs.get("lenet/more-than-perfect").checks, **bugs.get("lenet/talking-test-set").checks}
    for name, test in checks.items():
        problem = test(lambda model, batches: call_for_number(answer, model, batches))
        if problem:
            raise Wrong(f"{name}? No: {problem}")
    return f"It passes {len(checks)} checks: two exhibits of the bug museum would not have happened to you."
