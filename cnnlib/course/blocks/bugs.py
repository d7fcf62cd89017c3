"""Exhibits of the chapter on building blocks: four blocks that run, give the right shape, and are another block."""

import torch
from torch import nn

from ... import models
from ..bugs import Exhibit
from ..tools import build, layers, on_meta, parameters, shape_problem, sizes_problem
from . import faulty, repaired


def refused(network, shape):
    """None, or why a network does not take an input of this shape."""
    try:
        network(torch.zeros(shape))
    except RuntimeError as error:
        return f"an input {shape} is refused: {str(error).splitlines()[0]}"
    return None


# ---------------------------------------------------------------- the-light-block: as light as promised?


def light_symptom():
    written, meant = (parameters(on_meta(program, 64, 128)) for program in (faulty.separable, repaired.separable))
    whole = nn.Conv2d(64, 128, 3, bias=False).weight.numel()
    return (
        f"From 64 to 128 maps it has {written:,} weights. The 3×3 convolution that it replaces has {whole:,}, and the "
        f"rule 1/N + 1/k² promises {meant:,}."
    )


def light_count(program):
    for maps, new_maps in ((16, 32), (64, 128)):
        count, meant = (parameters(on_meta(each, maps, new_maps)) for each in (program, repaired.separable))
        if count != meant:
            return f"{count:,} weights from {maps} to {new_maps} maps, expected {meant:,}."
    return None


def light_alone(program):
    first = layers(build(program, 6, 9), nn.Conv2d)[0]
    x = torch.randn(1, 6, 5, 5)
    with torch.no_grad():
        moved = (first(x) - first(torch.cat([x[:, :1] + 1, x[:, 1:]], 1))).abs().amax((0, 2, 3)) > 1e-6
    return None if moved.sum() == 1 else f"a change of one map changes {int(moved.sum())} maps of the first layer."


# ---------------------------------------------------------------- only-brighter: blocks that only add


def random_averages(network):
    """BatchNorm as training would leave it, so that outputs have both signs."""
    for norm in layers(network, nn.BatchNorm2d):
        norm.running_mean.normal_(0, 0.1)
        norm.running_var.uniform_(0.5, 2)
    return network


@torch.no_grad()
def added(program):
    """What the block adds to random maps."""
    network, x = random_averages(build(program, 24)), torch.randn(4, 24, 8, 8)
    return network(x) - x


def brighter_symptom():
    change = added(faulty.InvertedResidual)
    return (
        f"Nothing stops, and shapes and parameters are right. But of {change.numel():,} values that a fresh block adds "
        f"to its input, {int((change < -1e-6).sum())} are below zero. With a good block about half of them are."
    )


def brighter_signs(program):
    below = (added(program) < -1e-6).float().mean().item()
    return None if 0.2 < below < 0.8 else f"{below:.0%} of what it adds is below zero; about half was expected."


def brighter_shortcut(program):
    network, x = build(program, 24), torch.randn(2, 24, 6, 6)
    with torch.no_grad():
        layers(network, nn.Conv2d)[-1].weight.zero_()
        same = torch.allclose(network(x), x, atol=1e-6)
    return None if same else "with the last convolution at zero the block must hand its input on."


def brighter_bend(program):
    network = build(program, 24)
    bends = len(layers(network, (nn.ReLU, nn.ReLU6)))
    return None if bends >= 2 else f"{bends} activations; after widening and after filtering there must be one."


# ---------------------------------------------------------------- thirty-two: right at one size


@torch.no_grad()
def factors(program, shape):
    """What each value is multiplied by."""
    x = torch.rand(shape) + 0.5
    return build(program, shape[1], 4)(x) / x


def thirty_two_symptom():
    other = refused(build(faulty.SqueezeExcite, 32, 4), (2, 32, 16, 16))
    return f"On 32 maps of 32×32 it runs, and the shape is right. One stage later, on maps of 16×16, {other}"


def thirty_two_sizes(program):
    network = build(program, 32, 4)
    return next(filter(None, (refused(network, (2, 32, side, side)) for side in (1, 8, 16, 33))), None)


def thirty_two_maps(program):
    found = factors(program, (2, 32, 32, 32))
    inside = (found.amax((2, 3)) - found.amin((2, 3))).max().item()
    return None if inside < 1e-4 else f"within one map the factors differ by up to {inside:.2f}."


def thirty_two_gates(program):
    found = factors(program, (2, 32, 32, 32))
    return None if 0 < found.min() and found.max() < 1 else "a factor lies outside 0 to 1."


def thirty_two_count(program):
    count, meant = (parameters(build(each, 32, 4)) for each in (program, models.SqueezeExcite))
    return None if count == meant else f"{count:,} parameters, expected {meant:,}."


# ---------------------------------------------------------------- smaller-every-time: maps that lose their border


def smaller_symptom():
    sizes = [tuple(build(faulty.context)(torch.zeros(1, 16, side, side)).shape[2:]) for side in (64, 32, 16)]
    shown = ", ".join(f"{height}×{width}" for height, width in sizes)
    return f"Maps of 64×64, 32×32 and 16×16 come out as {shown}, and cannot be added to what went in."


