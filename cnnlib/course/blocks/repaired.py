"""The programs of `faulty.py`, repaired: the same names in the same order.

Where the library has the block, the repair is to use it: see `cnnlib/models/`.
"""

from ... import models


def separable(maps, new_maps):
    return models.SeparableConv2d(maps, new_maps)               # groups=maps in its first layer


def InvertedResidual(maps, expansion=6):
    return models.InvertedResidual(maps, maps, expansion=expansion)     # nothing after the last BatchNorm


def SqueezeExcite(channels, reduction):
    return models.SqueezeExcite(channels, reduction)            # gates of shape (N, C, 1, 1)


def context(maps=16, rates=(1, 2, 4)):
    return models.DilatedStack(maps, rates)                     # padding = rate
