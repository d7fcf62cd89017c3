"""Run a network's own `forward` on an outline of its input: a tensor with everything but the numbers.

An `Outline` knows its shape, whose memory it uses, whether autograd follows it and how far its units look back.
The functions that make up most networks answer it by plain arithmetic (RULES). Every other function is called as it
is on the *meta* device, where tensors have shapes only, and autograd itself says what it keeps. A rule that meets
something unusual leaves it to the function, too: it knows best what it allows and says best what is wrong.
"""

import math
from typing import NamedTuple

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode


class Reach(NamedTuple):
    """How far a unit looks back: its field on the input and the jump between neighbours, (height, width) each.

    Fields include padding, as is customary: near the border a unit sees less of the picture than its field.
    """

    field: tuple
    jump: tuple

    def window(self, kernel, stride=1, dilation=1):
        """Reach of a unit that looks at `kernel` neighbours, every `dilation`-th, in steps of `stride`."""
        (kh, kw), (sh, sw), (dh, dw) = pair(kernel), pair(stride), pair(dilation)
        (fh, fw), (jh, jw) = self.field, self.jump
        return Reach((fh + (kh - 1) * dh * jh, fw + (kw - 1) * dw * jw), (jh * sh, jw * sw))


def pair(value):
    """Height and width of an argument that may be one number."""
    return (value, value) if isinstance(value, int) else tuple(value)[-2:]


class Memory:
    """The memory behind one or more tensors: autograd keeps all of it or nothing, and only once."""

    __slots__ = ("nbytes", "kept")

    def __init__(self, nbytes):
        self.nbytes, self.kept = nbytes, False


class Outline(torch.Tensor):
    """A tensor without numbers: every torch function asks the tracer what to do with it.

    Attributes:
        shape, dtype, requires_grad: as of the tensor it stands for.
        memory: its Memory; views share it.
        reach: its Reach, None where there are no pixels or it is not known.
        depth: convolutions and linear layers on the longest way from the input.
        uses: functions called with it so far.
        meta: the meta tensor that has its strides, None where they are the usual ones.
    """

    # Class attributes in the place of PyTorch's own, which would each ask the tracer.
    shape = dtype = requires_grad = None
    device, is_leaf, ndim = torch.device("meta"), False, property(lambda self: len(self.shape))
    uses, meta = 0, None

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        some = args[0] if args and type(args[0]) is Outline else next(outlines((args, kwargs)))
        return some.tracer.call(func, args, kwargs)

    def dim(self):
        return len(self.shape)

    def size(self, dim=None):
        return self.shape if dim is None else self.shape[dim]

    def numel(self):
        return self.shape.numel()

    def is_floating_point(self):
        return self.dtype.is_floating_point

    def __len__(self):
        return self.shape[0]

    def __iter__(self):
        return iter(self.unbind(0))

    def __repr__(self):
        return f"Outline{tuple(self.shape)}"

    __hash__ = object.__hash__


def outlines(tree):
    """Every Outline in nested lists, tuples and dicts."""
    kind = type(tree)
    if kind is Outline:
        yield tree
    elif kind is dict:
        for value in tree.values():
            yield from outlines(value)
    elif kind in (list, tuple) or isinstance(tree, (list, tuple)):
        for value in tree:
            yield from outlines(value)


def _map(function, tree):
    """The tree with `function` applied to every tensor and Outline in it."""
    if isinstance(tree, torch.Tensor):
        return function(tree)
    if isinstance(tree, dict):
        return {key: _map(function, value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)) and not isinstance(tree, torch.Size):
        found = [_map(function, value) for value in tree]
        return type(tree)(*found) if hasattr(tree, "_fields") else found if isinstance(tree, list) else tuple(found)
    return tree


