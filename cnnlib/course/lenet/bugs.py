"""Exhibits of the LeNet chapter: mistakes found in published programs for MNIST, re-created and made checkable."""

import copy
import functools

import torch
from torch import nn

from ... import data, randomness, training
from ...anatomy import summary
from ..bugs import Exhibit
from ..tools import (
    build,
    count_problem,
    is_affine,
    parameters,
    part,
    prints_problem,
    shape_problem,
    syntax_error,
    words_problem,
)
from . import faulty, repaired

# ---------------------------------------------------------------- what several checks need


@functools.cache
def trained_on_digits():
    """A small network with BatchNorm, trained for three epochs on the embedded digits: (network, data, history)."""
    digits = data.load("digits")
    with randomness.seeded(), torch.enable_grad():
        network = nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(),
            nn.Linear(8 * 6 * 6, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10),
        )
        history = training.fit(network, digits, epochs=3, batch_size=64, device="cpu", progress=False)
    return network, digits, history


def test_batches(order, size):
    _, digits, _ = trained_on_digits()
    images = digits.test.normalise(digits.test.images)[order]
    return list(zip(images.split(size), digits.test.labels[order].split(size), strict=True))


def mixed_and_sorted():
    """The same test digits in batches of 40: in random order, and sorted by class."""
    labels = trained_on_digits()[1].test.labels
    mixed = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    return test_batches(mixed, 40), test_batches(labels.argsort(stable=True), 40)


def readable_labels(count, size):
    """Batches whose "images" spell out their labels: `nn.Identity()` is right about every one of them."""
    labels = torch.arange(count) % 10
    return list(zip(nn.functional.one_hot(labels).float().split(size), labels.split(size), strict=True))


# ---------------------------------------------------------------- trusted-comments: a network without activations


def trusted_comments_symptom():
    written, meant = (summary(version.LeNet28(), (1, 1, 28, 28)) for version in (faulty, repaired))
    dense = sum(row.params for row in written.rows if row.type == "Linear")
    return (
        f"Nothing complains. But the network has {written.total_params:,} parameters, and the one that its comments "
        f"describe has {meant.total_params:,}. And the {dense:,} parameters of "
        f"its dense part can be replaced by {400 * 10 + 10:,} without changing a single score."
    )


def trusted_comments_layers(program):
    layers = list(build(program).modules())
    first = next(layer for layer in layers if isinstance(layer, nn.Conv2d))
    if (first.kernel_size, first.padding) != ((5, 5), (2, 2)):
        return f"the first kernels are {first.kernel_size} with padding {first.padding}, the comment says 5x5 and 2."
    if any(isinstance(layer, nn.MaxPool2d) for layer in layers):
        return "a pooling takes maxima, the comment says averages."
    return None


def trusted_comments_dense(program):
    if is_affine(part(build(program), "classifier"), 400):
        return "f(a) + f(b) = f(a + b) + f(0): its layers act like one from 400 to 10. What belongs between them?"
    return None


def trusted_comments_features(program):
    if is_affine(part(build(program), "features"), 1, 28, 28):
        return "averages are linear too: without an activation after each convolution this part is one linear map."
    return None


# ---------------------------------------------------------------- smoke-test: a web address in the program


def smoke_test_symptom():
    line = syntax_error(faulty.SMOKE_TEST).lineno
    return f"Nothing runs. Python stops before the first line, with a SyntaxError in line {line}."


# ---------------------------------------------------------------- talking-test-set: testing in training mode


def talking_test_set_symptom():
    network, _, _ = trained_on_digits()
    orders = mixed_and_sorted()
    mixed, sorted_by_class = (faulty.evaluate(copy.deepcopy(network).train(), order) for order in orders)
    true = repaired.evaluate(copy.deepcopy(network), orders[0])
    return (
        f"One network, one test set, and an accuracy of {mixed:.0%} when the digits come mixed, but "
        f"{sorted_by_class:.0%} when they come sorted by class. The true value is {true:.0%} in either order."
    )


def talking_test_set_counts(program):
    batches = readable_labels(250, 100)
    wrong = [(images.roll(1, 1), labels) for images, labels in batches[:1]] + batches[1:]
    for given, expected in ((batches, 1.0), (wrong, 0.6)):
        got = program(nn.Identity(), given)
        if not abs(got - expected) <= 1e-6:
            return f"a network that is right about {expected:.0%} of the images gets {got:.3f}."
    return None


def talking_test_set_batch_mates(program):
    network, _, _ = trained_on_digits()
    mixed, sorted_by_class = (program(copy.deepcopy(network).train(), b) for b in mixed_and_sorted())
    if not abs(mixed - sorted_by_class) <= 1e-6:
        return (
            f"{mixed:.0%} with mixed batches, {sorted_by_class:.0%} with the same digits sorted by class: "
            "a digit is still judged by the company it keeps."
        )
    return None


