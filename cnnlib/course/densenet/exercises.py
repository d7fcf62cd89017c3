"""Judges of the exercises of the DenseNet chapter. The questions and the solutions are in the chapter itself."""

import copy
import math

import torch
from torch import nn

from ... import randomness
from ...anatomy import kept_bytes, of, summary
from ...data import load
from ...experiments import reuse
from ...files import DATA
from ...models import DenseBlock, DenseLayer, DenseNet, blueprint, create_model
from ...training import evaluate, load_weights
from ..exercises import Numbers, Part, Wrong, call, call_for_number, exercise, plain, tensor


def block_outputs(net):
    """Channels that each dense block hands on."""
    return [list(reuse.sources(net, block).values())[-1].stop for block in reuse.blocks(net)]


@exercise("connections")
def connections():
    """(connections of a dense block of 24 layers, of all four blocks of DenseNet-169)"""
    def links(layers):
        return layers * (layers + 1) // 2

    sizes = [len(reuse.readers(blueprint("densenet169"), block)) - 1 for block in (1, 2, 3, 4)]
    whole = sum(map(links, sizes))
    source = "what enters the block is a source, too: the first layer has one connection, not none."
    square = "no layer reads a later one: only half of the square is filled."
    plain = "an ordinary network has one connection a layer; here a layer reads all before it."
    after = "the transition or classifier after a block is not one of its layers here."
    return Numbers(
        Part("one block", links(24), {links(23): source, 24 * 24: square, 24: plain, links(25): after},
             "The first layer reads one source, the second two, and so on: add up to the last one."),
        Part("DenseNet-169", whole, {
            sum(links(n - 1) for n in sizes): source, sum(n * n for n in sizes): square, sum(sizes): plain,
            sum(links(n + 1) for n in sizes): after,
            links(sum(sizes)): "no connection crosses a transition, count each block by itself.",
            whole - links(32): "there are four blocks, two of them with 32 layers.",
        }, "Count each of the four blocks by itself, as the first one, and add."),
        why=f"Between the blocks nothing is skipped: {whole:,} and not {links(sum(sizes)):,}.")


@exercise("ledger")
def ledger():
    """(channels that layer 9 reads, channels that the block hands on) for nine layers, k0 = 48, k = 24"""
    net = DenseNet((9,), 24, stem="cifar", stem_channels=48)
    reads, hands_on = reuse.readers(net, 1)[8].layer.in_channels, block_outputs(net)[0]
    entered = "what enters the block is read, too."
    return Numbers(
        Part("layer 9 reads", reads, {
            hands_on: "the first layer reads what enters the block and nothing else: one step less.",
            9 * 24: entered, 8 * 24: entered, 48: "the old maps stay and the new ones come to them.",
            24: "that is what a layer makes, not what it reads.",
        }, "The first layer reads the 48 that enter; each further one reads 24 more."),
        Part("the block hands on", hands_on, {
            hands_on + 24: "there are nine layers, not ten.",
            10 * 24: "either what enters the block is missing, or what its last layer makes.",
            9 * 24: entered, 48: "the old maps stay and the new ones come to them.",
            24: "a layer makes 24 maps, the block hands on all that it has.",
        }, "It hands on the 48 that entered and the 24 of each of its nine layers."),
        together={(hands_on, hands_on + 24): "layer 9 reads: the first layer reads what enters the block and nothing "
                                             "else: one step less."},
        why="A layer makes k maps, whatever it reads.")


