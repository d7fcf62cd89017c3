"""The logs of the sources, as they were typed in, agree with themselves: every count is counted again."""

from itertools import product

import pytest

from cnnlib.course.transfer import six_runs

IDS = [f"{run['network']}-{run['data']}" for run in six_runs.RUNS]


def test_there_are_six_with_120_epochs_and_90_classes():
    assert {(run["data"], run["network"]) for run in six_runs.RUNS} == set(
        product(("flowers", "pets", "CIFAR-10"), ("ResNet", "DenseNet")))
    assert sum(len(run["train_accuracy"]) for run in six_runs.RUNS) == 120
    assert sum(len(run["train_loss"]) for run in six_runs.RUNS) == 120
    assert sum(len(run["classes"]) for run in six_runs.RUNS) == 90
    assert six_runs.run("pets", "DenseNet")["test"]["right"] == 87


@pytest.mark.parametrize("run", six_runs.RUNS, ids=IDS)
def test_counts_and_shares_agree(run):
    images, test, classes = run["images"], run["test"], run["classes"].values()
    for accuracy in run["train_accuracy"]:          # a whole number of pictures, in percent with two digits or more
        right = round(accuracy / 100 * images["train"])
        assert 100 * right / images["train"] == pytest.approx(accuracy, abs=6e-3)
    assert 100 * run["last_epoch_right"] / images["train"] == pytest.approx(run["train_accuracy"][-1], abs=6e-4)
    assert 100 * test["right"] / images["test"] == pytest.approx(test["accuracy"], abs=6e-4)
    assert sum(right for right, _ in classes) == test["right"]
    assert sum(total for _, total in classes) == images["test"]


@pytest.mark.parametrize("data", ["flowers", "pets", "CIFAR-10"])
def test_the_gap_that_asks_for_an_explanation(data):
    residual, dense = six_runs.run(data, "ResNet"), six_runs.run(data, "DenseNet")
    assert residual["test"]["accuracy"] > dense["test"]["accuracy"] + 20
    assert all(a > b for a, b in zip(residual["train_accuracy"], dense["train_accuracy"], strict=True))
    assert residual["images"] == dense["images"] and list(residual["classes"]) == list(dense["classes"])
