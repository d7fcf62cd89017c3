"""The size rule against PyTorch: output sizes, refusals, and which input cells are read at all."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlib.experiments.size_rule import coverage, output_size, span

geometry = {
    "size": st.integers(1, 48), "kernel": st.integers(1, 11), "stride": st.integers(1, 13),
    "padding": st.integers(0, 6), "dilation": st.integers(1, 4),
}


def size_or_error(function):
    """The last dimension of what `function` returns, or None where it refuses."""
    try:
        result = function()
    except (ValueError, RuntimeError):
        return None
    return result if isinstance(result, int) else result.shape[-1]


@given(**geometry)
@settings(max_examples=400, deadline=None)
def test_convolution_has_the_size_of_the_rule(size, kernel, stride, padding, dilation):
    image = torch.zeros(1, 1, size, size, device="meta")
    weight = torch.zeros(1, 1, kernel, kernel, device="meta")
    torch_size = size_or_error(lambda: F.conv2d(image, weight, None, stride, padding, dilation))
    assert torch_size == size_or_error(lambda: output_size(size, kernel, stride, padding, dilation))


@given(**geometry)
@settings(max_examples=400, deadline=None)
def test_ceil_mode_pooling_has_the_size_of_the_rule(size, kernel, stride, padding, dilation):
    image = torch.zeros(1, 1, size, size)
    torch_size = size_or_error(lambda: F.max_pool2d(image, kernel, stride, padding, dilation, ceil_mode=True))
    assert torch_size == size_or_error(lambda: output_size(size, kernel, stride, padding, dilation, True))


def cells_read_by_convolution(size, kernel, stride, padding, dilation):
    """Input cells of one axis that get a gradient from a convolution whose weights are all 1."""
    image = torch.zeros(1, 1, size, requires_grad=True)
    F.conv1d(image, torch.ones(1, 1, kernel), None, stride, padding, dilation).sum().backward()
    return set(image.grad[0, 0].nonzero().flatten().tolist())


def cells_read_by_pooling(size, kernel, stride, padding, dilation):
    """Input cells that can decide the maximum of some window: one image a cell, with a 1 in that cell."""
    pooled = F.max_pool1d(torch.eye(size)[:, None], kernel, stride, padding, dilation, ceil_mode=True)
    return set((pooled.amax((1, 2)) == 1).nonzero().flatten().tolist())


@given(**geometry, ceil_mode=st.booleans())
@settings(max_examples=400, deadline=None)
def test_cells_left_out_are_those_torch_never_reads(size, kernel, stride, padding, dilation, ceil_mode):
    arguments = (size, kernel, stride, padding, dilation)
    try:
        cover = coverage(*arguments, ceil_mode)
    except ValueError:
        return
    left_out = [*cover.dropped, *cover.between_windows, *cover.between_taps]
    assert len(left_out) == len(set(left_out)), "a cell is left out for one reason only"
    read = (cells_read_by_pooling if ceil_mode else cells_read_by_convolution)(*arguments)
    assert set(range(size)) - set(left_out) == read


@given(**geometry, ceil_mode=st.booleans())
@settings(max_examples=300, deadline=None)
def test_the_kinds_of_left_out_cells_mean_what_they_say(size, kernel, stride, padding, dilation, ceil_mode):
    try:
        cover = coverage(size, kernel, stride, padding, dilation, ceil_mode)
    except ValueError:
        return
    under = {cell for start in cover.starts for cell in range(start, start + cover.span)}
    assert len(cover.starts) == cover.output
    assert not under & {*cover.dropped, *cover.between_windows}
    assert under >= set(cover.between_taps)
    assert all(cell > max(under) for cell in cover.dropped)
    assert all(cell < max(under) for cell in cover.between_windows)
    far = size + padding
    assert cover.overhang == sum(cell >= far for cell in range(size, cover.starts[-1] + cover.span))
    assert cover.unused_padding == sum(cell > max(under) for cell in range(size, far))
    if not ceil_mode:
        assert cover.overhang == 0


@pytest.mark.parametrize("arguments, output, dropped, overhang", [
    ((32, 5), 28, 0, 0),                                  # LeNet C1
    ((28, 2, 2), 14, 0, 0),                               # LeNet S2
    ((227, 11, 4), 55, 0, 0),                             # AlexNet conv1: the size that fits
    ((224, 11, 4), 54, 1, 0),                             # the size of the paper, without padding
    ((224, 11, 4, 2), 55, 0, 0),                          # torchvision's way out
    ((224, 7, 2, 3), 112, 0, 0),                          # GoogLeNet and ResNet stem
    ((112, 3, 2, 1), 56, 0, 0),                           # ResNet pool
    ((112, 3, 2, 0, 1, True), 56, 0, 1),                  # GoogLeNet pool, ceil mode
    ((28, 3, 1, 2, 2), 28, 0, 0),                         # dilated 3x3
])
def test_sizes_of_famous_layers(arguments, output, dropped, overhang):
    cover = coverage(*arguments)
    assert (cover.output, len(cover.dropped), cover.overhang) == (output, dropped, overhang)


def test_stride_and_dilation_leave_out_different_cells():
    assert coverage(10, 2, 3).between_windows == (2, 5)
    assert coverage(9, 3, 2, 0, 2).between_taps == (1, 3, 5, 7)
    assert span(3, 2) == 5


@pytest.mark.parametrize("arguments, says", [
    ({"size": 0, "kernel": 3}, "size must be an integer of at least 1, got 0"),
    ({"size": 8, "kernel": 2.5}, "kernel must be an integer of at least 1, got 2.5"),
    ({"size": 8, "kernel": 3, "stride": 0}, "stride must be"),
    ({"size": 8, "kernel": 3, "padding": -1}, "padding must be an integer of at least 0, got -1"),
    ({"size": 8, "kernel": 3, "dilation": True}, "dilation must be"),
    ({"size": 4, "kernel": 3, "padding": 1, "dilation": 3}, "spans 7 cells, the padded input has only 6"),
    ({"size": 8, "kernel": 3, "padding": 2, "ceil_mode": True}, "more than half of kernel 3"),
])
def test_refusals_say_why(arguments, says):
    with pytest.raises(ValueError, match=says):
        output_size(**arguments)
    with pytest.raises(ValueError, match=says):
        coverage(**arguments)