@exercise("widths")
def widths(answer):
    """widths(stem, blocks, k, theta) -> the channels that each dense block hands on"""
    cases = [(16, (3, 3), 8, 1.0), (64, (6, 12, 24, 16), 32, 1.0), (64, (6, 12, 24, 16), 32, 0.5),
             (24, (16, 16, 16), 12, 0.5), (10, (2, 3, 1), 5, 0.7)]
    given = {case: plain(call(answer, *case)) for case in cases}
    if any(not isinstance(value, (list, tuple)) for value in given.values()):
        raise Wrong(f"a list is wanted, one number a block; it gives {given[cases[0]]!r}.")
    given = {case: [*map(plain, value)] for case, value in given.items()}
    right = {case: block_outputs(_small(*case)) for case in cases}
    if given == right:
        if not all(isinstance(width, int) for value in given.values() for width in value):
            raise Wrong("the values are right, but channels are whole numbers: take int(...) of what theta leaves.")
        return f"It agrees with the networks in all {len(cases)} cases tried."
    mistakes = {
        "that is the wrong formula of the chapter: a block of L layers adds k·L, not k·(L − 1).": dict(each=-1),
        "theta is not used.": dict(keep=1.0),
        "a transition keeps a share of all that the block hands on, not only of what was added.": dict(of="added"),
        "that is what the transitions leave; the question is what the blocks hand on to them.": dict(after=True),
        "every block begins with what the transition left of the one before, not with the stem.": dict(reset=True),
        "without int(...) the halves remain; a transition rounds down.": dict(whole=False),
    }
    for mistake, how in mistakes.items():
        if all(given[case] == _widths(*case, **how) for case in cases):
            raise Wrong(mistake)
    case = next(case for case in cases if given[case] != right[case])
    raise Wrong(f"widths{case} gives {given[case]}, and the network has {right[case]}. "
                "Go through it block by block: what enters, what L layers add, what the transition leaves.")


def _small(stem, blocks, k, theta):
    with torch.device("meta"):
        return DenseNet(blocks, k, bottleneck=False, compression=theta, stem="cifar", stem_channels=stem)


def _widths(channels, blocks, k, theta, each=0, keep=None, of="all", after=False, reset=False, whole=True):
    """The channels after the blocks, with one of the usual mistakes."""
    stem, found, theta = channels, [], theta if keep is None else keep
    for layers in blocks:
        start = stem if reset else channels
        end = start + k * (layers + each)
        left = start + (end - start) * theta if of == "added" else end * theta
        left = int(left) if whole else left
        found.append(left if after else end)
        channels = left
    return found


@exercise("block")
def block(answer):
    """dense_block(layers, x): modules that turn (N, c + i·k, H, W) into (N, k, H, W) -> (N, c + len(layers)·k, H, W)"""
    reference = DenseBlock(3, 6, 4, bottleneck=False).eval()
    layers, x = list(reference.values()), torch.randn(2, 6, 5, 5)
    maps = [x]
    for layer in layers:
        maps.append(layer(torch.cat(maps, 1)))

    def chain(join):
        joined = x
        for layer, width in zip(layers, (6, 10, 14), strict=True):
            joined = join(joined, layer(joined[:, :width]))
        return joined

    tensor(call(answer, layers, x.clone()), reference(x), "the block", {
        "new maps stand before old ones. Every weight then meets another map than the one it was trained for.":
            chain(lambda old, new: torch.cat([new, old], 1)),
        "that is what the last layer makes; a block hands on everything.": maps[-1],
        "what entered the block is missing.": torch.cat(maps[1:], 1),
        "the maps are right, but the last ones made stand first.": torch.cat(maps[::-1], 1),
        "the maps of the last layer are missing.": torch.cat(maps[:-1], 1),
    })
    return "Bit by bit the block of the library, up to rounding."


@exercise("bottleneck")
def bottleneck():
    """the fewest input channels for which a dense layer of k = 12 has fewer weights with a bottleneck than without"""
    def weights(channels, narrow):
        layer = DenseLayer(channels, 12, bottleneck=narrow)
        return sum(m.weight.numel() for m in layer.modules() if isinstance(m, nn.Conv2d))

    with torch.device("meta"):
        right = next(c for c in range(1, 500) if weights(c, True) < weights(c, False))
        paid = next(c for c in range(1, 500) if 4 * 12 * c < 9 * 12 * c - 9 * 12 * 12)
    return Numbers(
        Part("input channels", right, {
            right - 1: "there the bottleneck still has more weights; write both counts down for this width.",
            right + 1: "with one fewer it has fewer weights already.",
            48: "that is the width of the bottleneck. The 3×3 after it has weights, too.",
            49: "that is where the bottleneck becomes narrower than its input; the 3×3 after it has weights, too.",
            paid: "the 3×3 after the bottleneck reads 4k maps, not k.",
            108: "the 3×3 has nine weights for each pair of maps; the 1×1 has weights, too.",
        }, "Without: a 3×3 from c to k maps. With: a 1×1 from c to 4k, then a 3×3 from 4k to k. Set both equal."),
        why="From about 7.2 k on. A layer that reads less is better off without: in a short block B costs weights.")


