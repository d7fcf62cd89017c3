"""Four families race on equal terms: who is ahead, by which measure, and how sure is it?

What is equal is a match of `cnnlib.records.grids`: parameters, multiply-accumulates, or the time of training. Every
sentence about who is ahead is written by `Ranking` from the recorded runs; where they do not tell, it says undecided.

`python -m cnnlib.experiments.race` measures the seconds of a training step, by which the race on time is matched.
"""

import itertools
import math
import time
from collections import Counter
from dataclasses import dataclass
from statistics import mean, stdev

import numpy as np

from ..checks import one_of
from ..files import DATA
from ..records import runs
from ..records.grids import grid
from . import measured, step_times
from .layer_times import one_thread

FAMILIES = {"vgg": "VGG", "googlenet": "Inception", "resnet": "ResNet", "densenet": "DenseNet"}
MATCHES = {"parameters": "equal parameters", "macs": "equal multiply-accumulates", "seconds": "equal training time"}
RACES = {"digits-race": "digits", "cifar16-race": "photographs"}
CHANCE = 0.9            # the error of a network that knows nothing of ten classes
SURE = 0.05             # a pair is decided where chance alone gives such a difference less often, over all pairs
STEPS = DATA / "measured" / "race_steps.json"


# ---- the runs, and what is measured of each ----

def entrants(experiment, match, root=None):
    """{family: its recorded runs, a list in the order of their seeds} of the race with this match. GoogLeNet, which the
    others are matched to, is in all three.

    Raises:
        ValueError: an unknown match, or a family without runs.
    """
    one_of("match", match, MATCHES)
    cases = runs.by_case(experiment, root)
    names = {family: family if family == "googlenet" else f"{family}-{match}" for family in FAMILIES}
    if absent := [name for name in names.values() if name not in cases]:
        raise ValueError(f"{experiment} has no runs of {', '.join(absent)}; `python -m cnnlib record {experiment}` "
                         "trains them.")
    return {family: cases[name] for family, name in names.items()}


def recorded(root=None):
    """[(experiment, match)] of which every family has two seeds or more."""
    found = []
    for experiment, match in itertools.product(RACES, MATCHES):
        try:
            groups = entrants(experiment, match, root)
        except ValueError:
            continue
        if min(map(len, groups.values())) > 1:
            found.append((experiment, match))
    return found


def area(run):
    """Area under the curve of the test error, over the share of the training that is done: small is fast. It begins
    with the error of chance, and lies between the errors of a network that is ready at once and of one that never is.
    """
    errors = [CHANCE, *run.column("test_error")]
    return float(np.trapezoid(errors, np.linspace(0, 1, len(errors))))


def share_until(run, threshold):
    """Share of the training after which the test error has come down to `threshold`, on straight lines between the
    epochs; 1 if it never does."""
    errors = [CHANCE, *run.column("test_error")]
    for done, (before, after) in enumerate(itertools.pairwise(errors)):
        if after <= threshold:
            part = (before - threshold) / (before - after) if before > threshold else 0.0
            return (done + part) / (len(errors) - 1)
    return 1.0


def threshold(groups):
    """The error that the slowest family comes down to: the largest final error of all runs."""
    return max(run.final["test_error"] for group in groups.values() for run in group)


def gap(run):
    """Test error less training error, both of the last epoch. The latter is a mean over the epoch; at the end of the
    schedule the weights hardly move any more, there is no dropout, and the pictures are not augmented."""
    return run.final["test_error"] - run.final["train_error"]


# measure -> (what is small, of a run and the threshold; who is ahead says ...; unit and factor)
MEASURES = {
    "test error": (lambda run, _: run.final["test_error"], "makes fewer errors than"),
    "gap": (lambda run, _: gap(run), "has a smaller gap than"),
    "area": (lambda run, _: area(run), "converges faster than"),
    "time to threshold": (share_until, "is sooner at the threshold than"),
}


