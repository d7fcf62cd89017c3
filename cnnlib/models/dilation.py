"""Dilated convolutions: filters with gaps see far without more weights, and without coarser maps.

Sources:
    Yu, Koltun, "Multi-scale context aggregation by dilated convolutions", ICLR 2016: section 2.
    Chen, Papandreou, Schroff, Adam, "Rethinking atrous convolution" (DeepLabv3), 2017: figure 5.
"""

import torch
from torch import nn
from torch.nn import functional as F

from ..checks import at_least, whole_numbers


class DilatedStack(nn.Sequential):
    """3x3 convolutions of the same number of maps, one a rate: (N, C, H, W) -> (N, C, H, W).

    A unit's field is 1 + 2 x the sum of the rates on a side. Rates 1, 2, 4 touch all of its 15x15;
    rates 2, 2, 2 touch 49 of its 13x13 pixels, a grid with holes.
    """

    def __init__(self, channels, rates=(1, 2, 4)):
        super().__init__()
        at_least("channels", channels, 1)
        for rate in whole_numbers("rates", rates):
            self.append(nn.Conv2d(channels, channels, 3, padding=rate, dilation=rate, bias=False))
            self.append(nn.BatchNorm2d(channels))
            self.append(nn.ReLU())


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: the same maps seen at several dilations and as a whole.

    (N, in_channels, H, W) -> (N, out_channels, H, W).

    Args:
        rates: dilations of the 3x3 branches, 6, 12, 18 for maps at 1/16 of the image.
    """

    def __init__(self, in_channels, out_channels=256, rates=(6, 12, 18)):
        super().__init__()
        at_least("in_channels", in_channels, 1)
        at_least("out_channels", out_channels, 1)
        whole_numbers("rates", rates)

        def branch(kernel_size, rate):
            padding = rate * (kernel_size // 2)
            return nn.Sequential(
                nn.Conv2d(in_channels, out_channels, kernel_size, 1, padding, rate, bias=False),
                nn.BatchNorm2d(out_channels), nn.ReLU(),
            )

        self.branches = nn.ModuleList([branch(1, 1), *(branch(3, rate) for rate in rates)])
        self.image = nn.Sequential(nn.AdaptiveAvgPool2d(1), *branch(1, 1))
        self.project = nn.Sequential(
            nn.Conv2d((len(rates) + 2) * out_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels), nn.ReLU(),
        )

    def forward(self, x):
        views = [branch(x) for branch in self.branches]                 # (N, out_channels, H, W) each
        whole = F.interpolate(self.image(x), x.shape[2:])               # (N, out_channels, H, W)
        return self.project(torch.cat([*views, whole], 1))


MODELS = {}                                         # blocks only
