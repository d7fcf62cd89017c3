"""The programs of `faulty.py`, repaired: the same names in the same order.

Where the library has the block or network, the repair is to use it: its code is in `cnnlib/models/residual.py` and
`cnnlib/models/resnet.py`.
"""

from torch import nn

from ...models import BasicBlock, Bottleneck, ResNet


def Block(cin, cout, stride=1):
    return BasicBlock(cin, cout, stride)        # no bias before a BatchNorm


def stage(blocks, cin=256, cout=512, stride=2):
    layers = nn.Sequential(BasicBlock(cin, cout, stride))
    for _ in range(blocks - 1):
        layers.append(BasicBlock(cout, cout))       # numbered 0, 1, 2, ... by nn.Sequential
    return layers


def ResNet34(num_classes=10):
    return ResNet(34, num_classes)      # averages its last maps, then 512 inputs a class


def resnet101(num_classes=3):
    return ResNet(101, num_classes)


def Strided(cin, cout, stride=1):
    return Bottleneck(cin, cout // 4, stride, stride_in="3x3")      # one stride on either way


def as_published(num_classes=1000):
    return ResNet(50, num_classes, variant="paper")     # stride in the first 1x1, as in 2015
