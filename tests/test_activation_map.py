"""Class activation maps add up to the scores, for both kinds of head, and say where."""

import pytest
import torch
from torch import nn

from cnnlib.experiments.activation_map import class_activation_map


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
