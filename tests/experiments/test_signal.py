"""The measurement of a network's first step, against formulas and against autograd done by hand."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import cnnlib
from cnnlib.experiments import signal


def chain(*sizes):
    torch.manual_seed(0)
    layers = [nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False)]
    return nn.Sequential(*(part for layer in layers for part in (layer, nn.ReLU())))[:-1]


def test_spread_gradient_and_loss_are_those_of_a_plain_step():
    net, x, labels = chain(20, 30, 5), torch.randn(16, 20), torch.arange(16) % 5
    loss, (first, last) = signal.measure(net, x, labels)
    hidden = net[0](x)
    expected = F.cross_entropy(net[2](hidden.relu()), labels)
    expected.backward()
    assert loss == pytest.approx(expected.item())
    assert (first.name, last.name) == ("0", "2")
    assert first.spread == pytest.approx(hidden.std().item())
    assert first.gradient == pytest.approx(net[0].weight.grad.norm().item())
    assert last.gradient == pytest.approx(net[2].weight.grad.norm().item())


def test_nothing_is_left_behind_and_dropout_is_silent():
    net = cnnlib.create_model("alexnet", variant="cifar", width=0.125).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    x, labels = torch.randn(2, 3, 32, 32), torch.tensor([1, 2])
    assert signal.measure(net, x, labels) == signal.measure(net, x, labels)
    assert net.training and not any(module._forward_hooks for module in net.modules())
    assert all(value.equal(before[name]) for name, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())


def test_without_the_backward_pass_the_rest_is_the_same():
    net, x, labels = chain(10, 10, 4), torch.randn(8, 10), torch.arange(8) % 4
    loss, layers = signal.measure(net, x, labels)
    again, forward = signal.measure(net, x, labels, backward=False)
    assert again == loss and [layer.spread for layer in forward] == [layer.spread for layer in layers]
    assert {layer.gradient for layer in forward} == {0.0}


def test_a_truncated_normal_is_that_of_scipy():
    from scipy.stats import kstest, truncnorm

    net = nn.Linear(200, 200)
    signal.Start(net, seed=1).scale(0.1)
    weights = net.weight.detach().flatten()
    assert weights.std().item() == pytest.approx(0.1, rel=0.02) and not net.bias.any()
    assert kstest(weights.numpy(), truncnorm(-2, 2, scale=0.1 / signal.Start.TRUNCATED).cdf).pvalue > 0.01
    assert truncnorm(-2, 2).std() == pytest.approx(signal.Start.TRUNCATED, abs=1e-4)


def test_scaling_back_and_forth_is_repeatable():
    net = chain(30, 40, 10)
    start = signal.Start(net, seed=3)
    first = start.scale(0.05)[0].weight.clone()
    start.scale("he")
    start.scale(0.2)
    torch.testing.assert_close(start.scale(0.05)[0].weight, first)


@pytest.mark.parametrize("layer", [nn.Linear(300, 40), nn.Conv2d(6, 40, 5), nn.Conv2d(6, 40, 5, groups=2)])
def test_he_is_the_rule_of_torch(layer):
    torch.manual_seed(0)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    assert layer.weight.std().item() == pytest.approx(signal.he_std(layer), rel=0.03)


def test_he_keeps_the_signal_and_a_large_deviation_does_not():
    net = chain(*[400] * 8)
    start, x = signal.Start(net), torch.randn(64, 400).relu() * math.sqrt(2)
    labels = torch.arange(64)
    he = [layer.spread for layer in signal.measure(start.scale("he"), x, labels)[1]]
    large = [layer.spread for layer in signal.measure(start.scale(0.2), x, labels)[1]]
    assert all(0.7 < b / a < 1.4 for a, b in zip(he, he[1:], strict=False))
    factor = 0.2 * math.sqrt(400 / 2)          # spread times this, layer by layer
    assert (large[-1] / large[0]) ** (1 / 6) == pytest.approx(factor, rel=0.15)


def test_dropped_keeps_the_mean_and_says_what_it_kept():
    x = torch.full((200, 200), 3.0)
    for rate in (0.0, 0.25, 0.75):
        after, kept = signal.dropped(x, rate, torch.Generator().manual_seed(0))
        assert kept.mean().item() == pytest.approx(1 - rate, abs=0.01)
        assert after.mean().item() == pytest.approx(3, rel=0.03)
        torch.testing.assert_close(after, x * kept / (1 - rate))
    with pytest.raises(ValueError, match="rate is 1.0, allowed: a number from 0 to below 1"):
        signal.dropped(x, 1.0)