class Tracer:
    """Answers the functions that a network calls with outlines.

    Args:
        model: the network; its own parameters and buffers are not counted as kept.
        listener: has `called(name, inputs, output, macs)`, told of every function, and `keep(nbytes)`, told of
            memory when autograd begins to keep it; nbytes None where that is not known.
    """

    def __init__(self, model, listener):
        self.model, self.listener = model, listener
        self.memories, self.alive, self.copies, self.blanks = None, [], {}, {}
        self.probe, self.reached = torch.ones((), device="cpu", requires_grad=True), False

    def input(self, shape, dtype=torch.float32):
        """The outline of the network's input."""
        reach = Reach((1, 1), (1, 1)) if len(shape) == 4 else None
        return self.new(torch.Size(shape), dtype, False, reach, 0)

    def new(self, shape, dtype, requires_grad, reach, depth):
        """An outline with memory of its own."""
        return self.outline(shape, dtype, Memory(shape.numel() * dtype.itemsize), requires_grad, reach, depth)

    def outline(self, shape, dtype, memory, requires_grad, reach, depth):
        """An outline. Those of the same shape stand on the same empty meta tensor."""
        blank = self.blanks.get((shape, dtype))
        if blank is None:
            blank = self.blanks[shape, dtype] = torch.empty(shape, dtype=dtype, device="meta")
        out = blank.as_subclass(Outline)
        out.tracer, out.shape, out.dtype, out.memory = self, shape, dtype, memory
        out.requires_grad, out.reach, out.depth = requires_grad, reach, depth
        return out

    def call(self, func, args, kwargs):
        name = func.__name__
        rule = RULES.get(name)
        out = rule(self, *args, **kwargs) if rule else NotImplemented
        if out is NotImplemented:
            return self.really(func, args, kwargs)
        return out

    def told(self, name, inputs, out, macs=0):
        """Pass a call on to the listener, and its result back to the caller."""
        for x in inputs:
            x.uses += 1
        self.listener.called(name, inputs, out, macs)
        return out

    def keep(self, memory):
        """Autograd keeps `memory` until the backward pass; if nothing else takes its place: see `watching`."""
        if not memory.kept and self.is_watching():
            self.count(memory)

    def count(self, memory):
        if not memory.kept:
            memory.kept = True
            self.listener.keep(memory.nbytes)

    def is_watching(self):
        """Whether autograd hands what it keeps now to `watching`: a sine keeps its input, and that is the probe."""
        self.reached = False
        self.probe.sin()
        return self.reached

    def keep_tensor(self, tensor):
        """Autograd keeps a tensor. The network's own are there anyway."""
        kind = type(tensor)
        if kind is Outline:
            self.keep(tensor.memory)
        elif kind is not nn.Parameter and not isinstance(tensor, nn.Parameter):
            self.keep(self.memory_of(tensor))

    def watching(self):
        """While open, what autograd keeps is counted, also of real and meta tensors. Where something else takes
        care of what autograd keeps, such as `torch.utils.checkpoint`, it is not kept."""
        return saved_tensors_hooks(self.handed, lambda tensor: tensor)

    def handed(self, tensor):
        """Autograd keeps a real or meta tensor, or the probe."""
        if tensor is self.probe:
            self.reached = True
        elif not isinstance(tensor, nn.Parameter):
            self.count(self.memory_of(tensor))
        return tensor

    def memory_of(self, tensor):
        """The Memory behind a real or meta tensor."""
        if self.memories is None:
            self.memories = {}
            mine = Memory(0)
            mine.kept = True                            # or as good as kept
            for own in (*self.model.parameters(), *self.model.buffers()):
                self.memories[own.untyped_storage()._cdata] = mine
        storage = tensor.untyped_storage()
        if storage._cdata not in self.memories:
            self.alive.append(tensor)                   # an address is unique among the living
            self.memories[storage._cdata] = Memory(storage.nbytes())
        return self.memories[storage._cdata]

    def really(self, func, args, kwargs):
        """Call a function without a rule on meta tensors."""
        name = func.__name__
        if "dropout" in name or name == "batch_norm":
            args, kwargs = _as_when_training(name, args, kwargs)
        known = list(outlines((args, kwargs)))
        changes = name in _CHANGES or (name[-1] == "_" and name[-2] != "_") or kwargs.get("inplace") is True
        metas = {}                                      # id of a meta tensor -> its outline
        inner = lambda t: self.as_meta(t, metas, changes)       # noqa: E731
        counter = _MacCounter()
        with torch.enable_grad(), counter:
            result = func(*_map(inner, args), **_map(inner, kwargs))
        if name in _DEVICE_DECIDES:
            self.listener.keep(None)
        depth = max((x.depth for x in known), default=0) + (1 if counter.macs else 0)

        def outline(tensor):
            out = metas.get(id(tensor))
            if out is not None:                         # changed in place, or handed through
                out.requires_grad = tensor.requires_grad
                if changes:
                    out.reach, out.depth = follow(name, args, kwargs, known, out), depth
                return out
            out = self.outline(tensor.shape, tensor.dtype, self.memory_of(tensor), tensor.requires_grad, None, depth)
            out.reach = follow(name, args, kwargs, known, out)
            if not tensor.is_contiguous():
                out.meta = tensor.detach()
            self.alive.append(tensor)
            return out

        out = _map(outline, result)
        first = next(outlines(out), None)
        if first is not None:
            self.told(name, known, first, counter.macs)
        return out

    def as_meta(self, tensor, metas, changes):
        """A meta tensor in the place of an outline or of a real tensor, its memory noted as that one's."""
        if type(tensor) is Outline:
            like = tensor.meta
            if like is None:
                like = torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
            meta = like.detach()
            if tensor.requires_grad:
                if changes:                             # autograd does not let leaves be changed
                    meta.copy_(torch.empty_like(meta, requires_grad=True))
                else:
                    meta.requires_grad_()
            self.memory_of(like)
            self.memories[like.untyped_storage()._cdata] = tensor.memory
            self.alive.append(like)
            metas[id(meta)] = tensor
            return meta
        if tensor.device.type == "meta":
            return tensor
        if id(tensor) not in self.copies:
            copy = torch.empty_like(tensor, device="meta").requires_grad_(tensor.requires_grad)
            memory = self.memory_of(tensor)
            self.memory_of(copy)
            self.memories[copy.untyped_storage()._cdata] = memory
            self.copies[id(tensor)] = copy, tensor
        return self.copies[id(tensor)][0]


