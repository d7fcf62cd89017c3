"""Exhibits of the ResNet chapter: blocks that vanish, a pool that is never called, a network that never shrinks."""

import torch
from torch import nn

from ...anatomy import summary
from ...models import ResNet
from ..bugs import Exhibit
from ..tools import build, count_problem, layers, on_meta, only_rounding, output_shape, parameters, ran, sizes_problem
from . import faulty, repaired

# ---------------------------------------------------------------- vanishing-blocks: blocks that vanish


def vanishing_blocks_symptom():
    with torch.device("meta"):
        short, whole = (faulty.ResNet34(last=last) for last in (faulty.stage, faulty.well_named_stage))
    return (
        f"A network called ResNet-34 trains well. It has {weight_layers(short)} layers with weights and "
        f"{parameters(short):,} parameters; with all its blocks it would have {weight_layers(whole)} and "
        f"{parameters(whole):,}. Asked for 8 blocks, the stage has {len(on_meta(faulty.stage, 8))}; asked for 2 it "
        "has 2."
    )


def weight_layers(network):
    """Layers with weights, the 1×1 of projections on shortcuts not counted, as the papers count."""
    return sum(getattr(layer, "kernel_size", None) != (1, 1) for layer in layers(network, nn.Conv2d, nn.Linear))


def vanishing_blocks_shape(program):
    for blocks in (1, 2):
        got = output_shape(on_meta(program, blocks), 2, 256, 14, 14)
        if got != (2, 512, 7, 7):
            return f"with {blocks} blocks maps (2, 256, 14, 14) become {got}, expected (2, 512, 7, 7)."
    return None


def vanishing_blocks_blocks(program):
    for blocks in range(1, 9):
        if (got := len(on_meta(program, blocks))) != blocks:
            return f"asked for {blocks} blocks, it has {got}."
    return None


def vanishing_blocks_parameters(program):
    one, two, five = (parameters(on_meta(program, blocks)) for blocks in (1, 2, 5))
    if five - one != 4 * (two - one):
        return f"a second block adds {two - one:,} parameters, and four more add {five - two:,}."
    return None


# ---------------------------------------------------------------- uncalled-pool: a pool that is never called


def uncalled_pool_symptom():
    problem = sizes_problem(faulty.ResNet34, (2, 10), (2, 3, 256, 256))
    head = parameters(on_meta(faulty.ResNet34).fc)
    return (
        f"224×224 and 227×227 work. 256×256: {problem} The last layer has {head:,} parameters, though a pooling to one "
        "number a map stands before it."
    )


def uncalled_pool_head(program):
    count = parameters(layers(on_meta(program), nn.Linear)[-1])
    return None if count == 5130 else f"the last layer has {count:,} parameters, expected 512 · 10 + 10 = 5,130."


# ---------------------------------------------------------------- idle-parameters: parameters that cannot matter


def gradients(program):
    """Size of each parameter's gradient in a block, relative to the largest: {name: size}."""
    block = build(program, 8, 16, 2).train()
    block(torch.randn(8, 8, 8, 8)).pow(2).sum().backward()
    sizes = {name: p.grad.norm().item() for name, p in block.named_parameters()}
    return {name: size / max(sizes.values()) for name, size in sizes.items()}


def idle_parameters_symptom():
    sizes = gradients(faulty.Block)
    idle = max(size for name, size in sizes.items() if size < 1e-4)
    network = on_meta(faulty.ResNet34)
    surplus = sum(layer.bias.numel() for layer in layers(network, nn.Conv2d))
    return (
        f"It trains. Some parameters never move: their gradients are {only_rounding(idle)} of the largest, that is "
        f"rounding. In the whole network they are {surplus:,}."
    )


def idle_parameters_matter(program):
    idle = [name for name, size in gradients(program).items() if size < 1e-4]
    return f"the gradient of {', '.join(idle)} is zero but for rounding." if idle else None


def idle_parameters_count(program):
    got, expected = (parameters(on_meta(p, 64, 128, 2)) for p in (program, repaired.Block))
    return None if got == expected else f"{got:,} parameters in a block from 64 to 128 maps, {expected:,} are enough."


# ---------------------------------------------------------------- right-number: only the number is right


def right_number_symptom():
    network = on_meta(faulty.resnet101)
    total, head = parameters(network), parameters(network[-1])
    averages = sum(b.numel() for name, b in network.named_buffers() if "running" in name)
    return (
        f"{total:,} parameters, {head:,} of them in the last layer; a library that counts BatchNorm's averages too "
        f"says {total + averages:,}. ResNet-101 has {parameters(on_meta(repaired.resnet101)):,} for three classes. "
        f"A single picture takes {summary(network, (1, 3, 224, 224)).total_macs / 1e9:.1f} billion "
        f"multiply-accumulates here, {summary(on_meta(repaired.resnet101), (1, 3, 224, 224)).total_macs / 1e9:.1f} "
        "there."
    )


