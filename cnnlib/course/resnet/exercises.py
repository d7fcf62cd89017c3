"""Judges of the exercises of the ResNet chapter. The questions and the solutions are in the chapter itself."""

import math
from fractions import Fraction
from math import comb

import torch
from torch import nn
from torch.nn import functional as F

from ... import randomness
from ...experiments import landscape
from ...models import BasicBlock, Bottleneck, ResNet, ZeroPadShortcut, blueprint
from ..exercises import Numbers, Part, Wrong, call, call_for_number, exercise, is_number, plain, tensor


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def _added():
    return parameters(blueprint("resnet34", shortcut="C")) - parameters(blueprint("resnet34", shortcut="B"))


def _compare(answer, right, mistakes, names, close=False):
    """Compare a function with the right values; `mistakes` maps what led to them to wrong functions."""
    same = (lambda a, b: _is_close(a, b)) if close else (lambda a, b: a == b and not isinstance(a, bool))
    given = {case: plain(call(answer, *case)) for case in right}
    wrong = [case for case in right if not same(given[case], right[case])]
    if not wrong:
        return
    for mistake, formula in mistakes.items():
        if all(same(given[case], formula(*case)) for case in right):
            raise Wrong(mistake)
    case = ", ".join(f"{name}={value}" for name, value in zip(names, wrong[0], strict=True))
    raise Wrong(f"{case} gives {given[wrong[0]]!r}, and {right[wrong[0]]!r} is right ({len(wrong)} of {len(right)} "
                "cases differ from ours). Follow this case by hand.")


def _is_close(a, b):
    return is_number(a) and is_number(b) and math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-12)


def _through(branches, x, bits):
    for branch, bit in zip(branches, bits, strict=True):
        x = branch(x) if bit else x
    return x


@exercise("identity-kernel")
def identity_kernel(answer):
    """identity_kernel(channels) -> weights (channels, channels, 3, 3) of a convolution that changes nothing"""
    for channels in (1, 3, 5):
        right = nn.init.dirac_(torch.empty(channels, channels, 3, 3))
        corner = right.roll((-1, -1), (2, 3))
        mistakes = {
            "there the middle of every kernel is 1: each map becomes the sum of all maps.":
                right.amax((0, 1), keepdim=True).expand_as(right),
            "the 1 stands in the corner of the kernel: the map is shifted by a pixel.": corner,
            "all nine weights are 1: each pixel becomes the sum of its neighbours.":
                torch.eye(channels)[:, :, None, None].expand_as(right),
            "a mean of nine pixels blurs; one pixel is to be handed on.":
                torch.eye(channels)[:, :, None, None].expand_as(right) / 9,
        }
        mistakes = {why: wrong for why, wrong in mistakes.items() if not torch.equal(wrong, right)}
        tensor(call(answer, channels), right, f"identity_kernel({channels})", mistakes)
    return "Behind a ReLU, with this kernel, a layer more changes nothing: so 56 layers can do whatever 20 can."


@exercise("agreement")
def agreement(answer):
    """agreement(model, a, b): cosine between the gradients of all parameters on two batches (images, labels)"""
    randomness.seed(3)
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 4))
    a, b = ((torch.randn(8, 1, 6, 6), torch.randint(4, (8,))) for _ in range(2))

    def gradient(*batches):
        model.zero_grad()
        for x, y in batches:
            F.cross_entropy(model(x), y).backward()
        return [p.grad.flatten().clone() for p in model.parameters()]

    def cosine(g, h):
        return F.cosine_similarity(torch.cat(g), torch.cat(h), 0).item()

    with torch.enable_grad():
        g, h, both = gradient(a), gradient(b), gradient(a, b)
        right, weights = cosine(g, h), [p.detach().clone() for p in model.parameters()]
        model.zero_grad()
        given, again = (call_for_number(answer, model, a, b) for _ in range(2))
    if not all(torch.equal(p, w) for p, w in zip(model.parameters(), weights, strict=True)):
        raise Wrong("the weights have changed; gradients are wanted, no step.")
    if not _is_close(given, again):
        raise Wrong("asked a second time, it gives another number: the earlier gradients are still there.")
    mean = sum(F.cosine_similarity(p, q, 0).item() for p, q in zip(g, h, strict=True)) / len(g)
    for mistake, wrong in {
        "gradients add up over backward passes: clear them between the batches.": cosine(g, both),
        "that is the product of the two; divide by their lengths.": (torch.cat(g) @ torch.cat(h)).item(),
        "that is the mean over the parameter tensors; take all of them as one long vector.": mean,
        "that compares the gradients of one batch with themselves.": 1.0,
    }.items():
        if math.isclose(given, wrong, rel_tol=1e-4, abs_tol=1e-6):
            raise Wrong(mistake)
    if not math.isclose(given, right, rel_tol=1e-4, abs_tol=1e-6):
        raise Wrong(f"{given:.4f} is not the cosine of the two gradients, {right:.4f}. Put the gradients of all "
                    "parameters into one long vector for each batch, cleared before, and compare the two.")
    return "1 means that both batches pull the same way, 0 that they have nothing to do with each other."


