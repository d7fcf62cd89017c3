"""A race: its measures by hand, its ranking against known statistics, and its sentences follow from the runs."""

import json
from dataclasses import asdict
from statistics import mean

import numpy as np
import pytest
from scipy import stats

from cnnlib.anatomy import of
from cnnlib.data import shape_of
from cnnlib.experiments import race
from cnnlib.experiments.race import Ranking
from cnnlib.records import grids, runs

RECORDED = [name for name in race.RACES if runs.load(name)]


def run_of(errors, train=0.0):
    """A run with this curve."""
    class Curve:
        epochs = [{"test_error": error, "train_error": train} for error in errors]
        final = epochs[-1]

        def column(self, key):
            return [epoch[key] for epoch in self.epochs]

    return Curve()


# ------------------------------------------------------------------ measures


def test_the_area_lies_between_a_network_ready_at_once_and_one_that_never_is():
    assert race.area(run_of([0.9] * 5)) == pytest.approx(0.9)
    assert race.area(run_of([0.5, 0.1])) == pytest.approx((0.7 + 0.3) / 2)
    assert race.area(run_of([0.0] * 1000)) < 0.001
    assert race.area(run_of([0.1, 0.1, 0.1])) < race.area(run_of([0.5, 0.3, 0.1]))      # the same end, but later


def test_share_until_a_threshold():
    curve = run_of([0.5, 0.3, 0.1, 0.2])
    assert race.share_until(curve, 0.3) == pytest.approx(2 / 4)
    assert race.share_until(curve, 0.2) == pytest.approx(2.5 / 4)
    assert race.share_until(curve, 0.05) == 1.0
    assert race.share_until(curve, 0.95) == 0.0


def test_the_threshold_is_one_that_all_reach_in_the_end():
    groups = {"a": [run_of([0.5, 0.2]), run_of([0.1, 0.3])], "b": [run_of([0.1])]}
    assert race.threshold(groups) == 0.3 and race.gap(run_of([0.2], train=0.05)) == pytest.approx(0.15)


# ------------------------------------------------------------------ the ranking


FAR = {"A": [1.0, 1.1, 0.9], "B": [2.0, 2.1, 1.9], "C": [3.0, 3.1, 2.9], "D": [4.0, 4.1, 3.9]}
NEAR = {"A": [1.0, 1.1, 0.9], "B": [1.05, 1.15, 0.95], "C": [3.0, 3.1, 2.9]}


def test_intervals_are_those_of_scipy():
    for name, (middle, low, high) in Ranking(FAR, "is before").intervals().items():
        expected = stats.t.interval(0.95, 2, middle, stats.sem(FAR[name]))
        assert middle == pytest.approx(mean(FAR[name])) and (low, high) == pytest.approx(expected)


def test_chances_are_those_of_welch_made_stricter_by_holm():
    chances = Ranking(NEAR, "is before").chances()
    p = {pair: stats.ttest_ind(NEAR[pair[0]], NEAR[pair[1]], equal_var=False).pvalue for pair in chances}
    smallest, middle, largest = sorted(p, key=p.get)
    assert chances[smallest] == pytest.approx(3 * p[smallest])
    assert chances[middle] == pytest.approx(max(3 * p[smallest], 2 * p[middle]))
    assert chances[largest] == pytest.approx(p[largest]) and chances[largest] > 0.05


def test_of_equal_families_none_is_ahead_more_often_than_said():
    """Four families that are the same: in 95 % of the races at least, nothing is decided."""
    draw = np.random.default_rng(0)
    false = sum(bool(Ranking({name: draw.normal(0, 1, 5).tolist() for name in "ABCD"}, "").decided())
                for _ in range(300))
    assert false / 300 < 0.08


def test_values_that_do_not_vary():
    assert race.welch([1, 1], [1, 1]) == 1.0 and race.welch([1, 1], [2, 2]) == 0.0
    assert Ranking({"A": [0.1, 0.1], "B": [0.2, 0.2]}, "is before").decided() == [("A", "B")]


def test_apart_is_not_decided():
    """One value of B lies far out: no value of A is as large as any of B, and the mean of B is still uncertain."""
    ranking = Ranking({"A": [1.0, 1.1, 0.9], "B": [1.2, 1.3, 9.0], "C": [1.0, 2.0, 1.5]}, "is before")
    assert ranking.apart() == [("A", "B")] and ranking.decided() == []


def test_orders_of_the_bootstrap():
    orders = Ranking(FAR, "is before").orders(1000)
    assert orders == {("A", "B", "C", "D"): 1.0}
    orders = Ranking(NEAR, "is before").orders(1000)
    assert set(orders) == {("A", "B", "C"), ("B", "A", "C")} and sum(orders.values()) == pytest.approx(1)
    assert list(orders)[0] == ("A", "B", "C") and 0.6 < orders["A", "B", "C"] < 0.99
    assert Ranking(NEAR, "").orders(1000) == orders


def test_sentences():
    assert Ranking(FAR, "is before").sentence() == (
        "A is before B, C and D; B is before C and D; C is before D.")
    assert Ranking(NEAR, "is before").sentence() == "A is before C; B is before C. Undecided: A and B."
    same = {name: [0.1, 0.2, 0.3] for name in "AB"}
    assert Ranking(same, "is before").sentence() == "Undecided: no family is ahead of another."
    with pytest.raises(ValueError, match="values has fewer than two seeds of B"):
        Ranking({"A": [1, 2], "B": [1]}, "is before")


