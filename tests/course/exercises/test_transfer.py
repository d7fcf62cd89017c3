"""The right answers of the exercises on transfer, found in another way."""

from itertools import product

import numpy as np

from cnnlib.course.exercises import judge


def by_enumeration(first, second):
    """All ways in which the pictures that decide could have fallen; how many are at least as unequal."""
    decide = (first != second).sum().item()
    seen = abs((first & ~second).sum().item() - (second & ~first).sum().item())
    falls = np.array(list(product((-1, 1), repeat=decide)), dtype=int).reshape(2**decide, decide).sum(1)
    return float((abs(falls) >= seen).mean())


def by_roots(right, total):
    """The shares p from which right / total is 1.96 deviations away: the roots of a quadratic."""
    p, more = right / total, 1.96**2 / total
    return tuple(sorted(np.roots([1 + more, -2 * p - more, p**2]).real))


def test_mcnemar_by_enumeration():
    assert judge("transfer/paired", by_enumeration).status == "correct"


def test_wilson_by_roots():
    assert judge("transfer/interval", by_roots).status == "correct"


def test_enough_pictures_by_trying():
    n = np.arange(1, 20_000)
    half = 1.96 * (0.9 * 0.1 / n) ** 0.5
    found = tuple(int(n[half <= bound][0]) for bound in (0.01, 0.005))
    assert judge("transfer/enough-pictures", found).status == "correct"
