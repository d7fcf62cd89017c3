"""MobileNets and the blocks that take a convolution apart or stretch it: the papers' and the sources' counts."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import cnnlib
from cnnlib.models import dilation, mobilenet

from . import meta


def weights(model):
    return sum(m.weight.numel() for m in model.modules() if isinstance(m, nn.Conv2d))


@pytest.mark.parametrize(
    "name, options, params, macs",
    [
        # Howard et al. 2017, table 6: 4.2M and 569M, 2.6M and 325M, 1.3M and 149M, 0.5M and 41M
        ("mobilenet_v1", {}, 4_231_976, 568_740_352),
        ("mobilenet_v1", {"width_multiplier": 0.75}, 2_585_560, 325_400_448),
        ("mobilenet_v1", {"width_multiplier": 0.5}, 1_331_592, 149_497_088),
        ("mobilenet_v1", {"width_multiplier": 0.25}, 470_072, 41_030_272),
        # Sandler et al. 2018, table 4: 3.4M and 300M; 6.9M and 585M
        ("mobilenet_v2", {}, 3_504_872, 300_774_272),
        ("mobilenet_v2", {"num_classes": 10}, 2_236_682, 299_507_072),
        ("mobilenet_v2", {"width_multiplier": 1.4}, 6_108_776, 582_195_824),
    ],
)
def test_published_counts(name, options, params, macs):
    found = cnnlib.summary(meta(name, **options), (1, 3, 224, 224))
    assert (found.total_params, found.total_macs) == (params, macs)


def test_mobilenet_v2_for_cifar():
    """Two halvings fewer, and 1280 maps only where the width is 1; all else is the paper's network."""
    whole, small = (meta("mobilenet_v2", variant="cifar", width_multiplier=width) for width in (1.0, 0.25))
    paper = meta("mobilenet_v2", num_classes=10)
    assert [w.shape for w in whole.parameters()] == [w.shape for w in paper.parameters()]
    strides = [[m.stride[0] for m in net.modules() if isinstance(m, nn.Conv2d)] for net in (whole, paper)]
    assert [sum(each > 1 for each in found) for found in strides] == [3, 5]
    assert small.features[-1][0].out_channels == 4 * small.features[-1][0].in_channels == 320
    assert cnnlib.models.standard_input("mobilenet_v2", variant="cifar") == (3, 32, 32)
    rows = cnnlib.summary(whole, (1, 3, 32, 32)).rows
    assert [row.output_shape for row in rows if row.type == "Conv2d"][-1] == (1, 1280, 4, 4)


def test_mobilenet_v1_has_28_layers():
    """Section 3.2: counting depthwise and pointwise separately; 95% of the work is in the 1x1."""
    rows = cnnlib.summary(meta("mobilenet_v1"), (1, 3, 224, 224)).rows
    layers = [row for row in rows if row.type in ("Conv2d", "Linear")]
    assert len(layers) == 28
    pointwise = sum(row.macs for row in layers if row.name.endswith("1.0"))
    assert round(100 * pointwise / sum(row.macs for row in layers), 1) == 94.9
    assert [row.output_shape[1:3] for row in layers if row.output_shape[1] == 1024 and len(row.output_shape) == 4] == [
        (1024, 7)] * 3


def test_separable_convolution():
    """16 to 32 maps: 4,608 weights in one piece, 656 in two, 800 the other way round; 1/32 + 1/9 of them."""
    assert weights(nn.Conv2d(16, 32, 3, bias=False)) == 4_608
    assert weights(mobilenet.SeparableConv2d(16, 32)) == 656
    assert weights(mobilenet.SeparableConv2d(16, 32, order="pointwise")) == 800
    assert 656 / 4608 == pytest.approx(1 / 32 + 1 / 9)
    names = {order: [name for name, _ in mobilenet.SeparableConv2d(4, 6, order=order).named_children()]
             for order in ("depthwise", "pointwise")}
    assert names == {"depthwise": ["depthwise", "pointwise"], "pointwise": ["pointwise", "depthwise"]}


@pytest.mark.parametrize("order", ["depthwise", "pointwise"])
def test_separable_convolution_is_a_convolution_of_rank_one(order):
    separable = mobilenet.SeparableConv2d(3, 5, order=order)
    w = separable.pointwise.weight * (
        separable.depthwise.weight.transpose(0, 1) if order == "depthwise" else separable.depthwise.weight)
    x = torch.randn(2, 3, 7, 7)
    torch.testing.assert_close(separable(x), nn.functional.conv2d(x, w, padding=1), atol=1e-5, rtol=1e-4)


