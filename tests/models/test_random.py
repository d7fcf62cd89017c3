"""Random members of every family, against torchinfo and against formulas written from the papers' tables alone.

ResNets, DenseNets and the gallery's blocks are drawn in their own files.
"""

import itertools

import pytest
import torch
import torchinfo
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import cnnlib
from cnnlib.models import VGG, Inception, NaiveInception

from . import count, meta

few = settings(max_examples=6, deadline=None)
widths = st.sampled_from([0.125, 0.25])
colours = st.integers(1, 4)
classes = st.integers(1, 5)


def macs_by_hooks(model, x):
    """Multiply-accumulates of convolutions and linear layers, from the shapes of a real forward pass."""
    total = []

    def write(module, inputs, output):
        total.append(module.weight[0].numel() * output[0].numel())

    hooks = [m.register_forward_hook(write) for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    with torch.no_grad():
        model.eval()(x)
    for hook in hooks:
        hook.remove()
    return sum(total)


def check(build, expected, in_channels, size, num_classes):
    """What every network must do; `build()` gives it, `expected` are its parameters by formula."""
    model, x = build(), torch.randn(3, in_channels, size, size)
    found = model.train()(x)
    logits = found if isinstance(found, tuple) else (found,)
    assert all(y.shape == (3, num_classes) for y in logits)
    sum((y * torch.randn_like(y)).sum() for y in logits).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    ours = cnnlib.summary(model, (1, in_channels, size, size))
    theirs = torchinfo.summary(model, (1, in_channels, size, size), verbose=0)
    assert ours.total_params == theirs.total_params == count(model) == expected
    assert ours.total_macs == macs_by_hooks(model, x[:1])
    twin = build()
    twin.load_state_dict(model.state_dict())
    assert torch.equal(twin.eval()(x), model.eval()(x))


def conv(cin, cout, kernel, groups=1, norm=False):
    """Parameters of a convolution with bias, or without and with BatchNorm."""
    return cin // groups * kernel**2 * cout + (2 * cout if norm else cout)


def dense(*units):
    return sum(a * b + b for a, b in itertools.pairwise(units))


@few
@given(kernel=st.sampled_from([3, 5]), pooling=st.sampled_from(["avg", "max"]),
       activation=st.sampled_from(["relu", "tanh", "sigmoid", "none"]), cin=colours, out=classes)
def test_lenet5_modern(kernel, pooling, activation, cin, out):
    options = dict(kernel_size=kernel, pooling=pooling, activation=activation, in_channels=cin, num_classes=out)
    expected = conv(cin, 6, kernel) + conv(6, 16, 5) + dense(400, 120, 84, out)
    check(lambda: cnnlib.create_model("lenet5_modern", **options), expected, cin, 28, out)


@few
@given(
    width=widths, groups=st.sampled_from([1, 2]), norm=st.sampled_from(["lrn", "batch", "none"]),
    pooling=st.sampled_from([2, 3]), padding=st.sampled_from([0, 2]), units=st.sampled_from([None, 7]),
    made_for=st.integers(24, 34), cin=colours, out=classes, size=st.integers(24, 34),
)
def test_alexnet(width, groups, norm, pooling, padding, units, made_for, cin, out, size):
    options = dict(variant="cifar", width=width, groups=groups, norm=norm, pooling=pooling, padding=padding,
                   dense=units, image_size=made_for, in_channels=cin, num_classes=out)
    a, b, c, d, e = (int(width * maps) for maps in (96, 256, 384, 384, 256))
    side = made_for + 2 * padding - 4
    for _ in range(3):
        side = (side - pooling) // 2 + 1
    units = units or int(1024 * width)
    expected = (conv(cin, a, 5) + conv(a, b, 5, groups) + conv(b, c, 3) + conv(c, d, 3, groups) + conv(d, e, 3, groups)
                + (2 * (a + b + c + d + e) if norm == "batch" else 0) + dense(e * side**2, units, units, out))
    check(lambda: cnnlib.create_model("alexnet", **options), expected, cin, size, out)


@few
@given(
    stages=st.lists(st.lists(st.tuples(st.sampled_from([1, 3, 5]), st.integers(1, 9)), min_size=1, max_size=3),
                    min_size=1, max_size=3),
    width=st.sampled_from([0.5, 0.875, 1, 2]), norm=st.booleans(), units=st.sampled_from([0, 5]),
    grid=st.integers(1, 3), cin=colours, out=classes, size=st.integers(8, 15),
)
def test_vgg(stages, width, norm, units, grid, cin, out, size):
    configuration = " ".join(" ".join(f"{k}x{k}-{maps}" for k, maps in stage) + " M" for stage in stages)
    expected, channels = 0, cin
    for kernel, maps in sum(stages, []):
        maps = max(1, int(maps * width))
        expected += conv(channels, maps, kernel) + (2 * maps if norm else 0)
        channels = maps
    expected += dense(channels * grid**2, *([units, units] if units else []), out)
    check(lambda: VGG(configuration, out, "cifar", norm, units, grid, in_channels=cin, width=width),
          expected, cin, size, out)


TABLE_1 = (                                         # of GoogLeNet: in, 1x1, reduced, 3x3, reduced, 5x5, pool
    (192, 64, 96, 128, 16, 32, 32), (256, 128, 128, 192, 32, 96, 64), (480, 192, 96, 208, 16, 48, 64),
    (512, 160, 112, 224, 24, 64, 64), (512, 128, 128, 256, 24, 64, 64), (512, 112, 144, 288, 32, 64, 64),
    (528, 256, 160, 320, 32, 128, 128), (832, 256, 160, 320, 32, 128, 128), (832, 384, 192, 384, 48, 128, 128),
)


def inception(row, kernel, norm):
    """Parameters of a module with the widths of a row of table 1."""
    c, one, red3, three, red5, five, pool = row
    parts = ((c, one, 1), (c, red3, 1), (red3, three, 3), (c, red5, 1), (red5, five, kernel), (c, pool, 1))
    return sum(conv(*part, norm=norm) for part in parts)


@few
@given(row=st.tuples(*7 * [st.integers(1, 6)]), kernel=st.sampled_from([3, 5]), norm=st.booleans(),
       size=st.integers(1, 9))
def test_inception_modules(row, kernel, norm, size):
    c, one, _, three, _, five, pool = row
    x = torch.randn(2, c, size, size)
    module, naive = Inception(*row, kernel, norm), NaiveInception(c, one, three, five, norm)
    assert module.eval()(x).shape == (2, one + three + five + pool, size, size)
    assert naive.eval()(x).shape == (2, one + three + five + c, size, size)
    assert count(module) == inception(row, kernel, norm)
    assert count(naive) == sum(conv(c, out, k, norm=norm) for out, k in ((one, 1), (three, 3), (five, 5)))


@few
@given(
    width=widths, norm=st.sampled_from(["lrn", "batch", "none"]), kernel=st.sampled_from([3, 5]), heads=st.booleans(),
    cin=colours, out=classes, size=st.integers(8, 33),
)
def test_googlenet(width, norm, kernel, heads, cin, out, size):
    options = dict(variant="cifar", width=width, norm=norm, kernel_size=kernel, aux_logits=heads, in_channels=cin,
                   num_classes=out)
    a, b, c, d, e, f, g = (int(width * maps) for maps in (64, 192, 512, 528, 1024, 128, 1024))
    bn = norm == "batch"
    expected = conv(cin, a, 3, norm=bn) + conv(a, a, 1, norm=bn) + conv(a, b, 3, norm=bn) + dense(e, out)
    expected += sum(inception([int(width * maps) for maps in row], kernel, bn) for row in TABLE_1)
    if heads:
        expected += sum(conv(maps, f, 1, norm=bn) + dense(16 * f, g, out) for maps in (c, d))
    check(lambda: cnnlib.create_model("googlenet", **options), expected, cin, size, out)


@settings(max_examples=3, deadline=None)
@given(width=widths, cin=colours, out=classes, size=st.integers(15, 33))
def test_inception_v3(width, cin, out, size):
    """Of the published 23,834,568 parameters 2,049,000 are the last layer's, 864 read the picture, two belong to each
    of 17,216 maps; the others join maps to maps and go with the square of the width."""
    square = 23_834_568 - 2_049_000 - 864 - 2 * 17_216
    expected = square * width**2 + (9 * cin * 32 + 2 * 17_216) * width + dense(int(2048 * width), out)
    options = dict(variant="cifar", width=width, in_channels=cin, num_classes=out)
    check(lambda: cnnlib.create_model("inception_v3", **options), expected, cin, size, out)


def test_auxiliary_head_of_a_narrow_inception_v3():
    for width in (0.125, 0.5, 2):
        with_head, without = (count(meta("inception_v3", width=width, aux_logits=head)) for head in (True, False))
        a, b, c = (int(width * maps) for maps in (768, 128, 768))
        assert with_head - without == conv(a, b, 1, norm=True) + conv(b, c, 5, norm=True) + dense(c, 1000)


@few
@given(share=st.sampled_from([0.1, 0.25, 0.33]), cin=colours, out=classes, size=st.integers(17, 40))
def test_mobilenet_v1(share, cin, out, size):
    maps = [int(share * c) for c in (32, 64, 128, 128, 256, 256, *6 * [512], 1024, 1024)]
    expected = conv(cin, maps[0], 3, norm=True) + dense(maps[-1], out)
    expected += sum(conv(a, a, 3, a, norm=True) + conv(a, b, 1, norm=True) for a, b in itertools.pairwise(maps))
    options = dict(width_multiplier=share, in_channels=cin, num_classes=out)
    check(lambda: cnnlib.create_model("mobilenet_v1", **options), expected, cin, size, out)


def eights(channels):
    """Multiples of 8: the nearest, or the next where the nearest would lose more than a tenth."""
    nearest = max(8, 8 * int(channels / 8 + 0.5))
    return nearest + 8 if nearest < 0.9 * channels else nearest


@few
@given(share=st.sampled_from([0.1, 0.25, 0.35]), cin=colours, out=classes, size=st.integers(17, 40))
def test_mobilenet_v2(share, cin, out, size):
    table_2 = ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1))
    c = eights(32 * share)
    expected = conv(cin, c, 3, norm=True)
    for t, maps, n in table_2:
        for _ in range(n):
            wide, narrow = t * c, eights(maps * share)
            expected += conv(c, wide, 1, norm=True) if t > 1 else 0
            expected += conv(wide, wide, 3, wide, norm=True) + conv(wide, narrow, 1, norm=True)
            c = narrow
    expected += conv(c, 1280, 1, norm=True) + dense(1280, out)
    options = dict(width_multiplier=share, in_channels=cin, num_classes=out)
    check(lambda: cnnlib.create_model("mobilenet_v2", **options), expected, cin, size, out)