def right_number_depth(program):
    count = sum(isinstance(m, nn.Conv2d) for m in on_meta(program).modules())
    return None if count >= 100 else f"{count} convolutions, expected at least 100."


def right_number_sides(program):
    with torch.device("meta"):
        trace = ran(on_meta(program), torch.empty(1, 3, 224, 224))
    sides = list(dict.fromkeys(out.shape[-1] for layer, out in trace if isinstance(layer, nn.Conv2d)))
    return None if sides == [112, 56, 28, 14, 7] else f"the sides of the maps are {sides}, expected 112, 56, 28, 14, 7."


def right_number_head(program):
    network = on_meta(program)
    share = parameters(layers(network, nn.Linear)[-1]) / parameters(network)
    return None if share < 0.01 else f"{share:.0%} of the parameters are in the last layer, expected below 1 %."


def right_number_identity(program):
    shortcuts = sum(isinstance(m, nn.Conv2d) for m in on_meta(program).modules()) - 1 - 3 * 33
    return None if shortcuts == 4 else f"{shortcuts} of 33 shortcuts have a convolution, 4 need one."


# ---------------------------------------------------------------- three-times-half: stride three times


def three_times_half_symptom():
    problem = sizes_problem(lambda: faulty.Strided(64, 128, 2), (2, 128, 28, 28), (2, 64, 56, 56))
    return f"Without stride it works. With stride 2, {problem}"


# ---------------------------------------------------------------- which-resnet50: which ResNet-50?


def macs(program):
    return summary(on_meta(program), (1, 3, 224, 224)).total_macs


def which_resnet50_symptom():
    written, meant = macs(faulty.as_published), macs(repaired.as_published)
    return (
        f"The parameters are right, {parameters(on_meta(faulty.as_published)):,}, and published weights load. But a "
        f"picture takes {written / 1e9:.3f} billion multiply-accumulates, where the network of 2015 takes "
        f"{meant / 1e9:.3f}."
    )


def which_resnet50_macs(program):
    got = macs(program)
    return None if round(got / 1e9, 1) <= 3.9 else f"{got / 1e9:.2f} billion multiply-accumulates, table 1 says 3.8."


def which_resnet50_stride(program):
    kernels = [m.kernel_size[0] for n, m in on_meta(program).named_modules()
               if isinstance(m, nn.Conv2d) and m.stride == (2, 2) and "downsample" not in n][1:]
    return None if kernels == [1, 1, 1] else f"the strides of the stages are in kernels of {kernels}, in 2015 in 1×1."


