"""Exhibits of the transfer chapter: programs that train, test and report, and are wrong without an error."""

import contextlib
import copy
import io
import math
from functools import cache

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.transforms import RandomResizedCrop

from ...files import DATA
from ...models import create_model
from ...models.transfer import head_size
from ...training.checkpoints import read
from ..bugs import Exhibit
from ..tools import layers
from . import faulty, repaired

# ---------------------------------------------------------------- what several checks need


def batches_of(count, size, wrong=()):
    """Batches whose "images" spell out their labels: `nn.Identity()` is right about all but the pictures in `wrong`."""
    labels = torch.arange(count) % 3
    seen = labels.clone()
    seen[list(wrong)] = (seen[list(wrong)] + 1) % 3
    return list(zip(F.one_hot(seen, 3).float().split(size), labels.split(size), strict=True))


# ---------------------------------------------------------------- all-in-order: weights under other names


@cache
def kept_weights():
    return read(DATA / "weights" / "digits-resnet20.safetensors")[0]


def twenty_layers():
    return create_model("resnet20", in_channels=1, width=8)


class Renamed(nn.Module):
    """The same network as `twenty_layers`, but most of its parts have names of the author's own."""

    def __init__(self):
        super().__init__()
        net = twenty_layers()
        self.conv1, self.bn1 = net.conv1, net.bn1
        self.stages = nn.Sequential(net.layer1, net.layer2, net.layer3)
        self.head = net.fc

    def forward(self, x):
        return self.head(self.stages(F.relu(self.bn1(self.conv1(x)))).mean((2, 3)))


def taken_over(network, weights):
    """How many of a network's convolutions have one of these weights."""
    given = {tuple(weight.flatten().tolist()) for weight in weights.values() if weight.dim() == 4}
    found = [layer.weight for layer in layers(network, nn.Conv2d)]
    return sum(tuple(weight.flatten().tolist()) in given for weight in found), len(found)


def all_in_order_symptom():
    loaded, convolutions = taken_over(faulty.take_over(Renamed(), kept_weights()), kept_weights())
    return (f"Nothing complains. But of the {convolutions} convolutions of a ResNet-20 that was given trained weights, "
            f"{loaded} has them; the others are frozen at their random start.")


def refused(program, network, weights, what):
    """None, or that a program takes weights that do not fit."""
    try:
        program(network, weights)
    except (RuntimeError, ValueError, KeyError):
        return None
    return f"{what}, and nothing is said. A network that is partly random must not come back."


def all_in_order_fitting(program):
    network = program(twenty_layers(), kept_weights())
    loaded, convolutions = taken_over(network, kept_weights())
    if loaded < convolutions:
        return f"{loaded} of {convolutions} convolutions have the trained weights, although all names fit."
    return None


def all_in_order_frozen(program):
    network = program(twenty_layers(), kept_weights())
    trains = [name for name, weight in network.named_parameters() if weight.requires_grad]
    return f"{', '.join(trains)} would be trained." if trains else None


def all_in_order_missing(program):
    weights = {name: weight for name, weight in kept_weights().items() if name != "layer2.0.conv1.weight"}
    return refused(program, twenty_layers(), weights, "the weights of one convolution are missing")


def all_in_order_unexpected(program):
    weights = {**kept_weights(), "layer4.0.conv1.weight": torch.zeros(1)}
    return refused(program, twenty_layers(), weights, "the file has weights that the network has no place for")


def all_in_order_names(program):
    return refused(program, Renamed(), kept_weights(), "most names of the network are not in the file")


# ---------------------------------------------------------------- only-the-head: frozen weights, moving averages


def small_body():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 8, 3, padding=1), nn.BatchNorm2d(8),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )


def passed(program, body, passes=10):
    """The body behind the program, below a head, after passes in training mode: the whole network."""
    whole = nn.Sequential(program(body), nn.Dropout(0.5), nn.Linear(8, 3))
    whole.eval()
    whole.train()                           # as every training loop does, after every test
    for _ in range(passes):
        whole(3 + torch.randn(16, 1, 8, 8))
    return whole


