"""Exhibits of the VGG chapter: comments about sizes, a letter of the alphabet, and a start that was never written."""

import contextlib
import io

import torch
from torch import nn

from ...models import VGG
from ..bugs import Exhibit
from ..tools import build, count_problem, layers, on_meta, parameters, ran, sizes_problem
from . import faulty, repaired

# ---------------------------------------------------------------- hundred-and-twelve: comments about sizes


def measured_sides(picture):
    """What a real VGG-16 makes of a picture of this size."""
    with torch.device("meta"):
        trace = ran(VGG("D").features, torch.empty(1, 3, picture, picture))
    return [out.shape[-1] for layer, out in trace if isinstance(layer, nn.MaxPool2d)]


def sides_problem(program, picture):
    got, expected = list(program(picture)), measured_sides(picture)
    if got == expected:
        return None
    return f"for a picture of {picture} it says {got}, the network has {expected}."


def hundred_and_twelve_symptom():
    return (
        f"The network runs. But {sides_problem(faulty.sides, 227)} Nobody noticed, because both rows end in "
        "the 7 that the dense layers are built for."
    )


def hundred_and_twelve_any(program):
    return next(filter(None, (sides_problem(program, picture) for picture in (227, 256, 299, 100))), None)


# ---------------------------------------------------------------- which-letter: which letter is this?


def which_letter_symptom():
    written, letter_c, meant = (parameters(on_meta(p)) for p in (faulty.vgg16, VGG16_C, repaired.vgg16))
    return (
        f"{written:,} parameters. VGG-16 has {meant:,}. With a last map of 7×7 the program would have {letter_c:,}: "
        "that is a column of the paper's table too, but another one."
    )


def VGG16_C():
    return VGG("C")


def which_letter_depth(program):
    network = on_meta(program)
    counts = len(layers(network, nn.Conv2d)), len(layers(network, nn.Linear))
    return None if counts == (13, 3) else f"{counts[0]} convolutions and {counts[1]} dense layers, expected 13 and 3."


def which_letter_kernels(program):
    kernels = {layer.kernel_size[0] for layer in layers(on_meta(program), nn.Conv2d)} - {3}
    if kernels:
        odd = ", ".join(f"{kernel}×{kernel}" for kernel in sorted(kernels))
        return f"besides 3×3 there are kernels of {odd}."
    return None


# ---------------------------------------------------------------- talking-network: a network that talks


def small_stack():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 5))


def traced(program):
    """What a program prints and returns for a small stack of layers, and the stack."""
    network, x = small_stack(), torch.randn(2, 3, 8, 8)
    with contextlib.redirect_stdout(io.StringIO()) as output, torch.no_grad():
        returned = program(network, x)
    return output.getvalue(), returned, network


def talking_network_symptom():
    printed, returned, _ = traced(faulty.trace)
    lines = len(printed.splitlines())
    return (
        f"A stack of five layers prints {lines} lines, each time it is run, and what can be computed with afterwards "
        f"is {returned}. In a training of ten epochs of 1,000 steps that makes {10 * 1000 * lines:,} lines."
    )


def talking_network_layers(program):
    count = []
    network = small_stack()
    for layer in network:
        layer.register_forward_hook(lambda *_: count.append(1))
    with contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
        program(network, torch.randn(2, 3, 8, 8))
    return None if len(count) == 5 else f"of five layers {len(count)} ran."


def talking_network_silent(program):
    printed = traced(program)[0]
    return f"it prints: {printed.splitlines()[0]} ..." if printed else None


def talking_network_shapes(program):
    expected = [("Conv2d", (2, 4, 6, 6)), ("ReLU", (2, 4, 6, 6)), ("MaxPool2d", (2, 4, 3, 3)), ("Flatten", (2, 36)),
                ("Linear", (2, 5))]
    returned = traced(program)[1]
    if returned is None:
        return "it returns None; wanted is a list of (type of layer, shape)."
    got = [(kind, tuple(shape)) for kind, shape in returned]
    return None if got == expected else f"it returns {got}, expected {expected}."


def talking_network_clean(program):
    network = traced(program)[2]
    left = sum(len(layer._forward_hooks) for layer in network.modules())
    return f"{left} hooks stay in the network, which goes on noting shapes for ever." if left else None


# ---------------------------------------------------------------- unwritten-start: an initialiser that nobody wrote


def spread(outputs):
    """How far the outputs for two random pictures are apart, relative to what independent values of spread 1 are."""
    return (outputs[0] - outputs[1]).std().item() / 2**0.5


def attempted(program, **options):
    """The network, or the AttributeError of building it."""
    try:
        return build(program, **options), None
    except AttributeError as error:
        return None, f"AttributeError: {error}."


