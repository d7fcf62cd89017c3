"""cnnlib: the classic convolutional networks, readable and checked.

`create_model` builds a network by name, `summary` says what it is made of. The rest is imported where it is
used: `cnnlib.data`, `cnnlib.training`, `cnnlib.records`, `cnnlib.widgets`, `cnnlib.course`.
"""

from .anatomy import summary
from .models import blueprint, create_model, list_models

__version__ = "0.1.0"
__all__ = ["blueprint", "create_model", "list_models", "summary"]


def __getattr__(name):
    """Import a submodule when it is first asked for, so that `import cnnlib` costs no more than torch."""
    from importlib import import_module

    if name in {"anatomy", "bench", "course", "data", "experiments", "records", "training", "widgets"}:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'cnnlib' has no attribute {name!r}")