def changed(body, program):
    before = copy.deepcopy(body.state_dict())
    passed(program, body)
    return [name for name, value in body.state_dict().items() if not torch.equal(value, before[name])]


def only_the_head_symptom():
    body = small_body()
    names = changed(body, faulty.Extractor)
    return (f"No weight changes, and the loss falls. But after ten batches {len(names)} of the "
            f"{len(body.state_dict())} tensors of the “frozen” network are different: {', '.join(names[:3])} …")


def only_the_head_weights(program):
    body = small_body()
    program(body)
    trains = [name for name, weight in body.named_parameters() if weight.requires_grad]
    return f"{', '.join(trains)} would be trained." if trains else None


def only_the_head_state(program):
    names = changed(small_body(), program)
    return f"{', '.join(names)} changed, without a gradient." if names else None


def only_the_head_answers(program):
    body, x = small_body(), 3 + torch.randn(16, 1, 8, 8)
    whole = nn.Sequential(program(body), nn.Linear(8, 3)).train()
    if not torch.allclose(whole[0](x)[:4], whole[0](x[:4]), atol=1e-5):
        return "in training a picture has other features in another batch: they are no fixed features."
    return None


def only_the_head_rest(program):
    if not passed(program, small_body(), 1)[1].training:
        return "the dropout of the head is switched off, too; only the body is to stay as it was."
    return None


# ---------------------------------------------------------------- same-picture-twice: a random test


@cache
def coloured_picture(height=232, width=320):
    """uint8 (3, H, W): red rises from top to bottom, green from left to right."""
    rows, columns = torch.arange(height) / height, torch.arange(width) / width
    grid = torch.stack([rows[:, None].expand(height, width), columns[None].expand(height, width),
                        (rows[:, None] * columns[None])])
    return (255 * grid).to(torch.uint8)


