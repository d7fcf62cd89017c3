"""The programs of `faulty.py`, repaired: the same names in the same order.

Where the library has the network, the repair is to use it: its code is in `cnnlib/models/alexnet.py`.
"""

import math

from torch import nn

from ...models import AlexNet
from ...models.alexnet import local_response_norm
from .faulty import neighbours_norm


def OneTower(num_classes=10, dense=4096):
    return AlexNet(num_classes, groups=1, dense=dense)          # with an activation after each layer


def DenseHead(num_classes=10, dense=4096):
    network = AlexNet(num_classes, groups=1, dense=dense)
    return nn.Sequential(
        network.avgpool,        # maps of any size are averaged to 6x6
        nn.Flatten(),
        network.classifier,     # with dropout after both hidden layers
    )


def response_norm():
    return local_response_norm(n=5, alpha=1e-4, beta=0.75, k=2.0)       # gives PyTorch n times the paper's alpha


SECOND_LAYER = """\
layer = nn.Conv2d(in_channels=96, out_channels=256, kernel_size=(5, 5), padding=2)
print(layer(torch.zeros(1, 96, 27, 27)).shape)
"""


def for_one_gpu(num_classes=3):
    return AlexNet(num_classes, groups=1)       # 4096 is what both GPUs held together


def mean_and_spread(seconds):
    mean, squares = 0.0, 0.0        # Welford: sums of squares around the mean, so nothing cancels
    for count, duration in enumerate(seconds, 1):
        distance = duration - mean
        mean += distance / count
        squares += distance * (duration - mean)
    return mean, math.sqrt(squares / len(seconds))


def scores(features=4096, num_classes=1000):
    return nn.Linear(features, num_classes)


def normalise(maps):
    # mean square of nine maps, weight 0.001: one in the middle, four on each side
    return neighbours_norm(maps, radius=4, bias=1.0, alpha=0.001 / 9, beta=0.75)


def initialise(network):
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")      # std = sqrt(2 / inputs of a unit)
            nn.init.zeros_(layer.bias)


def named_layers():
    return [
        ("conv1", nn.Conv2d(3, 64, 11, stride=4, padding=2)), ("pool1", nn.MaxPool2d(3, 2)),
        ("conv2", nn.Conv2d(64, 192, 5, padding=2)), ("pool2", nn.MaxPool2d(3, 2)),
        ("conv3", nn.Conv2d(192, 384, 3, padding=1)),
        ("conv4", nn.Conv2d(384, 256, 3, padding=1)),
        ("conv5", nn.Conv2d(256, 256, 3, padding=1)), ("pool5", nn.MaxPool2d(3, 2)),
    ]


def seconds_per_step(step, synchronise, fetch, clock, steps=10):
    synchronise()               # nothing older is still running
    start = clock()
    for _ in range(steps):
        step()
    synchronise()               # all steps are done, not only ordered
    seconds = (clock() - start) / steps
    fetch()
    return seconds


def Compact(num_classes=10, dense=4096):
    # an average pooling before the dense layers, and flatten(1): the batch keeps its size
    return AlexNet(num_classes, variant="torchvision", padding=0, image_size=224, dense=dense)