@exercise("shortcut-cost")
def shortcut_cost():
    """parameters of the shortcuts (A from 64 to 128 maps, B from 64 to 128, C from 128 to 128)"""
    def cost(channels, planes, stride, option):
        with torch.device("meta"):
            block = BasicBlock(channels, planes, stride, shortcut=option)
        return parameters(block.downsample)

    def projection(name, before, right, more):
        return Part(name, right, {
            right - 256: "BatchNorm has two parameters a map: a scale and a shift.",
            right - 128: "BatchNorm has two parameters a map: a scale and a shift.",
            right + 128: "a convolution before BatchNorm has no bias.",
            9 * before * 128 + 256: "the projections are 1×1 convolutions, not 3×3.",
            256: "that is BatchNorm; the 1×1 convolution before it has weights.",
            **more,
        }, f"A 1×1 convolution from {before} to 128 maps without biases, and a BatchNorm behind it.")

    return Numbers(
        Part("A", cost(64, 128, 2, "A"), {64: "the new maps are zeros; nothing is learned there."},
             "Which numbers of option A are learned? It takes every second pixel, and adds maps of zeros."),
        projection("B", 64, cost(64, 128, 2, "B"), {0: "B projects where the sizes change."}),
        projection("C", 128, cost(128, 128, 1, "C"), {0: "C projects where the sizes are equal, too."}),
        why=f"In ResNet-34 option C adds {_added():,} parameters to those of B, in thirteen such blocks.")


@exercise("zero-pad")
def zero_pad(answer):
    """zero_pad(x, channels, stride): (N, C, H, W) -> (N, channels, H/stride, W/stride), option A"""
    for channels, stride in ((6, 2), (6, 1), (3, 1), (7, 2)):
        x = torch.randn(2, 3, 6, 8)
        right = ZeroPadShortcut(3, channels, stride)(x)
        steps, new = x[:, :, ::stride, ::stride], channels - 3
        mistakes = {
            "the new maps belong after the old ones.": F.pad(steps, (0, 0, 0, 0, new, 0)),
            "pixels are taken, not averaged.": F.pad(F.avg_pool2d(x, stride), (0, 0, 0, 0, 0, new)),
            "pixels are taken, not pooled; a window of one pixel, not of four.":
                F.pad(F.max_pool2d(x, stride), (0, 0, 0, 0, 0, new)),
            "the stride is ignored.": F.pad(x, (0, 0, 0, 0, 0, new)),
            "the new maps are copies; they should be zero.": torch.cat([steps, steps, steps], 1)[:, :channels],
            "it takes every second pixel, but begins with the second.":
                F.pad(x[:, :, stride - 1 :: stride, stride - 1 :: stride], (0, 0, 0, 0, 0, new)),
        }
        mistakes = {why: wrong for why, wrong in mistakes.items()
                    if wrong.shape != right.shape or not torch.equal(wrong, right)}
        tensor(call(answer, x.clone(), channels, stride), right, f"zero_pad(x, {channels}, {stride})", mistakes)
    return "No parameters, no arithmetic: the shortcut stays a shortcut."


