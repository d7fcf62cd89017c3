"""The networks by name. Each file of this package holds one family; read them top to bottom.

    >>> import cnnlib
    >>> net = cnnlib.create_model("alexnet", groups=1, activation="tanh")
    >>> net = cnnlib.create_model("vgg16", variant="torchvision", num_classes=10)

A family ends with `MODELS`, its networks by name, and may have `find(name)` for names that follow a rule. A network
says which pictures it is made for: `in_channels`, and `standard_size` for height and width.
"""

import difflib
import inspect

import torch
from torch import nn

from ..caching import remembered
from . import (
    alexnet,
    blocks,
    dense,
    densenet,
    dilation,
    fractalnet,
    inception,
    inception_v3,
    lenet,
    mobilenet,
    residual,
    resnet,
    senet,
    vgg,
)
from .sketch import sketching

_FAMILIES = (
    lenet,
    alexnet,
    vgg,
    inception,
    inception_v3,
    residual,
    resnet,
    senet,
    fractalnet,
    dense,
    densenet,
    mobilenet,
    dilation,
    blocks,
)
_MODELS = {name: factory for family in _FAMILIES for name, factory in family.MODELS.items()}

# Every class of every family is importable from here: `from cnnlib.models import LeNet5`.
_CLASSES = {
    name: value
    for family in _FAMILIES
    for name, value in vars(family).items()
    if inspect.isclass(value) and issubclass(value, nn.Module) and value.__module__ == family.__name__
}
globals().update(_CLASSES)
__all__ = ["blueprint", "create_model", "list_models", "standard_input", *_CLASSES]


def list_models():
    """The names that `create_model` knows, sorted. Names that only follow a rule (`resnet26`) are not listed."""
    return sorted(_MODELS)


def create_model(name, **options):
    """Build the network `name`; `options` are the arguments of its class or function.

    What all large networks share:

    - `num_classes`: number of outputs; 1000 unless said otherwise, 10 for `variant="cifar"`.
    - `variant`: "paper" (as published, the default), "torchvision" (its state dicts load with `strict=True`),
      "cifar" (for pictures of 32x32).
    - `in_channels`: of the pictures; 3 unless said otherwise, 1 for the LeNets.

    How wide a network is has one knob in each family:

    - `width` of AlexNet, VGG, GoogLeNet, Inception-v3, FractalNet: factor of the published channels and dense units
      in every layer, a multiple of 1/8; with 0.25 they train on small data in minutes.
    - `width` of ResNet: channels of the first stage, 64 or for CIFAR 16; the next stages have 2, 4, 8 times as many.
    - `width_multiplier` of MobileNet, as its papers call such a factor.
    - `growth_rate` of DenseNet: new channels a layer.

    Raises:
        ValueError: unknown name, unknown option, or an option outside what the network allows; before any work.
    """
    factory = _factory(name)
    allowed = inspect.signature(factory).parameters
    for option in options:
        if option not in allowed:
            raise ValueError(f"{name} has no option {option!r}. Allowed: {', '.join(allowed) or 'none'}.")
    return factory(**options)


@remembered(32, also=torch.get_default_dtype)
def blueprint(name, **options):
    """The network of `create_model` on the meta device: every layer and shape, no number, in milliseconds.

    It is built once for the same options and shared by all who ask: look at it, do not change it.
    """
    with sketching():
        return create_model(name, **options)


def standard_input(name, **options):
    """(C, H, W) of the pictures that `create_model(name, **options)` is made for.

    227x227 for the AlexNet of the paper, 299x299 for Inception-v3, 224x224 for other ImageNet networks, 32x32 for
    those of CIFAR, 32x32 or 28x28 for the LeNets. Most take others, too: a wrong one is refused with what is allowed.

    Raises:
        ValueError: as `create_model`.
    """
    network = blueprint(name, **options)
    return network.in_channels, network.standard_size, network.standard_size


def _factory(name):
    """The class or function that builds `name`: listed, or found by a family's rule."""
    if isinstance(name, str) and name in _MODELS:
        return _MODELS[name]
    for family in _FAMILIES:
        if hasattr(family, "find") and isinstance(name, str) and (factory := family.find(name)):
            return factory
    near = difflib.get_close_matches(str(name), _MODELS, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"model {name!r} is not known.{hint} Allowed: {', '.join(list_models())}.")