def unwritten_start_symptom():
    problem = attempted(lambda: on_meta(faulty.VGG16))[1]
    defaults = nn.Sequential(*(
        layer for width in range(13) for layer in (nn.Conv2d(64 if width else 3, 64, 3, padding=1), nn.ReLU())
    ))
    left = spread(ran(defaults, torch.randn(2, 3, 16, 16))[-2][1])
    return (
        f"It stops with {problem} Leaving the call out lets it run, but after 13 convolutions of 64 maps with the "
        f"weights that PyTorch starts with, two pictures differ by {left:.0e} of what they differed by at the input."
    )


def unwritten_start_built(program):
    _, problem = attempted(lambda: on_meta(program))
    return problem


def unwritten_start_count(program):
    if attempted(lambda: on_meta(program))[1]:
        return "there is no network to count."
    return count_problem(program, 134_301_514)


def unwritten_start_signal(program):
    network, problem = attempted(program, dense=64)
    if problem:
        return "there is no network whose signal could be measured."
    trace = ran(network, torch.randn(2, 3, 32, 32))
    spreads = [spread(out) for layer, out in trace if isinstance(layer, nn.Conv2d)]
    for number, left in enumerate(spreads, 1):
        if not 0.001 < left < 1000:
            return f"after convolution {number} pictures differ {left:.2g} times as much as at first; that is lost."
    return None


EXHIBITS = [
    Exhibit(
        id="hundred-and-twelve",
        title="One hundred and twelve",
        task="sides(picture) -> the sides of the maps after each of the five poolings of VGG-16.",
        faulty=faulty.sides,
        repaired=repaired.sides,
        symptom=hundred_and_twelve_symptom,
        checks={
            "right for a picture of 224": lambda program: sides_problem(program, 224),
            "right for any picture": hundred_and_twelve_any,
        },
        exposed_by=("right for any picture",),
        hints=("The numbers do not depend on the argument.", "What is 227 / 2, and what does a pooling make of it?"),
        explanation=(
            "The comments of the program were copied from a network for 224×224 and stand beside one for 227×227. "
            "Poolings round down, 227, 113, 56, 28, 14, 7, so the mistake heals itself and nothing ever complained."
        ),
    ),
    Exhibit(
        id="which-letter",
        title="Which letter is this?",
        task="VGG-16, configuration D of the paper, for 1000 classes.",
        faulty=faulty.vgg16,
        repaired=repaired.vgg16,
        symptom=which_letter_symptom,
        checks={
            "1000 scores": lambda program: sizes_problem(program, (2, 1000), (2, 3, 224, 224)),
            "13 convolutions and 3 dense layers": which_letter_depth,
            "every kernel is 3×3": which_letter_kernels,
            "the parameters of configuration D":
                lambda program: count_problem(program, parameters(on_meta(VGG, "D"))),
        },
        exposed_by=("every kernel is 3×3", "the parameters of configuration D"),
        hints=(
            "It has sixteen layers. The paper has two columns with sixteen.",
            "Which convolution of the later blocks is not like its neighbours?",
            "And how large are the last maps for the picture of the paper?",
        ),
        explanation=(
            "The third convolution of the later blocks is 1×1. That is configuration C, which the paper made to show "
            "that D, with 3×3 there, is better. And 8×8 instead of 7×7 last maps, a consequence of the input size 227 "
            "and of poolings that round up, cost another 31 million weights in the first dense layer."
        ),
    ),
    Exhibit(
        id="talking-network",
        title="The network that talks",
        task="trace(network, x) runs a stack of layers and lets the caller know what shape each layer made.",
        faulty=faulty.trace,
        repaired=repaired.trace,
        symptom=talking_network_symptom,
        checks={
            "every layer runs": talking_network_layers,
            "nothing is printed": talking_network_silent,
            "types and shapes are returned": talking_network_shapes,
            "the network is left as it was": talking_network_clean,
        },
        exposed_by=("nothing is printed", "types and shapes are returned"),
        hints=("Who reads the output of step 7,312?", "Look up register_forward_hook."),
        explanation=(
            "Printing shapes is how one gets to know a network, and it is left in the forward pass afterwards. A hook "
            "looks on from outside, for one run, and returns something that a program can check."
        ),
    ),
    Exhibit(
        id="unwritten-start",
        title="The start that nobody wrote",
        task="VGG-16 for ten classes, 134,301,514 parameters, with weights from which a training can start.",
        faulty=faulty.VGG16,
        repaired=repaired.VGG16,
        symptom=unwritten_start_symptom,
        checks={
            "it can be built": unwritten_start_built,
            "134,301,514 parameters": unwritten_start_count,
            "the signal reaches the last convolution": unwritten_start_signal,
        },
        exposed_by=("it can be built", "134,301,514 parameters", "the signal reaches the last convolution"),
        hints=(
            "Has anybody ever made an object of this class?",
            "What would be lost if the line that fails were simply removed? Measure the spread of the signal.",
        ),
        explanation=(
            "The constructor calls a method that does not exist: the class was published without ever having been "
            "used. The method is needed. The weights that PyTorch starts with shrink a signal by about sqrt(6) in "
            "each layer with ReLU; He's, with variance 2 / inputs, keep it."
        ),
    ),
]
