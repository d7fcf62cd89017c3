"""Connections of a dense block: their weights against loops, their cutting against zeros put there by hooks."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cnnlib
from cnnlib.experiments import reuse
from cnnlib.models import DenseNet
from cnnlib.training import evaluate


def network(bottleneck=True, seed=0):
    """A small DenseNet of two blocks with averages of its own, in evaluation mode."""
    torch.manual_seed(seed)
    net = DenseNet((2, 3), 4, bottleneck, 0.5, 10, "cifar", in_channels=1)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.weight)
            torch.nn.init.normal_(module.bias)
    with torch.no_grad():
        net.train()(torch.randn(8, 1, 8, 8))
    return net.eval()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=3), st.integers(1, 12))
def test_a_reader_sees_all_that_was_made_before(layers, k):
    net = DenseNet(tuple(layers), k, stem="cifar")
    for block, count in zip(reuse.blocks(net), layers, strict=True):
        slices = list(reuse.sources(net, block).values())
        entered = slices[0].stop
        assert [s.stop for s in slices] == [entered + i * k for i in range(count + 1)]
        assert [s.start for s in slices[1:]] == [s.stop for s in slices[:-1]]
        widths = [reader.layer.weight.shape[1] for reader in reuse.readers(net, block)]
        assert widths == [s.stop for s in slices]
    last = [reuse.readers(net, block)[-1].name for block in reuse.blocks(net)]
    assert last == ["transition"] * (len(layers) - 1) + ["classifier"]


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9))
def test_a_block_of_l_layers_has_half_of_l_times_l_plus_1_connections(layers):
    net = DenseNet((layers,), 2, stem="cifar")
    inside = ~reuse.weight_map(net, 1)[:, :-1].isnan()              # without the classifier
    assert inside.sum() == layers * (layers + 1) // 2


@pytest.mark.parametrize("bottleneck", [True, False])
@pytest.mark.parametrize("scaled", [True, False])
def test_the_strength_of_a_connection_is_the_mean_of_its_weights(bottleneck, scaled):
    net = network(bottleneck)
    got = reuse.weight_map(net, 2, scaled)
    found = reuse.readers(net, 2)
    assert [reader.name for reader in found] == ["layer 1", "layer 2", "layer 3", "classifier"]
    for column, reader in enumerate(found):
        for row, channels in enumerate(reuse.sources(net, 2).values()):
            if row > column:
                assert math.isnan(got[row, column])
                continue
            values = []
            for channel in range(channels.start, channels.stop):
                factor = abs(reader.norm.weight[channel].item()) if scaled else 1
                values += [factor * abs(w) for w in reader.layer.weight[:, channel].flatten().tolist()]
            assert got[row, column].item() == pytest.approx(sum(values) / len(values), rel=1e-5)


@pytest.mark.parametrize("bottleneck", [True, False])
@pytest.mark.parametrize("connection", [(1, 0, 0), (1, 1, 2), (2, 0, 2), (2, 2, 3), (2, 3, 3)])
def test_a_cut_connection_carries_zeros(bottleneck, connection):
    block, source, reader = connection
    net, x = network(bottleneck), torch.randn(3, 1, 8, 8)
    cut = reuse.without(net, [connection])
    before = net(x)
    target, channels = reuse.readers(net, block)[reader], list(reuse.sources(net, block).values())[source]

    def silence(_layer, inputs):
        return inputs[0].index_fill(1, torch.arange(channels.start, channels.stop), 0.0)

    with target.layer.register_forward_pre_hook(silence):
        expected = net(x)
    torch.testing.assert_close(cut(x), expected)
    assert (expected - before).abs().max() > 1e-3
    assert torch.equal(net(x), before)                              # the network itself is whole


def test_nothing_cut_is_the_same_network_bit_for_bit():
    net, x = network(), torch.randn(3, 1, 8, 8)
    assert torch.equal(reuse.without(net, [])(x), net(x))


def test_a_classifier_that_reads_nothing_answers_with_its_bias():
    net = network()
    cut = reuse.without(net, [(2, source, 3) for source in range(4)])
    torch.testing.assert_close(cut(torch.randn(2, 1, 8, 8)), net.classifier.bias.expand(2, 10))


def test_every_cell_of_a_lesion_map_is_the_error_of_its_own_network():
    net, images = network(), cnnlib.data.load("digits", limit=50).test
    got = reuse.lesion_map(net, images, 1)
    assert got.isnan().tolist() == reuse.weight_map(net, 1).isnan().tolist()
    for row, column in ((0, 0), (1, 2)):
        expected = evaluate(reuse.without(net, [(1, row, column)]), images)["error"]
        assert got[row, column].item() == pytest.approx(expected)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=3), st.integers(0, 7))
def test_ages(layers, count):
    net = DenseNet(tuple(layers), 2, stem="cifar")
    chosen = {age: set(reuse.connections_of_age(net, age, count)) for age in reuse.AGES}
    assert sorted(chosen["input"]) == [(b, 0, reader) for b, n in enumerate(layers, 1) for reader in range(1, n + 1)]
    cut = [min(count, reader) for n in layers for reader in range(n + 1)]
    assert len(chosen["oldest"]) == len(chosen["newest"]) == sum(cut)
    for age in ("oldest", "newest"):
        for block, source, reader in chosen[age]:
            distance = source - 1 if age == "oldest" else reader - source
            assert 0 <= distance < count and 1 <= source <= reader < len(reuse.readers(net, block))


def test_bad_input_is_named():
    net = network()
    with pytest.raises(ValueError, match="block is 3, allowed"):
        reuse.weight_map(net, 3)
    for connection in ((1, 1, 0), (1, 0, 3), (2, -1, 0)):
        with pytest.raises(ValueError, match="connection is .* allowed in block"):
            reuse.without(net, [connection])
    with pytest.raises(ValueError, match="age is 'old', allowed"):
        reuse.connections_of_age(net, "old")
