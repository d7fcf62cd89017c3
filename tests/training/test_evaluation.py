"""Per-class results with their intervals, the confusion matrix and its picture."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlib.training import evaluation

CLASSES = ["cat", "dog", "ship"]


@settings(deadline=None)
@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilsons_interval_is_where_a_test_of_the_proportion_turns(pair):
    """At its ends the proportion found is 1.96 standard deviations away; 0 and 1 are ends if all or none are right."""
    correct, n = pair
    low, high = evaluation.wilson(correct, n)
    assert 0 <= low <= correct / n <= high <= 1 and low < high
    for end, at_the_edge in ((low, correct == 0), (high, correct == n)):
        if not at_the_edge:
            assert abs(correct / n - end) == pytest.approx(1.959964 * (end * (1 - end) / n) ** 0.5, rel=1e-4)


def test_per_class_counts_and_a_class_without_images():
    labels, predictions = torch.tensor([0, 0, 0, 1]), torch.tensor([0, 0, 2, 0])
    cat, dog, ship = evaluation.per_class(labels, predictions, CLASSES)
    assert (cat["class"], cat["correct"], cat["total"], cat["accuracy"]) == ("cat", 2, 3, 2 / 3)
    assert (dog["accuracy"], ship["accuracy"]) == (0.0, None) and (ship["low"], ship["high"]) == (0.0, 1.0)


def test_confusion_matrix_has_true_classes_in_its_rows_and_all_classes():
    found = evaluation.confusion_matrix(torch.tensor([0, 0, 1, 0]), torch.tensor([2, 2, 1, 0]), CLASSES)
    assert found.tolist() == [[1, 0, 2], [0, 1, 0], [0, 0, 0]]


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
