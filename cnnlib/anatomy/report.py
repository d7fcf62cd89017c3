"""What a network is made of: per layer, block and stage its output shape, parameters, multiply-accumulates, the
memory that training keeps, and the receptive field.

One pass over an outline of the input (`tracer.py`): nothing is computed, nothing large is allocated, and the
caller's network stays where it is. Any `nn.Module` works.
"""

import contextlib
import csv
import html
import io
import os.path
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from ..caching import remembered
from ..models import blueprint, standard_input
from ..models.sketch import undisturbed
from .tracer import LAYERS, Outline, Tracer, outlines


class Row(NamedTuple):
    """One layer: a module without parts or with parameters of its own, or a function called between such modules
    that multiplies or keeps something (the `F.relu` after a convolution), named by it.

    `receptive_field` and `jump` are in input pixels, an int where height and width agree. They are None where
    there are no pixels (an input that is not (N, C, H, W)) or where a function was called that is not understood
    here (transposed convolution, resizing, slicing).

    `kept_bytes` is what autograd keeps from this layer on for the backward pass: see `Summary`.
    """

    name: str
    type: str
    output_shape: tuple
    params: int
    macs: int
    kept_bytes: int | None
    receptive_field: int | tuple | None
    jump: int | tuple | None


@dataclass(frozen=True, slots=True)
class Block:
    """The smallest module in whose `forward` paths join: a residual block, an inception module, a dense layer.
    A layer outside of such a module is a block by itself.

    Attributes:
        name, type: of the module.
        output_shape, receptive_field, jump: of what it returns.
        params, macs, kept_bytes: sums over its rows.
        layers: rows with weights of a convolution or a linear layer.
        adds, concats: sums and concatenations of two or more feature maps.
        shortcut: what is added to the result of the layers: "identity", the block's input; "padding", the input
            cut or padded to shape, without weights; "projection", the input through a layer; None without sum.
        branches: ways that lead from the block's input to its end.
        rows: its layers, in the order in which they run.
    """

    name: str
    type: str
    output_shape: tuple
    params: int
    macs: int
    kept_bytes: int | None
    receptive_field: int | tuple | None
    jump: int | tuple | None
    layers: int
    adds: int
    concats: int
    shortcut: str | None
    branches: int
    rows: list


@dataclass(frozen=True, slots=True)
class Stage:
    """Consecutive blocks with outputs of the same height and width. What has no pixels any more (one pixel, or a
    vector: the dense part) is a stage of its own. Fields as in Block, sums over its blocks."""

    name: str
    output_shape: tuple
    params: int
    macs: int
    kept_bytes: int | None
    receptive_field: int | tuple | None
    jump: int | tuple | None
    layers: int
    blocks: list


