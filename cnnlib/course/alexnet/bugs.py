"""Exhibits of the AlexNet chapter: networks that are not as deep as they look, and measurements of something else."""

import math
import statistics
from collections import OrderedDict

import torch
from torch import nn

from ...models import AlexNet
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
    part,
    prints_problem,
    ran,
    shape_problem,
    sizes_problem,
    superposition_error,
    syntax_error,
    words_problem,
)
from . import faulty, repaired

SMALL = {"dense": 64}       # narrow dense layers where numbers are computed, the real ones where they are counted

# ---------------------------------------------------------------- eight-layers: not one activation


def last_convolutions(network):
    """From the third convolution to the fifth, with all that stands between them."""
    features = part(network, "features")
    places = [i for i, layer in enumerate(features) if isinstance(layer, nn.Conv2d)]
    return features[places[2]:places[4] + 1]


def eight_layers_symptom():
    network = build(faulty.OneTower, **SMALL)
    dense = parameters(on_meta(faulty.OneTower).classifier)
    error = superposition_error(last_convolutions(network), 256, 6, 6)
    return (
        "Nothing complains. Of its layers only pooling and response normalisation bend anything: superposition holds "
        f"for convolutions 3 to 5, with an error {only_rounding(error)} of their output, and the {dense:,} "
        f"parameters of the dense part do the work of {9216 * 10 + 10:,}."
    )


def eight_layers_convolutions(program):
    if is_affine(last_convolutions(build(program, **SMALL)), 256, 6, 6):
        return "f(a) + f(b) = f(a + b) + f(0) from convolution 3 to 5: three layers with the power of one."
    return None


def eight_layers_dense(program):
    if is_affine(part(build(program, **SMALL), "classifier"), 9216):
        return "f(a) + f(b) = f(a + b) + f(0) for the dense layers: three layers with the power of one."
    return None


# ---------------------------------------------------------------- one-picture-size: a head without dropout


def one_picture_size_symptom():
    problem = sizes_problem(faulty.DenseHead, (2, 10), (2, 256, 5, 5))
    return (
        "With pictures of 227×227 it runs, and gives the same scores in training as in evaluation. Pictures of "
        f"224×224 leave maps of 5×5, and then {problem}"
    )


def one_picture_size_dropout(program):
    head, maps = build(program, **SMALL), torch.rand(4, 256, 6, 6)
    with torch.no_grad():
        if not torch.equal(head(maps), head(maps)):
            return "in evaluation mode two passes differ: dropout must be silent there."
        head.train()
        if torch.equal(head(maps), head(maps)):
            return "in training mode two passes agree to the last digit: nothing is dropped."
    return None


# ---------------------------------------------------------------- weak-normalisation, nine-neighbours


def normalised_by_hand(maps, n, k, alpha, beta):
    """b_i = a_i / (k + alpha * sum of a_j^2 over n maps around i)^beta, map by map."""
    count, half = maps.shape[1], n // 2
    out = torch.empty_like(maps)
    for i in range(count):
        squares = (maps[:, max(0, i - half):min(count, i + half + 1)] ** 2).sum(1)
        out[:, i] = maps[:, i] / (k + alpha * squares) ** beta
    return out


def formula_problem(norm, *constants):
    """None, or how far a layer is from the formula with n, k, alpha, beta."""
    maps = 20 * torch.randn(2, 21, 3, 3)
    worst = (norm(maps) / normalised_by_hand(maps, *constants) - 1).abs().max().item()
    return None if worst < 1e-5 else f"it differs from the formula of section 3.3 by up to {worst:.0%}."


def weak_normalisation_symptom():
    tens = torch.full((1, 9, 1, 1), 10.0)
    written, meant = faulty.response_norm()(tens)[0, 4].item(), normalised_by_hand(tens, 5, 2, 1e-4, 0.75)[0, 4].item()
    return (
        f"Where all activations are 10, the formula of the paper leaves {meant:.3f} of them and this layer "
        f"{written:.3f}: it hardly does anything."
    )


def nine_neighbours_symptom():
    tens = torch.full((1, 21, 1, 1), 10.0)
    written, meant = (version.normalise(tens)[0, 10].item() for version in (faulty, repaired))
    return f"Where all activations are 10, {meant:.4f} were expected and {written:.4f} come out."


