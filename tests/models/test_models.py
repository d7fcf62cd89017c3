"""The networks: counts of the papers, shapes, options, and what must be refused."""

import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import cnnlib
from cnnlib import models
from cnnlib.checks import one_of
from cnnlib.models import lenet

INPUTS = {"lenet5": (1, 32, 32), "lenet5_modern": (1, 28, 28), "mnist_cnn": (1, 28, 28)}


def test_every_model_has_an_input_here():
    assert sorted(lenet.MODELS) == sorted(INPUTS)


@pytest.mark.parametrize("name", sorted(INPUTS))
def test_forward_and_backward(name):
    torch.manual_seed(0)
    model = cnnlib.create_model(name)
    logits = model(torch.randn(3, *INPUTS[name]))
    assert logits.shape == (3, 10)
    F.cross_entropy(logits, torch.tensor([0, 1, 2])).backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, parameter_name


@pytest.mark.parametrize("name", sorted(INPUTS))
def test_forward_prints_nothing_and_state_round_trips(name, capsys):
    a, b = cnnlib.create_model(name).eval(), cnnlib.create_model(name).eval()
    b.load_state_dict(a.state_dict())
    x = torch.randn(2, *INPUTS[name])
    assert torch.equal(a(x), b(x))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "name, options, count",
    [
        ("lenet5", {}, 60_000),
        ("lenet5_modern", {}, 61_706),
        ("lenet5_modern", {"kernel_size": 3}, 61_610),
        ("lenet5_modern", {"pooling": "avg", "activation": "tanh"}, 61_706),
        ("mnist_cnn", {}, 2_328_298),
    ],
)
def test_published_parameter_counts(name, options, count):
    model = cnnlib.create_model(name, **options)
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == count


def test_lenet5_layer_by_layer():
    """LeCun et al. 1998, section II-B: the trainable parameters of each layer."""
    model = cnnlib.create_model("lenet5")
    counts = {name: sum(p.numel() for p in layer.parameters()) for name, layer in model.named_children()}
    assert counts == {"squash": 0, "c1": 156, "s2": 12, "c3": 1516, "s4": 32, "c5": 48_120, "f6": 10_164, "output": 0}


def test_lenet5_connections():
    """The 340,908 connections of section II-B: every use of a weight or a bias, and the 840 of the output."""
    rows = {row.name: row for row in cnnlib.summary(cnnlib.create_model("lenet5"), (1, 1, 32, 32)).rows}
    connections = 0
    for name in ("c1", "c3", "c5", "f6"):
        units = torch.Size(rows[name].output_shape).numel()
        connections += rows[name].macs + units               # one bias a unit
    for name in ("s2", "s4"):
        connections += 5 * torch.Size(rows[name].output_shape).numel()    # four inputs and a bias
    assert connections + rows["output"].macs == 340_908


def test_c3_is_sparse_as_in_table_1():
    c3 = cnnlib.create_model("lenet5").c3
    sees = (c3.dense_weight() != 0).flatten(2).any(2)
    assert sees.sum(1).tolist() == [3] * 6 + [4] * 9 + [6]
    assert sees.sum(0).tolist() == [10] * 6
    # Contiguous triples, contiguous fours, three broken fours, everything: the structure the paper describes.
    members = [row.nonzero().flatten().tolist() for row in sees]
    assert members[:6] == [sorted({i, (i + 1) % 6, (i + 2) % 6}) for i in range(6)]
    assert members[6:12] == [sorted({i, (i + 1) % 6, (i + 2) % 6, (i + 3) % 6}) for i in range(6)]
    assert members[12:] == [[0, 1, 3, 4], [1, 2, 4, 5], [0, 2, 3, 5], [0, 1, 2, 3, 4, 5]]


def test_subsampling_is_factor_times_sum_plus_bias():
    layer = lenet.Subsampling(2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([2.0, -1.0]).view(2, 1, 1))
        layer.bias.copy_(torch.tensor([0.5, 0.0]).view(2, 1, 1))
    x = torch.arange(32.0).view(1, 2, 4, 4)
    windows = x.unfold(2, 2, 2).unfold(3, 2, 2).sum((4, 5))
    expected = windows * torch.tensor([2.0, -1.0]).view(1, 2, 1, 1) + torch.tensor([0.5, 0.0]).view(1, 2, 1, 1)
    torch.testing.assert_close(layer(x), expected)


def test_scaled_tanh_maps_one_to_one():
    f = lenet.ScaledTanh()
    torch.testing.assert_close(f(torch.tensor([-1.0, 0.0, 1.0])), torch.tensor([-1.0, 0.0, 1.0]), atol=1e-4, rtol=0)


