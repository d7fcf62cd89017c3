"""Judges of the exercises of the comparison chapter. The questions and the solutions are in the chapter itself."""

import itertools
import math
from statistics import mean, stdev

from ...anatomy import of
from ...experiments import race
from ...experiments.yardsticks import NAMES, OPTIONS
from ..exercises import Choice, Numbers, Part, Wrong, call, call_for_numbers, exercise, is_number, plain

COSTS = {"A": (3, 9.0), "B": (5, 4.0), "C": (4, 6.0), "D": (9, 3.0), "E": (5, 4.0), "F": (6, 7.0)}


def agree(function, cases, right, mistakes, what, read=plain):
    """Compare a function with the right one in all cases, numbers to nine digits; `mistakes`: what is told of one that
    computes something else; `read`: what to make of a value first."""
    def same(a, b):
        return a == b or (is_number(a) and is_number(b) and math.isclose(a, b, rel_tol=1e-9))

    given = [read(call(function, *case)) for case in cases]
    if all(same(value, right(*case)) for value, case in zip(given, cases, strict=True)):
        return
    for told, formula in mistakes.items():
        if all(same(value, formula(*case)) for value, case in zip(given, cases, strict=True)):
            raise Wrong(told)
    value, case = next((value, case) for value, case in zip(given, cases, strict=True) if not same(value, right(*case)))
    raise Wrong(f"{what.format(*case)} gives {value!r}, {right(*case)!r} is right. Follow this case by hand.")


# ---------------------------------------------------------------- yardsticks


@exercise("training-bytes")
def training_bytes(answer):
    """training_bytes(weights, kept, batch, states) -> bytes held as the backward pass begins"""
    cases = [(10, 100, 1, 0), (1000, 50, 8, 1), (7_978_856, 130_695_936, 32, 2), (138_357_544, 73_355_264, 3, 2)]
    agree(answer, cases, lambda w, kept, n, states: 4 * (2 + states) * w + n * kept, {
        "a float32 has four bytes.": lambda w, kept, n, states: (2 + states) * w + n * kept,
        "the gradients need as much as the weights.": lambda w, kept, n, states: 4 * (1 + states) * w + n * kept,
        "the weights are there once, however many pictures the batch has.":
            lambda w, kept, n, states: n * (4 * (2 + states) * w + kept),
        "each picture of the batch is kept.": lambda w, kept, n, states: 4 * (2 + states) * w + kept,
        "the optimiser keeps its numbers beside weights and gradients.": lambda w, kept, n, states: 8 * w + n * kept,
    }, "weights {}, kept {}, batch {}, states {}")
    return "Parameters are paid once, kept maps for each picture: that is why the batch decides who is smaller."


