"""The faulty programs of the transfer chapter, each re-created by us, as short as possible.

`repaired.py` holds the same names in the same order: compare the two files to see every repair.
"""

import argparse
import math

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.transforms import v2


def take_over(network, weights):
    network.load_state_dict(weights, strict=False)
    for weight in network.parameters():
        weight.requires_grad = False
    return network


class Extractor(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network
        for weight in self.network.parameters():
            weight.requires_grad = False

    def forward(self, x):
        return self.network(x)


def test_view(picture, size=224):
    view = v2.Compose([
        v2.RandomResizedCrop(size),
        v2.RandomHorizontalFlip(),
    ])
    return view(picture)


def mean_loss(model, batches):
    total = 0.0
    for number, (images, labels) in enumerate(batches):
        total += F.cross_entropy(model(images), labels).item()
        last = number
    return total / last


def draw_confusion(axes, labels, answers, classes):
    matrix = torch.zeros(classes, classes)
    for label, answer in zip(labels, answers, strict=True):
        matrix[answer, label] += 1
    axes.imshow(matrix.numpy())
    axes.set(xlabel="answer of the network", ylabel="true class")
    axes.set_title("normalised confusion matrix")


def options(words):
    parser = argparse.ArgumentParser()
    parser.add_argument("--pretrained", type=bool, default=True)
    return parser.parse_args(words)


def right_by_class(model, batches, classes):
    right = [0] * classes
    for images, labels in batches:
        hits = (model(images).argmax(1) == labels).squeeze()
        for i in range(len(labels)):
            right[labels[i]] += hits[i].item()
    return right


def hidden_units(classes, features=2048):
    exponent = math.log2(int(math.sqrt(features / classes)))
    return 2 ** (int(math.log2(features)) - math.floor(exponent))