def smaller_weights(program):
    count, meant = (parameters(on_meta(each)) for each in (program, repaired.context))
    return None if count == meant else f"{count:,} parameters, expected {meant:,}."


def smaller_rates(program):
    rates = [layer.dilation[0] for layer in layers(build(program), nn.Conv2d)]
    return None if rates == [1, 2, 4] else f"rates {rates}, expected [1, 2, 4]."


def smaller_size(program):
    network = build(program)
    for side in (64, 16, 8):
        problem = refused(network, (1, 16, side, side)) or shape_problem(
            network, (1, 16, side, side), (1, 16, side, side))
        if problem:
            return problem
    return None


EXHIBITS = [
    Exhibit(
        id="the-light-block",
        title="A light block that weighs too much",
        task="separable(maps, new_maps) -> a separable 3×3 convolution: filter every map, then mix them.",
        faulty=faulty.separable,
        repaired=repaired.separable,
        symptom=light_symptom,
        checks={
            "maps keep their size": lambda program: sizes_problem(
                lambda: program(16, 32), (2, 32, 9, 9), (2, 16, 9, 9)),
            "the weights that the rule promises": light_count,
            "the first layer keeps maps apart": light_alone,
        },
        exposed_by=("the weights that the rule promises", "the first layer keeps maps apart"),
        hints=("The shapes say nothing here. Count.", "From how many maps does each filter of the first layer read?"),
        explanation=(
            "Equal numbers of maps do not make a convolution depthwise: without groups each output map reads all input "
            "maps. The block is a whole 3×3 with a 1×1 behind it. With groups=maps each filter reads one map."
        ),
    ),
    Exhibit(
        id="only-brighter",
        title="A block that can only add",
        task="InvertedResidual(maps) -> the block of MobileNetV2 for as many maps as come in, with its shortcut.",
        faulty=faulty.InvertedResidual,
        repaired=repaired.InvertedResidual,
        symptom=brighter_symptom,
        checks={
            "maps keep their shape": lambda program: sizes_problem(
                lambda: program(24), (2, 24, 9, 9), (2, 24, 9, 9)),
            "the parameters of the block": lambda program: (
                None if parameters(build(program, 24)) == parameters(models.InvertedResidual(24, 24))
                else f"{parameters(build(program, 24)):,} parameters."),
            "the shortcut is the input itself": brighter_shortcut,
            "it bends where it is wide": brighter_bend,
            "it can raise and lower a value": brighter_signs,
        },
        exposed_by=("it can raise and lower a value",),
        hints=("Look at the sign of what the block adds.", "Which ends of the block are narrow? What stands there?"),
        explanation=(
            "An activation after the last 1×1 cuts off what is negative just where few maps carry everything; the "
            "paper calls the end a linear bottleneck. And values can then only grow from block to block. Nothing may "
            "follow the last BatchNorm. Parameters and shapes do not show it."
        ),
    ),
    Exhibit(
        id="thirty-two",
        title="Right at thirty-two",
        task="SqueezeExcite(channels, reduction) -> each map times its gate, for maps of any size.",
        faulty=faulty.SqueezeExcite,
        repaired=repaired.SqueezeExcite,
        symptom=thirty_two_symptom,
        checks={
            "the shape stays": lambda program: shape_problem(build(program, 32, 4), (2, 32, 32, 32), (2, 32, 32, 32)),
            "the parameters of the block": thirty_two_count,
            "gates from 0 to 1": thirty_two_gates,
            "maps of any size": thirty_two_sizes,
            "one factor for a whole map": thirty_two_maps,
        },
        exposed_by=("maps of any size", "one factor for a whole map"),
        hints=("Why would a block for any size refuse 16×16?", "Write the shape of the gates under that of the maps."),
        explanation=(
            "Broadcasting aligns shapes from the right: gates of shape (N, 1, 1, C) lie along the width, and where "
            "width and channels are equal nothing complains. Each column of pixels got the gate of a map. The gates "
            "belong on the axis of the maps, (N, C, 1, 1): gate[:, :, None, None]."
        ),
    ),
    Exhibit(
        id="smaller-every-time",
        title="Smaller every time",
        task="context() -> three dilated 3×3 convolutions, rates 1, 2, 4, that keep the size of the maps.",
        faulty=faulty.context,
        repaired=repaired.context,
        symptom=smaller_symptom,
        checks={
            "the parameters of the stack": smaller_weights,
            "the rates are 1, 2, 4": smaller_rates,
            "maps keep their size": smaller_size,
        },
        exposed_by=("maps keep their size",),
        hints=("By how many pixels is a map smaller, and after which layer?", "How far does a 3×3 with rate 4 reach?"),
        explanation=(
            "A 3×3 with rate d reaches d pixels to each side, so that it takes a padding of d to keep the size. With a "
            "padding of 1 each layer takes 2(d − 1) pixels off height and width, and small maps vanish altogether."
        ),
    ),
]
