"""Judges of the exercises of the Inception chapter. The questions and the solutions are in the chapter itself."""

import torch
from torch import nn
from torch.nn import functional as F

from ...experiments import separable
from ...models import Inception, NaiveInception, blueprint
from ...models.inception import AUX_WEIGHT, GoogLeNetOutputs
from ...training.evaluation import evaluating
from ..exercises import Numbers, Part, Wrong, call, call_for_number, exercise, tensor


def weights(module):
    return sum(layer.weight.numel() for layer in module.modules() if isinstance(layer, nn.Conv2d))


@exercise("growth")
def growth():
    """(maps after a naive 3a, maps after a naive 3b that follows it)"""
    with torch.device("meta"):
        first = NaiveInception(192, 64, 128, 32)
        second = NaiveInception(first.out_channels, 128, 192, 96)
    published = "that is the published form, where a 1×1 convolution follows the pooling."
    pooled = "the pooling is a branch as well, and what it makes is handed on."
    hint = "Add the maps of all four branches; the pooling hands on as many as it gets."
    return Numbers(
        Part("3a", first.out_channels, {256: published, 64 + 128 + 32: pooled}, hint),
        Part("3b", second.out_channels, {
            480: published, 128 + 192 + 96: pooled,
            128 + 192 + 96 + 192: "its pooling sees what leaves 3a, not what entered it.",
            128 + 192 + 96 + 256: "its pooling sees what leaves the naive 3a.",
        }, hint),
        why="Each naive module keeps all it was given, and adds to it.")


@exercise("change-of-basis")
def change_of_basis(answer):
    """mix(x, matrix): maps (N, C, H, W) and a matrix (K, C) -> (N, K, H, W)"""
    x, matrix, square = torch.randn(2, 4, 3, 5), torch.randn(6, 4), torch.randn(4, 4)
    turned = call(answer, x, square)        # a square one: here a transposed matrix has the right shape
    tensor(turned, F.conv2d(x, square[:, :, None, None]), "mix", {
        "the matrix is transposed: its rows are the new maps, its columns the old ones.":
            F.conv2d(x, square.T[:, :, None, None]),
        "it multiplies map by map; every new map is made of all old ones.":
            x * square.diagonal()[:, None, None],
        "the axes are out of order: (N, K, H, W) is wanted.": F.conv2d(x, square[:, :, None, None]).transpose(0, 1),
    })
    tensor(call(answer, x, matrix), F.conv2d(x, matrix[:, :, None, None]), "mix with 4 maps and 6 rows")
    return "A 1×1 convolution is a matrix, applied at every pixel."


