"""VGG: the paper's tables, the forms of the sources, the configuration string."""

import pytest
import torch
from torch import nn

import cnnlib
from cnnlib.models import VGG, vgg

from . import count, meta


@pytest.mark.parametrize(
    "name, params, macs, ten_classes, million",
    [
        ("vgg11", 132_863_336, 7_609_090_048, 128_807_306, 133),
        ("vgg11_lrn", 132_863_336, 7_609_090_048, 128_807_306, 133),
        ("vgg11_bn", 132_868_840, 7_609_090_048, 128_812_810, None),
        ("vgg13", 133_047_848, 11_308_466_176, 128_991_818, 133),
        ("vgg13_bn", 133_053_736, 11_308_466_176, 128_997_706, None),
        ("vgg16_1x1", 133_638_952, 11_770_888_192, 129_582_922, 134),
        ("vgg16", 138_357_544, 15_470_264_320, 134_301_514, 138),
        ("vgg16_bn", 138_365_992, 15_470_264_320, 134_309_962, None),
        ("vgg19", 143_667_240, 19_632_062_464, 139_611_210, 144),
        ("vgg19_bn", 143_678_248, 19_632_062_464, 139_622_218, None),
    ],
)
def test_counts(name, params, macs, ten_classes, million):
    """Table 2 of the paper (in millions), and the exact counts."""
    found = cnnlib.summary(meta(name), (1, 3, 224, 224))
    assert (found.total_params, found.total_macs) == (params, macs)
    assert count(meta(name, num_classes=10)) == ten_classes
    assert million is None or round(params / 1e6) == million


@pytest.mark.parametrize(
    "name, params, macs",
    [
        ("vgg11", 9_225_610, 152_769_536),
        ("vgg13", 9_410_122, 228_267_008),
        ("vgg16", 14_719_818, 313_201_664),
        ("vgg16_bn", 14_728_266, 313_201_664),
        ("vgg19", 20_029_514, 398_136_320),
    ],
)
def test_counts_at_32(name, params, macs):
    found = cnnlib.summary(meta(name, variant="cifar"), (1, 3, 32, 32))
    assert (found.total_params, found.total_macs) == (params, macs)
    assert found.rows[-1].type == "Linear" and found.rows[-1].params == 512 * 10 + 10


def test_layers_with_weights():
    """The number in the name counts convolutions and dense layers."""
    for name in vgg.MODELS:
        layers = [m for m in meta(name).modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
        assert f"vgg{len(layers)}" == name.split("_")[0]


def test_configurations_are_those_of_table_1():
    a, lrn, b, c, d, e = (vgg.parse(x) for x in ("A", "A-LRN", "B", "C", "D", "E"))
    assert [x.count(("pool",)) for x in (a, lrn, b, c, d, e)] == [5] * 6
    assert lrn == [a[0], ("lrn",), *a[1:]]
    assert [layer for layer in c if layer[:2] == ("conv", 1)] == [("conv", 1, 256), ("conv", 1, 512), ("conv", 1, 512)]
    assert [("conv", 3, layer[2]) if layer[0] == "conv" else layer for layer in c] == d
    assert [x for x in c if x[:2] != ("conv", 1)] == b


def test_stages_of_vgg16():
    """Sizes after the five poolings, and the first dense layer with 74 % of all parameters."""
    rows = cnnlib.summary(meta("vgg16"), (1, 3, 224, 224)).rows
    pools = [row.output_shape[1:3] for row in rows if row.type == "MaxPool2d"]
    assert pools == [(64, 112), (128, 56), (256, 28), (512, 14), (512, 7)]
    dense = [row.params for row in rows if row.type == "Linear"]
    assert dense == [102_764_544, 16_781_312, 4_097_000]
    assert dense[0] / 138_357_544 == pytest.approx(0.74, abs=0.005)
    assert sum(dense) / 138_357_544 == pytest.approx(0.89, abs=0.005)


def test_forms_of_the_sources():
    """Without dropout and ten classes; 1x1 in blocks 3 to 5 at 227 with padded pools, which ends in 8x8."""
    assert count(meta("vgg16", num_classes=10, dropout=0.0)) == 134_301_514
    assert {m.p for m in meta("vgg16", dropout=0.0).modules() if isinstance(m, nn.Dropout)} == {0.0}
    assert count(meta("vgg16_1x1")) == 133_638_952
    assert count(meta("vgg16_1x1", grid=8)) == 165_096_232


def test_first_pool_at_227():
    """113, not 112: 112 needs 224."""
    rows = cnnlib.summary(meta("vgg16"), (1, 3, 227, 227)).rows
    assert next(row for row in rows if row.type == "MaxPool2d").output_shape == (1, 64, 113, 113)


def test_two_3x3_see_as_much_as_one_5x5_with_fewer_weights():
    small, large = meta("vgg13").features, meta("vgg8_5x5").features
    assert (count(small), count(large)) == (9_404_992, 10_860_672)
    fields = [cnnlib.summary(net, (1, 3, 224, 224)).rows[-1].receptive_field for net in (small, large)]
    assert fields[0] == fields[1] == 156


def test_start_keeps_the_spread():
    """He's start: the spread of the maps stays within a factor of ten from first to last convolution."""
    torch.manual_seed(0)
    net, x = cnnlib.create_model("vgg16", variant="cifar"), torch.randn(4, 3, 32, 32)
    spreads = []
    with torch.no_grad():
        for layer in net.features:
            x = layer(x)
            if isinstance(layer, nn.Conv2d):
                spreads.append(x.std().item())
    assert max(spreads) / min(spreads) < 10
    for name, options in (("cifar", {}), ("paper", {"dense": 16})):
        net = cnnlib.create_model("vgg11", variant=name, **options)
        assert all(not m.bias.any() for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear)))