def test_inverted_residual():
    """24 maps, six times wider, and back: 8,208 weights; the end is linear, the shortcut the input itself."""
    block = mobilenet.InvertedResidual(24, 24).eval()
    assert weights(block) == 24 * 144 + 144 * 9 + 144 * 24 == 8_208
    assert isinstance(block.conv[-1], nn.BatchNorm2d)
    nn.init.zeros_(block.conv[-2].weight)
    x = torch.randn(1, 24, 5, 5)
    assert torch.equal(block(x), x)
    assert not mobilenet.InvertedResidual(24, 24, 2).shortcut and not mobilenet.InvertedResidual(24, 32).shortcut


@pytest.mark.parametrize("stride, side", [(1, 9), (2, 5)])
def test_xception_block(stride, side):
    block = mobilenet.XceptionBlock(8, 12, stride)
    assert block(torch.randn(2, 8, 9, 9)).shape == (2, 12, side, side)
    assert weights(block) == 8 * 9 + 8 * 12 + 12 * 9 + 12 * 12 + 8 * 12


def touched(model, size):
    """How many inputs have an influence on the middle unit of a one-map stack, found by its gradient."""
    convs = nn.Sequential(*(m for m in model if isinstance(m, nn.Conv2d)))
    for conv in convs:
        nn.init.ones_(conv.weight)
    x = torch.zeros(1, 1, size, size, requires_grad=True)
    convs(x)[0, 0, size // 2, size // 2].backward()
    seen = x.grad[0, 0].nonzero()
    return len(seen), int(seen[:, 0].max() - seen[:, 0].min() + 1)


def test_dilation_sees_far_and_may_leave_holes():
    assert touched(dilation.DilatedStack(1, (2, 2, 2)), 21) == (49, 13)      # of 169
    assert touched(dilation.DilatedStack(1, (1, 2, 4)), 21) == (225, 15)     # all
    x = torch.randn(2, 4, 9, 9)
    assert dilation.DilatedStack(4)(x).shape == x.shape


@settings(max_examples=15, deadline=None)
@given(rates=st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_a_dilated_stack_reads_the_sums_of_its_rates(rates):
    """Autograd against arithmetic: a pixel is read if its distance is a sum of one of -d, 0, d a layer."""
    places = {0}
    for rate in rates:
        places = {place + move for place in places for move in (-rate, 0, rate)}
    assert touched(dilation.DilatedStack(1, rates), 2 * sum(rates) + 5) == (len(places) ** 2, 1 + 2 * sum(rates))


@pytest.mark.parametrize("rate", [4, 7])
def test_a_rate_as_large_as_the_map_leaves_one_weight(rate):
    branch = dilation.ASPP(3, 2, rates=(rate,)).branches[1][0]
    x = torch.randn(2, 3, rate, rate)
    torch.testing.assert_close(branch(x), nn.functional.conv2d(x, branch.weight[:, :, 1:2, 1:2]))


def test_atrous_spatial_pyramid_pooling():
    aspp = dilation.ASPP(8, 6)
    assert aspp(torch.randn(2, 8, 33, 20)).shape == (2, 6, 33, 20)
    assert weights(aspp) == 8 * 6 * (1 + 9 + 9 + 9 + 1) + 5 * 6 * 6
    assert [branch[0].dilation for branch in aspp.branches] == [(1, 1), (6, 6), (12, 12), (18, 18)]
    with torch.device("meta"):
        assert weights(dilation.ASPP(2048)) == 2048 * 256 * 29 + 5 * 256 * 256


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("mobilenet_v1", {"width_multiplier": 0}, "width_multiplier is 0, allowed: above 0"),
        ("mobilenet_v2", {"width_multiplier": True}, "width_multiplier is True"),
        ("mobilenet_v2", {"dropout": 1.0}, "dropout is 1.0"),
        ("mobilenet_v2", {"num_classes": 0}, "num_classes is 0"),
        ("mobilenet_v1", {"variant": "torchvision"}, "variant is 'torchvision', allowed: 'paper'"),
        ("mobilenet_v2", {"variant": "keras"}, "variant is 'keras', allowed: 'paper', 'torchvision', 'cifar'"),
    ],
)
def test_bad_arguments_are_named(name, options, message):
    with pytest.raises(ValueError, match=message):
        meta(name, **options)


def test_bad_blocks_are_named():
    for build, message in (
        (lambda: mobilenet.SeparableConv2d(3, 4, order="both"), "order is 'both'"),
        (lambda: mobilenet.InvertedResidual(3, 4, expansion=0), "expansion is 0"),
        (lambda: dilation.ASPP(3, rates=(0,)), "rates is 0"),
        (lambda: dilation.DilatedStack(0), "channels is 0"),
    ):
        with pytest.raises(ValueError, match=message):
            build()