@exercise("module")
def module(answer):
    """class Module(cin, c1, r3, c3, r5, c5, pool): an Inception module with reductions, ReLUs and biases"""
    widths = (6, 2, 3, 4, 5, 7, 8)
    theirs = call(answer, *widths)
    if not isinstance(theirs, nn.Module):
        raise Wrong(f"a torch.nn.Module is wanted, this makes a {type(theirs).__name__}.")
    x = torch.randn(2, widths[0], 9, 8)
    given = call(theirs, x)
    convs = [layer for layer in theirs.modules() if isinstance(layer, nn.Conv2d)]
    if any(isinstance(layer, nn.BatchNorm2d) for layer in theirs.modules()):
        raise Wrong("there is no BatchNorm in it; in 2014 there was none.")
    found = sorted((conv.in_channels, conv.out_channels, conv.kernel_size[0]) for conv in convs)
    cin, c1, r3, c3, r5, c5, pool = widths
    wanted = sorted([(cin, c1, 1), (cin, r3, 1), (r3, c3, 3), (cin, r5, 1), (r5, c5, 5), (cin, pool, 1)])
    known = {
        tuple(sorted([(cin, c1, 1), (cin, c3, 3), (cin, c5, 5)])): "there are no reductions in it.",
        tuple(sorted([(cin, c1, 1), (cin, r3, 1), (r3, c3, 3), (cin, r5, 1), (r5, c5, 3), (cin, pool, 1)])):
            "the third branch looks with 3×3, like torchvision's; 5×5 is wanted.",
        tuple(sorted([(cin, c1, 1), (cin, r3, 1), (r3, c3, 3), (cin, r5, 1), (r5, c5, 5)])):
            "a 1×1 convolution is missing after the pooling.",
    }
    if tuple(found) in known:
        raise Wrong(known[tuple(found)])
    if found != wanted:
        raise Wrong(f"its convolutions (in, out, window) are {found}, wanted for widths {widths}: {wanted}.")
    if any(conv.bias is None for conv in convs):
        raise Wrong("its convolutions have no biases.")
    ours = Inception(*widths)
    for branch in (ours.branch1, *ours.branch2, *ours.branch3, ours.branch4[1]):
        key = (branch.conv.in_channels, branch.conv.out_channels, branch.conv.kernel_size[0])
        same = next(c for c in convs if (c.in_channels, c.out_channels, c.kernel_size[0]) == key)
        branch.conv.load_state_dict(same.state_dict())
    right = ours(x)
    parts = right.split((c1, c3, c5, pool), 1)
    last = [branch[-1] if isinstance(branch, nn.Sequential) else branch for branch in ours.children()]
    with_negatives = _without_last_relu(ours, last, x)
    tensor(given, right, "the module", {
        "the branches are in another order; 1×1, 3×3, 5×5, pooling is wanted.":
            torch.cat([parts[i] for i in (0, 2, 1, 3)], 1),
        "the pooling comes first in it; it is wanted last.": torch.cat([parts[i] for i in (3, 0, 1, 2)], 1),
        "the last convolution of each branch has no ReLU.": with_negatives,
        "the pooled maps are averages; max pooling is wanted.": torch.cat([
            *parts[:3], last[3](F.avg_pool2d(x, 3, 1, 1))], 1),
    })
    return "It computes what ours computes, with the same weights."


def _without_last_relu(module, last, x):
    """What `module` gives if the convolutions that end its branches have no ReLU."""
    seen = []
    hooks = [layer.conv.register_forward_hook(lambda _m, _i, out: seen.append(out.clone())) for layer in last]
    module(x)
    for hook in hooks:
        hook.remove()
    return torch.cat(seen, 1)


@exercise("reductions")
def reductions():
    """(weights of module 4a, weights of its naive form), biases not counted"""
    with torch.device("meta"):
        reduced, naive = Inception(480, 192, 96, 208, 16, 48, 64), NaiveInception(480, 192, 208, 48)
    right = weights(reduced), weights(naive)
    return Numbers(
        Part("with reductions", right[0], {
            right[0] + 192 + 96 + 208 + 16 + 48 + 64: "biases are not counted here.",
            right[0] - 480 * 64: "the pooling branch has a 1×1 convolution, too.",
            right[0] - 16 * 16 * 48: "the third branch has windows of 5×5.",
            right[0] - 480 * (96 + 16): "the two reductions have weights, too.",
            480 * (192 + 9 * 96 + 25 * 16 + 64): "the 1×1 reads the 480 maps, the large window what the 1×1 makes.",
        }, "There are six convolutions: four 1×1 that read the 480 maps, a 3×3 that reads 96, a 5×5 that reads 16."),
        Part("naive", right[1], {
            right[1] + 192 + 208 + 48: "biases are not counted here.",
            right[1] + 480 * 64: "the pooling branch has no convolution there.",
            right[1] - 16 * 480 * 48: "the third branch has windows of 5×5.",
        }, "There are three convolutions, 1×1, 3×3 and 5×5, and each reads all 480 maps."),
        why=f"The reductions leave {right[0] / right[1]:.0%} of the weights.")


