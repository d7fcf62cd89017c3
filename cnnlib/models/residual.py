"""The blocks of residual networks: learn what to add to the input. The networks are in `resnet.py`.

Sources:
    He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016: figures 2 and 5,
        section 3.3 (shortcut options A, B, C).
    He et al., "Identity mappings in deep residual networks", ECCV 2016: pre-activation, figure 1b.
    Huang, Sun, Liu, Sedra, Weinberger, "Deep networks with stochastic depth", ECCV 2016: section 3.
    Szegedy et al., "Inception-v4, Inception-ResNet", AAAI 2017: residual scaling, section 3.3.
    Xie et al., "Aggregated residual transformations", CVPR 2017: grouped bottlenecks, figure 3c.
"""

import torch
from torch import nn
from torch.nn import functional as F

from ..checks import at_least, one_of
from .senet import SqueezeExcite


def conv3x3(in_channels, channels, stride=1, groups=1):
    return nn.Conv2d(in_channels, channels, 3, stride, padding=1, groups=groups, bias=False)


def conv1x1(in_channels, channels, stride=1):
    return nn.Conv2d(in_channels, channels, 1, stride, bias=False)


class ZeroPadShortcut(nn.Module):
    """Option A: take every `stride`-th pixel and add channels of zeros. No parameters.

    (N, C, H, W) -> (N, out_channels, H/stride, W/stride), sizes rounded up.
    """

    def __init__(self, in_channels, out_channels, stride):
        super().__init__()
        self.new_channels = at_least("out_channels", out_channels, in_channels) - in_channels
        self.stride = at_least("stride", stride, 1)

    def forward(self, x):
        x = x[:, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, 0, self.new_channels))

    def extra_repr(self):
        return f"+{self.new_channels} channels, stride={self.stride}"


class ResidualBlock(nn.Module):
    """What both blocks share: y = relu(shortcut(x) + F(x)), F being the `branch` of the subclass.

    Args:
        in_channels: channels of x.
        out_channels: channels of y.
        stride: 2 halves height and width.
        shortcut: what stands for x where shapes differ: "A" zero padding, "B" projection (1x1
            convolution and BatchNorm); "C" projects everywhere; "none" leaves the shortcut out.
        preactivation: BatchNorm and ReLU before each convolution instead of after it, nothing
            after the sum. "first" for the block after the stem, whose input is activated already.
        residual_scale: factor of F (Inception-ResNet: 0.1 to 0.3).
        survival: probability that F takes part in a training step; at test F is multiplied by it.
        se_reduction: squeeze-and-excitation with this reduction; 0 for none.
        se_position: where its gates stand: "standard", at the end of F; "pre", before F; "post", after the sum;
            "identity", on the shortcut (figure 5 of its paper's journal version).
    """

    def __init__(
        self, in_channels, out_channels, stride=1, shortcut="B", preactivation=False,
        residual_scale=1.0, survival=1.0, se_reduction=0, se_position="standard",
    ):
        super().__init__()
        self.plain = one_of("shortcut", shortcut, ("A", "B", "C", "none")) == "none"
        self.preactivation, self.scale, self.survival = preactivation, residual_scale, survival
        self.relu = nn.ReLU(inplace=not preactivation)
        self.se_position = one_of("se_position", se_position, ("standard", "pre", "post", "identity"))
        gated = in_channels if se_position == "pre" else out_channels
        self.se = SqueezeExcite(gated, se_reduction) if se_reduction else None
        self.downsample = None
        if shortcut == "C" or (not self.plain and (stride > 1 or in_channels != out_channels)):
            if shortcut == "A":
                self.downsample = ZeroPadShortcut(in_channels, out_channels, stride)
            else:
                self.downsample = nn.Sequential(conv1x1(in_channels, out_channels, stride))
                if not preactivation:
                    self.downsample.append(nn.BatchNorm2d(out_channels))

    def forward(self, x):
        # Both blocks: (N, in_channels, H, W) -> (N, out_channels, H/stride, W/stride).
        identity = x
        if self.preactivation and self.preactivation != "first":
            x = self.relu(self.bn1(x))
        if self.downsample is not None:
            identity = self.downsample(x)
        identity = self.gated("identity", identity)
        if self.training and self.survival < 1 and torch.rand(()) >= self.survival:
            return self.gated("post", identity if self.preactivation else F.relu(identity))
        out = self.gated("standard", self.branch(self.gated("pre", x)))
        scale = self.scale if self.training else self.scale * self.survival
        if scale != 1:
            out = out * scale
        if not self.plain:
            out += identity
        return self.gated("post", out if self.preactivation else self.relu(out))

    def gated(self, position, x):
        """x, each channel scaled by its gate if the gates of this block stand at `position`."""
        return x if self.se is None or position != self.se_position else self.se(x)


def _batch_norm_1(block, in_channels, width):
    """`bn1` stands before the first convolution or after it; the first block needs none before."""
    if block.preactivation == "first":
        return nn.Identity()
    return nn.BatchNorm2d(in_channels if block.preactivation else width)


class BasicBlock(ResidualBlock):
    """Two 3x3 convolutions (figure 5, left). `options` are those of ResidualBlock."""

    expansion = 1

    def __init__(self, in_channels, planes, stride=1, **options):
        super().__init__(in_channels, planes, stride, **options)
        self.conv1 = conv3x3(in_channels, planes, stride)
        self.bn1 = _batch_norm_1(self, in_channels, planes)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = nn.BatchNorm2d(planes)

    def branch(self, x):
        if self.preactivation:
            x = self.conv1(x)                       # (N, planes, H/s, W/s)
            return self.conv2(self.relu(self.bn2(x)))
        x = self.relu(self.bn1(self.conv1(x)))      # (N, planes, H/s, W/s)
        return self.bn2(self.conv2(x))              # (N, planes, H/s, W/s)


class Bottleneck(ResidualBlock):
    """1x1 down to `width`, 3x3 there, 1x1 up to 4 `planes` (figure 5, right).

    Args:
        stride_in: "1x1", the paper: stride in the first convolution; "3x3", called v1.5: in the
            second, so that no pixel is skipped.
        groups, width_per_group: width = groups x width_per_group x planes / 64. ResNeXt has
            32 and 4, the wide ResNet 1 and 128.
        options: those of ResidualBlock.
    """

    expansion = 4

    def __init__(
        self, in_channels, planes, stride=1, stride_in="1x1", groups=1, width_per_group=64, **options
    ):
        super().__init__(in_channels, 4 * planes, stride, **options)
        width = planes * width_per_group // 64 * groups
        stride_1, stride_3 = {"1x1": (stride, 1), "3x3": (1, stride)}[stride_in]
        self.conv1 = conv1x1(in_channels, width, stride_1)
        self.bn1 = _batch_norm_1(self, in_channels, width)
        self.conv2 = conv3x3(width, width, stride_3, groups)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = conv1x1(width, 4 * planes)
        self.bn3 = nn.BatchNorm2d(width if self.preactivation else 4 * planes)

    def branch(self, x):
        if self.preactivation:
            x = self.conv1(x)                       # (N, width, ...)
            x = self.conv2(self.relu(self.bn2(x)))  # (N, width, H/s, W/s)
            return self.conv3(self.relu(self.bn3(x)))
        x = self.relu(self.bn1(self.conv1(x)))      # (N, width, ...)
        x = self.relu(self.bn2(self.conv2(x)))      # (N, width, H/s, W/s)
        return self.bn3(self.conv3(x))              # (N, 4 planes, H/s, W/s)


MODELS = {}                                         # the networks of these blocks: `resnet.py`
