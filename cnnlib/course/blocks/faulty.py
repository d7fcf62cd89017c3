"""The faulty programs of the chapter on building blocks, each written by us, as short as possible.

`repaired.py` holds the same names in the same order: compare the two files to see every repair.
"""

import torch
from torch import nn


def separable(maps, new_maps):
    return nn.Sequential(
        nn.Conv2d(maps, maps, 3, padding=1, bias=False),        # filter every map
        nn.Conv2d(maps, new_maps, 1, bias=False),               # mix the maps
    )


class InvertedResidual(nn.Module):
    def __init__(self, maps, expansion=6):
        super().__init__()
        wide = expansion * maps
        self.branch = nn.Sequential(
            nn.Conv2d(maps, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6(),
            nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.ReLU6(),
            nn.Conv2d(wide, maps, 1, bias=False), nn.BatchNorm2d(maps), nn.ReLU6(),
        )

    def forward(self, x):
        return x + self.branch(x)


class SqueezeExcite(nn.Module):
    def __init__(self, channels, reduction):
        super().__init__()
        self.down = nn.Linear(channels, channels // reduction)
        self.up = nn.Linear(channels // reduction, channels)

    def forward(self, x):
        squeezed = x.mean((2, 3))                               # (N, C)
        gate = torch.sigmoid(self.up(torch.relu(self.down(squeezed))))
        return x * gate[:, None, None]


def context(maps=16, rates=(1, 2, 4)):
    layers = []
    for rate in rates:
        layers += [nn.Conv2d(maps, maps, 3, padding=1, dilation=rate, bias=False), nn.BatchNorm2d(maps), nn.ReLU()]
    return nn.Sequential(*layers)