def nine_neighbours_window(program):
    """Which maps have a say in the middle one of 21."""
    maps = torch.randn(1, 21, 1, 1, requires_grad=True)
    program(maps)[0, 10].sum().backward()
    window = maps.grad.flatten().count_nonzero().item()
    return None if window == 9 else f"{window} maps have a say in the middle one, the comment says nine."


# ---------------------------------------------------------------- second-layer: a lost equals sign


def second_layer_symptom():
    error = syntax_error(faulty.SECOND_LAYER)
    return f"Nothing runs. SyntaxError in line {error.lineno}: {error.msg}."


# ---------------------------------------------------------------- half-for-each: half a network


def half_for_each_symptom():
    written, meant = (parameters(on_meta(version.for_one_gpu)) for version in (faulty, repaired))
    return f"{written:,} parameters. One tower with the layers of the paper has, for three classes, {meant:,}."


def half_for_each_units(program):
    units = [layer.out_features for layer in layers(on_meta(program), nn.Linear)][:-1]
    paper = [layer.out_features for layer in layers(on_meta(AlexNet), nn.Linear)][:-1]
    return None if units == paper else f"the hidden dense layers have {units} units, the paper's network {paper}."


# ---------------------------------------------------------------- same-spread: every spread is 32 ms


def same_spread_symptom():
    spreads = [faulty.mean_and_spread(100 * [step])[1] for step in (0.05, 0.4)]
    noisy = [0.05 + (0.0021 if i % 2 else -0.0021) for i in range(100)]
    told = faulty.mean_and_spread(noisy)[1]
    return (
        f"100 steps of exactly 50 ms have a spread of {1000 * spreads[0]:.1f} ms, 100 steps of exactly 400 ms one of "
        f"{1000 * spreads[1]:.1f} ms, and where the true spread is {1000 * statistics.pstdev(noisy):.1f} ms it says "
        f"{1000 * told:.1f} ms."
    )


def same_spread_mean(program):
    mean = program([0.1, 0.2, 0.6])[0]
    return None if abs(mean - 0.3) < 1e-9 else f"the mean of 0.1, 0.2 and 0.6 is {mean}."


def same_spread_equal(program):
    for i in range(1, 400):
        try:
            spread = program(100 * [0.001 * i])[1]
        except ValueError as error:
            return (f"for 100 steps of {i} ms: {error}. The difference of two nearly equal sums can fall below 0; "
                    "add up squares of distances from the mean.")
        if not abs(spread) <= 1e-9:
            return f"100 equal steps of {i} ms have a spread of {1000 * spread:.6g} ms."
    return None


def same_spread_value(program):
    steps = torch.empty(100, dtype=torch.float64).log_normal_(-3, 0.05).tolist()
    got, expected = program(steps)[1], statistics.pstdev(steps)
    return None if abs(got - expected) < 1e-9 else f"{1000 * got:.3f} ms instead of {1000 * expected:.3f} ms."


# ---------------------------------------------------------------- no-negative-opinion: scores that cannot be negative


def no_negative_opinion_symptom():
    clipped = (build(faulty.scores)(torch.randn(64, 4096)) == 0).float().mean().item()
    return f"{clipped:.0%} of the scores are exactly 0, and from a score of 0 no gradient comes back."


def no_negative_opinion_negative(program):
    scored = build(program)(torch.randn(16, 4096))
    return None if (scored < 0).any() else "of 16,000 scores none is negative: half of all answers cannot be given."


def no_negative_opinion_gradient(program):
    x = torch.randn(1, 4096, requires_grad=True)
    scored = build(program)(x)[0]
    silent = sum(torch.autograd.grad(score, x, retain_graph=True)[0].abs().sum() == 0 for score in scored[:50]).item()
    return f"{silent} of 50 scores send no gradient back." if silent else None


# ---------------------------------------------------------------- first-loss: one standard deviation for all


def started(program):
    """A narrow AlexNet after the program has set its weights, and the spread of each layer's output."""
    network = AlexNet(1000, variant="torchvision", image_size=64, dense=512, dropout=0.0)
    program(network)
    trace = ran(network, torch.randn(4, 3, 64, 64))
    return network, [out.std().item() for layer, out in trace if isinstance(layer, (nn.Conv2d, nn.Linear))]


def first_loss(network):
    with torch.no_grad():
        scored = network(torch.randn(16, 3, 64, 64))
    return nn.functional.cross_entropy(scored, torch.arange(16)).item()


