"""Build networks without their numbers, in a fraction of the time: on the meta device, and nothing is drawn.

What costs time when a network is built is drawing random weights. A sketch has tensors with shapes and no memory, so
that there is nothing to fill.
"""

import contextlib
import gc

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

FACTORIES = {torch.empty, torch.zeros, torch.ones, torch.full, torch.eye, torch.arange, torch.linspace, torch.rand,
             torch.randn, torch.randint, torch.randperm, torch.empty_strided}
_FILLS = {torch.Tensor.fill_, torch.Tensor.zero_, torch.Tensor.uniform_, torch.Tensor.normal_,
          *(function for name, function in vars(nn.init).items() if name.endswith("_") and name[0] != "_")}


class _Unfilled(TorchFunctionMode):
    """In this thread, new tensors are on the meta device and initialisations leave them as they are."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function in _FILLS:
            return args[0] if args else kwargs["tensor"]
        if (function in FACTORIES or function is torch.tensor) and kwargs.get("device") is None:
            kwargs["device"] = "meta"
        return function(*args, **kwargs)


@contextlib.contextmanager
def undisturbed():
    """No search for garbage for a while: it would look through thousands of new objects, and none of them is."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@contextlib.contextmanager
def sketching():
    """While open, this thread builds networks on the meta device and without initialisation; others build as ever."""
    with undisturbed(), torch.inference_mode(False), _Unfilled():
        yield
