"""How far the units of a tensor look back on the picture, through the operations that a network is made of.

RULES has those that mix places in a known way, and those that mix none. After any other nothing is known. Fields
include padding, as is customary: near the border a unit sees less of the picture than its field. Normalisation by
statistics of the whole map does not widen a field; a gate does (`x * gate`: what the gate sees is seen).
"""

import math
from typing import NamedTuple


class Span(NamedTuple):
    """One axis of the picture, height or width, in a tensor.

    Attributes:
        dim: the dimension in which the axis lies, None where it is gone; `inner` and `size`: in a dimension into which
            several were merged the axis has `size` units, `inner` neighbours apart.
        base, taps, ratio, coarse: a unit sees base + ceil(taps / ratio) coarse pixels. After an enlargement `ratio`
            units look at the same place, and a window on `taps` + 1 of them at fewer places.
        step: units of the enlarged map from one unit to the next.
    """

    dim: int | None
    size: int
    inner: int = 1
    base: int = 1
    taps: int = 0
    ratio: int = 1
    coarse: int = 1
    step: int = 1

    @property
    def field(self):
        return self.base - (-self.taps // self.ratio) * self.coarse

    @property
    def jump(self):
        """Pixels from one unit to the next; None between two pixels."""
        return None if self.coarse * self.step % self.ratio else self.coarse * self.step // self.ratio

    def window(self, kernel, stride, dilation, size):
        return self._replace(taps=self.taps + (kernel - 1) * dilation * self.step, step=self.step * stride, size=size)

    def enlarged(self, times):
        """Every unit `times` times; None where neighbours would be less than a pixel apart."""
        new = self
        if self.step > 1:
            new = self._replace(base=self.field, taps=0, ratio=1, coarse=self.jump, step=1)
        new = new._replace(taps=new.taps * times, ratio=new.ratio * times, size=new.size * times)
        return None if new.jump is None else new

    def whole(self, stride=1):
        """All units at once."""
        return self.window(self.size, stride, 1, 1)._replace(dim=None, inner=1)


class Reach(NamedTuple):
    """How far the units of a tensor look back, up and down and to the sides."""

    height: Span
    width: Span

    @classmethod
    def of_picture(cls, shape):
        return cls(Span(2, shape[2]), Span(3, shape[3]))

    @property
    def field(self):
        return self.height.field, self.width.field

    @property
    def jump(self):
        return self.height.jump, self.width.jump

    def each(self, change):
        """With both spans changed; None if that is None for one."""
        new = change(self.height), change(self.width)
        return None if None in new else Reach(*new)


def widest(reaches):
    """Reach of what joins tensors place by place: the widest field, in the places of the largest."""
    if all(reach == reaches[0] for reach in reaches):
        return reaches[0]
    if None in reaches:
        return None
    spans = []
    for axis in zip(*reaches, strict=True):
        here = [span for span in axis if span.dim is not None and span.size > 1] or axis[:1]
        if len({(span.dim, span.inner, span.size) for span in here}) > 1:
            return None                                 # height on width
        place, far = here[0], max(axis, key=lambda span: span.field)
        if far.field > place.field:
            kept = far if far in here else place._replace(base=far.field, taps=0)
            place = kept
        spans.append(place)
    return Reach(*spans)


# ---- places ----

def _moved(reach, x, where):
    """Every axis in the dimension where(dim): None is gone."""
    return reach.each(lambda span: span if span.dim is None else span._replace(dim=where(span.dim)))


def _viewed(reach, x, out):
    """The same units in another shape: an axis survives in one dimension, or in a part of one."""
    before, after = _behind(x.shape), _behind(out.shape)

    def change(span):
        if span.dim is None or span.size == 1:
            return span._replace(dim=None)
        inner = span.inner * before[span.dim]
        for dim, (size, behind) in enumerate(zip(out.shape, after, strict=True)):
            if inner % behind == 0 and inner * span.size <= size * behind and size > 1:
                new = span._replace(dim=dim, inner=inner // behind)
                flat = out.ndim <= 2 and dim == out.ndim - 1 and not _alone(new, out)
                return span.whole() if flat else new    # what follows sees all of what was flattened
        return None

    return reach.each(change)


def _behind(shape):
    """For each dimension, the elements between two neighbours."""
    return [math.prod(shape[dim + 1:]) for dim in range(len(shape))]


def _alone(span, x):
    """Is the axis the whole of its dimension?"""
    return span.inner == 1 and span.size == x.shape[span.dim]


def _reduced(reach, x, dims, keep):
    """What sees all that lies along `dims`."""
    def change(span):
        if span.dim is None:
            return span
        if span.dim in dims:
            return span.whole(span.size if keep else 1)
        return span if keep else span._replace(dim=span.dim - sum(dim < span.dim for dim in dims))

    return reach.each(change)


def _cut(reach, x, dim, size, step=1):
    """Some of the places along a dimension, every step-th."""
    def change(span):
        if span.dim != dim:
            return span
        return span.window(1, step, 1, size) if _alone(span, x) else None

    return reach.each(change)


def _windows(reach, x, kernel, stride, dilation, after):
    """Windows on the last dimensions, which are `after` afterwards."""
    first = x.ndim - len(kernel)

    def change(span):
        if span.dim is None or span.dim < first:
            return span
        i = span.dim - first
        return span.window(kernel[i], stride[i], dilation[i], after[i]) if _alone(span, x) else None

    return reach.each(change)


def _tuple(value, length, default=None):
    value = default if value is None or value == [] else value
    return (value,) * length if isinstance(value, int) else tuple(value) * (length // len(value))


# ---- rules: ((tensor, reach) of all that comes from the input, arguments, results) -> the reach of each result ----

def _one(rule):
    """A rule for an operation on one tensor that comes from the input, and of whose results the first is its map."""
    def of_one(known, args, kwargs, outs):
        (x, reach), *others = known
        new = rule(reach, x, outs[0], *args[1:], **kwargs) if not others and x is args[0] else None
        return (new, *(None for _ in outs[1:]))

    return of_one


def _pointwise(known, args, kwargs, outs):
    """Place by place; dimensions are added in front."""
    out = outs[0]
    reaches = [reach if x.ndim == out.ndim else _moved(reach, x, lambda dim, x=x: dim + out.ndim - x.ndim)
               for x, reach in known]
    return (widest(reaches), *(None for _ in outs[1:]))


def _same(known, args, kwargs, outs):
    return (known[0][1], *(None for _ in outs[1:]))


def _like_first(known, args, kwargs, outs):
    """`copy_` and the like: what is written decides."""
    return _pointwise([(x, reach) for x, reach in known if x is not args[0]] or known, args, kwargs, outs)


def _convolution(known, args, kwargs, outs):
    """Joins all of the dimension before its windows, the channels."""
    (x, reach), *others = known
    if others or x is not args[0] or args[6]:
        return (None,)
    n = args[1].ndim - 2
    reach = reach.each(lambda span: span.whole() if span.dim == x.ndim - n - 1 else span)
    windows = args[1].shape[2:], _tuple(args[3], n), _tuple(args[5], n)
    return (_windows(reach, x, *windows, outs[0].shape[-n:]),)


def _pool(n):
    def rule(reach, x, out, kernel, stride=None, padding=0, dilation=1, *_, **__):
        dilation = dilation if isinstance(dilation, list) else 1        # for averages, `ceil_mode` stands there
        windows = _tuple(kernel, n), _tuple(stride, n, kernel), _tuple(dilation, n)
        return _windows(reach, x, *windows, out.shape[-n:])

    return rule


def _adaptive(reach, x, out, size):
    sizes = tuple(zip(x.shape[-2:], out.shape[-2:], strict=True))
    kernel = [max(-(-(i + 1) * n // bins) - i * n // bins for i in range(bins)) for n, bins in sizes]
    return _windows(reach, x, kernel, [math.ceil(n / bins) for n, bins in sizes], (1, 1), out.shape[-2:])


def _enlarging(seen):
    def rule(reach, x, out, *_, **__):
        times = [b // a if b % a == 0 else 0 for a, b in zip(x.shape[2:], out.shape[2:], strict=True)]
        if x.ndim != 4 or 0 in times or (reach.height.dim, reach.width.dim) != (2, 3):
            return None
        spans = [span.window(seen if n > 1 else 1, 1, 1, span.size).enlarged(n)
                 for span, n in zip(reach, times, strict=True)]
        return None if None in spans else Reach(*spans)

    return rule


def _bilinear(reach, x, out, size, align_corners, *_, **__):
    return None if align_corners else _enlarging(2)(reach, x, out)


def _reduction(reach, x, out, dims=None, keep=False, **options):
    if dims is None or dims == []:
        dims = range(x.ndim)
    dims = {dim % x.ndim for dim in ([dims] if isinstance(dims, int) else dims)}
    return _reduced(reach, x, dims, options.get("keepdim", keep))


def _along(reach, x, out, dim, *_, **__):
    """Everything along one dimension mixes in a way of its own."""
    return None if dim % x.ndim in (reach.height.dim, reach.width.dim) else reach


def _permuted(reach, x, out, dims):
    dims = [dim % x.ndim for dim in dims]
    return _moved(reach, x, dims.index)


def _transposed(reach, x, out, a=0, b=1):
    dims = list(range(x.ndim))
    if dims:
        dims[a], dims[b] = dims[b], dims[a]
    return _permuted(reach, x, out, dims)


def _unsqueezed(reach, x, out, dim):
    return _moved(reach, x, lambda old: old + (old >= dim % out.ndim))


def _selected(reach, x, out, dim, index=0):
    dim %= x.ndim
    return _moved(reach, x, lambda old: None if old == dim else old - (old > dim))


def _sliced(reach, x, out, dim=0, start=None, end=None, step=1):
    return _cut(reach, x, dim % x.ndim, out.shape[dim], step)


def _padded(reach, x, out, *_, **__):
    """Zeros around the maps, or copies: the same units, and others that see less."""
    return reach.each(lambda span: span if span.dim is None else
                      span._replace(size=out.shape[span.dim]) if _alone(span, x) else span)


def _parts(known, args, kwargs, outs):
    (x, reach), dim = known[0], kwargs.get("dim", args[2] if len(args) > 2 else 0) % args[0].ndim
    return tuple(_cut(reach, x, dim, out.shape[dim]) for out in outs)


def _unbound(known, args, kwargs, outs):
    (x, reach), dim = known[0], args[1] if len(args) > 1 else 0
    return tuple(_selected(reach, x, out, dim) for out in outs)


def _concatenated(known, args, kwargs, outs):
    dim = kwargs.get("dim", args[1] if len(args) > 1 else 0) % outs[0].ndim
    reach = widest([reach for _, reach in known])
    return (None if reach is None or dim in (reach.height.dim, reach.width.dim) else reach,)


def _stacked(known, args, kwargs, outs):
    dim = kwargs.get("dim", args[1] if len(args) > 1 else 0)
    reach = widest([reach for _, reach in known])
    return (reach and _unsqueezed(reach, known[0][0], outs[0], dim),)


def _product(first):
    """Matrix products, whose left operand is the argument number `first`, with one operand from the input. What is
    flattened is seen whole; a product along one axis of the maps mixes places in a way of its own."""
    def rule(known, args, kwargs, outs):
        (x, reach), *others = known
        if others or not any(x is operand for operand in args[first:first + 2]):
            return (None,)
        summed = x.ndim - 1 if x is args[first] else max(x.ndim - 2, 0)

        def change(span):
            if span.dim != summed:
                return span
            return None if span.size > 1 and _alone(span, x) else span.whole()

        return (reach.each(change),)

    return rule


RULES = {
    "pointwise": _pointwise, "copy": _like_first, "convolution": _convolution,
    "max_pool2d_with_indices": _one(_pool(2)), "avg_pool2d": _one(_pool(2)), "avg_pool3d": _one(_pool(3)),
    "_adaptive_avg_pool2d": _one(_adaptive), "adaptive_max_pool2d": _one(_adaptive),
    "upsample_nearest2d": _one(_enlarging(1)), "_upsample_nearest_exact2d": _one(_enlarging(1)),
    "upsample_bilinear2d": _one(_bilinear),
    **dict.fromkeys(("native_batch_norm", "native_group_norm", "native_layer_norm", "native_dropout", "clone", "detach",
                     "alias", "_to_copy", "lift_fresh", "native_channel_shuffle",
                     "channel_shuffle", "bernoulli", "fill", "zero"), _same),
    **dict.fromkeys(("hardtanh", "relu", "relu6", "prelu", "_prelu_kernel", "rrelu_with_noise", "hardswish",
                     "hardsigmoid", "leaky_relu", "elu", "gelu", "silu", "mish", "softplus", "clamp", "lerp", "where",
                     "addcmul", "addcdiv", "masked_fill"), _pointwise),
    **dict.fromkeys(("view", "_unsafe_view", "reshape", "flatten", "squeeze", "_reshape_alias"),
                    _one(lambda reach, x, out, *_, **__: _viewed(reach, x, out))),
    "expand": _pointwise, "permute": _one(_permuted), "transpose": _one(_transposed), "t": _one(_transposed),
    "unsqueeze": _one(_unsqueezed), "select": _one(_selected), "slice": _one(_sliced),
    **dict.fromkeys(("constant_pad_nd", "reflection_pad2d", "replication_pad2d"), _one(_padded)),
    **dict.fromkeys(("split", "split_with_sizes", "unsafe_split", "chunk"), _parts),
    "unbind": _unbound, "cat": _concatenated, "stack": _stacked,
    **dict.fromkeys(("mean", "sum", "amax", "amin", "max", "min"), _one(_reduction)),
    **dict.fromkeys(("_softmax", "_log_softmax", "cumsum", "glu"), _one(_along)),
    "var": _one(_reduction), "std": _one(_reduction),
    "as_strided": _one(lambda reach, *_, **__: reach if reach.height.dim is reach.width.dim is None else None),
    "mm": _product(0), "bmm": _product(0), "mv": _product(0), "addmm": _product(1), "baddbmm": _product(1),
}
