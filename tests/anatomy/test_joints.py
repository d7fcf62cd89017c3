"""Where networks join branches: found in any of them, and changed."""

import pytest
import torch
import torchvision
from torch import nn

from cnnlib import create_model
from cnnlib.anatomy import joints


def images(channels=3, side=16, n=3, seed=0):
    return torch.randn(n, channels, side, side, generator=torch.Generator().manual_seed(seed))


class Students(nn.Module):
    """The sums stand in the network's own forward, as students write them."""

    def __init__(self, blocks=4):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.branches = nn.ModuleList(nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()) for _ in range(blocks))
        self.fc = nn.Linear(8, 10)

    def forward(self, x):
        x = self.stem(x)
        for branch in self.branches:
            x = x + branch(x)
        return self.fc(x.mean((2, 3)))


class InPlace(nn.Module):
    """A block whose sum is a statement, not an expression."""

    def __init__(self, channels=8):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)

    def forward(self, x):
        out = self.norm(self.conv(x))
        out.add_(x)
        return torch.relu(out)


class Grows(nn.Module):
    """A dense layer that returns what it had with what it made."""

    def __init__(self, channels, more=4):
        super().__init__()
        self.conv = nn.Conv2d(channels, more, 3, padding=1)

    def forward(self, x):
        return torch.cat([x, torch.relu(self.conv(x))], 1)


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.inner = nn.Conv2d(3, 3, 1), InPlace(3)

    def forward(self, x):
        return x + self.inner(self.conv(x))


@pytest.mark.parametrize("network, kind, count", [
    (lambda: create_model("resnet20"), "residual", 9),
    (lambda: create_model("resnet20", shortcut="C"), "residual", 9),
    (lambda: create_model("resnet20", preactivation=True), "residual", 9),
    (lambda: create_model("resnet20", residual_scale=0.3), "residual", 9),
    (lambda: create_model("se_resnet20"), "residual", 9),
    (lambda: create_model("mobilenet_v2"), "residual", 10),
    (lambda: torchvision.models.resnet18(), "residual", 8),
    (lambda: torchvision.models.resnext50_32x4d(), "residual", 16),
    (lambda: Students(), "residual", 4),
    (lambda: nn.Sequential(nn.Conv2d(3, 8, 1), InPlace(), InPlace()), "residual", 2),
    (lambda: create_model("densenet_bc40_k4"), "dense", 18),
    (lambda: torchvision.models.densenet121(), "dense", 58),
    (lambda: nn.Sequential(Grows(3), Grows(7), nn.Conv2d(11, 2, 1)), "dense", 2),
    (lambda: create_model("plain20"), "plain", 7),                      # all but the two that change the shape
    (lambda: create_model("vgg16_bn", variant="cifar", width=0.125), "plain", 8 + 1),
    (lambda: create_model("vgg11", variant="cifar", width=0.125), "plain", 4),
])
def test_blocks_are_found(network, kind, count):
    torch.manual_seed(0)
    blocks = joints.find(network(), images(side=32))
    assert [block.kind for block in blocks] == [kind] * count
    assert len({block.name for block in blocks}) == count


def test_blocks_have_the_names_of_modules_in_the_order_of_the_network():
    assert [block.name for block in joints.find(create_model("resnet20"))] == [
        f"layer{stage}.{i}" for stage in (1, 2, 3) for i in range(3)]
    assert [block.name for block in joints.find(Students(3))] == ["branches.0", "branches.1", "branches.2"]
    assert joints.find(create_model("vgg16_bn", variant="cifar"))[0].modules == ("features.3", "features.4")


def test_a_network_in_which_nothing_joins_has_no_blocks():
    assert joints.find(create_model("lenet5")) == []
    with pytest.raises(ValueError, match="without residual blocks.*resnet20"):
        joints.residual(create_model("vgg11", variant="cifar"))
    with pytest.raises(ValueError, match="without convolutions"):
        joints.find(nn.Linear(3, 3))
    with pytest.raises(ValueError, match="within"):
        joints.residual(nn.Sequential(Nested()))


@pytest.mark.parametrize("network", [
    lambda: create_model("resnet20"), lambda: Students(), lambda: torchvision.models.densenet121(),
    lambda: nn.Sequential(nn.Conv2d(3, 8, 1), InPlace(), InPlace())])
def test_unchanged_joints_change_nothing(network):
    torch.manual_seed(0)
    model, x = network().eval(), images(side=32)
    expected = model(x)
    changes = {place: lambda new, old: (new.clone(), old.clone()) for block in joints.find(model, x)
               for place in block.places}
    with joints.joining(model, changes):
        assert torch.equal(model(x), expected)
    assert torch.equal(model(x), expected)
    assert not any("forward" in vars(module) for module in model.modules())


def test_a_sum_in_place_is_changed_for_those_who_go_on_with_it():
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Conv2d(3, 8, 1), InPlace()).eval(), images()
    (block,) = joints.find(model, x)
    with joints.joining(model, {block.places[0]: lambda new, old: (torch.zeros_like(new), old)}):
        assert torch.equal(model(x), torch.relu(model[0](x)))
    with joints.joining(model, {block.places[0]: lambda new, old: (new, torch.zeros_like(old))}):
        assert torch.equal(model(x), torch.relu(model[1].norm(model[1].conv(model[0](x)))))


def test_an_exception_leaves_the_network_as_it_was():
    model = create_model("resnet20")
    blocks, mine = joints.find(model), lambda x: x
    model.layer1[0].forward = mine                      # somebody else's replacement stays
    with pytest.raises(ZeroDivisionError):
        with joints.joining(model, {blocks[1].places[0]: lambda new, old: 1 / 0}):
            model(images())
    assert [name for name, module in model.named_modules() if "forward" in vars(module)] == ["layer1.0"]
    assert vars(model.layer1[0])["forward"] is mine
