"""Judges of the exercises of the chapter on building blocks. The questions and the solutions are in its pages."""

import torch
from torch import nn
from torch.nn import functional as F

from ...anatomy import summary
from ...experiments.descendants import Attention
from ...models import InvertedResidual, SeparableConv2d, SqueezeExcite, blueprint
from ...models.blocks import create_block
from ..exercises import Numbers, Part, Wrong, call, exercise, number, tensor

# ---------------------------------------------------------------- gallery


@exercise("through-the-neck")
def through_the_neck():
    """(weights of a 3×3 from 256 to 256 maps, of a bottleneck between the same through 64)"""
    def weights(name):
        with torch.device("meta"):
            block = create_block(name, 256, 256)
        return sum(layer.weight.numel() for layer in block.modules() if isinstance(layer, nn.Conv2d))

    direct, through = weights("convolution"), weights("bottleneck")
    return Numbers(
        Part("3×3", direct, {
            256 * 256: "a 3×3 has nine weights for each pair of maps.",
            256 * 9: "each new map reads all 256 maps.", direct + 256: "biases are not counted here.",
        }, "How many pairs of an old and a new map are there, and how many weights has each pair?"),
        Part("bottleneck", through, {
            9 * 64 * 64: "that is the 3×3 in the middle alone, or three 1×1. A 1×1 leads into the narrow, a 3×3 works "
                         "there, a 1×1 leads out.",
            256 * 64 + 9 * 64 * 64: "the 1×1 that leads out again is missing.",
            9 * (2 * 256 * 64 + 64 * 64): "the first and the last convolution are 1×1.",
            direct // 4: "a narrow 3×3 has fewer maps in and fewer maps out; and two 1×1 come to it.",
        }, "Three convolutions: 1×1 from 256 to a quarter of them, 3×3 between these, 1×1 back to 256."),
        why=f"{direct / through:.2f} times fewer; nearly half of what is left is in the two 1×1.")


@exercise("shuffle")
def shuffle(answer):
    """shuffle(x, groups) -> x with its maps in the order (first of each group, second of each group, ...)"""
    for maps, groups in ((12, 3), (8, 4), (6, 1), (10, 5)):
        x = torch.randn(2, maps, 3, 4)
        each = maps // groups
        mistakes = {
            "nothing has moved.": x,
            "that deals the maps out as if there were as many groups as maps in a group: split into (groups, maps of a "
            "group), then swap the two.": x.view(2, each, groups, 3, 4).transpose(1, 2).reshape(x.shape),
            "that turns the order round; every group's first map comes first.": x.flip(1),
        }
        tensor(call(answer, x, groups), nn.ChannelShuffle(groups)(x), f"shuffle of {maps} maps in {groups} groups",
               mistakes if groups > 1 else {})
    return "The next grouped convolution now has maps of every group in each of its groups."


def fewer(expansion, channels):
    """Does an inverted residual have fewer weights than one 3×3 between as many maps?"""
    with torch.device("meta"):
        block = InvertedResidual(channels, channels, expansion=expansion)
    return sum(w.numel() for w in block.parameters() if w.ndim == 4) < 9 * channels**2


@exercise("how-wide")
def how_wide(answer):
    """how_wide(channels) -> the largest expansion with fewer weights than a 3×3 has"""
    for channels in (8, 16, 24, 64, 160, 512):
        right = max(t for t in range(2, 6) if fewer(t, channels))
        number(call(answer, channels), right, f"{channels} channels", {
            4: "two 1×1 alone would allow 4; the filters of 3×3 weigh, too, and most where there are few maps.",
            right + 1: "with one more the block has more weights than the 3×3, or as many.",
            right - 1: "one more still has fewer weights than the 3×3.",
            6: "that is the paper's expansion; its block has more weights than the 3×3.",
        }, "Count both: 2 · t · C² for the two 1×1 and 9 · t · C for the filters, against 9 · C² of the 3×3.")
    return "The paper's 6 is more than that: its block weighs more than a 3×3, and filters six times as many maps."


# ---------------------------------------------------------------- factor


