"""The programs of `faulty.py`, repaired: the same names in the same order."""

from statistics import mean

import torch
from torch.nn import functional as F


def train_and_report(model, optimizer, train, test):
    def accuracy(batches):
        right = sum((model(x).argmax(1) == y).sum().item() for x, y in batches)
        return right / sum(len(y) for _, y in batches)

    model.train()
    for x, y in train:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():                       # both of one and the same network, as it is in use
        return accuracy(train), accuracy(test)


def leaderboard(curves):
    def score(name):
        return mean(errors[-1] for errors in curves[name])

    return sorted(curves, key=score)
