"""What a trained network gets right, class by class, with intervals, and what it takes for what."""

import math
from contextlib import contextmanager
from pathlib import Path

import numpy as np
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


def outputs(answer):
    """What a network answers in training, as a tuple: its logits, then those of its auxiliary heads if it has any."""
    return answer if isinstance(answer, tuple) else (answer,)


@torch.no_grad()
def score(model, images, rank=0, world_size=1, batch_size=None):
    """(sum of the losses, number of correct answers, predictions int64 (n,)) of this process's part of a split.

    batch_size: None takes 1000 small images, or as many large ones as have a million pixels together.
    """
    if batch_size is None:
        batch_size = max(world_size, min(1000, 2**20 // math.prod(images.shape[1:])))
    loss, correct, predictions = 0.0, 0, [torch.empty(0, dtype=torch.int64)]
    with evaluating(model):
        for x, y in images.batches(batch_size, rank=rank, world_size=world_size):
            logits = model(x)
            loss += F.cross_entropy(logits, y, reduction="sum").item()
            predictions.append(logits.argmax(1).cpu())
            correct += (predictions[-1] == y.cpu()).sum().item()
    return loss, correct, torch.cat(predictions)


def evaluate(model, images, batch_size=None):
    """Loss and error of `model` on a split, in evaluation mode; every module gets its own mode back afterwards.

    Args:
        batch_size: None takes 1000 small images, or as many large ones as have a million pixels together.

    Returns:
        dict with loss (mean cross-entropy), error and accuracy (fractions), correct and total (counts), and
        predictions (int64 tensor (N,) on the CPU).
    """
    images = images.to(next(model.parameters()).device)
    loss, correct, predictions = score(model, images, batch_size=batch_size)
    total = len(images)
    return {"loss": loss / total, "error": 1 - correct / total, "accuracy": correct / total,
            "correct": correct, "total": total, "predictions": predictions}


def wilson(correct, total):
    """The interval of E. Wilson, 1927, for a proportion, (low, high): it covers the true one in 95 % of cases.

    Unlike p +- 1.96 sqrt(p (1 - p) / n) it stays within 0 and 1 and has a width even if all answers are correct.
    """
    from scipy.stats import binomtest

    return tuple(binomtest(correct, total).proportion_ci(0.95, method="wilson")) if total else (0.0, 1.0)


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
    """Counts, an int64 array (classes, classes): the row is the true class, the column the answer."""
    from sklearn.metrics import confusion_matrix

    return confusion_matrix(labels.cpu(), predictions, labels=range(len(classes)))


def draw_confusion(matrix, classes, file):
    """Write a picture of the matrix: rows are true classes, columns answers, colours fractions of the row."""
    from matplotlib.figure import Figure
    from sklearn.metrics import ConfusionMatrixDisplay

    matrix, side = np.asarray(matrix), 2.5 + 0.45 * len(classes)
    fractions = matrix / matrix.sum(1, keepdims=True).clip(1)
    axes = Figure(figsize=(side, side), layout="constrained").subplots()
    ConfusionMatrixDisplay(fractions, display_labels=classes).plot(
        ax=axes, include_values=False, cmap="Blues", xticks_rotation="vertical", colorbar=False,
        im_kw={"vmin": 0, "vmax": 1},
    )
    for (row, column), count in np.ndenumerate(matrix):
        if count:
            axes.text(column, row, count, ha="center", va="center", fontsize=8,
                      color="white" if fractions[row, column] > 0.5 else "black")
    axes.set(xlabel="answer of the network", ylabel="true class")
    save_figure(axes.figure, file)


def draw_history(history, file):
    """Write a picture of the loss and, on axes of its own, of the error over the epochs."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    for axes, measure in zip(figure.subplots(1, 2), ("loss", "error"), strict=True):
        for split, style in (("train", "--"), ("test", "-")):
            axes.plot(history.column("epoch"), history.column(f"{split}_{measure}"), style, marker=".", label=split)
        axes.set(xlabel="epoch", ylabel=measure, ylim=(0, None))
        axes.legend()
    save_figure(figure, file)


def picture_format(file):
    """The format that the end of a file's name asks for; a ValueError if it is none that can be drawn."""
    return one_of("the end of the figure's name", Path(file).suffix, (".png", ".svg", ".pdf"))[1:]


def save_figure(figure, file):
    """Write a figure as PNG, SVG or PDF, whole or not at all."""
    form = picture_format(file)
    with whole(file) as scratch:
        figure.savefig(scratch, dpi=120, format=form)
