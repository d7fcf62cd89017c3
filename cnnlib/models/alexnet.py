"""AlexNet: two towers on two GPUs as published in 2012, and the one tower of today.

Sources: A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet classification with deep
convolutional neural networks", NIPS 2012, sections 3 to 5 and figure 2; for the one
tower A. Krizhevsky, "One weird trick for parallelizing convolutional neural networks",
2014, and torchvision.
"""

from itertools import count

from torch import nn

from ..checks import at_least, below_one, eighths, images, one_of, settings

ACTIVATIONS = {
    "relu": lambda: nn.ReLU(inplace=True),
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "none": nn.Identity,
}

# maps: of the five convolutions; kernel, stride, padding: of the first;
# image_size: the picture that the dense layers are built for; dense: their width.
VARIANTS = {
    "paper": dict(
        num_classes=1000, maps=(96, 256, 384, 384, 256), groups=2, norm="lrn",
        kernel=11, stride=4, padding=0, image_size=227, dense=4096,
    ),
    "torchvision": dict(
        num_classes=1000, maps=(64, 192, 384, 256, 256), groups=1, norm="none",
        kernel=11, stride=4, padding=2, image_size=224, dense=4096,
    ),
    "cifar": dict(
        num_classes=10, maps=(96, 256, 384, 384, 256), groups=2, norm="lrn",
        kernel=5, stride=1, padding=2, image_size=32, dense=1024,
    ),
}


def local_response_norm(n=5, alpha=1e-4, beta=0.75, k=2.0):
    """Section 3.3: b_i = a_i / (k + alpha * sum of a_j^2 over n maps around i)^beta.

    PyTorch divides its alpha by n, so it must be given n times the paper's.
    """
    return nn.LocalResponseNorm(n, alpha * n, beta, k)


class AlexNet(nn.Module):
    """AlexNet: 60,965,224 parameters as published, 61,100,840 in torchvision.

    Input (N, in_channels, H, W), output (N, num_classes) logits. The paper says 224x224, but the
    55x55 units of its first layer need 227x227. Maps of another picture size are
    averaged to the grid that the dense layers are built for.

    Args:
        num_classes: number of outputs; 1000, for "cifar" 10.
        in_channels: 3 for colour.
        width: share of the published maps and dense units in every layer, a multiple of 1/8.
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

    def __init__(
        self, num_classes=None, variant="paper", groups=None, activation="relu",
        norm=None, pooling=3, padding=None, image_size=None, dense=None, dropout=0.5,
        in_channels=3, width=1.0,
    ):
        super().__init__()
        form = settings(
            variant, VARIANTS, num_classes=num_classes, groups=groups, norm=norm,
            padding=padding, image_size=image_size, dense=dense,
        )
        at_least("num_classes", form.num_classes, 1)
        self.in_channels = at_least("in_channels", in_channels, 1)
        eighths("width", width)
        one_of("groups", form.groups, (1, 2))
        one_of("activation", activation, tuple(ACTIVATIONS))
        one_of("norm", form.norm, ("lrn", "batch", "none"))
        one_of("pooling", pooling, (3, 2))
        one_of("padding", form.padding, (0, 2, "same"))
        at_least("dense", form.dense, 1)
        below_one("dropout", dropout)

        same = form.padding == "same"
        spare = form.kernel - form.stride if same else 2 * form.padding
        before, after = spare // 2, spare - spare // 2      # zeros around the picture

        def grid(size):
            """Side of the maps that reach the dense layers, for this picture size."""
            side = (size + spare - form.kernel) // form.stride + 1
            side = (side - pooling) // 2 + 1
            side = (side - pooling) // 2 + 1
            return (side + 2 * same - pooling) // 2 + 1

        self.smallest = next(size for size in count(1) if grid(size) > 0)
        self.standard_size = at_least("image_size", form.image_size, self.smallest)

        def conv(cin, cout, kernel, lrn=False, **where):
            layers = [nn.Conv2d(cin, cout, kernel, **where), ACTIVATIONS[activation]()]
            if form.norm == "batch":
                layers.insert(1, nn.BatchNorm2d(cout))
            if form.norm == "lrn" and lrn:
                layers.append(local_response_norm())
            return layers

        m1, m2, m3, m4, m5 = (int(maps * width) for maps in form.maps)
        units = int(form.dense * width) if dense is None else dense
        towers = dict(groups=form.groups)
        self.features = nn.Sequential(                      # sizes of "paper":
            *([nn.ZeroPad2d((before, after, before, after))] if same else []),
            *conv(in_channels, m1, form.kernel, lrn=True, stride=form.stride,
                  padding=0 if same else form.padding),     # (N, 96, 55, 55)
            nn.MaxPool2d(pooling, 2),                       # (N, 96, 27, 27)
            *conv(m1, m2, 5, lrn=True, padding=2, **towers),  # (N, 256, 27, 27)
            nn.MaxPool2d(pooling, 2),                       # (N, 256, 13, 13)
            *conv(m2, m3, 3, padding=1),                    # (N, 384, 13, 13)
            *conv(m3, m4, 3, padding=1, **towers),          # (N, 384, 13, 13)
            *conv(m4, m5, 3, padding=1, **towers),          # (N, 256, 13, 13)
            nn.MaxPool2d(pooling, 2, padding=int(same)),    # (N, 256, 6, 6)
        )
        side = grid(form.image_size)
        self.avgpool = nn.AdaptiveAvgPool2d((side, side))
        layers = [
            nn.Linear(m5 * side**2, units), ACTIVATIONS[activation](),
            nn.Linear(units, units), ACTIVATIONS[activation](),
            nn.Linear(units, form.num_classes),
        ]
        # The paper drops units of the hidden layers, torchvision units that enter them.
        for place in (2, 0) if variant == "torchvision" else (4, 2):
            layers.insert(place, nn.Dropout(dropout))
        self.classifier = nn.Sequential(*layers)
        if variant == "paper":
            self.init_as_published()
        elif variant == "cifar":                            # He's start, made for ReLUs, learns from few pictures
            for layer in self.modules():
                if isinstance(layer, (nn.Conv2d, nn.Linear)):
                    nn.init.kaiming_normal_(layer.weight)
                    nn.init.zeros_(layer.bias)

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
