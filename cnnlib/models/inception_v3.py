"""Inception-v3: large kernels factorised into small ones, square ones into 1xn and nx1.

Source: C. Szegedy et al., "Rethinking the Inception architecture for computer vision", CVPR 2016, table 1, figures 5 to
7 and 10; widths and names of the layers as in the authors' released code and torchvision.
"""

from collections import namedtuple
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional as F

from ..checks import images, one_of
from .inception import BasicConv2d
from .specs import built_from, check_common

InceptionOutputs = namedtuple("InceptionOutputs", "logits aux_logits")
SPREADS = {"AuxLogits.conv1.conv": 0.01, "AuxLogits.fc": 0.001}     # of the first weights; 0.1 elsewhere

VARIANTS = {            # smallest: picture without the auxiliary head, and with it
    "paper": dict(num_classes=1000, aux_logits=True, dropout=0.2, smallest=(75, 299)),
    "torchvision": dict(num_classes=1000, aux_logits=True, dropout=0.5, smallest=(75, 299)),
    "cifar": dict(num_classes=10, aux_logits=False, dropout=0.2, smallest=(15, 71)),
}


def conv(in_channels, out_channels, kernel_size, width=1.0, **where):
    """BasicConv2d with `width` times the published channels."""
    return BasicConv2d(int(in_channels * width), int(out_channels * width), kernel_size, **where)


