"""Answers that are right and written in another way than the solution are right."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.course.exercises import judge


def renamed(network, classes, freeze=True, still=True):
    """The old layers under a new name."""
    class Extractor(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(network.features, network.avgpool, nn.Flatten()).requires_grad_(not freeze)
            self.head = nn.Linear(network.classifier[0].in_features, classes)

        def train(self, mode=True):
            super().train(mode)
            self.body.train(mode and not still)
            return self

        def forward(self, x):
            return self.head(self.body(x))

    return Extractor()


def within(network, classes):
    """The old network itself, with a new classifier."""
    network.requires_grad_(False)
    network.classifier = nn.Linear(network.classifier[0].in_features, classes)
    network.features.eval()
    network.features.train = lambda mode=True: network.features
    return network


def upper_triangle(network, pictures):
    with torch.no_grad():
        vectors = network(pictures).flatten(1).numpy()
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)].mean()


def pairwise(network, pictures):
    with torch.no_grad():
        vectors = network(pictures).flatten(1)
    cosines = F.cosine_similarity(vectors[:, None], vectors[None], dim=2)
    return cosines[~torch.eye(len(vectors), dtype=bool)].mean()


def by_convolution(first, second):
    return F.conv2d(first.transpose(0, 1), second.flip(2, 3), padding=2).transpose(0, 1)


def he_uniform(conv):
    nn.init.kaiming_uniform_(conv.weight, nonlinearity="relu")
    nn.init.zeros_(conv.bias)
    return conv


def by_numpy(kernel):
    u, s, v = np.linalg.svd(kernel.numpy())
    return torch.tensor(-u[:, 0]), torch.tensor(-v[0] * s[0])


def by_logarithms(a, b):
    distance = np.abs(np.log(np.array(a)[:, None] / np.array(b)))
    return np.unravel_index(distance.argmin(), distance.shape)


class OneReLU(nn.Module):
    """An Inception module whose last ReLUs are one, after the concatenation."""

    def __init__(self, cin, c1, r3, c3, r5, c5, pool):
        super().__init__()
        self.one, self.thin3, self.thin5, self.last = (nn.Conv2d(cin, n, 1) for n in (c1, r3, r5, pool))
        self.three, self.five = nn.Conv2d(r3, c3, 3, padding="same"), nn.Conv2d(r5, c5, 5, padding="same")

    def forward(self, x):
        return F.relu(torch.cat([self.one(x), self.three(F.relu(self.thin3(x))), self.five(F.relu(self.thin5(x))),
                                 self.last(F.max_pool2d(x, 3, 1, 1))], 1))


@pytest.mark.parametrize("key, answer", [
    ("vgg/field", (150.0, np.int64(156), torch.tensor(268))),
    ("vgg/field", np.array([150, 156, 268])),
    ("vgg/field", torch.tensor([150, 156, 268])),
    ("vgg/average-pooling", np.float32(20_537_384)),
    ("vgg/extractor", renamed),
    ("vgg/extractor", within),
    ("vgg/likeness", upper_triangle),
    ("vgg/likeness", pairwise),
    ("vgg/merge", by_convolution),
    ("vgg/start", he_uniform),
    ("inception/separate", by_numpy),
    ("inception/module", OneReLU),
    ("inception/activation-map", lambda maps, weight, label: torch.tensordot(weight[label], maps, 1)),
    ("densenet/apart", lambda a, b: np.max(a) < np.min(b) or np.min(a) > np.max(b)),
    ("densenet/closest", by_logarithms),
    ("densenet/widths", lambda stem, blocks, k, theta: [
        (stem := stem + n * k, stem := math.floor(stem * theta))[0] for n in blocks]),
])
def test_another_form_is_right(key, answer):
    assert judge(key, answer).status == "correct"


@pytest.mark.parametrize("answer, told", [
    (lambda network, classes: renamed(network, classes, freeze=False), "would still be trained"),
    (lambda network, classes: renamed(network, classes, still=False), "BatchNorm still updates"),
])
def test_another_name_hides_no_mistake(answer, told):
    assert told in judge("vgg/extractor", answer).message
