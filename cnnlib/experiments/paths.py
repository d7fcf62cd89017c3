"""A residual network as many paths: n blocks, each gone through or gone around, are 2^n ways from input to output.

Veit, Wilber, Belongie, "Residual networks behave like ensembles of relatively shallow networks", NeurIPS 2016.

A path is a tuple of n bits, the first block first: 1 goes through the branch of a block, 0 takes its shortcut. Its
length is the number of ones. The functions that take a `model` find its blocks by themselves (`sums.py`): it may be any
nn.Module in which blocks add a branch to a shortcut, one after the other.
"""

from typing import NamedTuple


class Term(NamedTuple):
    """One path: its bits, its length, and what it computes, "f3(f1(y0))"."""

    bits: tuple
    length: int
    text: str


def terms(n):
    """The 2^n paths through n blocks (1 to 12) as Terms, in the order of the binary numbers (last block first digit)."""
    raise NotImplementedError


def expansion(n):
    """What n blocks compute, written out as a nested sum: "y0 + f1(y0) + f2(y0 + f1(y0))" for two (n from 1 to 6)."""
    raise NotImplementedError


def length_distribution(n):
    """How many of the 2^n paths have length 0, 1, ..., n: exact integers, the binomial coefficients."""
    raise NotImplementedError


def count(n, low, high):
    """How many paths through n blocks have a length from `low` to `high`, both included: an exact integer."""
    raise NotImplementedError


def share(n, low, high):
    """Which share of all 2^n paths that is, a float from 0 to 1. 54 blocks: 19 to 35 hold 0.980, 5 to 17 0.004537."""
    raise NotImplementedError


class Unravelled(NamedTuple):
    """terms: list of Term. gradients (2^n, *x.shape): what comes back to the input along each path alone.
    gradient: what autograd gives, of shape x.shape. difference: largest difference of the sum of the former from the
    latter, as a share of the largest entry. outputs_differ: by how much the sum of what the paths compute alone differs
    from the network's output, as a share of its norm: 0 to rounding only where every branch is linear."""

    terms: list
    gradients: object
    gradient: object
    difference: float
    outputs_differ: float


def unravel(model, x, labels=None):
    """Send the gradient back along each of the 2^n paths alone, and compare their sum with the whole gradient.

    On the way back a network is linear, whatever its branches are, so there the sum over the paths is exact. On the way
    forward it is exact only if the branches are linear. In evaluation mode.

    Args:
        model: a network with at most 10 residual blocks.
        x: float (N, C, H, W).
        labels: int64 (N,): the gradient is that of the summed cross-entropy; None: that of the sum of all outputs.
    """
    raise NotImplementedError


def gradient_by_length(model, images, labels, *, lengths=None, samples=20, seed=0, progress=True):
    """Gradient norm at the input, of single paths, by their length, measured on random paths.

    All images go forward through the whole network once; on the way back k blocks drawn at random pass the gradient
    through their branch only, all others through their shortcut only (Veit et al., section 5). In evaluation mode.

    Args:
        model: any network of residual blocks.
        images: float32 (N, C, H, W), normalised. labels: int64 (N,).
        lengths: which k; None: 0 to n.
        samples: paths a length (fewer where there are not so many: then all of them, once each).
        seed: decides the paths.

    Returns:
        a list of dicts, one a length: length, paths (how many were followed), norm (mean over paths and images of the
        norm of one image's gradient), low, high (95 % interval of the mean over paths), norms (one a path).
    """
    raise NotImplementedError


class Decay(NamedTuple):
    """norm(k) is about start * ratio^k. low, high: 95 % interval of `ratio`. r2: share of the variance of log(norm)
    explained."""

    ratio: float
    low: float
    high: float
    start: float
    r2: float


def fit_decay(rows):
    """Fit an exponential to what `gradient_by_length` returned: a straight line through log(norm) over the length.

    Lengths whose norm is 0 are left out.

    Raises:
        ValueError: fewer than three lengths.
    """
    raise NotImplementedError


def total_by_length(norms):
    """Share of each length 0, ..., n in the summed norms of all paths: binomial coefficient times the norm of one path.

    Args:
        norms: of one path, a number a length 0, ..., n; or the rows of `gradient_by_length` for all lengths.

    Returns:
        list of n + 1 shares that sum to 1.
    """
    raise NotImplementedError


def modelled(n, ratio):
    """`total_by_length` if every block scales a path by `ratio`: binomial with probability ratio / (1 + ratio)."""
    raise NotImplementedError


class Effective(NamedTuple):
    """The lengths `low` to `high` hold `share` of the gradient and are `paths` of all paths (a share)."""

    low: int
    high: int
    share: float
    paths: float


def effective(shares, hold=0.95):
    """The shortest stretch of lengths that holds at least `hold` of the shares, as Effective; of equal ones, the one
    that holds most."""
    raise NotImplementedError


def gradient_of_length(model, images, labels, *, progress=True):
    """Norm of the *sum* of the gradients of all paths of one length, for every length: exact, nothing is sampled.

    Unlike `total_by_length`, which adds norms, it knows that gradients of different paths may cancel. The gradient in
    which every branch counts z times is a polynomial in z whose coefficient k belongs to length k; its values at the
    n + 1 complex roots of 1 give all coefficients.

    Returns:
        dict with lengths (0, ..., n), norm (one a length, mean over images), whole (norm of the whole gradient, mean
        over images), difference (of the sum of all coefficients from autograd's gradient, as a share of its norm).
    """
    raise NotImplementedError


def branch_norms(model, images):
    """How much each block adds: |F(x)| / |shortcut(x)| in evaluation mode, after training often small.

    Returns:
        list of dicts, one a block: block (its name), branch, shortcut (mean norms over the images), ratio (mean over
        the images of the quotients).
    """
    raise NotImplementedError