def row(in_channels, out_channels, n, width=1.0):
    """1xn: a convolution along the row."""
    return conv(in_channels, out_channels, (1, n), width, padding=(0, n // 2))


def column(in_channels, out_channels, n, width=1.0):
    """nx1: a convolution along the column. After `row` it sees nxn."""
    return conv(in_channels, out_channels, (n, 1), width, padding=(n // 2, 0))


def average(x):
    return F.avg_pool2d(x, 3, stride=1, padding=1)


class InceptionA(nn.Module):
    """Figure 5: two 3x3 see what a 5x5 sees; the released network has a branch of each.

    (N, C, 35, 35) -> (N, 224 + pool_features, 35, 35).
    """

    def __init__(self, in_channels, pool_features, width=1.0):
        super().__init__()
        self.branch1x1 = conv(in_channels, 64, 1, width)
        self.branch5x5_1 = conv(in_channels, 48, 1, width)
        self.branch5x5_2 = conv(48, 64, 5, width, padding=2)
        self.branch3x3dbl_1 = conv(in_channels, 64, 1, width)
        self.branch3x3dbl_2 = conv(64, 96, 3, width, padding=1)
        self.branch3x3dbl_3 = conv(96, 96, 3, width, padding=1)
        self.branch_pool = conv(in_channels, pool_features, 1, width)

    def forward(self, x):
        five = self.branch5x5_2(self.branch5x5_1(x))
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        pool = self.branch_pool(average(x))
        return torch.cat([self.branch1x1(x), five, double, pool], 1)


class InceptionB(nn.Module):
    """Figure 10: smaller and wider at once. (N, C, 35, 35) -> (N, 480 + C, 17, 17)."""

    def __init__(self, in_channels, width=1.0):
        super().__init__()
        self.branch3x3 = conv(in_channels, 384, 3, width, stride=2)
        self.branch3x3dbl_1 = conv(in_channels, 64, 1, width)
        self.branch3x3dbl_2 = conv(64, 96, 3, width, padding=1)
        self.branch3x3dbl_3 = conv(96, 96, 3, width, stride=2)

    def forward(self, x):
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, F.max_pool2d(x, 3, stride=2)], 1)


class InceptionC(nn.Module):
    """Figure 6: 7x7 as 1x7 and 7x1, once and twice. (N, C, 17, 17) -> (N, 768, 17, 17)."""

    def __init__(self, in_channels, channels_7x7, width=1.0):
        super().__init__()
        c = channels_7x7
        self.branch1x1 = conv(in_channels, 192, 1, width)
        self.branch7x7_1 = conv(in_channels, c, 1, width)
        self.branch7x7_2 = row(c, c, 7, width)
        self.branch7x7_3 = column(c, 192, 7, width)
        self.branch7x7dbl_1 = conv(in_channels, c, 1, width)
        self.branch7x7dbl_2 = column(c, c, 7, width)
        self.branch7x7dbl_3 = row(c, c, 7, width)
        self.branch7x7dbl_4 = column(c, c, 7, width)
        self.branch7x7dbl_5 = row(c, 192, 7, width)
        self.branch_pool = conv(in_channels, 192, 1, width)

    def forward(self, x):
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        pool = self.branch_pool(average(x))
        return torch.cat([self.branch1x1(x), seven, double, pool], 1)


class InceptionD(nn.Module):
    """As InceptionB, one stage later. (N, C, 17, 17) -> (N, 512 + C, 8, 8)."""

    def __init__(self, in_channels, width=1.0):
        super().__init__()
        self.branch3x3_1 = conv(in_channels, 192, 1, width)
        self.branch3x3_2 = conv(192, 320, 3, width, stride=2)
        self.branch7x7x3_1 = conv(in_channels, 192, 1, width)
        self.branch7x7x3_2 = row(192, 192, 7, width)
        self.branch7x7x3_3 = column(192, 192, 7, width)
        self.branch7x7x3_4 = conv(192, 192, 3, width, stride=2)

    def forward(self, x):
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([three, seven, F.max_pool2d(x, 3, stride=2)], 1)


class InceptionE(nn.Module):
    """Figure 7: 1x3 and 3x1 side by side. (N, C, 8, 8) -> (N, 2048, 8, 8)."""

    def __init__(self, in_channels, width=1.0):
        super().__init__()
        self.branch1x1 = conv(in_channels, 320, 1, width)
        self.branch3x3_1 = conv(in_channels, 384, 1, width)
        self.branch3x3_2a = row(384, 384, 3, width)
        self.branch3x3_2b = column(384, 384, 3, width)
        self.branch3x3dbl_1 = conv(in_channels, 448, 1, width)
        self.branch3x3dbl_2 = conv(448, 384, 3, width, padding=1)
        self.branch3x3dbl_3a = row(384, 384, 3, width)
        self.branch3x3dbl_3b = column(384, 384, 3, width)
        self.branch_pool = conv(in_channels, 192, 1, width)

    def forward(self, x):
        three = self.branch3x3_1(x)
        three = [self.branch3x3_2a(three), self.branch3x3_2b(three)]
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        double = [self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double)]
        pool = self.branch_pool(average(x))
        return torch.cat([self.branch1x1(x), *three, *double, pool], 1)


class InceptionV3Aux(nn.Module):
    """The auxiliary head, for training only: (N, C, 17, 17) -> (N, num_classes)."""

    def __init__(self, in_channels, num_classes, width=1.0):
        super().__init__()
        self.conv0 = conv(in_channels, 128, 1, width)
        self.conv1 = conv(128, 768, 5, width)
        self.fc = nn.Linear(int(768 * width), num_classes)

    def forward(self, x):
        x = self.conv0(F.avg_pool2d(x, 5, 3))               # (N, 128, 5, 5)
        return self.fc(self.conv1(x).mean((2, 3)))          # (N, 768, 1, 1), (N, num_classes)


@dataclass(frozen=True)
class InceptionV3Spec:
    """The arguments of an `InceptionV3`, checked; for None stands what the variant has."""

    num_classes: int | None = None
    variant: str = "paper"
    aux_logits: bool | None = None
    dropout: float | None = None
    in_channels: int = 3
    width: float = 1.0
    smallest: tuple = field(init=False)     # side of a picture, in evaluation and with the head

    def __post_init__(self):
        check_common(self, VARIANTS)
        one_of("aux_logits", self.aux_logits, (True, False))


@built_from(InceptionV3Spec)
class InceptionV3(nn.Module):
    """Inception-v3: 27,161,264 parameters, 23,834,568 without the auxiliary head.

    Input (N, in_channels, H, W) from 75x75, made for 299x299, which is also the least that the auxiliary head takes;
    output (N, num_classes) logits; in training with the head an `InceptionOutputs` (logits, aux_logits).

    Args:
        num_classes: number of outputs; 1000, for "cifar" 10.
        variant: "paper" and "torchvision" differ in the rate of dropout only; "cifar", for 32x32: the stem halves the
            picture once, not three times: maps have 15, 7 and 3 pixels a side. There is no auxiliary head.
        aux_logits: with the auxiliary head on the last maps of 17x17.
        dropout: rate before the last layer; 0.2 in the authors' released code (TF-Slim), 0.5 in torchvision.
        in_channels: 3 for colour.
        width: factor of the published channels in every layer, a multiple of 1/8.
    """

    def __init__(self, spec):
        super().__init__()
        small, width = spec.variant == "cifar", spec.width
        stride, pad = (1, 1) if small else (2, 0)
        self.Conv2d_1a_3x3 = BasicConv2d(spec.in_channels, int(32 * width), 3, stride=stride, padding=pad)
        self.Conv2d_2a_3x3 = conv(32, 32, 3, width, padding=pad)
        self.Conv2d_2b_3x3 = conv(32, 64, 3, width, padding=1)
        self.maxpool1 = nn.Identity() if small else nn.MaxPool2d(3, stride=2)
        self.Conv2d_3b_1x1 = conv(64, 80, 1, width)
        self.Conv2d_4a_3x3 = conv(80, 192, 3, width, padding=pad)
        self.maxpool2 = nn.MaxPool2d(3, stride=2)
        self.Mixed_5b = InceptionA(192, pool_features=32, width=width)
        self.Mixed_5c = InceptionA(256, pool_features=64, width=width)
        self.Mixed_5d = InceptionA(288, pool_features=64, width=width)
        self.Mixed_6a = InceptionB(288, width)
        self.Mixed_6b = InceptionC(768, channels_7x7=128, width=width)
        self.Mixed_6c = InceptionC(768, channels_7x7=160, width=width)
        self.Mixed_6d = InceptionC(768, channels_7x7=160, width=width)
        self.Mixed_6e = InceptionC(768, channels_7x7=192, width=width)
        self.AuxLogits = InceptionV3Aux(768, spec.num_classes, width) if spec.aux_logits else None
        self.Mixed_7a = InceptionD(768, width)
        self.Mixed_7b = InceptionE(1280, width)
        self.Mixed_7c = InceptionE(2048, width)
        self.avgpool, self.dropout = nn.AdaptiveAvgPool2d((1, 1)), nn.Dropout(spec.dropout)
        self.fc = nn.Linear(int(2048 * width), spec.num_classes)
        for name, layer in self.named_modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.normal_(layer.weight, std=SPREADS.get(name, 0.1))
        self.in_channels, self.standard_size = spec.in_channels, 32 if small else 299
        self.smallest, self.smallest_training = spec.smallest

    def forward(self, x):
        heads = self.training and self.AuxLogits is not None
        images("inception_v3", x, self.in_channels, self.smallest_training if heads else self.smallest)
        x = self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))           # (N, 32, 147, 147)
        x = self.maxpool1(self.Conv2d_2b_3x3(x))                # (N, 64, 73, 73)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))           # (N, 192, 71, 71)
        x = self.maxpool2(x)                                    # (N, 192, 35, 35)
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))      # (N, 288, 35, 35)
        x = self.Mixed_6a(x)                                    # (N, 768, 17, 17)
        x = self.Mixed_6c(self.Mixed_6b(x))                     # (N, 768, 17, 17)
        x = self.Mixed_6e(self.Mixed_6d(x))                     # (N, 768, 17, 17)
        aux = self.AuxLogits(x) if heads else None              # (N, num_classes)
        x = self.Mixed_7a(x)                                    # (N, 1280, 8, 8)
        x = self.Mixed_7c(self.Mixed_7b(x))                     # (N, 2048, 8, 8)
        x = self.dropout(self.avgpool(x)).flatten(1)            # (N, 2048)
        x = self.fc(x)                                          # (N, num_classes)
        return InceptionOutputs(x, aux) if heads else x


MODELS = {"inception_v3": InceptionV3}
