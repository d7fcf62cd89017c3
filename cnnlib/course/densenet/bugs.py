"""Exhibits of the DenseNet chapter: a network repaired in three steps, and an order that no shape can tell."""

from itertools import pairwise

import torch
from torch import nn

from ... import models, randomness
from ...anatomy import kept_bytes
from ..bugs import Exhibit
from ..tools import (
    build,
    count_problem,
    is_affine,
    layers,
    on_meta,
    only_rounding,
    output_shape,
    parameters,
    ran,
    sizes_problem,
)
from . import faulty, repaired

# ---------------------------------------------------------------- narrow-layers: every layer as narrow as the first


def grown(program, count, channels, growth_rate):
    block, expected = build(program, count, channels, growth_rate), channels + count * growth_rate
    try:
        got = block(torch.zeros(1, channels, 4, 4)).shape[1]
    except RuntimeError as error:
        return f"{channels} maps, {count} layers: {str(error).splitlines()[0]}."
    return None if got == expected else f"{channels} maps and {count} layers give {got} maps, expected {expected}."


def narrow_layers_symptom():
    return f"With one layer it works. {grown(faulty.DenseBlock, 6, 64, 32)}"


def narrow_layers_any(program):
    return next(filter(None, (grown(program, *case) for case in ((3, 24, 12), (4, 7, 5), (1, 9, 40)))), None)


# ---------------------------------------------------------------- second-network: the second network is another one


def fresh(program):
    """A class whose growth rate is still 32; a function has none."""
    return type("Fresh", (program,), {"growth_rate": 32}) if isinstance(program, type) else program


def second_network_symptom():
    program = fresh(faulty.GrowingDenseNet)
    first, second = (parameters(on_meta(program)) for _ in range(2))
    return (
        f"The first network has {first:,} parameters. The second, made by the same line, has {second:,}, that is "
        f"{4 * second / 2**30:,.0f} GiB, and the class's growth rate is now {program.growth_rate:,}."
    )


def second_network_blocks(program):
    count = len(layers(on_meta(fresh(program)), models.DenseBlock))
    return None if count == 4 else f"{count} dense blocks, expected 4."


def second_network_twice(program):
    program = fresh(program)
    first, second = (parameters(on_meta(program)) for _ in range(2))
    return None if first == second else f"the first network has {first:,} parameters, the second {second:,}."


def second_network_growth(program):
    convolutions = layers(on_meta(fresh(program)), nn.Conv2d)
    growth = [layer.out_channels for layer in convolutions if layer.kernel_size == (3, 3)]
    return None if set(growth) == {32} else f"layers add {sorted(set(growth))} maps, expected 32 everywhere."


# ---------------------------------------------------------------- foreign-head: a head for another network


def foreign_head_symptom():
    problems = [sizes_problem(lambda: faulty.head(1024), (2, 10), (2, 1024, side, side)) for side in (6, 7)]
    return f"Maps of 6×6: {problems[0]} Maps of 7×7: {problems[1]}"


# ---------------------------------------------------------------- border-not-black: convolutions and nothing else


def border_not_black_symptom():
    layer, x = build(faulty.DenseLayer, 16), torch.randn(1, 16, 6, 6)
    written = layer(x)
    usual = nn.functional.conv2d(layer.reduce(x)[..., 1:-1, 1:-1], layer.grow.weight, layer.grow.bias, padding=1)
    apart = (written - usual).abs()
    inside = apart[..., 1:-1, 1:-1].max().item()
    kinds = " and ".join(type(part).__name__ for part in layer.children())
    return (
        f"It is {kinds}, nothing else, and the maps keep their size. Compared with the same weights in a layer that "
        f"pads its 3×3, the difference inside is {only_rounding(inside)}, at the border "
        f"{apart[..., 0, :].max().item():.2g}, where the spread of the output is {written.std().item():.2g}."
    )


def border_not_black_order(program):
    kinds = [type(layer).__name__ for layer, _ in ran(build(program, 16), torch.randn(1, 16, 6, 6))]
    expected = 2 * ["BatchNorm2d", "ReLU", "Conv2d"]
    return None if kinds == expected else f"it computes {', '.join(kinds)}; expected {', '.join(expected)}."


