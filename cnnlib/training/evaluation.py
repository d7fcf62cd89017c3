"""What a trained network gets right, class by class, with intervals, and what it takes for what."""

import math
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.nn import functional as F

from ..checks import one_of
from ..files import whole


@contextmanager
def evaluating(model):
    """Evaluation mode for a while; afterwards every module is in the mode it had, frozen ones too."""
    modes = [(vars(m), m.training) for m in model.modules()]
    for attributes, _ in modes:
        attributes["training"] = False
    try:
        yield
    finally:
        for attributes, mode in modes:
            attributes["training"] = mode


def wilson(correct, total, z=1.959964):
    """Interval for a share, (low, high): E. Wilson, 1927. With z = 1.96 it covers the truth in 95 % of cases.

    Unlike p +- z sqrt(p (1 - p) / n) it stays within 0 and 1 and has a width even if all answers are correct.
    """
    if total == 0:
        return 0.0, 1.0
    p, spread = correct / total, z**2 / total
    middle = (p + spread / 2) / (1 + spread)
    half = z * math.sqrt(p * (1 - p) / total + spread / (4 * total)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def per_class(labels, predictions, classes):
    """One dict a class: name, correct, total, accuracy (None if it has no images), low and high of its interval."""
    rows = []
    for label, name in enumerate(classes):
        answers = predictions[labels.cpu() == label]
        correct, total = (answers == label).sum().item(), len(answers)
        low, high = wilson(correct, total)
        rows.append({"class": name, "correct": correct, "total": total,
                     "accuracy": correct / total if total else None, "low": low, "high": high})
    return rows


def confusion_matrix(labels, predictions, classes):
    """Counts, int64 (classes, classes): the row is the true class, the column the answer."""
    pairs = labels.cpu() * len(classes) + predictions
    return torch.bincount(pairs, minlength=len(classes) ** 2).view(len(classes), len(classes))


def draw_confusion(matrix, classes, file):
    """Write a picture of the matrix: rows are true classes, columns answers, colour the share of the row."""
    from matplotlib.figure import Figure
    from sklearn.metrics import ConfusionMatrixDisplay

    side = 2.5 + 0.45 * len(classes)
    axes = Figure(figsize=(side, side), layout="constrained").subplots()
    shares = F.normalize(matrix.double(), p=1, dim=1)
    ConfusionMatrixDisplay(shares.numpy(), display_labels=classes).plot(
        ax=axes, include_values=False, cmap="Blues", xticks_rotation="vertical", colorbar=False,
        im_kw={"vmin": 0, "vmax": 1},
    )
    for (row, column), count in zip(torch.cartesian_prod(*[torch.arange(len(classes))] * 2).tolist(),
                                    matrix.flatten().tolist(), strict=True):
        if count:
            axes.text(column, row, count, ha="center", va="center", fontsize=8,
                      color="white" if shares[row, column] > 0.5 else "black")
    axes.set(xlabel="answer of the network", ylabel="true class")
    _save(axes.figure, file)


def draw_history(history, file):
    """Write a picture of the loss and, on axes of its own, of the error over the epochs."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    for axes, measure in zip(figure.subplots(1, 2), ("loss", "error"), strict=True):
        for split, style in (("train", "--"), ("test", "-")):
            axes.plot(history.column("epoch"), history.column(f"{split}_{measure}"), style, marker=".", label=split)
        axes.set(xlabel="epoch", ylabel=measure, ylim=(0, None))
        axes.legend()
    _save(figure, file)


def picture_format(file):
    """The format that the end of a file's name asks for; a ValueError if it is none that can be drawn."""
    return one_of("the end of the figure's name", Path(file).suffix, (".png", ".svg", ".pdf"))[1:]


def _save(figure, file):
    form = picture_format(file)
    with whole(file) as scratch:
        figure.savefig(scratch, dpi=120, format=form)