def talking_test_set_unchanged(program):
    network = copy.deepcopy(trained_on_digits()[0]).train()
    before = copy.deepcopy(network.state_dict())
    program(network, mixed_and_sorted()[0])
    changed = [name for name, value in network.state_dict().items() if not torch.equal(value, before[name])]
    if changed:
        return f"{', '.join(changed)} changed while testing. `no_grad` stops gradients, not BatchNorm's averages."
    return None


def talking_test_set_mode(program):
    for was_training in (True, False):
        network = copy.deepcopy(trained_on_digits()[0]).train(was_training)
        program(network, mixed_and_sorted()[0][:1])
        if any(layer.training != was_training for layer in network.modules()):
            return f"training was {was_training} before the test and is {network.training} after it: put it back."
    return None


# ---------------------------------------------------------------- more-than-perfect: a divisor of one day


def more_than_perfect_symptom():
    results = [(size, faulty.epoch_accuracy(nn.Identity(), readable_labels(60_000, size))) for size in (100, 128, 64)]
    told = ", ".join(f"{accuracy:.3f} with batches of {size}" for size, accuracy in results)
    return f"A network that is right about every one of 60,000 images has an accuracy of {told}."


def more_than_perfect_extremes(program):
    batches = readable_labels(200, 100)
    never = [(images.roll(1, 1), labels) for images, labels in batches]
    for given, expected in ((batches, 1.0), (never, 0.0)):
        got = program(nn.Identity(), given)
        if not abs(got - expected) <= 1e-6:
            return f"with two batches of 100 a network that should get {expected:.0f} gets {got:.3f}."
    return None


def more_than_perfect_any_size(program):
    for size in (128, 64, 7, 1):
        got = program(nn.Identity(), readable_labels(250, size))
        if not abs(got - 1) <= 1e-6:
            hint = " (per cent? a fraction is wanted)" if abs(got - 100) < 1e-4 else ""
            return f"a perfect network gets {got:.3f} with batches of {size}, expected 1{hint}."
    batches = readable_labels(250, 100)
    batches[:2] = [(images.roll(1, 1), labels) for images, labels in batches[:2]]
    got = program(nn.Identity(), batches)
    if not abs(got - 50 / 250) <= 1e-6:
        return (
            f"right about the last 50 of 250 images only, it gets {got:.3f}, expected {50 / 250}: "
            "the mean of the batches counts the images of a small last batch twice as much."
        )
    return None


# ---------------------------------------------------------------- every-epoch-alike: the same order in every epoch


def epochs_of(program, count=3):
    """The pictures of a few epochs in the order in which they come. Picture i is the number i, its label i % 10."""
    images, labels = torch.arange(60.0).view(60, 1), torch.arange(60) % 10
    loader = program(images, labels, batch_size=8)
    return [[(int(x), int(y)) for xs, ys in loader for x, y in zip(xs, ys, strict=True)] for _ in range(count)]


def every_epoch_alike_symptom():
    first = [[image for image, _ in epoch[:8]] for epoch in epochs_of(faulty.training_batches)]
    assert all(numbers == first[0] for numbers in first)
    return f"The first batch of every epoch holds the pictures {', '.join(map(str, first[0]))}, in this order."


def every_epoch_alike_complete(program):
    for number, epoch in enumerate(epochs_of(program), 1):
        if sorted(image for image, _ in epoch) != list(range(60)):
            different = len({image for image, _ in epoch})
            return f"epoch {number} has {len(epoch)} pictures, {different} of the 60 different ones."
    return None


def every_epoch_alike_paired(program):
    for image, label in epochs_of(program)[0]:
        if label != image % 10:
            return f"picture {image} comes with label {label}, its own is {image % 10}: shuffle both together."
    return None


def every_epoch_alike_order(program):
    epochs = epochs_of(program)
    if epochs[0] == epochs[1] or epochs[1] == epochs[2]:
        kind = "the order of the file" if epochs[0] == sorted(epochs[0]) else "one shuffled order"
        return f"every epoch comes in {kind}; a new order must be drawn each time."
    return None


# ---------------------------------------------------------------- hidden-layer: linear after linear


def hidden_layer_symptom():
    head = faulty.Head()
    merged = head.output.weight @ head.hidden.weight
    return (
        f"{parameters(head):,} parameters act like {parameters(nn.Linear(1024, 10)):,}: the product of the two "
        f"weight matrices is {merged.shape[0]}×{merged.shape[1]} and has rank {torch.linalg.matrix_rank(merged)}."
    )


