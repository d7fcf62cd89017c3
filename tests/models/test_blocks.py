"""The gallery of blocks: the counts of the sources, one shape rule for all, what must be refused."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import cnnlib
from cnnlib.models import blocks


def weights(block):
    """Those of the convolutions."""
    return sum(m.weight.numel() for m in block.modules() if isinstance(m, nn.Conv2d))


@pytest.mark.parametrize(
    "name, channels, options, expected",
    [
        ("convolution", (512, 512), {}, 2_359_296),
        ("bottleneck", (512, 512), {}, 278_528),
        ("convolution", (16, 32), {}, 4_608),
        ("separable", (16, 32), {}, 656),
        ("point_first", (16, 32), {}, 800),
        ("inverted_residual", (24, 24), {}, 8_208),
        ("bottleneck", (256, 256), {}, 69_632),
        ("residual", (256, 256), {}, 1_179_648),
        ("skip", (16, 16), {}, 9 * 16 * 16),
        ("asymmetric", (64, 64), {"n": 7}, 2 * 7 * 64 * 64),        # 2/7, 28.6 %, of 49 x 64 x 64
        ("asymmetric", (64, 64), {"n": 3}, 2 * 3 * 64 * 64),        # 2/3
        ("parallel", (48, 48), {}, 48 * 16 * (1 + 9 + 25)),
        ("separable_residual", (8, 12), {}, 9 * 8 + 8 * 12 + 9 * 12 + 12 * 12 + 8 * 12),
        ("dilated", (16, 16), {"rates": (2, 2, 2)}, 3 * 9 * 16 * 16),
        ("aspp", (32, 8), {}, 32 * 8 * (1 + 27 + 1) + 5 * 8 * 8),
        ("stack", (16, 32), {}, 9 * 16 * 32 + 9 * 32 * 32),
        ("grouped", (16, 32), {"groups": 4}, 9 * 16 * 32 // 4),
        ("preactivation", (256, 256), {}, 1_179_648),
        ("squeeze_excitation", (16, 32), {}, 9 * 16 * 32),
        ("dense", (64, 96), {}, 64 * 128 + 9 * 128 * 32),
        ("shuffle", (240, 240), {"groups": 3}, 2 * 240 * 60 // 3 + 9 * 60),
    ],
)
def test_weights(name, channels, options, expected):
    assert weights(blocks.create_block(name, *channels, **options)) == expected


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(blocks.list_blocks()), st.integers(1, 3), st.integers(1, 3), st.integers(1, 9))
def test_every_block_keeps_height_and_width(name, i, o, size):
    """And its gradient reaches every parameter; and the summary's parameters and MACs are those of its weights."""
    cin, cout = 12 * i, 12 * (i if name in ("skip", "dilated", "shuffle") else i + o if name == "dense" else o)
    if name == "shuffle":
        cin, cout = 8 * i, 8 * i
    block, x = blocks.create_block(name, cin, cout), torch.randn(3, cin, size, size + 1)
    y = block(x)
    assert y.shape == (3, cout, size, size + 1)
    (y * torch.randn_like(y)).sum().backward()
    assert all(p.grad is not None for p in block.parameters())
    found = cnnlib.summary(block, (1, cin, size, size + 1))
    assert found.total_params == sum(p.numel() for p in block.parameters())
    whole = weights(block.image) if name == "aspp" else 0         # its view of the whole has one pixel
    gates = sum(m.weight.numel() for m in block.modules() if isinstance(m, nn.Linear))
    assert found.total_macs == (weights(block) - whole) * size * (size + 1) + whole + gates


@pytest.mark.parametrize("name", ["convolution", "stack", "residual", "preactivation", "parallel", "bottleneck",
                                  "grouped", "separable", "point_first", "separable_residual", "inverted_residual",
                                  "squeeze_excitation"])
def test_a_stride_divides_the_size(name):
    assert blocks.create_block(name, 12, 24, stride=2)(torch.randn(2, 12, 9, 8)).shape == (2, 24, 5, 4)


