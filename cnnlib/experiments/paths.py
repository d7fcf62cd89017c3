"""A residual network as many paths: n blocks, each gone through or gone around, are 2^n ways from input to output.

Veit, Wilber, Belongie, "Residual networks behave like ensembles of relatively shallow networks", NeurIPS 2016.

A path is a tuple of n bits, the first block first: 1 goes through the branch of a block, 0 takes its shortcut. Its
length is the number of ones. Functions that take a `model` find its blocks by themselves (`joints.py`): it may be any
nn.Module whose blocks add a branch to a shortcut, one after the other; one without them is refused with a ValueError.
They leave the model as it was.
"""

import cmath
import copy
import math
import random
from contextlib import contextmanager
from itertools import product
from statistics import fmean
from typing import NamedTuple

import torch
from torch.nn import functional as F
from tqdm import tqdm

from ..anatomy import joints
from ..checks import at_least
from ..training.evaluation import evaluating


class Term(NamedTuple):
    """One path: its bits, its length, and what it computes, "f3(f1(y0))"."""

    bits: tuple
    length: int
    text: str


def terms(n):
    """The 2^n paths through n blocks (1 to 12) as Terms: first the one around all blocks, last the one through all."""
    at_least("n", n, 1, 12)
    found = []
    for bits in product((0, 1), repeat=n):
        text = "y0"
        for block, bit in enumerate(bits, 1):
            text = f"f{block}({text})" if bit else text
        found.append(Term(bits, sum(bits), text))
    return found


def expansion(n):
    """What n blocks (1 to 6) compute, written out: "y0 + f1(y0) + f2(y0 + f1(y0))" for two."""
    at_least("n", n, 1, 6)
    text = "y0"
    for block in range(1, n + 1):
        text = f"{text} + f{block}({text})"
    return text


# -- how many paths there are -----------------------------------------------------------------------------------------


def length_distribution(n):
    """How many of the 2^n paths have length 0, 1, ..., n: the binomial coefficients, exact integers."""
    at_least("n", n, 1)
    return [math.comb(n, length) for length in range(n + 1)]


def count(n, low, high):
    """How many paths through n blocks have a length from `low` to `high`, both included: an exact integer.

    Raises:
        ValueError: limits that are not 0 <= low <= high <= n.
    """
    at_least("low", low, 0, at_least("n", n, 1))
    at_least("high", high, low, n)
    return sum(length_distribution(n)[low : high + 1])


def share(n, low, high):
    """Which share of all 2^n paths that is. 54 blocks: 19 to 35 hold 0.9802, 5 to 17 hold 0.004537."""
    return count(n, low, high) / 2**n


# -- the gradient, path by path ---------------------------------------------------------------------------------------


class _Turn(torch.autograd.Function):
    """Nothing on the way forward; on the way back what `turn` makes of the gradient, None stopping it."""

    @staticmethod
    def forward(ctx, x, turn):
        ctx.turn = turn
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return ctx.turn(gradient), None


@contextmanager
def _turning(model, blocks, through, around):
    """While open, gradients come through the branch of block number i as through(i, gradient), and around it, along the
    shortcut, as around(i, gradient)."""
    def change(i):
        return lambda new, old: (_Turn.apply(new, lambda gradient: through(i, gradient)),
                                 _Turn.apply(old, lambda gradient: around(i, gradient)))

    wanted = [(weight, weight.requires_grad) for weight in model.parameters()]
    for weight, _ in wanted:
        weight.requires_grad_(False)                    # only the gradient at the input is asked for
    try:
        with evaluating(model), torch.enable_grad(), joints.joining(
                model, {place: change(i) for i, block in enumerate(blocks) for place in block.places}):
            yield
    finally:
        for weight, wants in wanted:
            weight.requires_grad_(wants)


