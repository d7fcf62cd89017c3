"""VGG: nothing but 3x3 convolutions, from 11 to 19 layers with weights.

Source: K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale
image recognition", ICLR 2015, tables 1 (configurations) and 2 (parameters).
BatchNorm came later: the `_bn` forms are torchvision's.
"""

import re
from dataclasses import dataclass, field

from torch import nn

from ..checks import at_least, images, one_of
from .alexnet import local_response_norm
from .specs import built_from, check_common, named

# Table 1, column by column: a number is a 3x3 convolution with so many maps, 1x1-256 a
# 1x1 convolution with 256, M halves the picture, LRN normalises over neighbouring maps.
CONFIGURATIONS = {
    "A":     "64 M 128 M 256 256 M 512 512 M 512 512 M",
    "A-LRN": "64 LRN M 128 M 256 256 M 512 512 M 512 512 M",
    "B":     "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M",
    "C":     "64 64 M 128 128 M 256 256 1x1-256 M 512 512 1x1-512 M 512 512 1x1-512 M",
    "D":     "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
    "E":     "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
    # Section 4: B with one 5x5 in place of two 3x3: it sees as much, with more weights.
    "B-5x5": "5x5-64 M 5x5-128 M 5x5-256 M 5x5-512 M 5x5-512 M",
}

# grid: side of the maps that reach the classifier; units: of its hidden layers.
VARIANTS = {
    "paper": dict(num_classes=1000, grid=7, published_units=4096),
    "torchvision": dict(num_classes=1000, grid=7, published_units=4096),
    "cifar": dict(num_classes=10, grid=1, published_units=0),
}


WORD = re.compile(r"(?:(\d*[13579])x\1-)?([1-9]\d*)|M|LRN")


def parse(configuration):
    """The layers of a configuration: [("conv", kernel, maps), ("pool",), ...]."""
    text = CONFIGURATIONS.get(configuration, configuration)
    words = text.split() if isinstance(text, str) else []
    found = [WORD.fullmatch(word) for word in words]
    if not all(found) or not any(match[2] for match in found):
        raise ValueError(
            f"configuration is {configuration!r}, allowed: {', '.join(CONFIGURATIONS)},"
            " or words such as '64 LRN M 1x1-128 M' with odd kernels."
        )
    return [
        ("conv", int(match[1] or 3), int(match[2])) if match[2]
        else ("pool",) if match[0] == "M" else ("lrn",)
        for match in found
    ]


@dataclass(frozen=True)
class VGGSpec:
    """The arguments of a `VGG`, checked; for None stands what the variant has."""

    configuration: str = "D"
    num_classes: int | None = None
    variant: str = "paper"
    batch_norm: bool = False
    dense: int | None = None
    grid: int | None = None
    dropout: float = 0.5
    in_channels: int = 3
    width: float = 1.0
    published_units: int = field(init=False)

    def __post_init__(self):
        parse(self.configuration)
        check_common(self, VARIANTS)
        one_of("batch_norm", self.batch_norm, (False, True))
        if self.dense is not None:
            at_least("dense", self.dense, 0)
        at_least("grid", self.grid, 1)

    @property
    def layers(self):
        return parse(self.configuration)

    @property
    def units(self):
        """Of the hidden dense layers."""
        return int(self.published_units * self.width) if self.dense is None else self.dense


@built_from(VGGSpec)
class VGG(nn.Module):
    """VGG: 133 to 144 million parameters, 102,764,544 of them in the first dense layer.

    Input (N, in_channels, H, W), output (N, num_classes) logits.

    Args:
        configuration: a letter of CONFIGURATIONS, or a string written like them.
        num_classes: number of outputs; 1000, for "cifar" 10.
        variant: "paper" and "torchvision" have the same layers and differ in how they
            start (Glorot, as the paper advises in the end, or He); "cifar", for 32x32,
            averages each map and has one linear layer.
        batch_norm: BatchNorm before each ReLU of a convolution.
        dense: units of the two hidden dense layers, whatever the `width`; 0 for none of them.
        grid: side of the maps that reach the classifier, 7 for 224x224; maps of another
            picture size are averaged to it.
        dropout: rate after the hidden dense layers; without such layers (dense 0, as in "cifar") there is none.
        in_channels: 3 for colour.
        width: factor of the published maps and dense units in every layer, a multiple of 1/8.
    """

    def __init__(self, spec):
        super().__init__()
        features, maps = [], spec.in_channels
        for kind, *numbers in spec.layers:
            if kind == "pool":
                features += [nn.MaxPool2d(2, 2)]
            elif kind == "lrn":
                features += [local_response_norm()]
            else:
                kernel, out = numbers[0], max(1, int(numbers[1] * spec.width))
                features += [nn.Conv2d(maps, out, kernel, padding=kernel // 2)]
                features += [nn.BatchNorm2d(out)] if spec.batch_norm else []
                features += [nn.ReLU(inplace=True)]
                maps = out
        self.features = nn.Sequential(*features)
        self.avgpool = nn.AdaptiveAvgPool2d((spec.grid, spec.grid))
        classifier, inputs = [], maps * spec.grid**2
        for _ in range(2 if spec.units else 0):
            classifier += [nn.Linear(inputs, spec.units), nn.ReLU(inplace=True), nn.Dropout(spec.dropout)]
            inputs = spec.units
        self.classifier = nn.Sequential(*classifier, nn.Linear(inputs, spec.num_classes))
        self.init(glorot=spec.variant == "paper")
        self.in_channels, self.standard_size = spec.in_channels, 32 if spec.variant == "cifar" else 224
        self.smallest = 2 ** spec.layers.count(("pool",))       # every pooling halves

    def init(self, glorot):
        """Section 3.1: the authors drew from N(0, 0.1^2), which trains A, and began deeper
        networks with layers of a trained A; Glorot's start, they found after submission, makes
        that unnecessary. He's, of the year after, is made for ReLUs."""
        for layer in self.modules():
            if not isinstance(layer, (nn.Conv2d, nn.Linear)):
                continue
            if glorot:
                nn.init.xavier_uniform_(layer.weight)
            elif isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out")
            else:
                nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        images("vgg", x, self.in_channels, self.smallest)
        x = self.features(x)            # (N, 512, 7, 7) for 224x224
        x = self.avgpool(x)             # (N, 512, 7, 7), whatever the picture's size
        x = x.flatten(1)                # (N, 25088)
        return self.classifier(x)       # (N, num_classes)


MODELS = {
    f"{name}{norm}": named(VGG, configuration=letter, batch_norm=bool(norm))
    for name, letter in (("vgg11", "A"), ("vgg13", "B"), ("vgg16", "D"), ("vgg19", "E")) for norm in ("", "_bn")
}
MODELS |= {
    name: named(VGG, configuration=letter, batch_norm=False)
    for name, letter in (("vgg11_lrn", "A-LRN"), ("vgg8_5x5", "B-5x5"), ("vgg16_1x1", "C"))
}


def find(name):
    """The class itself by the name "vgg", for any configuration: create_model("vgg", configuration="64 M 128 M")."""
    return VGG if name == "vgg" else None
