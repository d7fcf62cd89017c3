"""The graph of a fractal, read off a trace: against the expansion rule and against the network's own gradients."""

import pytest
import torch
from torch import nn

from cnnlib.experiments import fractal
from cnnlib.models.fractalnet import Fractal, path_lengths


@pytest.mark.parametrize("columns", range(1, 6))
def test_paths_of_the_graph_are_those_of_the_expansion_rule(columns):
    convs, ends = fractal.graph(columns)
    assert len(convs) == 2**columns - 1 and len(ends) == columns
    assert fractal.lengths(columns) == path_lengths(columns)


def test_the_graph_is_what_the_network_computes():
    """Each convolution becomes a factor of its own: along the graph they must give what the network gives."""
    net = Fractal(3, 1, 1)
    convs, ends = fractal.graph(3)
    for number, conv in enumerate(convs, 2):
        factor = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.constant_(factor.weight, number)
        owner, _, name = conv.name.rpartition(".")
        setattr(net.get_submodule(owner), name, factor)
    value = {}
    for number, conv in enumerate(convs, 2):
        taken = [value[name] for name in conv.reads] or [1.0]
        value[conv.name] = number * sum(taken) / len(taken)
    wanted = sum(value[name] for name in ends) / len(ends)
    assert net(torch.ones(1, 1, 1, 1)).item() == pytest.approx(wanted)


@pytest.mark.parametrize("columns", [1, 3])
def test_the_drawing_has_a_box_for_each_convolution_and_says_it_in_words(columns):
    drawing = fractal.Drawing(columns)
    svg = drawing._repr_svg_()
    assert svg.count("<rect") == 2**columns - 1
    assert svg.count('stroke="#D55E00"') == 1 and svg.count('fill="#0072B2"') == 2 ** (columns - 1)
    assert str(drawing).count("reads") == 2**columns - 1 and str(drawing) in svg
