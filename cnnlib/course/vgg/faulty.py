"""The faulty programs of the VGG chapter, each re-created by us, as short as possible.

`repaired.py` holds the same names in the same order: compare the two files to see every repair.
"""

from torch import nn

from ...models import VGG


def sides(picture=227):
    # side of the maps after each pooling of VGG-16
    return [112, 56, 28, 14, 7]


def vgg16(num_classes=1000):
    blocks = [
        "64 64 M", "128 128 M", "256 256 1x1-256 M", "512 512 1x1-512 M", "512 512 1x1-512 M",
    ]
    return VGG(" ".join(blocks), num_classes, grid=8)       # 227, halved five times, leaves 8


def trace(network, x):
    for layer in network:
        x = layer(x)
        print(type(layer).__name__, tuple(x.shape))


class VGG16(nn.Module):
    def __init__(self, num_classes=10, dense=4096):
        super().__init__()
        layers, maps = [], 3
        for width, times in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
            for _ in range(times):
                layers += [nn.Conv2d(maps, width, 3, padding=1), nn.ReLU()]
                maps = width
            layers += [nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(7))
        self.classifier = nn.Sequential(
            nn.Linear(25088, dense), nn.ReLU(), nn.Dropout(),
            nn.Linear(dense, dense), nn.ReLU(), nn.Dropout(), nn.Linear(dense, num_classes),
        )
        self._initialize_weights()

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))