@exercise("block")
def block(answer):
    """class Block(channels): y = relu(x + bn2(conv2(relu(bn1(conv1(x)))))), 3×3 convolutions without biases"""
    ours, theirs = BasicBlock(4, 4), call(answer, 4)
    if not isinstance(theirs, nn.Module):
        raise Wrong(f"a torch.nn.Module is wanted, this makes a {type(theirs).__name__}.")
    for norm in (ours.bn1, ours.bn2):
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.uniform_(norm.bias, -0.5, 0.5)
    x = torch.randn(2, 4, 5, 6)
    call(theirs, x.clone())                                 # dots in it mean no answer yet
    wanted = {name: tuple(p.shape) for name, p in ours.named_parameters()}
    found = {name: tuple(p.shape) for name, p in theirs.named_parameters()}
    if extra := [name for name in found if name.endswith("bias") and name not in wanted]:
        raise Wrong(f"{', '.join(extra)} cannot matter before BatchNorm: bias=False.")
    if found != wanted:
        named = ", ".join(f"{name} {shape}" for name, shape in found.items()) or "none"
        raise Wrong(f"its parameters should be those of conv1, bn1, conv2, bn2; found: {named}.")
    theirs.load_state_dict(ours.state_dict())
    with torch.no_grad():
        ours.eval()
        branch = ours.bn2(ours.conv2(ours.bn1(ours.conv1(x)).relu()))
        straight = ours.bn2(ours.conv2(ours.bn1(ours.conv1(x))))
        tensor(call(theirs.eval(), x.clone()), ours(x.clone()), "the block", {
            "x is not added.": branch.relu(),
            "the last ReLU is missing.": x + branch,
            "the last ReLU comes before the sum: the block could only add.": x + branch.relu(),
            "there is no ReLU between the convolutions: the two of them are one linear map.": (x + straight).relu(),
            "the two ways are multiplied, not added.": (x * branch).relu(),
        })
    return "The last ReLU comes after the sum; that order is the paper's of 2015."


@exercise("identity")
def identity(answer):
    """make_identity(block) -> the BasicBlock with other parameters, so that it hands on maps (N, C, H, W) from 0 on"""
    for subject in (ResNet(8, width=4).layer1[0], ResNet(20, width=4).layer2[1]):
        for norm in (subject.bn1, subject.bn2):
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.uniform_(norm.bias, -0.5, 0.5)
        changed = call(answer, subject)
        if not isinstance(changed, BasicBlock):
            raise Wrong(f"it should return the block, it returns {changed!r}.")
        x = torch.rand(4, subject.conv1.in_channels, 6, 6)
        for mode in ("eval", "train"):
            getattr(changed, mode)()
            with torch.no_grad():
                y = call(changed, x.clone())
            if torch.equal(y, x):
                continue
            if not torch.allclose(y, x, atol=1e-5):
                far = (y - x).abs().max().item()
                raise Wrong(f"in {mode} mode it changes what it gets by up to {far:.2g}. What does BatchNorm add?")
            raise Wrong(f"in {mode} mode it is nearly the identity, not exactly. How can what the branch adds be 0 for "
                        "every input?")
    return "So a deeper residual network starts, if you like, exactly as good as the shallower one."


@exercise("spread")
def spread():
    """standard deviation after 24 blocks: (each branch has variance 1, each branch has the variance of its input)"""
    added, doubled = 1, 1
    for _ in range(24):
        added, doubled = added + 1, 2 * doubled
    variance = "that is the variance; the standard deviation is its root."
    return Numbers(
        Part("with", math.isqrt(added), {
            added: variance, 24: "variances add, not standard deviations, and what enters counts, too.",
            4: "24 branches and what enters are 25 parts of variance 1.",
            1: "what the branches add comes to what is there: nothing stays at 1.",
        }, "Each block adds variance 1 to what enters, which has 1 itself. Add up, then take the root."),
        Part("without", math.isqrt(doubled), {
            doubled: variance, 24: "each block doubles the variance, it does not add 1.",
            math.isqrt(added): "the branch has the variance of what enters its block, which grows.",
            48: "each block doubles the variance; 24 doublings multiply.",
        }, "Each block doubles the variance. What are 24 doublings, and what is the root of that?"),
        together={(added, doubled): "those are variances; the standard deviation is the root."},
        why="So a branch behind a BatchNorm is a fifth of what it is added to, and one without as large as it.")


