"""A gallery of building blocks: ways from maps to maps, and what each saves, or buys, beside one 3x3 convolution.

Every block here takes (N, in_channels, H, W) to (N, out_channels, H, W). Most live with the network that made them
known; the three that belong to no single network are written here.

    >>> from cnnlib.models.blocks import create_block, list_blocks
    >>> create_block("inverted_residual", 24, 24, expansion=6)
"""

import inspect

import torch
from torch import nn

from ..checks import at_least, odd, one_of, whole_numbers
from .dilation import ASPP, DilatedStack
from .inception import BasicConv2d
from .inception_v3 import column, row
from .mobilenet import InvertedResidual, SeparableConv2d, XceptionBlock
from .residual import BasicBlock, Bottleneck, conv3x3


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
        kernels: odd kernel sizes; they share `out_channels` equally.
    """

    def __init__(self, in_channels, out_channels, kernels=(1, 3, 5)):
        super().__init__()
        for kernel in whole_numbers("kernels", kernels):
            odd("a number of kernels", kernel)
        if out_channels % len(kernels):
            raise ValueError(f"out_channels is {out_channels}, allowed: multiples of {len(kernels)}, a share a kernel.")
        each = out_channels // len(kernels)
        self.branches = nn.ModuleList(BasicConv2d(in_channels, each, k, padding=k // 2) for k in kernels)

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


def convolution(in_channels, out_channels):
    """One 3x3 convolution: the yardstick."""
    return conv3x3(in_channels, out_channels)


def bottleneck(in_channels, out_channels):
    """Down to a quarter of the output's channels, 3x3 there, and up again."""
    if out_channels % Bottleneck.expansion:
        raise ValueError(f"out_channels is {out_channels}, allowed: multiples of {Bottleneck.expansion}.")
    return Bottleneck(in_channels, out_channels // Bottleneck.expansion)


def skip(in_channels, out_channels):
    """A shortcut around one convolution. It adds no weights and asks that the shape stays."""
    one_of("out_channels of a skip", out_channels, (in_channels,))
    return Skip(conv3x3(in_channels, out_channels))


def point_first(in_channels, out_channels, kernel_size=3):
    """1x1 across maps, then one filter a map, as in the Inception module that Xception begins with."""
    return SeparableConv2d(in_channels, out_channels, kernel_size, order="pointwise")


def separable(in_channels, out_channels, kernel_size=3):
    """One filter a map, then 1x1 across maps, as in MobileNet."""
    return SeparableConv2d(in_channels, out_channels, kernel_size)


def separable_residual(in_channels, out_channels):
    """Two separable convolutions with a shortcut around them, as in Xception."""
    return XceptionBlock(in_channels, out_channels, stride=1)


def inverted_residual(in_channels, out_channels, expansion=6):
    """Wide in the middle and narrow at the ends, where the shortcut is, as in MobileNetV2."""
    return InvertedResidual(in_channels, out_channels, expansion=expansion)


def residual(in_channels, out_channels):
    """Two 3x3 with a shortcut around them, as in ResNet-18 and 34."""
    return BasicBlock(in_channels, out_channels)


def dilated(in_channels, out_channels, rates=(1, 2, 4)):
    """3x3 with gaps, one after another: far sight with the weights of ordinary 3x3 convolutions."""
    one_of("out_channels of a dilated stack", out_channels, (in_channels,))
    return DilatedStack(in_channels, rates)


BLOCKS = {
    "convolution": convolution,
    "skip": skip,
    "residual": residual,
    "parallel": ParallelKernels,
    "asymmetric": AsymmetricConv2d,
    "bottleneck": bottleneck,
    "separable": separable,
    "point_first": point_first,
    "separable_residual": separable_residual,
    "inverted_residual": inverted_residual,
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
    allowed = [p for p in inspect.signature(factory).parameters if not p.endswith("channels")]
    for option in options:
        if option not in allowed:
            raise ValueError(f"block {name} has no option {option!r}. Allowed: {', '.join(allowed) or 'none'}.")
    return factory(in_channels, out_channels, **options)


MODELS = {}                                         # blocks only
