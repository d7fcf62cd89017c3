"""AlexNet: the paper's counts, the four networks of the sources, LRN, options."""

import pytest
import torch
from torch import nn

import cnnlib
from cnnlib.models import alexnet


def on_meta(**options):
    with torch.device("meta"):
        return cnnlib.create_model("alexnet", **options)


def sides(size, **options):
    """Shapes (maps, side) of convolutions and poolings, then units of the dense layers."""
    rows = cnnlib.summary(on_meta(**options), (1, 3, size, size)).rows
    kinds = ("Conv2d", "MaxPool2d", "Linear")
    return [row.output_shape[1:3] if len(row.output_shape) == 4 else row.output_shape[1]
            for row in rows if row.type in kinds]


@pytest.mark.parametrize(
    "options, size, params, macs",
    [
        ({}, 227, 60_965_224, 724_406_816),
        ({"groups": 1}, 227, 62_378_344, 1_135_256_096),
        ({"variant": "torchvision"}, 224, 61_100_840, 714_188_480),
        ({"variant": "torchvision", "num_classes": 10}, 224, 57_044_810, 710_133_440),
        ({"variant": "cifar"}, 32, 5_726_602, 177_453_056),
        # The four of the sources: one tower; TensorFlow with 2048 and 4096 units; benchmark; compact.
        ({"groups": 1, "num_classes": 10}, 227, 58_322_314, 1_131_201_056),
        ({"groups": 1, "num_classes": 3, "dense": 2048}, 227, 26_826_115, 1_099_708_960),
        ({"groups": 1, "num_classes": 3}, 227, 58_293_635, 1_131_172_384),
        ({"variant": "torchvision", "norm": "lrn", "padding": "same"}, 224, 74_732_328, 730_398_720),
        ({"variant": "torchvision", "padding": 0, "image_size": 224, "num_classes": 10}, 224,
         45_510_474, 626_332_416),
    ],
)
def test_counts(options, size, params, macs):
    found = cnnlib.summary(on_meta(**options), (1, 3, size, size))
    assert (found.total_params, found.total_macs) == (params, macs)


def test_units_of_figure_2():
    """The paper's list 253,440-186,624-64,896-64,896-43,264-4096-4096-1000 begins with a number that no map of
    96 channels has: 55x55x96 is 290,400, and the sum 659,272 is the text's 650,000."""
    rows = cnnlib.summary(on_meta(), (1, 3, 227, 227)).rows
    units = [torch.Size(r.output_shape).numel() for r in rows if r.type in ("Conv2d", "Linear")]
    assert units == [290_400, 186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000]
    assert sum(units) == 659_272
    assert sum(units) - 290_400 + 253_440 == 622_312


@pytest.mark.parametrize(
    "options, size, expected",
    [
        ({}, 227, [(96, 55), (96, 27), (256, 27), (256, 13), (384, 13), (384, 13), (256, 13), (256, 6)]),
        ({"variant": "torchvision", "norm": "lrn", "padding": "same"}, 224,
         [(64, 56), (64, 27), (192, 27), (192, 13), (384, 13), (256, 13), (256, 13), (256, 7)]),
        ({"variant": "torchvision", "padding": 0, "image_size": 224}, 224,
         [(64, 54), (64, 26), (192, 26), (192, 12), (384, 12), (256, 12), (256, 12), (256, 5)]),
    ],
)
def test_shapes_of_the_sources(options, size, expected):
    assert sides(size, **options) == [*expected, 4096, 4096, 1000]


def test_224_has_54_units_a_side():
    assert sides(224)[0] == (96, 54) and sides(227)[0] == (96, 55)
    assert on_meta()(torch.empty(1, 3, 224, 224, device="meta")).shape == (1, 1000)


def test_same_padding_is_tensorflows():
    """At 224, 'same' with kernel 11 and stride 4 pads 3 before and 4 after."""
    pad = on_meta(variant="torchvision", padding="same").features[0]
    assert isinstance(pad, nn.ZeroPad2d) and pad.padding == (3, 4, 3, 4)


