"""Wrong answers to the exercises on the comparison: (exercise, answer, what it is told)."""

import itertools
import math
from statistics import mean, pstdev, stdev

from scipy import stats


def around(half):
    return lambda values: (mean(values) - half(values), mean(values) + half(values))


def t(values, q=0.975):
    return stats.t.ppf(q, len(values) - 1)


def by_trapezoids(errors):
    return sum((a + b) / 2 for a, b in itertools.pairwise([0.9, *errors]))


def singles(a, b):
    return sum(x < y for x in a for y in b) / (len(a) * len(b))


def share(a, b, draws, before=lambda x, y: x < y):
    pairs = [(sum(x) / len(x), sum(y) / len(y)) for x in draws(a) for y in draws(b)]
    return sum(before(x, y) for x, y in pairs) / len(pairs)


def product(values):
    return itertools.product(values, repeat=len(values))


def kept(costs, beats):
    return {a for a in costs if not any(beats(costs[b], costs[a]) for b in costs if b != a)}


MUTANTS = [
    ("training-bytes", lambda w, kept, n, s: (2 + s) * w + n * kept, "four bytes"),
    ("training-bytes", lambda w, kept, n, s: 4 * (1 + s) * w + n * kept, "gradients need as much"),
    ("training-bytes", lambda w, kept, n, s: n * (4 * (2 + s) * w + kept), "there once"),
    ("training-bytes", lambda w, kept, n, s: 4 * (2 + s) * w + kept, "each picture of the batch is kept"),
    ("training-bytes", lambda w, kept, n, s: 8 * w + n * kept, "beside weights and gradients"),
    ("training-bytes", lambda w, kept, n, s: w, "180 is right. Follow this case"),
    ("where-they-cross", 10, "weights alone"),
    ("where-they-cross", 19, "Adam keeps two more numbers a weight"),
    ("where-they-cross", 28, "SGD with momentum"),
    ("where-they-cross", 36, "VGG still needs more"),
    ("where-they-cross", 100, "100 is too large. VGG has more parameters"),
    ("disagreements", lambda a, b: sum(x != y for x, y in zip(a, b, strict=True)), "count pairs"),
    ("disagreements", lambda a, b: 6, "0 is right. Follow this case"),
    ("disagreements", lambda a, b: sum(b.index(x) < b.index(y) for x, y in itertools.combinations(a, 2)), "that agree"),
    ("disagreements", lambda a, b: sum((a.index(x) < a.index(y)) != (b.index(x) < b.index(y)) for x in a for y in a),
     "counted twice"),
    ("area", mean, "the line begins at 0.9"),
    ("area", by_trapezoids, "divide by it"),
    ("area", lambda errors: errors[-1], "the last error"),
    ("area", lambda errors: mean([0.9, *errors][:-1]), "not trapezoids"),
    ("interval", around(lambda v: 1.96 * stdev(v) / math.sqrt(len(v))), "1.96 is right for many seeds"),
    ("interval", around(lambda v: t(v) * stdev(v)), "where further seeds are"),
    ("interval", around(lambda v: t(v, 0.95) * stdev(v) / math.sqrt(len(v))), "the quantile is 0.975"),
    ("interval", around(lambda v: t(v) * pstdev(v) / math.sqrt(len(v))), "one less than the number of seeds"),
    ("interval", around(lambda v: stats.t.ppf(0.975, len(v)) * stdev(v) / math.sqrt(len(v))), "degrees of freedom"),
    ("interval", mean, "2 numbers are wanted (low, high), this is 0.04"),
    ("interval", around(lambda v: 1.0), "it should be mean ± t"),
    ("resamples", lambda a, b: share(a, b, product, lambda x, y: x <= y), "equal means are not ahead"),
    ("resamples", lambda a, b: share(b, a, product), "how often b is ahead"),
    ("resamples", lambda a, b: share(a, b, itertools.permutations), "with replacement"),
    ("resamples", singles, "single seeds"),
    ("resamples", lambda a, b: share(a, b, product) * len(a) ** len(a) * len(b) ** len(b), "a share is wanted"),
    ("pareto", lambda c: kept(c, lambda x, y: x[0] <= y[0] and x[1] <= y[1]), "both stay"),
    ("pareto", lambda c: kept(c, lambda x, y: x[0] < y[0] and x[1] < y[1]), "enough to beat"),
    ("pareto", lambda c: [min(c, key=lambda n: c[n])], "the first number only"),
    ("pareto", lambda c: set(c) - kept(c, lambda x, y: x[0] <= y[0] and x[1] <= y[1] and x != y), "the beaten ones"),
    ("pareto", lambda c: "A", "a set or a list of names"),
    ("combinations", (16, 15, 24), "three seeds"),
    ("combinations", (24, 15, 24), "multiply"),
    ("combinations", (48, 12, 24), "nothing to compare with"),
    ("combinations", (48, 15, 3), "on or off beside it"),
    ("combinations", (48, 15, 48), "half of all runs"),
    ("combinations", (50, 15, 24), "too large"),
    ("enough-pictures", lambda e, h: math.ceil(e * (1 - e) / h**2), "not one"),
    ("enough-pictures", lambda e, h: math.ceil(1.96**2 * e / h**2), "not e."),
    ("enough-pictures", lambda e, h: math.ceil(4 * 1.96**2 * e * (1 - e) / h**2), "not the whole"),
    ("enough-pictures", lambda e, h: 1.96**2 * e * (1 - e) / h**2, "round up"),
    ("enough-pictures", lambda e, h: math.floor(1.96**2 * e * (1 - e) / h**2), "one picture fewer"),
    ("growth", lambda a, b, years: b / a / years, "take a root"),
    ("growth", lambda a, b, years: (b - a) / years, "added a year"),
    ("growth", lambda a, b, years: b / a, "all years together"),
    ("growth", lambda a, b, years: (a / b) ** (1 / years), "the other way round"),
    ("used-most", "VGG-16", "each used once"),
    ("used-most", "GoogLeNet", "one of the others has more MACs for each"),
    ("used-most", "ResNet-50", "one of the others has more MACs for each"),
    ("used-most", "AlexNet", "one of VGG-16, GoogLeNet"),
    ("used-most", "vgg", "one of VGG-16, GoogLeNet, ResNet-50, DenseNet-121 is wanted"),
]