@exercise("where-they-cross")
def where_they_cross():
    """the smallest batch with which DenseNet-121 needs more memory than VGG-16, trained by Adam at 224"""
    vgg, dense = (of(name, (1, 3, 224, 224)) for name in ("vgg16", "densenet121"))

    def crossing(times):
        return (4 * times * (vgg.total_params - dense.total_params)
                // (dense.total_kept_bytes - vgg.total_kept_bytes)) + 1

    return Numbers(
        Part("batch", crossing(4), {
            crossing(1): "that is right for weights alone; training has gradients, and Adam two more numbers a weight.",
            crossing(2): "that is right for weights and gradients; Adam keeps two more numbers a weight.",
            crossing(3): "that is SGD with momentum; Adam keeps two more numbers a weight, not one.",
            crossing(4) - 1: "with that batch VGG still needs more.",
            crossing(4) + 1: "DenseNet needs more before that already.",
        }, "VGG has more parameters, paid once, with four numbers of four bytes each; DenseNet keeps more bytes for "
           "each picture. Divide the first difference by the second."),
        why="With fewer pictures VGG's weights weigh more, with more pictures DenseNet's maps do.")


@exercise("disagreements")
def disagreements(answer):
    """disagreements(first, second) -> pairs that two orders of the same names put in opposite orders"""
    orders = [("ABCD", "ABCD"), ("ABCD", "DCBA"), ("ABCD", "BACD"), ("ABCD", "DABC"), ("CADB", "BDCA")]
    cases = [(list(a), list(b)) for a, b in orders]

    def right(a, b):
        return sum(b.index(x) > b.index(y) for x, y in itertools.combinations(a, 2))

    agree(answer, cases, right, {
        "that counts the names in another place; count pairs.":
            lambda a, b: sum(x != y for x, y in zip(a, b, strict=True)),
        "each pair is counted twice.": lambda a, b: 2 * right(a, b),
        "those are the pairs that agree.": lambda a, b: math.comb(len(a), 2) - right(a, b),
        "that is a share; a number of pairs is wanted.": lambda a, b: right(a, b) / math.comb(len(a), 2),
    }, "{} and {}")
    return "Each of them is a crossing of two lines in the picture."


# ---------------------------------------------------------------- race


@exercise("area")
def area(answer):
    """area(errors) -> area under straight lines from 0.9 through the errors after each epoch, training as long as 1"""
    cases = [([0.9, 0.9],), ([0.5, 0.1],), ([0.4, 0.3, 0.2, 0.1],), ([0.2],)]

    def right(errors):
        points = [race.CHANCE, *errors]
        return sum((a + b) / 2 for a, b in itertools.pairwise(points)) / len(errors)

    agree(answer, cases, right, {
        "that is the mean of the errors after the epochs: the line begins at 0.9, before the first of them.":
            lambda errors: mean(errors),
        "the whole training is 1 long, whatever the number of epochs: divide by it.":
            lambda errors: right(errors) * len(errors),
        "that is the last error, not the area on the way to it.": lambda errors: errors[-1],
        "that adds steps, not trapezoids: between two points the line falls evenly.":
            lambda errors: mean([race.CHANCE, *errors][:-1]),
    }, "errors {}")
    return "A network that is ready at once has an area near its final error."


@exercise("interval")
def interval(answer):
    """interval(values) -> (low, high), in which the mean over all seeds lies in 95 % of such experiments"""
    from scipy import stats

    cases = [[0.03, 0.04, 0.05], [0.021, 0.019, 0.024, 0.030, 0.022], [1.0, 2.0]]

    def around(half):
        return lambda values: (mean(values) - half(values), mean(values) + half(values))

    def t(values):
        return stats.t.ppf(0.975, len(values) - 1)

    given = [call_for_numbers(("low", "high"), answer, list(case)) for case in cases]

    def fits(formula):
        return all(math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9) for pair, case in zip(given, cases, strict=True)
                   for a, b in zip(pair, formula(case), strict=True))

    if fits(around(lambda v: t(v) * stdev(v) / math.sqrt(len(v)))):
        return "With three seeds it is more than twice as wide as 1.96 standard errors would be."
    for told, half in {
        "1.96 is right for many seeds; with few take Student's t for one degree of freedom less than seeds.":
            lambda v: 1.96 * stdev(v) / math.sqrt(len(v)),
        "that is where further seeds are, not their mean: divide by the root of their number.":
            lambda v: t(v) * stdev(v),
        "half of 5 % lies on each side: the quantile is 0.975.":
            lambda v: stats.t.ppf(0.95, len(v) - 1) * stdev(v) / math.sqrt(len(v)),
        "the standard deviation of a sample divides by one less than the number of seeds.":
            lambda v: t(v) * math.sqrt(sum((x - mean(v)) ** 2 for x in v) / len(v)) / math.sqrt(len(v)),
        "the degrees of freedom are one less than the seeds.":
            lambda v: stats.t.ppf(0.975, len(v)) * stdev(v) / math.sqrt(len(v)),
    }.items():
        if fits(around(half)):
            raise Wrong(told)
    raise Wrong(f"for {cases[0]} it gives {given[0]}; it should be mean ± t · s / √n, here {mean(cases[0]):.3g} ± "
                f"{t(cases[0]):.3f} · {stdev(cases[0]):.3g} / √{len(cases[0])}.")


@exercise("resamples")
def resamples(answer):
    """ahead(a, b) -> share of all pairs of resamples in which the mean of a is smaller than that of b"""
    cases = [([1, 2, 6], [3, 4, 5]), ([1, 2, 3], [1, 2, 3]), ([1, 1, 4], [2, 2, 2]), ([1, 5], [3, 4, 9])]

    def share(a, b, before=lambda x, y: x < y, draws=lambda v: itertools.product(v, repeat=len(v))):
        pairs = [(sum(x) / len(x), sum(y) / len(y)) for x in draws(a) for y in draws(b)]
        return sum(before(x, y) for x, y in pairs) / len(pairs)

    agree(answer, cases, share, {
        "equal means are not ahead: smaller is wanted.": lambda a, b: share(a, b, lambda x, y: x <= y),
        "that is how often b is ahead.": lambda a, b: share(b, a),
        "draw with replacement: one seed may come twice, another not at all.":
            lambda a, b: share(a, b, draws=itertools.permutations),
        "those are pairs of single seeds; compare means of as many draws as there are seeds.":
            lambda a, b: share(a, b, draws=lambda v: [(x,) for x in v]),
        "that counts; a share is wanted.": lambda a, b: share(a, b) * len(a) ** len(a) * len(b) ** len(b),
    }, "a = {}, b = {}")
    return f"With three seeds there are {27 * 27} pairs of resamples, so all of them can be looked at."


# ---------------------------------------------------------------- choose


