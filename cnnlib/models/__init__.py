"""The networks by name. Each file of this package holds one family; read them top to bottom.

    >>> import cnnlib
    >>> net = cnnlib.create_model("lenet5_modern", pooling="avg", activation="tanh")
"""

import difflib
import inspect

from .lenet import LeNet5, LeNet5Modern, MnistCNN

_MODELS = {
    "lenet5": LeNet5,
    "lenet5_modern": LeNet5Modern,
    "mnist_cnn": MnistCNN,
}

__all__ = ["LeNet5", "LeNet5Modern", "MnistCNN", "create_model", "list_models"]


def list_models():
    """The names that `create_model` knows, sorted."""
    return sorted(_MODELS)


def create_model(name, **options):
    """Build the network `name`; `options` are the arguments of its class.

    Raises:
        ValueError: unknown name, unknown option, or an option outside what the class allows.
    """
    if name not in _MODELS:
        near = difflib.get_close_matches(str(name), _MODELS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"model {name!r} is not known.{hint} Allowed: {', '.join(list_models())}.")
    allowed = inspect.signature(_MODELS[name]).parameters
    for option in options:
        if option not in allowed:
            raise ValueError(f"{name} has no option {option!r}. Allowed: {', '.join(allowed)}.")
    return _MODELS[name](**options)
