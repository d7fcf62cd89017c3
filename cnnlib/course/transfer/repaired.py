"""The programs of `faulty.py`, repaired: the same names in the same order."""

import argparse
import math

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.transforms import v2


def take_over(network, weights):
    network.load_state_dict(weights)        # strict: every name must fit, or it raises and lists what does not
    for weight in network.parameters():
        weight.requires_grad = False
    return network


class Extractor(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network.eval()
        for weight in self.network.parameters():
            weight.requires_grad = False

    def train(self, mode=True):
        super().train(mode)
        self.network.eval()                 # whatever the whole is told: BatchNorm's averages stay
        return self

    def forward(self, x):
        return self.network(x)


def test_view(picture, size=224):
    view = v2.Compose([
        v2.Resize(size * 8 // 7),           # the shorter side: proportions are kept
        v2.CenterCrop(size),
    ])
    return view(picture)


def mean_loss(model, batches):
    total, pictures = 0.0, 0
    for images, labels in batches:
        total += F.cross_entropy(model(images), labels, reduction="sum").item()
        pictures += len(labels)
    return total / pictures


def draw_confusion(axes, labels, answers, classes):
    matrix = torch.zeros(classes, classes)
    for label, answer in zip(labels, answers, strict=True):
        matrix[label, answer] += 1
    axes.imshow(matrix.numpy())
    axes.set(xlabel="answer of the network", ylabel="true class")
    axes.set_title("confusion matrix, number of pictures")


def yes_or_no(text):
    if text.lower() not in ("true", "false"):
        raise ValueError(text)              # argparse names the option and stops
    return text.lower() == "true"


def options(words):
    parser = argparse.ArgumentParser()
    parser.add_argument("--pretrained", type=yes_or_no, default=True)
    return parser.parse_args(words)


def right_by_class(model, batches, classes):
    right = [0] * classes
    for images, labels in batches:
        hits = model(images).argmax(1) == labels
        for i in range(len(labels)):
            right[labels[i]] += hits[i].item()
    return right


def hidden_units(classes, features=2048):
    at_least = math.isqrt(features * classes - 1) + 1       # sqrt(features * classes), rounded up
    return 2 ** (at_least - 1).bit_length()