def test_lrn_is_the_papers():
    def by_hand(a, n, alpha, beta, k):
        maps = a.shape[1]
        total = torch.stack([
            (a[:, max(0, i - n // 2): min(maps, i + n // 2 + 1)] ** 2).sum(1) for i in range(maps)
        ], 1)
        return a / (k + alpha * total) ** beta

    a = torch.randn(2, 12, 3, 3, dtype=torch.float64) * 30
    for constants in ((5, 1e-4, 0.75, 2.0), (9, 0.001 / 9, 0.75, 1.0), (11, 0.001 / 9, 0.75, 1.0)):
        torch.testing.assert_close(alexnet.local_response_norm(*constants)(a), by_hand(a, *constants))
    tens = torch.full((1, 11, 1, 1), 10.0)
    assert alexnet.local_response_norm()(tens)[0, 5].item() == pytest.approx(5.837, abs=1e-3)
    assert nn.LocalResponseNorm(5)(tens)[0, 5].item() == pytest.approx(9.926, abs=1e-3)     # its own constants


def kinds(model, kind):
    return [m for m in model.modules() if isinstance(m, kind)]


def test_parts():
    net = on_meta()
    assert [c.groups for c in kinds(net, nn.Conv2d)] == [1, 2, 1, 2, 2]
    assert [(n.size, n.alpha, n.beta, n.k) for n in kinds(net, nn.LocalResponseNorm)] == [(5, 5e-4, 0.75, 2.0)] * 2
    assert [(p.kernel_size, p.stride) for p in kinds(net, nn.MaxPool2d)] == [(3, 2)] * 3
    assert [type(m).__name__ for m in net.features][:5] == [
        "Conv2d", "ReLU", "LocalResponseNorm", "MaxPool2d", "Conv2d"]
    order = [type(m).__name__ for m in net.classifier]
    assert order == ["Linear", "ReLU", "Dropout"] * 2 + ["Linear"]
    order = [type(m).__name__ for m in on_meta(variant="torchvision").classifier]
    assert order == ["Dropout", "Linear", "ReLU"] * 2 + ["Linear"]
    assert len(kinds(on_meta(norm="batch"), nn.BatchNorm2d)) == 5
    assert not kinds(on_meta(norm="none"), (nn.BatchNorm2d, nn.LocalResponseNorm))
    assert [p.kernel_size for p in kinds(on_meta(pooling=2), nn.MaxPool2d)] == [2] * 3
    assert {d.p for d in kinds(on_meta(dropout=0.3), nn.Dropout)} == {0.3}
    for name, kind in (("tanh", nn.Tanh), ("sigmoid", nn.Sigmoid), ("relu", nn.ReLU)):
        assert len(kinds(on_meta(activation=name), kind)) == 7


def test_start_of_the_paper():
    torch.manual_seed(0)
    net = cnnlib.create_model("alexnet", dense=512)
    layers = kinds(net, (nn.Conv2d, nn.Linear))
    assert [layer.bias.unique().tolist() for layer in layers] == [[0], [1], [0], [1], [1], [1], [1], [0]]
    assert all(layer.weight.std().item() == pytest.approx(0.01, rel=0.05) for layer in layers)


def test_towers_do_not_see_each_other():
    """With groups=2 the second convolution's first half depends on the first half of the maps alone."""
    net = cnnlib.create_model("alexnet", variant="cifar")
    second = [m for m in net.features if isinstance(m, nn.Conv2d)][1]
    x = torch.randn(1, 96, 8, 8)
    y = x.clone()
    y[:, 48:] = 0
    assert torch.equal(second(x)[:, :128], second(y)[:, :128])
    assert not torch.equal(second(x)[:, 128:], second(y)[:, 128:])


def test_without_activation_dense_layers_are_one_map():
    """Three dense layers without activation add up; with ReLU they do not."""
    def defect(activation):
        torch.manual_seed(0)
        net = cnnlib.create_model("alexnet", variant="cifar", activation=activation).double().eval()
        a, b = torch.randn(2, 4, 2304, dtype=torch.float64)
        zero = net.classifier(torch.zeros(4, 2304, dtype=torch.float64))
        both = net.classifier(a + b) - zero
        apart = net.classifier(a) + net.classifier(b) - 2 * zero
        return ((both - apart).abs().max() / both.abs().max()).item()

    assert defect("none") < 1e-9 and defect("relu") > 1e-3


@pytest.mark.parametrize("options", [{"groups": 1}, {"norm": "batch"}, {"norm": "none"}, {"pooling": 2},
                                     {"activation": "tanh"}, {"activation": "sigmoid"}, {"padding": 0}])
def test_cifar_options_train(options):
    torch.manual_seed(0)
    net = cnnlib.create_model("alexnet", variant="cifar", dense=32, **options)
    net(torch.randn(2, 3, 32, 32)).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in net.parameters())


@pytest.mark.parametrize(
    "options, message",
    [
        ({"groups": 3}, "groups is 3, allowed: 1, 2"),
        ({"activation": "gelu"}, "activation is 'gelu', allowed: 'relu', 'tanh', 'sigmoid', 'none'"),
        ({"norm": True}, "norm is True, allowed: 'lrn', 'batch', 'none'"),
        ({"pooling": 4}, "pooling is 4, allowed: 3, 2"),
        ({"padding": "valid"}, "padding is 'valid', allowed: 0, 2, 'same'"),
        ({"image_size": 66}, "image_size is 66, allowed: whole numbers from 67"),
        ({"image_size": 62, "variant": "torchvision"}, "image_size is 62, allowed: whole numbers from 63"),
        ({"dense": 0}, "dense is 0"),
        ({"dropout": 1}, "dropout is 1, allowed: a number from 0 to below 1"),
        ({"dropout": "0.5"}, "dropout is '0.5'"),
    ],
)
def test_refused(options, message):
    with pytest.raises(ValueError, match=message):
        cnnlib.create_model("alexnet", **options)
