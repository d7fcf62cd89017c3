"""Build networks without their numbers, in a fraction of the time.

What costs time when a network is built is drawing random weights, and after that the constructors of PyTorch's
layers. A sketch draws none, and a layer that was sketched before with the same arguments is copied.
"""

import contextlib
import functools
import gc
import threading

import torch
from torch import nn

_one_at_a_time = threading.RLock()
_sketching = None                                       # the thread whose networks are sketches
_seen = {}                                              # class and arguments -> attributes of such a layer


def _only_here(original, replacement):
    """`replacement` for the thread that sketches, `original` for every other."""

    @functools.wraps(original)
    def chosen(*args, **kwargs):
        return (replacement if threading.get_ident() == _sketching else original)(*args, **kwargs)

    return chosen


def _unfilled(*args, **kwargs):
    """In the place of an initialisation: the tensor as it is."""
    return args[0] if args else kwargs["tensor"]


def _on_meta(allocate, empty):
    """`allocate` for tensors that have a shape and no memory; where no other device is asked for, `empty` does."""

    def on_meta(*args, device=None, **kwargs):
        return allocate(*args, device=device, **kwargs) if device else empty(*args, device="meta", **kwargs)

    return on_meta


_PLAIN = {bool, int, float, str, tuple, type(None)}


def _plainly(set_attribute):
    """`nn.Module.__setattr__` that, in a sketch, goes the short way with values that are no parts of a network."""

    def plainly(self, name, value):
        if type(value) in _PLAIN and threading.get_ident() == _sketching:
            own = vars(self)
            parameters = own.get("_parameters")
            if parameters is None or not (name in parameters or name in own["_modules"] or name in own["_buffers"]):
                return object.__setattr__(self, name, value)
        return set_attribute(self, name, value)

    return plainly


def _copying(kind, init):
    """`kind.__init__` that copies where it can."""

    def copying(self, *args, **kwargs):
        key = kind, args, tuple(kwargs.items())
        try:
            known = _seen.get(key)
        except TypeError:                               # a list among the arguments
            return init(self, *args, **kwargs)
        if type(self) is not kind:
            return init(self, *args, **kwargs)
        if known is None:
            init(self, *args, **kwargs)
            _seen[key] = _template(vars(self))
        else:
            _copy(*known, vars(self))

    return copying


def _template(attributes):
    """Attributes of a layer that nobody else has, so that nobody changes them: the values, and the dicts and sets."""
    own = {name: value.copy() for name, value in attributes.items() if isinstance(value, (dict, set))}
    return {name: value for name, value in attributes.items() if name not in own}, own


def _copy(values, own, attributes):
    """Give another layer these attributes: its own dicts, and its own tensors of the same shapes."""
    attributes.update(values)
    for name, value in own.items():
        attributes[name] = value.copy()
    for name, parameter in own["_parameters"].items():
        attributes["_parameters"][name] = None if parameter is None else nn.Parameter(parameter.data)
    for name, buffer in own["_buffers"].items():
        attributes["_buffers"][name] = None if buffer is None else buffer.detach()


_REPLACED = []                                          # owner, name, original, replacement for the sketching thread
for _name, _init in vars(nn.init).items():
    if _name.endswith("_") and _name[0] != "_" and callable(_init):
        _REPLACED.append((nn.init, _name, _init, _only_here(_init, _unfilled)))
_empty = torch.empty
for _name in ("empty", "zeros", "ones", "full", "tensor", "rand", "randn"):
    _allocate = getattr(torch, _name)
    _replacement = _on_meta(_allocate, _allocate if _name in ("full", "tensor") else _empty)
    _REPLACED.append((torch, _name, _allocate, _only_here(_allocate, _replacement)))
_REPLACED.append((nn.Module, "__setattr__", nn.Module.__setattr__, _plainly(nn.Module.__setattr__)))
for _kind in (nn.Conv2d, nn.BatchNorm2d, nn.Linear, nn.ReLU, nn.ReLU6, nn.MaxPool2d, nn.AvgPool2d, nn.Dropout,
              nn.Identity):
    _init = _kind.__init__
    _REPLACED.append((_kind, "__init__", _init, _only_here(_init, _copying(_kind, _init))))
    if hasattr(_kind, "reset_parameters"):
        _reset = _kind.reset_parameters
        _REPLACED.append((_kind, "reset_parameters", _reset, _only_here(_reset, lambda self: None)))


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
    """While open, this thread builds networks on the meta device and without initialisation; others wait for their
    turn to sketch, and build as ever."""
    global _sketching
    with _one_at_a_time, undisturbed():
        _sketching = threading.get_ident()
        for owner, name, _, replacement in _REPLACED:
            setattr(owner, name, replacement)
        try:
            yield
        finally:
            for owner, name, original, _ in _REPLACED:
                setattr(owner, name, original)
            _sketching = None
            if len(_seen) > 4096:
                forget()


def forget():
    """Forget the layers sketched before."""
    _seen.clear()