def border_not_black_bends(program):
    if is_affine(build(program, 16), 16, 6, 6):
        return "f(a) + f(b) = f(a + b) + f(0): two convolutions with the power of one."
    return None


def border_not_black_border(program):
    trace = ran(build(program, 16), torch.randn(1, 16, 6, 6))
    sides = [out.shape[-1] for layer, out in trace if isinstance(layer, nn.Conv2d)]
    return None if sides == [6, 6] else f"maps of 6×6 become {sides[0]}×{sides[0]} and then {sides[-1]}×{sides[-1]}."


# ---------------------------------------------------------------- list-for-layers: a list where layers belong


def stacked(program, count):
    """None, or what is wrong with a stack of so many layers."""
    given = [nn.Linear(4, 4) for _ in range(count)]
    try:
        network = program(iter(given))
    except TypeError as error:
        return f"Given {count}: TypeError, {error}."
    x = torch.ones(1, 4)
    expected = x
    for layer in given:
        expected = layer(expected)
    return None if torch.equal(network(x), expected) else f"Given {count}, they do not work one after the other."


def list_for_layers_symptom():
    return f"Nothing runs. {stacked(faulty.stack, 1)} In other libraries, or in other versions of them, it would."


# ---------------------------------------------------------------- answer-per-place: one number a position


def answer_per_place_symptom():
    network = on_meta(faulty.densenet121)
    averages = sum(b.numel() for name, b in network.named_buffers() if "running" in name)
    return (
        f"Two pictures give scores of shape {output_shape(network, 2, 3, 224, 224)}. And a network called "
        f"DenseNet-121 has {parameters(network):,} parameters ({parameters(network) + averages:,} for a library that "
        f"counts BatchNorm's averages), where {parameters(on_meta(repaired.densenet121)):,} were expected."
    )


def answer_per_place_depth(program):
    count = len(layers(on_meta(program), nn.Conv2d))
    return None if count == 120 else f"{count} convolutions, expected 120."


def answer_per_place_half(program):
    with torch.device("meta"):
        trace = ran(on_meta(program), torch.empty(1, 3, 224, 224))
    trace = [(layer, out) for layer, out in trace if isinstance(layer, nn.Conv2d)]
    shrinking = [
        (conv.in_channels, conv.out_channels) for (conv, out), (_, after) in pairwise(trace[1:])
        if after.shape[-1] < out.shape[-1]
    ]
    expected = [(256, 128), (512, 256), (1024, 512)]
    return None if shrinking == expected else f"the transitions go {shrinking}, expected {expected}."


# ---------------------------------------------------------------- all-weights-fit: an order that no shape can tell


def loaded(program):
    """A reference block in evaluation mode with averages of its own, and the program's block with its weights."""
    reference = models.DenseBlock(4, 8, 4)
    reference.train()(torch.randn(4, 8, 6, 6))
    ours = build(program, 4, 8, 4)
    ours.load_state_dict(reference.state_dict(), strict=True)
    return reference.eval(), ours


def difference(program):
    reference, ours = loaded(program)
    x = torch.randn(2, 8, 6, 6)
    with torch.no_grad():
        expected = reference(x)
        return (ours(x) - expected).abs().max().item(), expected.std().item()


def all_weights_fit_symptom():
    far, scale = difference(faulty.FromTheFile)
    return (
        "All weights of a trained block load, no name is missing and every shape is right. The outputs differ by up to "
        f"{far:.2f}, where their spread is {scale:.2f}."
    )


def all_weights_fit_names(program):
    names = models.DenseBlock(4, 8, 4).state_dict().keys() ^ build(program, 4, 8, 4).state_dict().keys()
    return f"names that do not fit: {', '.join(sorted(names)[:3])} ..." if names else None


def all_weights_fit_output(program):
    far, _ = difference(program)
    return None if far == 0 else f"with the same weights the outputs differ by up to {far:.3f}."


# ---------------------------------------------------------------- sixty-four: 64, whatever was asked for


