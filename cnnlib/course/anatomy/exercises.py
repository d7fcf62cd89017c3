"""Judges of the chapter on reading networks. The questions and the solutions are in the chapter itself."""

import itertools
import math

import torch
from torch import nn
from torch.nn import functional

from ...anatomy import summary
from ...experiments.size_rule import coverage, output_size
from ...models import create_model
from ..exercises import Numbers, Part, Wrong, as_tensor, call, call_for_number, call_for_numbers, exercise, tensor


@exercise("next-map")
def next_map():
    """Widths behind conv 5, pool 3/2, conv 3/2 with padding 1, conv 3 with padding and dilation 2 of 102 pixels; and
    how many columns no window reads"""
    layers = [(5, 1, 0, 1), (3, 2, 0, 1), (3, 2, 1, 1), (3, 1, 2, 2)]

    def widths(rule):
        sizes = [102]
        for layer in layers:
            sizes.append(rule(sizes[-1], *layer))
        return sizes[1:]

    right = widths(output_size)
    covers = [coverage(size, *layer) for size, layer in zip([102, *right], layers, strict=False)]
    dropped = sum(len(cover.dropped) for cover in covers)
    left_over = sum(cover.room % stride for cover, (_, stride, _, _) in zip(covers, layers, strict=True))
    rules = {
        "the last window must fit as a whole: round down.":
            lambda n, k, s, p, d: -(-(n + 2 * p - d * (k - 1) - 1) // s) + 1,
        "the first window counts, too: add 1 after the division.":
            lambda n, k, s, p, d: (n + 2 * p - d * (k - 1) - 1) // s,
        "with dilation 2 the three weights span five places, not three.":
            lambda n, k, s, p, d: output_size(n, k, s, p),
        "padding stands on both sides.":
            lambda n, k, s, p, d: (n + p - d * (k - 1) - 1) // s + 1,
    }
    names = ["after the 5×5", "after the pooling", "after the 3×3 of stride 2", "after the dilated 3×3"]
    hint = ("Take what enters this layer, with its padding on both sides: at how many places, a stride apart, does the "
            "window fit?")
    parts = []
    for name, layer, before, after in zip(names, layers, [102, *right], right, strict=False):
        mistakes = {rule(before, *layer): told for told, rule in rules.items() if rule(before, *layer) != after}
        parts.append(Part(name, after, {**mistakes, **({before: "the window hangs over the edge there."}
                                                       if name == names[0] else {})}, hint))
    columns = Part("columns unread", dropped, {
        left_over: "a remainder drops pixels only where it exceeds the padding.",
        0: "where more is left over than there is padding, a column is dropped.",
    }, "Go through the layers: where does the last window end, and what is left behind it that is no padding?")
    return Numbers(*parts, columns,
                   together={(*widths(rule), unread): told for told, rule in rules.items() for unread in range(3)},
                   why="Two layers leave something over; the padding of one of them hides it.")


@exercise("sharpen")
def sharpen(answer):
    """The 3×3 kernel of 2 × picture − (mean of the 3×3 pixels around each place), as three rows"""
    blur, middle = torch.full((3, 3), 1 / 9), torch.zeros(3, 3)
    middle[1, 1] = 1
    tensor(as_tensor(answer, "three rows of three numbers are wanted"), 2 * middle - blur, "the kernel", {
        "that is the blur.": blur,
        "that is the picture and its blur; the blur is to be subtracted.": 2 * middle + blur,
        "that is the blur without the picture: take it twice.": -blur,
        "that is the picture once minus its blur: an outline. Take the picture twice.": middle - blur,
        "the mean is a ninth of the sum.": 2 * middle - 9 * blur,
        "that is nine times the kernel; a picture of it would be nine times as bright.": 18 * middle - 9 * blur,
        "the blur has a share of the middle, too.": 2 * middle - blur + middle / 9,
    })
    return "Its weights add up to 1, so flat areas stay as bright as they are."


@exercise("with-stride")
def with_stride(answer):
    """convolve(maps, kernel, stride, padding): (C, H, W), (C, k, k) -> one map, by loops"""
    maps, kernel = torch.randn(3, 8, 11), torch.randn(3, 3, 3)

    def conv(maps, kernel, stride, padding):
        return functional.conv2d(maps[None], kernel[None], stride=stride, padding=padding)[0, 0]

    for stride, padding in ((2, 1), (3, 2), (1, 0), (2, 0), (1, 1)):
        given = call(answer, maps.clone(), kernel.clone(), stride, padding)
        mistakes = {
            "the stride is ignored.": conv(maps, kernel, 1, padding),
            "the padding is ignored.": conv(maps, kernel, stride, 0),
            "the padding must be zeros on all four sides.":
                functional.conv2d(functional.pad(maps, (0, padding, 0, padding))[None], kernel[None],
                                  stride=stride)[0, 0],
            "only the first channel is read: add up the products of all channels.":
                conv(maps[:1], kernel[:1], stride, padding),
            "the kernel is turned over: mathematicians convolve like that, networks do not.":
                conv(maps, kernel.flip(1, 2), stride, padding),
        }
        tensor(given, conv(maps, kernel, stride, padding), f"with stride {stride} and padding {padding} the result",
               mistakes if stride > 1 and padding else None)      # elsewhere some of them are no mistakes
    return "One map of nn.Conv2d, without its bias."


@exercise("cost")
def cost():
    """(parameters, MACs) of Conv2d(64, 128, 3, stride=2, padding=1, groups=8) on 64 maps of 56×56"""
    row = summary(nn.Conv2d(64, 128, 3, stride=2, padding=1, groups=8), (1, 64, 56, 56)).rows[0]
    weights, places = row.params - 128, row.macs // (row.params - 128)
    shared = "groups share out the inputs and the outputs: 8 groups of 128/8 kernels, that is still 128 kernels."
    return Numbers(
        Part("parameters", row.params, {
            weights: "each of the 128 maps has a bias.",
            8 * weights + 128: "a kernel sees only the channels of its group, 64/8.",
            8 * weights: "a kernel sees only the channels of its group, 64/8; and each of the 128 maps has a bias.",
            weights // 8 + 128: shared,
        }, "How many channels does one kernel see? How many kernels are there, each with a bias?"),
        Part("MACs", row.macs, {
            8 * row.macs: "a kernel sees only the channels of its group, 64/8.",
            row.macs // 8: shared,
            4 * places * weights: "the stride of 2 leaves a quarter of the places.",
            places * row.params: "adding the bias is no multiplication; only weights count.",
            2 * row.macs: "a multiplication with its addition counts once.",
        }, "Each weight is used once at every place of the new maps. How large are these with stride 2?"),
        together={(8 * weights + 128, 8 * row.macs): "that is the layer without groups; a kernel sees 64/8 channels."},
        why=f"Each of the {weights:,} weights is used at {places} places.")


@exercise("scaling")
def scaling():
    """Factors of (parameters, MACs, kept activations): twice the channels in every layer; twice the resolution"""
    def costs(channels, size):
        net = nn.Sequential(*(nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(3)))
        found = summary(net, (1, channels, size, size))
        return found.total_params, found.total_macs, sum(math.prod(row.output_shape) for row in found.rows)

    before = costs(8, 8)
    factors = [after // old for case in (costs(16, 8), costs(8, 16)) for after, old in zip(case, before, strict=True)]
    deeper = "with twice the channels a layer has twice the kernels, and each is twice as deep."
    square = "resolution counts in both directions: twice as high and twice as wide."
    hints = ("Write the number of weights as kernels × channels × 9, and double what doubles.",
             "Each weight works once at every place: ask what becomes of the weights, and what of the places.",
             "A layer's maps have channels × height × width numbers.")
    mistakes = ({2: deeper, 8: "a kernel keeps its 3×3."}, {2: deeper, 8: "the places are as many as before."},
                {4: "twice the maps are twice the numbers."},
                {4: "shared weights do not care how large the picture is.",
                 2: "shared weights do not care how large the picture is."}, {2: square, 1: "there are more places."},
                {2: square, 1: "there are more places."})
    names = [f"{what}, {change}" for change in ("channels doubled", "resolution doubled")
             for what in ("parameters", "MACs", "activations")]
    return Numbers(
        *map(Part, names, factors, mistakes, hints * 2),
        together={(1, 4, 4, 4, 4, 2): "the right factors, but the two changes are exchanged."},
        why="Channels cost in parameters and work, pixels in work and memory.")


@exercise("field")
def field():
    """(receptive field, jump) of conv 7/2, pool 3/2, conv 3, conv 3/2, conv 3 with dilation 2"""
    net = nn.Sequential(nn.Conv2d(1, 1, 7, stride=2, padding=3), nn.MaxPool2d(3, 2, 1), nn.Conv2d(1, 1, 3, padding=1),
                        nn.Conv2d(1, 1, 3, stride=2, padding=1), nn.Conv2d(1, 1, 3, padding=2, dilation=2))
    row = summary(net, (1, 1, 224, 224)).rows[-1]
    return Numbers(
        Part("receptive field", row.receptive_field, {
            row.receptive_field - 16: "with dilation 2 the three weights of the last layer span five places.",
            77: "a layer steps by the jump before it; its own stride counts only from the next layer on.",
            17: "the windows lie on maps whose neighbours are several input pixels apart.",
            27: "that is before the last layer.",
        }, "Layer by layer: add (window − 1) · dilation · jump, and multiply the jump by the stride afterwards."),
        Part("jump", row.jump, {
            2: "the strides multiply along the way.", 6: "the strides multiply along the way; they do not add up.",
            4: "the pooling has a stride, too: go through all five layers.",
            16: "the dilation widens a window; it does not move it further.",
        }, "The jump is the product of all strides up to here."),
        why="Strides early in a network widen every window that comes after them.")


@exercise("receptive-field")
def receptive_field(answer):
    """receptive_field(layers) -> (field, jump), layers being a list of (kernel, stride, dilation)"""
    choices = [(1, 1, 1), (3, 1, 1), (3, 2, 1), (2, 2, 1), (5, 1, 2), (7, 2, 1)]
    cases = [list(case) for length in (1, 2, 3) for case in itertools.product(choices, repeat=length)][:120]
    given = [call_for_numbers(("field", "jump"), answer, case) for case in cases]
    right = [_follow(case) for case in cases]
    if given == right:
        return f"It agrees with the summary of {len(cases)} networks."
    mistakes = {
        "the jump of a layer must not widen its own window: multiply by the stride afterwards.":
            lambda f, j, k, s, d: (f + (k - 1) * d * j * s, j * s),
        "the dilation is ignored.": lambda f, j, k, s, d: (f + (k - 1) * j, j * s),
        "windows are measured in steps of the map below, and a step is as long as the jump.":
            lambda f, j, k, s, d: (f + (k - 1) * d, j * s),
        "a window of k adds k − 1 steps, not k.": lambda f, j, k, s, d: (f + k * d * j, j * s),
        "strides multiply; they do not add up.": lambda f, j, k, s, d: (f + (k - 1) * d * j, j + s - 1),
    }
    for mistake, step in mistakes.items():
        if given == [_walk(case, step) for case in cases]:
            raise Wrong(mistake)
    wrong = next(number for number, pair in enumerate(given) if pair != right[number])
    raise Wrong(f"the layers {cases[wrong]} give {given[wrong]}, the summary says {right[wrong]}.")


def _follow(layers):
    net = nn.Sequential(*(nn.Conv2d(1, 1, k, stride=s, dilation=d, padding=k * d) for k, s, d in layers))
    row = summary(net, (1, 1, 64, 64)).rows[-1]
    return row.receptive_field, row.jump


def _walk(layers, step):
    pair = (1, 1)
    for layer in layers:
        pair = step(*pair, *layer)
    return pair


@exercise("kept")
def kept():
    """Numbers kept for backward by two rounds of convolution, BatchNorm, ReLU on a picture (1, 3, 32, 32)"""
    net = nn.Sequential(*(layer for inputs in (3, 16) for layer in
                          (nn.Conv2d(inputs, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())))
    seen = {}

    def note(tensor):
        if tensor.ndim == 4 and not isinstance(tensor, nn.Parameter):      # pictures, not averages of a channel
            seen[tensor.data_ptr()] = tensor
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        alive = net(torch.randn(1, 3, 32, 32))
    right, pixels = sum(tensor.numel() for tensor in seen.values()), 32 * 32
    del alive
    return Numbers(
        Part("numbers kept", right, {
            right - 3 * pixels: "the picture is kept too: the first convolution needs it for the gradient of its "
                                "weights.",
            right + 16 * pixels: "the output of a ReLU is kept once, also where the next convolution needs it again.",
            right - 2 * 16 * pixels: "BatchNorm needs its input, the output of the convolution before it.",
            4 * right: "that is the bytes; the question is for numbers.",
            right - 16 * pixels: "one map too few: what does the last ReLU need?",
            (3 + 6 * 16) * pixels: "not every output is kept: ReLU needs its own output, not its input.",
        }, "Ask each layer what its gradient needs: its input or its output? What two layers need counts once."),
        why="A layer keeps what its gradient needs, and no tensor is kept twice.")


@exercise("strides")
def strides():
    """Steps in memory of a batch (8, 3, 32, 48) from a number to its right, lower and next-channel neighbour: NCHW
    and channels-last"""
    batch = torch.empty(8, 3, 32, 48)
    steps = [x.stride()[axis] for x in (batch, batch.to(memory_format=torch.channels_last)) for axis in (3, 2, 1)]
    right, down, channel, right_last, down_last, channel_last = steps
    usual = "NCHW writes a channel row by row, then the next channel."
    last = "Channels-last writes all channels of a pixel side by side, then the next pixel of the row."
    return Numbers(
        Part("to the right, NCHW", right, {3: "a fresh tensor is NCHW: the numbers of one row are neighbours."}, usual),
        Part("down, NCHW", down, {32: "a row is as long as the picture is wide: 48, not 32.",
                                  3 * 48: "that is a row of all three channels; NCHW keeps them apart."}, usual),
        Part("channel, NCHW", channel, {32: "that is the height; a channel has a number for every pixel.",
                                        48: "that is a row; a channel has 32 of them.",
                                        1: "in NCHW a channel is written whole before the next one begins."}, usual),
        Part("to the right, channels-last", right_last, {
            1: "in channels-last the channels of one pixel are neighbours.",
            8: "the batch comes first in memory, too; between two pixels lie only channels."}, last),
        Part("down, channels-last", down_last, {
            48: "in channels-last a row holds all channels of its 48 pixels.",
            3 * 32: "a row is as long as the picture is wide: 48, not 32."}, last),
        Part("channel, channels-last", channel_last, {
            32 * 48: "that is the step of NCHW; here the channels of one pixel are neighbours."}, last),
        together={
            tuple(steps[3:] + steps[:3]): "the right steps, but the two layouts are exchanged.",
            (1, 32, 32 * 48, 3, 3 * 32, 1): "a row is as long as the picture is wide: 48, not 32.",
            (1, 48, 32 * 48, 1, 48, 32 * 48): "in channels-last the channels of one pixel are neighbours.",
            (3, 144, 1, 3, 144, 1): "a fresh tensor is NCHW: the numbers of one row are neighbours.",
        },
        why="The shape is (8, 3, 32, 48) both times; only the steps differ.")


@exercise("throughput")
def throughput():
    """Pictures a second at 25 % of 8 TFLOPS, one GMAC a picture"""
    right = round(8e12 * 0.25 / 2e9)
    return Numbers(
        Part("pictures a second", right, {
            2 * right: "a MAC is two operations, a multiplication and an addition.",
            4 * right: "the processor reaches only a quarter of what it could do.",
            8 * right: "a MAC is two operations, and the processor reaches only a quarter of what it could do.",
            right // 2: "two operations a MAC, not four.",
            1: "that is a thousandth; a GMAC has 10⁹, a TFLOPS 10¹² operations.",
        }, "Divide the operations that the processor really does in a second by those that a picture takes."),
        why="Work divided by speed is a time, if the speed is the one that the network really reaches.")


@exercise("top-k")
def top_k(answer):
    """top_k_error(scores, labels, k) -> the share of pictures whose label is not among the k best scores"""
    scores = torch.rand(40, 12)
    labels = torch.randint(12, (40,))

    def right(k):
        return (scores.topk(k).indices != labels[:, None]).all(1).double().mean().item()

    given = {k: call_for_number(answer, scores, labels, k) for k in (1, 2, 5, 12)}

    def says(value):
        return all(math.isclose(given[k], value(k), abs_tol=1e-6) for k in given)

    if says(right):
        return "It is right for k of 1, 2, 5, and for k as large as the number of classes, where nothing is an error."
    mistakes = {
        "that is the share of right answers; an error is what is missing to 1.": lambda k: 1 - right(k),
        "k is ignored: that is the top-1 error.": lambda _k: right(1),
        "it looks at the k lowest scores.":
            lambda k: (scores.topk(k, largest=False).indices != labels[:, None]).all(1).double().mean().item(),
        "that is a number of pictures, not a share.": lambda k: 40 * right(k),
        "that is in per cent, a share is wanted.": lambda k: 100 * right(k),
        "a picture is wrong if its label is not the k-th best; it may stand anywhere among the k best.":
            lambda k: (scores.topk(k).indices[:, -1] != labels).double().mean().item(),
        "it counts every one of the k answers; each picture counts once.":
            lambda k: (scores.topk(k).indices != labels[:, None]).double().mean().item(),
    }
    for mistake, value in mistakes.items():
        if says(value):
            raise Wrong(mistake)
    raise Wrong(f"for 40 random pictures of 12 classes it gives {given}; at k = 12 no picture can be wrong, at k = 1 "
                f"an error is every picture whose best score is not its label.")


@exercise("units")
def units():
    """Outputs of all convolutions and linear layers of the AlexNet of 1 × 3 × 227 × 227 pictures"""
    with torch.device("meta"):
        net = create_model("alexnet")
    found = summary(net, (1, 3, 227, 227))
    sizes = [(row.type, math.prod(row.output_shape)) for row in found.rows]
    right = sum(size for kind, size in sizes if kind in ("Conv2d", "Linear"))
    return Numbers(
        Part("units", right, {
            sum(size for _, size in sizes): "a ReLU, a pooling or a dropout has no units of its own here: take the "
                                            "layers with weights.",
            sum(size for kind, size in sizes if kind == "Conv2d"): "the linear layers have units, too.",
            right - 1000: "the thousand outputs are units, too.",
            found.total_params: "those are the parameters; the question is for outputs.",
            650_000: "that is the paper's round number; count.",
            622_312: "that is the sum of the numbers in the paper's figure; its first one fits no size of the map.",
        }, "Eight layers have weights, five convolutions and three linear ones. Multiply the output shape of each, and "
           "add up; the first gives 96 · 55 · 55."),
        why="The paper says 650,000 neurons.")
