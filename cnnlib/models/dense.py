"""The parts of a DenseNet: a layer that sees all maps made before it, a block of such layers, and a transition.

Sources: Huang, Liu, van der Maaten, Weinberger 2017, section 3; for `memory_efficient` Pleiss et al. 2017, done with
`recompute.py`.
"""

import torch
from torch import nn
from torch.nn import functional as F

from ..checks import at_least
from .recompute import Statistics, recomputed


class DenseLayer(nn.Module):
    """BatchNorm, ReLU, convolution; with a bottleneck first a 1x1 of these to `bn_size` x k maps.

    A list of maps with c channels in all, (N, ., H, W) each -> k new maps (N, growth_rate, H, W).

    Args:
        in_channels: c.
        growth_rate: k.
        bottleneck: the B of DenseNet-B.
        bn_size: width of the bottleneck in units of k, 4 in the paper.
        dropout: share of the new maps' values set to zero in training.
    """

    def __init__(self, in_channels, growth_rate, bottleneck=True, bn_size=4, dropout=0.0):
        super().__init__()
        at_least("in_channels", in_channels, 1)
        width = at_least("bn_size", bn_size, 1) * at_least("growth_rate", growth_rate, 1)
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU(inplace=True)
        if bottleneck:
            self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
            self.norm2 = nn.BatchNorm2d(width)
            self.relu2 = nn.ReLU(inplace=True)
            self.conv2 = nn.Conv2d(width, growth_rate, 3, padding=1, bias=False)
        else:
            self.conv1 = nn.Conv2d(in_channels, growth_rate, 3, padding=1, bias=False)
        self.bottleneck, self.dropout = bottleneck, dropout

    def forward(self, *maps, statistics=None, partly=False):
        """With `statistics` only `maps` is kept for the backward pass; partly: and the bottleneck's 4k maps."""
        if statistics is None:
            return self.grow(self.join(*maps))
        norm, random = lambda x: statistics.normalise(self.norm1, x), self.dropout > 0
        if partly and self.bottleneck:
            x = recomputed(self.join, *maps, again=lambda *maps: self.join(*maps, norm=norm), module=self)
            return recomputed(self.grow, x, random=random, module=self)
        return recomputed(lambda *maps: self.grow(self.join(*maps)), *maps, random=random, module=self,
                          again=lambda *maps: self.grow(self.join(*maps, norm=norm)))

    def join(self, *maps, norm=None):
        x = torch.cat(maps, 1)                                      # (N, c, H, W), old maps first
        return self.conv1(self.relu1((norm or self.norm1)(x)))      # (N, 4k, H, W), without bottleneck k

    def grow(self, x):
        if self.bottleneck:
            x = self.conv2(self.relu2(self.norm2(x)))               # (N, k, H, W)
        return F.dropout(x, self.dropout, self.training) if self.dropout else x


class DenseBlock(nn.ModuleDict):
    """`layers` dense layers: (N, c, H, W) -> (N, c + layers x k, H, W).

    Args:
        layers: how many; layer l sees c + (l - 1) k channels.
        in_channels: c.
        memory_efficient: keep for the backward pass only the maps themselves, O(layers), and not what each layer
            made of them all, O(layers^2), at the cost of a second forward pass. With "partly" also what comes out of
            the 1x1 convolutions, so that no convolution is computed twice. A compiler decides by itself what to keep.
        growth_rate, options: see DenseLayer.
    """

    def __init__(self, layers, in_channels, growth_rate, memory_efficient=False, **options):
        super().__init__()
        self.memory_efficient = memory_efficient
        for i in range(at_least("layers", layers, 1)):
            self[f"denselayer{i + 1}"] = DenseLayer(in_channels + i * growth_rate, growth_rate, **options)

    def forward(self, x):
        maps, mode = [x], {}
        if self.memory_efficient and torch.is_grad_enabled() and not torch.compiler.is_compiling():
            mode = {"statistics": Statistics(), "partly": self.memory_efficient == "partly"}
        for layer in self.values():
            maps.append(layer(*maps, **mode))
        return torch.cat(maps, 1)


class Transition(nn.Sequential):
    """Between blocks: a 1x1 convolution to fewer maps and a mean of 2x2.

    (N, in_channels, H, W) -> (N, out_channels, H/2, W/2).
    """

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.pool = nn.AvgPool2d(2)


MODELS = {}                                         # the networks of these blocks: `densenet.py`
