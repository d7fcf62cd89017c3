"""Exhibits of the chapter on reading networks: counters that look right on the first network they are tried on."""

import functools

import torch
from torch import nn

from ...anatomy import summary
from ...models import create_model
from ..bugs import Exhibit
from . import faulty, repaired

PICTURE = (1, 3, 224, 224)


@functools.cache
def network(name):
    """A network without numbers: its shapes are all that is counted here."""
    with torch.device("meta"):
        return create_model(name, variant="torchvision").eval()


def expected(got, right, what):
    return None if got == right else f"{what}: it says {got:,}, expected {right:,}."


# ---------------------------------------------------------------- heavier-than-itself: parameters


def heavier_than_itself_symptom():
    counts = {name: faulty.count_parameters(network(name)) for name in ("vgg11", "resnet18")}
    return (
        f"VGG-11 has {counts['vgg11']:,} parameters, as everywhere. ResNet-18 has {counts['resnet18']:,}; "
        f"other tables say {repaired.count_parameters(network('resnet18')):,}."
    )


def heavier_than_itself_norm(program):
    return expected(program(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))), 224 + 16,
                    "a convolution of 224 parameters and a BatchNorm with a factor and a shift for each of 8 maps")


def heavier_than_itself_tied(program):
    there, back = nn.Linear(10, 10, bias=False), nn.Linear(10, 10, bias=False)
    back.weight = there.weight
    return expected(program(nn.Sequential(there, back)), 100, "two layers that share one matrix of 10×10")


def heavier_than_itself_frozen(program):
    frozen = nn.Linear(10, 10).requires_grad_(False)
    return expected(program(frozen), 110, "a linear layer of 110 parameters that are frozen")


# ---------------------------------------------------------------- small-but-costly: multiply-accumulates


def small_but_costly_symptom():
    counts = {name: faulty.count_macs(network(name), torch.empty(PICTURE, device="meta"))
              for name in ("resnet18", "mobilenet_v2")}
    right = repaired.count_macs(network("mobilenet_v2"), torch.empty(PICTURE, device="meta"))
    return (
        f"{counts['resnet18'] / 1e9:.2f} billion multiply-accumulates for the convolutions of a ResNet-18, as it "
        f"should be. But MobileNetV2, built to be small, comes out at {counts['mobilenet_v2'] / 1e9:.2f} billion; "
        f"its authors count {right / 1e9:.2f}."
    )


def convolution_macs(program, layer, size=20):
    right = summary(layer, (2, layer.in_channels, size, size)).total_macs
    return expected(program(nn.Sequential(layer), torch.zeros(2, layer.in_channels, size, size)), right,
                    f"{layer}, two pictures of {size}×{size}")


def small_but_costly_grouped(program):
    return convolution_macs(program, nn.Conv2d(8, 16, 3, groups=4)) or convolution_macs(
        program, nn.Conv2d(8, 8, 3, groups=8))


def small_but_costly_hooks(program):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3))
    program(net, torch.zeros(1, 3, 9, 9))
    return "its hooks stay in the network." if any(layer._forward_hooks for layer in net) else None


# ---------------------------------------------------------------- beyond-the-picture: receptive field

ALEXNET = [(11, 4), (3, 2), (5, 1), (3, 2), (3, 1), (3, 1), (3, 1), (3, 2)]


def beyond_the_picture_symptom():
    return (
        f"Stacks without strides come out right. For the eight layers of AlexNet's convolutional part it says "
        f"{faulty.receptive_field(ALEXNET)} pixels; the picture has 227, and the gradient of a unit reaches "
        f"{repaired.receptive_field(ALEXNET)}."
    )


def field_of(layers):
    net = nn.Sequential(*(nn.Conv2d(1, 1, kernel, stride=stride, padding=kernel) for kernel, stride in layers))
    return summary(net, (1, 1, 256, 256)).rows[-1].receptive_field