@exercise("depth")
def depth():
    """(layers of the network of blocks (6, 12, 48, 32), layers in each of the three blocks of DenseNet-BC 250)"""
    name = sum(row.type in ("Conv2d", "Linear") for row in of("densenet201").rows)
    layers = len(reuse.readers(blueprint("densenet_bc250_k24"), 1)) - 1
    return Numbers(
        Part("the network's layers", name, {
            98: "a dense layer with bottleneck has two convolutions, and stem, transitions and classifier count.",
            103: "a dense layer with bottleneck has two convolutions.",
            196: "stem, transitions and classifier have weights, too.",
            198: "the three transitions have weights, too.",
            200: "one of stem, three transitions and classifier is missing.",
        }, "Two convolutions a dense layer, then stem, three transitions and classifier."),
        Part("layers a block", layers, {
            82: "with bottleneck a dense layer has two layers with weights.",
            123: "that is all dense layers of the network; there are three blocks.",
            83: "with bottleneck a dense layer has two layers with weights.",
        }, "Take stem, two transitions and classifier away from 250; what is left is in three equal blocks, two "
           "convolutions a dense layer."),
        why="The number in a name counts convolutions and linear layers of the whole network.")


@exercise("one-picture")
def one_picture():
    """(pictures misread at 0.85 % of 355, fewest test pictures of which one is at most a tenth of a point)"""
    return Numbers(
        Part("misread", round(0.0085 * 355), {
            302: "0.85 % is 0.0085, not 0.85.", 352: "those are the pictures that it reads.",
            30: "0.85 % is 0.0085, not 0.085.",
        }, "Take 0.85 of a hundredth of 355, and round to whole pictures."),
        Part("needed", 1000, {
            100: "with 100 pictures one is a whole point.",
            10: "a tenth of a point is 0.1 %, not a tenth of all pictures.",
            355: "of 355 pictures one is 0.28 points.",
            10_000: "that is more than enough: there one picture is a hundredth of a point.",
        }, "A point is a hundredth of the test set. Of how many pictures is one a tenth of a point?"),
        why="Differences smaller than a picture or two say nothing, however many digits they are printed with.")


@exercise("apart")
def apart(answer):
    """apart(a, b): errors of the seeds of two networks -> True if all seeds of one are better than all of the other"""
    cases = {((0.1, 0.2), (0.3, 0.4)): True, ((0.3, 0.4), (0.1, 0.2)): True, ((0.1, 0.3), (0.2, 0.4)): False,
             ((0.2, 0.4), (0.1, 0.3)): False, ((0.1, 0.4), (0.2, 0.3)): False, ((0.2, 0.3), (0.1, 0.5)): False,
             ((0.4, 0.1, 0.2), (0.6, 0.5)): True, ((0.1, 0.2), (0.2, 0.3)): False}
    given = {case: plain(call(answer, *map(list, case))) for case in cases}

    def better(a, b):
        return max(a) < min(b)

    def in_pairs(a, b):
        return all(x < y for x, y in zip(a, b, strict=False))

    mistakes = {
        "the second network may be the better one, too.": better,
        "a seed that both share, 0.2 here, is no better than itself.":
            lambda a, b: max(a) <= min(b) or max(b) <= min(a),
        "that compares the means; their seeds may overlap all the same.":
            lambda a, b: sum(a) / len(a) != sum(b) / len(b),
        "seeds are not pairs: each of one must be better than each of the other.":
            lambda a, b: in_pairs(a, b) or in_pairs(b, a),
        "that is the opposite: it is True where they overlap.": lambda a, b: not (better(a, b) or better(b, a)),
    }
    if given == cases:
        return "With two seeds each that happens by luck one time in three; with three each, one time in ten."
    for mistake, formula in mistakes.items():
        if all(given[case] == formula(*case) for case in cases):
            raise Wrong(mistake)
    case = next(case for case in cases if given[case] != cases[case])
    raise Wrong(f"apart{case} gives {given[case]!r}; look at the worst seed of one and the best of the other.")


