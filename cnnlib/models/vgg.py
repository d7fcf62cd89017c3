"""VGG: nothing but 3x3 convolutions, from 11 to 19 layers with weights.

Source: K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale
image recognition", ICLR 2015, tables 1 (configurations) and 2 (parameters).
BatchNorm came later: the `_bn` forms are torchvision's.
"""

import re

from torch import nn

from ..checks import at_least, below_one, eighths, images, one_of, settings
from .alexnet import local_response_norm

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

# grid: side of the maps that reach the classifier; dense: units of its hidden layers.
VARIANTS = {
    "paper": dict(num_classes=1000, grid=7, dense=4096),
    "torchvision": dict(num_classes=1000, grid=7, dense=4096),
    "cifar": dict(num_classes=10, grid=1, dense=0),
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
        width: share of the published maps and dense units in every layer, a multiple of 1/8.
    """

    def __init__(
        self, configuration="D", num_classes=None, variant="paper", batch_norm=False,
        dense=None, grid=None, dropout=0.5, in_channels=3, width=1.0,
    ):
        super().__init__()
        layers = parse(configuration)
        form = settings(
            variant, VARIANTS, num_classes=num_classes, grid=grid, dense=dense
        )
        at_least("num_classes", form.num_classes, 1)
        one_of("batch_norm", batch_norm, (False, True))
        at_least("dense", form.dense, 0)
        at_least("grid", form.grid, 1)
        below_one("dropout", dropout)
        self.in_channels = at_least("in_channels", in_channels, 1)
        eighths("width", width)
        self.standard_size = 32 if variant == "cifar" else 224
        self.smallest = 2 ** layers.count(("pool",))        # every pooling halves

        features, maps = [], in_channels
        for kind, *numbers in layers:
            if kind == "pool":
                features += [nn.MaxPool2d(2, 2)]
            elif kind == "lrn":
                features += [local_response_norm()]
            else:
                kernel, out = numbers[0], max(1, int(numbers[1] * width))
                features += [nn.Conv2d(maps, out, kernel, padding=kernel // 2)]
                features += [nn.BatchNorm2d(out)] if batch_norm else []
                features += [nn.ReLU(inplace=True)]
                maps = out
        self.features = nn.Sequential(*features)
        self.avgpool = nn.AdaptiveAvgPool2d((form.grid, form.grid))
        units = int(form.dense * width) if dense is None else dense
        classifier, inputs = [], maps * form.grid**2
        for _ in range(2 if units else 0):
            classifier += [nn.Linear(inputs, units), nn.ReLU(inplace=True)]
            classifier += [nn.Dropout(dropout)]
            inputs = units
        self.classifier = nn.Sequential(*classifier, nn.Linear(inputs, form.num_classes))
        self.init(glorot=variant == "paper")

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


def named(configuration, batch_norm=False):
    """The factory of one configuration."""

    def vgg(
        num_classes=None, variant="paper", dense=None, grid=None, dropout=0.5, in_channels=3, width=1.0,
    ):
        return VGG(configuration, num_classes, variant, batch_norm, dense, grid, dropout, in_channels, width)

    return vgg


MODELS = {
    "vgg11": named("A"), "vgg11_bn": named("A", True), "vgg11_lrn": named("A-LRN"),
    "vgg13": named("B"), "vgg13_bn": named("B", True), "vgg8_5x5": named("B-5x5"),
    "vgg16": named("D"), "vgg16_bn": named("D", True), "vgg16_1x1": named("C"),
    "vgg19": named("E"), "vgg19_bn": named("E", True),
}


def find(name):
    """The class itself by the name "vgg", for any configuration: create_model("vgg", configuration="64 M 128 M")."""
    return VGG if name == "vgg" else None
