"""What a network is made of: per layer its output shape, parameters, multiply-accumulates and receptive field.

One pass over the *meta* device, where tensors have shapes but no numbers: nothing is computed, nothing large
is allocated, and the caller's network stays where it is. Any `nn.Module` works.
"""

import contextlib
import html
import math
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.overrides import TorchFunctionMode


@dataclass(frozen=True)
class Row:
    """One layer. `receptive_field` and `jump` are in input pixels, an int where height and width agree.

    They are None where there are no pixels (an input that is not (N, C, H, W)) or where a function was called
    that is not understood here (transposed convolution, resizing, slicing).
    """

    name: str
    type: str
    output_shape: tuple
    params: int
    macs: int
    receptive_field: int | tuple | None
    jump: int | tuple | None


@dataclass
class Summary:
    """The rows of a network and their totals. Parameters are all of them, trainable or not; buffers are not counted.

    `macs` are the multiply-accumulates of convolutions, linear layers and matrix products for the batch given
    (biases, normalisation and pooling not counted), as in torchvision's tables. One MAC is two FLOPs.
    """

    model: str
    input_size: tuple
    rows: list = field(default_factory=list)
    total_params: int = 0
    trainable_params: int = 0
    total_macs: int = 0

    HEADER = ("layer", "type", "output shape", "parameters", "MACs", "receptive field")

    def row(self, name):
        """The row of the layer called `name`."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"no layer {name!r}; there are: {', '.join(row.name for row in self.rows)}")

    def cells(self):
        """The table as text, one tuple a layer in the order of HEADER."""
        return [
            (r.name, r.type, _by(r.output_shape), f"{r.params:,}", f"{r.macs:,}", _by(r.receptive_field))
            for r in self.rows
        ]

    def _total(self):
        return ("total", "", "", f"{self.total_params:,}", f"{self.total_macs:,}", "")

    def __str__(self):
        lines = [self.HEADER, *self.cells(), self._total()]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.HEADER))]
        text = [
            "  ".join(c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
            for line in lines
        ]
        rule = "-" * max(map(len, text))
        title = f"{self.model}, input {_by(self.input_size)}"
        return "\n".join([title, rule, text[0], rule, *text[1:-1], rule, text[-1]])

    __repr__ = __str__

    def _repr_html_(self):
        def line(cells, tag="td"):
            first = f'<th scope="row">{html.escape(cells[0])}</th>'
            return f"<tr>{first}{''.join(f'<{tag}>{html.escape(c)}</{tag}>' for c in cells[1:])}</tr>"

        head = "".join(f'<th scope="col">{h}</th>' for h in self.HEADER)
        body = "".join(map(line, self.cells()))
        return (
            f'<div class="cnnlib-html"><table class="cnnlib-summary"><caption>{html.escape(self.model)}, '
            f"input {_by(self.input_size)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
            f"<tfoot>{line(self._total())}</tfoot></table></div>"
        )


def _by(size):
    if size is None:
        return "–"
    return str(size) if isinstance(size, int) else "×".join(map(str, size))


def summary(model, input_size):
    """Trace `model` once and describe its layers.

    Args:
        model: any `nn.Module`, on any device, in any mode; it is left as it was.
        input_size: shape of the input, batch first: (N, C, H, W), as in torchinfo.

    Returns:
        a `Summary`.

    Raises:
        ValueError: `input_size` is not a shape, or the network cannot take an input of this size.
    """
    if not isinstance(model, nn.Module):
        raise ValueError(f"model is {type(model).__name__}, allowed: a torch.nn.Module.")
    shape = tuple(input_size)
    if len(shape) < 2 or not all(isinstance(n, int) and n > 0 for n in shape):
        raise ValueError(f"input_size is {input_size!r}, allowed: whole numbers from 1, batch first, (1, 3, 224, 224).")

    result = Summary(type(model).__name__, shape)
    result.total_params = sum(p.numel() for p in model.parameters())
    result.trainable_params = sum(p.numel() for p in model.parameters() if p.requires_grad)
    on_meta = {k: torch.empty_like(v, device="meta") for k, v in (*model.named_parameters(), *model.named_buffers())}
    x = torch.empty(shape, device="meta")
    tracer = _Tracer(x)
    with evaluating(model), _watching(model, tracer, result), torch.no_grad():
        try:
            with tracer:
                torch.func.functional_call(model, on_meta, (x,))
        except (RuntimeError, ValueError, IndexError) as error:
            raise ValueError(f"{type(model).__name__} cannot take an input of {_by(shape)}: {error}") from error
    result.total_macs = tracer.macs
    return result


@contextlib.contextmanager
def evaluating(model):
    """Evaluation mode for a while; afterwards every module is in the mode it had, frozen ones too."""
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for m, mode in modes:
            m.training = mode


@contextlib.contextmanager
def _watching(model, tracer, result):
    """Hooks that write a row whenever a module that computes has run: one without children or with own parameters."""
    seen, handles, frames = set(), [], []       # a frame: [MACs before the module, MACs of the rows inside it]

    def before(_module, _inputs):
        frames.append([tracer.macs, 0])

    def after(name, module, inputs, output):
        start, inside = frames.pop()
        if hasattr(module, "count_macs"):       # a layer that knows better than the functions it calls
            tracer.macs = start + module.count_macs(*inputs, output)
        spent = tracer.macs - start
        if frames:
            frames[-1][1] += spent
        first = next(_tensors(output), None)
        if isinstance(module, nn.Identity) or first is None:
            return
        own = [p for p in module.parameters(recurse=False) if id(p) not in seen]
        seen.update(map(id, own))
        reach = tracer.reach(first) or _Reach(None, None)
        result.rows.append(Row(
            name, type(module).__name__, tuple(first.shape), sum(p.numel() for p in own),
            spent - inside, _square(reach.field), _square(reach.jump),
        ))

    for name, module in model.named_modules():
        if next(module.children(), None) is None or next(module.parameters(recurse=False), None) is not None:
            handles.append(module.register_forward_pre_hook(before))
            handles.append(module.register_forward_hook(
                lambda m, i, o, name=name: after(name or type(m).__name__, m, i, o)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _square(pair):
    return pair[0] if pair and pair[0] == pair[1] else pair


@dataclass(frozen=True)
class _Reach:
    """How far a unit looks back: its field on the input and the jump between neighbours, (height, width) each."""

    field: tuple
    jump: tuple

    def window(self, kernel, stride=1, dilation=1):
        kernel, stride, dilation = _pair(kernel), _pair(stride), _pair(dilation)
        return _Reach(
            tuple(f + (k - 1) * d * j for f, k, d, j in zip(self.field, kernel, dilation, self.jump, strict=True)),
            tuple(j * s for j, s in zip(self.jump, stride, strict=True)),
        )


def _pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)[-2:]


class _Tracer(TorchFunctionMode):
    """Sees every torch function the network calls, counts its MACs and follows the receptive field.

    Fields include padding, as is customary: near the border a unit sees less of the picture than its field.
    """

    def __init__(self, x):
        super().__init__()
        self.macs, self.reaches = 0, {}
        self.note(x, _Reach((1, 1), (1, 1)) if x.ndim == 4 else None)

    def note(self, tensor, reach):
        self.reaches[id(tensor)] = (tensor, reach)      # the tensor is kept alive: its id stays its own

    def reach(self, tensor):
        return self.reaches.get(id(tensor), (None, None))[1]

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        known = [t for t in _tensors((args, kwargs)) if id(t) in self.reaches]
        if name in _POINTWISE and known:
            _same_channels(name, args, kwargs)
            out = known[0].new_empty(known[0].shape)    # same shape; meta kernels of these are slow
        else:
            out = func(*args, **kwargs)
        outputs = list(_tensors(out)) if known else []
        if outputs:
            self.macs += _macs(name, args, kwargs, outputs[0])
        for result in outputs:
            self.note(result, self.follow(name, args, kwargs, known, result))
        return out

    def follow(self, name, args, kwargs, known, out):
        """What a unit of `out` sees: the widest field of the inputs, in the steps of those that have its size."""
        reaches = [self.reach(t) for t in known]
        if None in reaches:
            return None
        field = tuple(max(r.field[axis] for r in reaches) for axis in (0, 1))
        largest = max(known, key=lambda t: t.shape[2:].numel() if t.ndim == 4 else 0)     # not the gate of x * gate
        return _follow(name, args, kwargs, largest, out, _Reach(field, self.reach(largest).jump))


# Functions of one tensor that change neither its shape nor what its units see.
_POINTWISE = {
    "batch_norm", "dropout", "gelu", "hardswish", "local_response_norm", "relu", "relu6", "sigmoid", "silu", "tanh",
}


def _same_channels(name, args, kwargs):
    """The one error that skipping the function would hide: a normalisation made for other channels."""
    for vector in _tensors((args[1:], kwargs)):
        if name == "batch_norm" and vector.ndim == 1 and len(vector) != args[0].shape[1]:
            raise ValueError(f"batch_norm is made for {len(vector)} channels and gets {args[0].shape[1]}")


def _tensors(tree):
    if isinstance(tree, torch.Tensor):
        yield tree
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from _tensors(value)
    elif isinstance(tree, (list, tuple)):
        for value in tree:
            yield from _tensors(value)


def _argument(args, kwargs, position, name, default):
    value = args[position] if len(args) > position else kwargs.get(name, default)
    return default if value is None or value == [] else value


def _macs(name, args, kwargs, out):
    """Multiply-accumulates of one function call."""
    if name in ("conv1d", "conv2d", "conv3d"):
        weight = _argument(args, kwargs, 1, "weight", None)
        return out.numel() * weight[0].numel()
    if name in ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"):
        x, weight = args[0], _argument(args, kwargs, 1, "weight", None)
        return x.numel() * weight[0].numel()
    if name == "linear":
        return out.numel() * args[0].shape[-1]
    if name in ("matmul", "mm", "bmm", "__matmul__"):
        return out.numel() * args[0].shape[-1]
    if name in ("addmm", "baddbmm"):
        return out.numel() * args[1].shape[-1]
    return 0


def _follow(name, args, kwargs, x, out, reach):
    """The receptive field after one function call, None where it is not known how the function looks."""
    if name == "conv2d":
        weight = _argument(args, kwargs, 1, "weight", None)
        return reach.window(weight.shape[2:], _argument(args, kwargs, 3, "stride", 1),
                            _argument(args, kwargs, 5, "dilation", 1))
    if name in ("max_pool2d", "max_pool2d_with_indices", "avg_pool2d"):
        kernel = _argument(args, kwargs, 1, "kernel_size", None)
        dilation = 1 if name == "avg_pool2d" else _argument(args, kwargs, 4, "dilation", 1)
        return reach.window(kernel, _argument(args, kwargs, 2, "stride", kernel), dilation)
    before, after = x.shape[2:], out.shape[2:]
    if name.startswith("adaptive_"):
        return reach.window([_widest_bin(i, o) for i, o in zip(before, after, strict=True)],
                            [math.ceil(i / o) for i, o in zip(before, after, strict=True)])
    if x.ndim != 4 or (out.ndim == 4 and after == before) or out.shape[1:] == before:
        return reach                                # no pixels left to join, or joined within a pixel only
    if out.ndim <= 2 or (after == (1, 1) and name in ("mean", "sum", "amax", "max", "amin", "min")):
        return reach.window(before)                 # flattened or reduced: sees what all positions see
    return None


def _widest_bin(size, bins):
    """Width of the widest window of adaptive pooling; windows overlap where `bins` does not divide `size`."""
    return max(-(-(i + 1) * size // bins) - i * size // bins for i in range(bins))


__all__ = ["Row", "Summary", "summary"]