@pytest.mark.parametrize("values, claim, verdict", [
    (FAR, [["A"], ["B"], ["C"], ["D"]], "true"),
    (FAR, [["B"], ["A"], ["C"], ["D"]], "false"),
    (FAR, [["A"], ["B", "C"], ["D"]], "false"),         # decided where equality is claimed
    (NEAR, [["A"], ["B"], ["C"]], "undecided"),
    (NEAR, [["A", "B"], ["C"]], "undecided"),           # equality is never shown
    (NEAR, [["C"], ["A"], ["B"]], "false"),
])
def test_judging_what_is_claimed(values, claim, verdict):
    assert Ranking(values, "").judge(claim) == verdict


def test_a_claim_names_every_family():
    with pytest.raises(ValueError, match="claim names A, B, allowed: each of A, B, C once"):
        Ranking(NEAR, "").judge([["A"], ["B"]])


# ------------------------------------------------------------------ the races as declared


@pytest.mark.parametrize("experiment", ["race", *race.RACES])
def test_networks_are_as_much_alike_as_is_said(experiment):
    plan = grids.GRIDS[experiment]
    cost = {case.name: of(case.model, (1, *shape_of(**plan.data)), **case.options) for case in plan.cases}
    for name, found in cost.items():
        family, _, match = name.partition("-")
        if match in ("parameters", "seconds"):
            assert found.total_params == pytest.approx(cost["googlenet"].total_params, rel=0.05)
        elif match == "macs":
            assert found.total_macs == pytest.approx(cost["googlenet"].total_macs, rel=0.07)
        assert family in race.FAMILIES
    modules = [type(m).__name__ for case in plan.cases for m in grid_model(case).modules()]
    assert "BatchNorm2d" in modules and not any(m.p for case in plan.cases for m in grid_model(case).modules()
                                                if type(m).__name__ == "Dropout")


def grid_model(case):
    from cnnlib.models import blueprint

    return blueprint(case.model, **case.options)


@pytest.mark.parametrize("experiment", race.RACES)
def test_by_time_the_epochs_are_those_that_fit(experiment):
    """As measured once, on one thread: within a fifth, and no other number of epochs would fit better."""
    plan, steps = grids.GRIDS[f"{experiment}-rates"], race.measured_steps()[experiment]
    budget = steps["googlenet"] * plan.recipe["epochs"]
    epochs = {case.name.partition("-seconds")[0]: case.recipe["epochs"]
              for case in plan.cases if "-seconds" in case.name}
    assert set(epochs) == set(race.FAMILIES) - {"googlenet"}
    for family, count in epochs.items():
        assert steps[f"{family}-parameters"] * count == pytest.approx(budget, rel=0.2)


@pytest.mark.parametrize("experiment", race.RACES)
def test_each_rate_is_the_best_of_those_tried(experiment):
    """The same rates for each, chosen on pictures held back; and a race is run with the one that its search found."""
    plan = grids.GRIDS[experiment]
    raced = {run.case for run in runs.load(experiment)}
    searched = {case.name: race.tried(experiment, case.name) for case in plan.cases if case.name in raced}
    assert len({tuple(errors) for errors in searched.values()}) <= 1
    assert {case.name: plan.recipe_of(case)["lr"] for case in plan.cases if case.name in raced} == {
        name: race.best_rate(errors) for name, errors in searched.items()}


def test_the_best_of_equal_rates_is_the_smallest():
    assert race.best_rate({0.3: 0.1, 0.1: 0.1, 0.03: 0.2}) == 0.1


# ------------------------------------------------------------------ sentences follow from the runs


def test_digits_and_photographs_are_raced():
    assert RECORDED == list(race.RACES)


def test_entrants_are_refused():
    with pytest.raises(ValueError, match="match is 'looks', allowed: 'parameters', 'macs', 'seconds'"):
        race.entrants("digits-race", "looks")
    with pytest.raises(ValueError, match="race has no runs of vgg-macs"):
        race.entrants("race", "macs")
    with pytest.raises(ValueError, match="measure is 'beauty', allowed: 'test error', 'gap'"):
        race.ranking("digits-race", "macs", "beauty")


def test_a_changed_run_changes_the_sentence(tmp_path):
    """The runs of the family that is last are given the curves of an excellent one: the sentence says so."""
    for run in runs.load("digits-race"):
        runs.write(run, tmp_path)
    before = race.ranking("digits-race", "parameters", "test error", tmp_path)
    assert before.sentence() == race.ranking("digits-race", "parameters", "test error").sentence()
    last = next(family for family, name in race.FAMILIES.items() if name == before.order[-1])
    for run in race.entrants("digits-race", "parameters", tmp_path)[last]:
        content = json.loads(json.dumps(asdict(run)))
        content["epochs"][-1]["test_error"] = 0.0
        runs.write(runs.Run(**content), tmp_path)
    after = race.ranking("digits-race", "parameters", "test error", tmp_path)
    assert after.order[0] == race.FAMILIES[last] and after.sentence() != before.sentence()
    assert after.decided() != before.decided()


def test_what_is_recorded_is_found(tmp_path):
    assert ("digits-race", "parameters") in race.recorded() and race.recorded(tmp_path) == []
    for run in runs.load("digits-race"):
        if run.seed < 1:
            runs.write(run, tmp_path)
    assert race.recorded(tmp_path) == []        # one seed is no race


def test_the_checklist_finds_what_a_table_lacks():
    assert all(race.checklist("digits-race").values())
    one = race.checklist("cifar10-full")        # one network, one seed so far
    assert not one["three seeds or more of each"] and not one["a rate searched for each network"]
    assert one["device, versions, command"] and one["data, and how they were split"]