def test_rbf_scores_are_squared_distances_and_codes_differ():
    output = lenet.EuclideanRBF()
    assert output.codes.shape == (10, 84) and output.codes.unique().tolist() == [-1.0, 1.0]
    x = torch.randn(5, 84)
    torch.testing.assert_close(-output(x), torch.cdist(x, output.codes) ** 2, atol=1e-3, rtol=1e-4)
    scores = output(output.codes)
    assert scores.argmax(1).tolist() == list(range(10)) and scores.diagonal().eq(0).all()
    assert not [p for p in output.parameters()]


def test_modern_variants_differ_as_named():
    x = torch.randn(2, 1, 28, 28)
    outputs = {}
    for pooling in lenet.POOLINGS:
        for activation in lenet.ACTIVATIONS:
            torch.manual_seed(0)
            model = cnnlib.create_model("lenet5_modern", pooling=pooling, activation=activation)
            outputs[pooling, activation] = model(x)
    values = list(outputs.values())
    assert all(not torch.allclose(a, b) for i, a in enumerate(values) for b in values[:i])


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("lenet6", {}, "lenet6.*Did you mean 'lenet5'"),
        ("lenet5", {"pooling": "max"}, "no option 'pooling'"),
        ("lenet5_modern", {"pooling": "mean"}, "pooling is 'mean', allowed: 'avg', 'max'"),
        ("lenet5_modern", {"activation": "ReLU"}, "activation is 'ReLU', allowed: .*'relu'"),
        ("lenet5_modern", {"kernel_size": 4}, "kernel_size is 4, allowed: 5, 3"),
        ("lenet5_modern", {"num_classes": 0}, "num_classes is 0"),
        ("lenet5_modern", {"in_channels": 1.5}, "in_channels is 1.5"),
        ("mnist_cnn", {"num_classes": True}, "num_classes is True"),
    ],
)
def test_bad_arguments_are_named(name, options, message):
    with pytest.raises(ValueError, match=message):
        cnnlib.create_model(name, **options)


@pytest.mark.parametrize("name", sorted(INPUTS))
def test_wrong_image_size_is_named(name):
    with pytest.raises(ValueError, match=rf"{name} takes images of shape \(N, 1, \d+, \d+\), got \(1, 1, 27, 27\)"):
        cnnlib.create_model(name)(torch.randn(1, 1, 27, 27))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ([], {}, "model [] is not known"),
        ("resnet020", {}, "model 'resnet020' is not known. Did you mean 'resnet20'"),
        ("resnet99999999998", {}, "depth is 99999999998, allowed: whole numbers from 1 to 10,000"),
        ("densenet_cifar", {"depth": 10**30}, "allowed: whole numbers from 1 to 10,000"),
        ("lenet5_modern", {"kernel_size": 3.0}, "kernel_size is 3.0, allowed: 5, 3"),
        ("alexnet", {"groups": True}, "groups is True, allowed: 1, 2"),
        ("alexnet", {"pooling": torch.ones(2)}, "pooling is tensor"),
        ("googlenet", {"naive": 1}, "naive is 1, allowed: False, True"),
        ("googlenet", {"naive": True, "kernel_size": 3}, "kernel_size of naive modules is 3"),
        ("fractalnet", {"blocks": 2.0}, "blocks is 2.0"),
        ("resnet20", {"residual_scale": "0.3"}, "residual_scale is '0.3', allowed: above 0 up to 1"),
        ("resnet50", {"stride_in": 0}, "stride_in is 0, allowed: '1x1', '3x3'"),
        ("densenet121", {"compression": [0.5]}, "compression is [0.5], allowed: above 0 up to 1"),
        ("mobilenet_v1", {"width_multiplier": "1"}, "width_multiplier is '1', allowed: above 0 up to 4"),
    ],
)
def test_values_of_a_wrong_kind_are_named(name, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        cnnlib.create_model(name, **options)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: models.SeparableConv2d(8, 16, kernel_size=2), "kernel_size is 2, allowed: odd sizes"),
        (lambda: models.InvertedResidual(0, 16), "in_channels is 0"),
        (lambda: models.ASPP(8, rates=6), "rates is 6, allowed: a list of whole numbers"),
        (lambda: models.ParallelKernels(8, 9, kernels=()), "kernels is (), allowed: a list of whole numbers"),
        (lambda: models.ZeroPadShortcut(8, 4, 2), "out_channels is 4, allowed: whole numbers from 8"),
        (lambda: models.DenseBlock(0, 8, 4), "layers is 0, allowed: whole numbers from 1"),
    ],
)
def test_blocks_name_bad_arguments(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


def test_the_last_block_has_the_dropout_even_if_it_is_the_first():
    rates = [m.p for m in models.FractalNet(columns=1, blocks=1, dropout=0.4).modules() if isinstance(m, nn.Dropout)]
    assert rates == [0.4]


def test_a_whole_number_stands_for_a_share():
    assert one_of("share", 1, (0.5, 1.0)) == 1      # a browser sends 1 for 1.0
