"""Recorded networks that cost the same: costs against torchinfo, the choice of a pair against all pairs."""

import itertools
import math

import pytest
import torchinfo

import cnnlib
from cnnlib.experiments import budgets
from cnnlib.records import runs

DENSE, RESIDUAL = "digits-densenet", "digits-degradation"


def test_an_entry_is_what_was_recorded():
    recorded = {run.run: run for run in runs.load(DENSE)}
    for entry in budgets.entries(DENSE):
        group = [run for name, run in recorded.items() if name.startswith(f"{entry.name}-seed")]
        assert entry.errors == tuple(run.final["test_error"] for run in group)
        assert entry.error == pytest.approx(sum(entry.errors) / len(group))
        net = cnnlib.create_model(group[0].model["name"], **group[0].model["options"])
        info = torchinfo.summary(net, (1, 1, 8, 8), verbose=0)
        assert entry.parameters == group[0].model["parameters"] == info.total_params
        assert 0.9 * info.total_mult_adds < entry.macs < info.total_mult_adds   # theirs has biases and BatchNorm too


def test_costs_are_those_of_the_recorded_picture():
    entry = budgets.entries("cifar16-degradation", "resnet20")[0]
    net = cnnlib.create_model("resnet20")
    assert entry.kept_bytes == cnnlib.summary(net, (1, 3, 16, 16)).total_kept_bytes


def test_recomputing_costs_memory_only():
    for naive, ours in zip(budgets.entries(DENSE), budgets.entries(DENSE, memory_efficient=True), strict=True):
        assert (naive.name, naive.parameters, naive.errors) == (ours.name, ours.parameters, ours.errors)
        assert ours.kept_bytes < naive.kept_bytes / 2


def test_only_cases_that_begin_so():
    names = {entry.name for entry in budgets.entries(RESIDUAL, "resnet")}
    assert names == {f"resnet{depth}" for depth in (20, 32, 44, 56, 110)}


@pytest.mark.parametrize("measure", budgets.MEASURES)
def test_no_pair_is_closer(measure):
    first, second = budgets.entries(DENSE), budgets.entries(RESIDUAL, "resnet")
    a, b = budgets.closest(first, second, measure)

    def apart(x, y):
        ratio = getattr(x, measure) / getattr(y, measure)
        return max(ratio, 1 / ratio)

    assert apart(a, b) == min(itertools.starmap(apart, itertools.product(first, second)))
    assert math.isclose(apart(a, b), 1, rel_tol=0.06)


def test_bad_input_is_named():
    entries = budgets.entries(RESIDUAL, "resnet20")
    with pytest.raises(ValueError, match="measure is 'size', allowed"):
        budgets.closest(entries, entries, "size")
    with pytest.raises(ValueError, match="lists of 1 and 0"):
        budgets.closest(entries, [], "macs")
