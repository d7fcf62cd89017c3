"""Convolutions taken apart: one filter a map, then 1x1 across maps. MobileNet and Xception's block.

Sources:
    Howard et al., "MobileNets", 2017: section 3.1 (cost), table 1 (body), section 3.3 (width).
    Sandler, Howard, Zhu, Zhmoginov, Chen, "MobileNetV2", CVPR 2018: section 3.3, table 2.
    Chollet, "Xception", CVPR 2017: sections 2 and 3, figure 5.
"""

from torch import nn
from torch.nn import functional as F

from ..checks import above_zero, at_least, below_one, images, odd, one_of


class SeparableConv2d(nn.Sequential):
    """A 3x3 convolution in two: over space, one filter a map; over maps, 1x1. Nothing in between.

    (N, in_channels, H, W) -> (N, out_channels, H/stride, W/stride). k^2 c + c c' weights instead
    of k^2 c c': 1/c' + 1/k^2 of them.

    Args:
        in_channels, out_channels: c and c'.
        kernel_size: k, odd.
        stride, dilation: of the spatial part.
        order: "depthwise" first, as in both papers' networks, or "pointwise" first, as in the
            Inception module that Xception begins with (k^2 c' + c c' weights).
    """

    def __init__(
        self, in_channels, out_channels, kernel_size=3, stride=1, dilation=1, order="depthwise"
    ):
        super().__init__()
        at_least("in_channels", in_channels, 1)
        at_least("out_channels", out_channels, 1)
        odd("kernel_size", kernel_size)
        at_least("stride", stride, 1)
        at_least("dilation", dilation, 1)
        one_of("order", order, ("depthwise", "pointwise"))
        spatial = in_channels if order == "depthwise" else out_channels
        depthwise = nn.Conv2d(
            spatial, spatial, kernel_size, stride, padding=dilation * (kernel_size // 2),
            dilation=dilation, groups=spatial, bias=False,
        )
        pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        parts = {"depthwise": depthwise, "pointwise": pointwise}
        self.add_module(order, parts.pop(order))
        self.add_module(*parts.popitem())


class XceptionBlock(nn.Module):
    """Two separable convolutions around a shortcut (the entry flow of figure 5).

    (N, in_channels, H, W) -> (N, out_channels, H/stride, W/stride).
    """

    def __init__(self, in_channels, out_channels, stride=2):
        super().__init__()
        self.sep1 = SeparableConv2d(in_channels, out_channels)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.sep2 = SeparableConv2d(out_channels, out_channels)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(3, stride, padding=1) if stride > 1 else nn.Identity()
        self.skip = nn.Identity()
        if stride > 1 or in_channels != out_channels:
            self.skip = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x):
        y = self.bn1(self.sep1(self.relu(x)))       # (N, out_channels, H, W)
        y = self.bn2(self.sep2(self.relu(y)))       # (N, out_channels, H, W)
        return self.pool(y) + self.skip(x)          # (N, out_channels, H/s, W/s)


class ConvNormActivation(nn.Sequential):
    """Convolution, BatchNorm, ReLU cut off at 6: (N, c, H, W) -> (N, out_channels, H/stride, W/stride)."""

    def __init__(self, in_channels, out_channels, kernel_size=3, stride=1, groups=1):
        super().__init__(
            nn.Conv2d(
                in_channels, out_channels, kernel_size, stride, kernel_size // 2,
                groups=groups, bias=False,
            ),
            nn.BatchNorm2d(out_channels),
            nn.ReLU6(inplace=True),
        )


class DepthwiseSeparable(nn.Sequential):
    """MobileNet's block (figure 3, right): BatchNorm and activation after both halves."""

    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(
            ConvNormActivation(in_channels, in_channels, 3, stride, groups=in_channels),
            ConvNormActivation(in_channels, out_channels, 1),
        )


class InvertedResidual(nn.Module):
    """MobileNetV2's block: widen by `expansion`, filter map by map, narrow again without activation.

    (N, in_channels, H, W) -> (N, out_channels, H/stride, W/stride). The shortcut joins the narrow
    ends, where shapes agree; an activation there would lose what few channels carry.
    """

    def __init__(self, in_channels, out_channels, stride=1, expansion=6):
        super().__init__()
        at_least("out_channels", out_channels, 1)
        at_least("stride", stride, 1)
        hidden = at_least("in_channels", in_channels, 1) * at_least("expansion", expansion, 1)
        layers = [ConvNormActivation(in_channels, hidden, 1)] if expansion > 1 else []
        self.conv = nn.Sequential(
            *layers,                                                        # (N, hidden, H, W)
            ConvNormActivation(hidden, hidden, 3, stride, groups=hidden),   # (N, hidden, H/s, W/s)
            nn.Conv2d(hidden, out_channels, 1, bias=False),                 # (N, out_channels, ...)
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x):
        return x + self.conv(x) if self.shortcut else self.conv(x)


