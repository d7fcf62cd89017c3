"""The networks by name. Each file of this package holds one family; read them top to bottom.

    >>> import cnnlib
    >>> net = cnnlib.create_model("alexnet", groups=1, activation="tanh")
    >>> net = cnnlib.create_model("vgg16", variant="torchvision", num_classes=10)

A family ends with `MODELS`, its networks by name, and may have `find(name)` for names that follow a rule.
"""

import difflib
import functools
import inspect

from torch import nn

from . import alexnet, densenet, dilation, inception, inception_v3, lenet, mobilenet, residual, resnet, senet, vgg
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
    densenet,
    mobilenet,
    dilation,
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
        num_classes: number of outputs; 1000 unless said otherwise, 10 for `variant="cifar"`.
        variant: "paper" (as published, the default), "torchvision" (its state dicts load with `strict=True`),
            "cifar" (for pictures of 32x32).

    Raises:
        ValueError: unknown name, unknown option, or an option outside what the network allows; before any work.
    """
    factory = _factory(name)
    allowed = inspect.signature(factory).parameters
    for option in options:
        if option not in allowed:
            raise ValueError(f"{name} has no option {option!r}. Allowed: {', '.join(allowed) or 'none'}.")
    return factory(**options)


def blueprint(name, **options):
    """The network of `create_model` on the meta device: every layer and shape, no number, in milliseconds.

    It is built once for the same options and shared by all who ask: look at it, do not change it.
    """
    return _blueprint(name, tuple(sorted((k, tuple(v) if isinstance(v, list) else v) for k, v in options.items())))


@functools.lru_cache(maxsize=32)
def _blueprint(name, options):
    with sketching():
        return create_model(name, **dict(options))


def standard_input(name, **options):
    """(C, H, W) of the pictures that `create_model(name, **options)` is published for."""
    network = blueprint(name, **options)
    size = getattr(network, "standard_size", 224)
    return getattr(network, "in_channels", 3), size, size


def _factory(name):
    """The class or function that builds `name`: listed, or found by a family's rule."""
    if name in _MODELS:
        return _MODELS[name]
    for family in _FAMILIES:
        if hasattr(family, "find") and isinstance(name, str) and (factory := family.find(name)):
            return factory
    near = difflib.get_close_matches(str(name), _MODELS, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"model {name!r} is not known.{hint} Allowed: {', '.join(list_models())}.")
