"""The programs of `faulty.py`, repaired: the same names in the same order.

Where the library has the block or network, the repair is to use it: its code is in `cnnlib/models/densenet.py`.
"""

from torch import nn

from ... import models
from ...models.recompute import recomputed


def DenseBlock(layers, channels, growth_rate):
    return models.DenseBlock(layers, channels, growth_rate)     # layer i reads channels + i * growth_rate maps


def GrowingDenseNet(blocks=(6, 12, 24, 16), channels=64):
    return models.DenseNet(blocks, growth_rate=32, stem_channels=channels)


def head(channels, num_classes=10):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))


def DenseLayer(channels, growth_rate=32):
    return models.DenseLayer(channels, growth_rate)     # twice BatchNorm, ReLU, convolution; only the 3x3 is padded


def stack(layers):
    return nn.Sequential(*layers)


def densenet121(num_classes=3):
    return models.create_model("densenet121", num_classes=num_classes)


class FromTheFile(models.DenseBlock):
    pass        # old maps first, as the weights of the file were trained


def stem(growth_rate=32):
    return nn.Sequential(
        nn.Conv2d(3, 2 * growth_rate, 7, stride=2, padding=3, bias=False),
        nn.BatchNorm2d(2 * growth_rate), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
    )


def lean(layer, x):
    return recomputed(layer, x, module=layer)   # in the second run BatchNorm's momentum is 0, and nothing is counted