@exercise("stem")
def stem():
    """(weights of GoogLeNet's stem, of a 7×1 to 64 maps and a 1×7 after it, fewest maps between to equal any stem)"""
    whole = blueprint("googlenet").conv1.conv.weight
    split = sum(nn.Conv2d(before, 64, size).weight.numel() for before, size in ((3, (7, 1)), (64, (1, 7))))
    return Numbers(
        Part("the stem", whole.numel(), {
            2688: "(7 + 7) · 64 · 3 is not a 7×7 kernel; every kernel has 49 weights for each colour.",
            9472: "those are the parameters; biases are not weights.",
            49 * 64: "a kernel has weights for each of the three colours.",
            49 * 3: "that is one kernel; there are 64.",
        }, "One kernel has 49 weights for each colour; there are 64 kernels."),
        Part("the pair", split, {
            2688: "the 1×7 reads the 64 maps that the 7×1 makes, not the three colours.",
            7 * 3 * 3 + 7 * 3 * 64: "here 64 maps stand between the two, not 3.",
            7 * 64 * 64 * 2: "the 7×1 reads three colours.",
            7 * 64 * 64: "the 7×1 has weights, too.",
        }, "Add two convolutions: a 7×1 from 3 to 64 maps, a 1×7 from 64 to 64."),
        Part("maps between", min(separable.matrix(whole).shape), {
            7: "that would do for one colour.",
            1: "one map between makes kernels of rank 1.",
            3: "a colour needs as many as its kernels have rows.",
            64: "fewer will do; the matrix has one row for each colour and place down.",
            448: "the matrix has that many columns, but fewer rows.",
        }, "Write the stem as a matrix: a row for each colour and place down, a column for each new map and place "
           "across. How large can its rank be?"),
        why="To be able to do all that the stem does, the pair would have to be dearer than the stem.")


@exercise("break-even")
def break_even():
    """most maps between n×1 and 1×n, from 64 to 192 maps, without more weights than the n×n: (n = 3, n = 7)"""
    def part(n):
        right = max(m for m in range(1, 1000) if n * m * (64 + 192) <= n * n * 64 * 192)
        return Part(f"n = {n}", right, {
            n * 32: "that is for 64 maps before and 64 after.",
            right - 1: "as many weights are still no more.",
            right + 1: "with that many the pair has more weights.",
            64: "with 64 between it pays; how far can one go?",
            64 * n: "the n×1 has weights, too: add both halves.",
            192 * n: "the 1×n has weights, too: add both halves.",
        }, "With m maps between, the pair has n·64·m + n·m·192 weights; set that equal to those of the n×n.")

    return Numbers(part(3), part(7), why="The larger the window, the more maps the pair may have.")


@exercise("rank")
def rank():
    """ranks of a plus, of a cross of diagonals and of a chessboard, each 5×5"""
    eye, middle = torch.eye(5), torch.zeros(5, 5)
    middle[2] = middle[:, 2] = 1
    sign = (-1.0) ** torch.arange(5)
    kernels = (middle, torch.maximum(eye, eye.flip(0)), sign[:, None] * sign)
    plus, cross, chessboard = (separable.rank(kernel[None, None]) for kernel in kernels)
    always = "that many always do; how few will?"
    hint = "Write the five rows down and strike out each that is a sum of multiples of others; count what is left."
    return Numbers(
        Part("plus", plus, {1: "two bars, and all rows but one differ from the middle row.", 5: always,
                            3: "all rows but the middle one are equal."}, hint),
        Part("cross", cross, {
            2: "a diagonal line is not one product of a column and a row; count the different rows.",
            5: "rows that are equal, or multiples of each other, need only one map.",
            4: "rows that are equal need only one map: compare the first with the last.",
        }, hint),
        Part("chessboard", chessboard, {2: "a row that is minus another is a multiple of it.", 5: always}, hint),
        why="Count the rows that are not sums of multiples of others.")


@exercise("separate")
def separate(answer):
    """separate(kernel): column (k,) and row (k,) whose product is the nearest to the kernel (k, k)"""
    for kernel in (torch.outer(torch.tensor([1.0, 2, 1]), torch.tensor([-1.0, 0, 1])), torch.randn(5, 5)):
        pair = call(answer, kernel)
        shapes = [tuple(getattr(part, "shape", ())) for part in pair] if isinstance(pair, (tuple, list)) else None
        if shapes != [(len(kernel),)] * 2:
            raise Wrong(f"a pair of vectors with {len(kernel)} numbers each is wanted, this is {shapes or pair!r}.")
        product = pair[0][:, None] * pair[1][None]
        u, s, v = torch.linalg.svd(kernel)
        tensor(product, s[0] * u[:, :1] * v[:1], "the product of column and row", {
            "the singular value is missing: the product is too small or too large.": u[:, :1] * v[:1],
            "the singular value is in both vectors; it belongs there once.": s[0] ** 2 * u[:, :1] * v[:1],
            "column and row are exchanged.": (s[0] * u[:, :1] * v[:1]).T,
            "row: torch.linalg.svd gives the rows of the third matrix; you took its first column.":
                s[0] * u[:, :1] * v[:, :1].T,
        })
    return "For a kernel of rank 1 it is the kernel itself, for any other the nearest there is."


