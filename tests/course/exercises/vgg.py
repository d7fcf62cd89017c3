"""Wrong answers to the exercises on VGG: (exercise, answer, what it is told)."""

import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.models import vgg


def counting(**mistake):
    def count(configuration, channels=3):
        total, maps = 0, mistake.get("channels", channels)
        for kind, *rest in vgg.parse(configuration):
            if kind == "conv":
                kernel, out = rest
                total += out * (maps * mistake.get("kernel", kernel) ** 2 + mistake.get("bias", 1))
                maps = maps if "keeps" in mistake else out
        return total

    return count


def impulse_answer(first, second):
    impulse = torch.eye(2)[:, :, None, None] * F.pad(torch.ones(1, 1), (4, 4, 4, 4))
    return F.conv2d(F.conv2d(impulse, first), second).transpose(0, 1)


def convolution(weight=True, bias=True, order=None):
    def as_convolution(linear, maps, side):
        conv = nn.Conv2d(maps, linear.out_features, side)
        if weight:
            view = linear.weight.view(-1, maps, side, side)
            conv.weight.copy_(view if order is None else order(linear.weight, maps, side))
        if bias:
            conv.bias.copy_(linear.bias)
        return conv

    return as_convolution


def started(**how):
    def start(conv):
        conv.weight.normal_(how.get("mean", 0.0), how.get("std", (2 / (32 * 9)) ** 0.5))
        conv.bias.fill_(how.get("bias", 0.0))
        return conv

    return start


def extracting(freeze=True, still=True, head=True):
    def extractor(network, classes):
        class Frozen(nn.Module):
            def __init__(self):
                super().__init__()
                self.features, self.head = network.features, nn.Linear(8, classes if head else 10)
                self.features.requires_grad_(not freeze)

            def train(self, mode=True):
                super().train(mode)
                if still:
                    self.features.eval()
                return self

            def forward(self, x):
                return self.head(self.features(x).mean((2, 3)))

        return Frozen()

    return extractor


def all_frozen(network, classes):
    network.classifier = nn.Sequential(nn.Linear(8, classes))
    return network.requires_grad_(False)


def cosines(network, pictures):
    vectors = F.normalize(network(pictures).flatten(1), dim=1)
    return vectors @ vectors.T