def ranking(experiment, match, measure, root=None):
    """The `Ranking` of the families in a race by one of MEASURES."""
    one_of("measure", measure, MEASURES)
    groups = entrants(experiment, match, root)
    value, words = MEASURES[measure]
    level = threshold(groups)
    return Ranking({FAMILIES[family]: [value(run, level) for run in group] for family, group in groups.items()}, words)


# ---- the ranking ----

@dataclass(frozen=True)
class Ranking:
    """Values of several families, one a seed, of which small is good.

    Attributes:
        values: {family: list of at least two}.
        ahead: what is said of one whose values are smaller: "makes fewer errors than".
    """

    values: dict
    ahead: str

    def __post_init__(self):
        if few := [name for name, seeds in self.values.items() if len(seeds) < 2]:
            raise ValueError(f"values has fewer than two seeds of {', '.join(few)}: nothing says how far they vary.")

    @property
    def order(self):
        """The families, the smallest mean first."""
        return sorted(self.values, key=lambda name: (mean(self.values[name]), name))

    def intervals(self):
        """{family: (mean, low, high)}: in 95 % of such experiments the interval has the mean of all seeds in it."""
        from scipy.stats import t

        found = {}
        for name, seeds in self.values.items():
            half = t.ppf(0.975, len(seeds) - 1) * stdev(seeds) / math.sqrt(len(seeds))
            found[name] = mean(seeds), mean(seeds) - float(half), mean(seeds) + float(half)
        return found

    def chances(self):
        """{(a, b): how often chance alone would set two families so far apart}: Welch's test of each pair, a before b
        in the order, made stricter for the number of pairs by Holm's rule."""
        pairs = list(itertools.combinations(self.order, 2))
        found, worst = {}, 0.0
        for rank, (p, pair) in enumerate(sorted((welch(self.values[a], self.values[b]), (a, b)) for a, b in pairs)):
            worst = max(worst, min(1.0, p * (len(pairs) - rank)))
            found[pair] = worst
        return {pair: found[pair] for pair in pairs}

    def decided(self):
        """Pairs (a, b) of which a is ahead, beyond chance."""
        return [pair for pair, chance in self.chances().items() if chance < SURE]

    def undecided(self):
        """The other pairs."""
        decided = self.decided()
        return [pair for pair in itertools.combinations(self.order, 2) if pair not in decided]

    def apart(self):
        """Pairs (a, b) of which every value of a is smaller than every value of b, decided or not."""
        return [(a, b) for a, b in itertools.combinations(self.order, 2) if max(self.values[a]) < min(self.values[b])]

    def orders(self, draws=10_000, seed=0):
        """{order: share of the draws in which it comes out}, the most frequent first. A draw takes as many seeds of
        each family as there are, with replacement (Efron's bootstrap); equal means stand in the order of names."""
        generator, names = np.random.default_rng(seed), sorted(self.values)
        means = np.stack([generator.choice(self.values[name], (draws, len(self.values[name]))).mean(1)
                          for name in names], 1)
        count = Counter(map(tuple, means.argsort(1, kind="stable").tolist()))
        return {tuple(names[i] for i in order): times / draws for order, times in count.most_common()}

    def sentence(self):
        """Who is ahead of whom, and which pairs are undecided, in words."""
        behind = {a: [b for first, b in self.decided() if first == a] for a in self.order}
        said = [f"{a} {self.ahead} {listed(names)}" for a, names in behind.items() if names]
        open_pairs = [f"{a} and {b}" for a, b in self.undecided()]
        if not said:
            return "Undecided: no family is ahead of another."
        return "; ".join(said) + "." + (f" Undecided: {'; '.join(open_pairs)}." if open_pairs else "")

    def judge(self, claim):
        """What the runs say of an order that somebody claims, the best first, such as
        [["Inception"], ["DenseNet", "ResNet"], ["VGG"]]; families in one place are said to be equal.

        Returns:
            "false" if a pair is decided the other way, or decided where equality is claimed; "true" if all pairs are
            decided as claimed; else "undecided". That two are equal is never shown, only that nothing tells them
            apart.
        """
        places = {name: place for place, names in enumerate(claim) for name in names}
        if set(places) != set(self.values):
            raise ValueError(f"claim names {', '.join(places)}, allowed: each of {', '.join(self.values)} once.")
        if any(places[a] >= places[b] for a, b in self.decided()):
            return "false"
        return "undecided" if self.undecided() else "true"