@exercise("strength")
def strength(answer):
    """strength(weight, k0, k): (new, k0 + n·k, 1, 1) -> mean absolute weight of each of the n + 1 sources, a list"""
    net = DenseNet((3,), 4, stem="cifar", stem_channels=6)
    weight = reuse.readers(net, 1)[2].layer.weight.detach()
    right = reuse.weight_map(net, 1)[:3, 2]
    given = call(answer, weight.clone(), 6, 4)
    try:
        given = torch.as_tensor([float(value) for value in given])
    except (TypeError, ValueError):
        raise Wrong(f"a list of numbers is wanted, one a source; this is {given!r}.") from None
    parts = weight.flatten(1).split([6, 4, 4], 1)
    tensor(given, right, "the list", {
        "signs cancel: take the absolute values first.": torch.stack([p.mean() for p in parts]),
        "those are sums; the input has more maps than a layer and would look stronger than it is.":
            torch.stack([p.abs().sum() for p in parts]),
        "those are the largest weights, not the mean ones.": torch.stack([p.abs().amax() for p in parts]),
        "the first k0 maps are one source: what entered the block.":
            torch.stack([p.abs().mean() for p in weight.flatten(1).split(4, 1)]),
        "those are roots of mean squares.": torch.stack([p.square().mean().sqrt() for p in parts]),
        "the newest source stands first; begin with what entered the block.": right.flip(0),
    })
    return "One column of the heat map."


@exercise("lesion")
def lesion(answer):
    """error_without(net, block, source, images): test error when nobody in the block reads this source any more"""
    net, images = create_model("densenet_bc40_k4", in_channels=1), load("digits").test
    load_weights(net, DATA / "weights" / "digits-densenet_bc40_k4.safetensors")
    net.eval()
    before = copy.deepcopy(net.state_dict())

    def error(connections):
        return evaluate(reuse.without(net, connections), images)["error"]

    def all_of(block, source):
        return [(block, source, reader) for reader in range(source, len(reuse.readers(net, block)))]

    cases = [(1, 0), (1, 5), (2, 2)]
    given = {case: call_for_number(answer, net, *case, images) for case in cases}
    if any(not torch.equal(value, before[name]) for name, value in net.state_dict().items()):
        raise Wrong("the network is changed afterwards: cut a copy of it.")
    if net.training:
        raise Wrong("the network is in training mode afterwards.")
    right = {case: error(all_of(*case)) for case in cases}
    mistakes = {
        "nothing is cut.": lambda block, source: error([]),
        "only the last reader is cut off; the layers of the block read this source, too.":
            lambda block, source: error(all_of(block, source)[-1:]),
        "what follows the block, a transition or the classifier, still reads this source.":
            lambda block, source: error(all_of(block, source)[:-1]),
        "that is the accuracy.": lambda block, source: 1 - error(all_of(block, source)),
        "the source next to it was cut: source 0 is what enters the block.":
            lambda block, source: error(all_of(block, source + 1)),
    }
    if all(math.isclose(given[case], right[case], abs_tol=1e-9) for case in cases):
        return "Cut, evaluated, and the network is as it was."
    for mistake, wrong in mistakes.items():
        if all(math.isclose(given[case], wrong(*case), abs_tol=1e-9) for case in cases):
            raise Wrong(mistake)
    case = next(case for case in cases if not math.isclose(given[case], right[case], abs_tol=1e-9))
    raise Wrong(f"block {case[0]}, source {case[1]} gives {given[case]:.3f}, where {right[case]:.3f} is the error. "
                "Set to 0, in a copy, the weights with which every later layer, and what follows the block, read it.")


