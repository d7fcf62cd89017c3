"""Wrong answers to the exercises on transfer: (exercise, answer, what it is told)."""

import math

import torch
from scipy.stats import binomtest

from cnnlib.data import split_per_class
from cnnlib.training.evaluation import wilson


def of_all_together(labels, fraction, seed):
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    count = int(len(labels) * fraction)
    return order[count:], order[:count]


def first_of_each_class(labels, fraction, seed):
    members = [(labels == label).nonzero().flatten() for label in labels.unique()]
    test = torch.cat([each[: int(len(each) * fraction)] for each in members])
    return torch.tensor([i for i in range(len(labels)) if i not in set(test.tolist())]), test


def without_the_seed(labels, fraction, seed):
    return split_per_class(labels, fraction, int(torch.randint(10**6, ())))


def everything_for_training(labels, fraction, seed):
    return torch.arange(len(labels)), split_per_class(labels, fraction, seed)[1]


def by_sum(train, test):
    return torch.isin(test.flatten(1).sum(1), train.flatten(1).sum(1))


def nearly_the_same(train, test):
    return (torch.cdist(test.flatten(1).float(), train.flatten(1).float()) < 2).any(1)


def the_training_ones(train, test):
    return (torch.cdist(train.flatten(1).double(), test.flatten(1).double()) == 0).any(1)


def counted(row, column):
    """A function that counts with `matrix[row, column]`, both made of (label, answer)."""
    def confusion(labels, answers, classes):
        matrix = torch.zeros(classes, classes)
        for pair in zip(labels, answers, strict=True):
            matrix[pair[row], pair[column]] += 1
        return matrix
    return confusion


def counted_once(labels, answers, classes):
    matrix = torch.zeros(classes, classes)
    matrix[labels, answers] += 1
    return matrix


def normal(right, total):
    p, half = right / total, 1.96 * math.sqrt(right / total * (1 - right / total) / total)
    return p - half, p + half


def one_sided(first, second):
    only_first, only_second = (first & ~second).sum().item(), (second & ~first).sum().item()
    return binomtest(min(only_first, only_second), only_first + only_second, alternative="less").pvalue


def of_all_pictures(first, second):
    return binomtest((first & ~second).sum().item(), len(first)).pvalue


def exactly_this(first, second):
    only_first, only_second = (first & ~second).sum().item(), (second & ~first).sum().item()
    return math.comb(only_first + only_second, only_first) / 2 ** (only_first + only_second)


MUTANTS = [
    ("split-counts", (59, 349), "training comes first"),
    ("split-counts", (347, 61), "take them of each class"),
    ("split-counts", (346, 62), "round down"),
    ("split-counts", (350, 58), "training: 350 is too many"),
    ("stratified", of_all_together, "a tenth of each"),
    ("stratified", first_of_each_class, "every seed gives the same split"),
    ("stratified", without_the_seed, "the same seed gives another split"),
    ("stratified", everything_for_training, "are there twice"),
    ("stratified", lambda labels, fraction, seed: split_per_class(labels, fraction, seed)[::-1], "(train, test)"),
    ("stratified", lambda labels, fraction, seed: split_per_class(labels, fraction, seed)[1], "two things are wanted"),
    ("always-one", (89, 24), "each class counts the same"),
    ("always-one", (73, 20), "if all classes had as many"),
    ("always-one", (898, 20), "that is the whole data set"),
    ("leaked", by_sum, "compare the pixels, not their sum"),
    ("leaked", nearly_the_same, "differs in one pixel"),
    ("leaked", the_training_ones, "one for each training picture"),
    ("leaked", lambda train, test: torch.zeros(len(test), dtype=torch.bool), "3 of 8"),
    ("leaked", lambda train, test: 3, "8 values are wanted"),
    ("confusion", counted(1, 0), "rows and columns are exchanged"),
    ("confusion", counted_once, "adds only once"),
    ("confusion", lambda labels, answers, n: torch.nn.functional.normalize(counted(0, 1)(labels, answers, n), 1, 1),
     "shares of the row"),
    ("confusion", lambda labels, answers, n: counted(0, 1)(labels, answers, 4), "(5, 5) is wanted"),
    ("two-readings", (50, 75), "wrong order"),
    ("two-readings", (67, 67), "the accuracy over all classes"),
    ("two-readings", (45, 45), "numbers of pictures"),
    ("printed-loss", (18, 4304), "the last batch counts"),
    ("printed-loss", (19, 4810), "smaller than the printed one"),
    ("printed-loss", (19, 4557), "that is the printed loss"),
    ("interval", normal, "no width at all"),
    ("interval", lambda right, total: tuple(100 * end for end in wilson(right, total)), "not percent"),
    ("interval", lambda right, total: right / total, "two numbers are wanted"),
    ("interval", lambda right, total: (0.0, 1.0), "328 of 364 gives 0.0000 to 1.0000"),
    ("paired", one_sided, "that is one-sided"),
    ("paired", of_all_pictures, "are to be left out"),
    ("paired", exactly_this, "exactly this result"),
    ("paired", lambda first, second: 0.5, "not the exact p-value"),
    ("enough-pictures", (3457, 13829), "round up"),
    ("enough-pictures", (3458, 6916), "under a root"),
    ("enough-pictures", (865, 3458), "the whole width"),
    ("enough-pictures", (13830, 3458), "wrong order"),
]
