"""Likeness of pictures: the closed form of wide random layers, BatchNorm, and that the network stays as it was."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from cnnlib.experiments.likeness import behind_relu, likeness, mean_cosine, prepare
from cnnlib.models import create_model


def test_wide_random_layers_follow_the_closed_form():
    """Three dense layers (convolutions of 1×1) of 4,000 units, started as He et al. advise, on two inputs at 90°."""
    torch.manual_seed(0)
    layers = []
    for _ in range(3):
        conv = nn.Conv2d(4000 if layers else 2, 4000, 1, bias=False)
        nn.init.kaiming_normal_(conv.weight)
        layers += [conv, nn.ReLU()]
    seen = likeness(nn.Sequential(*layers), torch.eye(2)[:, :, None, None])
    expected = [0.0]
    for _ in range(3):
        expected.append(behind_relu(expected[-1]))
    assert seen == pytest.approx(expected, abs=0.03)


@given(st.floats(-1, 1))
def test_a_relu_makes_pictures_more_alike(cosine):
    assert cosine - 1e-9 <= behind_relu(cosine) <= 1 + 1e-9
    assert behind_relu(cosine) >= 0


def test_closed_form_at_its_ends():
    assert behind_relu(1) == pytest.approx(1) and behind_relu(-1) == pytest.approx(0)
    assert behind_relu(0) == pytest.approx(1 / math.pi)


def test_mean_cosine_is_that_of_all_pairs():
    x = torch.randn(5, 2, 3, 3)
    pairs = [torch.cosine_similarity(x[i].flatten(), x[j].flatten(), 0).item() for i in range(5) for j in range(i)]
    assert mean_cosine(x) == pytest.approx(sum(pairs) / len(pairs), abs=1e-6)


def test_batch_norm_keeps_pictures_apart_and_the_network_is_left_alone():
    torch.manual_seed(0)

    def deep(norm):
        layers = [[nn.Conv2d(32, 32, 3, padding=1), *norm(), nn.ReLU()] for _ in range(12)]
        for conv, *_ in layers:
            nn.init.kaiming_normal_(conv.weight)
        return nn.Sequential(*sum(layers, []))

    x = torch.randn(8, 32, 8, 8) + 1
    plain, normed = deep(list), deep(lambda: [nn.BatchNorm2d(32)])
    before = {name: value.clone() for name, value in normed.state_dict().items()}
    assert likeness(plain, x)[-1] > 0.85 and likeness(normed, x)[-1] < 0.65
    assert all(torch.equal(before[name], value) for name, value in normed.state_dict().items())
    assert normed.training and not any(module._forward_hooks for module in normed.modules())


def test_one_picture_is_not_enough():
    with pytest.raises(ValueError, match="pictures has 1, allowed: at least 2"):
        likeness(nn.Sequential(nn.ReLU()), torch.zeros(1, 3, 4, 4))


@pytest.mark.parametrize("centre, scale", [(False, True), (True, True), (True, False)])
def test_a_prepared_start_has_size_1_if_scaled_and_mean_0_if_centred(centre, scale):
    torch.manual_seed(0)
    features = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 4, 3), nn.ReLU())
    x = torch.rand(20, 1, 12, 12) * 5
    prepare(features, x, centre, scale)
    outputs = []
    for layer in features:
        x = layer(x)
        outputs += [x] if isinstance(layer, nn.Conv2d) else []
    for out in outputs:
        assert (abs(out.square().mean().item() - 1) < 1e-4) == scale
        means = out.mean((0, 2, 3))
        assert (means.abs().max().item() < 1e-4) == centre


def test_centring_keeps_pictures_apart_and_scaling_does_not():
    x = torch.rand(16, 1, 16, 16)

    def after(*how):
        torch.manual_seed(1)
        network = create_model("vgg13", variant="cifar", in_channels=1, width=0.125).eval().features[:-1]
        if how:
            prepare(network, x, *how)
        return likeness(network, x)[-1]

    assert after(False) == pytest.approx(after(), abs=1e-3)         # a ReLU does not care about the scale
    assert after(True) < after() - 0.1
