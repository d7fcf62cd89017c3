"""Class activation maps add up to the scores, for both kinds of head, and say where."""

import pytest
import torch
from torch import nn

from cnnlib import models
from cnnlib.experiments.activation_map import activation_map, class_activation_map, draw_activation_map


@pytest.mark.parametrize("head", ["average", "flatten"])
def test_the_places_and_the_bias_add_up_to_the_score(head):
    torch.manual_seed(0)
    maps = torch.randn(2, 5, 4, 3, dtype=torch.double)
    pool = nn.AdaptiveAvgPool2d(1) if head == "average" else nn.Identity()
    linear = nn.Linear(5 if head == "average" else 60, 7, dtype=torch.double)
    found = class_activation_map(maps, linear)
    assert found.shape == (2, 7, 4, 3)
    torch.testing.assert_close(found.sum((2, 3)) + linear.bias, linear(pool(maps).flatten(1)))
    # taking one place away changes the scores by what that place is said to add
    without = maps.clone()
    without[:, :, 1, 2] = 0
    change = linear(pool(maps).flatten(1)) - linear(pool(without).flatten(1))
    torch.testing.assert_close(change, found[:, :, 1, 2])


def test_a_head_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"linear has 6 inputs, allowed for maps \(1, 5, 2, 2\): 5 .* or 20"):
        class_activation_map(torch.zeros(1, 5, 2, 2), nn.Linear(6, 3))


@pytest.mark.parametrize("name, head, options", [
    ("resnet20", "fc", {"width": 4}), ("densenet_cifar", "classifier", {"depth": 22, "growth_rate": 4}),
])
def test_gradient_times_maps_adds_up_to_the_score(name, head, options):
    """What is left is the bias, which belongs to no place."""
    torch.manual_seed(0)
    net = models.create_model(name, **options).double().train()
    x = torch.randn(1, 3, 32, 32, dtype=torch.double)
    net.requires_grad_(False)                                   # frozen networks are looked into, too
    found = activation_map(net, x, 3)
    assert net.training and not found.requires_grad and found.shape == (8, 8)
    torch.testing.assert_close(net.eval()(x)[0, 3] - found.sum(), net.get_submodule(head).bias[3])


def test_a_network_without_maps_is_refused():
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    with pytest.raises(ValueError, match=r"no maps to draw for pictures of shape \(1, 4, 4\)"):
        activation_map(net, torch.zeros(1, 1, 4, 4), 0)


def test_the_drawing_is_there(tmp_path):
    draw_activation_map(torch.rand(1, 8, 8), torch.randn(2, 2), "3, 70 %", tmp_path / "deep" / "map.png")
    assert (tmp_path / "deep" / "map.png").read_bytes().startswith(b"\x89PNG")