def sixty_four_symptom():
    try:
        build(faulty.stem, 24).train()(torch.zeros(1, 3, 32, 32))
    except RuntimeError as error:
        return f"With a growth rate of 32 it works, with 24: {str(error).splitlines()[0]}."


def sixty_four_any(program):
    for growth_rate in (12, 24, 48):
        stem = build(program, growth_rate)
        try:
            got = tuple(stem(torch.zeros(1, 3, 32, 32)).shape)
        except RuntimeError as error:
            return f"growth rate {growth_rate}: {str(error).splitlines()[0]}."
        if got != (1, 2 * growth_rate, 8, 8):
            return f"growth rate {growth_rate}: {got[1]} maps, expected {2 * growth_rate}."
    return None


# ---------------------------------------------------------------- same-batch-again: one batch, counted twice


class Lean(nn.Module):
    """A dense layer called through a program."""

    def __init__(self, program):
        super().__init__()
        self.layer, self.program = models.DenseLayer(8, 4), program

    def forward(self, x):
        return self.program(self.layer, x)


def trained(program, steps=3):
    """(output of the last step, gradients of all steps, averages) of a dense layer that is called through `program`."""
    randomness.seed(0)
    network, gradients = Lean(program).train(), []
    for _ in range(steps):
        y = network(torch.randn(4, 8, 6, 6))
        network.zero_grad()
        y.square().sum().backward()
        gradients += [p.grad for p in network.parameters()]
    return y.detach(), gradients, dict(network.layer.named_buffers())


def plain(layer, x):
    return layer(x)


def same_batch_again_symptom():
    (y, gradients, averages), (expected, right, wanted) = trained(faulty.lean), trained(plain)
    same = all(map(torch.equal, [y, *gradients], [expected, *right]))
    wrong = [name for name, value in averages.items() if not torch.equal(value, wanted[name])]
    return (
        f"After three steps of training, outputs and gradients are those of the plain layer, bit for bit: {same}. But "
        f"{len(wrong)} of its {len(averages)} buffers differ, and the first BatchNorm has counted "
        f"{int(averages['norm1.num_batches_tracked'])} batches."
    )


def same_batch_again_output(program):
    far = (trained(program)[0] - trained(plain)[0]).abs().max().item()
    return None if far < 1e-5 else f"in training the outputs differ by up to {far:.3f}."


def same_batch_again_gradients(program):
    pairs = zip(trained(program)[1], trained(plain)[1], strict=True)
    far = max((got - right).abs().max().item() for got, right in pairs)
    return None if far < 1e-4 else f"the gradients differ by up to {far:.3f}."


def same_batch_again_kept(program):
    x = torch.randn(4, 8, 6, 6)
    kept, own = kept_bytes(Lean(program).train(), x), x.numel() * x.element_size()
    return None if kept <= own else f"{kept:,} bytes are kept, where the input has {own:,}."


def same_batch_again_averages(program):
    got, right = trained(program)[2], trained(plain)[2]
    wrong = [name for name, value in got.items() if not torch.allclose(value, right[name])]
    return f"other than in the plain layer: {', '.join(wrong)}." if wrong else None