@exercise("head")
def head():
    """parameters from 512 maps to 1000 classes: (flattened 7×7, averaged, flattened 14×14)"""
    flat, averaged, large = (512 * places * 1000 + 1000 for places in (49, 1, 196))
    bias = "there is one bias for each class."
    return Numbers(
        Part("flattened", flat, {flat - 1000: bias, 512 * 7 * 1000 + 1000: "a map of 7×7 has 49 places.",
                                 averaged: "that is after averaging; flattened, every place is a number of its own."},
             "How many numbers are there after flattening 512 maps of 7×7? Each has a weight for each class."),
        Part("averaged", averaged, {averaged - 1000: bias, flat: "an average is one number a map.",
                                    49 * 1000 + 1000: "a map becomes one number, and there are 512 maps."},
             "How many numbers are there after averaging? Each has a weight for each class."),
        Part("flattened, larger pictures", large, {
            large - 1000: bias, flat: "with flattening every place has its weights.",
            2 * 512 * 49 * 1000 + 1000: "twice as wide and twice as high makes four times as many places.",
            512 * 14 * 1000 + 1000: "a map of 14×14 has 14 rows and 14 columns.",
            4 * flat: "the weights are four times as many, the biases are not.",
        }, "How many places has a map of 14×14? Then as for 7×7."),
        together={(averaged, flat, large): "the first two are exchanged."},
        why="Only the averaged head is the same for every picture.")


@exercise("activation-map")
def activation_map(answer):
    """activation_map(maps (K, H, W), weight (classes, K), label) -> (H, W), whose mean and the bias are the score"""
    maps, weight = torch.rand(5, 3, 4), torch.randn(7, 5)
    for label in (2, 6):
        right = (weight[label, :, None, None] * maps).sum(0)
        tensor(call(answer, maps, weight, label), right, "activation_map", {
            "it averages over the maps; their weighted sum is wanted.": right / 5,
            "its sum over places is the score; here the mean is wanted.": right / 12,
            "negative places are cut off; they speak against the class and belong to it.": right.relu(),
            "those are the maps of all classes.": torch.einsum("ck,khw->chw", weight, maps),
            "the weights of the class are missing.": maps.sum(0),
        })
    return "Its mean over all places is the score without the bias."


@exercise("agreement")
def agreement(answer):
    """agreement(model, images, pixels): share of the pictures whose answer stays when they move to the right"""
    images = torch.zeros(8, 1, 4, 6)
    images[torch.arange(8), 0, 1, torch.arange(8) % 6] = torch.arange(1.0, 9)
    images[6:] = 1.0                    # two that look the same wherever they are moved

    def share_of(model, pixels):
        with evaluating(model), torch.no_grad():
            return (model(images).argmax(1) == model(images.roll(pixels, 3)).argmax(1)).float().mean().item()

    for model in (Total(), Places()):
        for pixels in (0, 2, 6, -1):
            right, given = share_of(model, pixels), call_for_number(answer, model.train(), images.clone(), pixels)
            if abs(given - right) < 1e-6:
                continue
            for mistake, wrong in {
                "that is the share of answers that change; those that stay are wanted.": 1 - right,
                "that is a number of pictures; a share is wanted.": right * len(images),
                "that is in per cent; a share from 0 to 1 is wanted.": 100 * right,
            }.items():
                if abs(given - wrong) < 1e-6:
                    raise Wrong(mistake)
            raise Wrong(f"for a test network moved by {pixels} pixels it says {given:.3g}, and {right:.3g} is right. "
                        "Is the network in evaluation mode? Is the width moved (axis 3), and to the right?")
    return "It needs no labels: it asks whether the network agrees with itself."


