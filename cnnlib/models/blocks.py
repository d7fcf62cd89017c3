"""A gallery of building blocks: ways from maps to maps, and what each saves, or buys, beside one 3x3 convolution.

Every block here takes (N, in_channels, H, W) to (N, out_channels, H, W), with a `stride` to (N, out_channels, H/stride,
W/stride). Most live with the network that made them known; those that belong to no network of this library are here.

    >>> from cnnlib.models.blocks import create_block, list_blocks
    >>> create_block("inverted_residual", 24, 24, expansion=6)
"""

import inspect

import torch
from torch import nn

from ..checks import at_least, odd, one_of, whole_numbers
from .densenet import DenseBlock
from .dilation import ASPP, DilatedStack
from .inception import BasicConv2d
from .inception_v3 import column, row
from .mobilenet import InvertedResidual, SeparableConv2d, XceptionBlock
from .residual import BasicBlock, Bottleneck, conv3x3
from .senet import SqueezeExcite


class Skip(nn.Module):
    """A shortcut around any branch: what came in is added to what comes out. No parameters of its own.

    Args:
        branch: a module that keeps the shape of its input.
    """

    def __init__(self, branch):
        super().__init__()
        self.branch = branch

    def forward(self, x):
        return x + self.branch(x)                                       # (N, C, H, W)


class ParallelKernels(nn.Module):
    """Several kernel sizes side by side, each seeing as far as it can, joined along the channels.

    (N, in_channels, H, W) -> (N, out_channels, H, W). The Inception modules are this with 1x1 reductions.

    Args:
        stride: of all kernels.
        kernels: odd kernel sizes; they share `out_channels` equally.
    """

    def __init__(self, in_channels, out_channels, stride=1, kernels=(1, 3, 5)):
        super().__init__()
        for kernel in whole_numbers("kernels", kernels):
            odd("a number of kernels", kernel)
        if out_channels % len(kernels):
            raise ValueError(f"out_channels is {out_channels}, allowed: multiples of {len(kernels)}, a share a kernel.")
        each = out_channels // len(kernels)
        self.branches = nn.ModuleList(BasicConv2d(in_channels, each, k, stride=stride, padding=k // 2)
                                      for k in kernels)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)    # (N, out_channels, H, W)


class AsymmetricConv2d(nn.Sequential):
    """1xn, then nx1: sees n x n with 2/n of the weights where all widths are equal (Inception-v3, figure 6).

    (N, in_channels, H, W) -> (N, out_channels, H, W).

    Args:
        n: odd size of the square that the two together see.
    """

    def __init__(self, in_channels, out_channels, n=7):
        odd("n", n)
        super().__init__(row(in_channels, out_channels, n), column(out_channels, out_channels, n))


def convolution(in_channels, out_channels, stride=1):
    """One 3x3 convolution: the yardstick."""
    return conv3x3(in_channels, out_channels, stride)


def stack(in_channels, out_channels, stride=1):
    """Two 3x3, one after the other: they see 5x5 with 18/25 of its weights, as in VGG."""
    return nn.Sequential(conv3x3(in_channels, out_channels, stride), nn.ReLU(), conv3x3(out_channels, out_channels))


def grouped(in_channels, out_channels, stride=1, groups=2):
    """A 3x3 whose maps look at the maps of their own group only, as in AlexNet and ResNeXt."""
    if in_channels % at_least("groups", groups, 1) or out_channels % groups:
        raise ValueError(f"groups is {groups}, allowed: divisors of {in_channels} and {out_channels} channels.")
    return conv3x3(in_channels, out_channels, stride, groups)


def squeeze_excitation(in_channels, out_channels, stride=1, reduction=16):
    """A 3x3 whose maps are then scaled by gates, which all maps decide together, as in SENet."""
    return nn.Sequential(conv3x3(in_channels, out_channels, stride), SqueezeExcite(out_channels, reduction))


def dense(in_channels, out_channels):
    """What came in, and behind it the new maps of one dense layer with its bottleneck, as in DenseNet."""
    at_least("out_channels of a dense layer", out_channels, in_channels + 1)
    return DenseBlock(1, in_channels, out_channels - in_channels)


