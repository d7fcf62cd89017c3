"""The measurements of the chapter on reading networks: influence of pixels, times of layers, the time line."""

import math

import pytest
import torch
from torch import nn

import cnnlib
from cnnlib.course import timeline
from cnnlib.experiments import layer_times as times
from cnnlib.experiments import receptive_field as field

# ---------------------------------------------------------------- receptive fields


def test_calibrated_batch_norm_normalises_and_the_network_stays():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    before, state = {k: v.clone() for k, v in net.state_dict().items()}, torch.get_rng_state()
    ready = field.calibrated(net, 16, pictures=4, seed=3)
    assert all(v.equal(before[k]) for k, v in net.state_dict().items()) and torch.get_rng_state().equal(state)
    assert not ready.training and ready[1].momentum == net[1].momentum
    torch.manual_seed(3)
    out = ready(torch.randn(4, 3, 16, 16))
    assert out.mean((0, 2, 3)).abs().max() < 1e-5 and (out.var((0, 2, 3)) - 1).abs().max() < 1e-2


@pytest.mark.parametrize("layer", ["maxpool", "layer1.1.conv2", "layer2.1.conv2"])
def test_the_footprint_is_the_field_of_the_summary(layer):
    torch.manual_seed(0)
    net = cnnlib.create_model("resnet18", variant="torchvision")
    row = cnnlib.summary(net, (1, 3, 224, 224)).row(layer)
    assert field.footprint(field.influence(net, layer, 128)) == (row.receptive_field, row.receptive_field)


def test_the_influence_of_one_convolution_is_its_squared_weights():
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 1, 5, bias=False)
    shares = field.influence(nn.Sequential(conv), "0", 5)
    squared = conv.weight.detach().double().square().sum((0, 1))
    torch.testing.assert_close(shares, squared / squared.sum())


def test_the_spread_of_a_stack_grows_with_the_root_of_its_depth():
    depth = 12
    shares = sum(field.influence(field.stack(depth, seed=seed), "22", 25, seed=seed) for seed in range(8)) / 8
    assert field.footprint(shares) == (25, 25)
    assert field.spread(shares) == pytest.approx(math.sqrt(2 * depth / 3), rel=0.1)


def test_measures_of_a_known_map():
    shares = torch.zeros(9, 9, dtype=torch.double)
    shares[4, 4], shares[4, 1], shares[4, 7] = 0.9, 0.05, 0.05
    assert field.footprint(shares) == (1, 7)
    assert field.side_holding(shares, 0.9) == pytest.approx(1)
    assert field.side_holding(shares, 0.95) == pytest.approx(7)
    assert field.spread(shares) == pytest.approx(math.sqrt(0.1 * 9))


def test_influence_leaves_the_network_and_the_random_state():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    before, state = torch.random.get_rng_state(), {name: t.clone() for name, t in net.state_dict().items()}
    field.influence(net, "1", 8)
    assert torch.equal(before, torch.random.get_rng_state()) and net.training and not net[1]._forward_hooks
    assert all(torch.equal(state[name], t) for name, t in net.state_dict().items()) and net[0].weight.grad is None


@pytest.mark.parametrize("layer, complaint", [("2", "layer is '2', allowed: 0, 1"), ("1", "gives .1, 128., allowed")])
def test_influence_names_what_it_cannot_do(layer, complaint):
    with pytest.raises(ValueError, match=complaint):
        field.influence(nn.Sequential(nn.Conv2d(3, 2, 1), nn.Flatten()), layer, 8)


# ---------------------------------------------------------------- times


@pytest.fixture(scope="module")
def timed():
    torch.manual_seed(0)
    net = cnnlib.create_model("mobilenet_v2", width_multiplier=0.25)
    return net, times.layer_times(net, torch.randn(2, 3, 64, 64), repeats=2)


def test_every_layer_is_timed_with_its_macs_in_order(timed):
    net, layers = timed
    rows = [row for row in cnnlib.summary(net, (2, 3, 64, 64)).rows if row.macs]
    assert [(layer.name, layer.macs) for layer in layers if layer.macs] == [(row.name, row.macs) for row in rows]
    assert all(layer.seconds > 0 for layer in layers)
    assert {"3×3", "1×1", "depthwise", "linear", "BatchNorm2d", "ReLU6"} <= {layer.kind for layer in layers}
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def test_bytes_are_input_weights_and_output():
    conv = nn.Conv2d(3, 8, 3)
    (layer,) = times.layer_times(nn.Sequential(conv), torch.zeros(2, 3, 10, 10), repeats=1)
    assert layer.bytes == 4 * (2 * 3 * 100 + 8 * 28 + 2 * 8 * 64)
    assert layer.macs == 2 * 8 * 64 * 27


def test_a_machine_needs_the_longer_of_arithmetic_and_data():
    machine = times.Machine(macs_per_second=100, bytes_per_second=10)
    layer = times.Layer("x", "1×1", macs=1000, bytes=50, seconds=0)
    assert machine.seconds(layer) == 10
    assert times.Machine(1000, 10).seconds(layer) == 5
    assert all(speed > 1e6 for speed in vars(times.machine(repeats=1)).values())


def test_repeats_are_checked():
    with pytest.raises(ValueError, match="repeats is 0, allowed: whole numbers from 1"):
        times.layer_times(nn.Identity(), torch.zeros(1), repeats=0)


# ---------------------------------------------------------------- the time line


def test_the_time_line_counts_what_its_networks_have():
    text = repr(timeline.Table())
    for count in ("0.06", "60.97", "138.36", "7.00", "25.56", "7.98", "28.09"):     # millions, as the papers say
        assert f"  {count}  " in text
    assert timeline.Table()._repr_html_().count('scope="rowgroup"') == len(timeline.read())