@exercise("loss")
def loss(answer):
    """loss(outputs, labels): cross-entropy of the last classifier plus 0.3 of each head; of logits alone without"""
    labels = torch.tensor([0, 2, 1, 2])
    outputs = GoogLeNetOutputs(*(torch.randn(4, 3) for _ in range(3)))
    last, aux2, aux1 = (F.cross_entropy(part, labels) for part in outputs)
    given = call(answer, outputs, labels)
    if not isinstance(given, torch.Tensor):
        raise Wrong(f"loss gives {type(given).__name__}, a tensor is wanted: backward starts from it.")
    summed = [F.cross_entropy(part, labels, reduction="sum") for part in outputs]
    tensor(given, last + AUX_WEIGHT * (aux1 + aux2), "loss", {
        "the heads are missing.": last,
        "the heads count as much as the last classifier; their weight is 0.3.": last + aux1 + aux2,
        "only one head is in it.": last + AUX_WEIGHT * aux2,
        "only the earlier head is in it.": last + AUX_WEIGHT * aux1,
        "0.3 belongs to the heads, not to the last classifier.": AUX_WEIGHT * last + aux1 + aux2,
        "everything is multiplied by 0.3.": AUX_WEIGHT * (last + aux1 + aux2),
        "it is the mean of both heads that counts 0.3; each of them does.": last + AUX_WEIGHT * (aux1 + aux2) / 2,
        "the order is (logits, aux2, aux1): the last classifier comes first.": aux1 + AUX_WEIGHT * (last + aux2),
        "it adds over the pictures; the mean is wanted.": summed[0] + AUX_WEIGHT * (summed[1] + summed[2]),
    })
    alone = call(answer, outputs.logits, labels)
    tensor(alone, last, "loss of one tensor, as in evaluation,")
    return "In evaluation, with one tensor, it is the cross-entropy alone."


class Places(nn.Module):
    """A network whose answer is the column of the brightest pixel; in training it is always the same one."""

    def forward(self, x):
        columns = x.sum((1, 2))
        return 0 * columns if self.training else columns


class Total(nn.Module):
    """A network that does not ask where."""

    def forward(self, x):
        return torch.stack([x.sum((1, 2, 3)), x.new_full((len(x),), 2.5)], 1)


@exercise("head-size")
def head_size():
    """(parameters of GoogLeNet's first auxiliary head, their share in the network with this head, in whole per cent)"""
    head = blueprint("googlenet").aux1
    convolution, first, last = (sum(p.numel() for p in part.parameters()) for part in (head.conv, head.fc1, head.fc2))
    rest = sum(p.numel() for p in blueprint("googlenet", aux_logits=False).parameters())

    def share(parameters):
        return round(100 * parameters / (parameters + rest))

    right = convolution + first + last
    slips = {
        512 * 4 * 4 * 1024 + 1024 + last:
            "the 1×1 convolution comes before flattening: the dense layer reads 128 maps, not 512.",
        right - 128 - 1024 - 1000: "each of the three layers has biases, too.",
        convolution + 128 * 1024 + 1024 + last: "the average leaves 4×4 places of each map.",
        convolution + 128 * 5 * 5 * 1024 + 1024 + last:
            "windows of 5×5 with stride 3 fit on 14 pixels at 0, 3, 6 and 9: 4 places a side.",
        first + last: "the 1×1 convolution has parameters, too.",
        convolution + first: "the second dense layer, to 1000 classes, is missing.",
    }
    return Numbers(
        Part("parameters", right, slips, "Three layers have parameters: the 1×1 convolution from 512 to 128 maps, the "
             "dense layer from all that is flattened to 1024, the dense layer to 1000. How large are the maps after "
             "the average?"),
        Part("per cent", share(right), {round(100 * right / rest): "of the whole network, the head itself included.",
                                        100 - share(right): "that is the share of the rest."},
             "Divide the head's parameters by those of the whole network with this head, and round."),
        together={(slip, share(slip)): f"parameters: {told}" for slip, told in slips.items()},
        why="Most of it is in the first dense layer, and all of it is thrown away after training.")
