"""The faulty programs of the DenseNet chapter, each re-created by us, as short as possible.

`repaired.py` holds the same names in the same order: compare the two files to see every repair.
"""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from ... import models


class DenseBlock(nn.Module):
    def __init__(self, layers, channels, growth_rate):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv2d(channels, growth_rate, 3, padding=1) for _ in range(layers)
        )

    def forward(self, x):
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return x


class GrowingDenseNet(nn.Module):
    growth_rate = 32

    def __init__(self, blocks=(6, 12, 24, 16), channels=64):
        super().__init__()
        self.blocks = nn.ModuleList()
        for layers in blocks:
            self.blocks.append(models.DenseBlock(layers, channels, self.growth_rate))
            channels = (channels + layers * self.growth_rate) // 2
            type(self).growth_rate *= 2


def head(channels, num_classes=10):
    return nn.Sequential(nn.AvgPool2d(7), nn.Flatten(), nn.Linear(20, num_classes))


class DenseLayer(nn.Module):
    def __init__(self, channels, growth_rate=32):
        super().__init__()
        self.reduce = nn.Conv2d(channels, 4 * growth_rate, 1, padding=1)
        self.grow = nn.Conv2d(4 * growth_rate, growth_rate, 3)

    def forward(self, x):
        return self.grow(self.reduce(x))


def stack(layers):
    return nn.Sequential(list(layers))


def unit(cin, cout, kernel):
    conv = nn.Conv2d(cin, cout, kernel, padding=kernel // 2)
    return nn.Sequential(nn.BatchNorm2d(cin), nn.ReLU(), conv)


class Block(nn.Module):
    def __init__(self, layers, channels, k=32):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(unit(channels + i * k, 4 * k, 1), unit(4 * k, k, 3)) for i in range(layers)
        )

    def forward(self, x):
        for layer in self.layers:
            x = torch.cat([x, layer(x)], 1)
        return x


class Dense(nn.Linear):
    """A dense layer as TensorFlow has it: on the last axis, where the channels are."""

    def forward(self, x):
        return super().forward(x.movedim(1, -1))


def densenet121(num_classes=3):
    layers, maps = [nn.Conv2d(3, 32, 5, stride=2, padding=2), nn.MaxPool2d(3, 2, 1)], 32
    for count in (6, 12, 24, 16):
        layers.append(Block(count, maps))
        maps += 32 * count
        if count != 16:
            layers += [nn.BatchNorm2d(maps), nn.Conv2d(maps, 64, 1), nn.AvgPool2d(2)]
            maps = 64
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), Dense(maps, num_classes))


class FromTheFile(models.DenseBlock):
    def forward(self, x):
        for layer in self.values():
            x = torch.cat([layer(x), x], 1)
        return x


def stem(growth_rate=32):
    return nn.Sequential(
        nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),
        nn.BatchNorm2d(2 * growth_rate), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
    )


def lean(layer, x):
    return checkpoint(layer, x, use_reentrant=False)
