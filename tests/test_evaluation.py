"""Per-class results and the confusion matrix, against scipy and scikit-learn."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix as sklearn_confusion_matrix

from cnnlib.training import evaluation

CLASSES = ["cat", "dog", "ship"]


@settings(deadline=None)
@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_scipys(pair):
    interval = binomtest(*pair).proportion_ci(0.95, method="wilson")
    assert evaluation.wilson(*pair) == pytest.approx((interval.low, interval.high), abs=1e-6)


def test_per_class_counts_and_a_class_without_images():
    labels, predictions = torch.tensor([0, 0, 0, 1]), torch.tensor([0, 0, 2, 0])
    cat, dog, ship = evaluation.per_class(labels, predictions, CLASSES)
    assert (cat["class"], cat["correct"], cat["total"], cat["accuracy"]) == ("cat", 2, 3, 2 / 3)
    assert (dog["accuracy"], ship["accuracy"]) == (0.0, None) and (ship["low"], ship["high"]) == (0.0, 1.0)


def test_confusion_matrix_has_true_classes_in_its_rows():
    generator = torch.Generator().manual_seed(0)
    labels, predictions = torch.randint(3, (2, 500), generator=generator)
    ours = evaluation.confusion_matrix(labels, predictions, CLASSES)
    assert ours.tolist() == sklearn_confusion_matrix(labels, predictions).tolist()
    assert evaluation.confusion_matrix(torch.tensor([0]), torch.tensor([2]), CLASSES)[0, 2] == 1


def test_the_picture_has_them_there_too(tmp_path, monkeypatch):
    """The text of cell (row, column) is written at x = column, y = row, and the axes are named accordingly."""
    from matplotlib.figure import Figure

    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, file, **options: drawn.append(figure))
    matrix = torch.tensor([[5, 0, 2], [0, 7, 0], [0, 0, 0]])        # two cats were called ships; there is no ship
    evaluation.draw_confusion(matrix, CLASSES, tmp_path / "x.png")
    (axes,) = drawn[0].axes
    assert {text.get_position(): text.get_text() for text in axes.texts} == {(0, 0): "5", (2, 0): "2", (1, 1): "7"}
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("true class", "answer of the network")
    assert [label.get_text() for label in axes.get_yticklabels()] == CLASSES
    assert axes.images[0].get_array().tolist()[0] == pytest.approx([5 / 7, 0, 2 / 7])