@exercise("skip-init")
def skip_init(answer):
    """class SkipInit(branch): y = x + scale * branch(x), with one learned number that starts at 0"""
    branch = nn.Conv2d(3, 3, 3, padding=1)
    block = call(answer, branch)
    if not isinstance(block, nn.Module):
        raise Wrong(f"a torch.nn.Module is wanted, this makes a {type(block).__name__}.")
    x = torch.randn(2, 3, 5, 6)
    with torch.enable_grad():
        y = call(block, x.clone())
        if not isinstance(y, torch.Tensor) or y.shape != x.shape:
            raise Wrong("it should return what it adds to x, of the shape of x.")
        if torch.allclose(y, branch(x) + x):
            raise Wrong("at the start nothing is scaled: the number starts at 1, or is missing.")
        if torch.allclose(y, torch.zeros_like(x)):
            raise Wrong("at the start it returns 0: only the branch is scaled, x passes as it is.")
        if not torch.allclose(y, x, atol=1e-6):
            raise Wrong("at the start it should return x exactly: the number starts at 0.")
        own = [p for p in block.parameters() if all(p is not part for part in branch.parameters())]
        if len(own) != 1 or own[0].numel() != 1:
            found = sum(p.numel() for p in own)
            raise Wrong(f"it should have one learned number besides the branch, an nn.Parameter; it has {found}.")
        if len(list(block.parameters())) < 3:
            raise Wrong("the branch is not a part of the block: keep it as an attribute, so that it learns, too.")
        with torch.no_grad():
            own[0].fill_(0.5)
        tensor(call(block, x.clone()), x + 0.5 * branch(x), "the block, with the number at 0.5", {
            "the number scales x, not the branch.": 0.5 * x + branch(x),
            "the number scales the sum, not the branch alone.": 0.5 * (x + branch(x)),
        })
    return "A stack of any depth of these starts as the identity."


@exercise("flatter")
def flatter():
    """at what share, in percent: (of the direction of the original, of the network's own direction)"""
    return Numbers(
        Part("along the original's direction, in %", 80, {
            20: "the weights are four times as long, so the same direction moves them by a smaller part.",
            5: "the weights are four times as long, so the same direction moves them by a smaller part, not a larger.",
            320: "four times 0.2, in percent."},
            "The direction is as long as before, the weights are four times as long."),
        Part("along its own direction, in %", 20, {
            80: "its own direction has the length of its own filters, four times as long, too.",
            5: "a direction that is four times as long, for weights that are four times as long."},
            "Its own direction grows with its filters."),
        why="Nothing became flatter but the picture: the two networks compute the same.")


@exercise("filters")
def filters(answer):
    """scaled(drawn, weight): `drawn`, each of its filters as long as that of `weight`"""
    generator = torch.Generator().manual_seed(0)
    for shape in ((4, 3, 3, 3), (2, 5), (6, 1, 1, 1)):
        drawn, weight = (torch.randn(shape, generator=generator) for _ in range(2))
        ones = [1] * (len(shape) - 1)
        weight *= torch.arange(1, shape[0] + 1).reshape(-1, *ones)
        wanted, had = (each.flatten(1).norm(dim=1).reshape(-1, *ones) for each in (weight, drawn))
        tensor(call(answer, drawn.clone(), weight.clone()), landscape.scaled(drawn, weight), f"of shape {shape} it", {
            "that gives the layer one factor. Each filter has its own.": drawn * weight.norm() / drawn.norm(),
            "what is drawn has a length, too: divide by it.": drawn * wanted,
            "now each filter has length 1, not that of the weight's filter.": drawn / had,
            "nothing is scaled.": drawn,
        })
    return "So a step of share 1 moves every filter by as much as it is long."