def test_any_configuration():
    net = VGG("8 LRN M 1x1-16 M 5x5-4", 3, variant="cifar", batch_norm=True)
    assert [type(m).__name__ for m in net.features] == [
        "Conv2d", "BatchNorm2d", "ReLU", "LocalResponseNorm", "MaxPool2d",
        "Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d", "Conv2d", "BatchNorm2d", "ReLU"]
    assert net.smallest == 4 and net(torch.randn(2, 3, 5, 4)).shape == (2, 3)
    closed = (3 * 9 + 1 + 2) * 8 + (8 + 1 + 2) * 16 + (16 * 25 + 1 + 2) * 4 + (4 + 1) * 3
    assert count(net) == closed


def test_any_configuration_by_name():
    net = cnnlib.create_model("vgg", configuration="8 M 1x1-16 M", variant="cifar", num_classes=3)
    assert count(net) == (3 * 9 + 1) * 8 + (8 + 1) * 16 + (16 + 1) * 3
    assert cnnlib.summary.of("vgg", configuration="D").total_params == 138_357_544
    with pytest.raises(ValueError, match="configuration is '8 W'"):
        cnnlib.create_model("vgg", configuration="8 W")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"configuration": "F"}, "configuration is 'F', allowed: A, A-LRN, B, C, D, E, B-5x5, or words such as"),
        ({"configuration": "64 m"}, "configuration is '64 m'"),
        ({"configuration": "2x2-64"}, "with odd kernels"),
        ({"configuration": "3x5-64"}, "configuration is '3x5-64'"),
        ({"configuration": "0 M"}, "configuration is '0 M'"),
        ({"configuration": "M M"}, "configuration is 'M M'"),
        ({"configuration": ""}, "configuration is ''"),
        ({"configuration": 16}, "configuration is 16"),
        ({"dense": -1}, "dense is -1, allowed: whole numbers from 0"),
        ({"grid": 0}, "grid is 0"),
        ({"batch_norm": "yes"}, "batch_norm is 'yes'"),
        ({"dropout": -0.5}, "dropout is -0.5"),
        ({"variant": "keras"}, "variant is 'keras', allowed: 'paper', 'torchvision', 'cifar'"),
    ],
)
def test_refused(options, message):
    with pytest.raises(ValueError, match=message):
        VGG(**options)
