"""How far the units of a tensor look back on the picture, through the operations that a network is made of.

RULES has those that mix places in a known way, and those that mix none. After any other nothing is known. For views
no rule is needed: strides say where an axis of the picture went. Fields include padding, as is customary: near the
border a unit sees less of the picture than its field; after an enlargement the field is the widest that neighbours may
have. Normalisation by statistics of the whole map does not widen a field (BatchNorm, InstanceNorm); a gate does
(`x * gate`: what the gate sees is seen); attention, which weighs all places by what is in them, has none.
"""

import math
from typing import NamedTuple


class Span(NamedTuple):
    """One axis of the picture, height or width, in a tensor.

    Attributes:
        dim: the dimension in which the axis lies, None where it is gone; `inner` and `size`: in a dimension into which
            several were merged the axis has `size` units, `inner` neighbours apart.
        base, taps, coarse: a unit sees `base` pixels, and `taps` more in steps of `coarse`: after an enlargement
            neighbours look at the same place, and a window on them at fewer places than it has units.
        jump: pixels from one unit to the next. fine: what it was after the last enlargement.
    """

    dim: int | None
    size: int
    inner: int = 1
    base: int = 1
    taps: int = 0
    coarse: int = 1
    fine: int = 1
    jump: int = 1

    @property
    def field(self):
        return self.base + self.taps // self.coarse * self.coarse

    def window(self, kernel, stride, dilation, size):
        return self._replace(taps=self.taps + (kernel - 1) * dilation * self.jump, jump=self.jump * stride, size=size)

    def enlarged(self, times, kernel, size):
        """`times` units for each, each of which is spread over `kernel` of the new ones; None where neighbours would be
        less than a pixel apart."""
        if self.jump % times:
            return None
        new = self if self.jump == self.fine else self._replace(base=self.field, taps=0, coarse=self.jump)
        return new._replace(fine=self.jump // times, jump=self.jump // times).window(kernel, 1, 1, size)

    def whole(self, stride=1):
        """All units at once."""
        return self.window(self.size, stride, 1, 1)._replace(dim=None, inner=1)


class Reach(NamedTuple):
    """How far the units of a tensor look back, up and down and to the sides."""

    height: Span
    width: Span

    @property
    def field(self):
        return self.height.field, self.width.field

    @property
    def jump(self):
        return self.height.jump, self.width.jump

    def each(self, change):
        """With both spans changed, where they are not gone; None if that is None for one."""
        new = [span if span.dim is None else change(span) for span in self]
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
            place = far if far in here else place._replace(base=far.field, taps=0)
        spans.append(place)
    return Reach(*spans)


def viewed(reach, x, view):
    """The same units in another shape on the same memory: an axis lies in the one dimension that walks along it."""
    if reach is None or x.dtype != view.dtype:
        return None
    layout = list(enumerate(zip(view.shape, view.stride(), strict=True)))
    first, rest = {}, view.storage_offset() - x.storage_offset()
    for dim in sorted(range(x.ndim), key=x.stride, reverse=True):
        first[dim], rest = divmod(rest, x.stride(dim) or 1)             # where in x the view begins

    def change(span):
        stride = x.stride(span.dim) * span.inner
        extent = stride * (span.size - 1)
        along = [dim for dim, (size, step) in layout if 0 < step <= extent and step * (size - 1) >= stride]
        if not along:
            return span._replace(dim=None)
        size, step = view.shape[along[0]], view.stride(along[0])
        if len(along) > 1 or step % stride and stride % step:
            return None                                 # cut into parts, or askew
        if step * (size - 1) <= extent:
            last = first[span.dim] // span.inner % span.size + step // stride * (size - 1)
            return None if step < stride or last >= span.size else \
                span.window(1, step // stride, 1, size)._replace(dim=along[0], inner=1)
        new = span._replace(dim=along[0], inner=stride // step)
        flat = view.ndim <= 2 and along[0] == view.ndim - 1
        return new.whole() if flat and not _alone(new, view) else new      # what follows sees all of what is flat

    return reach.each(change)


def _alone(span, x):
    """Is the axis the whole of its dimension?"""
    return span.inner == 1 and span.size == x.shape[span.dim]


def _last(reach, x, n, change):
    """With change(span, i) for an axis in number i of the last n dimensions; None for a part of one."""
    first = x.ndim - n
    return reach and reach.each(lambda span: span if span.dim < first else
                                change(span, span.dim - first) if _alone(span, x) else None)


def _windows(reach, x, kernel, stride, dilation, after):
    """Windows on the last dimensions, which are `after` afterwards."""
    return _last(reach, x, len(kernel), lambda span, i: span.window(kernel[i], stride[i], dilation[i], after[i]))


def _tuple(value, length, default=None):
    value = default if value is None or value == [] else value
    return (value,) * length if isinstance(value, int) else tuple(value) * (length // len(value))


# ---- rules: ((tensor, reach) of all that comes from the input, arguments, first result) -> the reach of that ----

def _one(rule, *first):
    """A rule for an operation on one tensor that comes from the input; it takes `first`, too."""
    def of_one(known, args, kwargs, out):
        (x, reach), *others = known
        return rule(*first, reach, x, out, *args[1:], **kwargs) if not others and x is args[0] else None

    return of_one


def _pointwise(known, args, kwargs, out):
    """Place by place; dimensions are added in front."""
    return widest([reach.each(lambda span, more=out.ndim - x.ndim: span._replace(dim=span.dim + more))
                   if x.ndim < out.ndim else reach for x, reach in known])


def _copied(known, args, kwargs, out):
    """What is written decides."""
    return _pointwise([(x, reach) for x, reach in known if x is not args[0]] or known, args, kwargs, out)


def _convolution(reach, x, out, weight, bias, stride, padding, dilation, transposed, *_):
    """Joins all of the dimension before its windows, the channels. Transposed, it spreads every unit over a window."""
    n = weight.ndim - 2
    kernel, stride, dilation, after = weight.shape[2:], _tuple(stride, n), _tuple(dilation, n), out.shape[-n:]
    reach = reach.each(lambda span: span.whole() if span.dim == x.ndim - n - 1 else span)
    if transposed:
        return _last(reach, x, n, lambda span, i: span.enlarged(stride[i], (kernel[i] - 1) * dilation[i] + 1, after[i]))
    return _windows(reach, x, kernel, stride, dilation, after)


def _pool(n, reach, x, out, kernel, stride=None, padding=0, dilation=1, *_, **__):
    dilation = dilation if isinstance(dilation, list) else 1            # for averages, `ceil_mode` stands there
    windows = _tuple(kernel, n), _tuple(stride, n, kernel), _tuple(dilation, n)
    return _windows(reach, x, *windows, out.shape[-n:])


def _adaptive(reach, x, out, size):
    sizes = tuple(zip(x.shape[-2:], out.shape[-2:], strict=True))
    kernel = [max(-(-(i + 1) * n // bins) - i * n // bins for i in range(bins)) for n, bins in sizes]
    return _windows(reach, x, kernel, [math.ceil(n / bins) for n, bins in sizes], (1, 1), out.shape[-2:])


def _enlarging(spread, reach, x, out, size, *corners, **_):
    """Every unit of the smaller map is seen by `spread` times as many of the larger; a single one by all."""
    def change(span, i):
        before, after = x.shape[span.dim], out.shape[span.dim]
        if before == 1 or before == after:
            return span if before == after else span._replace(dim=None)
        if after % before or corners[:1] == (True,):
            return None
        return span.enlarged(after // before, spread * after // before, after)

    return _last(reach, x, 2, change)


def _reduction(reach, x, out, dims=None, keep=False, **options):
    """Sees all that lies along `dims`."""
    keep = options.get("keepdim", keep)
    if dims is None or dims == []:
        dims = range(x.ndim)
    dims = {dim % x.ndim for dim in ([dims] if isinstance(dims, int) else dims)}
    return reach.each(lambda span: span.whole(span.size if keep else 1) if span.dim in dims else span if keep else
                      span._replace(dim=span.dim - sum(dim < span.dim for dim in dims)))


def _along(reach, x, out, dim, *_, **__):
    """Everything along one dimension mixes in a way of its own."""
    return None if dim % x.ndim in (reach.height.dim, reach.width.dim) else reach


def _padded(reach, x, out, *_, **__):
    """Zeros around the maps, or copies: the same units, and others that see less."""
    return reach.each(lambda span: span._replace(size=out.shape[span.dim]) if _alone(span, x) else span)


def _together(known, args, kwargs, out):
    """Side by side along a dimension, of the tensors or a new one."""
    dim = kwargs.get("dim", args[1] if len(args) > 1 else 0) % out.ndim
    reach = widest([reach for _, reach in known])
    if reach and known[0][0].ndim < out.ndim:
        return reach.each(lambda span: span._replace(dim=span.dim + (span.dim >= dim)))
    return None if reach is None or dim in (reach.height.dim, reach.width.dim) else reach


def _product(known, args, kwargs, out):
    """Matrix products, whose last arguments are the operands, with one operand from the input. What is flattened is
    seen whole; a product along one axis of the maps mixes places in a way of its own."""
    (x, reach), *others = known
    left, right = args[-2:]
    if others or x is not left and x is not right:
        return None
    summed = x.ndim - 1 if x is left else max(x.ndim - 2, 0)
    return reach.each(lambda span: span if span.dim != summed else
                      None if span.size > 1 and _alone(span, x) else span.whole())


RULES = {
    "copy": _copied, "convolution": _one(_convolution), "cat": _together, "stack": _together,
    "max_pool2d_with_indices": _one(_pool, 2), "avg_pool2d": _one(_pool, 2), "avg_pool3d": _one(_pool, 3),
    "_adaptive_avg_pool2d": _one(_adaptive), "adaptive_max_pool2d": _one(_adaptive),
    "upsample_nearest2d": _one(_enlarging, 1), "_upsample_nearest_exact2d": _one(_enlarging, 1),
    "upsample_bilinear2d": _one(_enlarging, 2),
    **dict.fromkeys(("pointwise", "native_batch_norm", "native_group_norm", "native_layer_norm", "native_dropout",
                     "clone", "_to_copy", "native_channel_shuffle", "channel_shuffle", "bernoulli", "fill", "zero",
                     "hardtanh", "relu", "relu6", "prelu", "_prelu_kernel", "rrelu_with_noise", "hardswish",
                     "hardsigmoid", "leaky_relu", "elu", "gelu", "silu", "mish", "softplus", "clamp", "lerp", "where",
                     "addcmul", "addcdiv", "masked_fill"), _pointwise),
    **dict.fromkeys(("constant_pad_nd", "reflection_pad2d", "replication_pad2d"), _one(_padded)),
    **dict.fromkeys(("mean", "sum", "amax", "amin", "max", "min", "var", "std"), _one(_reduction)),
    **dict.fromkeys(("_softmax", "_log_softmax", "cumsum", "glu"), _one(_along)),
    **dict.fromkeys(("mm", "bmm", "mv", "addmm", "baddbmm"), _product),
}