@exercise("depth")
def depth():
    """(layers of the network of 3 + 24 + 36 + 3 bottlenecks, blocks a stage of the CIFAR network of 146 layers)"""
    blocks = 3 + 24 + 36 + 3
    layers, n = 3 * blocks + 2, len(blueprint("resnet146").layer1)
    ends = "the convolution before the first block and the linear layer count, too."
    return Numbers(
        Part("layers", layers, {
            2 * blocks + 2: "a bottleneck has three convolutions.", 3 * blocks: ends, 3 * blocks + 1: ends,
            layers + 4: "the papers do not count the 1×1 convolutions on the shortcuts.",
            blocks: "those are the blocks; each has several layers.",
            blocks + 2: "a block has several layers.",
        }, "How many convolutions has a bottleneck? Count them over all blocks, and what stands before and behind."),
        Part("n", n, {
            3 * n: "that is all three stages together.", 2 * n: "a block has two convolutions; n counts blocks.",
            6 * n: "those are the convolutions of all blocks; n counts the blocks of one stage.",
            16: "a block of the CIFAR networks has two convolutions, not three.",
        }, "146 layers are three stages of n blocks with two convolutions each, and two layers more."),
        why="Names of ResNets count layers with weights on the longest way, without the projections on shortcuts.")


@exercise("bottleneck")
def bottleneck():
    """(weights of the convolutions 512-128-128-512 of a bottleneck, of two 3×3 convolutions of 512 maps)"""
    def weights(block):
        return sum(m.weight.numel() for m in block.modules() if isinstance(m, nn.Conv2d))

    with torch.device("meta"):
        narrow, wide = weights(Bottleneck(512, 128)), weights(BasicBlock(512, 512))
    return Numbers(
        Part("the bottleneck", narrow, {
            9 * (2 * 512 * 128 + 128 * 128): "the first and the last convolution are 1×1.",
            narrow - 512 * 128: "it has three convolutions; one of the 1×1 is missing.",
            128 * 128 * 9: "that is its 3×3 alone, or three 1×1. A 1×1 leads into the narrow, a 3×3 works there, a 1×1 "
                           "leads out.",
            narrow + 2 * (128 + 128 + 512): "that counts BatchNorm, too; weights of the convolutions are wanted.",
        }, "Three convolutions: 1×1 from 512 to 128, 3×3 from 128 to 128, 1×1 from 128 to 512."),
        Part("two 3×3", wide, {
            wide // 2: "that is one of them.",
            wide + 2 * 2 * 512: "that counts BatchNorm, too; weights of the convolutions are wanted.",
            2 * 512 * 3 * 3: "each of the 512 new maps reads all 512 maps.",
            2 * 512 * 512: "a kernel of 3×3 has nine weights for each pair of maps.",
        }, "How many pairs of an old and a new map has one of them, and how many weights has each pair?"),
        why=f"{wide / narrow:.1f} times as many, whatever the width: the widths cancel.")


@exercise("expected-depth")
def expected_depth(answer):
    """expected_depth(n, p): mean number of blocks in use when block i of n survives with probability 1 − i/n·(1 − p)"""
    cases = [(1, 0.5), (3, 0.5), (54, 0.5), (54, 1.0), (18, 0.2), (10, 0.0)]
    right = {(n, p): sum(1 - i / n * (1 - p) for i in range(1, n + 1)) for n, p in cases}
    _compare(answer, right, {
        "blocks are counted from 1: the first is skipped now and then, too.":
            lambda n, p: sum(1 - i / n * (1 - p) for i in range(n)),
        "that gives every block the chance of the last.": lambda n, p: n * p,
        "that is how many are skipped.": lambda n, p: n - sum(1 - i / n * (1 - p) for i in range(1, n + 1)),
        "that is the mean of the first and the last chance; block 1 does not survive with probability 1.":
            lambda n, p: n * (1 + p) / 2,
        "do not divide: a sum of chances is the expected number.":
            lambda n, p: sum(1 - i / n * (1 - p) for i in range(1, n + 1)) / n,
    }, ("n", "p"), close=True)
    return f"Of 54 blocks {right[54, 0.5]:.2f} are in use on average; the paper says about 40."


