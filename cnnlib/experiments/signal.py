"""How large the signal is in every layer of a network that has not learned anything yet, forwards and backwards.

What it depends on is the spread of the weights the network starts with: K. He et al., "Delving deep into rectifiers",
ICCV 2015, section 2.2.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from ..checks import below_one
from ..training.evaluation import evaluating


@dataclass(frozen=True)
class Layer:
    """A convolution or linear layer: its name, the standard deviation of its outputs, and the norm of the loss's
    gradient with respect to its weights."""

    name: str
    spread: float
    gradient: float


def weighted(model):
    """(name, layer) of all convolutions and linear layers, in the order in which they were made."""
    return [(name, layer) for name, layer in model.named_modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]


def measure(model, x, labels, backward=True):
    """The first step of training, observed: (cross-entropy, list of `Layer`). Nothing is learned, nothing left behind.

    Args:
        model: a classifier; dropout and BatchNorm work as in evaluation.
        x, labels: pictures (N, C, H, W) and their classes int64 (N,).
        backward: False leaves the gradients out (they are 0.0) and saves two thirds of the time.
    """
    layers = weighted(model)
    spreads = {}
    handles = [layer.register_forward_hook(lambda _layer, _x, out, name=name: spreads.update({name: out.std().item()}))
               for name, layer in layers]
    try:
        with evaluating(model), torch.set_grad_enabled(backward):
            loss = F.cross_entropy(model(x), labels)
    finally:
        for handle in handles:
            handle.remove()
    norms = [0.0] * len(layers)
    if backward:
        gradients = torch.autograd.grad(loss, [layer.weight for _, layer in layers])
        norms = [gradient.norm().item() for gradient in gradients]
    return loss.item(), [Layer(name, spreads[name], norm) for (name, _), norm in zip(layers, norms, strict=True)]


def he_std(layer):
    """Standard deviation that keeps the size of a signal through this layer and the ReLU behind it: sqrt(2 / n), n
    being the numbers that one unit adds up."""
    return (2 / layer.weight[0].numel()) ** 0.5


class Start:
    """The starting weights of a network, whose size can be changed without drawing them anew.

    Args:
        model: biases become 0, weights normal numbers, of which those beyond two deviations are drawn again. Whoever
            asks for a truncated normal of deviation 1, as in TensorFlow, gets numbers of deviation TRUNCATED.
        seed: decides the numbers.
    """

    TRUNCATED = 0.8796      # deviation of a standard normal number that lies within ±2

    def __init__(self, model, seed=0):
        self.model, self.layers = model, [layer for _, layer in weighted(model)]
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for layer in self.layers:
                weight = layer.weight.flatten()
                weight.normal_(generator=generator)
                while len(far := (weight.abs() > 2).nonzero().flatten()):
                    weight[far] = torch.randn(len(far), generator=generator)
                if layer.bias is not None:
                    layer.bias.zero_()
        self.stds = [1.0] * len(self.layers)

    def scale(self, std):
        """Make `std` the standard deviation of the weights: one number for all layers, or "he", the one that fits
        each layer. Returns the model."""
        new = [(he_std(layer) if std == "he" else std) / self.TRUNCATED for layer in self.layers]
        with torch.no_grad():
            for layer, now, before in zip(self.layers, new, self.stds, strict=True):
                layer.weight.mul_(now / before)
        self.stds = new
        return self.model


def dropped(x, rate, generator=None):
    """Dropout as PyTorch has it: (x with each number set to 0 with probability `rate` and the others divided by
    1 - rate, the mask of zeros and ones)."""
    below_one("rate", rate)
    kept = (torch.rand(x.shape, generator=generator) >= rate).float()
    return x * kept / (1 - rate), kept
