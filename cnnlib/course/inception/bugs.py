"""Exhibits of the Inception chapter: arithmetic for one size, an argument that is another, a twin, a count."""

import torch
from torch import nn

from ...models import GoogLeNet, Inception, InceptionV3, ResNet
from ..bugs import Exhibit
from ..tools import layers, on_meta, output_shape, parameters, sizes_problem
from . import faulty, repaired

# ---------------------------------------------------------------- stem-by-hand: the stem by hand


def measured_stem(side):
    convolution, pool = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.MaxPool2d(3, 2, 1)
    maps = convolution(torch.zeros(1, 3, side, side))
    return convolution.weight.numel(), maps.shape[-1], pool(maps).shape[-1]


def stem_by_hand_symptom():
    with torch.device("meta"):
        weights, _, _ = measured_stem(57)
        expected = GoogLeNet().conv1.conv.weight.numel()
    told, _, after = faulty.stem(113)
    return (
        f"It speaks of {told:,} weights, and a layer that is built has {weights:,} (GoogLeNet's: {expected:,}). A "
        f"picture of 113×113 leaves maps with a side of {after} after the pooling."
    )


def stem_by_hand_pool(program):
    got = tuple(program(224))[1:]
    return None if got == (112, 56) else f"for a picture of 224 it says {got}, expected (112, 56)."


def stem_by_hand_weights(program):
    got, expected = program(224)[0], measured_stem(15)[0]
    return None if got == expected else f"{got:,} weights, a layer that is built has {expected:,}."


def stem_by_hand_odd(program):
    for side in (225, 113, 57, 30):
        with torch.device("meta"):
            expected = measured_stem(side)[1:]
        got = tuple(program(side))[1:]
        if got != expected:
            return f"for a picture of {side} it says {got}, measured {expected}."
    return None


# ---------------------------------------------------------------- fourth-argument: the fourth argument


def fourth_argument_symptom():
    length = output_shape(on_meta(faulty.flat_features), 1, 3, 32, 32)[1]
    return f"A picture of 32×32 gives {length:,} numbers. 64 maps of 32×32 are {64 * 32 * 32:,}."


def fourth_argument_batch(program):
    got = output_shape(on_meta(program), 5, 3, 32, 32)
    return None if len(got) == 2 and got[0] == 5 else f"five pictures become {got}, expected one vector each."


def fourth_argument_kernels(program):
    shapes = [tuple(layer.weight.shape) for layer in layers(on_meta(program), nn.Conv2d)]
    return None if shapes == [(64, 3, 3, 3)] else f"weights {shapes}, expected 64 kernels of 3×3 on 3 channels."


# ---------------------------------------------------------------- module-twin: a module that has a twin


def weights(network):
    return sum(layer.weight.numel() for layer in layers(network, nn.Conv2d))


def module_twin_symptom():
    made, meant = (output_shape(on_meta(version.module_3a), 1, 192, 28, 28)[1] for version in (faulty, repaired))
    return (
        f"Every test of shapes passes: {made} maps here, {meant} in module 3a of GoogLeNet. Only the weights differ, "
        f"{weights(on_meta(faulty.module_3a)):,} here and {weights(on_meta(repaired.module_3a)):,} there."
    )


def module_twin_weights(program):
    got, expected = weights(on_meta(program)), 163_328
    return None if got == expected else f"{got:,} weights, the row of table 1 gives {expected:,}."


def module_twin_sees(program):
    kernels = [(layer.kernel_size[0], layer.out_channels) for layer in layers(on_meta(program), nn.Conv2d)]
    wide = [maps for kernel, maps in kernels if kernel == 5]
    return None if wide == [32] else f"kernels and maps {sorted(kernels)}: 32 maps should be made by a 5×5."


def module_twin_google(program):
    names, wanted = on_meta(program).state_dict(), on_meta(Inception, 192, 64, 96, 128, 16, 32, 32).state_dict()
    odd = [name for name in wanted if name not in names or names[name].shape != wanted[name].shape]
    return f"weights of GoogLeNet's 3a do not fit {odd[0]}." if odd else None


# ---------------------------------------------------------------- one-number: one number for a network


def one_number_symptom():
    from torchvision.models import GoogLeNet_Weights, Inception_V3_Weights

    lists = [weights.DEFAULT.meta["num_params"] for weights in (GoogLeNet_Weights, Inception_V3_Weights)]
    ours = [faulty.size_of(on_meta(network)) for network in (GoogLeNet, InceptionV3)]
    return (
        f"GoogLeNet has {ours[0]:,} parameters, and its paper adds up to seven million. Inception-v3 has {ours[1]:,}, "
        f"and its abstract promises fewer than 25 million. (torchvision's own list has {lists[1]:,} for Inception-v3, "
        f"too; for its GoogLeNet it has {lists[0]:,}, and building that gives "
        f"{faulty.size_of(on_meta(GoogLeNet, variant='torchvision')):,}.)"
    )