@contextmanager
def _gradients(model, blocks, x, labels):
    """A function bits -> gradient (N, C, H, W) at the input along this path, or of all paths if bits is None.

    One run forward serves all paths: a switch at each joint decides on the way back where the gradient goes.
    """
    path = None

    def through(i, gradient):
        return gradient if path is None or path[i] else None

    def around(i, gradient):
        return gradient if path is None or not path[i] else None

    def along(bits):
        nonlocal path
        path = bits
        (gradient,) = torch.autograd.grad(goal, x, retain_graph=True, allow_unused=True)
        return torch.zeros_like(x) if gradient is None else gradient

    with _turning(model, blocks, through, around):
        x = x.detach().clone().requires_grad_()
        answer = model(x)
        goal = answer.sum() if labels is None else F.cross_entropy(answer, labels, reduction="sum")
        yield along


class Unravelled(NamedTuple):
    """What `unravel` found.

    Attributes:
        terms: the paths, a list of Term.
        gradients: (2^n, N, C, H, W), what comes back to the input along each path alone.
        gradient: (N, C, H, W), the whole, from autograd.
        difference: the norm of the sum of `gradients` less `gradient`, as a share of the norm of the latter.
        forward_difference: the same on the way forward, of what each path alone brings to the end of the last block:
            zero to rounding only where every branch is linear.
    """

    terms: list
    gradients: torch.Tensor
    gradient: torch.Tensor
    difference: float
    forward_difference: float


def unravel(model, x, labels=None):
    """Take each of the 2^n paths alone, backward and forward, and compare the sums with what the network does.

    Backward they agree whatever the branches are: the chain rule is linear in the gradient, as if every branch were
    replaced by its tangent. Forward the sum over the paths is exact only if they are linear. In evaluation mode.

    Args:
        model: a network of at most 10 residual blocks.
        x: float (N, C, H, W).
        labels: int64 (N,): the gradient is that of the summed cross-entropy; None: that of the sum of all outputs.
    """
    blocks = joints.residual(model, x)
    at_least("the number of residual blocks", len(blocks), 1, 10)
    paths = terms(len(blocks))
    with _gradients(model, blocks, x, labels) as along:
        gradient = along(None)
        gradients = torch.stack([along(path.bits) for path in paths])
    whole = _end(model, blocks, x, None)
    alone = sum(_end(model, blocks, x, path.bits) for path in paths)
    return Unravelled(paths, gradients, gradient, _relative(gradients.sum(0), gradient), _relative(alone, whole))


@torch.no_grad()
def _end(model, blocks, x, bits):
    """What arrives at the sum of the last block along one path, or along all if bits is None."""
    arrived = []

    def change(i):
        def join(new, old):
            if bits is not None:
                new, old = (new, torch.zeros_like(old)) if bits[i] else (torch.zeros_like(new), old)
            if i == len(blocks) - 1:
                arrived[:] = [new + old]
            return new, old

        return join

    with evaluating(model), joints.joining(
            model, {place: change(i) for i, block in enumerate(blocks) for place in block.places}):
        model(x)
    return arrived[0]


def _relative(a, b):
    return ((a - b).norm() / b.norm()).item()


def gradient_by_length(model, images, labels, *, lengths=None, samples=20, seed=0, progress=True):
    """Gradient norm at the input, of single paths, by their length, measured on random paths.

    All images go forward through the whole network once; on the way back k blocks drawn at random pass the gradient
    through their branch only, all others along their shortcut only (Veit et al., section 5). In evaluation mode.

    Args:
        model: any network of residual blocks.
        images: float32 (N, C, H, W), normalised. labels: int64 (N,).
        lengths: which k; None: 0 to n.
        samples: different paths a length; where there are fewer, all of them.
        seed: decides the paths; those of one length are the same whatever the others, a larger `samples` adds to them.
        progress: show a bar.

    Returns:
        a list of dicts, one a length: length, paths (how many were followed), norm (mean over paths and images of the
        norm of one image's gradient), low and high (95 % interval of that mean over the paths, by Student's t), norms
        (one a path, mean over the images).
    """
    from scipy.stats import sem, t

    blocks = joints.residual(model, images)
    n = len(blocks)
    at_least("samples", samples, 1)
    lengths = range(n + 1) if lengths is None else [at_least("a number of lengths", k, 0, n) for k in lengths]
    chosen = {length: _paths(n, length, samples, seed) for length in lengths}
    rows, bar = [], tqdm(total=sum(map(len, chosen.values())), unit="path", disable=not progress)
    with _gradients(model, blocks, images, labels) as along, bar:
        for length, paths in chosen.items():
            norms = []
            for bits in paths:
                norms.append(along(bits).flatten(1).norm(dim=1).mean().item())
                bar.update()
            mean, m = fmean(norms), len(norms)
            if m == math.comb(n, length):
                half = 0.0                              # no sample: all there are
            else:
                half = float(sem(norms) * t.ppf(0.975, m - 1)) if m > 1 else math.inf
            rows.append({"length": length, "paths": m, "norm": mean, "low": max(0.0, mean - half), "high": mean + half,
                         "norms": norms})
    return rows