def times_fewer(maps, kernel):
    """How many times fewer weights a separable convolution to `maps` maps has; from how many maps does not matter."""
    whole = nn.Conv2d(8, maps, kernel, bias=False, device="meta").weight.numel()
    with torch.device("meta"):
        return whole / sum(weight.numel() for weight in SeparableConv2d(8, maps, kernel).parameters())


@exercise("eight-of-nine")
def eight_of_nine():
    """(output maps for a factor of 8 with a 3×3, output maps for a factor of 20 with a 5×5), the fewest"""
    def part(name, kernel, factor):
        right = next(maps for maps in range(1, 1000) if times_fewer(maps, kernel) >= factor - 1e-9)
        return Part(name, right, {
            factor: "1/N alone is not the share that is left; 1/k² comes on top of it.",
            kernel**2: "with as many maps as weights in a kernel the factor is only half of that.",
            right + 1: "one map fewer reaches the factor already.",
            right - 1: "nearly: put your number into 1/N + 1/k².",
        }, f"The share that is left is 1/N + 1/k². For which N is it 1/{factor}?")

    return Numbers(part("output maps with a 3×3", 3, 8), part("output maps with a 5×5", 5, 20),
                   why="Below these the 1/N counts; far above them nearly nothing is gained any more.")


@exercise("one-kernel")
def one_kernel(answer):
    """(one_kernel(depthwise, pointwise), point_first(pointwise, depthwise)) -> weights (N, M, k, k)"""
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise Wrong(f"two functions are wanted, (one_kernel, point_first); this is {answer!r}.")
    for before, after, size in ((3, 5, 3), (4, 4, 3), (2, 7, 5)):
        point = torch.randn(after, before, 1, 1)
        for order, function in zip(("depthwise first", "point first"), answer, strict=True):
            depth_first = order == "depthwise first"
            filters = before if depth_first else after
            depth = torch.randn(filters, 1, size, size)
            given = call(function, *((depth, point) if depth_first else (point, depth)))
            mistakes = {}
            if before == after:
                mistakes["the filter of a map belongs to the input where the depthwise half comes first, to the output "
                         "where it comes last."] = point * (depth if depth_first else depth.transpose(0, 1))
            tensor(given, joined(order, depth, point), f"the kernel, {order}, from {before} to {after} maps", mistakes)
    return "A separable convolution is a whole one whose filters are multiples of each other."


def joined(order, depth, point):
    """The kernel that does what the pair does, read off its answers to single pixels."""
    before, size = point.shape[1], depth.shape[-1]
    pixels = torch.zeros(before, before, 2 * size - 1, 2 * size - 1)
    pixels[range(before), range(before), size - 1, size - 1] = 1
    if order == "depthwise first":
        answers = F.conv2d(F.conv2d(pixels, depth, groups=before), point)
    else:
        answers = F.conv2d(F.conv2d(pixels, point), depth, groups=len(depth))
    return answers.flip(2, 3).transpose(0, 1)


@exercise("inverted-weights")
def inverted_weights(answer):
    """inverted(maps, new_maps, t, k) -> weights of the convolutions of an inverted residual"""
    for maps, new_maps, t in ((16, 24, 6), (32, 16, 1), (24, 24, 6)):
        with torch.device("meta"):
            block = InvertedResidual(maps, new_maps, expansion=t)
        widths = [layer.weight.numel() for layer in block.modules() if isinstance(layer, nn.Conv2d)]
        wide = t * maps
        for k in (3, 5):
            right = sum(widths) + (k * k - 9) * wide            # the library's filters are 3×3
            number(call(answer, maps, new_maps, t, k), right, f"inverted({maps}, {new_maps}, {t}, {k})", {
                right + maps * wide: "with t = 1 there is no first 1×1." if t == 1 else "one 1×1 is counted twice.",
                right + k * k * wide * (wide - 1): "the middle has one filter a map, not one for each pair of maps.",
                right - wide * new_maps: "the last 1×1 is missing.",
                right - (maps * wide if t > 1 else 0): "the first 1×1 is missing.",
                k * k * maps + maps * new_maps: "that is a separable convolution; where is the wide middle?",
            }, "Add up: a 1×1 to t · maps (none with t = 1), a k×k filter for each of these, a 1×1 to the new maps.")
    return "The wide middle costs little, since it filters map by map."