def hidden_layer_bends(program):
    network = build(program)
    slopes = [torch.autograd.functional.jacobian(lambda x: network(x[None])[0], torch.randn(1024)) for _ in range(4)]
    if torch.linalg.matrix_rank(torch.cat(slopes)) <= 10:
        return ("wherever one looks, the ten scores follow the same ten directions of the input: the hidden layer adds "
                "none. What bends must stand between the two layers. (Dropout does not bend it.)")
    return None


# ---------------------------------------------------------------- rising-loss: accuracies under the name of losses


def recorded_history():
    return [
        {
            "train_accuracy": 1 - epoch["train_error"], "test_accuracy": 1 - epoch["test_error"],
            "train_loss": epoch["train_loss"], "test_loss": epoch["test_loss"],
        }
        for epoch in trained_on_digits()[2]
    ]


def drawn(program):
    """The lines that a program draws, the label of the y axis, and the history that it was given."""
    from matplotlib.figure import Figure

    history, axes = recorded_history(), Figure().subplots()
    program(axes, history)
    return axes.get_lines(), axes.get_ylabel().lower(), history


def column_of(line, history):
    """Which column of the history a line shows, or None."""
    shown = [float(y) for y in line.get_ydata()]
    return next((key for key in history[0] if shown == [epoch[key] for epoch in history]), None)


def rising_loss_symptom():
    lines, _, _ = drawn(faulty.plot_history)
    first, *_, last = lines[0].get_ydata()
    return (
        f"A network that learns to tell digits apart, and a curve called “{lines[0].get_label()}” that rises from "
        f"{first:.1f} to {last:.1f}. By its picture the network gets worse from epoch to epoch."
    )


def rising_loss_values(program):
    lines, _, history = drawn(program)
    columns = [column_of(line, history) for line in lines]
    if None in columns:
        return f"line {columns.index(None) + 1} is no column of the history; draw the values as they are."
    if {column.split("_")[0] for column in columns} != {"train", "test"}:
        return "one line for the training set and one for the test set are wanted."
    return None


def rising_loss_legend(program):
    legend = drawn(program)[0][0].axes.get_legend()
    return None if legend and len(legend.get_texts()) >= 2 else "the reader needs a legend that names both curves."


def rising_loss_names(program):
    lines, ylabel, history = drawn(program)
    for line in lines:
        split, quantity = (column_of(line, history) or "train_loss").split("_")
        label = str(line.get_label()).lower()
        other = {"accuracy": "loss", "loss": "accuracy"}[quantity]
        if split not in label or quantity not in label + ylabel or other in label + ylabel:
            name = {"train": "training", "test": "test"}[split]
            return f"the curve “{line.get_label()}” shows the {quantity} on the {name} set."
    return None


