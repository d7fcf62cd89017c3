"""Judges of the exercises of the Inception chapter. The questions and the solutions are in the chapter itself."""

import torch
from torch import nn
from torch.nn import functional as F

from ...experiments import separable
from ...models import Inception, NaiveInception, blueprint
from ...models.inception import AUX_WEIGHT, GoogLeNetOutputs
from ...training.evaluation import evaluating
from ..exercises import Wrong, call, exercise, number, numbers, tensor


def weights(module):
    return sum(layer.weight.numel() for layer in module.modules() if isinstance(layer, nn.Conv2d))


@exercise("growth")
def growth(answer):
    """(maps after a naive 3a, maps after a naive 3b that follows it)"""
    with torch.device("meta"):
        first = NaiveInception(192, 64, 128, 32)
        second = NaiveInception(first.out_channels, 128, 192, 96)
    numbers(answer, (first.out_channels, second.out_channels), ("3a", "3b"), {
        (256, 480): "that is the published form, where a 1×1 convolution follows the pooling.",
        (64 + 128 + 32, 128 + 192 + 96): "the pooling is a branch as well, and what it makes is handed on.",
        (first.out_channels, 128 + 192 + 96 + 192): "3b: its pooling sees what leaves 3a, not what entered it.",
        (first.out_channels, 128 + 192 + 96 + 256): "3b: its pooling sees what leaves the naive 3a.",
    })
    return "Each naive module keeps all it was given, and adds to it."


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
def reductions(answer):
    """(weights of module 4a, weights of its naive form), biases not counted"""
    with torch.device("meta"):
        reduced, naive = Inception(480, 192, 96, 208, 16, 48, 64), NaiveInception(480, 192, 208, 48)
    right = weights(reduced), weights(naive)
    biases = 192 + 96 + 208 + 16 + 48 + 64
    numbers(answer, right, ("with reductions", "naive"), {
        right[::-1]: "the right numbers in the wrong order: the reduced module comes first.",
        (right[0] + biases, right[1] + 192 + 208 + 48): "biases are not counted here.",
        (right[0] - 480 * 64, right[1]): "with reductions: the pooling branch has a 1×1 convolution, too.",
        (right[0], right[1] + 480 * 64): "naive: the pooling branch has no convolution there.",
        (right[0] - 16 * 16 * 48, right[1]): "with reductions: the third branch has windows of 5×5.",
        (480 * (192 + 9 * 96 + 25 * 16 + 64), right[1]):
            "with reductions: the 1×1 reads the 480 maps, the large window reads what the 1×1 makes.",
    })
    return f"The reductions leave {right[0] / right[1]:.0%} of the weights."


@exercise("stem")
def stem(answer):
    """(weights of GoogLeNet's stem, of a 7×1 to 64 maps and a 1×7 after it, fewest maps between to equal any stem)"""
    whole = blueprint("googlenet").conv1.conv.weight
    split = sum(nn.Conv2d(before, 64, size).weight.numel() for before, size in ((3, (7, 1)), (64, (1, 7))))
    fewest = min(separable.matrix(whole).shape)
    if isinstance(answer, (tuple, list)) and len(answer) == 3:
        number(answer[0], whole.numel(), "the stem", {
            2688: "(7 + 7) · 64 · 3 is not a 7×7 kernel; every kernel has 49 weights for each colour.",
            9472: "those are the parameters; biases are not weights.",
            49 * 64: "a kernel has weights for each of the three colours.",
        })
        number(answer[1], split, "the pair", {
            2688: "the 1×7 reads the 64 maps that the 7×1 makes, not the three colours.",
            7 * 3 * 3 + 7 * 3 * 64: "here 64 maps stand between the two, not 3.",
            7 * 64 * 64 * 2: "the 7×1 reads three colours.",
        })
        number(answer[2], fewest, "maps between", {
            7: "that would do for one colour.",
            1: "one map between makes kernels of rank 1.",
            3: "a colour needs as many as its kernels have rows.",
            64: "fewer will do; the matrix has one row for each colour and place down.",
            448: "the matrix has that many columns, but fewer rows.",
        })
    numbers(answer, (whole.numel(), split, fewest), ("the stem", "the pair", "maps between"))
    return "To be able to do all that the stem does, the pair would have to be dearer than the stem."


