"""Transfer: take a trained network, put a new head on it, and train that alone, or the rest more slowly.

Weights are loaded whole or not at all: a network that silently keeps random ones still trains, badly; `report_match`
tells beforehand. What is frozen stands still, BatchNorm's averages, too; how much that is, `trainable_share` counts.
"""

import math

from torch import nn

from ..checks import at_least, below_one, from_zero
from . import create_model


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


class Transfer(nn.Module):
    """A network without its last layer, the backbone, and a new head: (N, C, H, W) -> (N, num_classes) logits.

    Args:
        backbone: a network that ends with a linear layer, which is taken out of it.
        num_classes: outputs of the new head.
        lr_factor: the backbone's learning rate as a part of the head's. 0 freezes the backbone, in evaluation mode.
        hidden: is the head a `new_head` (with this `dropout`), or one linear layer?
        moving: train BatchNorm's averages of a frozen backbone, as happens where they are forgotten.

    Raises:
        ValueError: a backbone that ends with another layer, an argument out of range.
    """

    def __init__(self, backbone, num_classes, lr_factor=0.0, hidden=True, dropout=0.0, moving=False):
        super().__init__()
        at_least("num_classes", num_classes, 1)
        below_one("dropout", dropout)
        self.lr_factor, self.moving = from_zero("lr_factor", lr_factor), moving
        self.in_channels, self.standard_size = backbone.in_channels, backbone.standard_size
        *_, (name, last) = backbone.named_modules()
        if not isinstance(last, nn.Linear):
            raise ValueError(f"backbone is {type(backbone).__name__}, allowed: networks that end with a linear layer.")
        backbone.set_submodule(name, nn.Identity())
        self.backbone = backbone.requires_grad_(lr_factor > 0)
        features = last.in_features
        self.head = new_head(features, num_classes, dropout) if hidden else nn.Linear(features, num_classes)
        self.train()

    def features(self, x):
        """What the head gets: (N, C, H, W) -> (N, features)."""
        x = self.backbone(x)
        return x[0] if isinstance(x, tuple) else x          # without what auxiliary heads say in training

    def forward(self, x):
        return self.head(self.features(x))

    def train(self, mode=True):
        super().train(mode)
        self.backbone.train(mode and (self.lr_factor > 0 or self.moving))
        return self

    def parameter_groups(self):
        """What an optimizer gets."""
        return [{"params": list(self.head.parameters())},
                {"params": list(self.backbone.parameters()), "lr_factor": self.lr_factor}]

    def extra_repr(self):
        return f"lr_factor={self.lr_factor}, moving={self.moving}"


def feature_extractor(name, num_classes, state_dict=None, dropout=0.0):
    """`create_model(name, variant="torchvision")`, frozen, with a new head, the only part that trains: a `Transfer`.

    `state_dict` has trained weights of the network for 1000 classes; None leaves the random start, to count.

    Raises:
        ValueError: unknown name, or an argument out of range.
        RuntimeError: the state dict does not fit, with the missing, unexpected and misshapen names.
    """
    network = create_model(name, variant="torchvision")
    if state_dict is not None:
        network.load_state_dict(state_dict, strict=True)
    return Transfer(network, num_classes, dropout=dropout)


def trainable_share(network):
    """How many parameters train, how many there are: (trainable, all)."""
    sizes = [(p.numel(), p.requires_grad) for p in network.parameters()]
    return sum(n for n, trains in sizes if trains), sum(n for n, _ in sizes)


def report_match(model, state):
    """What of the state dict `state` fits `model`, by name and shape; nothing is loaded.

    Returns a dict of names: "loaded"; "missing", in the model only; "unexpected", in the state dict only; and
    "misshapen", a dict name -> (shape in the state dict, shape in the model).
    """
    there, wanted = [{name: tuple(tensor.shape) for name, tensor in each.items()}
                     for each in (state, model.state_dict())]
    both = [name for name in wanted if name in there]
    return {
        "loaded": [name for name in both if there[name] == wanted[name]],
        "missing": [name for name in wanted if name not in there],
        "unexpected": [name for name in there if name not in wanted],
        "misshapen": {name: (there[name], wanted[name]) for name in both if there[name] != wanted[name]},
    }
