"""Watch a network run without numbers: what every operation makes of shapes, costs and keeps.

The network's own `forward` runs on the *meta* device, where tensors have a shape and no memory. PyTorch itself says
what it does, at four of its own doors, each of this thread only:

* every operation passes its dispatcher, whatever the network calls it by, writes it into, or wraps it in;
* every function passes `TorchFunctionMode`: there are the names that a reader knows, and sums and concatenations;
* what autograd saves for the backward pass passes its hooks;
* every module is a stand-in whose `forward` says when it begins and ends.

Shapes are PyTorch's own business; RULES has the five operations of which networks are made, to save its time.
"""

import collections
import copy
import dataclasses
import functools
import types
import weakref
from collections.abc import Mapping

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from ..models.sketch import FACTORIES
from .receptive import RULES as REACHES
from .receptive import Reach, Span, viewed, widest

aten = torch.ops.aten

SUMS = {"add", "add_", "__add__", "__radd__", "__iadd__"}
CONCATENATIONS = {"cat", "concat", "concatenate"}
PRODUCTS = {"mul", "mul_", "__mul__", "__rmul__", "__imul__"}
_JOINTS = SUMS | CONCATENATIONS | PRODUCTS
_WEIGHTED = {"conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "linear"}
_READERS = {"item", "tolist", "numpy", "__array__", "__bool__", "__int__", "__float__", "__index__", "__contains__",
            "nonzero", "argwhere", "masked_select", "unique", "unique_consecutive", "equal", "allclose", "is_nonzero"}

# What these keep depends on the kernel that a device has for them.
_DEVICE_DECIDES = {"lstm", "gru", "rnn_tanh", "rnn_relu", "scaled_dot_product_attention",
                   "multi_head_attention_forward", "_native_multi_head_attention", "_transformer_encoder_layer_fwd"}


class Trace:
    """What is known of a tensor that was made from the input, and of all its views: of its memory.

    Attributes:
        tensor: that was written last; reach: its Reach, None where it is not known.
        depth: convolutions and matrix products on the longest way from the input.
        born: when it was made. made_from: the same of all that it was made from, as bits.
        uses: functions called with it so far, views not counted.
    """

    __slots__ = ("storage", "tensor", "reach", "depth", "born", "made_from", "uses", "function")

    def __init__(self, storage):
        self.storage, self.reach, self.depth, self.born, self.made_from = storage, None, 0, 0, 0
        self.uses, self.function = 0, None

    def comes_from(self, other):
        return bool(self.made_from >> other.born & 1)

    def reach_of(self, tensor):
        """The Reach of a tensor on this memory."""
        return self.reach if tensor is self.tensor else viewed(self.reach, self.tensor, tensor)


class Call:
    """One call of a module: what happened in it, without what happened in the modules it called."""

    macs = kept = params = adds = concats = joints = 0
    weighted = joins = gate = inner = False
    shortcut = output = last = None
    branches = 1

    def __init__(self, name, module, is_row, parent, source, trace, began):
        self.name, self.module, self.is_row, self.parent, self.began = name, module, is_row, parent, began
        self.input, self.trace, self.uses = source, trace, trace.uses if trace else 0


class Watch(TorchDispatchMode):
    """Runs a stand-in of `model`. Subclasses are told of what happens: `left`, `called`, `joined`."""

    def __init__(self, model):
        super().__init__()
        self.unused, self.used = {}, set()              # id of a tensor of the network's -> (own, its module)
        self.saved, self.traces = {}, {}                # by id of a storage: it is kept, so that no id comes again
        self.written, self.made = {}, {}                # storages of tensors with numbers
        self.functions, self.clock, self.latest = 0, 1, None
        self.copies = stand_in(model, self.meta)
        self.root = self.copies[""]
        for name, module in self.copies.items():
            if type(module) is not nn.Identity:
                self.frame(name, module)
            vars(module)["training"] = False
        self.top = Call("", self.root, False, None, None, None, 0)

    def run(self, args, kwargs):
        """Call the stand-in with meta tensors, each the beginning of a trace."""
        for tensor in tensors((args, kwargs)):
            of_picture = Reach(*map(Span, (2, 3), tensor.shape[2:])) if tensor.ndim == 4 else None
            self.write(tensor, of_picture, 0, 0, True)
        pack = weakref.WeakMethod(self.pack)            # autograd's graph keeps its hooks, and the watch that graph
        try:
            with torch.enable_grad(), saved_tensors_hooks(lambda tensor: pack()(tensor), lambda _: _refuse(
                    "forward asks for a gradient, and a summary has none")), _Functions(self), self:
                return self.root(*args, **kwargs)
        finally:
            for module in self.copies.values():         # in no circle, all this is freed at once
                vars(module).clear()

    # -- what subclasses are told of --

    def left(self, call, args, out):
        """The call of a module ends."""

    def called(self, call, name, out):
        """A function was called in `call`."""

    def joined(self, call, name, args):
        """`call` is about to add, concatenate or multiply what is among `args`."""

    # -- modules --

    def meta(self, tensor, module):
        """The stand-in of a parameter or a buffer."""
        new = tensor
        if not isinstance(tensor, nn.Parameter):
            new = like(tensor)
        elif not tensor.is_meta or tensor.is_inference():
            new = nn.Parameter(like(tensor), tensor.requires_grad)
        for each in (tensor, new):
            self.unused[id(each)] = new, module
            storage = each.untyped_storage()            # its memory is there anyway
            self.saved[id(storage)] = storage
        return new

    def frame(self, name, module):
        """From now on the module says when it begins and ends; with hooks, before the first and after the last."""
        forward = module.forward
        is_row = not module._modules or any(p is not None for p in module._parameters.values())
        if module._forward_hooks or module._forward_pre_hooks:
            module.register_forward_pre_hook(lambda _, args, kwargs: self.enter(name, module, is_row, args, kwargs),
                                             prepend=True, with_kwargs=True)
            module.register_forward_hook(lambda _, args, out: self.leave(args, out))
            return

        def framed(*args, **kwargs):
            self.enter(name, module, is_row, args, kwargs)
            call = self.top
            try:
                out = forward(*args, **kwargs)
                self.leave(args, out)
                return out
            finally:
                self.top = call.parent

        vars(module)["forward"] = framed

    def enter(self, name, module, is_row, args, kwargs):
        source = args[0] if args and isinstance(args[0], torch.Tensor) else next(tensors((args, kwargs)), None)
        trace = self.trace(source) if source is not None else None
        call, parent = Call(name, module, is_row, self.top, source, trace, self.clock), self.top
        if not parent.is_row:                           # kept for this call
            call.kept, parent.kept = parent.kept, 0
        self.top = call

    def leave(self, args, out):
        call = self.top
        if call.trace:
            call.branches = call.trace.uses - call.uses
        call.output = out if isinstance(out, torch.Tensor) else next(tensors(out), call.last)
        self.top = call.parent
        self.left(call, args, out)

    # -- autograd --

    def pack(self, tensor):
        """Autograd keeps a tensor: its memory counts, once, and not that of the network's own."""
        storage = tensor.untyped_storage()
        if id(storage) not in self.saved:
            self.saved[id(storage)] = storage
            self.keep(storage.nbytes())

    def keep(self, nbytes):
        """So much is kept for what runs now; None: nobody knows."""
        call = self.top
        call.kept = None if nbytes is None or call.kept is None else call.kept + nbytes

    # -- functions --

    def function(self, function, name, args, kwargs):
        call, self.functions = self.top, self.functions + 1
        if name in _READERS and any(t.is_meta or self.is_written(t) for t in tensors(args)):
            _refuse(f"forward looks at the values of a tensor ({name.strip('_')}), and a summary has none")
        if name in _JOINTS:
            self.joined(call, name, (*args, *kwargs.values()))
        elif "dropout" in name:                         # as in training, whatever the mode now
            given = len(args) > 2
            args = (*args[:2], True, *args[3:]) if given else args
            kwargs = kwargs if given else kwargs | {"train" if "train" in kwargs else "training": True}
        elif name in ("to", "cpu", "cuda"):             # there is one device
            args = [args[0], *(a for a in args[1:] if name == "to" and not isinstance(a, (torch.device, str)))]
            kwargs = {key: value for key, value in kwargs.items() if key != "device"} if name == "to" else {}
            if len(args) == 1 and not kwargs:
                return args[0]
        elif function in FACTORIES:
            kwargs = kwargs | {"device": "meta"}
        elif name in _DEVICE_DECIDES:
            self.keep(None)
        into = kwargs.get("out")
        if isinstance(into, torch.Tensor):              # autograd refuses it, training or not
            result = function(*args, **{key: value for key, value in kwargs.items() if key != "out"})
            out = (into if into.shape == result.shape else into.resize_(result.shape)).copy_(result)
        else:
            out = function(*args, **kwargs)
        if name in _WEIGHTED:
            call.weighted = True
            if any(map(torch.is_autocast_enabled, ("cpu", "cuda"))):
                self.keep(None)                         # who casts decides
        self.called(call, name, out)
        return out

    # -- operations --

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        """The result of an operation; its multiply-accumulates are counted, and its trace is written."""
        kwargs = kwargs or {}
        inputs = list(operands((*args, *kwargs.values()) if kwargs else args))
        for tensor in inputs:
            if id(tensor) in self.unused:
                self.use(tensor)
        facts = _facts(op)
        if facts.turns and (trace := self.trace(args[0])) and trace.tensor is args[0]:
            trace.tensor = aten.alias(args[0])          # it keeps its strides
        constants = [tensor for tensor in inputs if not tensor.is_meta]
        out = facts.rule(*args, **kwargs) if facts.rule and not constants else None
        if out is None:
            out = self.really(op, facts, args, kwargs, constants, len(inputs) > len(constants))
        macs = facts.macs(out, *args) if facts.macs else 0
        self.top.macs += macs
        self.follow(facts, args, kwargs, inputs, out, bool(macs))
        return out

    def use(self, tensor):
        """The first time that a parameter or a buffer reaches an operation. The parameter counts for its module
        where that runs, otherwise for the one that runs."""
        own, module = self.unused.pop(id(tensor))
        if isinstance(own, nn.Parameter) and id(own) not in self.used:
            self.used.add(id(own))
            call = self.top
            while call is not None and call.module is not module:
                call = call.parent
            (call or self.top).params += own.numel()

    def really(self, op, facts, args, kwargs, constants, mixed):
        """PyTorch's own answer, on the meta device. Tensors with numbers (constants of the network's) are computed
        with for real among themselves, but nothing is written into them that was there before."""
        if kwargs.get("device") is not None:
            kwargs = kwargs | {"device": torch.device("meta")}
        if op in (aten.embedding.default, aten.embedding_bag.default) and args[1].is_floating_point():
            _refuse(f"an embedding wants whole numbers and gets {str(args[1].dtype)[6:]}: "
                    "say it, as in summary(model, (1, 7), dtypes=torch.long)")
        if constants:
            into = kwargs.get("out", args[0]) if facts.writes else None
            real = not mixed and not any(map(self.is_written, constants))
            if real and (into is None or id(into.untyped_storage()) in self.made):
                out = op(*args, **kwargs)
                self.made.update((id(s), s) for s in (t.untyped_storage() for t in tensors(out)))
                return out
            if isinstance(into, torch.Tensor) and not into.is_meta:
                self.written[id(into.untyped_storage())] = into.untyped_storage()
                return into
            args, kwargs = _to_meta(args), _to_meta(kwargs)
        try:
            return op(*args, **kwargs)
        except NotImplementedError:
            _refuse(f"forward asks for what has no answer without numbers ({facts.name})")

    def is_written(self, tensor):
        """Has numbers that are no longer right."""
        return not tensor.is_meta and id(tensor.untyped_storage()) in self.written

    # -- traces --

    def follow(self, op, args, kwargs, inputs, out, weighted):
        """Write the trace of what an operation made of tensors that have one."""
        outs = list(operands([out]))
        if not outs:
            return
        self.top.last = outs[0]
        if op.shape_only or not op.writes and self.trace(outs[0]) is not None:
            return                                      # the last: a view
        known, depth, made_from, mixed = [], 0, 0, False
        for tensor in inputs:
            if (trace := self.trace(tensor)) is None:
                continue
            known.append((tensor, trace.reach_of(tensor)))
            depth, made_from = max(depth, trace.depth), made_from | trace.made_from | 1 << trace.born
            mixed |= tensor is not outs[0]
            if trace.function != self.functions:
                trace.uses, trace.function = trace.uses + 1, self.functions
        if not known:
            return
        self.clock += 1
        reach = None
        if op.reach is not None and all(reach is not None for _, reach in known):
            reach = op.reach(known, args, kwargs, outs[0])
        mixed |= reach is None
        for tensor in outs:
            self.write(tensor, reach if tensor is outs[0] else None, depth + weighted, made_from, mixed)

    def write(self, tensor, reach, depth, made_from, mixed):
        """A tensor is made, or all of one is written into. `mixed`: by more than what was in it."""
        storage = tensor.untyped_storage()
        trace = self.traces.setdefault(id(storage), Trace(storage))
        if not trace.born or tensor.nbytes == storage.nbytes():
            trace.tensor, trace.reach = tensor, reach
        elif mixed:                                     # a part, among others
            trace.reach = widest((trace.reach, viewed(reach, tensor, trace.tensor)))
        trace.depth, trace.born, trace.made_from = max(depth, trace.depth), self.clock, made_from
        self.latest = trace

    def trace(self, tensor):
        """The Trace of a tensor; None if it does not come from the input."""
        if self.latest and tensor is self.latest.tensor:        # as in most cases, and modules ask PyTorch slowly
            return self.latest
        return self.traces.get(id(tensor.untyped_storage()))

    def reach(self, tensor):
        """The Reach of a tensor; None if it is not known."""
        trace = self.trace(tensor)
        return trace and trace.reach_of(tensor)


class _Functions(TorchFunctionMode):
    def __init__(self, watch):
        super().__init__()
        self.watch = watch

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "").partition(".")[0]
        if name == "__get__":                           # an attribute
            return function(*args)
        return self.watch.function(function, name, args, kwargs or {})