def _paths(n, length, samples, seed):
    """Different random paths of one length, all of them if there are no more than `samples`."""
    if math.comb(n, length) <= samples:
        return [bits for bits in _all(n, length)]
    draw, found = random.Random(f"{seed} {n} {length}"), {}
    while len(found) < samples:
        ones = set(draw.sample(range(n), length))
        found[tuple(int(i in ones) for i in range(n))] = None
    return list(found)


def _all(n, length):
    if length in (0, n):
        yield (int(length > 0),) * n
        return
    for rest in _all(n - 1, length):
        yield 0, *rest
    for rest in _all(n - 1, length - 1):
        yield 1, *rest


class Decay(NamedTuple):
    """norm(k) is about start * ratio^k.

    Attributes:
        ratio: what one more branch makes of the norm. low, high: its 95 % interval.
        start: the norm of the path around all blocks, by the fit.
        r2: share of the variance of log(norm) that the line explains.
    """

    ratio: float
    low: float
    high: float
    start: float
    r2: float


def fit_decay(rows):
    """Fit an exponential to the rows of `gradient_by_length`: a straight line through log(norm) over the length.

    Lengths whose norm is 0 are left out. The interval is that of the slope, by Student's t.

    Raises:
        ValueError: fewer than three lengths with a norm above 0.
    """
    from scipy.stats import linregress, t

    points = [(row["length"], math.log(row["norm"])) for row in rows if row["norm"] > 0]
    if len(points) < 3:
        raise ValueError(f"rows has {len(points)} lengths with a norm above 0, allowed: three or more.")
    line = linregress(*zip(*points, strict=True))
    half = float(t.ppf(0.975, len(points) - 2)) * line.stderr
    ratio, low, high, start = (math.exp(value) for value in (line.slope, line.slope - half, line.slope + half,
                                                             line.intercept))
    return Decay(ratio, low, high, start, float(line.rvalue**2))


def total_by_length(norms):
    """Share of each length 0, ..., n in the summed norms of all paths: binomial coefficient times norm of one path.

    Args:
        norms: of one path, a number a length 0, ..., n; or the rows of `gradient_by_length` for all these lengths.

    Returns:
        list of n + 1 shares that sum to 1.
    """
    norms = [row["norm"] if isinstance(row, dict) else row for row in norms]
    if len(norms) < 2 or not sum(norms) > 0:
        raise ValueError(f"norms is {norms!r}, allowed: two or more numbers from 0, not all 0.")
    return _shares([math.log(norm) if norm > 0 else -math.inf for norm in norms])


def modelled(n, ratio):
    """`total_by_length` if a branch scales every gradient by `ratio`: binomial, with probability ratio / (1 + ratio).

    Raises:
        ValueError: a ratio that is not above 0.
    """
    if not 0 < ratio < math.inf:
        raise ValueError(f"ratio is {ratio!r}, allowed: numbers above 0.")
    at_least("n", n, 1)
    return _shares([length * math.log(ratio) for length in range(n + 1)])


def _shares(logs):
    """Shares of the lengths, from the logarithm of a path's norm at each: the binomial coefficient of a thousand blocks
    is no float."""
    logs = [math.log(paths) + log for paths, log in zip(length_distribution(len(logs) - 1), logs, strict=True)]
    total = [math.exp(log - max(logs)) for log in logs]
    return [part / sum(total) for part in total]