MUTANTS = [
    ("stack", (4, 36, 121), "four of them see 9"),
    ("stack", (6, 54, 121), "six of them see 13"),
    ("stack", (5, 15, 11), "nine weights for each pair"),
    ("stack", (5, 45, 11), "a height and a width"),
    ("stack", (5, 45), "3 numbers are wanted"),
    ("string", (3528, 7), "each map has a bias"),
    ("string", (3712, 7), "the pictures are grey"),
    ("string", (1248, 7), "the second sees 16"),
    ("string", (3568, 14), "two poolings, each halves"),
    ("string", (3568, 3), "padding 1"),
    ("letter-c", 5308416, "the 1×1 in their place have some"),
    ("letter-c", -4718592, "wrong sign"),
    ("letter-c", 6291456, "not all three have 512"),
    ("letter-c", 2621440, "two of them with 512"),
    ("letter-c", 4718593, "4,718,593 is too large. Take one convolution"),
    ("average-pooling", 20024384, "512 averages, 1000 classes"),
    ("average-pooling", 20536384, "each class has a bias"),
    ("average-pooling", 40902696, "both hidden dense layers go"),
    ("average-pooling", 45113384, "one number, not 49"),
    ("average-pooling", 123129856, "the question is what is left"),
    ("average-pooling", 15227688, "that is VGG-16"),
    ("picture-size", (255, 224), "wrong order"),
    ("picture-size", (224, 224), "a pooling rounds down"),
    ("picture-size", (224, 256), "leaves 8"),
    ("picture-size", (224, 239), "all five halvings"),
    ("picture-size", (193, 224), "not up"),
    ("field", (134, 140, 252), "the last convolution"),
    ("field", (27, 31, 43), "twice as far apart"),
    ("field", (224, 224, 224), "whether or not the picture ends"),
    ("field", (150, 156), "3 numbers are wanted"),
    ("count", counting(bias=0), "each map has a bias"),
    ("count", counting(channels=3), "sees the channels of the picture"),
    ("count", counting(kernel=3), "stands before the x"),
    ("count", counting(keeps=True), "sees the maps of the one before it"),
    ("count", lambda text, channels: 1, "1 is too small. Go word by word"),
    ("count", lambda text: 1, "stops with TypeError"),
    ("merge", impulse_answer, "upside down"),
    ("merge", lambda a, b: F.conv2d(a.transpose(0, 1), b, padding=2).transpose(0, 1), "must be turned over"),
    ("merge", lambda a, b: impulse_answer(a, b).flip(2, 3).transpose(0, 1), "axes are exchanged"),
    ("merge", lambda a, b: F.conv2d(a.transpose(0, 1), b.flip(2, 3)).transpose(0, 1), "has shape (3, 2, 1, 1)"),
    ("as-convolution", convolution(bias=False), "the bias is not copied"),
    ("as-convolution", convolution(weight=False), "differs from ours by up to"),
    ("as-convolution", convolution(order=lambda w, m, s: w.view(-1, s, s, m).permute(0, 3, 1, 2)), "maps first"),
    ("as-convolution", convolution(order=lambda w, m, s: w.view(-1, m, s, s).transpose(2, 3)), "rows and columns"),
    ("as-convolution", lambda linear, maps, side: linear, "a torch.nn.Conv2d is wanted"),
    ("as-convolution", lambda linear, maps, side: nn.Conv2d(maps, 5, 1), "its weight has the shape (5, 4, 1, 1)"),
    ("start", started(std=(2 / (128 * 9)) ** 0.5), "going backward"),
    ("start", started(std=(1 / (32 * 9)) ** 0.5), "throws half of the signal away"),
    ("start", started(std=(2 / (160 * 9)) ** 0.5), "made for tanh"),
    ("start", started(std=2 / (32 * 9)), "its root is wanted"),
    ("start", started(std=0.25), "all of them add to the sum"),
    ("start", started(std=0.01), "after 13 layers"),
    ("start", started(bias=0.1), "the same for all pictures"),
    ("start", started(mean=0.1), "mean 0"),
    ("start", lambda conv: conv, "the weights are as they were"),
    ("start", lambda conv: 1, "return the layer"),
    ("likeness", lambda n, x: cosines(n, x).mean(), "that adds ones"),
    ("likeness", lambda n, x: (cosines(nn.Identity(), x).sum().item() - 6) / 30, "let the network run first"),
    ("likeness", lambda n, x: (torch.corrcoef(n(x).flatten(1)).sum().item() - 6) / 30, "that is the correlation"),
    ("likeness", lambda n, x: 2.0, "too large"),
    ("likeness", lambda n, x: "alike", "a number is wanted"),
    ("extractor", extracting(freeze=False), "would still be trained"),
    ("extractor", extracting(still=False), "BatchNorm still updates"),
    ("extractor", extracting(head=False), "a new last layer"),
    ("extractor", all_frozen, "nothing is left to train"),
    ("extractor", lambda network, classes: classes, "a network is wanted"),
    ("stack", (27, 4, 121), "layers: 27 is too large. The first layer sees 3 pixels"),
    ("stack", (5, 27, 121), "that is a stack of three, which sees 7×7"),
    ("letter-c", 27, "27 is too small. Take one convolution with 512 maps first"),
    ("letter-c", 8 * 512**2, "that is one of the three convolutions, with 512 maps"),
    ("letter-c", 4718592 + 1280, "they cancel"),
    ("string", (3568, 13), "side of the maps: 13 is too large. Only an M changes the side."),
    ("field", (150, 140, 268), "C: that is the field of the last convolution"),
    ("picture-size", (224, 230), "largest: 230 is too small. Go back from 7"),
]