EXHIBITS = [
    Exhibit(
        id="trusted-comments",
        title="A LeNet that trusts its comments",
        task=(
            "LeNet-5 for digits of 28×28, as the comments beside its layers describe it: ten scores for each "
            "picture."
        ),
        faulty=faulty.LeNet28,
        repaired=repaired.LeNet28,
        symptom=trusted_comments_symptom,
        checks={
            "ten scores for a picture of 28×28": lambda program: shape_problem(build(program), (2, 1, 28, 28), (2, 10)),
            "the layers are those of the comments": trusted_comments_layers,
            "the convolutional part is more than one linear map": trusted_comments_features,
            "the dense part is more than one linear map": trusted_comments_dense,
        },
        exposed_by=("the layers are those of the comments", "the dense part is more than one linear map"),
        explanation=(
            "There is no activation anywhere, and a chain of linear layers is one linear layer. Only the max "
            "pooling keeps the whole network from being one. The second mistake: the comments describe another "
            "network. The code has kernels of 3×3 and takes maxima, not averages. No test reads comments, so "
            "nobody noticed. A warning about a "
            "popular test: scaling, f(3x) = 3 f(x), does not find missing activations, because ReLU passes "
            "it too. Adding does: f(a) + f(b) = f(a + b) + f(0)."
        ),
    ),
    Exhibit(
        id="smoke-test",
        title="The smoke test that never ran",
        task=(
            "A text with four statements: build the network, make a random picture, compute its scores, "
            "print their shape."
        ),
        faulty=faulty.SMOKE_TEST,
        repaired=repaired.SMOKE_TEST,
        symptom=smoke_test_symptom,
        checks={
            "the test is still a test":
                lambda text: words_problem(text, "LeNet28()", "torch.randn(1, 1, 28, 28)", "net(x)", "print("),
            "it runs and prints the shape of ten scores":
                lambda text: prints_problem(text, "[1, 10]", LeNet28=repaired.LeNet28),
        },
        exposed_by=("it runs and prints the shape of ten scores",),
        explanation=(
            "A web address was pasted into the middle of the program, and the line breaks were lost: several "
            "statements stand on one line. Published programs should be run from what is published, by a "
            "machine, each time the page is made. So are all programs of this book."
        ),
    ),
    Exhibit(
        id="talking-test-set",
        title="The test set that talks to the network",
        task=(
            "evaluate(model, batches) -> the fraction of correct answers of a network on a list of (images, "
            "labels)."
        ),
        faulty=faulty.evaluate,
        repaired=repaired.evaluate,
        symptom=talking_test_set_symptom,
        checks={
            "it counts the correct answers": talking_test_set_counts,
            "a prediction does not depend on the other pictures of its batch": talking_test_set_batch_mates,
            "the network is the same after the test": talking_test_set_unchanged,
            "the network is in the same mode after the test": talking_test_set_mode,
        },
        exposed_by=(
            "a prediction does not depend on the other pictures of its batch",
            "the network is the same after the test",
        ),
        explanation=(
            "The network is still in training mode. BatchNorm then normalises each test picture with the "
            "mean and variance of the batch it happens to be in, and moves its running averages towards the "
            "test set. `no_grad` only switches off gradients; `model.eval()` is what makes BatchNorm use its "
            "averages (and dropout pass everything). Put the mode back afterwards, or the next epoch trains "
            "a network that no longer updates them."
        ),
    ),
    Exhibit(
        id="more-than-perfect",
        title="More than perfect",
        task=(
            "epoch_accuracy(model, batches) -> the fraction of correct answers over a list of (images, "
            "labels)."
        ),
        faulty=faulty.epoch_accuracy,
        repaired=repaired.epoch_accuracy,
        symptom=more_than_perfect_symptom,
        checks={
            "0 and 1 with full batches of 100": more_than_perfect_extremes,
            "right for any batch size": more_than_perfect_any_size,
        },
        exposed_by=("right for any batch size",),
        explanation=(
            "100 was the batch size on the day the line was written. Dividing by len(labels) instead is "
            "better and still not right: the mean over batches gives the pictures of a small last batch too "
            "much weight. Count the correct answers and the pictures, and divide once, at the end."
        ),
    ),
    Exhibit(
        id="every-epoch-alike",
        title="Every epoch like the one before",
        task=(
            "training_batches(images, labels, batch_size) -> something that can be looped over once an "
            "epoch."
        ),
        faulty=faulty.training_batches,
        repaired=repaired.training_batches,
        symptom=every_epoch_alike_symptom,
        checks={
            "every picture comes once in an epoch": every_epoch_alike_complete,
            "each picture keeps its label": every_epoch_alike_paired,
            "the order is new in every epoch": every_epoch_alike_order,
        },
        exposed_by=("the order is new in every epoch",),
        explanation=(
            "A DataLoader does not shuffle unless told to. Stochastic gradient descent counts on batches "
            "that are random samples: in a fixed order the same pictures always push together, and if the "
            "file is sorted by class, each batch pulls the network towards a single digit."
        ),
    ),
    Exhibit(
        id="hidden-layer",
        title="A hidden layer that hides nothing",
        task=(
            "The head of a network: 1,024 features, a hidden layer of 128, ten scores."
        ),
        faulty=faulty.Head,
        repaired=repaired.Head,
        symptom=hidden_layer_symptom,
        checks={
            "ten scores from 1,024 features": lambda program: shape_problem(build(program), (2, 1024), (2, 10)),
            "the hidden layer is still there": lambda program: count_problem(
                program, parameters(faulty.Head()), ": keep both layers, the repair costs none"),
            "in use it is more than one linear map": hidden_layer_bends,
        },
        exposed_by=("in use it is more than one linear map",),
        explanation=(
            "W₂(W₁x + b₁) + b₂ is (W₂W₁)x + (W₂b₁ + b₂): one linear layer. What makes a hidden layer worth "
            "having is the activation after it."
        ),
    ),
    Exhibit(
        id="rising-loss",
        title="The loss that rises as the network learns",
        task=(
            "plot_history(axes, history) draws a training and a test curve. history has a dict for each "
            "epoch with train_accuracy, test_accuracy, train_loss and test_loss."
        ),
        faulty=faulty.plot_history,
        repaired=repaired.plot_history,
        symptom=rising_loss_symptom,
        checks={
            "the curves show the recorded values": rising_loss_values,
            "there is a legend": rising_loss_legend,
            "the names say what is shown": rising_loss_names,
        },
        exposed_by=("the names say what is shown",),
        explanation=(
            "The lists are called loss1 and loss2 and hold accuracies, and the legend believed the names. A "
            "name is the first comment of a program and, like a comment, no test reads it, unless one is "
            "written that does."
        ),
    ),
]
