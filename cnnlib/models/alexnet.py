"""AlexNet: two towers on two GPUs as published in 2012, and the one tower of today.

Sources: A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet classification with deep
convolutional neural networks", NIPS 2012, sections 3 to 5 and figure 2; for the one
tower A. Krizhevsky, "One weird trick for parallelizing convolutional neural networks",
2014, and torchvision.
"""

from dataclasses import dataclass, field
from functools import partial
from itertools import count

from torch import nn

from ..checks import at_least, images, one_of
from .specs import built_from, check_common

ACTIVATIONS = {
    "relu": lambda: nn.ReLU(inplace=True),
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "none": nn.Identity,
}

# maps: of the five convolutions; kernel, stride, padding: of the first;
# image_size: the picture that the dense layers are built for; published_units: their width.
VARIANTS = {
    "paper": dict(
        num_classes=1000, maps=(96, 256, 384, 384, 256), groups=2, norm="lrn",
        kernel=11, stride=4, padding=0, image_size=227, published_units=4096,
    ),
    "torchvision": dict(
        num_classes=1000, maps=(64, 192, 384, 256, 256), groups=1, norm="none",
        kernel=11, stride=4, padding=2, image_size=224, published_units=4096,
    ),
    "cifar": dict(
        num_classes=10, maps=(96, 256, 384, 384, 256), groups=2, norm="lrn",
        kernel=5, stride=1, padding=2, image_size=32, published_units=1024,
    ),
}


def local_response_norm(n=5, alpha=1e-4, beta=0.75, k=2.0):
    """Section 3.3: b_i = a_i / (k + alpha * sum of a_j^2 over n maps around i)^beta.

    PyTorch divides its alpha by n, so it must be given n times the paper's.
    """
    return nn.LocalResponseNorm(n, alpha * n, beta, k)


@dataclass(frozen=True)
class AlexNetSpec:
    """The arguments of an `AlexNet`, checked; for None stands what the variant has."""

    num_classes: int | None = None
    variant: str = "paper"
    groups: int | None = None
    activation: str = "relu"
    norm: str | None = None
    pooling: int = 3
    padding: int | str | None = None
    image_size: int | None = None
    dense: int | None = None
    dropout: float = 0.5
    in_channels: int = 3
    width: float = 1.0
    maps: tuple = field(init=False)
    kernel: int = field(init=False)
    stride: int = field(init=False)
    published_units: int = field(init=False)

    def __post_init__(self):
        check_common(self, VARIANTS)
        one_of("groups", self.groups, (1, 2))
        one_of("activation", self.activation, tuple(ACTIVATIONS))
        one_of("norm", self.norm, ("lrn", "batch", "none"))
        one_of("pooling", self.pooling, (3, 2))
        one_of("padding", self.padding, (0, 2, "same"))
        if self.dense is not None:
            at_least("dense", self.dense, 1)
        at_least("image_size", self.image_size, self.smallest)

    @property
    def zeros(self):
        """Pixels of padding (before, after) the picture."""
        around = self.kernel - self.stride if self.padding == "same" else 2 * self.padding
        return around // 2, around - around // 2

    def grid(self, size):
        """Side of the maps that reach the dense layers, for this picture size."""
        side = (size + sum(self.zeros) - self.kernel) // self.stride + 1
        side = (side - self.pooling) // 2 + 1
        side = (side - self.pooling) // 2 + 1
        return (side + 2 * (self.padding == "same") - self.pooling) // 2 + 1

    @property
    def smallest(self):
        """Side of the smallest picture that leaves a pixel."""
        return next(size for size in count(1) if self.grid(size) > 0)

    @property
    def units(self):
        """Of the hidden dense layers."""
        return int(self.published_units * self.width) if self.dense is None else self.dense


def convolution(spec, cin, cout, kernel, lrn=False, **where):
    """The layers of a convolution with its activation and normalisation, which LRN is only where `lrn` says so."""
    layers = [nn.Conv2d(cin, cout, kernel, **where), ACTIVATIONS[spec.activation]()]
    if spec.norm == "batch":
        layers.insert(1, nn.BatchNorm2d(cout))
    if spec.norm == "lrn" and lrn:
        layers.append(local_response_norm())
    return layers