def first_loss_symptom():
    network, spreads = started(faulty.initialise)
    # to a power of ten: versions of PyTorch draw other numbers from the same seed
    spread, loss = (10 ** math.floor(math.log10(value)) for value in (spreads[-1], first_loss(network)))
    return (
        f"In a small AlexNet the spread of the signal is about {spreads[0]:.0f} behind the first layer and over "
        f"{spread:,} behind the last. The first loss is over {loss:,}; a network that knows nothing of 1000 classes "
        f"should have ln 1000 = {math.log(1000):.1f}."
    )


def first_loss_random(program):
    weights = [layer.weight for layer in layers(started(program)[0], nn.Conv2d, nn.Linear)]
    same = sum((weight[0] == weight[1]).all().item() for weight in weights)
    return f"in {same} layers two units start alike, and then stay alike." if same else None


def first_loss_spread(program):
    spreads = started(program)[1]
    for number, spread in enumerate(spreads, 1):
        if not 0.1 < spread < 10:
            return f"the output of layer {number} with weights has a spread of {spread:.3g}, wanted: from 0.1 to 10."
    return None


def first_loss_value(program):
    loss = first_loss(started(program)[0])
    guessing = math.log(1000)
    if loss < 3 * guessing:
        return None
    return f"the first loss is {loss:,.1f}, that of guessing is {guessing:.1f}; up to three times as much is fine."


# ---------------------------------------------------------------- eight-go-in: names that repeat


def eight_go_in_symptom():
    given = faulty.named_layers()
    arrived = nn.Sequential(OrderedDict(given))
    return (
        f"{len(given)} layers are handed over by name, {len(arrived)} arrive: "
        f"{', '.join(name for name, _ in arrived.named_children())}. (A framework that renames instead, conv2 to "
        "conv2_1, keeps all of them and prints a table that misleads.)"
    )


def eight_go_in_layers(program):
    kinds = [type(layer).__name__ for _, layer in program()]
    wanted = [type(layer).__name__ for _, layer in repaired.named_layers()]
    return None if kinds == wanted else f"the layers are {kinds}, expected {wanted}."


def eight_go_in_arrive(program):
    given = program()
    arrived = len(nn.Sequential(OrderedDict(given)))
    return None if arrived == len(given) else f"of {len(given)} layers {arrived} arrive."


def eight_go_in_order(program):
    convolutions = [name for name, layer in program() if isinstance(layer, nn.Conv2d)]
    if convolutions == [f"conv{number}" for number in range(1, 6)]:
        return None
    return f"the convolutions are called {', '.join(convolutions)}."


# ---------------------------------------------------------------- stopwatch-reading: the copy inside the stopwatch


class Device:
    """A simulated accelerator: work is ordered at once and done later, on a clock of its own."""

    def __init__(self, work=1.0, copy=0.25):
        self.now, self.done_at, self.work, self.copy, self.steps = 0.0, 0.0, work, copy, 0

    def step(self):
        self.steps += 1
        self.done_at = max(self.done_at, self.now) + self.work

    def synchronise(self):
        self.now = max(self.now, self.done_at)

    def fetch(self):
        self.synchronise()
        self.now += self.copy

    def timed(self, program, steps):
        return program(self.step, self.synchronise, self.fetch, lambda: self.now, steps)


def stopwatch_reading_symptom():
    size = parameters(on_meta(AlexNet, variant="torchvision", norm="lrn", padding="same"))
    return (
        f"A step that takes 1 s on a simulated device is reported as {Device().timed(faulty.seconds_per_step, 10)} s. "
        f"On a real one {size:,} gradients, {4 * size / 2**20:.0f} MiB, cross to the host in every step and are "
        "counted as computing."
    )


def stopwatch_reading_steps(program):
    device = Device()
    device.timed(program, 7)
    return None if device.steps == 7 else f"asked for 7 steps it makes {device.steps}."


def stopwatch_reading_seconds(program):
    for work, copy in ((1.0, 0.25), (0.5, 4.0)):
        got = Device(work, copy).timed(program, 10)
        if got < work - 1e-9:
            return f"a step of {work} s is reported as {got:.3f} s: steps were ordered, not done. Wait before you look."
        if got > work + 1e-9:
            return f"a step of {work} s with a copy of {copy} s is reported as {got:.3f} s."
    return None


# ---------------------------------------------------------------- thirty-six-answers: a batch that changes its size


