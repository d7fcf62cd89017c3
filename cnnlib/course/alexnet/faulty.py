"""The faulty programs of the AlexNet chapter, each re-created by us, as short as possible.

`repaired.py` holds the same names in the same order: compare the two files to see every repair.
"""

import math

from torch import nn

from ...models import AlexNet


class OneTower(nn.Module):
    def __init__(self, num_classes=10, dense=4096):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 96, 11, stride=4), nn.LocalResponseNorm(5), nn.MaxPool2d(3, 2),
            nn.Conv2d(96, 256, 5, padding=2), nn.LocalResponseNorm(5), nn.MaxPool2d(3, 2),
            nn.Conv2d(256, 384, 3, padding=1),
            nn.Conv2d(384, 384, 3, padding=1),
            nn.Conv2d(384, 256, 3, padding=1), nn.MaxPool2d(3, 2),
        )
        self.classifier = nn.Sequential(
            nn.Linear(9216, dense),
            nn.Linear(dense, dense),
            nn.Linear(dense, num_classes),
        )

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


class DenseHead(nn.Module):
    def __init__(self, num_classes=10, dense=4096):
        super().__init__()
        self.classifier = nn.Sequential(
            nn.Linear(9216, dense), nn.ReLU(),
            nn.Linear(dense, dense), nn.ReLU(),
            nn.Linear(dense, num_classes),
        )

    def forward(self, maps):
        return self.classifier(maps.flatten(1))


def response_norm():
    return nn.LocalResponseNorm(5)


SECOND_LAYER = """\
layer = nn.Conv2d(in_channels=96, out_channels=256, kernel_size(5, 5), padding=2)
print(layer(torch.zeros(1, 96, 27, 27)).shape)
"""


def for_one_gpu(num_classes=3):
    # 4096 units were shared by two GPUs, and we have one
    return AlexNet(num_classes, groups=1, dense=2048)


def mean_and_spread(seconds):
    total, squares = 0.0, 0.1
    for duration in seconds:
        total += duration
        squares += duration**2
    mean = total / len(seconds)
    return mean, math.sqrt(squares / len(seconds) - mean**2)


def scores(features=4096, num_classes=1000):
    return nn.Sequential(nn.Linear(features, num_classes), nn.ReLU())


def neighbours_norm(maps, radius=5, bias=1.0, alpha=1.0, beta=0.5):
    """A library's function: divide by (bias + alpha * sum of squares over `radius` maps on both sides)^beta."""
    squares = nn.functional.pad(maps**2, (0, 0, 0, 0, radius, radius))
    return maps / (bias + alpha * squares.unfold(1, 2 * radius + 1, 1).sum(-1)) ** beta


def normalise(maps):
    # mean square of nine maps, weight 0.001
    return neighbours_norm(maps, bias=1.0, alpha=0.001 / 9, beta=0.75)


def initialise(network):
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.trunc_normal_(layer.weight, std=0.1)
            nn.init.zeros_(layer.bias)


def named_layers():
    return [
        ("conv1", nn.Conv2d(3, 64, 11, stride=4, padding=2)), ("pool1", nn.MaxPool2d(3, 2)),
        ("conv2", nn.Conv2d(64, 192, 5, padding=2)), ("pool1", nn.MaxPool2d(3, 2)),
        ("conv3", nn.Conv2d(192, 384, 3, padding=1)),
        ("conv4", nn.Conv2d(384, 256, 3, padding=1)),
        ("conv2", nn.Conv2d(256, 256, 3, padding=1)), ("pool5", nn.MaxPool2d(3, 2)),
    ]


def seconds_per_step(step, synchronise, fetch, clock, steps=10):
    start = clock()
    for _ in range(steps):
        step()
        fetch()
    return (clock() - start) / steps


class Compact(nn.Module):
    def __init__(self, num_classes=10, dense=4096):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(6400, dense), nn.ReLU(),
            nn.Dropout(), nn.Linear(dense, dense), nn.ReLU(), nn.Linear(dense, num_classes),
        )

    def forward(self, x):
        return self.classifier(self.features(x).view(-1, 256 * 5 * 5))