def _refuse(why):
    raise ValueError(why)


# ---- tensors in arguments and results ----

def tensors(tree, depth=6):
    """Every tensor in lists, tuples, dicts, dataclasses and other containers."""
    if isinstance(tree, torch.Tensor):
        yield tree
    elif depth and type(tree) not in _PLAIN and not isinstance(tree, (nn.Module, type, types.ModuleType)):
        if isinstance(tree, Mapping):
            parts = tree.values()
        elif isinstance(tree, (list, tuple, set, collections.deque)):
            parts = tree
        elif dataclasses.is_dataclass(tree):
            parts = [getattr(tree, each.name) for each in dataclasses.fields(tree)]
        else:
            parts = getattr(tree, "__dict__", {}).values()
        for part in list(parts):
            yield from tensors(part, depth - 1)


_PLAIN = {bool, int, float, str, type(None), torch.Size, torch.dtype, torch.device, types.FunctionType}


def operands(args):
    """The tensors among the arguments of an operation, and in their lists."""
    for value in args:
        if isinstance(value, torch.Tensor):
            yield value
        elif type(value) in (list, tuple):
            for each in value:
                if isinstance(each, torch.Tensor):
                    yield each


def like(tensor):
    """A tensor without numbers that lies in memory as `tensor` does."""
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")


