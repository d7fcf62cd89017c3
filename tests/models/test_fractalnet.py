"""FractalNet: its paths counted in three ways, and what each kind of drop-path leaves of a batch."""

import copy
import itertools
from collections import Counter

import pytest
import torch
from numpy.polynomial import Polynomial

import cnnlib
from cnnlib.models import fractalnet

from . import count, meta


def by_enumeration(columns):
    """Lengths of all paths, by walking the grid of figure 1: column c has a convolution over every 2^-c of the height;
    convolutions that end at one height meet there, and those that begin there follow."""
    height = 2 ** (columns - 1)
    spans = [(start, start + step) for step in (2**c for c in range(columns)) for start in range(0, height, step)]

    def walk(at):
        if at == height:
            return [0]
        return [1 + rest for start, end in spans if start == at for rest in walk(end)]

    return Counter(walk(0))


def by_running(block):
    """The block with a convolution standing for z and a join for a sum: the coefficient of z^n counts paths of n."""
    for module in block.modules():
        if isinstance(module, fractalnet.FractalConv):
            module.forward = lambda x: x * Polynomial([0, 1])
        if isinstance(module, fractalnet.Fractal):
            module.join = lambda *inputs: sum(inputs)
    return {n: int(paths) for n, paths in enumerate(block(Polynomial([1])).coef) if paths}


@pytest.mark.parametrize("columns, paths", [(1, 1), (2, 2), (3, 5), (4, 26)])
def test_paths_of_a_block(columns, paths):
    lengths = fractalnet.path_lengths(columns)
    assert lengths == by_enumeration(columns) == by_running(fractalnet.Fractal(columns, 1, 1))
    assert sum(lengths.values()) == paths
    assert (min(lengths), max(lengths)) == (1, 2 ** (columns - 1))


def test_paths_of_a_network():
    blocks = [by_enumeration(3).elements() for _ in range(3)]
    assert fractalnet.path_lengths(3, 3) == Counter(map(sum, itertools.product(*blocks)))
    lengths = fractalnet.path_lengths(4, 5)
    assert (min(lengths), max(lengths), sum(lengths.values())) == (5, 40, 26**5)


@pytest.mark.parametrize("columns, blocks, width", [(3, 5, 1), (4, 5, 1), (2, 3, 0.25), (1, 1, 0.125), (5, 6, 0.5)])
def test_closed_formula(columns, blocks, width):
    """2^C - 1 convolutions a block, C of them on the block's input."""
    total, channels = 0, 3
    for out in [int(width * maps) for maps in (64, 128, 256, 512, 512, 512)][:blocks]:
        total += 9 * out * (columns * channels + (2**columns - 1 - columns) * out) + 2 * out * (2**columns - 1)
        channels = out
    assert count(meta("fractalnet", columns=columns, blocks=blocks, width=width)) == total + 10 * channels + 10


def test_standard_network():
    found = cnnlib.summary(meta("fractalnet"), (1, 3, 32, 32))
    assert (found.total_params, found.total_macs) == (33_724_618, 845_222_912)
    assert sum(row.type == "Conv2d" for row in found.rows) == 5 * 7
    assert [row.output_shape[1:3] for row in found.rows if row.type == "MaxPool2d"] == [
        (64, 16), (128, 8), (256, 4), (512, 2), (512, 1)]


def small(**options):
    torch.manual_seed(0)
    return cnnlib.create_model("fractalnet", columns=3, blocks=2, width=0.125, **options)


def test_a_join_is_the_mean_of_all_that_meet():
    """Figure 1: three columns end in one join with a third each, not in two joins with a half and two quarters."""
    block, x = fractalnet.Fractal(3, 2, 4).eval(), torch.randn(2, 2, 6, 6)
    inner = (block.first.conv(x) + block.first.second.conv(block.first.first.conv(x))) / 2
    deep = block.second.second.conv(block.second.first.conv(inner))
    torch.testing.assert_close(block(x), (block.conv(x) + block.second.conv(inner) + deep) / 3)


@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_column_is_a_plain_network(column):
    block, x = fractalnet.Fractal(3, 2, 4).eval(), torch.randn(2, 2, 6, 6)
    used = []
    for module in block.modules():
        if isinstance(module, fractalnet.FractalConv):
            module.register_forward_hook(lambda m, i, o: used.append(m))
    block.column(x, column)
    assert len(used) == len(set(used)) == 2**column
    assert [conv[0].in_channels for conv in used] == [2] + [4] * (2**column - 1)


def trained_layers(net):
    """The convolutions that a training step moves."""
    net.zero_grad()
    net(torch.randn(4, 3, 8, 8)).square().sum().backward()
    convs = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d)]
    return [conv for conv in convs if conv.weight.grad is not None and conv.weight.grad.abs().sum() > 0]


def test_global_drop_path_trains_one_column():
    net = small(drop_path="global")
    assert {len(trained_layers(net)) for _ in range(20)} == {2, 4, 8}      # 2 blocks of 1, 2 or 4 layers


def test_local_drop_path():
    block, inputs = fractalnet.Fractal(3, 1, 1, drop_rate=0.4), [torch.full((1,), float(v)) for v in (1, 10, 100)]
    assert block.join(*inputs).item() == 37
    block.dropping = True
    torch.manual_seed(0)
    seen = Counter(round(block.join(*inputs).item(), 3) for _ in range(4000))
    p, alone = 0.4, 0.6 * 0.4**2 + 0.4**3 / 3              # one input is left, or all were dropped and it is drawn
    for kept in itertools.chain.from_iterable(itertools.combinations((1, 10, 100), n) for n in (1, 2, 3)):
        expected = alone if len(kept) == 1 else (1 - p) ** len(kept) * p ** (3 - len(kept))
        assert seen.pop(round(sum(kept) / len(kept), 3)) / 4000 == pytest.approx(expected, abs=0.03)
    assert not seen


def test_ways_of_dropping():
    x = torch.randn(4, 3, 8, 8)
    nets = {way: small(drop_path=way, drop_rate=0.5) for way in ("none", "local", "global", "mixed")}
    state = copy.deepcopy(nets["none"].state_dict())
    expected = nets["none"].eval()(x)
    for net in nets.values():
        net.train()(x)
        net.load_state_dict(state)
        assert torch.equal(net.eval()(x), expected)         # evaluation takes all paths, whatever was before
    nets["mixed"].train()
    ways = Counter((nets["mixed"].draw_paths() is None, nets["mixed"].blocks[0].dropping) for _ in range(200))
    assert set(ways) == {(True, True), (False, False)} and min(ways.values()) > 60
    assert len(trained_layers(nets["none"].train())) == 2 * 7


def test_dropout_rises_with_depth():
    net = small(dropout=0.4)
    assert [{m.p for m in block.modules() if isinstance(m, torch.nn.Dropout)} for block in net.blocks] == [{0}, {0.4}]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"columns": 0}, "columns is 0, allowed: 1, 2, 3, 4, 5, 6, 7, 8"),
        ({"blocks": 9}, "blocks is 9, allowed: 1, 2"),
        ({"width": 0.3}, r"width is 0.3, allowed: multiples of 1/8, from 0.125 to 4"),
        ({"drop_path": True}, "drop_path is True, allowed: 'none', 'local', 'global', 'mixed'"),
        ({"drop_rate": 1}, "drop_rate is 1"),
        ({"dropout": -0.1}, "dropout is -0.1"),
        ({"variant": "torchvision"}, "variant is 'torchvision', allowed: 'paper', 'cifar'"),
    ],
)
def test_refused(options, message):
    with pytest.raises(ValueError, match=message):
        meta("fractalnet", **options)