EXHIBITS = [
    Exhibit(
        id="vanishing-blocks",
        title="The blocks that vanish",
        task=(
            "stage(blocks) -> the last stage of a ResNet: so many basic blocks, 256 maps to 512, half as large."
        ),
        faulty=faulty.stage,
        repaired=repaired.stage,
        symptom=vanishing_blocks_symptom,
        checks={
            "512 maps of half the size": vanishing_blocks_shape,
            "as many blocks as asked for": vanishing_blocks_blocks,
            "every block brings its parameters": vanishing_blocks_parameters,
        },
        exposed_by=("as many blocks as asked for", "every block brings its parameters"),
        hints=(
            "ResNet-18 is not affected, ResNet-34 is. What do they differ in here?",
            "Print the stage for 2, 3 and 8 blocks.",
            "What does add_module do when the name is taken?",
        ),
        explanation=(
            "Every block after the first is called “2th”. A name can stand for one module only, so each new block "
            "takes the place of the one before. Two blocks look right, more are silently dropped. Nothing complains: "
            "shapes are right, the loss falls, and the network is called 34 and has 32 layers."
        ),
    ),
    Exhibit(
        id="uncalled-pool",
        title="The pool that nobody calls",
        task="ResNet-34 for ten classes and pictures of any size.",
        faulty=faulty.ResNet34,
        repaired=repaired.ResNet34,
        symptom=uncalled_pool_symptom,
        checks={
            "224×224 and 227×227": lambda program: sizes_problem(program, (2, 10), (2, 3, 224, 224), (2, 3, 227, 227)),
            "other sizes":
                lambda program: sizes_problem(program, (2, 10), (2, 3, 192, 192), (2, 3, 256, 256), (2, 3, 160, 224)),
            "a small last layer": uncalled_pool_head,
        },
        exposed_by=("other sizes", "a small last layer"),
        hints=("Where is 25088 from?", "Look for a layer that is made and not used."),
        explanation=(
            "The average pooling is made in the constructor and missing from forward. So the last layer needs 512 × 7 "
            "× 7 inputs, 245,760 parameters more than 512 would take, and accepts only pictures that leave maps of "
            "7×7. A module that exists but never runs raises no error."
        ),
    ),
    Exhibit(
        id="idle-parameters",
        title="Parameters that cannot matter",
        task="Block(cin, cout, stride): the basic block of a ResNet, in which every parameter can learn.",
        faulty=faulty.Block,
        repaired=repaired.Block,
        symptom=idle_parameters_symptom,
        checks={
            "the shapes of a block with stride 2":
                lambda program: sizes_problem(lambda: program(64, 128, 2), (2, 128, 28, 28), (2, 64, 56, 56)),
            "every parameter gets a gradient": idle_parameters_matter,
            "no parameter too many": idle_parameters_count,
        },
        exposed_by=("every parameter gets a gradient", "no parameter too many"),
        hints=(
            "Compare the gradients of weights and biases.",
            "What does BatchNorm do with a constant that is added to a map?",
        ),
        explanation=(
            "BatchNorm subtracts the mean of each map, and a bias is part of that mean: whatever its value, the "
            "output is the same, so its gradient is zero. BatchNorm brings a shift of its own; the convolution before "
            "it needs bias=False."
        ),
    ),
    Exhibit(
        id="right-number",
        title="Only the number is right",
        task="ResNet-101 for three classes: 3 + 4 + 23 + 3 bottlenecks.",
        faulty=faulty.resnet101,
        repaired=repaired.resnet101,
        symptom=right_number_symptom,
        checks={
            "three scores": lambda program: sizes_problem(program, (2, 3), (2, 3, 224, 224)),
            "a hundred convolutions": right_number_depth,
            "the maps shrink from 112 to 7": right_number_sides,
            "less than 1 % in the last layer": right_number_head,
            "most shortcuts are identities": right_number_identity,
        },
        exposed_by=(
            "the maps shrink from 112 to 7",
            "less than 1 % in the last layer",
            "most shortcuts are identities",
        ),
        hints=(
            "Follow the size of the maps from block to block.",
            "A bottleneck of the paper widens by 4. And on how many shortcuts is there a convolution?",
            "Where are most of the parameters, and why there?",
        ),
        explanation=(
            "The number of layers is right and nothing else: no stage halves the maps, so the last layer sees "
            "1,280,000 numbers; blocks widen by 2 instead of 4; and each shortcut is a convolution with a ReLU, so "
            "nowhere is there an identity, which was the idea. (The published count of 13,792,835 is a library's that "
            "counts BatchNorm's running averages as parameters.)"
        ),
    ),
    Exhibit(
        id="three-times-half",
        title="Three times a half",
        task="Strided(cin, cout, stride): a bottleneck block; with stride 2 its output is half as high and wide.",
        faulty=faulty.Strided,
        repaired=repaired.Strided,
        symptom=three_times_half_symptom,
        checks={
            "without stride":
                lambda program: sizes_problem(lambda: program(64, 128, 1), (2, 128, 56, 56), (2, 64, 56, 56)),
            "a stride of 2 halves the maps":
                lambda program: sizes_problem(lambda: program(64, 128, 2), (2, 128, 28, 28), (2, 64, 56, 56)),
        },
        exposed_by=("a stride of 2 halves the maps",),
        hints=("How large is the branch's output, how large the shortcut's?",),
        explanation=(
            "All three convolutions of the branch have the stride, the shortcut has it once: 7×7 cannot be added to "
            "28×28. The author never met the error, because no stage used a stride. Where it belongs, in the first "
            "1×1 or in the 3×3, is the question of exhibit resnet/which-resnet50."
        ),
    ),
    Exhibit(
        id="which-resnet50",
        title="Which ResNet-50?",
        task="ResNet-50 as published in 2015, table 1 of its paper: 3.8 billion multiply-accumulates.",
        faulty=faulty.as_published,
        repaired=repaired.as_published,
        symptom=which_resnet50_symptom,
        checks={
            "the parameters of ResNet-50": lambda program: count_problem(program, parameters(on_meta(ResNet, 50))),
            "3.8 billion multiply-accumulates": which_resnet50_macs,
            "the stride is where it was in 2015": which_resnet50_stride,
        },
        exposed_by=("3.8 billion multiply-accumulates", "the stride is where it was in 2015"),
        hints=(
            "Which layers run on larger maps here than there?",
            "A stride can be moved within a block. What changes, what does not?",
        ),
        explanation=(
            "Since 2016 most libraries put the stride into the 3×3 convolution, where no pixel is skipped. The "
            "weights have the same shapes, so each set loads into either network, with other results. The variant, "
            "called v1.5, is a little better; what is wrong is not to say which one it is."
        ),
    ),
]