def _to_meta(tree):
    """The arguments of an operation with every tensor on the meta device."""
    if isinstance(tree, torch.Tensor):
        return tree if tree.is_meta else like(tree)
    if isinstance(tree, dict):
        return {key: _to_meta(value) for key, value in tree.items()}
    return type(tree)(_to_meta(value) for value in tree) if type(tree) in (list, tuple) else tree


# ---- a stand-in of a network ----

def stand_in(model, tensor_for):
    """{name: copy of the module}: the same code with attributes of its own, so that what a forward stores is stored
    there.

    `tensor_for(tensor, module)` answers with what takes the place of a parameter or a buffer of the copy `module`.
    """
    modules = dict(model.named_modules())
    copies = {name: object.__new__(type(module)) for name, module in modules.items()}
    known = {id(module): copies[name] for name, module in modules.items()}
    for name, module in modules.items():
        for tensor in (*module._parameters.values(), *module._buffers.values()):
            if tensor is not None and id(tensor) not in known:
                known[id(tensor)] = tensor_for(tensor, copies[name])

    def moved(value):
        kind = type(value)
        if kind in _PLAIN:
            return value
        if isinstance(value, (torch.Tensor, nn.Module)):
            return known.get(id(value), value)
        if isinstance(value, dict):
            new = value.copy() if kind in (dict, collections.OrderedDict) else copy.copy(value)
            if value:
                new.update([(key, moved(each)) for key, each in value.items()])
            return new
        if kind in (list, tuple, set, collections.deque):
            return kind(map(moved, value))
        if kind is types.MethodType:
            return kind(value.__func__, moved(value.__self__)) if isinstance(value.__self__, nn.Module) else value
        if kind is functools.partial:
            return kind(moved(value.func), *map(moved, value.args), **moved(value.keywords))
        return value

    for name, module in modules.items():
        vars(copies[name]).update([(key, moved(value)) for key, value in vars(module).items()])
    return copies