def thirty_six_answers_symptom():
    got = output_shape(on_meta(faulty.Compact), 25, 3, 227, 227)
    return (
        f"224×224 works. With 227×227 two pictures are refused, but 25 pictures are not: they get {got[0]} answers, "
        "and no error."
    )


EXHIBITS = [
    Exhibit(
        id="eight-layers",
        title="Eight layers, or fewer?",
        task="AlexNet as one tower, for ten classes: pictures of 227×227, 58,322,314 parameters, eight layers.",
        faulty=faulty.OneTower,
        repaired=repaired.OneTower,
        symptom=eight_layers_symptom,
        checks={
            "ten scores for a picture of 227×227": lambda program: sizes_problem(program, (2, 10), (2, 3, 227, 227)),
            "as many parameters as before":
                lambda program: count_problem(program, 58_322_314, ": the repair costs none"),
            "convolutions 3 to 5 are more than one linear map": eight_layers_convolutions,
            "the dense part is more than one linear map": eight_layers_dense,
        },
        exposed_by=("convolutions 3 to 5 are more than one linear map", "the dense part is more than one linear map"),
        hints=(
            "Count the layers that are not linear. Where do they stand?",
            "What does a chain of linear layers amount to? Test it: f(a) + f(b) = f(a + b) + f(0).",
            "The paper's section 3.1 names what it found most important. It is not here.",
        ),
        explanation=(
            "There is no activation. Between the convolutions 3, 4 and 5 nothing bends, nor between the dense layers, "
            "so each three act like one; only response normalisation and pooling keep the whole from collapsing. The "
            "printed shapes and the parameter count are right, which is why nobody noticed. A ReLU after each layer "
            "but the last costs no parameter."
        ),
    ),
    Exhibit(
        id="one-picture-size",
        title="A head for one size of picture",
        task="The dense part of AlexNet: 256 maps, whatever their size, become ten scores; it must not overfit.",
        faulty=faulty.DenseHead,
        repaired=repaired.DenseHead,
        symptom=one_picture_size_symptom,
        checks={
            "ten scores from maps of 6×6": lambda program: sizes_problem(program, (2, 10), (2, 256, 6, 6)),
            "maps of another size work too":
                lambda program: sizes_problem(program, (2, 10), (2, 256, 5, 5), (2, 256, 6, 6), (2, 256, 9, 7)),
            "dropout in training, none in evaluation": one_picture_size_dropout,
        },
        exposed_by=("maps of another size work too", "dropout in training, none in evaluation"),
        hints=(
            "What does 9216 presume about the picture?",
            "Which layer turns maps of any size into maps of 6×6?",
            "Two passes in training mode give the same numbers. They should not.",
        ),
        explanation=(
            "A dense layer has a fixed number of inputs, so a network that ends in one accepts a single picture size, "
            "unless the maps are averaged to a fixed grid first. And dropout, which the paper needed against "
            "overfitting, was described and never written."
        ),
    ),
    Exhibit(
        id="weak-normalisation",
        title="A normalisation that hardly normalises",
        task=(
            "A layer for local response normalisation as in section 3.3 of the paper: five neighbouring maps, k = 2, "
            "alpha = 0.0001, beta = 0.75."
        ),
        faulty=faulty.response_norm,
        repaired=repaired.response_norm,
        symptom=weak_normalisation_symptom,
        checks={
            "shapes stay": lambda program: shape_problem(build(program), (2, 12, 3, 3), (2, 12, 3, 3)),
            "it is the formula of the paper": lambda program: formula_problem(build(program), 5, 2, 1e-4, 0.75),
        },
        exposed_by=("it is the formula of the paper",),
        hints=(
            "Which constants did the author state, and which did the library choose?",
            "Look up k in the library's formula, and what happens to alpha there.",
        ),
        explanation=(
            "Only the window was given. The library's own k is 1, and it divides alpha by the size of the window "
            "before use, so even alpha = 0.0001 would be five times too small. The paper's layer is alpha = 5 × "
            "0.0001, k = 2."
        ),
    ),
    Exhibit(
        id="second-layer",
        title="The second layer",
        task="A text with two statements: AlexNet's second convolution, and the shape of what it makes of 96 maps.",
        faulty=faulty.SECOND_LAYER,
        repaired=repaired.SECOND_LAYER,
        symptom=second_layer_symptom,
        checks={
            "the task is still done": lambda text: words_problem(text, "Conv2d", "96", "256", "print("),
            "it runs and prints the shape of 256 maps": lambda text: prints_problem(text, "[1, 256, 27, 27]"),
        },
        exposed_by=("it runs and prints the shape of 256 maps",),
        hints=("Compare the three arguments that have names with the one that has not.",),
        explanation=(
            "An equals sign is missing: kernel_size(5, 5) is a call, and an argument without a name may not follow "
            "arguments with one. No page that runs its own programs can be published with this."
        ),
    ),
    Exhibit(
        id="half-for-each",
        title="Half for each",
        task="AlexNet as one tower on one GPU, for three classes, with the layers of the paper.",
        faulty=faulty.for_one_gpu,
        repaired=repaired.for_one_gpu,
        symptom=half_for_each_symptom,
        checks={
            "three scores for a picture of 227×227": lambda program: sizes_problem(program, (2, 3), (2, 3, 227, 227)),
            "the hidden dense layers are as wide as the paper's": half_for_each_units,
            "58,293,635 parameters": lambda program: count_problem(program, 58_293_635),
        },
        exposed_by=("the hidden dense layers are as wide as the paper's", "58,293,635 parameters"),
        hints=(
            "What did each of the two GPUs hold, and what did the paper's table list?",
            "96 maps in the first layer are 48 a GPU. Is 4096 what one GPU held, or what both held?",
        ),
        explanation=(
            "The widths of the paper are totals: 96 maps are 48 and 48, 4096 units are 2048 and 2048. One GPU that "
            "does the work of two needs all 4096. The author halved the dense layers and left the convolutions whole."
        ),
    ),
    Exhibit(
        id="same-spread",
        title="Every spread is 32 milliseconds",
        task="mean_and_spread(seconds) -> mean and standard deviation of a list of durations, in one pass.",
        faulty=faulty.mean_and_spread,
        repaired=repaired.mean_and_spread,
        symptom=same_spread_symptom,
        checks={
            "the mean is right": same_spread_mean,
            "equal durations have no spread": same_spread_equal,
            "the spread is that of the statistics module": same_spread_value,
        },
        exposed_by=("equal durations have no spread", "the spread is that of the statistics module"),
        hints=(
            "What is the square root of 0.1 / 100?",
            "Why might somebody have started a sum at 0.1? Start it at 0 and try many constant lists.",
            "Mean of squares minus square of mean: two large numbers that nearly agree.",
        ),
        explanation=(
            "The sum of squares starts at 0.1. That may have been a patch: started at 0 the formula subtracts two "
            "nearly equal numbers, and rounding makes some results negative, whose root does not exist. Adding up "
            "squared distances from the running mean (Welford) has neither problem."
        ),
    ),
    Exhibit(
        id="no-negative-opinion",
        title="No negative opinion",
        task="The last layer of a classifier: 4096 features, 1000 scores for a cross-entropy.",
        faulty=faulty.scores,
        repaired=repaired.scores,
        symptom=no_negative_opinion_symptom,
        checks={
            "1000 scores": lambda program: shape_problem(build(program), (2, 4096), (2, 1000)),
            "scores may be negative": no_negative_opinion_negative,
            "every score sends a gradient back": no_negative_opinion_gradient,
        },
        exposed_by=("scores may be negative", "every score sends a gradient back"),
        hints=("Plot a histogram of the scores.", "Which layer of a network wants no activation?"),
        explanation=(
            "A ReLU on the scores cuts off about half of them. Softmax then sees many equal zeros, and a class whose "
            "score was cut off cannot be pushed down any further, nor, until something else moves it, up."
        ),
    ),
    Exhibit(
        id="nine-neighbours",
        title="Nine neighbours",
        task=(
            "normalise(maps): response normalisation over nine neighbouring maps. The library's function is "
            "neighbours_norm(maps, radius=5, bias=1.0, alpha=1.0, beta=0.5); it looks `radius` maps to both sides."
        ),
        faulty=faulty.normalise,
        repaired=repaired.normalise,
        symptom=nine_neighbours_symptom,
        checks={
            "shapes stay": lambda program: shape_problem(program, (2, 12, 3, 3), (2, 12, 3, 3)),
            "nine maps have a say": nine_neighbours_window,
            "it is the formula for nine maps": lambda program: formula_problem(program, 9, 1, 0.001 / 9, 0.75),
        },
        exposed_by=("nine maps have a say", "it is the formula for nine maps"),
        hints=("Which maps change the result for the middle one? Let autograd say.", "How wide is a radius of 5?"),
        explanation=(
            "A radius of 5, the library's own, makes a window of 11, while alpha was divided by 9. What is not written "
            "down in a call is still decided there, by somebody else."
        ),
    ),
    Exhibit(
        id="first-loss",
        title="The first loss is in the thousands",
        task="initialise(network) sets all weights of an AlexNet before training.",
        faulty=faulty.initialise,
        repaired=repaired.initialise,
        symptom=first_loss_symptom,
        checks={
            "no two units start alike": first_loss_random,
            "the signal keeps its size": first_loss_spread,
            "the first loss is near that of guessing": first_loss_value,
        },
        exposed_by=("the signal keeps its size", "the first loss is near that of guessing"),
        hints=(
            "A unit adds up thousands of products. How does its spread depend on their number?",
            "Which standard deviation keeps the spread of a sum of n products?",
        ),
        explanation=(
            "Each layer multiplies the spread of the signal by about 0.1 × sqrt(inputs / 2), which is near 1 for few "
            "hundred inputs and much more for thousands. With sqrt(2 / inputs) as standard deviation (He et al. 2015) "
            "it stays where it was, in every layer."
        ),
    ),
    Exhibit(
        id="eight-go-in",
        title="Eight go in",
        task="named_layers() -> the convolutional part of AlexNet as a list of (name, layer), to be used by name.",
        faulty=faulty.named_layers,
        repaired=repaired.named_layers,
        symptom=eight_go_in_symptom,
        checks={
            "eight layers of the right kinds": eight_go_in_layers,
            "all of them arrive": eight_go_in_arrive,
            "the convolutions are conv1 to conv5": eight_go_in_order,
        },
        exposed_by=("all of them arrive", "the convolutions are conv1 to conv5"),
        hints=("Read the names aloud.", "What does a dict do with a key that it has already?"),
        explanation=(
            "Two names occur twice. A dict keeps the first place and the last value, so the fifth convolution stands "
            "where the second was. Copying a line and forgetting to change its name is so common that a program "
            "should refuse a repeated name."
        ),
    ),
    Exhibit(
        id="stopwatch-reading",
        title="What the stopwatch saw",
        task=(
            "seconds_per_step(step, synchronise, fetch, clock, steps): how long a training step computes. step() "
            "orders the work, synchronise() waits until it is done, fetch() copies the gradients to the host."
        ),
        faulty=faulty.seconds_per_step,
        repaired=repaired.seconds_per_step,
        symptom=stopwatch_reading_symptom,
        checks={"it makes the steps": stopwatch_reading_steps, "computing alone is timed": stopwatch_reading_seconds},
        exposed_by=("computing alone is timed",),
        hints=(
            "What happens between the two looks at the clock that training would not do?",
            "Without the copy, what guarantees that the work is done when the clock is read?",
        ),
        explanation=(
            "All gradients are copied to the host in each step, and the copy is counted as computing. Leaving it out "
            "is only half of the repair: an accelerator works while the program goes on, so the clock must be read "
            "after waiting for it."
        ),
    ),
    Exhibit(
        id="thirty-six-answers",
        title="Twenty-five pictures, thirty-six answers",
        task="A compact AlexNet with 45,510,474 parameters: ten scores for each picture of a batch.",
        faulty=faulty.Compact,
        repaired=repaired.Compact,
        symptom=thirty_six_answers_symptom,
        checks={
            "ten scores for pictures of 224×224": lambda program: sizes_problem(program, (2, 10), (2, 3, 224, 224)),
            "as many parameters as before":
                lambda program: count_problem(program, 45_510_474, ": the repair costs none"),
            "a batch of 25 gets 25 answers at any size":
                lambda program: sizes_problem(program, (25, 10), (25, 3, 227, 227), (25, 3, 256, 224)),
        },
        exposed_by=("a batch of 25 gets 25 answers at any size",),
        hints=(
            "How large are the last maps for 227×227?",
            "25 × 256 × 6 × 6 is a multiple of 256 × 5 × 5. What does view make of it?",
        ),
        explanation=(
            "The first convolution has no padding, so 227 leaves maps of 6×6 where 224 leaves 5×5. view(-1, 6400) is "
            "free to change the size of the batch, and does: an answer comes from a piece of one picture, or from "
            "the end of one and the start of the next. flatten(1) never touches the batch."
        ),
    ),
]
