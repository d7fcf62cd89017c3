"""The faulty programs of the ResNet chapter, each re-created by us, as short as possible.

`repaired.py` holds the same names in the same order: compare the two files to see every repair.
"""

from torch import nn
from torch.nn import functional as F

from ...models import ResNet


class Block(nn.Module):
    def __init__(self, cin, cout, stride=1):
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(cin, cout, 3, stride, padding=1), nn.BatchNorm2d(cout), nn.ReLU(),
            nn.Conv2d(cout, cout, 3, padding=1), nn.BatchNorm2d(cout),
        )
        self.shortcut = nn.Identity()
        if stride > 1 or cin != cout:
            self.shortcut = nn.Sequential(nn.Conv2d(cin, cout, 1, stride), nn.BatchNorm2d(cout))

    def forward(self, x):
        return F.relu(self.branch(x) + self.shortcut(x))


def stage(blocks, cin=256, cout=512, stride=2):
    layers = nn.Sequential()
    layers.add_module("1st", Block(cin, cout, stride))
    for _ in range(blocks - 1):
        layers.add_module("2th", Block(cout, cout))
    return layers


def well_named_stage(blocks, cin, cout, stride):
    return nn.Sequential(Block(cin, cout, stride), *(Block(cout, cout) for _ in range(blocks - 1)))


class ResNet34(nn.Module):
    def __init__(self, num_classes=10, last=well_named_stage):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 7, stride=2), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2),
            well_named_stage(3, 64, 64, stride=1),
            well_named_stage(4, 64, 128, stride=2),
            well_named_stage(6, 128, 256, stride=2),
            last(3, 256, 512, stride=2),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(25088, num_classes)

    def forward(self, x):
        x = self.features(x)
        return self.fc(x.flatten(1))


def conv(cin, cout, kernel, **options):
    return nn.Sequential(nn.Conv2d(cin, cout, kernel, **options), nn.BatchNorm2d(cout), nn.ReLU())


class WideBlock(nn.Module):
    def __init__(self, cin, mid):
        super().__init__()
        self.branch = nn.Sequential(conv(cin, mid, 1), conv(mid, mid, 3, padding=1), conv(mid, 2 * mid, 1))
        self.shortcut = conv(cin, 2 * mid, 1)

    def forward(self, x):
        return F.relu(self.branch(x) + self.shortcut(x))


def resnet101(num_classes=3):
    layers, maps = [conv(3, 64, 7, stride=2, padding=3), nn.MaxPool2d(3, 2, 1)], 64
    for mid, blocks in ((32, 3), (64, 4), (128, 23), (256, 3)):
        for _ in range(blocks):
            layers.append(WideBlock(maps, mid))
            maps = 2 * mid
    head = nn.AvgPool2d(7, stride=1), nn.Flatten(), nn.Linear(50 * 50 * 512, num_classes)
    return nn.Sequential(*layers, *head)


class Strided(nn.Module):
    def __init__(self, cin, cout, stride=1):
        super().__init__()
        mid = cout // 4
        self.branch = nn.Sequential(
            nn.Conv2d(cin, mid, 1, stride, bias=False), nn.BatchNorm2d(mid), nn.ReLU(),
            nn.Conv2d(mid, mid, 3, stride, 1, bias=False), nn.BatchNorm2d(mid), nn.ReLU(),
            nn.Conv2d(mid, cout, 1, stride, bias=False), nn.BatchNorm2d(cout),
        )
        self.shortcut = nn.Sequential(
            nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout)
        )

    def forward(self, x):
        return F.relu(self.branch(x) + self.shortcut(x))


def as_published(num_classes=1000):
    return ResNet(50, num_classes, variant="torchvision")