@built_from(AlexNetSpec)
class AlexNet(nn.Module):
    """AlexNet: 60,965,224 parameters as published, 61,100,840 in torchvision.

    Input (N, in_channels, H, W), output (N, num_classes) logits. The paper says 224x224, but the
    55x55 units of its first layer need 227x227. Maps of another picture size are
    averaged to the grid that the dense layers are built for.

    Args:
        num_classes: number of outputs; 1000, for "cifar" 10.
        in_channels: 3 for colour.
        width: factor of the published maps and dense units in every layer, a multiple of 1/8.
        variant: "paper"; "torchvision", one narrower tower without LRN; "cifar", the
            paper's for 32x32, with a first kernel of 5x5 stride 1 instead of 11x11
            stride 4 and dense layers of 1024 units: 5,726,602 parameters.
        groups: 2 towers that meet only in the third convolution and the dense layers,
            or 1 (with the paper's widths 62,378,344 parameters).
        activation: "relu", "tanh", "sigmoid" or "none".
        norm: "lrn" after the activation of the first two convolutions, "batch" before
            the activation of all five, or "none".
        pooling: window of the max poolings of stride 2; 3 overlaps (paper), 2 does not.
        padding: of the first convolution: 0, 2, or "same" as TensorFlow has it, 3
            pixels before and 4 after; then the last pooling pads, too.
        image_size: height and width that the dense layers are built for.
        dense: units of the two hidden dense layers, whatever the `width`.
        dropout: rate in the dense layers.
    """

    def __init__(self, spec):
        super().__init__()
        conv, towers, same = partial(convolution, spec), {"groups": spec.groups}, spec.padding == "same"
        m1, m2, m3, m4, m5 = (int(maps * spec.width) for maps in spec.maps)
        (before, after), side = spec.zeros, spec.grid(spec.image_size)
        self.features = nn.Sequential(                      # sizes of "paper":
            *([nn.ZeroPad2d((before, after, before, after))] if same else []),
            *conv(spec.in_channels, m1, spec.kernel, lrn=True, stride=spec.stride,
                  padding=0 if same else spec.padding),     # (N, 96, 55, 55)
            nn.MaxPool2d(spec.pooling, 2),                  # (N, 96, 27, 27)
            *conv(m1, m2, 5, lrn=True, padding=2, **towers),  # (N, 256, 27, 27)
            nn.MaxPool2d(spec.pooling, 2),                  # (N, 256, 13, 13)
            *conv(m2, m3, 3, padding=1),                    # (N, 384, 13, 13)
            *conv(m3, m4, 3, padding=1, **towers),          # (N, 384, 13, 13)
            *conv(m4, m5, 3, padding=1, **towers),          # (N, 256, 13, 13)
            nn.MaxPool2d(spec.pooling, 2, padding=int(same)),   # (N, 256, 6, 6)
        )
        self.avgpool = nn.AdaptiveAvgPool2d((side, side))
        activation = ACTIVATIONS[spec.activation]
        layers = [
            nn.Linear(m5 * side**2, spec.units), activation(),
            nn.Linear(spec.units, spec.units), activation(),
            nn.Linear(spec.units, spec.num_classes),
        ]
        # The paper drops units of the hidden layers, torchvision units that enter them.
        for place in (2, 0) if spec.variant == "torchvision" else (4, 2):
            layers.insert(place, nn.Dropout(spec.dropout))
        self.classifier = nn.Sequential(*layers)
        if spec.variant == "paper":
            self.init_as_published()
        elif spec.variant == "cifar":                       # He's start, made for ReLUs, learns from few pictures
            for layer in self.modules():
                if isinstance(layer, (nn.Conv2d, nn.Linear)):
                    nn.init.kaiming_normal_(layer.weight)
                    nn.init.zeros_(layer.bias)
        self.in_channels, self.standard_size, self.smallest = spec.in_channels, spec.image_size, spec.smallest

    def init_as_published(self):
        """Section 5: weights N(0, 0.01); biases 1 in convolutions 2, 4, 5 and in the
        hidden dense layers, so that their ReLUs start where they have a slope."""
        layers = [m for m in self.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
        for layer, bias in zip(layers, (0, 1, 0, 1, 1, 1, 1, 0), strict=True):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.constant_(layer.bias, bias)

    def forward(self, x):
        images("alexnet", x, self.in_channels, self.smallest)
        x = self.features(x)            # (N, 256, 6, 6)
        x = self.avgpool(x)             # (N, 256, 6, 6), whatever the picture's size
        x = x.flatten(1)                # (N, 9216)
        return self.classifier(x)       # (N, num_classes)


MODELS = {"alexnet": AlexNet}