@exercise("unequal-work")
def unequal_work():
    """(parameters of a 3×3 convolution from 100 maps to 12, its MACs on maps of 32×32, on maps of 8×8)"""
    parts = [summary(nn.Conv2d(100, 12, 3, padding=1, bias=False), (1, 100, side, side)) for side in (32, 8)]
    parameters = parts[0].total_params

    def work(name, right, side):
        return Part(name, right, {
            parameters: "each weight is used once for every place of the map.",
            parameters * side: "a map has height times width places.",
            parameters * (side - 2) ** 2: "with padding the maps keep their size.",
            right // 9: "a kernel of 3×3 has nine weights for each pair of maps.",
            right // 100: "each of the 12 maps reads all 100.",
            2 * right: "a multiplication with its addition counts once.",
        }, "Every weight is used once at each place of the map: parameters times height times width.")

    return Numbers(
        Part("parameters", parameters, {
            100 * 12: "a kernel of 3×3 has nine weights for each pair of maps.",
            12 * 9: "each of the 12 maps reads all 100.", parameters + 12: "there is no bias.",
        }, "How many pairs of an old and a new map are there, and how many weights has each pair?"),
        work("MACs on 32×32", parts[0].total_macs, 32), work("MACs on 8×8", parts[1].total_macs, 8),
        why=f"Equal parameters, {parts[0].total_macs // parts[1].total_macs} times the work: it depends on the maps "
            "that a layer works on.")


@exercise("closest")
def closest(answer):
    """closest(a, b): two lists of costs above 0 -> the places (i, j) whose costs have the ratio nearest to 1"""
    cases = [((100, 1000), (205, 2001)), ((1000, 10), (1100, 30)), ((7,), (1, 5, 50)), ((3, 90, 200), (100, 2)),
             ((50, 400), (60, 300))]

    def best(a, b, far):
        return min(((i, j) for i in range(len(a)) for j in range(len(b))), key=lambda pair: far(a[pair[0]], b[pair[1]]))

    right = {case: best(*case, lambda x, y: max(x / y, y / x)) for case in cases}
    given = {case: plain(call(answer, *map(list, case))) for case in cases}
    if any(not isinstance(pair, (tuple, list)) or len(pair) != 2 for pair in given.values()):
        raise Wrong(f"two places (i, j) are wanted, it gives {given[cases[0]]!r}.")
    given = {case: tuple(map(plain, pair)) for case, pair in given.items()}
    if given == right:
        return "So the book's tables choose the two networks that they compare."
    mistakes = {
        "that is the smallest difference; large costs are then never alike. Take the ratio.":
            lambda a, b: best(a, b, lambda x, y: abs(x - y)),
        "a ratio below 1 is not close: 1/5 is as far from 1 as 5 is.": lambda a, b: best(a, b, lambda x, y: x / y),
        "that is the pair that is least alike.": lambda a, b: best(a, b, lambda x, y: -max(x / y, y / x)),
        "the place in `a` comes first.": lambda a, b: best(a, b, lambda x, y: max(x / y, y / x))[::-1],
    }
    for mistake, formula in mistakes.items():
        if all(given[case] == formula(*case) for case in cases):
            raise Wrong(mistake)
    case = next(case for case in cases if given[case] != right[case])
    raise Wrong(f"closest{case} gives {given[case]}; another pair is closer. Take the larger of each two costs "
                "divided by the smaller, and look for the least of these.")


@exercise("threshold")
def threshold():
    """(smallest side at which the temporaries of one picture outweigh the weights for k = 24, the same for four)"""
    def side(batch):
        return next(s for s in range(1, 100) if 2 * batch * s * s > 9 * 24)

    equal, places = "there the weights are still more.", "that is the number of places, height times width."
    two = "solve 2·N·W·H > 9·k: there is a 2 on one side."
    hint = "Try a side in 2·N·W·H > 9·k, N being the pictures of the batch: which is the first that fulfils it?"
    return Numbers(
        Part("one picture", side(1), {side(1) - 1: equal, 108: places, 109: places, 15: two}, hint),
        Part("four pictures", side(4), {
            side(4) - 1: equal, 27: places, 28: places, 8: two,
            side(1): "every picture of a batch has temporaries of its own; the weights are there once.",
            2 * side(1): "more pictures have more temporaries, so that smaller maps are enough.",
        }, hint),
        why="The last maps of an ImageNet network, 7×7, are below it with one picture and above it with four.")


