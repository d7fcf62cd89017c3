"""The faulty programs of the Inception chapter, each re-created by us, as short as possible.

`repaired.py` holds the same names in the same order: compare the two files to see every repair.
"""

from torch import nn

from ...models import Inception


def stem(side):
    # a 7x7 with stride 2 and padding 3 to 64 maps, then a 3x3 pooling
    # with stride 2 and padding 1
    weights = (7 + 7) * 64 * 3          # a 7x7 is a 7x1 and a 1x7
    after_convolution = (side + 2 * 3 - 7 + 1) / 2
    after_pooling = (after_convolution + 2 * 1 - 3 + 1) / 2
    return weights, after_convolution, after_pooling


def flat_features():
    # 64 maps, 3x3 kernels, as large as the picture; then one long vector
    return nn.Sequential(nn.Conv2d(3, 64, 3, 3, padding=1), nn.ReLU(), nn.Flatten())


def module_3a():
    return Inception(
        192, ch1x1=64, ch3x3red=96, ch3x3=128, ch5x5red=32, ch5x5=32,
        pool_proj=32, kernel_size=3,
    )


def size_of(network):
    # what a list of networks says about each
    return sum(p.numel() for p in network.parameters())
