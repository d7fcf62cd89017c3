"""What a network is made of: per layer, block and stage its output shape, parameters, multiply-accumulates, the
memory that training keeps, and the receptive field.

The network runs once, watched and without numbers (`watch.py`): nothing is computed, nothing large is allocated, and
the caller's network is left alone. Any `nn.Module` works.
"""

import csv
import html
import inspect
import io
import itertools
import json
import os.path
import re
from collections import Counter
from dataclasses import asdict, dataclass

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from ..caching import remembered
from ..models import blueprint, standard_input
from ..models.sketch import undisturbed
from .watch import CONCATENATIONS, PRODUCTS, SUMS, Watch, operands, stand_in, tensors

_COLUMNS = "name", "type", "output_shape", "params", "macs", "kept_bytes", "receptive_field", "jump"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What is said of a layer, of a block and of a stage.

    Attributes:
        name: of the module.
        output_shape: of what it returns, batch first.
        params, macs: its parameters and multiply-accumulates, for the batch given.
        kept_bytes: what autograd keeps from here on for the backward pass, None where nobody knows: see `Summary`.
        receptive_field, jump: in input pixels, an int where height and width agree. None where there are no pixels
            (an input that is not (N, C, H, W)) or where an operation ran that is not in the table of `receptive.py`
            (attention, FFT).
    """

    name: str
    output_shape: tuple
    params: int
    macs: int
    kept_bytes: int | None
    receptive_field: int | tuple | None
    jump: int | tuple | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(Part):
    """One layer: a module without parts or with parameters of its own, or a function called between such modules
    that multiplies or keeps something (the `F.relu` after a convolution), named by it. `type` is that of the module."""

    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Block(Part):
    """The smallest module in whose `forward` paths join: a residual block, an inception module, a dense layer.
    A layer outside of such a module is a block by itself.

    Attributes:
        layers: rows with weights of a convolution or a linear layer.
        adds, concats: sums and concatenations of two or more feature maps.
        shortcut: what is added to the result of the layers: "identity", the block's input; "padding", the input
            cut or padded to shape, without weights; "projection", the input through a layer; None without sum.
        branches: ways that lead from the block's input to its end.
        rows: its layers, in the order in which they run.
    """

    type: str
    layers: int
    adds: int = 0
    concats: int = 0
    shortcut: str | None = None
    branches: int = 1
    rows: list


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage(Part):
    """Consecutive blocks with outputs of the same height and width. What has no pixels any more (one pixel, or a
    vector: the dense part) is a stage of its own."""

    layers: int
    blocks: list


@dataclass(repr=False)
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
            it depends on the device (recurrent layers, attention, autocast). What a network only does in training (its
            auxiliary heads, skipping whole blocks) is left out: `kept_bytes` measures it.
    """

    model: str
    input_size: tuple
    rows: list
    blocks: list
    stages: list
    total_params: int
    trainable_params: int
    idle_params: int
    total_macs: int
    total_kept_bytes: int | None

    HEADER = ("layer", "type", "output shape", "parameters", "MACs", "kept bytes", "receptive field", "jump")

    def row(self, name):
        """The row of the layer called `name`."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"no layer {name!r}; there are: {', '.join(row.name for row in self.rows)}")

    def cells(self):
        """The table as text, one tuple a layer in the order of HEADER."""
        return [(r.name, r.type, _by(r.output_shape), *map(_number, (r.params, r.macs, r.kept_bytes)),
                 _by(r.receptive_field), _by(r.jump)) for r in self.rows]

    def _total(self):
        totals = self.total_params, self.total_macs, self.total_kept_bytes
        return ("total", "", "", *map(_number, totals), "", "")

    def _title(self):
        idle = f", with {self.idle_params:,} parameters not used here" if self.idle_params else ""
        return f"{self.model}, input {_by(self.input_size)}{idle}"

    def __str__(self):
        lines = [self.HEADER, *self.cells(), self._total()]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = [
            "  ".join(c.ljust(w) if i < 3 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
            for line in lines
        ]
        rule = "-" * len(text[0])
        return "\n".join([self._title(), rule, text[0], rule, *text[1:-1], rule, text[-1]])

    __repr__ = __str__

    def _repr_html_(self):
        totals = self.total_params, self.total_macs, self.total_kept_bytes

        def line(cells, values):
            first, *shown = map(html.escape, cells)
            for i, (value, total) in enumerate(zip(values, totals, strict=True), 2):
                if value and total:
                    shown[i] += f' <small class="share">{value / total:.1%}</small>'
            return f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in shown)}</tr>'

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
        plain = json.loads(json.dumps(asdict(self)))
        for parts, members in (plain["blocks"], "rows"), (plain["stages"], "blocks"):
            positions = itertools.count()               # every row is in one block, every block in one stage, in order
            for part in parts:
                part[members] = [next(positions) for _ in part[members]]
        return plain

    def to_csv(self):
        """The rows as comma-separated values with a header line; shapes as 1×3×224×224, unknown values empty."""
        text = io.StringIO()
        write = csv.writer(text, lineterminator="\n").writerow
        write(_COLUMNS)
        for row in self.rows:
            values = (getattr(row, name) for name in _COLUMNS)
            write("" if v is None else _by(v) if isinstance(v, tuple) else v for v in values)
        return text.getvalue()


def _by(size):
    if size is None:
        return "–"
    if isinstance(size, dict):
        return " and ".join(f"{name} {_by(shape)}" for name, shape in size.items())
    if isinstance(size, tuple) and isinstance(size[0], tuple):
        return " and ".join(map(_by, size))
    return str(size) if isinstance(size, int) else "×".join(map(str, size))


def _number(value):
    return "–" if value is None else f"{value:,}"


@undisturbed()
@torch.inference_mode(False)
def summary(model, input_size, *more, dtypes=None):
    """Watch `model` run once, without numbers, and describe its layers.

    Args:
        model: any `nn.Module`, on any device, in any mode; it is left as it was.
        input_size, more: shape of each input, batch first: (N, C, H, W), as in torchinfo. A dict gives them by name.
        dtypes: of the inputs: one for all, a list, or a dict by name; None: that of the network's parameters. Tokens
            are whole numbers: `summary(model, (1, 7), dtypes=torch.long)`.

    Returns:
        a `Summary`.

    Raises:
        ValueError: what is given is not a shape, the network cannot take such an input, or nothing can be said about
            it without numbers; the message says which.
    """
    _check_model(model)
    by_name = isinstance(input_size, dict)
    shapes = input_size if by_name else dict(enumerate((input_size, *more)))
    shapes = {name: _shape(size) for name, size in shapes.items()}
    blanks = _blanks(model, shapes, dtypes)
    args, kwargs = ((), blanks) if by_name else (tuple(blanks.values()), {})
    shapes = shapes if by_name else tuple(shapes.values()) if more else shapes[0]
    _check_inputs(model, args, kwargs)
    table = _Table(model)
    try:
        table.run(args, kwargs)
    except Exception as error:                          # whatever the network's own code raises
        kind = "" if isinstance(error, (RuntimeError, ValueError, IndexError, AssertionError)) else \
            f"{type(error).__name__}: "
        cause = str(error).split("\nException raised from")[0] or "an assertion of its own fails"
        raise ValueError(f"{type(model).__name__} cannot take an input of {_by(shapes)}: {kind}{cause}") from error
    return table.summary(shapes)


def _check_model(model):
    if not isinstance(model, nn.Module):
        raise ValueError(f"model is {type(model).__name__}, allowed: a torch.nn.Module.")
    for name, module in model.named_modules():
        called = f"model.{name}" if name else "model"
        if isinstance(module, nn.modules.lazy.LazyModuleMixin):
            raise ValueError(f"{called} is a {type(module).__name__} without weights yet, allowed: the network after a "
                             "first call, which makes them.")
        made_by = "torch.jit" if isinstance(module, torch.jit.ScriptModule) else \
            "torch.compile" if type(module).__name__ == "OptimizedModule" else None
        if made_by:
            raise ValueError(f"{called} was made by {made_by}, which hides its layers, "
                             "allowed: the module that it was made from.")


def _shape(size):
    shape = tuple(size) if isinstance(size, (tuple, list)) else ()
    if len(shape) < 2 or not all(isinstance(n, int) and n > 0 for n in shape):
        given = "a Tensor" if isinstance(size, torch.Tensor) else repr(size)
        raise ValueError(f"input_size is {given}, allowed: whole numbers from 1, batch first, (1, 3, 224, 224).")
    return shape


def _blanks(model, shapes, dtypes):
    """{name or position: an input without numbers}"""
    own = (t.dtype for t in itertools.chain(model.parameters(), model.buffers()) if t.is_floating_point())
    usual = next(own, torch.get_default_dtype())
    if not isinstance(dtypes, dict):
        each = dtypes if isinstance(dtypes, (tuple, list)) else [dtypes] * len(shapes)
        if len(each) != len(shapes):
            raise ValueError(f"dtypes has {len(each)} entries, allowed: one, or one for each of the {len(shapes)} "
                             "inputs.")
        dtypes = dict(zip(shapes, each, strict=True))
    return {name: torch.empty(shape, dtype=dtypes.get(name) or usual, device="meta") for name, shape in shapes.items()}


def _check_inputs(model, args, kwargs):
    """Does `forward` take so many?"""
    try:
        signature = inspect.signature(model.forward)
    except (TypeError, ValueError):                     # it does not say
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        takes = ", ".join(name for name, each in signature.parameters.items() if each.default is each.empty)
        raise ValueError(f"{type(model).__name__} takes the inputs ({takes}) and is given {len(args) + len(kwargs)} "
                         f"({error}): give a shape for each, summary(model, (1, 3, 32, 32), (1, 5)).") from error


@remembered(256, also=torch.get_default_dtype)
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
    buffers not at all. The model is left as it was, running averages too.

    Args:
        model: any `nn.Module`.
        x: its input.
    """
    twin = stand_in(model, lambda tensor, _: tensor if isinstance(tensor, nn.Parameter) else tensor.clone())[""]
    own = [t.untyped_storage() for m in (model, twin) for t in (*m.parameters(), *m.buffers())]
    saved = {id(storage): (0, storage) for storage in own}      # kept alive, so that no id is used again

    def pack(tensor):
        storage = tensor.untyped_storage()
        saved.setdefault(id(storage), (storage.nbytes(), storage))
        return tensor.detach()

    x = x.detach().clone().requires_grad_(x.requires_grad)      # not the batch that it is a part of
    with saved_tensors_hooks(pack, lambda tensor: tensor), torch.enable_grad():
        twin(x)
    return sum(nbytes for nbytes, _ in saved.values())