@exercise("deepest")
def deepest():
    """(layers of a block whose temporaries fit in 1 GiB, layers whose maps alone do): k0 = k = 12, 16×16, batch 64"""
    unit = 4 * 64 * 16 * 16 * 12
    naive = next(n for n in range(1, 10_000) if unit * (n + 1) * (n + 2) > 2**30)
    lean = next(n for n in range(1, 100_000) if unit * (n + 2) > 2**30)
    over, bytes_ = "that is the first that does not fit.", "a float32 has four bytes."
    return Numbers(
        Part("temporaries", naive, {
            naive + 1: over, math.isqrt(4 * 2**30 // unit): bytes_,
            int(math.sqrt(2 * 2**30 / unit)): "every layer keeps two temporaries, what BatchNorm read and what ReLU "
                                              "gave: k·L·(L + 1) and not half of it.",
            next(n for n in range(10_000) if unit / 64 * (n + 1) * (n + 2) > 2**30): "a batch has 64 pictures.",
        }, "How many bytes have k maps of all 64 pictures? L·(L + 1) times that is to fit in 1 GiB."),
        Part("maps alone", lean, {
            lean + 1: "what enters the block is one more portion of k maps.",
            4 * (lean + 2): bytes_, 4 * (lean + 1): bytes_, 4 * (lean + 1) + 1: bytes_,
            64 * (lean + 1): "a batch has 64 pictures.",
        }, "How many portions of k maps, of all 64 pictures, fit in 1 GiB? One of them is what enters."),
        together={(naive + 1, lean + 1): over},
        why=f"{lean // naive} times as deep: that is the difference between L² and L.")


@exercise("recompute")
def recompute(answer):
    """recompute(layer, x): layer(x), keeping only x for the backward pass, and BatchNorm's averages as in layer(x)"""
    def after(run):
        randomness.seed(1)
        layer, x = DenseLayer(6, 4).train(), torch.randn(4, 6, 5, 5, requires_grad=True)
        for _ in range(2):                                  # two steps: a second update too many shows in each
            y = run(layer, x)
            _must_be_a_result(y)
            y.square().sum().backward()
        gradients = [p.grad for p in layer.parameters()]
        return y.detach(), x.grad, gradients, [b.clone() for b in layer.buffers()]

    with torch.enable_grad():
        y, x_grad, gradients, buffers = after(lambda layer, x: layer(x))
        try:
            got, got_x, got_gradients, got_buffers = after(lambda layer, x: call(answer, layer, x))
        except RuntimeError as error:
            raise Wrong(f"the backward pass stops: {str(error).splitlines()[0]}") from None
        layer, x = DenseLayer(6, 4).train(), torch.randn(4, 6, 5, 5)
        kept = kept_bytes(_Called(layer, answer), x.requires_grad_())
    tensor(got, y, "the output")
    if got_x is None or any(g is None for g in got_gradients):
        raise Wrong("some gradients are missing: what is computed without autograd has none.")
    if not all(torch.allclose(a, b, atol=1e-5) for a, b in zip([got_x, *got_gradients], [x_grad, *gradients],
                                                              strict=True)):
        raise Wrong("the output is right, the gradients are not.")
    counts = [int(b) for b in got_buffers if b.ndim == 0]
    if counts != [2, 2]:
        raise Wrong(f"two steps were made, and BatchNorm has counted {max(counts)} batches: it was moved by the "
                    "second run, too." if max(counts) > 2 else "BatchNorm has not counted both steps.")
    if not all(torch.equal(a, b) for a, b in zip(got_buffers, buffers, strict=True)):
        raise Wrong("the number of batches is right, but the averages are others than those of the plain call.")
    if kept > 1.5 * x.numel() * x.element_size():
        raise Wrong(f"all is right, but {kept:,} bytes are kept, where x alone has {x.numel() * x.element_size():,}.")
    return "Output, gradients and averages are those of the plain call, and only x is kept."


class _Called(nn.Module):
    """A reader's function of a layer and its input, as a module of the input."""

    def __init__(self, layer, function):
        super().__init__()
        self.layer, self.function = layer, function

    def forward(self, x):
        return self.function(self.layer, x)


def _must_be_a_result(y):
    if not isinstance(y, torch.Tensor):
        raise Wrong(f"recompute gives {type(y).__name__}, a tensor is wanted.")
    if not y.requires_grad:
        raise Wrong("the result knows no gradients: it was computed without autograd.")
