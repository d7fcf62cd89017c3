"""Residual networks from 18 to 1202 layers, their plain counterparts, ResNeXt and wide ResNet.

The blocks are in `residual.py`; here they are stacked.

Sources:
    He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016: table 1
        (ImageNet), section 4.2 (CIFAR-10, depth 6n+2).
    Huang, Sun, Liu, Sedra, Weinberger, "Deep networks with stochastic depth", ECCV 2016: section 3.
    Xie et al., "Aggregated residual transformations", CVPR 2017: ResNeXt, table 1.
    Zagoruyko, Komodakis, "Wide residual networks", BMVC 2016: table 8.
    Hu, Shen, Albanie, Sun, Wu, "Squeeze-and-excitation networks", CVPR 2018: table 1.
"""

import re
from dataclasses import dataclass, field

from torch import nn

from ..checks import above_zero, at_least, below_one, images, one_of
from .residual import BasicBlock, Bottleneck, conv3x3
from .specs import built_from, fill, named

IMAGENET = {                                        # table 1: block, blocks a stage
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}


def stages_of(depth, variant="paper", plain=False):
    """The block and the number of blocks of each stage: four stages for ImageNet, three for CIFAR.

    Raises:
        ValueError: the variant has no network of this depth.
    """
    one_of("variant", variant, ("paper", "torchvision", "cifar"))
    at_least("depth", depth, 1, 10_000)                 # the deepest convolutional networks ever trained have as many
    imagenet = [18, 34] if plain else list(IMAGENET)    # table 1 has no plain bottlenecks
    if variant != "cifar" and depth in imagenet:
        return IMAGENET[depth]
    if variant != "torchvision" and depth >= 8 and depth % 6 == 2:
        return BasicBlock, 3 * (depth // 6,)
    rule = "6n+2 (8, 14, 20, 26, 32, ...)"
    allowed = {"cifar": rule, "torchvision": imagenet, "paper": f"{imagenet} or {rule}"}[variant]
    raise ValueError(f"depth is {depth}, allowed with variant {variant!r}: {allowed}.")


@dataclass(frozen=True)
class ResNetSpec:
    """The arguments of a `ResNet`, checked; for None stands what the variant has."""

    depth: int = 50
    num_classes: int | None = None
    variant: str = "paper"
    in_channels: int = 3
    width: int | None = None
    shortcut: str | None = None
    stride_in: str | None = None
    groups: int = 1
    width_per_group: int = 64
    preactivation: bool = False
    stochastic_depth: float = 0.0
    residual_scale: float = 1.0
    se_reduction: int = 0
    se_position: str = "standard"
    block: type = field(init=False)         # BasicBlock or Bottleneck
    blocks: tuple = field(init=False)       # their number in each stage

    def __post_init__(self):
        block, blocks = stages_of(self.depth, self.variant, plain=self.shortcut == "none")
        grouped, cifar = (self.groups, self.width_per_group) != (1, 64), len(blocks) == 3
        if grouped and cifar:                           # section 4.2 has basic blocks only
            one_of("variant", self.variant, ("paper", "torchvision"))
        fill(self, {"block": block, "blocks": blocks, "num_classes": 10 if cifar else 1000,
                    "width": 16 if cifar else 64, "shortcut": "A" if cifar else "B"})
        at_least("in_channels", self.in_channels, 1)
        at_least("num_classes", self.num_classes, 1)
        at_least("width", self.width, 1)
        at_least("se_reduction", self.se_reduction, 0)
        one_of("se_position", self.se_position, ("standard", "pre", "post", "identity"))
        one_of("shortcut", self.shortcut, ("A", "B", "C", "none"))
        one_of("preactivation", self.preactivation, (False, True))
        below_one("stochastic_depth", self.stochastic_depth)
        above_zero("residual_scale", self.residual_scale, 1)
        if self.shortcut == "none":
            one_of("stochastic_depth without shortcuts", self.stochastic_depth, (0.0,))
            one_of("preactivation without shortcuts", self.preactivation, (False,))
            one_of("se_position without shortcuts", self.se_position, ("standard", "pre", "post"))
        if block is Bottleneck:
            fill(self, {"stride_in": "1x1" if self.variant == "paper" and not grouped else "3x3"})    # as published
            one_of("stride_in", self.stride_in, ("1x1", "3x3"))
            at_least("groups", self.groups, 1)
            at_least("width_per_group", self.width_per_group, 1)
            if self.width * self.width_per_group % 64:
                raise ValueError(f"width_per_group is {self.width_per_group}, allowed with width {self.width}: "
                                 "their product is a multiple of 64.")
        else:
            one_of("stride_in of basic blocks", self.stride_in, (None,))
            one_of("groups of basic blocks", self.groups, (1,))
            one_of("width_per_group of basic blocks", self.width_per_group, (64,))

    @property
    def cifar(self):
        return len(self.blocks) == 3

    @property
    def block_options(self):
        """The arguments of every block."""
        options = {"shortcut": self.shortcut, "residual_scale": self.residual_scale,
                   "se_reduction": self.se_reduction, "se_position": self.se_position}
        if self.block is Bottleneck:
            options |= {"stride_in": self.stride_in, "groups": self.groups, "width_per_group": self.width_per_group}
        return options


def stage_of(spec, number, channels):
    """Stage 0, 1, 2 or 3: blocks from `channels` maps on, the first of which halves height and width (but in stage 0).

    Section 3 of stochastic depth: from block to block the probability of being skipped rises.
    """
    stage, before = nn.Sequential(), sum(spec.blocks[:number])
    for i in range(spec.blocks[number]):
        first = before + i == 0
        stage.append(spec.block(
            channels, spec.width * 2**number, stride=2 if number > 0 and i == 0 else 1, **spec.block_options,
            preactivation="first" if spec.preactivation and first else spec.preactivation,
            survival=1 - spec.stochastic_depth * (before + i + 1) / sum(spec.blocks),
        ))
        channels = spec.width * 2**number * spec.block.expansion
    return stage


@built_from(ResNetSpec)
class ResNet(nn.Module):
    """The residual network of a depth, for ImageNet or for CIFAR, and its plain counterpart.

    Input (N, in_channels, H, W), 224x224 in the paper and 32x32 for CIFAR; any size works.
    Output (N, num_classes) logits.

    Args:
        depth: layers with weights. 18, 34, 50, 101, 152 are the ImageNet networks of table 1;
            any other must be 6n+2 and is the CIFAR network of section 4.2.
        num_classes: 1000 if not given, 10 for CIFAR.
        variant: "paper"; "torchvision", with the stride of bottlenecks in the 3x3 convolution;
            "cifar", the CIFAR network also where table 1 has the depth (50, 152).
        in_channels: 3 for colour.
        width: planes of the first stage, 64 if not given, 16 for CIFAR; each stage doubles them.
            (For AlexNet, VGG and the Inceptions it is a factor of the published channels instead.)
        shortcut: see ResidualBlock. If not given "B" (table 4), for CIFAR "A" (section 4.2).
        stride_in, groups, width_per_group: see Bottleneck; basic blocks take none of them.
            ResNeXt and the wide ResNet were published with the stride in the 3x3 convolution.
        preactivation, residual_scale, se_reduction, se_position: see ResidualBlock.
        stochastic_depth: probability that the last block is skipped in a training step, 0.5 in
            the paper; it rises linearly from the input to there.

    Raises:
        ValueError: an argument is out of range; nothing has been allocated then.
    """

    def __init__(self, spec):
        super().__init__()
        self.in_channels, self.standard_size = spec.in_channels, 32 if spec.cifar else 224
        if spec.cifar:
            self.conv1 = conv3x3(spec.in_channels, spec.width)
        else:
            self.conv1 = nn.Conv2d(spec.in_channels, spec.width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(spec.width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity() if spec.cifar else nn.MaxPool2d(3, stride=2, padding=1)
        channels = spec.width
        for i in range(len(spec.blocks)):
            self.add_module(f"layer{i + 1}", stage_of(spec, i, channels))
            channels = spec.width * 2**i * spec.block.expansion
        if spec.cifar:
            self.layer4 = nn.Sequential()               # CIFAR's networks have three stages
        self.last = None
        if spec.preactivation:                          # the last sum is raw
            self.last = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, spec.num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):           # He et al. 2015: keep the signal's size
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x):
        images("ResNet", x, self.in_channels, 1)
        #                                             ImageNet, 224        CIFAR, 32
        x = self.relu(self.bn1(self.conv1(x)))      # (N, 64, 112, 112)    (N, 16, 32, 32)
        x = self.maxpool(x)                         # (N, 64, 56, 56)      (N, 16, 32, 32)
        x = self.layer1(x)                          # (N, 64 e, 56, 56)    (N, 16, 32, 32)
        x = self.layer2(x)                          # (N, 128 e, 28, 28)   (N, 32, 16, 16)
        x = self.layer3(x)                          # (N, 256 e, 14, 14)   (N, 64, 8, 8)
        x = self.layer4(x)                          # (N, 512 e, 7, 7), expansion e = 1 or 4
        if self.last is not None:
            x = self.last(x)
        x = self.avgpool(x).flatten(1)              # (N, 512 e)           (N, 64)
        return self.fc(x)                           # (N, num_classes)


NAME = re.compile(r"(resnet|plain|se_resnet)([1-9][0-9]*)")


def find(name):
    """The factory of `resnetN`, `plainN` or `se_resnetN`, None for another name."""
    match = NAME.fullmatch(name)
    if match is None:
        return None
    depth = int(match[2])
    return {
        "resnet": lambda: named(ResNet, depth=depth),
        "plain": lambda: named(ResNet, depth=depth, shortcut="none"),
        "se_resnet": lambda: named(ResNet, depth=depth, se_reduction=16),
    }[match[1]]()


MODELS = {
    "resnext50_32x4d": named(ResNet, depth=50, groups=32, width_per_group=4),
    "resnext101_32x8d": named(ResNet, depth=101, groups=32, width_per_group=8),
    "resnext101_64x4d": named(ResNet, depth=101, groups=64, width_per_group=4),
    "wide_resnet50_2": named(ResNet, depth=50, width_per_group=128),
    "wide_resnet101_2": named(ResNet, depth=101, width_per_group=128),
    "se_resnext50_32x4d": named(ResNet, depth=50, groups=32, width_per_group=4, se_reduction=16),
}
for _names, _depths in (
    ("resnet", (*IMAGENET, 20, 32, 44, 56, 110, 1202)),
    ("plain", (18, 34, 20, 32, 44, 56)),                # figure 6, left
    ("se_resnet", (*IMAGENET, 20, 32, 44, 56, 110)),
):
    MODELS |= {f"{_names}{depth}": find(f"{_names}{depth}") for depth in _depths}
