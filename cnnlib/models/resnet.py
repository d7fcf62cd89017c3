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

import inspect
import re

from torch import nn

from ..checks import above_zero, at_least, below_one, images, one_of
from .residual import BasicBlock, Bottleneck, conv3x3

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
            (AlexNet, VGG and the Inceptions take a share of the published channels instead.)
        shortcut: see ResidualBlock. If not given "B" (table 4), for CIFAR "A" (section 4.2).
        stride_in, groups, width_per_group: see Bottleneck; basic blocks take none of them.
            ResNeXt and the wide ResNet were published with the stride in the 3x3 convolution.
        preactivation, residual_scale, se_reduction: see ResidualBlock.
        stochastic_depth: probability that the last block is skipped in a training step, 0.5 in
            the paper; it rises linearly from the input to there.

    Raises:
        ValueError: an argument is out of range; nothing has been allocated then.
    """

    def __init__(
        self, depth=50, num_classes=None, variant="paper", in_channels=3, width=None,
        shortcut=None, stride_in=None, groups=1, width_per_group=64, preactivation=False,
        stochastic_depth=0.0, residual_scale=1.0, se_reduction=0,
    ):
        super().__init__()
        block, blocks = stages_of(depth, variant, plain=shortcut == "none")
        cifar = len(blocks) == 3
        self.standard_size = 32 if cifar else 224
        if (groups, width_per_group) != (1, 64) and cifar:      # section 4.2 has basic blocks only
            one_of("variant", variant, ("paper", "torchvision"))
        num_classes = (10 if cifar else 1000) if num_classes is None else num_classes
        width = (16 if cifar else 64) if width is None else width
        shortcut = ("A" if cifar else "B") if shortcut is None else shortcut
        self.in_channels = at_least("in_channels", in_channels, 1)
        at_least("num_classes", num_classes, 1)
        at_least("width", width, 1)
        at_least("se_reduction", se_reduction, 0)
        one_of("shortcut", shortcut, ("A", "B", "C", "none"))
        one_of("preactivation", preactivation, (False, True))
        below_one("stochastic_depth", stochastic_depth)
        above_zero("residual_scale", residual_scale, 1)
        if shortcut == "none":
            one_of("stochastic_depth without shortcuts", stochastic_depth, (0.0,))
            one_of("preactivation without shortcuts", preactivation, (False,))
        options = {
            "shortcut": shortcut, "residual_scale": residual_scale, "se_reduction": se_reduction,
        }
        if block is Bottleneck:
            if stride_in is None:                       # as published
                stride_in = "1x1" if (variant, groups, width_per_group) == ("paper", 1, 64) else "3x3"
            options |= {
                "stride_in": one_of("stride_in", stride_in, ("1x1", "3x3")),
                "groups": at_least("groups", groups, 1),
                "width_per_group": at_least("width_per_group", width_per_group, 1),
            }
            if width * width_per_group % 64:
                raise ValueError(f"width_per_group is {width_per_group}, allowed with width {width}: "
                                 "their product is a multiple of 64.")
        else:
            one_of("stride_in of basic blocks", stride_in, (None,))
            one_of("groups of basic blocks", groups, (1,))
            one_of("width_per_group of basic blocks", width_per_group, (64,))

        if cifar:
            self.conv1 = conv3x3(in_channels, width)
        else:
            self.conv1 = nn.Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity() if cifar else nn.MaxPool2d(3, stride=2, padding=1)
        channels, done = width, 0
        for i in range(4):                              # layer4 stays empty for CIFAR
            planes, stage = width * 2**i, nn.Sequential()
            for j in range(blocks[i] if i < len(blocks) else 0):
                done += 1
                stage.append(block(
                    channels, planes, stride=2 if i > 0 and j == 0 else 1, **options,
                    preactivation="first" if preactivation and done == 1 else preactivation,
                    survival=1 - stochastic_depth * done / sum(blocks),
                ))
                channels = planes * block.expansion
            self.add_module(f"layer{i + 1}", stage)
        self.last = None
        if preactivation:                               # the last sum is raw
            self.last = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes)
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


def _named(**fixed):
    """ResNet with some arguments fixed; what remains is the signature, so that a name has no others."""
    def build(**options):
        return ResNet(**fixed, **options)

    free = [p for p in inspect.signature(ResNet).parameters.values() if p.name not in fixed]
    build.__signature__ = inspect.Signature(free)
    return build


NAME = re.compile(r"(resnet|plain|se_resnet)([1-9][0-9]*)")


def find(name):
    """The factory of `resnetN`, `plainN` or `se_resnetN`, None for another name."""
    match = NAME.fullmatch(name)
    if match is None:
        return None
    depth = int(match[2])
    return {
        "resnet": lambda: _named(depth=depth),
        "plain": lambda: _named(depth=depth, shortcut="none"),
        "se_resnet": lambda: _named(depth=depth, se_reduction=16),
    }[match[1]]()


MODELS = {
    "resnext50_32x4d": _named(depth=50, groups=32, width_per_group=4),
    "resnext101_32x8d": _named(depth=101, groups=32, width_per_group=8),
    "resnext101_64x4d": _named(depth=101, groups=64, width_per_group=4),
    "wide_resnet50_2": _named(depth=50, width_per_group=128),
    "wide_resnet101_2": _named(depth=101, width_per_group=128),
    "se_resnext50_32x4d": _named(depth=50, groups=32, width_per_group=4, se_reduction=16),
}
for _names, _depths in (
    ("resnet", (*IMAGENET, 20, 32, 44, 56, 110, 1202)),
    ("plain", (18, 34, 20, 32, 44, 56)),                # figure 6, left
    ("se_resnet", (*IMAGENET, 20, 32, 44, 56, 110)),
):
    MODELS |= {f"{_names}{depth}": find(f"{_names}{depth}") for depth in _depths}
