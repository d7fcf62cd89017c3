"""What a unit sees, measured: how strongly each pixel of the input can change it, by autograd.

The theoretical field is where the gradient is not zero at all; the effective one (Luo et al., *Understanding the
Effective Receptive Field in Deep Convolutional Neural Networks*, 2016) is where nearly all of it lies.
"""

import copy

import torch
from torch import nn

from .. import randomness
from ..training.evaluation import evaluating


def influence(model, layer, size, *, channels=3, draws=1, seed=0):
    """Share of each pixel in the squared gradient of the central unit of `layer`.

    Pictures are random, and so is the direction in the unit's channels; `draws` of both are averaged.

    Args:
        model: a network for pictures, on the CPU; run in evaluation mode, left as it was.
        layer: name of one of its modules, whose output is (N, C, H, W).
        size: height and width of the pictures.
        channels: channels of the pictures.
        draws, seed: how many random pictures, and which.

    Returns:
        (size, size) of non-negative numbers that sum to 1, in double precision.

    Raises:
        ValueError: there is no such layer, or its output has no height and width.
    """
    modules = dict(model.named_modules())
    if layer not in modules:
        raise ValueError(f"layer is {layer!r}, allowed: {', '.join(filter(None, modules))}.")
    outputs = []
    handle = modules[layer].register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(size, size, dtype=torch.double)
    try:
        with evaluating(model), torch.enable_grad():
            for _ in range(draws):
                x = torch.randn(1, channels, size, size, generator=generator).requires_grad_()
                model(x)
                maps = outputs.pop()
                if maps.ndim != 4:
                    raise ValueError(f"layer {layer!r} gives {tuple(maps.shape)}, allowed: outputs (N, C, H, W).")
                unit = maps[0, :, maps.shape[2] // 2, maps.shape[3] // 2]
                direction = torch.randn(len(unit), generator=generator)
                (gradient,) = torch.autograd.grad(unit @ direction, x)
                squared = gradient[0].double().square().sum(0)
                total += squared / squared.sum()
    finally:
        handle.remove()
    return total / draws


def calibrated(model, size, *, channels=3, pictures=2, seed=0):
    """A copy of an untrained `model` as training would find it: BatchNorm has the statistics of random pictures.

    A fresh BatchNorm in evaluation mode has mean 0 and variance 1 and changes nothing; in the first step of training
    it does. The pictures are (pictures, channels, size, size), drawn from `seed`; `model` itself stays as it was,
    and is the answer if it has no BatchNorm.
    """
    if not any(isinstance(module, nn.BatchNorm2d) for module in model.modules()):
        return model
    model = copy.deepcopy(model)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0                             # the running statistics are those of the last batch
    with randomness.seeded(seed), torch.no_grad():
        model.train()(torch.randn(pictures, channels, size, size))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return model.eval()


def footprint(shares):
    """(height, width) of the smallest rectangle around all pixels with any influence."""
    rows, columns = (shares > 0).nonzero(as_tuple=True)
    return tuple(int(where.max() - where.min()) + 1 for where in (rows, columns))


def side_holding(shares, share):
    """Side in pixels of the square around the centre of gravity that holds `share` (0 to 1) of the influence."""
    places = torch.arange(len(shares), dtype=shares.dtype)
    row, column = shares.sum(1) @ places, shares.sum(0) @ places
    distance = torch.maximum((places - row).abs()[:, None], (places - column).abs()[None]).flatten()
    order = distance.argsort()
    reached = shares.flatten()[order].cumsum(0)
    return 2 * distance[order][int((reached < share * reached[-1]).sum())].item() + 1


def spread(shares):
    """Standard deviation in pixels of the influence along the horizontal axis."""
    places = torch.arange(len(shares), dtype=shares.dtype)
    columns = shares.sum(0)
    return ((columns @ places.square()) - (columns @ places) ** 2).sqrt().item()


def stack(depth, channels=16, seed=0, kernel=3):
    """`depth` random convolutions without padding, ReLU between them; its field is depth·(kernel − 1) + 1 pixels."""
    layers = []
    with randomness.seeded(seed):
        for number in range(depth):
            conv = nn.Conv2d(channels if number else 3, channels, kernel, bias=False)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            layers += [conv, nn.ReLU()]
    return nn.Sequential(*layers[:-1])
