"""Build networks without their numbers, in a fraction of the time.

What costs time when a network is built is drawing its random weights, and allocating them what costs memory.
"""

import contextlib
import gc

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

_ALLOCATING = {torch.empty, torch.zeros, torch.ones, torch.full, torch.tensor, torch.rand, torch.randn}
_FILLING = {function for name, function in vars(nn.init).items() if name.endswith("_") and callable(function)}
_FILLING |= {getattr(torch.Tensor, name) for name in (
    "uniform_", "normal_", "zero_", "fill_", "erfinv_", "mul_", "add_", "div_", "clamp_", "copy_",
)}


class _Sketch(TorchFunctionMode):
    """New tensors go to the meta device; what would fill them with numbers is left out."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in _ALLOCATING and kwargs.get("device") is None:
            return func(*args, **kwargs | {"device": "meta"})
        if func in _FILLING:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


@contextlib.contextmanager
def sketching():
    """While open, this thread builds networks on the meta device and without initialisation."""
    collecting = gc.isenabled()
    gc.disable()                                        # thousands of new objects, and none of them garbage
    try:
        with _Sketch():
            yield
    finally:
        if collecting:
            gc.enable()
