"""GoogLeNet: modules that look at four scales side by side, at a bounded cost.

Source: C. Szegedy et al., "Going deeper with convolutions", CVPR 2015: table 1, figures 2 and 3, section 5 (heads).
"""

from collections import namedtuple
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from ..checks import at_least, images, one_of
from .alexnet import local_response_norm
from .specs import built_from, check_common

# What a training forward returns, in torchvision's order: the later head first.
GoogLeNetOutputs = namedtuple("GoogLeNetOutputs", "logits aux_logits2 aux_logits1")

# Section 5: the loss is that of the logits plus 0.3 times that of each auxiliary head.
AUX_WEIGHT = 0.3

# norm: in the stem ("lrn") or in every convolution ("batch"); kernel_size: of the third
# branch; last_pool: window of the fourth pooling; smallest: picture, without heads and with.
VARIANTS = {
    "paper": dict(num_classes=1000, norm="lrn", kernel_size=5, last_pool=3, aux_logits=True, dropout=0.4,
                  smallest=(31, 79)),
    "torchvision": dict(num_classes=1000, norm="batch", kernel_size=3, last_pool=2, aux_logits=True, dropout=0.2,
                        smallest=(15, 15)),
    "cifar": dict(num_classes=10, norm="batch", kernel_size=5, last_pool=3, aux_logits=False, dropout=0.4,
                  smallest=(8, 8)),
}


def widths(**given):
    """Raise ValueError unless every number of channels is a whole number from 1."""
    for name, value in given.items():
        at_least(name, value, 1)


class BasicConv2d(nn.Module):
    """Convolution and ReLU; with BatchNorm between them there is no bias."""

    def __init__(self, cin, cout, kernel_size, batch_norm=True, **where):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel_size, bias=not batch_norm, **where)
        self.bn = nn.BatchNorm2d(cout, eps=0.001) if batch_norm else nn.Identity()

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    """Figure 2b: four branches side by side, kept thin by 1x1 convolutions.

    (N, in_channels, H, W) -> (N, ch1x1 + ch3x3 + ch5x5 + pool_proj, H, W).

    Args:
        in_channels, ch1x1, ch3x3red, ch3x3, ch5x5red, ch5x5, pool_proj:
            as in a row of table 1.
        kernel_size: of the third branch, 5 as published or 3 as in torchvision.
        batch_norm: BatchNorm in every convolution.
    """

    def __init__(self, in_channels, ch1x1, ch3x3red, ch3x3, ch5x5red, ch5x5,
                 pool_proj, kernel_size=5, batch_norm=False):
        super().__init__()
        widths(in_channels=in_channels, ch1x1=ch1x1, ch3x3red=ch3x3red,
               ch3x3=ch3x3, ch5x5red=ch5x5red, ch5x5=ch5x5, pool_proj=pool_proj)
        one_of("kernel_size", kernel_size, (5, 3))
        conv = partial(BasicConv2d, batch_norm=batch_norm)
        self.branch1 = conv(in_channels, ch1x1, 1)
        self.branch2 = nn.Sequential(
            conv(in_channels, ch3x3red, 1), conv(ch3x3red, ch3x3, 3, padding=1))
        self.branch3 = nn.Sequential(
            conv(in_channels, ch5x5red, 1),
            conv(ch5x5red, ch5x5, kernel_size, padding=kernel_size // 2))
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1), conv(in_channels, pool_proj, 1))
        self.out_channels = ch1x1 + ch3x3 + ch5x5 + pool_proj

    def forward(self, x):
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class NaiveInception(nn.Module):
    """Figure 2a, without the 1x1 convolutions: expensive, and wider with every module.

    (N, in_channels, H, W) -> (N, ch1x1 + ch3x3 + ch5x5 + in_channels, H, W).
    """

    def __init__(self, in_channels, ch1x1, ch3x3, ch5x5, batch_norm=False):
        super().__init__()
        widths(in_channels=in_channels, ch1x1=ch1x1, ch3x3=ch3x3, ch5x5=ch5x5)
        self.branch1 = BasicConv2d(in_channels, ch1x1, 1, batch_norm)
        self.branch2 = BasicConv2d(in_channels, ch3x3, 3, batch_norm, padding=1)
        self.branch3 = BasicConv2d(in_channels, ch5x5, 5, batch_norm, padding=2)
        self.branch4 = nn.MaxPool2d(3, stride=1, padding=1)
        self.out_channels = ch1x1 + ch3x3 + ch5x5 + in_channels

    def forward(self, x):
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class InceptionAux(nn.Module):
    """Section 5: a small classifier on the maps in the middle, for training only.

    (N, C, 14, 14) -> (N, num_classes). `pool` 5 averages windows of 5x5 with stride 3, as published; None splits the
    map in 4x4, as in torchvision. `width`: of the network.
    """

    def __init__(self, in_channels, num_classes, batch_norm, pool, dropout=0.7, width=1.0):
        super().__init__()
        maps, units = int(128 * width), int(1024 * width)
        self.pool = pool
        self.conv = BasicConv2d(in_channels, maps, 1, batch_norm)
        self.fc1 = nn.Linear(maps * 4 * 4, units)
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(units, num_classes)

    def forward(self, x):
        if self.pool:
            x = F.avg_pool2d(x, self.pool, 3)       # (N, C, 4, 4) of 14x14
        x = F.adaptive_avg_pool2d(x, (4, 4))        # (N, C, 4, 4) whatever the size
        x = self.conv(x).flatten(1)                 # (N, 2048)
        x = F.relu(self.fc1(x), inplace=True)       # (N, 1024)
        return self.fc2(self.dropout(x))            # (N, num_classes)


