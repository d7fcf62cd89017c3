"""The right values of the exercises on LeNet, found in another way."""

import pytest
import torch
from torch import nn

import cnnlib
from cnnlib.course.exercises import judge


@pytest.mark.parametrize("unit", ["s4", "c5"])
def test_receptive_fields_by_gradient(unit):
    """The kernels of LeNet-5 made 3×3, as in the exercise."""
    layers = [nn.Conv2d(1, 6, 3), nn.AvgPool2d(2), nn.Conv2d(6, 16, 3), nn.AvgPool2d(2), nn.Conv2d(16, 120, 3)]
    image = torch.rand(1, 1, 32, 32, requires_grad=True)
    nn.Sequential(*layers[: {"s4": 4, "c5": 5}[unit]])(image)[0, 0, 0, 0].backward()
    seen = image.grad[0, 0].nonzero().amax(0) - image.grad[0, 0].nonzero().amin(0) + 1
    fields = {"s4": 10, "c5": 18}
    assert seen.tolist() == [fields[unit]] * 2
    assert judge("lenet/receptive-field", tuple(fields.values())).status == "correct"


def test_shifts_by_shifting():
    net = cnnlib.create_model("lenet5").double()
    digit = torch.zeros(1, 1, 32, 32, dtype=torch.double)
    digit[..., 10:20, 8:16] = torch.rand(10, 8, dtype=torch.double)
    found = []
    for depth in (1, 2, 3, 4):
        layers = nn.Sequential(net.c1, net.s2, net.c3, net.s4)[:depth]
        here = layers(digit)
        found.append(next(
            pixels for pixels in range(1, 9)
            if torch.allclose(layers(digit.roll(pixels, 3))[..., 1:], here[..., :-1])
        ))
    assert judge("lenet/equivariance", tuple(found)).status == "correct"