@exercise("break-even")
def break_even(answer):
    """most maps between n×1 and 1×n, from 64 to 192 maps, without more weights than the n×n: (n = 3, n = 7)"""
    def most(n):
        return max(m for m in range(1, 1000) if n * m * (64 + 192) <= n * n * 64 * 192)

    right = most(3), most(7)
    numbers(answer, right, ("n = 3", "n = 7"), {
        right[::-1]: "the right numbers in the wrong order: n = 3 comes first.",
        (96, 224): "that is for 64 maps before and 64 after.",
        (most(3) - 1, most(7) - 1): "as many weights are still no more.",
        (64, 64): "with 64 between it pays; how far can one go?",
        (192, 448): "the 1×n has weights, too: add both halves.",
    })
    return "The larger the window, the more maps the pair may have."


@exercise("rank")
def rank(answer):
    """ranks of a plus, of a cross of diagonals and of a chessboard, each 5×5"""
    eye, middle = torch.eye(5), torch.zeros(5, 5)
    middle[2] = middle[:, 2] = 1
    sign = (-1.0) ** torch.arange(5)
    kernels = (middle, torch.maximum(eye, eye.flip(0)), sign[:, None] * sign)
    right = tuple(separable.rank(kernel[None, None]) for kernel in kernels)
    numbers(answer, right, ("plus", "cross", "chessboard"), {
        (2, 2, 1): "cross: a diagonal line is not one product of a column and a row; count the different rows.",
        (2, 5, 1): "cross: rows that are equal, or multiples of each other, need only one map.",
        (1, 3, 1): "plus: two bars, and all rows but one differ from the middle row.",
        (2, 3, 2): "chessboard: a row that is minus another is a multiple of it.",
        (5, 5, 5): "that many always do; how few will?",
    })
    return "Count the rows that are not sums of multiples of others."


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
def head(answer):
    """parameters from 512 maps to 1000 classes: (flattened 7×7, averaged, flattened 14×14)"""
    right = tuple(512 * places * 1000 + 1000 for places in (49, 1, 196))
    flat, averaged, large = right
    numbers(answer, right, ("flattened", "averaged", "flattened, larger pictures"), {
        (flat - 1000, averaged - 1000, large - 1000): "there is one bias for each class.",
        (averaged, flat, large): "the first two are exchanged.",
        (flat, flat, large): "averaged: an average is one number a map.",
        (flat, averaged, flat): "flattened, larger pictures: with flattening every place has its weights.",
        (flat, averaged, 2 * 512 * 49 * 1000 + 1000):
            "flattened, larger pictures: twice as wide and twice as high makes four times as many places.",
        (512 * 7 * 1000 + 1000, averaged, 512 * 14 * 1000 + 1000): "flattened: a map of 7×7 has 49 places.",
    })
    return "Only the averaged head is the same for every picture."


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
            right, given = share_of(model, pixels), call(answer, model.train(), images.clone(), pixels)
            given = given.item() if isinstance(given, torch.Tensor) and given.numel() == 1 else given
            if not isinstance(given, (int, float)) or isinstance(given, bool):
                raise Wrong(f"a share is one number, this is {type(given).__name__}.")
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
def head_size(answer):
    """(parameters of GoogLeNet's first auxiliary head, their share in the network with this head, in whole per cent)"""
    head = blueprint("googlenet").aux1
    convolution, first, last = (sum(p.numel() for p in part.parameters()) for part in (head.conv, head.fc1, head.fc2))
    rest = sum(p.numel() for p in blueprint("googlenet", aux_logits=False).parameters())

    def with_share(parameters):
        return parameters, round(100 * parameters / (parameters + rest))

    right = with_share(convolution + first + last)
    flat = 512 * 4 * 4 * 1024 + 1024 + last
    numbers(answer, right, ("parameters", "per cent"), {
        with_share(flat): "the 1×1 convolution comes before flattening: the dense layer reads 128 maps, not 512.",
        with_share(right[0] - 128 - 1024 - 1000): "each of the three layers has biases, too.",
        with_share(convolution + 128 * 1024 + 1024 + last): "the average leaves 4×4 places of each map.",
        with_share(convolution + 128 * 5 * 5 * 1024 + 1024 + last):
            "windows of 5×5 with stride 3 fit on 14 pixels at 0, 3, 6 and 9: 4 places a side.",
        (right[0], round(100 * right[0] / rest)): "per cent of the whole network, the head itself included.",
    })
    return "Most of it is in the first dense layer, and all of it is thrown away after training."