@exercise("pareto")
def pareto(answer):
    """pareto(costs) -> names of those that no other beats: as good in both numbers, and better in one"""
    cases = [(COSTS,), ({"A": (1, 1), "B": (2, 2)},), ({"A": (1, 2), "B": (2, 1), "C": (2, 2), "D": (1, 3)},)]

    def kept(costs, beats):
        return {a for a in costs if not any(beats(costs[b], costs[a]) for b in costs if b != a)}

    def better(x, y):
        return x[0] <= y[0] and x[1] <= y[1] and x != y

    def names(given):
        if not isinstance(given, (list, set, tuple)) or not all(isinstance(name, str) for name in given):
            raise Wrong(f"a set or a list of names is wanted, this is {given!r}.")
        return set(given)

    agree(answer, cases, lambda costs: kept(costs, better), {
        "two that are equal do not beat each other: both stay.":
            lambda costs: kept(costs, lambda x, y: x[0] <= y[0] and x[1] <= y[1]),
        "as good in one number and better in the other is enough to beat.":
            lambda costs: kept(costs, lambda x, y: x[0] < y[0] and x[1] < y[1]),
        "that is the best by the first number only.": lambda costs: {min(costs, key=lambda n: costs[n])},
        "those are the beaten ones.": lambda costs: set(costs) - kept(costs, better),
    }, "{}", names)
    return "Whoever wants another network than one of these has a further yardstick."


@exercise("enough-pictures")
def enough_pictures(answer):
    """enough(error, half) -> test pictures so that the 95 % interval of the error is at most ± half"""
    cases = [(0.02, 0.01), (0.5, 0.01), (0.04, 0.005), (0.1, 0.02)]

    def right(error, half, z=1.96, shape=lambda e: e * (1 - e)):
        return math.ceil(z**2 * shape(error) / half**2)

    agree(answer, cases, right, {
        "1.96 standard errors are wanted, not one.": lambda e, h: right(e, h, z=1),
        "the variance of a picture is e (1 - e), not e.": lambda e, h: right(e, h, shape=lambda e: e),
        "a half of the interval is given, not the whole.": lambda e, h: right(e, h / 2),
        "round up: one picture fewer is not enough.": lambda e, h: math.floor(1.96**2 * e * (1 - e) / h**2),
        "a number of pictures is whole: round up.": lambda e, h: 1.96**2 * e * (1 - e) / h**2,
    }, "error {}, ± {}")
    return "Twice as narrow takes four times as many pictures. And that is one network, without its seeds."


@exercise("combinations")
def combinations():
    """four changes, three seeds: runs with all combinations, runs one at a time, runs behind the mean of a change"""
    return Numbers(
        Part("all combinations", 3 * 2**4, {
            2**4: "each combination is trained with three seeds.",
            3 * 2 * 4: "two ways for each of four changes multiply: 2 · 2 · 2 · 2.",
            3 * 4: "that is each change alone; they can be combined.",
            3 * 4**2: "that is four to the power of two; it is two to the power of four.",
            (3 * 2) ** 4: "the seeds multiply once, not for each change.",
        }, "Each change is on or off: two ways, and again two for each further change. Then the seeds."),
        Part("one at a time", 3 * (1 + 4), {
            3 * 4: "without the network that has none of the changes there is nothing to compare with.",
            1 + 4: "each of them is trained with three seeds.",
            4: "the network without any change is missing, and the seeds.",
            3 * 4 + 1: "the network without any change needs its three seeds, too.",
        }, "The network without any change, and four with one each; then the seeds."),
        Part("with a change", 3 * 2**3, {
            3: "that is what it is one at a time; here the other changes are on or off beside it.",
            2**3: "that is the number of combinations; each has three seeds.",
            3 * 2**4: "half of all runs have the change, the other half have not.",
        }, "In half of all combinations the change is on."),
        why="All combinations cost three times as much. In return each mean rests on 24 runs, not on 3, and you see "
            "whether one change helps only beside another.")


# ---------------------------------------------------------------- map


@exercise("growth")
def growth(answer):
    """growth(first, last, years) -> factor a year, if it was the same every year"""
    cases = [(1.0, 8.0, 3), (341_000, 15_470_264_192, 16), (5.0, 5.0, 2)]
    agree(answer, cases, lambda a, b, years: (b / a) ** (1 / years), {
        "a factor multiplies year after year: take a root, do not divide.": lambda a, b, years: b / a / years,
        "that is how much was added a year.": lambda a, b, years: (b - a) / years,
        "that is the factor of all years together.": lambda a, b, years: b / a,
        "the last is divided by the first, not the other way round.": lambda a, b, years: (a / b) ** (1 / years),
    }, "from {} to {} in {} years")
    return "Equal factors are equal steps on a logarithmic axis."


@exercise("used-most")
def used_most():
    """which network of the list uses each of its weights most often on a picture of 224x224, in the mean"""
    members = ("vgg16", "googlenet", "resnet50", "densenet121")
    tables = {NAMES[member]: of(member, (1, 3, 224, 224), **OPTIONS[member]) for member in members}
    uses = {name: table.total_macs / table.total_params for name, table in tables.items()}
    least, most = min(uses, key=uses.get), max(uses, key=uses.get)
    return Choice(list(uses), most, {
        name: "that one uses them least: most of its weights are in dense layers, each used once." if name == least else
        f"each of its weights is used {uses[name]:.0f} times; one of the others has more MACs for each parameter."
        for name in uses if name != most
    }, why=f"{uses[most]:.0f} times each, {least} {uses[least]:.0f} times.")