# ---------------------------------------------------------------- attention


@exercise("gates-by-stage")
def gates_by_stage():
    """Weights without biases that SE with r = 16 adds to each of the four stages of ResNet-101"""
    network = blueprint("se_resnet101")

    def part(stage):
        gates = [part for part in network.get_submodule(f"layer{stage}").modules() if isinstance(part, SqueezeExcite)]
        right = sum(part.fc1.weight.numel() + part.fc2.weight.numel() for part in gates)
        biases = sum(part.fc1.bias.numel() + part.fc2.bias.numel() for part in gates)
        return Part(f"stage {stage}", right, {
            right // len(gates): "that is one block of the stage; how many has it?",
            right // 2: "there are two dense layers, down and up again.",
            right + biases: "the biases are not asked for.",
            right // 16: "those are gates of the narrow 3×3, of width C/4; they stand at the block's end.",
            16 * right: "divide by the reduction: the hidden layer has C/16 units.",
        }, "One block first: a dense layer from C to C/16 units, and one back. Then all blocks of the stage.")

    parts = [part(stage) for stage in range(1, 5)]
    return Numbers(*parts, why=f"{sum(part.right for part in parts) / 1e6:.1f} million in all; the third stage, with "
                               "23 blocks, has the most.")


@exercise("excite")
def excite(answer):
    """excite(x, w1, b1, w2, b2) -> maps (N, C, H, W) times their gates"""
    for shape, hidden in (((2, 8, 5, 7), 2), ((3, 6, 6, 6), 3), ((8, 8, 8, 8), 4)):
        maps, c = torch.randn(shape), shape[1]
        w1, b1, w2, b2 = torch.randn(hidden, c), torch.randn(hidden), torch.randn(c, hidden), torch.randn(c)
        part = SqueezeExcite(c, c // hidden)
        for parameter, value in zip((part.fc1.weight, part.fc1.bias, part.fc2.weight, part.fc2.bias),
                                    (w1, b1, w2, b2), strict=True):
            parameter.copy_(value)
        scores = F.linear(F.relu(F.linear(maps.mean((2, 3)), w1, b1)), w2, b2)
        straight = F.linear(F.linear(maps.mean((2, 3)), w1, b1), w2, b2).sigmoid()
        peak = F.linear(F.relu(F.linear(maps.amax((2, 3)), w1, b1)), w2, b2).sigmoid()
        mistakes = {
            "those are the gates; the maps times them are wanted.": scores.sigmoid(),
            "the ReLU between the two layers is missing.": maps * straight[:, :, None, None],
            "the gates are not scores: the sigmoid is missing.": maps * scores[:, :, None, None],
            "a softmax makes the maps compete; each gate is a sigmoid of its own.":
                maps * scores.softmax(1)[:, :, None, None],
            "the squeeze is the mean of a map, not its maximum.": maps * peak[:, :, None, None],
            "the gates are added to the maps; they scale them.": maps + scores.sigmoid()[:, :, None, None],
        }
        if shape[1] == shape[3]:
            mistakes["the gates lie along the width of the maps; each belongs to a map."] = (
                maps * scores.sigmoid()[:, None, None, :])
        tensor(call(answer, maps, w1, b1, w2, b2), part(maps), f"excite for maps {shape}", mistakes)
    return "The same numbers as the library's block."


@exercise("absorbed-gates")
def absorbed_gates(answer):
    """absorb(norm, gate) -> (weight, bias) of a BatchNorm that does what BatchNorm and constant gates did"""
    for channels in (3, 8):
        norm, gate = nn.BatchNorm2d(channels).eval(), torch.rand(channels)
        for values in (norm.weight, norm.bias, norm.running_mean):
            values.copy_(torch.randn(channels))
        norm.running_var.copy_(torch.rand(channels) + 0.5)
        weight, bias = norm.weight.clone(), norm.bias.clone()
        given = call(answer, norm, gate)
        if not isinstance(given, (tuple, list)) or len(given) != 2:
            raise Wrong(f"absorb gives {type(given).__name__}, a pair (weight, bias) is wanted.")
        tensor(given[0], weight * gate, "the weight", {
            "the gate multiplies what BatchNorm puts out, so the weight is multiplied, not divided.": weight / gate,
            "the weight is BatchNorm's own; where is the gate?": weight,
            "the running variance need not be touched: it stays where it is.":
                weight * gate / (norm.running_var + norm.eps).sqrt(),
        })
        tensor(given[1], bias * gate, "the bias", {
            "the gate multiplies the bias as well.": bias,
            "the running mean stays in BatchNorm; the bias is only multiplied.": (bias - norm.running_mean) * gate,
        })
    return "A gate that attends to nothing is a part of BatchNorm."


# ---------------------------------------------------------------- dilation


@exercise("same-padding")
def same_padding(answer):
    """padding(kernel, rate) -> the padding that keeps the size of the map"""
    for kernel in (1, 3, 5, 7):
        for rate in (1, 2, 4, 9):
            field = 1 + rate * (kernel - 1)
            number(call(answer, kernel, rate), field // 2, f"padding({kernel}, {rate})", {
                kernel // 2: "that keeps the size at rate 1; the filter spans more here.",
                field - 1: "padding is added on both sides.",
                rate * kernel // 2: "k weights have k − 1 gaps between them.",
                rate: "that is right for 3×3 only.",
            }, "With its gaps the filter spans 1 + rate · (k − 1) pixels: how many of them hang over on each side?")
    return "For a 3×3 it is the rate itself."


