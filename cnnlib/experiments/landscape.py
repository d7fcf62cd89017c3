"""The loss around the weights of a trained network, along random directions (Li et al., 2018, section 4).

What stands before a BatchNorm may be doubled, and the network computes the same; a step of one length is then half as
long for it. So a direction has, filter by filter, the length of the network's own: then slices of two networks compare.
"""

from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from ..models.recompute import unchanged_averages
from ..training import outputs
from ..training.evaluation import evaluating

STEPS = tuple(round(0.1 * i - 1, 1) for i in range(21))        # shares of a direction, 0 in the middle


def direction(model, seed):
    """A random direction in the space of the weights: {name: tensor}, for every convolution and linear layer.

    Normal numbers; each filter (all weights of one output) gets the Euclidean length of the network's own. Biases and
    the parameters of BatchNorm have no part in it.
    """
    generator = torch.Generator().manual_seed(seed)
    return {f"{name}.weight": scaled(torch.randn(module.weight.shape, generator=generator), module.weight.detach())
            for name, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)}


def scaled(drawn, weight):
    """`drawn`, each of its filters with the length of that of `weight`; both (outputs, ...)."""
    longer = weight.flatten(1).norm(dim=1) / drawn.flatten(1).norm(dim=1)
    return drawn * longer.reshape(-1, *[1] * (drawn.dim() - 1))


@contextmanager
def moved(model, share, way):
    """Within the block the weights of `model` lie further along a direction, by `share` of it."""
    parameters = dict(model.named_parameters())
    before = {name: parameters[name].detach().clone() for name in way}
    try:
        with torch.no_grad():
            for name, each in way.items():
                parameters[name] += share * each
        yield model
    finally:
        with torch.no_grad():
            for name, each in before.items():
                parameters[name].copy_(each)


def loss(model, images, labels):
    """Mean cross-entropy as a step of training has it: BatchNorm takes its statistics from these pictures. The model's
    averages and modes stay as they were.

    Args:
        images: float32 (N, C, H, W). labels: int64 (N,).
    """
    with evaluating(model), unchanged_averages(model), torch.no_grad():
        model.train()                                   # `evaluating` gives every module its mode back
        return F.cross_entropy(outputs(model(images))[0], labels).item()


def along(model, images, labels, way, steps=STEPS):
    """The loss at each share of a direction: a list."""
    found = []
    for share in steps:
        with moved(model, share, way):
            found.append(loss(model, images, labels))
    return found


def plane(model, images, labels, first, second, steps=STEPS):
    """The loss at each pair of shares of two directions: a list of lists, the second direction within."""
    found = []
    for share in steps:
        with moved(model, share, first):
            found.append(along(model, images, labels, second, steps))
    return found


def is_valley(losses, dip=0.01):
    """Does the loss rise on both sides all the way from the middle of a slice? A dip of less than `dip` is none."""
    middle = len(losses) // 2
    return all(after > before - dip for side in (losses[middle:], losses[middle::-1])
               for before, after in pairwise(side))