@exercise("groups")
def groups():
    """weights of a 3×3 convolution from 128 maps to 128 with (1, 32, 128) groups"""
    with torch.device("meta"):
        one, some, every = (nn.Conv2d(128, 128, 3, groups=many, bias=False).weight.numel() for many in (1, 32, 128))

    def part(name, right, groups, hint):
        return Part(name, right, {
            right // 9: "a kernel of 3×3 has nine weights for each pair of maps.",
            right + 128: "there are no biases.",
            one: "a map reads only the maps of its own group.",
            one // groups**2: "that is one group; all groups have weights.",
            9 * 32 * 32: "with 32 groups a group has 4 maps, not 32: 32 groups of 4 × 4 pairs.",
        }, hint)

    return Numbers(
        part("one group", one, 1, "Each of the 128 new maps reads all 128 maps, with nine weights each."),
        part("32 groups", some, 32, "How many maps has one group? Each of its new maps reads only these."),
        part("128 groups", every, 128, "A group has one map in and one out: how many weights, and how many groups?"),
        why="As many groups as maps: one kernel a map. MobileNet is built of these (depthwise convolutions).")


@exercise("along")
def along(answer):
    """along(branches, x, bits): what the path of these bits computes from x; functions, a tensor, 0s and 1s"""
    branches = [lambda x: x * 2 + 1, torch.tanh, lambda x: x.flip(0) - 3, torch.relu]
    x = torch.tensor([0.5, -1.0, 2.0])
    for bits in ((0, 0, 0, 0), (1, 1, 0, 0), (1, 0, 1, 0), (0, 1, 0, 1), (1, 1, 1, 1)):
        def follow(order, join, bits=bits):
            value = x.clone()
            for branch, bit in order(list(zip(branches, bits, strict=True))):
                value = join(value, branch(value)) if bit else value
            return value

        right = follow(list, lambda old, new: new)
        mistakes = {
            "it adds what the branch computes to what it was given: that is a block, not one path.":
                follow(list, lambda old, new: old + new),
            "the blocks are gone through in the wrong order: the first block comes first.":
                follow(lambda pairs: pairs[::-1], lambda old, new: new),
            "each branch reads x itself; on a path it reads what the branch before it made.":
                next((b(x) for b, bit in reversed(list(zip(branches, bits, strict=True))) if bit), x),
            "1 means through the branch, 0 around it: yours does the opposite.":
                _through(branches, x, [1 - bit for bit in bits]),
        }
        mistakes = {why: wrong for why, wrong in mistakes.items() if not torch.allclose(wrong, right)}
        tensor(call(answer, list(branches), x.clone(), bits), right, f"along(branches, x, {bits})", mistakes)
    return "All 2^n of them together are the output only if the branches are linear; the gradients always add up."


@exercise("mean-length")
def mean_length(answer):
    """mean_length(n, r): mean number of branches of the paths through n blocks, each weighted by r for every branch"""
    cases = [(1, 1.0), (3, 0.5), (54, 1.0), (54, 0.256), (27, 0.4), (6, 0.0)]

    def mean(n, r):
        weights = [comb(n, x) * r**x for x in range(n + 1)]
        return sum(x * w for x, w in enumerate(weights)) / sum(weights)

    _compare(answer, {case: mean(*case) for case in cases}, {
        "each path counts as much as any other; their weights are ignored.": lambda n, r: n / 2,
        "that is n·r: right only if each block were skipped with weight 1 − r.": lambda n, r: n * r,
        "the number of paths of each length is ignored: C(n, x) of them share the length x.":
            lambda n, r: sum(x * r**x for x in range(n + 1)) / sum(r**x for x in range(n + 1)),
        "the weights do not add up to one: divide by their sum.":
            lambda n, r: sum(x * comb(n, x) * r**x for x in range(n + 1)),
        "divide by the sum of the weights, not by the number of paths.":
            lambda n, r: sum(x * comb(n, x) * r**x for x in range(n + 1)) / 2**n,
        "that is the length that weighs most; the mean is wanted.":
            lambda n, r: max(range(n + 1), key=lambda x: comb(n, x) * r**x),
    }, ("n", "r"), close=True)
    return "It is n·r / (1 + r): the lengths are binomial again, with a smaller chance of a branch."