def shuffle(in_channels, out_channels, groups=2):
    """A bottleneck of grouped 1x1, with a shuffle so that the groups hear of each other: Zhang, Zhou, Lin, Sun,
    "ShuffleNet", CVPR 2018, figure 2b."""
    width = one_of("out_channels of a shuffle unit", out_channels, (in_channels,)) // 4
    if out_channels % 4 or width % at_least("groups", groups, 1):
        raise ValueError(f"channels is {out_channels}, allowed: multiples of {4 * groups}, four times the groups.")
    return nn.Sequential(Skip(nn.Sequential(
        nn.Conv2d(in_channels, width, 1, groups=groups, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
        nn.ChannelShuffle(groups), conv3x3(width, width, groups=width), nn.BatchNorm2d(width),
        nn.Conv2d(width, out_channels, 1, groups=groups, bias=False), nn.BatchNorm2d(out_channels))), nn.ReLU())


def bottleneck(in_channels, out_channels, stride=1):
    """Down to a quarter of the output's channels, 3x3 there, and up again."""
    if out_channels % Bottleneck.expansion:
        raise ValueError(f"out_channels is {out_channels}, allowed: multiples of {Bottleneck.expansion}.")
    return Bottleneck(in_channels, out_channels // Bottleneck.expansion, stride)


def skip(in_channels, out_channels):
    """A shortcut around one convolution. It adds no weights and asks that the shape stays."""
    one_of("out_channels of a skip", out_channels, (in_channels,))
    return Skip(conv3x3(in_channels, out_channels))


def point_first(in_channels, out_channels, stride=1, kernel_size=3):
    """1x1 across maps, then one filter a map, as in the Inception module that Xception begins with."""
    return SeparableConv2d(in_channels, out_channels, kernel_size, stride, order="pointwise")


def separable_residual(in_channels, out_channels, stride=1):
    """Two separable convolutions with a shortcut around them, as in Xception."""
    return XceptionBlock(in_channels, out_channels, stride)


def residual(in_channels, out_channels, stride=1):
    """Two 3x3 with a shortcut around them, as in ResNet-18 and 34."""
    return BasicBlock(in_channels, out_channels, stride)


def preactivation(in_channels, out_channels, stride=1):
    """The residual block with BatchNorm and ReLU before each convolution: nothing stands in the shortcut's way."""
    return BasicBlock(in_channels, out_channels, stride, preactivation=True)


def dilated(in_channels, out_channels, rates=(1, 2, 4)):
    """3x3 with gaps, one after another: far sight with the weights of ordinary 3x3 convolutions."""
    one_of("out_channels of a dilated stack", out_channels, (in_channels,))
    return DilatedStack(in_channels, rates)


BLOCKS = {
    "convolution": convolution,
    "stack": stack,
    "asymmetric": AsymmetricConv2d,
    "parallel": ParallelKernels,
    "bottleneck": bottleneck,
    "skip": skip,
    "residual": residual,
    "preactivation": preactivation,
    "grouped": grouped,
    "separable": SeparableConv2d,
    "point_first": point_first,
    "separable_residual": separable_residual,
    "inverted_residual": InvertedResidual,
    "squeeze_excitation": squeeze_excitation,
    "dense": dense,
    "shuffle": shuffle,
    "aspp": ASPP,
    "dilated": dilated,
}


def list_blocks():
    """The names that `create_block` knows, in the order of the gallery."""
    return list(BLOCKS)


def create_block(name, in_channels, out_channels, **options):
    """Build the block `name` from `in_channels` to `out_channels`; `options` are those of its class or function.

    Raises:
        ValueError: unknown name or option, or channels that the block cannot have.
    """
    factory = BLOCKS[one_of("block", name, tuple(BLOCKS))]
    at_least("in_channels", in_channels, 1)
    at_least("out_channels", out_channels, 1)
    at_least("stride", options.get("stride", 1), 1)
    allowed = [p for p in inspect.signature(factory).parameters if not p.endswith("channels")]
    for option in options:
        if option not in allowed:
            raise ValueError(f"block {name} has no option {option!r}. Allowed: {', '.join(allowed) or 'none'}.")
    return factory(in_channels, out_channels, **options)


MODELS = {}                                         # blocks only