# Functions that change their first argument and are not called so.
_CHANGES = {"__iadd__", "__isub__", "__imul__", "__itruediv__", "__setitem__"}

# What these keep depends on the kernel that a device has for them.
_DEVICE_DECIDES = {
    "lstm", "gru", "rnn_tanh", "rnn_relu", "scaled_dot_product_attention", "multi_head_attention_forward",
}


def _as_when_training(name, args, kwargs):
    """The arguments of a function that works differently then, whatever the mode is now."""
    place = 5 if name == "batch_norm" else 2
    if len(args) > place:
        return (*args[:place], True, *args[place + 1:]), kwargs
    return args, kwargs | {"training": True}


class _MacCounter(TorchDispatchMode):
    """Multiply-accumulates of the convolutions and matrix products inside a function, as it is made of."""

    macs = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        name = func.__name__.split(".")[0]
        if name in ("mm", "bmm"):
            self.macs += out.numel() * args[0].shape[-1]
        elif name in ("addmm", "baddbmm"):
            self.macs += out.numel() * args[1].shape[-1]
        elif name == "convolution":
            transposed = args[6]
            self.macs += (args[0] if transposed else out).numel() * args[1][0].numel()
        return out


# ---- how far the units of a result look back, by the function's name ----

def widest(known):
    """Reach of what joins `known`: the widest field, in the steps of the largest; None if one is not known."""
    if len(known) == 1:
        return known[0].reach
    height = width = pixels = 0
    jump = None
    for x in known:
        if x.reach is None:
            return None
        (h, w), step = x.reach
        height, width = h if h > height else height, w if w > width else width
        size = x.shape[2] * x.shape[3] if len(x.shape) == 4 else 0
        if jump is None or size > pixels:               # not the gate of x * gate
            jump, pixels = step, size
    return Reach((height, width), jump)


def follow(name, args, kwargs, known, out):
    """The reach after one function call, None where it is not known how the function looks."""
    reach = widest(known)
    if reach is None:
        return None
    x = max(known, key=lambda x: x.shape[2:].numel() if len(x.shape) == 4 else 0)
    if name == "conv2d":
        weight = _argument(args, kwargs, 1, "weight", None)
        return reach.window(weight.shape[2:], _argument(args, kwargs, 3, "stride", 1),
                            _argument(args, kwargs, 5, "dilation", 1))
    if name in ("max_pool2d", "max_pool2d_with_indices", "avg_pool2d"):
        kernel = _argument(args, kwargs, 1, "kernel_size", None)
        dilation = 1 if name == "avg_pool2d" else _argument(args, kwargs, 4, "dilation", 1)
        return reach.window(kernel, _argument(args, kwargs, 2, "stride", kernel), dilation)
    if name == "pad":
        return reach                                # zeros around the maps: the same units, and others that see less
    before, after = x.shape[2:], out.shape[2:]
    if name == "__getitem__" and x.ndim == out.ndim == 4 and after != before:
        index = args[1] if isinstance(args[1], tuple) else ()
        if len(index) != 4 or not all(isinstance(i, slice) for i in index):
            return None
        return reach.window(1, [i.step or 1 for i in index[2:]])        # every step-th unit
    if name.startswith("adaptive_") and x.ndim == 4:
        return _adaptive(reach, before, after)
    if x.ndim != 4 or (out.ndim == 4 and after == before) or out.shape[1:] == before:
        return reach                                # no pixels left to join, or joined within a pixel only
    if out.ndim <= 2 or (after == (1, 1) and name in ("mean", "sum", "amax", "max", "amin", "min")):
        return reach.window(before)                 # flattened or reduced: sees what all positions see
    return None