@torch.no_grad()
def test_a_shuffle_lets_the_groups_hear_of_each_other():
    """Without it the first half of the maps would know nothing of the second."""
    def heard(shuffle):
        unit = blocks.create_block("shuffle", 16, 16).eval()
        unit[0].branch[3] = shuffle or unit[0].branch[3]
        for weights in unit.parameters():
            weights.abs_()                              # so that no ReLU cuts off what one group has to say
        x = torch.rand(1, 16, 4, 4)
        other = torch.cat([x[:, :8], torch.rand(1, 8, 4, 4)], 1)
        return not torch.equal(unit(x)[:, :8], unit(other)[:, :8])

    assert heard(None) and not heard(nn.Identity())


@pytest.mark.parametrize("name, field", [("convolution", 3), ("residual", 5), ("parallel", 5), ("asymmetric", 7),
                                         ("stack", 5), ("preactivation", 5), ("separable", 3), ("dilated", 15),
                                         ("bottleneck", 3)])
def test_field(name, field):
    """How far a unit sees, found by its gradient."""
    block = blocks.create_block(name, 12, 12).eval()
    for conv in block.modules():
        if isinstance(conv, nn.Conv2d):
            nn.init.ones_(conv.weight)
    x = torch.full((1, 12, 21, 21), 0.1, requires_grad=True)
    block(x)[0, :, 10, 10].sum().backward()
    rows, columns = (x.grad[0].abs().sum(0) > 0).nonzero().unbind(1)
    assert rows.max() - rows.min() + 1 == columns.max() - columns.min() + 1 == field


def test_skip_adds():
    x = torch.randn(2, 4, 5, 5)
    assert torch.equal(blocks.Skip(nn.Identity())(x), 2 * x)
    block = blocks.create_block("skip", 4, 4)
    nn.init.zeros_(block.branch.weight)
    assert torch.equal(block(x), x)


def test_every_block_says_what_it_is():
    for factory in blocks.BLOCKS.values():
        assert factory.__doc__


@pytest.mark.parametrize(
    "name, channels, options, message",
    [
        ("octave", (8, 8), {}, "block is 'octave', allowed: 'convolution', 'stack'"),
        ("separable", (0, 8), {}, "in_channels is 0"),
        ("separable", (8, 1.5), {}, "out_channels is 1.5"),
        ("separable", (8, 8), {"rate": 2}, "block separable has no option 'rate'. Allowed: kernel_size, stride"),
        ("skip", (8, 8), {"stride": 2}, "has no option 'stride'. Allowed: none"),
        ("convolution", (8, 8), {"stride": 0}, "stride is 0"),
        ("dense", (8, 8), {}, "out_channels of a dense layer is 8, allowed: whole numbers from 9"),
        ("grouped", (8, 9), {}, "groups is 2, allowed: divisors of 8 and 9 channels"),
        ("shuffle", (8, 12), {}, "out_channels of a shuffle unit is 12, allowed: 8"),
        ("shuffle", (12, 12), {}, "channels is 12, allowed: multiples of 8"),
        ("bottleneck", (8, 6), {}, "out_channels is 6, allowed: multiples of 4"),
        ("skip", (8, 6), {}, "out_channels of a skip is 6, allowed: 8"),
        ("dilated", (8, 6), {}, "out_channels of a dilated stack is 6, allowed: 8"),
        ("parallel", (8, 7), {}, "out_channels is 7, allowed: multiples of 3"),
        ("parallel", (8, 8), {"kernels": (2, 3)}, "kernels is 2, allowed: odd"),
        ("asymmetric", (8, 8), {"n": 4}, "n is 4, allowed: odd"),
        ("aspp", (8, 8), {"rates": (0,)}, "rates is 0"),
    ],
)
def test_refused(name, channels, options, message):
    with pytest.raises(ValueError, match=message):
        blocks.create_block(name, *channels, **options)