EXHIBITS = [
    Exhibit(
        id="narrow-layers",
        title="Each layer as narrow as the first",
        task="DenseBlock(layers, channels, growth_rate): each layer reads all maps made so far and adds growth_rate.",
        faulty=faulty.DenseBlock,
        repaired=repaired.DenseBlock,
        symptom=narrow_layers_symptom,
        checks={
            "one layer": lambda program: grown(program, 1, 64, 32),
            "six layers turn 64 maps into 256": lambda program: grown(program, 6, 64, 32),
            "other numbers": narrow_layers_any,
        },
        exposed_by=("six layers turn 64 maps into 256", "other numbers"),
        hints=(
            "How many maps does the second layer read?",
            "Write down the widths for 64 maps and a growth rate of 32.",
        ),
        explanation=(
            "Concatenation makes the input grow, and every layer was built for the first one's. Layer i (from 0) reads "
            "channels + i · growth_rate maps. First of four repairs; the next three follow."
        ),
    ),
    Exhibit(
        id="second-network",
        title="The second network is another one",
        task="The four blocks of DenseNet-121: each of their layers adds 32 maps.",
        faulty=faulty.GrowingDenseNet,
        repaired=repaired.GrowingDenseNet,
        symptom=second_network_symptom,
        checks={
            "four dense blocks": second_network_blocks,
            "two networks from one line are alike": second_network_twice,
            "every layer adds 32 maps": second_network_growth,
        },
        exposed_by=("two networks from one line are alike", "every layer adds 32 maps"),
        hints=("Build it twice.", "Whose variable is growth_rate, the network's or the class's?"),
        explanation=(
            "The growth rate belongs to the class, and building a network doubles it four times, for all networks to "
            "come. (A growth rate that doubles from block to block would be a design; this one also outlives it.) What "
            "a network needs it should be told by its arguments."
        ),
    ),
    Exhibit(
        id="foreign-head",
        title="A head for some other network",
        task="head(channels, num_classes): what follows the last dense block, for pictures of 224×224 and of 227×227.",
        faulty=faulty.head,
        repaired=repaired.head,
        symptom=foreign_head_symptom,
        checks={
            "1024 maps of 7×7": lambda program: sizes_problem(lambda: program(1024), (2, 10), (2, 1024, 7, 7)),
            "maps of other sizes":
                lambda program: sizes_problem(lambda: program(1024), (2, 10), (2, 1024, 6, 6), (2, 1024, 8, 7)),
            "another number of maps and classes":
                lambda program: sizes_problem(lambda: program(576, 3), (2, 3), (2, 576, 7, 7)),
        },
        exposed_by=("1024 maps of 7×7", "maps of other sizes", "another number of maps and classes"),
        hints=("Where could 20 be from?", "Sizes run 55, 27, 13, 6 here. Which pooling does not care?"),
        explanation=(
            "The 7×7 window is larger than the 6×6 maps that a stem without padding leaves, and the 20 inputs are "
            "from another program. A pooling to one number a map needs no size, and the number of inputs is the "
            "number of maps."
        ),
    ),
    Exhibit(
        id="border-not-black",
        title="The border that is not black",
        task="DenseLayer(channels, growth_rate): a 1×1 convolution to 4 k maps and a 3×3 to k, as in DenseNet-B.",
        faulty=faulty.DenseLayer,
        repaired=repaired.DenseLayer,
        symptom=border_not_black_symptom,
        checks={
            "32 maps of the same size":
                lambda program: sizes_problem(lambda: program(64), (2, 32, 8, 8), (2, 64, 8, 8)),
            "BatchNorm, ReLU, convolution, twice": border_not_black_order,
            "it is more than one linear map": border_not_black_bends,
            "only the 3×3 is padded": border_not_black_border,
        },
        exposed_by=("BatchNorm, ReLU, convolution, twice", "it is more than one linear map", "only the 3×3 is padded"),
        hints=(
            "What stands before each convolution in the paper?",
            "Which of the two convolutions has the padding, and what does it see there?",
        ),
        explanation=(
            "The composite function of the paper is BatchNorm, ReLU, convolution; here are only convolutions, and two "
            "in a row are one. The sizes come out because the 1×1 is padded instead of the 3×3, but then the zeros "
            "pass the 1×1 and become its bias: at the border the 3×3 sees a frame of that colour."
        ),
    ),
    Exhibit(
        id="list-for-layers",
        title="A list where layers belong",
        task="stack(layers): one network out of any number of layers, given one by one.",
        faulty=faulty.stack,
        repaired=repaired.stack,
        symptom=list_for_layers_symptom,
        checks={
            "one layer": lambda program: stacked(program, 1),
            "three layers": lambda program: stacked(program, 3),
        },
        exposed_by=("one layer", "three layers"),
        hints=(
            "Read the first line of the documentation of nn.Sequential. One library wants a list, the other does not.",
        ),
        explanation=(
            "nn.Sequential takes layers, not a list of them; Keras takes a list, and once also took a bare layer. A "
            "program is written for a library and a version, and should say for which."
        ),
    ),
    Exhibit(
        id="answer-per-place",
        title="One answer a place",
        task="DenseNet-121 for three classes.",
        faulty=faulty.densenet121,
        repaired=repaired.densenet121,
        symptom=answer_per_place_symptom,
        checks={
            "120 convolutions": answer_per_place_depth,
            "three scores a picture": lambda program: sizes_problem(program, (2, 3), (2, 3, 224, 224)),
            "transitions keep half of the maps": answer_per_place_half,
            "the parameters of DenseNet-121":
                lambda program: count_problem(program, parameters(on_meta(repaired.densenet121))),
        },
        exposed_by=("three scores a picture", "transitions keep half of the maps", "the parameters of DenseNet-121"),
        hints=(
            "How many axes should a table of scores have?",
            "Compare the numbers of maps after each transition with table 1 of the paper: half of what came in.",
        ),
        explanation=(
            "The dense layer works on the last axis and leaves height and width, here 1 and 1, where they are: a "
            "flatten is missing. Transitions keep 64 maps instead of half, the stem is 5×5 with 32 maps, the "
            "convolutions have biases, and there is no BatchNorm at the end. That it has 121 layers is true."
        ),
    ),
    Exhibit(
        id="all-weights-fit",
        title="All weights fit",
        task=(
            "FromTheFile(layers, channels, growth_rate): a dense block that loads weights trained elsewhere and "
            "computes what was computed there."
        ),
        faulty=faulty.FromTheFile,
        repaired=repaired.FromTheFile,
        symptom=all_weights_fit_symptom,
        checks={
            "the names of the weights fit": all_weights_fit_names,
            "the shapes are right":
                lambda program: sizes_problem(lambda: program(4, 8, 4), (2, 24, 6, 6), (2, 8, 6, 6)),
            "same weights, same output": all_weights_fit_output,
        },
        exposed_by=("same weights, same output",),
        hints=(
            "In which order do the maps stand?",
            "The second layer's weights were trained on old maps first, or on new ones?",
        ),
        explanation=(
            "New maps are put before the old ones, so each weight meets another map than the one it was trained for. "
            "Trained from nothing, both orders are equally good; with loaded weights only one is right. Strict loading "
            "compares names and shapes and cannot see it: compare outputs."
        ),
    ),
    Exhibit(
        id="sixty-four",
        title="Sixty-four, whatever was asked for",
        task="stem(growth_rate): the beginning of DenseNet, a 7×7 convolution to 2 k maps, BatchNorm, ReLU, pooling.",
        faulty=faulty.stem,
        repaired=repaired.stem,
        symptom=sixty_four_symptom,
        checks={
            "growth rate 32": lambda program: sizes_problem(lambda: program(32), (2, 64, 56, 56), (2, 3, 224, 224)),
            "growth rates 12, 24, 48": sixty_four_any,
        },
        exposed_by=("growth rates 12, 24, 48",),
        hints=("Which number in the program depends on the argument, and which should?",),
        explanation=(
            "64 is 2 k for k = 32, written as a number in one place and computed in the other. An option that works "
            "for its default only is not an option: test a second value."
        ),
    ),
    Exhibit(
        id="same-batch-again",
        title="The same batch again",
        task=(
            "lean(layer, x): layer(x) in training, keeping nothing but x for the backward pass, which computes the "
            "layer again. Everything else shall be as if the layer had been called."
        ),
        faulty=faulty.lean,
        repaired=repaired.lean,
        symptom=same_batch_again_symptom,
        checks={
            "same outputs": same_batch_again_output,
            "same gradients": same_batch_again_gradients,
            "only the input is kept": same_batch_again_kept,
            "same averages": same_batch_again_averages,
        },
        exposed_by=("same averages",),
        hints=(
            "What does a layer do in training besides computing its output?",
            "How often does each batch pass through BatchNorm?",
        ),
        explanation=(
            "The second run is in training mode as the first was, so that BatchNorm moves its running averages again "
            "with the same batch. They follow the latest batches more closely than they were told to, and the network "
            "that is tested is another one. The second run has to leave the averages alone."
        ),
    ),
]
