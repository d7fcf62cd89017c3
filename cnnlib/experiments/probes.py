"""What a frozen network is good for on another task: a linear classifier on the maps of each of its stages."""

from dataclasses import replace

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from ..data import Images
from ..data.images import balanced
from ..training.evaluation import evaluating


def only(split: Images, classes):
    """The images of some classes, which are numbered from 0 in their order."""
    classes = torch.tensor(classes)
    kept = torch.isin(split.labels, classes)
    labels = (split.labels[kept][:, None] == classes).int().argmax(1)
    return replace(split, images=split.images[kept], labels=labels)


def few(split: Images, number):
    """So many images, in equal parts from each class, a fixed choice."""
    chosen = balanced(split.labels, number)
    return replace(split, images=split.images[chosen], labels=split.labels[chosen])


def moved(split: Images, most, seed=0):
    """Every image shifted by up to `most` pixels in both directions; what leaves at one edge comes in at the other."""
    generator = torch.Generator().manual_seed(seed)
    shifts = torch.randint(-most, most + 1, (len(split), 2), generator=generator).tolist()
    images = [image.roll(shift, (1, 2)) for image, shift in zip(split.images, shifts, strict=True)]
    return replace(split, images=torch.stack(images))


def stage_maps(features: nn.Sequential, split: Images):
    """The pixels of a split and the maps behind each max pooling of `features`, flattened: a list of (N, numbers).

    The network runs in evaluation mode and is left as it was.
    """
    x = split.normalise(split.images)
    found = [x.flatten(1)]
    with evaluating(features), torch.no_grad():
        for layer in features:
            x = layer(x)
            if isinstance(layer, nn.MaxPool2d):
                found.append(x.flatten(1))
    return found


def linear_probes(features: nn.Sequential, train: Images, test: Images):
    """Test accuracies of a linear classifier on the pixels and on the maps behind each pooling of a frozen network.

    The classifier is logistic regression on standardised numbers, the same for all; a list of fractions.
    """
    accuracies = []
    for known, unknown in zip(stage_maps(features, train), stage_maps(features, test), strict=True):
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        probe.fit(known.numpy(), train.labels.numpy())
        accuracies.append(float(probe.score(unknown.numpy(), test.labels.numpy())))
    return accuracies
