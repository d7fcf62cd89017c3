"""Densely connected networks: every layer sees all maps made before it, and adds a few of its own.

Sources:
    Huang, Liu, van der Maaten, Weinberger, "Densely connected convolutional networks", CVPR 2017:
        section 3 (layers, bottleneck B, compression C), table 1 (ImageNet), table 2 (CIFAR).
    Pleiss, Chen, Huang, Li, van der Maaten, Weinberger, "Memory-efficient implementation of DenseNets", 2017:
        `memory_efficient`.
"""

import re
from dataclasses import dataclass

from torch import nn
from torch.nn import functional as F

from ..checks import above_zero, at_least, below_one, images, one_of, whole_numbers
from .dense import DenseBlock, Transition
from .specs import built_from, fill, named


@dataclass(frozen=True)
class DenseNetSpec:
    """The arguments of DenseNet, checked."""

    blocks: tuple = (6, 12, 24, 16)
    growth_rate: int = 32
    bottleneck: bool = True
    compression: float = 0.5
    num_classes: int | None = None
    stem: str = "imagenet"
    stem_channels: int | None = None
    in_channels: int = 3
    dropout: float = 0.0
    memory_efficient: bool | str = False

    def __post_init__(self):
        whole_numbers("blocks", self.blocks)
        at_least("growth_rate", self.growth_rate, 1)
        one_of("bottleneck", self.bottleneck, (True, False))
        one_of("memory_efficient", self.memory_efficient, (True, "partly", False))
        one_of("stem", self.stem, ("imagenet", "cifar"))
        above_zero("compression", self.compression, 1)
        imagenet, both = self.stem == "imagenet", self.bottleneck and self.compression < 1
        fill(self, {"num_classes": 1000 if imagenet else 10,
                    "stem_channels": 2 * self.growth_rate if imagenet or both else 16})
        at_least("stem_channels", self.stem_channels, 1)
        at_least("num_classes", self.num_classes, 1)
        at_least("in_channels", self.in_channels, 1)
        below_one("dropout", self.dropout)
        channels = self.stem_channels
        for layers in self.blocks[:-1]:
            channels = self.compressed(channels + layers * self.growth_rate)
            if channels < 1:
                raise ValueError(f"compression is {self.compression!r}, allowed: what leaves a map, to 1.")

    def compressed(self, channels):
        """How many of `channels` maps a transition keeps."""
        return int(channels * self.compression)

    @property
    def smallest(self):
        """Side of the smallest picture: every transition halves, and after the last one a pixel must remain."""
        remain = 2 ** (len(self.blocks) - 1)
        return 4 * remain - 3 if self.stem == "imagenet" else remain


def stem_of(spec):
    """The layers before the first block, with torchvision's names."""
    channels, layers = spec.stem_channels, nn.Sequential()
    if spec.stem == "cifar":
        layers.conv0 = nn.Conv2d(spec.in_channels, channels, 3, padding=1, bias=False)
    else:
        layers.conv0 = nn.Conv2d(spec.in_channels, channels, 7, 2, padding=3, bias=False)
        layers.norm0 = nn.BatchNorm2d(channels)
        layers.relu0 = nn.ReLU(inplace=True)
        layers.pool0 = nn.MaxPool2d(3, 2, padding=1)
    return layers


@built_from(DenseNetSpec)
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

    def __init__(self, spec):
        super().__init__()
        self.features, channels = stem_of(spec), spec.stem_channels
        for i, layers in enumerate(spec.blocks, 1):
            self.features.add_module(f"denseblock{i}", DenseBlock(
                layers, channels, spec.growth_rate, spec.memory_efficient, bottleneck=spec.bottleneck,
                dropout=spec.dropout))
            channels += layers * spec.growth_rate
            if i < len(spec.blocks):
                self.features.add_module(f"transition{i}", Transition(channels, spec.compressed(channels)))
                channels = spec.compressed(channels)
        self.features.norm5 = nn.BatchNorm2d(channels)
        self.classifier = nn.Linear(channels, spec.num_classes)
        self.in_channels, self.smallest = spec.in_channels, spec.smallest
        self.standard_size = 224 if spec.stem == "imagenet" else 32
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
    both = bool(match[1])
    return named(densenet_cifar, depth=int(match[2]), growth_rate=int(match[3]), bottleneck=both,
                 compression=0.5 if both else 1.0)


MODELS = {f"densenet{depth}": _imagenet(depth) for depth in IMAGENET}
MODELS["densenet_cifar"] = densenet_cifar
for _member in ("40_k12", "100_k12", "100_k24", "_bc100_k12", "_bc250_k24", "_bc190_k40"):    # table 2
    MODELS[f"densenet{_member}"] = find(f"densenet{_member}")