def fields(program, *stacks):
    for layers in stacks:
        if problem := expected(program(layers), field_of(layers), f"layers (kernel, stride) {layers}"):
            return problem
    return None


EXHIBITS = [
    Exhibit(
        id="heavier-than-itself",
        title="A network heavier than itself",
        task="count_parameters(model) -> the number of its parameters: numbers that training changes, or could.",
        faulty=faulty.count_parameters,
        repaired=repaired.count_parameters,
        symptom=heavier_than_itself_symptom,
        checks={
            "a network without normalisation":
                lambda program: expected(program(network("vgg11")), 132_863_336, "VGG-11"),
            "averages are not parameters": heavier_than_itself_norm,
            "a shared parameter counts once": heavier_than_itself_tied,
            "a frozen parameter counts": heavier_than_itself_frozen,
        },
        exposed_by=("averages are not parameters", "a shared parameter counts once"),
        hints=(
            "What does ResNet-18 have that VGG-11 has not?",
            "Print the names in the state dict of one BatchNorm. Which of them does training change by gradient?",
        ),
        explanation=(
            "A state dict is everything that must be stored to get the network back: besides the parameters also "
            "the running averages of BatchNorm and its counters of batches, which gradient descent never touches. "
            "It lists a tensor under every name that it has, so a shared matrix is counted twice. parameters() "
            "gives each parameter once. The error is a tenth of a per cent here, too small to be noticed by anyone "
            "who rounds."
        ),
    ),
    Exhibit(
        id="small-but-costly",
        title="A small network that costs as much as a large one",
        task=(
            "count_macs(model, x) -> the multiply-accumulates of all convolutions of the network for the input x."
        ),
        faulty=faulty.count_macs,
        repaired=repaired.count_macs,
        symptom=small_but_costly_symptom,
        checks={
            "a plain convolution": lambda program: convolution_macs(program, nn.Conv2d(3, 8, 5, stride=2)),
            "a kernel that is not square":
                lambda program: convolution_macs(program, nn.Conv2d(6, 4, (1, 7), padding=(0, 3))),
            "grouped and depthwise convolutions": small_but_costly_grouped,
            "no hook is left behind": small_but_costly_hooks,
        },
        exposed_by=("grouped and depthwise convolutions",),
        hints=(
            "Which kind of convolution does MobileNetV2 have and ResNet-18 not?",
            "Print the weight's shape of such a layer beside its in_channels.",
        ),
        explanation=(
            "With groups a kernel sees only the channels of its own group, in_channels / groups of them. In ResNet-18 "
            "every group count is 1 and nothing shows. In MobileNetV2 the 3×3 convolutions are depthwise, with as many "
            "groups as channels. A count that cannot forget it is output.numel() * layer.weight[0].numel(): the weight "
            "knows its own shape."
        ),
    ),
    Exhibit(
        id="beyond-the-picture",
        title="A unit that sees beyond the picture",
        task=(
            "receptive_field(layers) -> how many input pixels in a row a unit of the last layer can see. layers is a "
            "list of (kernel, stride)."
        ),
        faulty=faulty.receptive_field,
        repaired=repaired.receptive_field,
        symptom=beyond_the_picture_symptom,
        checks={
            "layers without stride": lambda program: fields(program, [(5, 1)], [(3, 1)] * 3, [(1, 1), (7, 1)]),
            "layers with stride": lambda program: fields(program, [(2, 2)], [(7, 2), (3, 2)], ALEXNET),
            "no layer sees one pixel": lambda program: expected(program([]), 1, "no layers at all"),
        },
        exposed_by=("layers with stride",),
        hints=(
            "Try a single layer of 2×2 with stride 2. How many pixels can it see?",
            "On which map does the window of a layer lie, before or after its own stride?",
        ),
        explanation=(
            "The window of a layer lies on the map below it, and its steps are as long as the jump of that map. The "
            "layer's own stride lengthens the steps of the layers above. So the field grows first, then the jump."
        ),
    ),
]