@exercise("some-blocks")
def some_blocks():
    """of steps through 12 of 27 blocks: paths, blocks a path goes through on average, epochs that stand for 8"""
    return Numbers(
        Part("paths", 2**12, {
            2**27: "those are the paths of the whole network; in this step 15 blocks can only be gone around.",
            2**15: "that counts the blocks that are left out; each of the others can be gone through or around.",
            comb(27, 12): "so many sets of 12 blocks can be drawn; this step has one of them.",
            12: "each of the 12 doubles the number of paths.",
            24: "each of the 12 doubles the number of paths: they multiply.",
        }, "Each of the 12 blocks can be gone through or around."),
        Part("mean", 6, {
            12: "only the longest path goes through all 12.",
            13: "that is half of all 27 blocks; those that are left out have no branch in this step.",
            5: "that is 12 · 12 / 27; but a path chooses among the 12 blocks of the step only.",
        }, "The lengths are distributed like heads in 12 throws of a coin."),
        Part("epochs", 18, {
            4: "that is the number of epochs in which a block takes part in 8: the other way round.",
            8: "in 8 epochs a block takes part in 12 of 27 steps only.",
            14: "that is for 6 epochs, as on the page; here they are 8.",
            16: "12 of 27 is a little less than half.",
        }, "In one epoch a block takes part in 12 of 27 steps. In how many epochs does that make 8 whole ones?"),
        why="A step costs 12/27 of the usual, too: 18 epochs of short paths cost about as much as 8 of the whole.")


@exercise("delete")
def delete(answer):
    """delete(stage, index): a stage without that block, as a new nn.Sequential; the one that was given stays whole"""
    stage = ResNet(32, width=4).layer1.eval()
    x = torch.rand(2, 4, 6, 6)
    with torch.no_grad():
        whole = stage(x.clone())
        for index in (0, 2, 4):
            shorter = call(answer, stage, index)
            if not isinstance(shorter, nn.Module):
                raise Wrong(f"a module is wanted, this gives a {type(shorter).__name__}.")
            if len(stage) != 5 or not torch.equal(stage(x.clone()), whole):
                raise Wrong("the stage that was given has changed; put the blocks that stay into a new Sequential.")
            right = x.clone()
            for place, each in enumerate(stage):
                if place != index:
                    right = each(right)
            one_off = x.clone()
            for place, each in enumerate(stage):
                if place != (index - 1) % 5:
                    one_off = each(one_off)
            y = call(shorter.eval(), x.clone())
            tensor(y, right, f"the stage without block {index}", {
                "no block is missing.": whole,
                "another block is missing: the first has index 0.": one_off,
            })
    return "Where shapes are equal any block can go, and the rest still fits together: that is what the lesions need."


@exercise("survivors")
def survivors(answer):
    """survivors(n, k, low, high): of the paths with low to high of n branches, the share left without k blocks"""
    cases = [(3, 1, 1, 1), (3, 1, 0, 3), (8, 3, 2, 4), (54, 10, 5, 17), (54, 20, 5, 17), (10, 8, 1, 5), (6, 0, 3, 4)]

    def left(n, k, lengths):
        return float(Fraction(sum(comb(n - k, x) for x in lengths), sum(comb(n, x) for x in lengths)))

    right = {(n, k, low, high): left(n, k, range(low, high + 1)) for n, k, low, high in cases}
    _compare(answer, right, {
        "that is the share of all paths, 2^−k; long ones die more easily than short ones.": lambda n, k, a, b: 0.5**k,
        "the upper limit is left out: range stops before its end.":
            lambda n, k, a, b: left(n, k, range(a, b)) if a < b else 0,
        "that is the mean of the shares; lengths with more paths count more. Divide sum by sum.":
            lambda n, k, a, b: sum(left(n, k, [x]) for x in range(a, b + 1)) / (b - a + 1),
        "that is the share that is lost.": lambda n, k, a, b: 1 - left(n, k, range(a, b + 1)),
        "that is a number of paths; the share of them is wanted.":
            lambda n, k, a, b: sum(comb(n - k, x) for x in range(a, b + 1)),
        "that is the share of all 2^n paths; the share of those of these lengths is wanted.":
            lambda n, k, a, b: sum(comb(n - k, x) for x in range(a, b + 1)) / 2**n,
    }, ("n", "k", "low", "high"), close=True)
    return f"Of the paths through 5 to 17 of 54 blocks ten deletions leave {right[54, 10, 5, 17]:.1%}."