@dataclass(frozen=True)
class GoogLeNetSpec:
    """The arguments of a `GoogLeNet`, checked; for None stands what the variant has."""

    num_classes: int | None = None
    variant: str = "paper"
    norm: str | None = None
    kernel_size: int | None = None
    aux_logits: bool | None = None
    dropout: float | None = None
    in_channels: int = 3
    width: float = 1.0
    naive: bool = False
    last_pool: int = field(init=False)
    smallest: tuple = field(init=False)     # side of a picture, in evaluation and in training with heads

    def __post_init__(self):
        if one_of("naive", self.naive, (False, True)):
            one_of("kernel_size of naive modules", self.kernel_size, (None, 5))
        check_common(self, VARIANTS)
        one_of("norm", self.norm, ("lrn", "batch", "none"))
        one_of("kernel_size", self.kernel_size, (5, 3))
        one_of("aux_logits", self.aux_logits, (False, True))


def module_after(spec, before, *row):
    """The module of a row of table 1 after another module, or after so many channels."""
    channels = before if isinstance(before, int) else before.out_channels
    batch_norm = spec.norm == "batch"
    ch1x1, ch3x3red, ch3x3, ch5x5red, ch5x5, pool = (int(n * spec.width) for n in row)
    if spec.naive:
        return NaiveInception(channels, ch1x1, ch3x3, ch5x5, batch_norm)
    return Inception(channels, ch1x1, ch3x3red, ch3x3, ch5x5red, ch5x5, pool, spec.kernel_size, batch_norm)