def divisible(channels, by=8):
    """The nearest multiple of `by`, at least `by`, and not more than a tenth below `channels`."""
    rounded = max(by, int(channels + by / 2) // by * by)
    return rounded if rounded >= 0.9 * channels else rounded + by


def _begin(net, num_classes, in_channels, width_multiplier, dropout, size=224):
    at_least("num_classes", num_classes, 1)
    below_one("dropout", dropout)
    above_zero("width_multiplier", width_multiplier, 4)
    net.in_channels, net.standard_size = at_least("in_channels", in_channels, 1), size


def _initialise(net):
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
            nn.init.zeros_(module.bias)


class MobileNetV1(nn.Module):
    """28 layers, 13 separable blocks (table 1). Input (N, in_channels, H, W), output (N, num_classes).

    Activations are cut off at 6, as in the authors' released code; the paper writes ReLU.

    Args:
        num_classes, in_channels: as everywhere.
        variant: "paper" only; torchvision does not have it.
        width_multiplier: alpha of section 3.3, factor of all channels; 1, 0.75, 0.5, 0.25 there.
        dropout: before the classifier.
    """

    BODY = (                                        # out channels and stride of each block
        (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
        (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
    )

    def __init__(
        self, num_classes=1000, variant="paper", in_channels=3, width_multiplier=1.0, dropout=0.0
    ):
        super().__init__()
        _begin(self, num_classes, in_channels, width_multiplier, dropout)
        one_of("variant", variant, ("paper",))
        channels = max(1, int(32 * width_multiplier))
        self.features = nn.Sequential(ConvNormActivation(in_channels, channels, stride=2))
        for wide, stride in self.BODY:
            out = max(1, int(wide * width_multiplier))
            self.features.append(DepthwiseSeparable(channels, out, stride))
            channels = out
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels, num_classes))
        _initialise(self)

    def forward(self, x):
        images("MobileNetV1", x, self.in_channels, 1)
        x = self.features(x)                            # (N, 1024, 7, 7) from 224
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)      # (N, 1024)
        return self.classifier(x)                       # (N, num_classes)


class MobileNetV2(nn.Module):
    """17 inverted residuals (table 2). Input (N, in_channels, H, W), output (N, num_classes).

    Args:
        num_classes, in_channels: as everywhere.
        variant: "paper" or "torchvision": the same network; "cifar": for 32x32, ours, since the paper has none. Its
            first two halvings are left out, and 10 classes need no 1280 maps: the last 1x1 quadruples.
        width_multiplier: factor of all channels, rounded to multiples of 8; the last 1x1 keeps
            at least 1280, but for CIFAR.
        dropout: before the classifier.
    """

    BODY = (                                        # table 2: expansion, channels, repeats, stride
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
        (6, 320, 1, 1),
    )

    def __init__(
        self, num_classes=None, variant="paper", in_channels=3, width_multiplier=1.0, dropout=0.2
    ):
        super().__init__()
        cifar = one_of("variant", variant, ("paper", "torchvision", "cifar")) == "cifar"
        if num_classes is None:
            num_classes = 10 if cifar else 1000
        _begin(self, num_classes, in_channels, width_multiplier, dropout, 32 if cifar else 224)
        channels = divisible(32 * width_multiplier)
        self.features = nn.Sequential(ConvNormActivation(in_channels, channels, stride=1 if cifar else 2))
        for expansion, wide, repeats, stride in self.BODY:
            out = divisible(wide * width_multiplier)
            for i in range(repeats):
                step = stride if i == 0 and not (cifar and wide == 24) else 1
                self.features.append(InvertedResidual(channels, out, step, expansion))
                channels = out
        last = 4 * channels if cifar else divisible(1280 * max(1.0, width_multiplier))
        self.features.append(ConvNormActivation(channels, last, 1))
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, num_classes))
        _initialise(self)

    def forward(self, x):
        images("MobileNetV2", x, self.in_channels, 1)
        x = self.features(x)                            # (N, 1280, 7, 7) from 224, (N, 1280, 4, 4) from CIFAR's 32
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)      # (N, 1280)
        return self.classifier(x)                       # (N, num_classes)


MODELS = {"mobilenet_v1": MobileNetV1, "mobilenet_v2": MobileNetV2}