class _Table(Watch):
    """Writes a row whenever a layer has run, and notes where paths join."""

    def __init__(self, model):
        super().__init__(model)
        self.model, self.lines = model, []              # (row, has weights of conv or linear, call it belongs to)

    def left(self, call, args, out):
        if call.output is None:
            return
        if hasattr(type(call.module), "count_macs"):    # a layer that knows better than the functions it calls
            call.macs = call.module.count_macs(*args, out)
        if call.is_row or call.kept or call.macs or call.params:
            self.row(call.name or type(call.module).__name__, type(call.module).__name__, call.output, call)
        call.parent.inner |= call.joins or call.inner

    def row(self, name, kind, out, call):
        row = Row(name=name, type=kind, params=call.params, macs=call.macs, kept_bytes=call.kept, **self.end(out))
        self.lines.append((row, call.weighted, call))
        call.params, call.macs, call.kept, call.weighted = 0, 0, 0, False

    def end(self, tensor):
        """What is said of a result."""
        reach, shape = self.reach(tensor), tuple(tensor.shape)
        field, jump = (None, None) if reach is None else (_square(reach.field), _square(reach.jump))
        return {"output_shape": shape, "receptive_field": field, "jump": jump}

    def called(self, call, name, out):
        if not call.is_row and (call.macs or call.params or call.kept != 0):
            first, name = next(tensors(out), None), name.strip("_")
            if first is not None:
                self.row(f"{call.name}.{name}".lstrip("."), name, first, call)

    def joined(self, call, name, args):
        known = [(x, trace) for x in operands(args) if (trace := self.trace(x)) is not None]
        if name in PRODUCTS:
            call.gate |= len(known) > 1
        elif name in CONCATENATIONS and known and known[0][0].ndim == 4:
            call.concats, call.joins = call.concats + (len(known) > 1), True
        elif name in SUMS and len(known) > 1:
            call.adds, call.joins = call.adds + 1, True
            short, trace = min(known, key=lambda each: each[1].depth)
            if call.trace is not None:
                same = short.untyped_storage() is call.input.untyped_storage() and short.shape == call.input.shape
                weights = trace.depth - call.trace.depth
                call.shortcut = "projection" if weights > 0 else "identity" if same else "padding"

    def summary(self, shape):
        """All that was seen."""
        rows, blocks, sizes = [row for row, _, _ in self.lines], self.blocks(), Counter()
        for parameter in self.model.parameters():
            sizes[parameter.requires_grad] += parameter.numel()
        used, macs, kept = _totals(rows).values()
        return Summary(type(self.model).__name__, shape, rows, blocks, _stages(blocks), total_params=sizes.total(),
                       trainable_params=sizes[True], idle_params=sizes.total() - used, total_macs=macs,
                       total_kept_bytes=kept)

    def blocks(self):
        """Lines of one block are together; a line of none is a block."""
        together = itertools.groupby(self.lines, lambda line: id(_block_of(line[-1]) or line))
        return [self.block(list(lines)) for _, lines in together]

    def block(self, lines):
        rows, call = [row for row, _, _ in lines], _block_of(lines[0][-1])
        of_all = _totals(rows) | {"layers": sum(weighted for _, weighted, _ in lines), "rows": rows}
        if call is None:
            return Block(name=rows[0].name, type=rows[0].type, **_end(rows[0]), **of_all)
        return Block(name=call.name, type=type(call.module).__name__, **self.end(call.output), **of_all, adds=call.adds,
                     concats=call.concats, shortcut=call.shortcut,
                     branches=max(call.branches, 2 if call.adds else 1))


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