class Effective(NamedTuple):
    """The lengths `low` to `high` hold `share` of the gradient and are `paths` of all paths (both shares of 1)."""

    low: int
    high: int
    share: float
    paths: float


def effective(shares, hold=0.95):
    """The shortest stretch of lengths that holds at least `hold` of the shares (one a length 0, ..., n), as Effective;
    of several, the one that holds most."""
    if not 0 < hold <= 1:
        raise ValueError(f"hold is {hold!r}, allowed: above 0 to 1.")
    n, whole = len(shares) - 1, sum(shares)
    reached = [0.0]
    for part in shares:
        reached.append(reached[-1] + part / whole)
    for width in range(1, n + 2):
        held, low = max((reached[low + width] - reached[low], -low) for low in range(n + 2 - width))
        if held >= hold - 1e-12:
            break
    return Effective(-low, -low + width - 1, min(held, 1.0), share(n, -low, -low + width - 1))


def gradient_of_length(model, images, labels, *, progress=True):
    """Norm of the *summed* gradients of all paths of a length, for every length: exact, nothing is sampled.

    `total_by_length` adds norms; this knows that gradients of different paths may cancel. Let every branch pass z times
    its gradient: what arrives at the input is a polynomial in z, whose coefficient k belongs to the paths of length k.
    Its values at the n + 1 complex roots of 1 give them all. In evaluation mode and double precision, on the CPU.

    Returns:
        dict: norms (one a length 0, ..., n; mean over the images), whole (norm of the whole gradient, mean over the
        images), difference (of the sum of all coefficients from autograd's gradient, as a share of its norm).
    """
    model, x = copy.deepcopy(model).cpu().double(), images.detach().cpu().double()
    blocks = joints.residual(model, x)
    n, turned = len(blocks), 1.0

    def through(_, gradient):                           # a complex number: the real parts stand before the imaginary
        real, imaginary = gradient.chunk(2)
        return torch.cat((turned.real * real - turned.imag * imaginary, turned.imag * real + turned.real * imaginary))

    with _turning(model, blocks, through, lambda _, gradient: gradient):
        both = torch.cat((x, x)).requires_grad_()
        answer = model(both)
        (goal,) = torch.autograd.grad(F.cross_entropy(answer[: len(x)], labels.cpu(), reduction="sum"), answer,
                                      retain_graph=True)
        values = []
        for j in tqdm(range((n + 1) // 2 + 1), unit="root", disable=not progress):      # the others are conjugates
            turned = cmath.exp(-2j * math.pi * j / (n + 1))
            (gradient,) = torch.autograd.grad(answer, both, goal, retain_graph=True)
            values.append(torch.complex(*gradient.chunk(2)))
    coefficients = torch.fft.irfft(torch.stack(values), n=n + 1, dim=0)
    norms = coefficients.flatten(2).norm(dim=2).mean(1)
    with _gradients(model, blocks, x, labels.cpu()) as along:
        gradient = along(None)
    return {"norms": norms.tolist(), "whole": gradient.flatten(1).norm(dim=1).mean().item(),
            "difference": _relative(coefficients.sum(0), gradient)}


@torch.no_grad()
def branch_norms(model, images):
    """How much each block adds to what it is given, in evaluation mode: |F(x)| / |shortcut(x)|.

    Returns:
        list of dicts, one a block: block (its name), branch and shortcut (norms, mean over the images), ratio (mean
        over the images of their quotients).
    """
    blocks, rows = joints.residual(model, images), []

    def measure(name):
        def join(new, old):
            branch, shortcut = (part.flatten(1).norm(dim=1) for part in (new, old))
            rows.append({"block": name, "branch": branch.mean().item(), "shortcut": shortcut.mean().item(),
                         "ratio": (branch / shortcut.clamp_min(1e-12)).mean().item()})
            return new, old

        return join

    with evaluating(model), joints.joining(
            model, {place: measure(block.name) for block in blocks for place in block.places}):
        model(images)
    return rows
