"""Pairs of k×1 and 1×k kernels against PyTorch's own convolutions and SciPy's decomposition."""

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from cnnlib.experiments.separable import joined, matrix, missing, patterns, rank, separate, settle


@settings(deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.sampled_from([1, 3, 5]), st.integers(1, 20), st.integers(0, 99))
def test_a_pair_does_what_its_joined_kernel_does(before, after, k, between, seed):
    generator = torch.Generator().manual_seed(seed)
    kernel = torch.randn(after, before, k, k, generator=generator, dtype=torch.double)
    x = torch.randn(2, before, 9, 8, generator=generator, dtype=torch.double)
    column, row = separate(kernel, between)
    assert column.shape == (between, before, k, 1) and row.shape == (after, between, 1, k)
    torch.testing.assert_close(F.conv2d(F.conv2d(x, column), row), F.conv2d(x, joined(column, row)))
    # what is left out is the tail of the singular values, as SciPy has them
    tail = scipy.linalg.svdvals(matrix(kernel).numpy())[between:]
    left = (kernel - joined(column, row)).square().sum().item()
    assert left == pytest.approx((tail**2).sum(), abs=1e-9)
    assert missing(kernel, between) == pytest.approx(left / kernel.square().sum().item(), abs=1e-9)


def test_equal_widths_reach_a_seventh_of_the_rank():
    kernel = torch.randn(4, 4, 7, 7, generator=torch.Generator().manual_seed(0), dtype=torch.double)
    column, row = separate(kernel, 4)
    assert column.numel() + row.numel() == kernel.numel() * 2 // 7
    assert (rank(kernel), rank(joined(column, row))) == (28, 4)
    full = separate(kernel, 28)
    torch.testing.assert_close(joined(*full), kernel)
    assert sum(part.numel() for part in full) == 2 * kernel.numel()


def test_rank_of_the_patterns():
    made = patterns()
    assert {name: rank(made[name]) for name in ("blur", "edge", "cross", "diagonal line", "random")} == {
        "blur": 1, "edge": 1, "cross": 2, "diagonal line": 7, "random": 7}
    for kernel in made.values():
        assert kernel.shape == (1, 1, 7, 7) and kernel.square().sum().item() == pytest.approx(1)
        assert rank(kernel) == np.linalg.matrix_rank(kernel[0, 0].numpy())
    assert missing(made["diagonal line"], 1) == pytest.approx(6 / 7)


def test_of_equally_good_pairs_the_one_is_taken_that_draws_from_the_top():
    """Singular values that are equal leave the choice to the processor; turned by any rotation, it must be the same."""
    generator = torch.Generator().manual_seed(0)
    line = patterns()["diagonal line"]
    for between in range(1, 8):
        first = line * (torch.arange(7) < between)                  # the pixels of the first rows, and no others
        torch.testing.assert_close(joined(*separate(line, between)), first, atol=1e-5, rtol=0)
    turned = torch.linalg.qr(torch.randn(6, 6, generator=generator, dtype=torch.double)).Q
    u, v = torch.eye(6, dtype=torch.double), torch.eye(6, dtype=torch.double)
    s = torch.tensor([3.0, 2, 2, 2, 1, 1], dtype=torch.double)
    for part in (slice(1, 4), slice(4, 6)):
        turn = torch.linalg.qr(turned[part, part]).Q
        u[:, part], v[part] = u[:, part] @ turn, turn.T @ v[part]
    u, v = settle(u, s, v)
    torch.testing.assert_close(u.abs(), torch.eye(6, dtype=torch.double))
    torch.testing.assert_close(u * s @ v, torch.diag(s))


def test_refused():
    with pytest.raises(ValueError, match="between is 0, allowed: whole numbers from 1"):
        separate(torch.zeros(1, 1, 3, 3), 0)
    with pytest.raises(ValueError, match=r"kernel has shape \(3, 3\), allowed: \(after, before, k, k\)"):
        separate(torch.zeros(3, 3), 1)
