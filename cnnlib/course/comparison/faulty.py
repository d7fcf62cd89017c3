"""The faulty programs of the comparison chapter, each re-created by us, as short as possible.

`repaired.py` holds the same names in the same order: compare the two files to see every repair.
"""

import torch
from torch.nn import functional as F


def train_and_report(model, optimizer, train, test):
    def correct(x, y):
        return (model(x).argmax(1) == y).sum().item()

    model.train()
    right = 0
    for x, y in train:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        right += correct(x, y)
    model.eval()
    with torch.no_grad():
        test_right = sum(correct(x, y) for x, y in test)
    return right / sum(len(y) for _, y in train), test_right / sum(len(y) for _, y in test)


def leaderboard(curves):
    def score(name):
        return min(min(errors) for errors in curves[name])

    return sorted(curves, key=score)