def welch(a, b):
    """Two-sided p of Welch's test that two samples have one mean. Where neither sample varies: 1 if they are equal,
    else 0."""
    from scipy.stats import ttest_ind

    if len(set(a)) == len(set(b)) == 1:
        return float(a[0] == b[0])
    return float(ttest_ind(a, b, equal_var=False).pvalue)


def listed(names):
    """["A", "B", "C"] -> "A, B and C"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


# What one source says: its two orders of results, the best first.
CONVERGENCE = [["VGG"], ["Inception"], ["DenseNet"], ["ResNet"]]
GENERALISATION = [["Inception"], ["DenseNet", "ResNet"], ["VGG"]]


# ---- what a table of results should report ----

def checklist(experiment, root=None):
    """{what a table should report: does the recorded experiment have it?}"""
    cases, plan = runs.by_case(experiment, root), grid(experiment)
    every = [run for group in cases.values() for run in group]
    return {
        "data, and how they were split": all(run.data["variant"] for run in every),
        "the last epoch, not the best": True,       # a run has no other result
        "three seeds or more of each": min(map(len, cases.values())) >= 3,
        "as many seeds of each": len(set(map(len, cases.values()))) == 1,
        "cost beside the error": all(run.model["parameters"] and run.wall_seconds for run in every),
        "device, versions, command": all(run.device_name and run.torch and run.command for run in every),
        "every network that was planned": set(cases) == {case.name for case in plan.cases},
        "a rate searched for each network": bool(runs.load(f"{experiment}-rates", root)),
        "chosen without the test pictures": any("validation" in run.data
                                                for run in runs.load(f"{experiment}-rates", root)),
    }


# ---- how the networks were matched, and the rate of each ----

def tried(experiment, case, root=None):
    """{learning rate: error on the pictures held back} of a case of a race, from its search."""
    found = {}
    for name, group in runs.by_case(f"{experiment}-rates", root).items():
        if name.rpartition("-lr")[0] == case:
            found[group[0].recipe["lr"]] = mean(run.final["test_error"] for run in group)
    return dict(sorted(found.items()))


def best_rate(errors):
    """Of {rate: error} the rate with the smallest error; of equally good ones the smallest."""
    return min(errors, key=lambda rate: (errors[rate], rate))


def step_seconds(experiment, repeats=15):
    """{case: processor seconds of a training step on one thread}, the lower quartile of `repeats` steps.

    The networks take turns, so that what disturbs the machine disturbs all of them.
    """
    plan = grid(experiment)
    steps = {case.name: step_times.step_of(case, plan) for case in plan.cases if not case.name.endswith("-seconds")}
    times = {name: [] for name in steps}
    with one_thread():
        for _ in range(repeats + 1):
            for name, step in steps.items():
                start = time.thread_time()
                step()
                times[name].append(time.thread_time() - start)
    return {name: float(np.quantile(seconds[1:], 0.25)) for name, seconds in times.items()}


def measured_steps(file=STEPS):
    """What `record_steps` has written: {experiment: {case: seconds}}."""
    return measured.read(file)["seconds"]


def record_steps(file=STEPS):
    """Measure the steps of all races and write them, with where and how."""
    seconds = {experiment: step_seconds(experiment) for experiment in RACES}
    measured.write(file, {**measured.about("race", threads=1), "seconds": seconds})


if __name__ == "__main__":
    record_steps()