@built_from(GoogLeNetSpec)
class GoogLeNet(nn.Module):
    """GoogLeNet: 22 layers deep (57 convolutions and a dense one), 6,998,552 parameters without auxiliary heads.

    Input (N, in_channels, H, W), output (N, num_classes) logits; in training with heads a `GoogLeNetOutputs`.

    Args:
        num_classes: number of outputs; 1000, for "cifar" 10.
        variant: "paper"; "torchvision", with BatchNorm in every convolution and 3x3 in the place of 5x5;
            "cifar", for 32x32: BatchNorm, a stem that halves the picture once instead of three times, no heads.
        norm: "lrn" twice in the stem, "batch" in every convolution, or "none".
        kernel_size: of the third branch, 5 or 3; in naive modules it is 5.
        aux_logits: with the two auxiliary heads, after modules 4a and 4d.
        dropout: rate before the last layer, 0.4 in table 1; in the heads it is 0.7 (section 5).
        in_channels: 3 for colour.
        width: factor of the published channels in every layer, a multiple of 1/8.
        naive: modules of figure 2a, without the 1x1 convolutions that keep them thin.
    """

    def __init__(self, spec):
        super().__init__()
        small, batch_norm = spec.variant == "cifar", spec.norm == "batch"
        c64, c192 = int(64 * spec.width), int(192 * spec.width)
        conv, module = partial(BasicConv2d, batch_norm=batch_norm), partial(module_after, spec)
        half = partial(nn.MaxPool2d, stride=2, ceil_mode=True)
        norm = local_response_norm if spec.norm == "lrn" else nn.Identity
        stem = {"kernel_size": 3, "padding": 1} if small else {"kernel_size": 7, "stride": 2, "padding": 3}
        self.conv1 = conv(spec.in_channels, c64, **stem)
        self.maxpool1, self.norm1 = half(3), norm()
        self.conv2 = conv(c64, c64, 1)
        self.conv3 = conv(c64, c192, 3, padding=1)
        self.norm2, self.maxpool2 = norm(), nn.Identity() if small else half(3)
        # Table 1:                after             1x1 red.  3x3 red.  5x5 pool     out
        self.inception3a = module(c192,              64,  96, 128, 16,  32,  32)   # 256
        self.inception3b = module(self.inception3a, 128, 128, 192, 32,  96,  64)   # 480
        self.maxpool3 = half(3)
        self.inception4a = module(self.inception3b, 192,  96, 208, 16,  48,  64)   # 512
        self.inception4b = module(self.inception4a, 160, 112, 224, 24,  64,  64)   # 512
        self.inception4c = module(self.inception4b, 128, 128, 256, 24,  64,  64)   # 512
        self.inception4d = module(self.inception4c, 112, 144, 288, 32,  64,  64)   # 528
        self.inception4e = module(self.inception4d, 256, 160, 320, 32, 128, 128)   # 832
        self.maxpool4 = half(spec.last_pool)
        self.inception5a = module(self.inception4e, 256, 160, 320, 32, 128, 128)   # 832
        self.inception5b = module(self.inception5a, 384, 192, 384, 48, 128, 128)   # 1024
        head = partial(InceptionAux, num_classes=spec.num_classes, batch_norm=batch_norm, width=spec.width,
                       pool=5 if spec.variant == "paper" else None)
        self.aux1 = head(self.inception4a.out_channels) if spec.aux_logits else None
        self.aux2 = head(self.inception4d.out_channels) if spec.aux_logits else None
        self.avgpool, self.dropout = nn.AdaptiveAvgPool2d((1, 1)), nn.Dropout(spec.dropout)
        self.fc = nn.Linear(self.inception5b.out_channels, spec.num_classes)
        self.init(batch_norm)
        self.in_channels, self.standard_size = spec.in_channels, 32 if small else 224
        self.smallest, self.smallest_training = spec.smallest if spec.aux_logits else 2 * spec.smallest[:1]

    def init(self, batch_norm):
        """The paper names no start: Glorot's, or torchvision's N(0, 0.01) where BatchNorm sets the scale."""
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                if batch_norm:
                    nn.init.normal_(layer.weight, std=0.01)
                else:
                    nn.init.xavier_uniform_(layer.weight)
                    nn.init.zeros_(layer.bias)

    def forward(self, x):
        smallest = self.smallest_training if self.training else self.smallest
        images("googlenet", x, self.in_channels, smallest)
        x = self.norm1(self.maxpool1(self.conv1(x)))            # (N, 64, 56, 56)
        x = self.norm2(self.conv3(self.conv2(x)))               # (N, 192, 56, 56)
        x = self.maxpool2(x)                                    # (N, 192, 28, 28)
        x = self.inception3b(self.inception3a(x))               # (N, 480, 28, 28)
        x = self.inception4a(self.maxpool3(x))                  # (N, 512, 14, 14)
        heads = self.training and self.aux1 is not None
        aux1 = self.aux1(x) if heads else None                  # (N, num_classes)
        x = self.inception4c(self.inception4b(x))               # (N, 512, 14, 14)
        x = self.inception4d(x)                                 # (N, 528, 14, 14)
        aux2 = self.aux2(x) if heads else None                  # (N, num_classes)
        x = self.maxpool4(self.inception4e(x))                  # (N, 832, 7, 7)
        x = self.inception5b(self.inception5a(x))               # (N, 1024, 7, 7)
        x = self.avgpool(x).flatten(1)                          # (N, 1024)
        x = self.fc(self.dropout(x))                            # (N, num_classes)
        return GoogLeNetOutputs(x, aux2, aux1) if heads else x


MODELS = {"googlenet": GoogLeNet}