def shown_shares(draws=4000):
    """Which share of a picture of 320×232 the random resized crop shows, draw by draw."""
    picture = torch.empty(3, 232, 320, device="meta")
    boxes = (RandomResizedCrop.get_params(picture, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(draws))
    return torch.tensor([height * width / (232 * 320) for _, _, height, width in boxes])


def in_twentieths(share):
    return f"{5 * round(20 * share)} %"


def same_picture_twice_symptom():
    shares = shown_shares()
    little = (shares < 0.25).float().mean()
    return (f"Two tests of one network differ. Of a picture of 320×232 a test sees on average about "
            f"{in_twentieths(shares.mean().item())}, and in about {in_twentieths(little.item())} of the draws less "
            "than a quarter.")


def same_picture_twice_shape(program):
    got = tuple(program(coloured_picture(), 96).shape)
    return None if got == (3, 96, 96) else f"size 96 gives {got}, expected (3, 96, 96)."


def same_picture_twice_repeats(program):
    views = [program(coloured_picture(), 96) for _ in range(8)]
    if not all(torch.equal(view, views[0]) for view in views):
        return "the same picture gives another tensor the next time: two tests of one network will differ."
    return None


def seen_parts(program, views=20):
    """(share of the height, share of the width) that each of several views shows."""
    shown = [program(coloured_picture(), 96).float() / 255 for _ in range(views)]
    return [[(view[colour].max() - view[colour].min()).item() for colour in (0, 1)] for view in shown]


def same_picture_twice_whole(program):
    seen = min(down for down, _ in seen_parts(program))
    return None if seen > 0.8 else f"only {seen:.0%} of the shorter side is seen; show at least four fifths."


def same_picture_twice_proportions(program):
    for down, right in seen_parts(program):
        if not math.isclose(down * 232, right * 320, rel_tol=0.1):
            return (f"{down * 232:.0f} pixels down and {right * 320:.0f} to the right become a square: shapes are "
                    "squeezed.")
    return None


# ---------------------------------------------------------------- eleven-twelfths: the index of the last batch


def true_loss(batches):
    images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    return F.cross_entropy(images, labels).item()


def eleven_twelfths_symptom():
    batches = batches_of(12 * 32, 32)
    factor = faulty.mean_loss(nn.Identity(), batches) / true_loss(batches)
    try:
        faulty.mean_loss(nn.Identity(), batches[:1])
    except ZeroDivisionError as error:
        return (f"A network answers twelve batches of 32 alike well. The loss printed is {factor:.4f} times that of "
                f"any one of them. And with a single batch it stops: {error}.")
    raise AssertionError("one batch is the case that divides by nothing")


def loss_problem(program, batches, what):
    expected = true_loss(batches)
    try:
        got = program(nn.Identity(), batches)
    except ZeroDivisionError:
        return f"{what} is divided by zero."
    right = math.isclose(got, expected, rel_tol=1e-5)
    return None if right else f"{what} has loss {expected:.4f}, this says {got:.4f}."


def eleven_twelfths_zero(program):
    batches = [(1000 * images, labels) for images, labels in batches_of(96, 32)]
    got = program(nn.Identity(), batches)
    return None if abs(got) < 1e-6 else f"a network without a fault has loss {got:.4f}, expected 0."


def eleven_twelfths_last(program):
    return loss_problem(program, batches_of(40, 32, wrong=range(32, 40)), "a set whose last batch has 8 of 40 pictures")


# ---------------------------------------------------------------- rows-and-columns: which way round, and of what


def read_matrix(program, labels, answers, classes=3):
    """(matrix with a true class a row, as the labels of the axes say; the title) of what a program draws."""
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    program(axes, labels, answers, classes)
    matrix = torch.as_tensor(axes.images[0].get_array().tolist())
    down, across = axes.get_ylabel().lower(), axes.get_xlabel().lower()
    if not ("true" in down and "answer" in across or "true" in across and "answer" in down):
        return None, axes.get_title().lower()
    return matrix if "true" in down else matrix.T, axes.get_title().lower()


LABELS, ANSWERS = [0, 0, 0, 0, 1, 1, 2, 2, 2], [1, 1, 1, 0, 1, 1, 2, 2, 0]


def rows_and_columns_symptom():
    matrix, title = read_matrix(faulty.draw_confusion, LABELS, ANSWERS)
    return (f"Three pictures of class 0 were taken for class 1, none the other way round. The picture says: true class "
            f"0, answer 1: {matrix[0, 1]:.0f}; true class 1, answer 0: {matrix[1, 0]:.0f}. Under the title “{title}” "
            f"the numbers of a row add up to {matrix[0].sum():.0f}.")


def rows_and_columns_names(program):
    if read_matrix(program, LABELS, ANSWERS)[0] is None:
        return "the labels of the axes must say which one is the true class and which one the answer."
    return None


def rows_and_columns_orientation(program):
    matrix = read_matrix(program, LABELS, ANSWERS)[0]
    for label in range(3):
        row = matrix[label] / matrix[label].sum()
        wanted = [ANSWERS[i] for i, true in enumerate(LABELS) if true == label]
        shares = torch.tensor([wanted.count(answer) / len(wanted) for answer in range(3)])
        if not torch.allclose(row, shares):
            return (f"read by its labels, true class {label} was answered {row.tolist()} (shares of 0, 1, 2); "
                    "the pictures say otherwise. Who is the row?")
    return None


def rows_and_columns_title(program):
    matrix, title = read_matrix(program, LABELS, ANSWERS)
    shares = torch.allclose(matrix.sum(1), torch.ones(3))
    if shares != ("normal" in title or "share" in title):
        return f"the title “{title}” does not fit numbers whose rows add up to {matrix.sum(1).tolist()}."
    return None


# ---------------------------------------------------------------- no-means-yes: the truth of a text


def no_means_yes_symptom():
    told = {word: faulty.options(["--pretrained", word]).pretrained for word in ("True", "False", "no", "")}
    said = ", ".join(f"--pretrained {word or chr(34) * 2} gives {value}" for word, value in told.items())
    return f"{said}."


def given(program, *words):
    """What the option becomes; "refused" where the program stops."""
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            return program(list(words)).pretrained
        except SystemExit:
            return "refused"


def no_means_yes_default(program):
    got = given(program)
    return None if got is True else f"without the option it is {got!r}, expected True."


def no_means_yes_true(program):
    got = given(program, "--pretrained", "True")
    return None if got is True else f"--pretrained True gives {got!r}."


def no_means_yes_false(program):
    got = given(program, "--pretrained", "False")
    return None if got is False else f"--pretrained False gives {got!r}, expected False: what is bool(\"False\")?"


def no_means_yes_else(program):
    got = given(program, "--pretrained", "perhaps")
    return None if got == "refused" else f"--pretrained perhaps gives {got!r}; a word that is neither is to be refused."


# ---------------------------------------------------------------- thirty-three: a last batch of one picture


def thirty_three_symptom():
    said = [faulty.right_by_class(nn.Identity(), batches_of(count, 32), 3) for count in (32, 64, 364)]
    try:
        faulty.right_by_class(nn.Identity(), batches_of(33, 32), 3)
    except IndexError:
        return (f"With 32, 64 and 364 pictures it counts {', '.join(str(sum(right)) for right in said)} right answers "
                "of a perfect network. With 33 it stops with an IndexError.")
    raise AssertionError("a last batch of one picture is the case that stops")


def right_problem(program, count, wrong=()):
    expected = [len([i for i in range(count) if i % 3 == label and i not in wrong]) for label in range(3)]
    try:
        got = [int(right) for right in program(nn.Identity(), batches_of(count, 32, wrong), 3)]
    except IndexError:
        return f"in batches of 32, {count} pictures end in an IndexError."
    return None if got == expected else f"{count} pictures: {got} right answers a class, expected {expected}."


def thirty_three_whole(program):
    return right_problem(program, 64) or right_problem(program, 64, wrong=(0, 3, 4, 63))


def thirty_three_rest(program):
    return next(filter(None, (right_problem(program, count) for count in (1, 33, 40, 65))), None)


# ---------------------------------------------------------------- two-thousand-and-forty-nine: the logarithm of zero


def one_too_many_symptom():
    said = ", ".join(f"{classes} classes: {faulty.hidden_units(classes)}" for classes in (5, 10, 30, 1000, 2048))
    try:
        faulty.hidden_units(2049)
    except ValueError:
        return f"{said} hidden units. With 2,049 classes it stops with a ValueError from the logarithm."
    raise AssertionError("one class more than features is the case that stops")


def units_problem(program, counts):
    for classes in counts:
        expected = head_size(2048, classes)
        try:
            got = program(classes)
        except ValueError as error:
            return f"{classes:,} classes: {error}."
        if got != expected:
            return (f"{classes:,} classes get {got:,} units, expected {expected:,}: the smallest power of two that is "
                    f"not below the root of 2,048 × {classes:,}.")
    return None


EXHIBITS = [
    Exhibit(
        id="all-in-order",
        title="A loader that never complains",
        task="take_over(network, weights) -> the network with these weights, all of it frozen.",
        faulty=faulty.take_over,
        repaired=repaired.take_over,
        symptom=all_in_order_symptom,
        checks={
            "weights whose names fit are taken over": all_in_order_fitting,
            "nothing would be trained": all_in_order_frozen,
            "a missing weight is refused": all_in_order_missing,
            "an unexpected weight is refused": all_in_order_unexpected,
            "a network with other names is refused": all_in_order_names,
        },
        exposed_by=("a missing weight is refused", "an unexpected weight is refused",
                    "a network with other names is refused"),
        explanation=(
            "With strict=False load_state_dict takes what fits by name and says nothing of the rest: it returns two "
            "lists, and the program does not look at them. Then everything is frozen, the random weights too. A new "
            "head on random features still learns something, so no curve gives it away. Loading is strict, or it is "
            "not done; where parts are left out on purpose, name them and compare the two lists with these names."
        ),
        hints=("Train a network with it and compare with the accuracy that a random network has, frozen likewise.",
               "What does load_state_dict return?"),
    ),
    Exhibit(
        id="only-the-head",
        title="Frozen, and still it moves",
        task=(
            "Extractor(network) wraps a trained network so that it gives fixed features to a new head: nothing of it "
            "changes while the head trains. The head's dropout goes on working."
        ),
        faulty=faulty.Extractor,
        repaired=repaired.Extractor,
        symptom=only_the_head_symptom,
        checks={
            "no weight of the network would be trained": only_the_head_weights,
            "the network's state is the same after ten batches": only_the_head_state,
            "a picture's features do not depend on its batch": only_the_head_answers,
            "the head is in training mode": only_the_head_rest,
        },
        exposed_by=("the network's state is the same after ten batches",
                    "a picture's features do not depend on its batch"),
        explanation=(
            "requires_grad concerns the weights. The averages of BatchNorm are buffers: they move with every batch in "
            "training mode, without any gradient, and in that mode a picture is normalised by its batch. eval() once "
            "is not enough, because train() of the whole network puts its parts back; so the wrapper overrides "
            "train()."
        ),
        hints=("Compare the state dict before and after, not the weights alone.",
               "Which layers do something else in training mode than when testing?",
               "Where does `model.train()` at the head of an epoch go?"),
    ),
    Exhibit(
        id="same-picture-twice",
        title="Two tests, two results",
        task=(
            "test_view(picture, size) -> what a network is shown of a test picture: uint8 (3, H, W) to (3, size, "
            "size)."
        ),
        faulty=faulty.test_view,
        repaired=repaired.test_view,
        symptom=same_picture_twice_symptom,
        checks={
            "the result has the right size": same_picture_twice_shape,
            "the same picture gives the same tensor": same_picture_twice_repeats,
            "nearly all of the shorter side is seen": same_picture_twice_whole,
            "shapes keep their proportions": same_picture_twice_proportions,
        },
        exposed_by=("the same picture gives the same tensor", "nearly all of the shorter side is seen",
                    "shapes keep their proportions"),
        explanation=(
            "The transform of training was used for testing. In training a random part, mirrored at random, makes "
            "many pictures of one. A test is a measurement: it is repeated with the same result, and it shows what "
            "there is to see. Resize the shorter side, cut out the centre."
        ),
        hints=("Call it twice with one picture.", "Which of its steps are random?"),
    ),
    Exhibit(
        id="eleven-twelfths",
        title="A little too high, always",
        task="mean_loss(model, batches) -> the mean cross-entropy over all pictures of a list of (images, labels).",
        faulty=faulty.mean_loss,
        repaired=repaired.mean_loss,
        symptom=eleven_twelfths_symptom,
        checks={
            "a loss of 0 is 0": eleven_twelfths_zero,
            "right for two full batches":
                lambda program: loss_problem(program, batches_of(64, 32), "a set of two batches"),
            "right for a single batch": lambda program: loss_problem(program, batches_of(32, 32), "a single batch"),
            "right where the last batch is smaller": eleven_twelfths_last,
        },
        exposed_by=("right for two full batches", "right for a single batch", "right where the last batch is smaller"),
        explanation=(
            "enumerate begins with 0, so `number` ends as the number of batches less one. Dividing by the number of "
            "batches is still not right: the mean of a small last batch would count as much as the others. Add up the "
            "losses of all pictures and divide once, by their number."
        ),
        hints=("Print what it divides by.", "How much does a picture of the last batch count?"),
    ),
    Exhibit(
        id="rows-and-columns",
        title="Which way round?",
        task=(
            "draw_confusion(axes, labels, answers, classes) draws how often each class was given each answer. The "
            "labels of the axes say “true class” and “answer”."
        ),
        faulty=faulty.draw_confusion,
        repaired=repaired.draw_confusion,
        symptom=rows_and_columns_symptom,
        checks={
            "the axes are labelled": rows_and_columns_names,
            "three classes 0 called 1 are drawn as such": rows_and_columns_orientation,
            "the title says what the numbers are": rows_and_columns_title,
        },
        exposed_by=("three classes 0 called 1 are drawn as such", "the title says what the numbers are"),
        explanation=(
            "The first index of the matrix is the answer, imshow draws it downwards, and the label there says “true "
            "class”. A matrix of a good network is nearly symmetric, so the mistake is seldom seen. Try it on an "
            "example that is not. The title promised shares and the matrix held numbers of pictures."
        ),
        hints=("Make an example with a mistake in one direction only.",
               "Which of the two indices does imshow draw from top to bottom?",
               "What do the numbers of a row add up to?"),
    ),
    Exhibit(
        id="no-means-yes",
        title="An option that cannot be switched off",
        task="options(words) reads a line such as [\"--pretrained\", \"False\"]; without the option it is True.",
        faulty=faulty.options,
        repaired=repaired.options,
        symptom=no_means_yes_symptom,
        checks={
            "True without the option": no_means_yes_default,
            "True is True": no_means_yes_true,
            "False is False": no_means_yes_false,
            "a word that is neither is refused": no_means_yes_else,
        },
        exposed_by=("False is False", "a word that is neither is refused"),
        explanation=(
            "argparse calls `type` with the text, and bool of a text is True unless it is empty. Everybody who asked "
            "for an untrained network got a pretrained one. Use argparse.BooleanOptionalAction (--pretrained and "
            "--no-pretrained) or a function that knows the words."
        ),
        hints=("What is bool(\"False\")?",),
    ),
    Exhibit(
        id="thirty-three",
        title="It worked with 364 pictures",
        task="right_by_class(model, batches, classes) -> for each class how many of its pictures were answered right.",
        faulty=faulty.right_by_class,
        repaired=repaired.right_by_class,
        symptom=thirty_three_symptom,
        checks={
            "right for full batches": thirty_three_whole,
            "right for any number of pictures": thirty_three_rest,
        },
        exposed_by=("right for any number of pictures",),
        explanation=(
            "squeeze() takes away every axis of length 1, that of the batch, too, if a batch has one picture. It was "
            "not needed: comparing two vectors gives a vector. 364, 599 and 10,000 pictures leave 12, 23 and 16 for "
            "the last batch of 32, so nobody met it."
        ),
        hints=("How many pictures are in the last batch?", "What shape has torch.ones(1).squeeze()?"),
    ),
    Exhibit(
        id="one-too-many",
        title="One class too many",
        task=(
            "hidden_units(classes) -> the width of the hidden layer between 2,048 features and so many classes: the "
            "smallest power of two that is not below the root of their product."
        ),
        faulty=faulty.hidden_units,
        repaired=repaired.hidden_units,
        symptom=one_too_many_symptom,
        checks={
            "right for few classes": lambda program: units_problem(program, (2, 5, 10, 30, 37, 100, 1000, 2048)),
            "right for more classes than features": lambda program: units_problem(program, (2049, 5000, 21841)),
        },
        exposed_by=("right for more classes than features",),
        explanation=(
            "The rule was turned into logarithms and roundings that agree with it as long as there are fewer classes "
            "than features. Beyond, int(sqrt(features / classes)) is 0, and 0 has no logarithm. Written down as it is "
            "meant, with whole numbers, the rule has no such edge."
        ),
        hints=("What is int(math.sqrt(2048 / 2049))?",),
    ),
]