def _totals(parts):
    kept = [part.kept_bytes for part in parts]
    return {"params": sum(part.params for part in parts), "macs": sum(part.macs for part in parts),
            "kept_bytes": None if None in kept else sum(kept)}


def _end(part):
    return {name: getattr(part, name) for name in ("output_shape", "receptive_field", "jump")}


def _square(size):
    return size[0] if size and size[0] == size[1] else size


def _pixels(shape):
    """Height and width, None where there is at most one pixel."""
    return shape[2:] if len(shape) == 4 and shape[2:] != (1, 1) else None


def _stages(blocks):
    groups = [list(group) for _, group in itertools.groupby(blocks, lambda block: _pixels(block.output_shape))]
    return [Stage(name=name, layers=sum(block.layers for block in group), blocks=group, **_end(group[-1]),
                  **_totals(group)) for name, group in zip(_names(groups), groups, strict=True)]


def _names(groups):
    """A name for each stage, that of most of its layers with weights; layers that only have numbers count up."""
    names, convs = [], 0
    for group in groups:
        heads = Counter()
        for block in group:
            head = _head(block.name)
            if not head and not _pixels(block.output_shape):
                head = block.name.split(".")[0]
            heads[head] += block.layers
        numbered = heads.pop("", 0)
        first, convs = convs + 1, convs + numbered
        most = max(heads.values(), default=0)
        if numbered > most:
            names.append(f"conv{first}-{convs}" if numbered > 1 else f"conv{first}")
        elif most:
            names.append(_common([head for head, layers in heads.items() if 4 * layers >= most]))
        else:
            names.append(_head(group[0].name) or re.sub(r"\d*d$", "", group[0].type).lower())
    return [f"{name} {names[:i].count(name)}" if names.count(name) > 1 else name for i, name in enumerate(names, 1)]


def _head(name):
    """The part of a layer's name that tells its stage: the first with letters and a digit, `layer1` of
    `layer1.0.conv1`; without one the first, "" if a number follows it (`features.0`)."""
    parts = name.split(".")
    with_digit = (part for part in parts if not part.isdigit() and any(map(str.isdigit, part)))
    return next(with_digit, "" if parts[1:] and parts[1].isdigit() else parts[0])


def _common(heads):
    """inception3a, inception3b: inception3. conv2, conv3: conv2-conv3."""
    if len(heads) == 1:
        return heads[0]
    same = os.path.commonprefix(heads).rstrip("_.")
    return same if any(c.isdigit() for c in same) else f"{heads[0]}-{heads[-1]}"


summary.of, summary.kept_bytes = of, kept_bytes        # as people look for them: `cnnlib.summary.of("vgg16")`

__all__ = ["Block", "Row", "Stage", "Summary", "kept_bytes", "of", "summary"]
