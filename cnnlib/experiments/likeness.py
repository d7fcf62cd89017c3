"""How alike two pictures look to a network, layer by layer: what it has left to tell them apart.

A layer that starts as He et al. advise keeps the size of its signal. It does not keep the angle between the signals of
two pictures: each ReLU makes it smaller (Schoenholz et al., *Deep Information Propagation*, ICLR 2017, section 3).
"""

import math

import torch
from torch import nn


def likeness(network, pictures):
    """Mean cosine between the maps of two pictures behind every ReLU, the input first.

    Args:
        network: a network with `nn.ReLU` modules, run in the mode it is in: in training mode BatchNorm takes the
            averages of these pictures. Its running averages and everything else stay as they were.
        pictures: (N, C, H, W), N at least 2.

    Returns:
        a list of numbers from -1 to 1, one for the input and one a call of a ReLU; 1: all pictures give the same maps,
        up to their size.

    Raises:
        ValueError: fewer than two pictures.
    """
    if len(pictures) < 2:
        raise ValueError(f"pictures has {len(pictures)}, allowed: at least 2.")
    seen = [mean_cosine(pictures)]
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    hooks = [module.register_forward_hook(lambda _, inputs, output: seen.append(mean_cosine(output)))
             for module in network.modules() if isinstance(module, nn.ReLU)]
    try:
        with torch.no_grad():
            network(pictures)
    finally:
        for hook in hooks:
            hook.remove()
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
    return seen


def mean_cosine(maps):
    """Mean cosine over all pairs of a batch (N, ...)."""
    vectors = nn.functional.normalize(maps.flatten(1).double(), dim=1)
    n = len(vectors)
    return ((vectors.sum(0).square().sum().item()) - n) / (n * (n - 1))


def behind_relu(cosine):
    """What one wide layer of random weights and a ReLU makes of the cosine between two inputs.

    The closed form is that of Cho and Saul, *Kernel Methods for Deep Learning*, 2009, equation 6 (first order).
    """
    angle = math.acos(max(-1.0, min(1.0, cosine)))
    return (math.sin(angle) + (math.pi - angle) * math.cos(angle)) / math.pi


def prepare(features, pictures, centre, scale=True):
    """Give every convolution of `features` a better start for these pictures, layer by layer.

    With `scale` its output gets size 1 (root mean square), with `centre` each of its maps the bias that brings its
    mean to 0. Both are what BatchNorm does, done once, before training, and then left to itself. `features` (a chain
    of layers without BatchNorm) is changed in place.
    """
    x = pictures
    with torch.no_grad():
        for layer in features:
            if isinstance(layer, nn.Conv2d):
                layer.bias.zero_()
                out = layer(x)
                mean = out.mean((0, 2, 3)) if centre else torch.zeros_like(layer.bias)
                size = (out - mean[:, None, None]).square().mean().sqrt() if scale else 1
                layer.weight /= size
                layer.bias -= mean / size
            x = layer(x)