def reads(rates):
    """(side of the field, pixels read) of a stack of 3×3 convolutions with these rates, by autograd."""
    stack = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=rate, dilation=rate, bias=False) for rate in rates))
    for weight in stack.parameters():
        nn.init.ones_(weight)
    side = 1 + 2 * sum(rates)
    with torch.enable_grad():
        pixels = torch.zeros(1, 1, side, side, requires_grad=True)
        stack(pixels)[0, 0, side // 2, side // 2].backward()
    return side, int((pixels.grad != 0).sum())


@exercise("pixels-read")
def pixels_read(answer):
    """pixels(rates) -> (side of the field, number of pixels that are read)"""
    for rates in ((1, 2, 4), (2, 2, 2), (1,), (4, 2, 1), (3, 3), (1, 1, 5), (2, 4, 8)):
        side, read = reads(rates)
        given = call(answer, rates)
        if not isinstance(given, (tuple, list)) or len(given) != 2:
            raise Wrong(f"pixels gives {given!r}, a pair (side, pixels) is wanted.")
        number(given[0], side, f"side of the field for rates {rates}", {
            1 + sum(rates): "a layer reaches by its rate to both sides.",
            side - 1: "the pixel in the middle counts, too.",
            2 * len(rates) + 1: "the rates do not count there; a layer of rate d adds 2d pixels.",
        }, "A layer of rate d reaches d pixels further to each side.")
        number(given[1], read, f"pixels read for rates {rates}", {
            side**2: "that is the whole field; are all of its pixels read?",
            round(read**0.5): "that is one direction; the pixels lie in a square.",
            9 ** len(rates): "those are the paths; several lead to the same pixel.",
            3 ** len(rates): "those are paths in one direction; several lead to the same place.",
        }, "In one direction a layer steps by −d, 0 or d: collect all different sums of one step a layer, and square.")
    return "Autograd, which follows every path, finds the same pixels."


@exercise("rates-without-holes")
def rates_without_holes(answer):
    """Rates of three 3×3 layers with the largest field that has no hole"""
    if not isinstance(answer, (tuple, list)) or len(answer) != 3:
        raise Wrong(f"three rates are wanted, this is {answer!r}.")
    for rate in answer:
        if isinstance(rate, bool) or not isinstance(rate, int) or not 1 <= rate <= 30:
            raise Wrong(f"a rate is a whole number from 1 to 30, this is {rate!r}.")
    side, read = reads(answer)
    if read < side**2:
        raise Wrong(f"a field of {side}×{side}, but only {read:,} of its {side**2:,} pixels are read. "
                    "Along one side: which sums of −d, 0 or d, one for each layer, are missing?")
    if side < 3**3:
        raise Wrong(f"no hole in {side}×{side}, but a larger field without holes is possible: some pixels are "
                    "read along several paths. Choose rates with which no two sums of −d, 0 or d are equal.")
    return f"All {read:,} pixels of {side}×{side}, and not one of them twice."


# ---------------------------------------------------------------- descendants


@exercise("drop-path")
def drop_path(answer):
    """drop_path(x, rate, training) -> the branch's result with a share of the pictures left out"""
    x = torch.rand(4000, 2, 3, 3) + 1
    rest = call(answer, x, 0.25, False)
    if isinstance(rest, torch.Tensor) and rest.shape == x.shape and torch.allclose(rest, 0.75 * x):
        raise Wrong("not training, it scales: who scales in training already leaves the branch as it is afterwards.")
    tensor(rest, x, "drop_path, not training,", {})
    given = call(answer, x, 0.25, True)
    if not isinstance(given, torch.Tensor) or given.shape != x.shape:
        raise Wrong(f"drop_path, training, gives {getattr(given, 'shape', given)!r}, a tensor of x's shape is wanted.")
    zero = (given == 0).flatten(1)
    if zero.all() or not zero.any():
        raise Wrong("in training all pictures lose the branch, or none: each is to have a draw of its own.")
    if (zero.any(1) != zero.all(1)).any():
        raise Wrong("single numbers of a picture are left out: that is dropout. The branch goes whole, or stays whole.")
    kept = ~zero.all(1)
    if torch.allclose(given[kept], x[kept]):
        raise Wrong("the mean over many draws is smaller than the branch: those that stay have to make up for it.")
    if abs(kept.float().mean() - 0.75) > 0.05:
        raise Wrong(f"with rate 0.25 the branch stays for {kept.float().mean():.0%} of the pictures.")
    tensor(given[kept], x[kept] / 0.75, "drop_path, for pictures that keep the branch,")
    return f"{kept.sum():,} of 4,000 pictures kept the branch; on average nothing has changed."


@exercise("compound")
def compound():
    """(times the MACs, times the weights) of a network twice as deep and wide, on pictures 3/2 as high and wide"""
    def cost(depth, width, side):
        with torch.device("meta"):
            net = nn.Sequential(*(nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(depth)))
        weights = sum(w.numel() for w in net.parameters())
        return weights * side**2, weights

    small, large = cost(2, 8, 8), cost(4, 16, 12)
    macs, weights = (b // a for a, b in zip(small, large, strict=True))
    wide = "a layer twice as wide has four times the weights: twice the maps it takes, twice the maps it gives."
    return Numbers(
        Part("MACs", macs, {
            6: "a layer twice as wide takes twice as many maps and gives twice as many; a picture grows in both "
               "directions.",
            12: "a picture that is 3/2 as high is also 3/2 as wide.", 9: wide,
            8: "the pictures grow, too, in both directions.",
        }, "Multiply three factors: of the depth, of the width (maps in, maps out), of the places of a map."),
        Part("weights", weights, {
            4: wide, macs: "weights do not care how large the picture is.",
            2: "twice as deep doubles them; the width comes to it.", 16: "a 3×3 stays a 3×3.",
        }, "Twice as many layers; and what becomes of the weights of one that is twice as wide?"),
        why="α·β²·γ² is what EfficientNet keeps near 2 for each step of its scale.")


def costlier(side, channels):
    """Do the two products of attention cost more than its four 1×1, on maps of this side?"""
    with torch.device("meta"):
        found = summary(Attention(channels), (1, channels, side, side))
    points = sum(row.macs for row in found.rows if row.type == "Conv2d")
    return found.total_macs - points > points


@exercise("places-squared")
def places_squared(answer):
    """places_squared(channels) -> the smallest side of maps from which on the products of attention cost more"""
    for channels in (8, 32, 100, 128):
        right = next(side for side in range(1, 100) if costlier(side, channels))
        number(call(answer, channels), right, f"{channels} channels", {
            2 * channels + 1: "that is the number of places; a side has the root of it.",
            right - 1: "there they cost no more than as much; one more is needed.",
            next(side for side in range(1, 100) if side**2 > channels):
                "each product costs channels × places², each 1×1 channels² × places: count how many there are of both.",
        }, "Two products of channels × places² against four 1×1 of channels² × places: from how many places on, and "
           "what side has that many?")
    return "Twice the side is four times the places, and sixteen times the products."