@few
@given(columns=st.integers(1, 4), blocks=st.integers(1, 3), width=widths, cin=colours, out=classes,
       dropout=st.sampled_from([0, 0.4]), size=st.integers(8, 20))
def test_fractalnet(columns, blocks, width, cin, out, dropout, size):
    expected, c = 0, cin
    for maps in [int(64 * 2**i * width) for i in range(blocks)]:
        expected += columns * conv(c, maps, 3, norm=True)
        expected += (2**columns - 1 - columns) * conv(maps, maps, 3, norm=True)
        c = maps
    options = dict(columns=columns, blocks=blocks, width=width, in_channels=cin, num_classes=out, dropout=dropout)
    check(lambda: cnnlib.create_model("fractalnet", **options), expected + dense(c, out), cin, size, out)


@few
@given(depth=st.sampled_from([18, 34, 50]), width=st.sampled_from([8, 16]), groups=st.sampled_from([1, 2]),
       per_group=st.sampled_from([32, 64]), cin=colours, out=classes, size=st.integers(33, 40))
def test_imagenet_resnet(depth, width, groups, per_group, cin, out, size):
    """Option B; grouped bottlenecks for depth 50."""
    expected, c = conv(cin, width, 7, norm=True), width
    for i, n in enumerate({18: (2, 2, 2, 2)}.get(depth, (3, 4, 6, 3))):
        planes = width * 2**i
        for j in range(n):
            if depth < 50:
                end = planes
                expected += conv(c, planes, 3, norm=True) + conv(planes, planes, 3, norm=True)
            else:
                end, mid = 4 * planes, planes * per_group // 64 * groups
                expected += conv(c, mid, 1, norm=True) + conv(mid, mid, 3, groups, norm=True)
                expected += conv(mid, end, 1, norm=True)
            expected += conv(c, end, 1, norm=True) if j == 0 and c != end else 0
            c = end
    options = dict(width=width, in_channels=cin, num_classes=out)
    options |= dict(groups=groups, width_per_group=per_group) if depth == 50 else {}
    check(lambda: cnnlib.create_model(f"resnet{depth}", **options), expected + dense(c, out), cin, size, out)


@pytest.mark.parametrize("name", ["alexnet", "vgg11", "vgg16_bn", "googlenet", "inception_v3", "fractalnet"])
def test_width_is_a_share_of_every_layer(name):
    """Each convolution and each hidden dense layer, and nothing else; wrong shares are refused."""
    def outputs(**options):
        layers = [m for m in meta(name, **options).modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
        return [layer.weight.shape[0] for layer in layers if layer.weight.shape[0] != options["num_classes"]]

    full = outputs(num_classes=7)
    for width in (0.125, 0.375, 2):
        assert outputs(num_classes=7, width=width) == [width * n for n in full]
    for wrong in (0, -1, 0.3, 8, True, "1"):
        with pytest.raises(ValueError, match=f"width is {wrong!r}, allowed: multiples of 1/8"):
            meta(name, width=wrong)
    with pytest.raises(ValueError, match="in_channels is 0"):
        meta(name, in_channels=0)
