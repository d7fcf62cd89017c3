"""Transfer: take a trained network, freeze all of it, and give it a new head.

Two rules keep this honest. Weights are loaded strictly: a name that is missing, unexpected or of another shape is an
error, because a network that silently keeps random weights still trains, badly. And what is said to be frozen is
counted: `trainable_share`.
"""

import math

from torch import nn

from ..checks import at_least, below_one, one_of
from .densenet import MODELS as DENSENETS
from .resnet import find as find_resnet
from .vgg import MODELS as VGGS

# name: how to build it, the name of its last layer, dropout in the new head.
BACKBONES = {
    "vgg16": (VGGS["vgg16"], "classifier.6", 0.5),
    "resnet50": (find_resnet("resnet50"), "fc", 0.5),
    "densenet121": (DENSENETS["densenet121"], "classifier", 0.0),
}


def head_size(features, num_classes):
    """Units of the hidden layer: the smallest power of two that is not below sqrt(features x num_classes)."""
    at_least("features", features, 1)
    at_least("num_classes", num_classes, 1)
    root = math.isqrt(features * num_classes - 1) + 1       # rounded up; exact for whole numbers
    return 1 << (root - 1).bit_length()


def new_head(features, num_classes, dropout=0.0):
    """features - hidden - num_classes with a ReLU between: (N, features) -> (N, num_classes)."""
    hidden = head_size(features, num_classes)
    return nn.Sequential(
        nn.Linear(features, hidden), nn.ReLU(),
        nn.Dropout(below_one("dropout", dropout)), nn.Linear(hidden, num_classes),
    )


def feature_extractor(name, num_classes, state_dict=None, dropout=None):
    """A frozen network with a new head, the only part that trains.

    Input (N, 3, H, W), output (N, num_classes) logits.

    Args:
        name: "vgg16", "resnet50" or "densenet121".
        num_classes: outputs of the new head.
        state_dict: trained weights of the whole network for 1000 classes, under torchvision's names; None leaves
            the random start (of use to count, not to train).
        dropout: in the new head; 0.5 for VGG and ResNet and none for DenseNet if not given.

    Raises:
        ValueError: unknown name, or an argument out of range; before any work.
        RuntimeError: the state dict does not fit, with the missing, unexpected and misshapen names.
    """
    factory, last, usual = BACKBONES[one_of("name", name, tuple(BACKBONES))]
    at_least("num_classes", num_classes, 1)
    dropout = below_one("dropout", usual if dropout is None else dropout)
    network = factory(variant="torchvision")
    if state_dict is not None:
        network.load_state_dict(state_dict, strict=True)
    network.requires_grad_(False)
    network.set_submodule(last, new_head(network.get_submodule(last).in_features, num_classes, dropout))
    return network


def trainable_share(network):
    """How many parameters train, how many there are: (trainable, all)."""
    sizes = [(p.numel(), p.requires_grad) for p in network.parameters()]
    return sum(n for n, trains in sizes if trains), sum(n for n, _ in sizes)
