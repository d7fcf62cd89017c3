"""Blocks of networks after DenseNet, from the parts of this book: for the cards of the page *Where blocks went*.

Every block here takes (N, C, H, W) to (N, C, H, W). They show how paths run and what they cost; starts and rates of the
published networks are left out.

Sources:
    Vaswani et al., "Attention is all you need", NIPS 2017; Xiong et al., ICML 2020: normalisation in the branch.
    Huang, Sun, Liu, Sedra, Weinberger, "Deep networks with stochastic depth", ECCV 2016: section 3.
    Liu, Mao, Wu, Feichtenhofer, Darrell, Xie, "A ConvNet for the 2020s", CVPR 2022: figure 4.
    Tan, Le, "EfficientNet", ICML 2019: section 3.3 (scaling), table 1 (its blocks).
    Ronneberger, Fischer, Brox, "U-Net", MICCAI 2015: figure 1.
    Wang et al., "CSPNet", CVPR Workshops 2020: figure 2b.
"""

import torch
from torch import nn

from ..checks import at_least, below_one
from ..models.blocks import Skip
from ..models.mobilenet import ConvNormActivation, InvertedResidual
from ..models.residual import BasicBlock, conv3x3
from ..models.senet import SqueezeExcite


class LayerNorm2d(nn.LayerNorm):
    """Normalise the channels of every place by themselves: no picture and no place knows of another."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)       # (N, H, W, C) and back


class DropPath(nn.Module):
    """In training, leave a branch out for a share `rate` of the pictures, and make up for it on the others."""

    def __init__(self, rate):
        super().__init__()
        self.rate = below_one("rate", rate)

    def forward(self, x):
        if not self.training or not self.rate:
            return x
        kept = torch.rand(len(x), 1, 1, 1, device=x.device) >= self.rate        # (N, 1, 1, 1), a draw a picture
        return x * kept / (1 - self.rate)


class LayerScale(nn.Module):
    """A factor for each channel, small at the start."""

    def __init__(self, channels, start=1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels, 1, 1), start))

    def forward(self, x):
        return x * self.weight


class Attention(nn.Module):
    """Every place asks all places: three 1x1 convolutions, two products of matrices, and a softmax. One head."""

    def __init__(self, channels):
        super().__init__()
        self.query, self.key, self.value = (nn.Conv2d(channels, channels, 1) for _ in range(3))
        self.softmax = nn.Softmax(-1)
        self.project = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        query, key, value = (part(x).flatten(2) for part in (self.query, self.key, self.value))     # (N, C, HW) each
        weights = self.softmax((query.transpose(1, 2) @ key) * x.shape[1] ** -0.5)      # (N, HW, HW), rows sum to 1
        mixed = value @ weights.transpose(1, 2)                                         # (N, C, HW)
        return self.project(mixed.unflatten(2, x.shape[2:]))                            # (N, C, H, W)


def transformer(channels, expansion=4):
    """Two branches on one stream: attention over places, then a network of two 1x1 at every place by itself."""
    wide = channels * at_least("expansion", expansion, 1)
    return nn.Sequential(
        Skip(nn.Sequential(LayerNorm2d(channels), Attention(channels))),
        Skip(nn.Sequential(LayerNorm2d(channels), nn.Conv2d(channels, wide, 1), nn.GELU(),
                           nn.Conv2d(wide, channels, 1))))


def preactivation(channels):
    """The residual block of 2016: what is added is never touched again."""
    return BasicBlock(channels, channels, preactivation=True)


def drop_path(channels, rate=0.1):
    """Pre-activation, and a branch that misses a tenth of the training pictures."""
    return Skip(nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(), conv3x3(channels, channels),
                              nn.BatchNorm2d(channels), nn.ReLU(), conv3x3(channels, channels), DropPath(rate)))


def convnext(channels, expansion=4):
    """One filter of 7x7 a map, then wide and narrow at every place: an inverted residual with its filter first."""
    wide = channels * at_least("expansion", expansion, 1)
    return Skip(nn.Sequential(
        nn.Conv2d(channels, channels, 7, padding=3, groups=channels), LayerNorm2d(channels, eps=1e-6),
        nn.Conv2d(channels, wide, 1), nn.GELU(), nn.Conv2d(wide, channels, 1), LayerScale(channels)))


def mbconv(channels, expansion=6):
    """EfficientNet's: MobileNetV2's inverted residual with SiLU, and gates whose hidden layer is a quarter of the
    block's narrow end."""
    block = InvertedResidual(channels, channels, 1, expansion)
    widen, spatial, narrow, norm = block.conv if expansion > 1 else (nn.Identity(), *block.conv)
    gates = SqueezeExcite(channels * expansion, 4 * expansion)
    gates.relu = nn.SiLU()
    for part in (widen, spatial):
        if isinstance(part, ConvNormActivation):
            part[2] = nn.SiLU()
    block.conv = nn.Sequential(widen, spatial, gates, narrow, norm)
    return block


class UNetStep(nn.Module):
    """One step of the U: down, through what lies deeper, up again, and the fine maps from before beside the result."""

    def __init__(self, channels):
        super().__init__()
        self.down = nn.Sequential(nn.MaxPool2d(2), conv3x3(channels, 2 * channels), nn.ReLU())
        self.up = nn.ConvTranspose2d(2 * channels, channels, 2, stride=2)
        self.join = nn.Sequential(conv3x3(2 * channels, channels), nn.ReLU())

    def forward(self, x):
        if x.shape[2] % 2 or x.shape[3] % 2:
            raise ValueError(f"maps are {x.shape[2]}×{x.shape[3]}, allowed: even sizes, which halve and double again.")
        deep = self.up(self.down(x))                        # (N, 2C, H/2, W/2), then (N, C, H, W)
        return self.join(torch.cat([x, deep], 1))           # (N, 2C, H, W), then (N, C, H, W)


class CrossStagePartial(nn.Module):
    """Half of the maps go through a block, the other half go round it; they meet in a 1x1."""

    def __init__(self, channels):
        super().__init__()
        if at_least("channels", channels, 2) % 2:
            raise ValueError(f"channels is {channels}, allowed: even numbers, which halve.")
        self.block = BasicBlock(channels // 2, channels // 2)
        self.join = ConvNormActivation(channels, channels, 1)

    def forward(self, x):
        around, through = x.chunk(2, 1)                     # (N, C/2, H, W) each
        return self.join(torch.cat([around, self.block(through)], 1))


BLOCKS = {
    "preactivation": preactivation,
    "transformer": transformer,
    "drop_path": drop_path,
    "convnext": convnext,
    "mbconv": mbconv,
    "unet": UNetStep,
    "csp": CrossStagePartial,
}