def _adaptive(reach, before, after):
    return reach.window([_widest_bin(i, o) for i, o in zip(before, after, strict=True)],
                        [math.ceil(i / o) for i, o in zip(before, after, strict=True)])


def _widest_bin(size, bins):
    """Width of the widest window of adaptive pooling; windows overlap where `bins` does not divide `size`."""
    return max(-(-(i + 1) * size // bins) - i * size // bins for i in range(bins))


def _argument(args, kwargs, position, name, default):
    value = args[position] if len(args) > position else kwargs.get(name, default)
    return default if value is None or value == [] else value


# ---- the rules: a tracer and the arguments of the function -> the outline of its result ----

def conv2d(tracer, input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Keeps its input, for the gradient of the weights; 1 MAC a weight and position."""
    if type(input) is not Outline or type(weight) is Outline or len(input.shape) != 4 or isinstance(padding, str):
        return NotImplemented
    n, c, h, w = input.shape
    maps, depth, kh, kw = weight.shape
    stride, (ph, pw), dilation = pair(stride), pair(padding), pair(dilation)
    (sh, sw), (dh, dw) = stride, dilation
    h, w, tall, wide = h + 2 * ph, w + 2 * pw, dh * (kh - 1) + 1, dw * (kw - 1) + 1
    if depth * groups != c or maps % groups or input.dtype != weight.dtype:
        return NotImplemented
    if h < tall or w < wide:                            # torch 2.8 says nothing on the meta device
        raise ValueError(f"a kernel spans {tall}×{wide}, more than its padded input of {h}×{w}")
    h, w = (h - tall) // sh + 1, (w - wide) // sw + 1
    grad = input.requires_grad or weight.requires_grad or (bias is not None and bias.requires_grad)
    reach = input.reach and input.reach.window((kh, kw), stride, dilation)
    out = tracer.new(torch.Size((n, maps, h, w)), input.dtype, grad, reach, input.depth + 1)
    if grad:
        tracer.keep(input.memory)
        tracer.keep_tensor(weight)
    return tracer.told("conv2d", (input,), out, n * maps * h * w * depth * kh * kw)


def linear(tracer, input, weight, bias=None):
    """Keeps its input; 1 MAC a weight."""
    if type(input) is not Outline or type(weight) is Outline or input.meta is not None:
        return NotImplemented
    if input.shape[-1] != weight.shape[1] or input.dtype != weight.dtype:
        return NotImplemented
    grad = input.requires_grad or weight.requires_grad or (bias is not None and bias.requires_grad)
    shape = torch.Size((*input.shape[:-1], weight.shape[0]))
    out = tracer.new(shape, input.dtype, grad, input.reach, input.depth + 1)
    if weight.requires_grad:
        tracer.keep(input.memory)
    if input.requires_grad:
        tracer.keep_tensor(weight)
    return tracer.told("linear", (input,), out, out.numel() * input.shape[-1])


def batch_norm(tracer, input, running_mean=None, running_var=None, weight=None, bias=None, *_, **__):
    """Keeps its input, and mean and deviation of each map: training normalises by the batch."""
    if input.meta is not None:
        return NotImplemented
    channels = input.shape[1]
    for vector in (running_mean, running_var, weight, bias):
        if vector is not None and vector.shape[0] != channels:
            raise ValueError(f"batch_norm is made for {vector.shape[0]} channels and gets {channels}")
    grad = input.requires_grad or any(v is not None and v.requires_grad for v in (weight, bias))
    out = tracer.new(input.shape, input.dtype, grad, input.reach, input.depth)
    if grad:
        tracer.keep(input.memory)
        tracer.keep(Memory(2 * channels * input.dtype.itemsize))
        if weight is not None:
            tracer.keep_tensor(weight)
    return tracer.told("batch_norm", (input,), out)


def _activation(name, keeps, changes=False):
    """An activation that keeps its input or its output. In place there is only one memory; one that needs its
    input then copies it first."""

    def rule(tracer, input, inplace=False):
        if input.meta is not None:
            return NotImplemented
        if inplace or changes:
            if input.requires_grad:
                tracer.keep(input.memory if keeps == "output" else Memory(input.numel() * input.dtype.itemsize))
            return tracer.told(name, (input,), input)
        out = tracer.new(input.shape, input.dtype, input.requires_grad, input.reach, input.depth)
        if input.requires_grad:
            tracer.keep((out if keeps == "output" else input).memory)
        return tracer.told(name, (input,), out)

    return rule


def hardtanh(tracer, input, min_val=-1.0, max_val=1.0, inplace=False):
    """ReLU6 among them."""
    return RULES["relu6"](tracer, input, inplace)


def dropout(tracer, input, p=0.5, training=True, inplace=False):
    """Keeps its mask (4 bytes a value on a CPU, 1 on a GPU): training drops, whatever the mode now."""
    if input.meta is not None or p == 1:
        return NotImplemented
    if p == 0:
        return tracer.told("dropout", (input,), input)
    out = input
    if not inplace:
        out = tracer.new(input.shape, input.dtype, input.requires_grad, input.reach, input.depth)
    if input.requires_grad:
        tracer.keep(Memory(input.numel() * input.dtype.itemsize))
    return tracer.told("dropout", (input,), out)


def _pool(name, keeps_indices):
    """Pooling keeps its input; a maximum also where it was, 8 bytes an output."""

    def rule(tracer, input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
        if len(input.shape) != 4 or return_indices or input.meta is not None:
            return NotImplemented
        n, c, *size = input.shape
        kernel, step, pad, gap = pair(kernel_size), pair(stride or kernel_size), pair(padding), pair(dilation)
        if any(2 * p > k for p, k in zip(pad, kernel, strict=True)):
            return NotImplemented
        after = []
        for i, k, s, p, d in zip(size, kernel, step, pad, gap, strict=True):
            span = i + 2 * p - d * (k - 1) - 1
            if span < 0:
                return NotImplemented
            o = (span + (s - 1 if ceil_mode else 0)) // s + 1
            after.append(o - 1 if ceil_mode and (o - 1) * s >= i + p else o)    # no window begins beyond the edge
        reach = input.reach and input.reach.window(kernel, step, gap)
        out = tracer.new(torch.Size((n, c, *after)), input.dtype, input.requires_grad, reach, input.depth)
        if input.requires_grad:
            tracer.keep(input.memory)
            if keeps_indices:
                tracer.keep(Memory(8 * out.numel()))
        return tracer.told(name, (input,), out)

    return rule


_max_pool = _pool("max_pool2d", True)
_avg_pool = _pool("avg_pool2d", False)


def avg_pool2d(tracer, input, kernel_size, stride=None, padding=0, ceil_mode=False, *_, **__):
    return _avg_pool(tracer, input, kernel_size, stride, padding, 1, ceil_mode)


def adaptive_avg_pool2d(tracer, input, output_size):
    """To one pixel it is a mean, which keeps nothing; to more it keeps its input."""
    if len(input.shape) != 4 or input.meta is not None or output_size is None:
        return NotImplemented
    size = pair(output_size)
    if None in size:
        return NotImplemented
    reach = input.reach and _adaptive(input.reach, input.shape[2:], size)
    out = tracer.new(torch.Size((*input.shape[:2], *size)), input.dtype, input.requires_grad, reach, input.depth)
    if input.requires_grad and size != (1, 1):
        tracer.keep(input.memory)
    return tracer.told("adaptive_avg_pool2d", (input,), out)


def _sum(name, changes):
    def rule(tracer, a, b, alpha=1):
        if type(a) is not Outline or type(b) is not Outline or a.shape != b.shape or a.dtype != b.dtype:
            return NotImplemented
        if a.meta is not None or b.meta is not None:
            return NotImplemented
        if not changes:
            grad, depth = a.requires_grad or b.requires_grad, max(a.depth, b.depth)
            return tracer.told(name, (a, b), tracer.new(a.shape, a.dtype, grad, widest((a, b)), depth))
        tracer.told(name, (a, b), a)
        a.requires_grad, a.reach, a.depth = a.requires_grad or b.requires_grad, widest((a, b)), max(a.depth, b.depth)
        return a

    return rule


def mul(tracer, a, b):
    """Keeps both, each for the gradient of the other; here of two outlines of one shape, or maps and their gates."""
    if type(a) is not Outline or type(b) is not Outline or a.dtype != b.dtype:
        return NotImplemented
    if a.meta is not None or b.meta is not None:
        return NotImplemented
    if a.shape != b.shape and (len(a.shape) != 4 or b.shape != (*a.shape[:2], 1, 1)):
        return NotImplemented
    grad, depth = a.requires_grad or b.requires_grad, max(a.depth, b.depth)
    if b.requires_grad:
        tracer.keep(a.memory)
    if a.requires_grad:
        tracer.keep(b.memory)
    return tracer.told("mul", (a, b), tracer.new(a.shape, a.dtype, grad, widest((a, b)), depth))


def getitem(tracer, input, index):
    """`x[:, :, None, None]`: a view with more axes."""
    if input.meta is not None or index != (_ALL, _ALL, None, None) or len(input.shape) != 2:
        return NotImplemented
    out = tracer.outline(torch.Size((*input.shape, 1, 1)), input.dtype, input.memory, input.requires_grad,
                         input.reach, input.depth)
    return tracer.told("__getitem__", (input,), out)


_ALL = slice(None)


def cat(tracer, tensors, dim=0):
    """Copies its inputs side by side and keeps none of them."""
    first, channels, grad, depth = tensors[0], 0, False, 0
    if dim != 1 or len(first.shape) != 4:
        return NotImplemented
    n, _, h, w = first.shape
    for x in tensors:
        if type(x) is not Outline or x.meta is not None or x.dtype != first.dtype or len(x.shape) != 4:
            return NotImplemented
        n1, c1, h1, w1 = x.shape
        if n1 != n or h1 != h or w1 != w:
            return NotImplemented
        channels, grad, depth = channels + c1, grad or x.requires_grad, x.depth if x.depth > depth else depth
    out = tracer.new(torch.Size((n, channels, h, w)), first.dtype, grad, widest(tensors), depth)
    return tracer.told("cat", tensors, out)


def flatten(tracer, input, start_dim=0, end_dim=-1):
    """A view: another shape on the same memory."""
    if start_dim != 1 or end_dim != -1 or input.meta is not None:
        return NotImplemented
    out = tracer.outline(torch.Size((input.shape[0], input.shape[1:].numel())), input.dtype, input.memory,
                         input.requires_grad, None, input.depth)
    if input.reach:
        out.reach = input.reach.window(input.shape[2:]) if len(input.shape) == 4 else input.reach
    return tracer.told("flatten", (input,), out)


RULES = {
    "conv2d": conv2d, "linear": linear, "batch_norm": batch_norm, "dropout": dropout, "cat": cat, "concat": cat,
    "flatten": flatten, "max_pool2d": _max_pool, "avg_pool2d": avg_pool2d, "adaptive_avg_pool2d": adaptive_avg_pool2d,
    "relu": _activation("relu", "output"), "relu_": _activation("relu", "output", changes=True),
    "sigmoid": _activation("sigmoid", "output"), "tanh": _activation("tanh", "output"),
    "relu6": _activation("relu6", "input"), "hardtanh": hardtanh,
    "add": _sum("add", False), "__add__": _sum("add", False), "__radd__": _sum("add", False),
    "mul": mul, "__mul__": mul, "__getitem__": getitem, "add_": _sum("add", True), "__iadd__": _sum("add", True),
}


# ---- layers: what their forward comes to, without PyTorch's way from a layer to its function ----

def _conv_layer(tracer, layer, x):
    own = layer._parameters
    if layer.padding_mode != "zeros" or "weight" not in own:
        return NotImplemented
    return conv2d(tracer, x, own["weight"], own["bias"], layer.stride, layer.padding, layer.dilation, layer.groups)


def _norm_layer(tracer, layer, x):
    own, averages = layer._parameters, layer._buffers
    if len(x.shape) != 4 or "weight" not in own:
        return NotImplemented
    return batch_norm(tracer, x, averages["running_mean"], averages["running_var"], own["weight"], own["bias"])


LAYERS = {
    nn.Conv2d: _conv_layer, nn.BatchNorm2d: _norm_layer,
    nn.ReLU: lambda tracer, layer, x: RULES["relu"](tracer, x, layer.inplace),
}