# ---- operations: shapes where that saves time, and multiply-accumulates ----

def _usual(*inputs):
    """One after the other in memory, of one dtype."""
    dtype = inputs[0].dtype
    return all(x.is_contiguous() and x.dtype == dtype for x in inputs)


def _empty(shape, dtype):
    return torch.empty(shape, dtype=dtype, device="meta")


def _convolution(x, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    if transposed or x.ndim != 4 or not _usual(x, weight) or len(stride) != 2 or len(padding) != 2:
        return None
    (n, c, h, w), (maps, depth, kh, kw), (dh, dw) = x.shape, weight.shape, dilation
    h, w = (h + 2 * padding[0] - dh * (kh - 1) - 1) // stride[0] + 1, \
        (w + 2 * padding[1] - dw * (kw - 1) - 1) // stride[1] + 1
    if depth * groups != c or maps % groups:
        return None                                     # PyTorch says best what is wrong
    if h < 1 or w < 1:                                  # on the meta device not every version of it says so
        raise RuntimeError(f"a kernel of {kh}×{kw} does not fit into maps of {x.shape[2]}×{x.shape[3]}, "
                           f"padding {padding[0]}×{padding[1]}, dilation {dh}×{dw}")
    return _empty((n, maps, h, w), x.dtype)


def _batch_norm(x, weight, bias, mean, var, training, momentum, eps):
    """Also in evaluation with the mean and deviation of the batch, which training keeps."""
    size, dtype = x.shape[1:2], x.dtype if weight is None else weight.dtype
    return like(x), _empty(size, dtype), _empty(size, dtype)


def _cat(parts, dim=0):
    shape = parts[0].shape
    if not _usual(*parts) or not 0 <= dim < len(shape):
        return None
    before, after = shape[:dim], shape[dim + 1:]
    if any(x.shape[:dim] != before or x.shape[dim + 1:] != after for x in parts):
        return None
    return _empty((*before, sum(x.shape[dim] for x in parts), *after), parts[0].dtype)


# For the time that PyTorch takes for its own answer: without BatchNorm's rule ResNets and DenseNets take three times as
# long, without hardtanh's MobileNet-v2 twice and a half, without cat's a DenseNet a quarter more, without the
# convolution's networks a tenth to a third more, without ReLU's a few per cent. BatchNorm's has to stay for another
# reason, too: in evaluation it keeps what training keeps.
RULES = {"convolution": _convolution, "native_batch_norm": _batch_norm, "cat": _cat,
         "hardtanh_": lambda x, *_: x, "relu_": lambda x: x}


def _matrix(i):
    """Multiply-accumulates of a product whose i-th argument is summed over its last axis."""
    return lambda out, *args: out.numel() * args[i].shape[-1]


def _filters(out, x, weight, *_):
    """Each unit of the output is a sum over one filter."""
    return out.numel() * weight[0].numel()


def _attention(out, q, k, v, *_):
    return q.shape[:-1].numel() * k.shape[-2] * (q.shape[-1] + v.shape[-1])


MACS = {
    "convolution": lambda out, x, weight, *more: _filters(x if more[4] else out, x, weight),
    "deform_conv2d": _filters, "_trilinear": _filters, "addbmm": lambda out, c, a, b, *_: a.numel() * b.shape[-1],
    **dict.fromkeys(("mm", "bmm", "mv", "dot", "vdot", "_cdist_forward"), _matrix(0)),
    **dict.fromkeys(("addmm", "baddbmm", "addmv"), _matrix(1)),
    **dict.fromkeys(("_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_flash_attention",
                     "_scaled_dot_product_efficient_attention", "_scaled_dot_product_cudnn_attention"), _attention),
}


@functools.cache
def _facts(op):
    """Of an operation: its `name`, whether it `writes` into its argument, `turns` it as a view in place does, or asks
    for its shape only; its `rule` for shapes, for multiply-accumulates and receptive fields, None where there is none.
    """
    full = op.name().rpartition("::")[2]
    name, _, overload = full.partition(".")
    turns = torch.Tag.inplace_view in op.tags
    writes = "out" in overload or name[-1] == "_" and (name[:2] != "__" or name[:3] == "__i") and not turns
    plain = name.rstrip("_") if writes else name
    return types.SimpleNamespace(
        name=plain, writes=writes, turns=turns, shape_only=name.endswith("_like") or name.startswith("new_"),
        rule=RULES.get(full), macs=MACS.get(plain),
        reach=REACHES.get(plain) or (REACHES["pointwise"] if torch.Tag.pointwise in op.tags else None))
