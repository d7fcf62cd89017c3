"""Exhibits of the comparison chapter: how tables of results go wrong, re-created and made checkable."""

import random

import torch
from torch import nn

from ... import data
from ..bugs import Exhibit
from . import faulty, repaired

# ---------------------------------------------------------------- better-in-the-test: two columns of two networks


def batches(split, size=64):
    """A split as a list of batches, in its order."""
    return list(split.batches(size))


def one_epoch(program):
    """What a program reports of a network with dropout after an epoch on the digits: (training, test, model)."""
    digits = data.load("digits")
    with torch.enable_grad():
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        return *program(model, optimizer, batches(digits.train), batches(digits.test)), model


def better_in_the_test_symptom():
    train, test, _ = one_epoch(faulty.train_and_report)
    return (f"After the first epoch the network knows {test:.0%} of the test digits, and only {train:.0%} of those "
            "that it was trained on.")


def better_in_the_test_train(program):
    return _share_problem(program, 0, "train")


def better_in_the_test_test(program):
    return _share_problem(program, 1, "test")


def _share_problem(program, place, split):
    found, *_, model = one_epoch(program)[place:]
    digits = data.load("digits")
    with torch.no_grad():
        model.eval()
        pairs = batches(getattr(digits, split))
        right = sum((model(x).argmax(1) == y).sum().item() for x, y in pairs) / sum(len(y) for _, y in pairs)
    if not abs(found - right) <= 1e-9:
        return (f"{found:.1%} is reported, and the network that comes out of it knows {right:.1%} of the {split} "
                "digits when it is used.")
    return None


# ---------------------------------------------------------------- leaderboard: who draws more often, wins


def alike(seeds, generator, epochs=30):
    """Curves of test errors that differ by luck only."""
    return [[0.05 + 0.9 / (epoch + 1) + generator.gauss(0, 0.01) for epoch in range(epochs)] for _ in range(seeds)]


def share_of_first(program, tries=200):
    """How often a network wins that was tried with ten seeds, against itself with three."""
    generator = random.Random(0)
    return sum(program({"three": alike(3, generator), "ten": alike(10, generator)})[0] == "ten"
               for _ in range(tries)) / tries


def leaderboard_symptom():
    return (f"One and the same network was entered twice, with three seeds and with ten. In 200 tables the entry with "
            f"ten stands first {share_of_first(faulty.leaderboard):.0%} of the time.")


def leaderboard_luck(program):
    share = share_of_first(program)
    if not 0.35 < share < 0.65:
        return f"who was tried with more seeds stands first {share:.0%} of the time, though both are the same network."
    return None


def leaderboard_last(program):
    if program({"lucky": [[0.5, 0.01, 0.3]], "steady": [[0.5, 0.2, 0.2]]})[0] != "steady":
        return "a single good epoch on the way is not what you get when training ends: take the last."
    return None


def leaderboard_names(program):
    curves = {"b": [[0.1]], "a": [[0.2]], "c": [[0.3]]}
    return None if list(program(curves)) == ["b", "a", "c"] else "all names are wanted, the best first."


EXHIBITS = [
    Exhibit(
        id="better-in-the-test",
        title="Better in the test than in training",
        task=("train_and_report(model, optimizer, train, test) -> (training accuracy, test accuracy) after an epoch, "
              "to say how large the gap is."),
        faulty=faulty.train_and_report,
        repaired=repaired.train_and_report,
        symptom=better_in_the_test_symptom,
        checks={
            "the training accuracy is that of the network that comes out": better_in_the_test_train,
            "the test accuracy is that of the network that comes out": better_in_the_test_test,
        },
        exposed_by=("the training accuracy is that of the network that comes out",),
        explanation=(
            "The two numbers belong to different networks. The training accuracy is a mean over the epoch, while the "
            "weights moved, and with half of the units dropped; the test accuracy is that of the last weights, with "
            "all units. Five of six published training logs that we read show the same. For a gap, evaluate both "
            "splits in the same way at the end; or train without dropout and let the learning rate fall to zero, so "
            "that the weights of the last epoch hardly move."
        ),
        hints=("Which weights does each of the two numbers belong to?",
               "In which mode is the network when `right` grows?"),
    ),
    Exhibit(
        id="leaderboard",
        title="The leaderboard",
        task=("leaderboard(curves) -> the names, the best first; curves has, for each name and seed, a list of test "
              "errors, one an epoch."),
        faulty=faulty.leaderboard,
        repaired=repaired.leaderboard,
        symptom=leaderboard_symptom,
        checks={
            "all names, the best first": leaderboard_names,
            "more seeds are no advantage": leaderboard_luck,
            "the last epoch counts": leaderboard_last,
        },
        exposed_by=("more seeds are no advantage", "the last epoch counts"),
        explanation=(
            "The smallest of many numbers is small because they are many. Whoever has more seeds or epochs to choose "
            "from wins, and the choice was made on the test set. Take the last epoch and the mean over the seeds; and "
            "print how far the seeds spread, for a table of means alone still ranks what cannot be told apart."
        ),
        hints=("How many numbers does each name choose from?", "What would two names of one network get?"),
    ),
]
