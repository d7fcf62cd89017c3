"""Densely connected networks: every layer sees all maps made before it, and adds a few of its own.

Sources:
    Huang, Liu, van der Maaten, Weinberger, "Densely connected convolutional networks", CVPR 2017:
        section 3 (layers, bottleneck B, compression C), table 1 (ImageNet), table 2 (CIFAR).
    Pleiss, Chen, Huang, Li, van der Maaten, Weinberger, "Memory-efficient implementation of
        DenseNets", 2017: `memory_efficient`, done with `recompute.py`.
"""

import re

import torch
from torch import nn
from torch.nn import functional as F

from ..checks import above_zero, at_least, below_one, images, one_of, whole_numbers
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


class DenseNet(nn.Module):
    """A DenseNet of any block sizes; the names of the papers' networks are at the end of this file.

    Input (N, in_channels, H, W), 224x224 for ImageNet (from 29), 32x32 for CIFAR (from 4).
    Output (N, num_classes) logits.

    Args:
        blocks: layers in each dense block. Four for ImageNet, (6, 12, 24, 16) is DenseNet-121.
        growth_rate: k, new maps a layer.
        bottleneck: B, a 1x1 convolution before each 3x3.
        compression: C, theta: share of the maps that a transition keeps, 1 for all of them.
        num_classes: 1000 if not given, 10 with the stem for CIFAR.
        stem: "imagenet", 7x7 and max pooling; "cifar", one 3x3.
        stem_channels: maps after the stem. If not given 2k, for CIFAR without B or C 16.
        in_channels: 3 for colour.
        dropout: after each layer; 0.2 in the paper's CIFAR runs without augmentation.
        memory_efficient: see DenseBlock. Same outputs, gradients and averages.

    Raises:
        ValueError: an argument is out of range; nothing has been allocated then.
    """

    def __init__(
        self, blocks=(6, 12, 24, 16), growth_rate=32, bottleneck=True, compression=0.5, num_classes=None,
        stem="imagenet", stem_channels=None, in_channels=3, dropout=0.0, memory_efficient=False,
    ):
        super().__init__()
        whole_numbers("blocks", blocks)
        k = at_least("growth_rate", growth_rate, 1)
        one_of("bottleneck", bottleneck, (True, False))
        one_of("memory_efficient", memory_efficient, (True, "partly", False))
        imagenet = one_of("stem", stem, ("imagenet", "cifar")) == "imagenet"
        above_zero("compression", compression, 1)
        if stem_channels is None:
            stem_channels = 2 * k if imagenet or (bottleneck and compression < 1) else 16
        num_classes = (1000 if imagenet else 10) if num_classes is None else num_classes
        channels = at_least("stem_channels", stem_channels, 1)
        at_least("num_classes", num_classes, 1)
        below_one("dropout", dropout)
        self.in_channels = at_least("in_channels", in_channels, 1)
        self.standard_size = 224 if imagenet else 32
        # Every transition halves, and after the last one a pixel must remain.
        remain = 2 ** (len(blocks) - 1)
        self.smallest = 4 * remain - 3 if imagenet else remain
        width = channels
        for layers in blocks[:-1]:
            width = int((width + layers * k) * compression)
            if width < 1:
                raise ValueError(f"compression is {compression!r}, allowed: what leaves a map, to 1.")

        self.features = nn.Sequential()
        if imagenet:
            self.features.conv0 = nn.Conv2d(in_channels, channels, 7, 2, padding=3, bias=False)
            self.features.norm0 = nn.BatchNorm2d(channels)
            self.features.relu0 = nn.ReLU(inplace=True)
            self.features.pool0 = nn.MaxPool2d(3, 2, padding=1)
        else:
            self.features.conv0 = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        for i, layers in enumerate(blocks, 1):
            block = DenseBlock(layers, channels, k, memory_efficient, bottleneck=bottleneck, dropout=dropout)
            self.features.add_module(f"denseblock{i}", block)
            channels += layers * k
            if i < len(blocks):
                self.features.add_module(f"transition{i}", Transition(channels, int(channels * compression)))
                channels = int(channels * compression)
        self.features.norm5 = nn.BatchNorm2d(channels)
        self.classifier = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x):
        images("DenseNet", x, self.in_channels, self.smallest)
        #                                             121 at 224        BC-100 at 32, k = 12
        x = self.features(x)                        # (N, 1024, 7, 7)   (N, 342, 8, 8)
        x = F.relu(x, inplace=True)
        x = F.adaptive_avg_pool2d(x, 1).flatten(1)  # (N, 1024)         (N, 342)
        return self.classifier(x)                   # (N, num_classes)


IMAGENET = {                                        # table 1: blocks, growth rate
    121: ((6, 12, 24, 16), 32),
    169: ((6, 12, 32, 32), 32),
    201: ((6, 12, 48, 32), 32),
    264: ((6, 12, 64, 48), 32),
    161: ((6, 12, 36, 24), 48),
}


def _imagenet(depth):
    blocks, k = IMAGENET[depth]
    variants = ("paper",) if depth == 264 else ("paper", "torchvision")     # the two are one network here

    def build(
        num_classes=1000, variant="paper", growth_rate=k, bottleneck=True, compression=0.5,
        in_channels=3, dropout=0.0, memory_efficient=False,
    ):
        one_of("variant", variant, variants)
        return DenseNet(blocks, growth_rate, bottleneck, compression, num_classes, "imagenet", None, in_channels,
                        dropout, memory_efficient)

    return build


def densenet_cifar(
    depth=100, growth_rate=12, bottleneck=True, compression=0.5, num_classes=10, variant="paper",
    in_channels=3, dropout=0.0, memory_efficient=False,
):
    """The networks of table 2. Of `depth` layers with weights four are stem, transitions and
    classifier; three equal blocks share the rest: depth 6n+4 with bottleneck, 3n+4 without.
    """
    one_of("variant", variant, ("paper", "cifar"))
    one_of("bottleneck", bottleneck, (True, False))
    at_least("depth", depth, 1, 10_000)     # the deepest convolutional networks ever trained have as many
    step = 6 if bottleneck else 3
    if depth < step + 4 or (depth - 4) % step:
        raise ValueError(f"depth is {depth}, allowed with bottleneck={bottleneck}: {step}n+4 "
                         f"({step + 4}, {2 * step + 4}, {3 * step + 4}, ...).")
    return DenseNet(3 * ((depth - 4) // step,), growth_rate, bottleneck, compression, num_classes, "cifar", None,
                    in_channels, dropout, memory_efficient)


def find(name):
    """`densenet40_k12`, `densenet_bc100_k12` and so on: depth and growth rate, BC or neither of both."""
    match = re.fullmatch(r"densenet(_bc)?([1-9][0-9]*)_k([1-9][0-9]*)", name)
    if match is None:
        return None
    both, depth, k = bool(match[1]), int(match[2]), int(match[3])

    def build(num_classes=10, variant="paper", in_channels=3, dropout=0.0, memory_efficient=False):
        return densenet_cifar(depth, k, both, 0.5 if both else 1.0, num_classes, variant, in_channels, dropout,
                              memory_efficient)

    return build


MODELS = {f"densenet{depth}": _imagenet(depth) for depth in IMAGENET}
MODELS["densenet_cifar"] = densenet_cifar
for _member in ("40_k12", "100_k12", "100_k24", "_bc100_k12", "_bc250_k24", "_bc190_k40"):    # table 2
    MODELS[f"densenet{_member}"] = find(f"densenet{_member}")