def one_number_alone(program):
    network = on_meta(ResNet, 18)
    got, expected = program(network), parameters(network)
    return None if got == expected else f"{got:,} for ResNet-18, expected {expected:,}."


def one_number_used(program):
    for make in (GoogLeNet, InceptionV3):
        got, expected = program(on_meta(make)), parameters(on_meta(make, aux_logits=False))
        if got != expected:
            return f"{got:,} for {make.__name__}; {expected:,} of them answer when it is used."
    return None


def one_number_whole(program):
    network = on_meta(GoogLeNet)
    before = parameters(network)
    program(network)
    return None if parameters(network) == before else "it takes parts away; who counts must not change what is counted."


EXHIBITS = [
    Exhibit(
        id="stem-by-hand",
        title="The stem, by hand",
        task=(
            "stem(side) -> weights of GoogLeNet's first convolution (biases not counted), side of its maps, side after "
            "the pooling."
        ),
        faulty=faulty.stem,
        repaired=repaired.stem,
        symptom=stem_by_hand_symptom,
        checks={
            "the sizes for a picture of 224": stem_by_hand_pool,
            "the number of weights": stem_by_hand_weights,
            "the sizes for any picture": stem_by_hand_odd,
        },
        exposed_by=("the number of weights", "the sizes for any picture"),
        hints=(
            "Build the layer and count.",
            "A 7×1 after a 1×7 is another layer. Does GoogLeNet of 2014 have it?",
            "There are no half pixels. Which way are they rounded?",
        ),
        explanation=(
            "A 7×7 kernel on three channels for 64 maps has 7·7·3·64 weights. Splitting it into 7×1 and 1×7 is an "
            "idea of Inception-v3, and it would not cost (7 + 7)·64·3 either, because the second half reads the maps "
            "of the first. And the rule for sizes is floor((n + 2p − k) / s) + 1; the division without floor agrees "
            "with it for the sizes of the paper only."
        ),
    ),
    Exhibit(
        id="fourth-argument",
        title="The fourth argument",
        task=(
            "flat_features() -> layers that turn pictures of 3×32×32 into 64 maps of 32×32, and these into one vector."
        ),
        faulty=faulty.flat_features,
        repaired=repaired.flat_features,
        symptom=fourth_argument_symptom,
        checks={
            "one vector for each picture": fourth_argument_batch,
            "64 kernels of 3×3": fourth_argument_kernels,
            "65,536 numbers": lambda program: sizes_problem(program, (2, 65_536), (2, 3, 32, 32)),
        },
        exposed_by=("65,536 numbers",),
        hints=("How large are the maps?", "The author meant 3×3 by 3, 3. What does the library mean by it?"),
        explanation=(
            "Height and width of a kernel were once two arguments. Here the fourth is the stride, so the maps are a "
            "third as large. Write the names of arguments that could be something else."
        ),
    ),
    Exhibit(
        id="module-twin",
        title="A module and its twin",
        task="Module 3a of GoogLeNet (table 1 of its paper): 192 maps in, 64 + 128 + 32 + 32 = 256 out.",
        faulty=faulty.module_3a,
        repaired=repaired.module_3a,
        symptom=module_twin_symptom,
        checks={
            "256 maps": lambda program: sizes_problem(program, (2, 256, 28, 28), (2, 192, 28, 28)),
            "the weights of table 1": module_twin_weights,
            "32 of the maps come from a 5×5": module_twin_sees,
            "published weights would fit": module_twin_google,
        },
        exposed_by=("the weights of table 1", "32 of the maps come from a 5×5", "published weights would fit"),
        hints=(
            "Shapes cannot tell. What else can be counted?",
            "Read the row 3a from left to right, number by number.",
        ),
        explanation=(
            "The third branch should reduce to 16 maps and then look with 5×5; here it reduces to 32 and looks with "
            "3×3, like the second. Its output has the same shape and almost the same number of weights."
        ),
    ),
    Exhibit(
        id="one-number",
        title="One number for a network",
        task="size_of(network) -> how many parameters the network has, for a list that compares networks in use.",
        faulty=faulty.size_of,
        repaired=repaired.size_of,
        symptom=one_number_symptom,
        checks={
            "a network without heads": one_number_alone,
            "what answers when it is used": one_number_used,
            "the network is left as it was": one_number_whole,
        },
        exposed_by=("what answers when it is used",),
        hints=(
            "Ask the network which parts it has, and which of them work in evaluation mode.",
            "What is thrown away when training is over?",
        ),
        explanation=(
            "The auxiliary heads are counted. They work in training only: nearly half of this GoogLeNet never sees a "
            "picture again. Both numbers have their use, in planning a training and in choosing a network, but a "
            "list must say which it means, and not mean one for one network and the other for the next."
        ),
    ),
]
