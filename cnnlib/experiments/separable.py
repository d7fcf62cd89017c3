"""A k×k kernel as a k×1 and a 1×k, one after the other: what such a pair can be, and what it cannot.

With `between` maps after the first, the pair is a k×k convolution whose weights, laid out as a matrix with a row for
each (channel before, place down) and a column for each (channel after, place across), have at most that rank.
The nearest such kernel is the truncated singular value decomposition (Eckart and Young, *Psychometrika*, 1936).
"""

import torch

from ..checks import at_least


def matrix(kernel):
    """The matrix (before·k, after·k) of a kernel (after, before, k, k)."""
    after, before, height, width = kernel.shape
    return kernel.permute(1, 2, 0, 3).reshape(before * height, after * width)


def separate(kernel, between):
    """The pair that comes nearest to a kernel, in the sum of squared differences.

    Args:
        kernel: (after, before, k, k), as `nn.Conv2d` has it; any real dtype.
        between: maps between the two.

    Returns:
        (column, row): weights (between, before, k, 1) and (after, between, 1, k), for two `nn.Conv2d` without bias.

    Raises:
        ValueError: `kernel` has not four axes, or `between` is no whole number from 1.
    """
    at_least("between", between, 1)
    if kernel.ndim != 4:
        raise ValueError(f"kernel has shape {tuple(kernel.shape)}, allowed: (after, before, k, k).")
    after, before, height, width = kernel.shape
    u, s, v = torch.linalg.svd(matrix(kernel), full_matrices=False)
    u, v = settle(u, s, v)
    kept = min(between, len(s))
    column = kernel.new_zeros(between, before, height, 1)
    row = kernel.new_zeros(after, between, 1, width)
    column[:kept, :, :, 0] = (u[:, :kept] * s[:kept].sqrt()).T.reshape(kept, before, height)
    row[:, :kept, 0] = (s[:kept].sqrt()[:, None] * v[:kept]).reshape(kept, after, width).transpose(0, 1)
    return column, row


def settle(u, s, v):
    """The same decomposition where it is not unique: vectors of equal singular values may be turned among each other.
    Taken is the turn that puts those first which stand highest in the matrix, whatever the processor came up with."""
    u, v, start = u.clone(), v.clone(), 0
    height = torch.arange(len(u), 0, -1, dtype=u.dtype, device=u.device)
    for end in range(1, len(s) + 1):
        if end < len(s) and s[end - 1] - s[end] < 1e-5 * s[0]:
            continue
        if end - start > 1:
            equal = u[:, start:end]
            turn = torch.linalg.eigh(equal.T @ (height[:, None] * equal)).eigenvectors.flip(1)
            u[:, start:end], v[start:end] = equal @ turn, turn.T @ v[start:end]
        start = end
    return u, v


def joined(column, row):
    """The one kernel (after, before, k, k) that does what the pair does."""
    return torch.einsum("mbyu,amux->abyx", column, row)


def rank(kernel):
    """How many maps between the pair needs to equal a kernel (after, before, k, k)."""
    return torch.linalg.matrix_rank(matrix(kernel)).item()


def missing(kernel, between):
    """Share of a kernel, in squares, that the best pair with so many maps between leaves out: 0 to 1."""
    squares = torch.linalg.svdvals(matrix(kernel)).square()
    return (squares[between:].sum() / squares.sum()).item()


def patterns(size=7):
    """Kernels (1, 1, size, size) to try, by name, each with squares that sum to 1."""
    place = torch.arange(size) - (size - 1) / 2
    y, x = place[:, None], place[None]
    radius = (x.square() + y.square()).sqrt()
    blur = torch.exp(-radius.square() / (size / 2))
    made = {
        "blur": blur,
        "edge": -y * blur,
        "cross": ((x == 0) | (y == 0)).float(),
        "ring": torch.exp(-(radius - size / 3).square()),
        "slanted edge": (x + y) * torch.exp(-(x - y).square() / size - (x + y).square() / (size / 2)),
        "diagonal line": torch.eye(size),
        "random": torch.randn(size, size, generator=torch.Generator().manual_seed(0)),
    }
    return {name: (values / values.norm())[None, None] for name, values in made.items()}
