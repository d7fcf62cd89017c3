"""Slices through the loss: lengths by hand, weights put back, and a function that does not change with its weights."""

import copy

import pytest
import torch
from torch import nn

import cnnlib
from cnnlib import training
from cnnlib.experiments import landscape, lesion
from cnnlib.records.grids import grid

X, Y = next(cnnlib.data.load("digits").train.batches(128, shuffle=True, seed=0))


@pytest.fixture(scope="module")
def network():
    return lesion.load("digits-resnet20")[0]


def state(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_each_filter_has_the_length_of_the_networks_own(network):
    weights = dict(network.named_parameters())
    way = landscape.direction(network, 0)
    assert set(way) == {name for name, weight in weights.items() if weight.dim() > 1}
    for name, each in way.items():
        for ours, theirs in zip(each, weights[name], strict=True):
            assert ours.norm().item() == pytest.approx(theirs.norm().item(), rel=1e-4)
    assert not same(way, landscape.direction(network, 1)) and same(way, landscape.direction(network, 0))


def test_weights_averages_and_modes_are_as_they_were(network):
    before, modes = state(network), [module.training for module in network.modules()]
    landscape.plane(network, X, Y, landscape.direction(network, 0), landscape.direction(network, 1), (-1.0, 0.0, 0.7))
    with pytest.raises(RuntimeError, match="stop"), landscape.moved(network, 1.0, landscape.direction(network, 0)):
        assert not same(state(network), before)
        raise RuntimeError("stop")
    assert same(state(network), before) and [module.training for module in network.modules()] == modes


def test_a_slice_goes_through_the_network_and_through_what_lies_on_it(network):
    way = landscape.direction(network, 0)
    losses = landscape.along(network, X, Y, way, (-0.5, 0.0, 0.5))
    assert losses[1] == pytest.approx(landscape.loss(network, X, Y), rel=1e-4)
    there = copy.deepcopy(network)
    with torch.no_grad():
        for name, weight in there.named_parameters():
            weight += 0.5 * way.get(name, torch.zeros(()))
    with torch.no_grad():
        expected = nn.functional.cross_entropy(there.train()(X), Y).item()      # by plain PyTorch
    assert losses[2] == pytest.approx(expected, rel=1e-4)


def test_a_plane_holds_the_slices(network):
    first, second = (landscape.direction(network, seed) for seed in range(2))
    steps = (-0.5, 0.0, 0.5)
    plane = landscape.plane(network, X, Y, first, second, steps)
    assert plane[1] == pytest.approx(landscape.along(network, X, Y, second, steps), rel=1e-4)
    assert [row[1] for row in plane] == pytest.approx(landscape.along(network, X, Y, first, steps), rel=1e-4)


@pytest.mark.parametrize("factor", [0.25, 4.0])
def test_a_scaled_slice_is_of_the_function_and_not_of_its_weights(network, factor):
    twin = copy.deepcopy(network)
    with torch.no_grad():
        for module in twin.modules():
            if isinstance(module, nn.Conv2d):
                module.weight *= factor
    steps = (-0.3, 0.0, 0.3)
    ours, theirs = (landscape.along(each, X, Y, landscape.direction(each, 0), steps) for each in (network, twin))
    assert theirs == pytest.approx(ours, abs=0.05)
    way = landscape.direction(network, 0)
    ours, theirs = (landscape.along(each, X, Y, way, (-0.4, 0.0, 0.4)) for each in (network, twin))
    assert (max(theirs) < 0.5 * max(ours)) if factor > 1 else (max(theirs) > 2 * max(ours))


def test_what_a_valley_is():
    assert landscape.is_valley([3, 2, 1, 2, 3]) and landscape.is_valley([1.0, 0.001, 0.0, 0.002, 0.5])
    assert landscape.is_valley([2, 1, 1.005, 1, 2]) and not landscape.is_valley([2, 1, 1.5, 1, 2])
    assert not landscape.is_valley([3, 2, 1, 3, 2]) and not landscape.is_valley([2, 3, 1, 2, 3])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_other_seeds_have_the_same_order(seed):
    """What the page says of all: of 20 directions residual networks rise along all, plain-56 along few."""
    data, recipe = cnnlib.data.load("digits"), grid("digits-degradation").recipe
    images, labels = next(data.train.batches(300, shuffle=True, seed=0))
    valleys = {}
    for name in ("plain20", "resnet20", "plain56", "resnet56"):
        torch.manual_seed(seed)
        network = cnnlib.create_model(name, in_channels=1, width=8)
        training.fit(network, data, **recipe, seed=seed, progress=False)
        slices = [landscape.along(network, images, labels, landscape.direction(network, s)) for s in range(20)]
        valleys[name] = sum(map(landscape.is_valley, slices))
    print(valleys)
    assert min(valleys["resnet20"], valleys["resnet56"]) >= 18 and valleys["plain56"] <= 8 < valleys["plain20"]