@dataclass
class Summary:
    """The rows of a network and their totals, for the batch given.

    Attributes:
        model, input_size: name of the class, and the input's shape.
        rows: one `Row` a layer, in the order in which they run.
        blocks, stages: the same rows in lists of `Block` and `Stage`; every row is in one of each.
        total_params, trainable_params: all parameters, each counted once; buffers are not counted.
        idle_params: those of them that this pass does not use (auxiliary heads). No row has them.
        total_macs: multiply-accumulates of convolutions, linear layers and matrix products (biases,
            normalisation and pooling not counted), as in torchvision's tables. One MAC is two FLOPs.
        total_kept_bytes: what autograd keeps for the backward pass when all layers work as in training, float32,
            on a CPU (on a GPU a dropout's mask takes a byte instead of four): each memory counted once, at the
            layer that first makes it kept; parameters and buffers, which are there anyway, not at all. None where
            it depends on the device (recurrent layers, attention). What a network only does in training (its
            auxiliary heads, skipping whole blocks) is left out: `kept_bytes` measures it.
    """

    model: str
    input_size: tuple
    rows: list = field(default_factory=list)
    blocks: list = field(default_factory=list)
    stages: list = field(default_factory=list)
    total_params: int = 0
    trainable_params: int = 0
    idle_params: int = 0
    total_macs: int = 0
    total_kept_bytes: int | None = 0

    HEADER = ("layer", "type", "output shape", "parameters", "MACs", "kept bytes", "receptive field", "jump")

    def row(self, name):
        """The row of the layer called `name`."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"no layer {name!r}; there are: {', '.join(row.name for row in self.rows)}")

    def cells(self):
        """The table as text, one tuple a layer in the order of HEADER."""
        return [
            (r.name, r.type, _by(r.output_shape), f"{r.params:,}", f"{r.macs:,}", _number(r.kept_bytes),
             _by(r.receptive_field), _by(r.jump))
            for r in self.rows
        ]

    def _total(self):
        total = f"{self.total_params:,}", f"{self.total_macs:,}", _number(self.total_kept_bytes)
        return ("total", "", "", *total, "", "")

    def _title(self):
        idle = f", with {self.idle_params:,} parameters not used here" if self.idle_params else ""
        return f"{self.model}, input {_by(self.input_size)}{idle}"

    def __str__(self):
        lines = [self.HEADER, *self.cells(), self._total()]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.HEADER))]
        text = [
            "  ".join(c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
            for line in lines
        ]
        rule = "-" * max(map(len, text))
        return "\n".join([self._title(), rule, text[0], rule, *text[1:-1], rule, text[-1]])

    __repr__ = __str__

    def _repr_html_(self):
        totals = self.total_params, self.total_macs, self.total_kept_bytes

        def line(cells, values):
            shown = [f'<th scope="row">{html.escape(cells[0])}</th>']
            for i, cell in enumerate(cells[1:], 1):
                share = ""
                if 3 <= i <= 5 and values[i - 3] and totals[i - 3]:
                    share = f' <small class="share">{values[i - 3] / totals[i - 3]:.1%}</small>'
                shown.append(f"<td>{html.escape(cell)}{share}</td>")
            return f"<tr>{''.join(shown)}</tr>"

        head = "".join(f'<th scope="col">{h}</th>' for h in self.HEADER)
        body = "".join(line(cells, (row.params, row.macs, row.kept_bytes))
                       for cells, row in zip(self.cells(), self.rows, strict=True))
        title = html.escape(self._title())
        return (                                    # wider than a phone: it scrolls, by keyboard too
            f'<div class="cnnlib-html" tabindex="0" role="region" aria-label="{title}">'
            f'<table class="cnnlib-summary"><caption>{title}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
            f"<tfoot>{line(self._total(), (0, 0, 0))}</tfoot></table></div>"
        )

    def to_dict(self):
        """Everything as dicts, lists and numbers, ready for JSON; blocks name their rows and stages their blocks by
        position."""
        rows, blocks = {id(r): i for i, r in enumerate(self.rows)}, {id(b): i for i, b in enumerate(self.blocks)}
        totals = ("total_params", "trainable_params", "idle_params", "total_macs", "total_kept_bytes")
        return {
            "model": self.model, "input_size": list(self.input_size),
            **{name: getattr(self, name) for name in totals},
            "rows": [_plain(r) for r in self.rows],
            "blocks": [_plain(b) | {"rows": [rows[id(r)] for r in b.rows]} for b in self.blocks],
            "stages": [_plain(s) | {"blocks": [blocks[id(b)] for b in s.blocks]} for s in self.stages],
        }

    def to_csv(self):
        """The rows as comma-separated values with a header line; shapes as 1×3×224×224, unknown values empty."""
        text = io.StringIO()
        write = csv.writer(text, lineterminator="\n").writerow
        names = Row._fields
        write(names)
        for row in self.rows:
            values = (getattr(row, name) for name in names)
            write("" if v is None else _by(v) if isinstance(v, tuple) else v for v in values)
        return text.getvalue()


def _by(size):
    if size is None:
        return "–"
    return str(size) if isinstance(size, int) else "×".join(map(str, size))


def _number(value):
    return "–" if value is None else f"{value:,}"


def _plain(record):
    """A Row, Block or Stage as a dict, without what it consists of."""
    names = record._fields if isinstance(record, Row) else record.__slots__
    values = {name: getattr(record, name) for name in names if name not in ("rows", "blocks")}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


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
    shape = tuple(input_size) if isinstance(input_size, (tuple, list)) else ()
    if len(shape) < 2 or not all(isinstance(n, int) and n > 0 for n in shape):
        given = "a Tensor" if isinstance(input_size, torch.Tensor) else repr(input_size)
        raise ValueError(f"input_size is {given}, allowed: whole numbers from 1, batch first, (1, 3, 224, 224).")

    watch = _Watch(model)
    tracer = Tracer(model, watch)
    with undisturbed(), watch.modules(), tracer.watching(), torch.enable_grad():
        try:
            model(tracer.input(shape))
        except (RuntimeError, ValueError, IndexError) as error:
            raise ValueError(f"{type(model).__name__} cannot take an input of {_by(shape)}: {error}") from error
        return watch.summary(shape)


@remembered(256)
def of(name, input_size=None, **options):
    """The `Summary` of `create_model(name, **options)`, from the network's blueprint. Repeated calls answer at once.

    Args:
        name, options: as for `create_model`.
        input_size: (N, C, H, W); one picture of the size the network is published for if not given.
    """
    size = (1, *standard_input(name, **options)) if input_size is None else input_size
    return summary(blueprint(name, **options), size)


def kept_bytes(model, x):
    """Bytes that autograd keeps for the backward pass of `model(x)`, measured: the forward pass runs for real, in the
    mode the model is in, and every tensor saved is asked for its memory. Each memory counts once, parameters and
    buffers not at all. Running averages are put back.

    Args:
        model: any `nn.Module`.
        x: its input.
    """
    own = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    buffers = [(b, b.clone()) for b in model.buffers()]
    saved = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage.nbytes(), storage     # kept alive, so that no address is used again
        return tensor.detach()

    with saved_tensors_hooks(pack, lambda tensor: tensor), torch.enable_grad():
        model(x)
    with torch.no_grad():
        for buffer, before in buffers:
            buffer.copy_(before)
    return sum(nbytes for nbytes, _ in saved.values())


class _Call:
    """One call of a module: what happened in it, without what happened in the modules it called."""

    macs = kept = adds = concats = 0
    weighted = joins = gate = inner = False
    shortcut = output = None
    branches = 1

    def __init__(self, name, module, is_row, parent, source):
        self.name, self.module, self.is_row, self.parent = name, module, is_row, parent
        self.input, self.uses = source, source.uses if source is not None else 0


class _Watch:
    """Writes down what a network does while it runs: a row whenever a layer has run, and where paths join."""

    def __init__(self, model):
        self.model, self.top, self.seen, self.params = model, None, set(), {}
        self.lines = []                                 # (row, has weights of conv or linear, call it belongs to)
        self.unknown = False

    @contextlib.contextmanager
    def modules(self):
        """While open, the network is in evaluation mode and every call of a module of it is noted."""
        before = []
        for name, module in self.model.named_modules():
            own = vars(module)
            before.append((own, own.get("forward"), module.training))
            self.params.update((id(p), p) for p in module._parameters.values() if p is not None)
            own["training"] = False
            if not isinstance(module, nn.Identity):
                own["forward"] = self.noting(name, module, module.forward)
        try:
            yield
        finally:
            for own, forward, training in before:
                own["training"] = training
                own["forward"] = forward
                if forward is None:
                    del own["forward"]

    def noting(self, name, module, forward):
        is_row = not module._modules or any(p is not None for p in module._parameters.values())
        rule = None if "forward" in vars(module) else LAYERS.get(type(module))

        def noted(*args, **kwargs):
            source = args[0] if args and type(args[0]) is Outline else next(outlines((args, kwargs)), None)
            parent = self.top
            call = self.top = _Call(name, module, is_row, parent, source)
            if parent and parent.kept and not parent.is_row:        # kept for this call
                call.kept, parent.kept = parent.kept, 0
            out = NotImplemented
            if rule and len(args) == 1 and type(source) is Outline and args[0] is source and not kwargs:
                out = rule(source.tracer, module, source)
            if out is NotImplemented:
                out = forward(*args, **kwargs)
            self.left(call, args, out)
            return out

        return noted

    def left(self, call, args, out):
        self.top = call.parent
        first = out if type(out) is Outline else next(outlines(out), None)
        if first is None:
            return
        call.output = first
        if call.input is not None:
            call.branches = call.input.uses - call.uses
        if hasattr(type(call.module), "count_macs"):         # a layer that knows better than the functions it calls
            call.macs = call.module.count_macs(*args, out)
        if call.is_row or call.kept:
            own = [p for p in call.module._parameters.values() if p is not None and id(p) not in self.seen]
            self.seen.update(map(id, own))
            self.row(call.name or type(call.module).__name__, type(call.module).__name__, first, own, call)
        if call.adds or call.concats or call.joins or call.inner:
            if call.parent is not None:
                call.parent.inner = True

    def row(self, name, kind, out, params, call):
        field, jump = (out.reach.field, out.reach.jump) if out.reach else (None, None)
        params = sum(p.numel() for p in params)
        row = Row(name, kind, tuple(out.shape), params, call.macs, call.kept, _square(field), _square(jump))
        self.lines.append((row, call.weighted, call))
        call.macs, call.kept, call.weighted = 0, 0, False

    def keep(self, nbytes):
        """Told by the tracer: autograd keeps so many bytes."""
        call = self.top
        call.kept = None if nbytes is None or call.kept is None else call.kept + nbytes

    def called(self, name, inputs, out, macs):
        """Told by the tracer: the network called a function."""
        call = self.top
        call.macs += macs
        call.weighted |= name in _WEIGHTED
        if name in _SUMS and len(inputs) > 1:
            call.adds, call.joins = call.adds + 1, True
            short = min(inputs, key=lambda x: x.depth)
            source = call.input
            if source is not None:
                weights = short.depth - source.depth
                same = short.memory is source.memory and short.shape == source.shape
                call.shortcut = "projection" if weights > 0 else "identity" if same else "padding"
        elif name == "cat" and len(out.shape) == 4:
            call.concats, call.joins = call.concats + (len(inputs) > 1), True
        elif name in _PRODUCTS and len(inputs) > 1:
            call.gate = True
        if not call.is_row and (macs or call.kept or call.kept is None):
            prefix = f"{call.name}." if call.name else ""
            self.row(f"{prefix}{name.strip('_')}", name.strip("_"), out, (), call)

    def summary(self, shape):
        """All that was seen."""
        rows = [row for row, _, _ in self.lines]
        params = self.params.values()
        result = Summary(type(self.model).__name__, shape, rows)
        result.total_params = sum(p.numel() for p in params)
        result.trainable_params = sum(p.numel() for p in params if p.requires_grad)
        result.idle_params = result.total_params - sum(r.params for r in rows)
        result.total_macs = sum(r.macs for r in rows)
        result.total_kept_bytes = _sum(r.kept_bytes for r in rows)
        result.blocks = self.blocks()
        result.stages = _stages(result.blocks)
        return result

    def blocks(self):
        found, blocks = [], []                          # found: [call of a module that joins or None, rows, layers]
        for row, weighted, call in self.lines:
            module = _block_of(call)
            if found and module is not None and found[-1][0] is module:
                found[-1][1].append(row)
                found[-1][2] += weighted
            else:
                found.append([module, [row], int(weighted)])
        for module, rows, layers in found:
            sums = sum(r.params for r in rows), sum(r.macs for r in rows), _sum(r.kept_bytes for r in rows)
            if module is None:
                r = rows[0]
                blocks.append(Block(r.name, r.type, r.output_shape, *sums, r.receptive_field, r.jump, layers,
                                    0, 0, None, 1, rows))
            else:
                out = module.output
                field, jump = (out.reach.field, out.reach.jump) if out.reach else (None, None)
                blocks.append(Block(module.name, type(module.module).__name__, tuple(out.shape), *sums,
                                    _square(field), _square(jump), layers, module.adds, module.concats,
                                    module.shortcut, max(module.branches, 2 if module.adds else 1), rows))
        return blocks


_WEIGHTED = {"conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "linear"}
_SUMS = {"add", "add_", "__add__", "__radd__", "__iadd__"}
_PRODUCTS = {"mul", "mul_", "__mul__", "__rmul__", "__imul__"}


def _block_of(call):
    """The innermost call around a row in which paths join, or that has a gate and is in no such one."""
    gate = None
    while call is not None and call.name:               # the network itself is no block
        if call.joins and not call.inner:
            return call
        if call.gate and gate is None:
            gate = call
        call = call.parent
    return gate


def _sum(values):
    values = list(values)
    return None if None in values else sum(values)


def _square(size):
    return size[0] if size and size[0] == size[1] else size


def _pixels(shape):
    """Height and width, None where there is at most one pixel."""
    return shape[2:] if len(shape) == 4 and shape[2:] != (1, 1) else None


def _stages(blocks):
    groups = []
    for block in blocks:
        if groups and _pixels(groups[-1][0].output_shape) == _pixels(block.output_shape):
            groups[-1].append(block)
        else:
            groups.append([block])
    names, stages = _names(groups), []
    for name, group in zip(names, groups, strict=True):
        last = group[-1]
        stages.append(Stage(
            name, last.output_shape, sum(b.params for b in group), sum(b.macs for b in group),
            _sum(b.kept_bytes for b in group), last.receptive_field, last.jump, sum(b.layers for b in group), group,
        ))
    return stages


def _names(groups):
    """A name for each stage, that of most of its layers with weights; layers that only have numbers count up."""
    names, convs = [], 0
    for group in groups:
        heads, numbered = Counter(), 0
        for block in group:
            head = _head(block.name)
            if head is None and _pixels(block.output_shape):
                numbered += block.layers
            else:
                heads[head or block.name.split(".")[0]] += block.layers
        first, convs = convs + 1, convs + numbered
        most = max(heads.values(), default=0)
        if numbered > most:
            names.append(f"conv{first}-{convs}" if numbered > 1 else f"conv{first}")
        elif most:
            names.append(_common([head for head, layers in heads.items() if 4 * layers >= most]))
        else:
            names.append(_head(group[0].name) or re.sub(r"\d*d$", "", group[0].type).lower())
    repeated, again = Counter(names), Counter()
    for i, name in enumerate(names):
        if repeated[name] > 1:
            again[name] += 1
            names[i] = f"{name} {again[name]}"
    return names


def _head(name):
    """The part of a layer's name that tells its stage: the first with letters and a digit, `layer1` of
    `layer1.0.conv1`; without one the first, None if a number follows it (`features.0`)."""
    parts = name.split(".")
    for part in parts:
        if not part.isdigit() and any(c.isdigit() for c in part):
            return part
    return None if len(parts) > 1 and parts[1].isdigit() else parts[0]


def _common(heads):
    """inception3a, inception3b: inception3. conv2, conv3: conv2-conv3."""
    if len(heads) == 1:
        return heads[0]
    same = os.path.commonprefix(heads).rstrip("_.")
    return same if any(c.isdigit() for c in same) else f"{heads[0]}-{heads[-1]}"


summary.of, summary.kept_bytes = of, kept_bytes        # as people look for them: `cnnlib.summary.of("vgg16")`

__all__ = ["Block", "Row", "Stage", "Summary", "kept_bytes", "of", "summary"]
