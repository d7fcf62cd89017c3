"""What the trainer in the page has to know of a network: the operations that it runs, found by watching it run.

`describe(model)` sends a batch through a copy of the model on the meta device, where tensors have shapes and no
numbers, and writes down what reaches PyTorch's dispatcher. So there is no second description of any network in
JavaScript: `engine.js` knows operations, not families. What it does not know is refused with the reason.
"""

import copy
import json

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ...caching import remembered
from ...models import create_model
from ...models.sketch import undisturbed

BATCH = 3                               # pictures of the watched batch; any number that no layer of a network has
aten = torch.ops.aten
_ALIASES = {aten.view, aten._unsafe_view, aten.reshape, aten.unsqueeze, aten.squeeze, aten.flatten, aten.alias,
            aten.detach, aten.clone, aten.contiguous}
_ACTIVATIONS = {aten.relu: "relu", aten.relu_: "relu", aten.tanh: "tanh", aten.tanh_: "tanh",
                aten.sigmoid: "sigmoid", aten.sigmoid_: "sigmoid"}
_SUMS, _PRODUCTS = (aten.add, aten.add_), (aten.mul, aten.mul_)
_NORMS = (aten.native_batch_norm, aten._native_batch_norm_legit, aten._native_batch_norm_legit_functional)


def describe(model, input_size=None):
    """A network as steps, for `engine.js`: a JSON value.

    Args:
        model: a network that maps (N, C, H, W) to logits (N, classes); it is left as it was.
        input_size: (C, H, W) of the pictures; None takes what the model says of itself.

    Returns:
        a dict: `input` (C, H, W), `classes`, `macs` of one picture, `names` of the parameters in the order of their
        use, `norms`, names of the BatchNorms, and `steps`. A step is a dict: `op`, and `of`, how many steps back its
        operands were made (the pictures themselves are step 0); `w` and `b`, 1 where it has such parameters; and of
        kernel, stride, padding, dilation, groups, momentum and eps whatever is not as usual.

    Raises:
        ValueError: what the network does cannot be trained in the page; the message says what it is.
    """
    return _describe(copy.deepcopy(model).to("meta").train(), input_size)


def _describe(model, input_size):
    """`describe` of a model on the meta device, ready for training."""
    shape = tuple(input_size or (model.in_channels, model.standard_size, model.standard_size))
    watch, pictures = _Watch(model), torch.empty(BATCH, *shape, device="meta")
    watch.note(pictures, 0)
    with torch.no_grad(), watch:
        logits = model(pictures)
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2 or watch.find(logits) is None:
        raise ValueError(f"model answers {_shape(logits)} in training, allowed: logits (N, classes) alone.")
    steps = _needed(watch.steps, watch.find(logits))
    used = [step[key] for step in steps for key in ("w", "b") if key in step]
    names = [name for name, _ in model.named_parameters()]
    if sorted(used) != list(range(len(names))):
        odd = [name for i, name in enumerate(names) if used.count(i) != 1]
        raise ValueError(f"model uses {', '.join(odd)} more than once or not at all, allowed: parameters used once.")
    return {"input": list(shape), "classes": logits.shape[1], "macs": sum(step.pop("macs", 0) for step in steps),
            "names": [names[i] for i in used],
            "norms": [watch.norms[step["norm"]] for step in steps if "norm" in step],
            "steps": [_relative(step, i) for i, step in enumerate(steps, 1)]}


@remembered(512)
def described(name, input_size=None, **options):
    """`describe` of a network by its name, for a page: without names, with the beginning of each parameter in the place
    of its 1, and in `steps` [how often, steps] for what is repeated. On the meta device, in milliseconds.

    A beginning is ["constant", value], or ["normal", deviation] or ["uniform", bound], both times the square root of
    the number of inputs of a unit, by which most networks choose them.

    Raises:
        ValueError: as `create_model` and `describe`; a parameter that begins in another way.
    """
    watch = _Beginnings()
    with undisturbed():
        with torch.device("meta"), watch:
            model = create_model(name, **options)
        description = _describe(model.train(), input_size)
    parameters, names = dict(model.named_parameters()), iter(description.pop("names"))
    del description["norms"]

    def begun(step):
        """The step with the beginnings of its parameters."""
        inputs = 1
        for key in [key for key in step if key in ("w", "b")]:
            parameter = parameters[own := next(names)]
            if id(parameter) not in watch.found:
                raise ValueError(f"{name} fills {own} in a way of its own, allowed: normal, uniform, constant.")
            kind, number = watch.found[id(parameter)]
            inputs = parameter[0].numel() if key == "w" else inputs
            step[key] = [kind, float(f"{number if kind == 'constant' else number * inputs ** 0.5:.5g}")]
        return step

    return {**description, "steps": repeats([begun(step) for step in description.pop("steps")])}


def repeats(steps, longest=40):
    """A list as parts [how often, list]: what stands there several times in a row is written once."""
    words, parts, at = [json.dumps(step) for step in steps], [], 0
    while at < len(words):
        def times(period, at=at):
            count = 1
            while words[at:at + period] == words[at + count * period:at + (count + 1) * period]:
                count += 1
            return count

        period = max(range(1, min(longest, len(words) - at) + 1), key=lambda p: ((times(p) - 1) * p, -p))
        count = times(period)
        if count == 1 and parts and parts[-1][0] == 1:
            parts[-1][1].append(steps[at])
        else:
            parts.append([count, steps[at:at + period] if count > 1 else [steps[at]]])
        at += count * period if count > 1 else 1
    return parts


class _Beginnings(TorchDispatchMode):
    """Notes how tensors are filled: `found` is id of a tensor -> its beginning, unless it is changed afterwards."""

    def __init__(self):
        super().__init__()
        self.found, self.alive = {}, []

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        packet, target = op.overloadpacket, args[0] if args else None
        low, high = (*args[1:3], *(0.0, 1.0)[len(args[1:3]):])      # PyTorch leaves out what is usual
        if packet is aten.normal_ and low == 0:
            fill = "normal", high
        elif packet is aten.uniform_ and low == -high:
            fill = "uniform", high
        elif packet in (aten.fill_, aten.zero_):
            fill = "constant", args[1] if len(args) > 1 else 0.0
        else:
            fill = None
        if fill:
            self.found[id(target)] = fill
            self.alive.append(target)
            return target                                   # there are no numbers to fill
        if op.name().partition(".")[0].endswith("_"):
            self.found.pop(id(target), None)
        return op(*args, **kwargs or {})


class _Watch(TorchDispatchMode):
    """Writes down the operations as `steps`, with absolute positions in `of`: step i makes value i, pictures are 0."""

    def __init__(self, model):
        super().__init__()
        self.steps, self.values, self.masks, self.alive = [], {}, {}, []
        self.parameters = {id(parameter): i for i, parameter in enumerate(model.parameters())}
        self.buffers = {id(module.running_mean): name for name, module in model.named_modules()
                        if getattr(module, "running_mean", None) is not None}
        self.turned, self.norms, self.concats = {}, {}, {}

    # A value is known by its place in memory: whoever writes into it makes all other views of it stale.

    def note(self, tensor, number):
        place = _place(tensor)
        self.values.setdefault(place[0], {})[place[1:]] = number
        self.alive.append((tensor, tensor.untyped_storage()))

    def find(self, tensor):
        place = _place(tensor)
        return self.values.get(place[0], {}).get(place[1:])

    def step(self, out, op, *of, **facts):
        if any(number is None for number in of):
            raise ValueError(f"model writes into what it has a view of before its {op}, allowed: views left alone.")
        self.steps.append({"op": op, "of": list(of), **facts})
        self.note(out, len(self.steps))

    def parameter(self, tensor):
        if id(tensor) not in self.parameters:
            raise ValueError("model computes its weights from other numbers, allowed: parameters as they are.")
        return self.parameters[id(tensor)]

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        kwargs, packet = kwargs or {}, op.overloadpacket
        operands = args[0] if packet is aten.cat else args
        known = [self.find(x) for x in operands if isinstance(x, torch.Tensor)]
        writes = op.name().partition("::")[2].partition(".")[0].endswith("_")
        masking = packet is aten.bernoulli_ and id(args[0]) in self.masks
        if torch.Tag.nondeterministic_seeded in op.tags and not masking:
            raise ValueError(f"model draws random numbers of its own ({packet.__name__}), allowed: dropout.")
        out = _run(op, args, kwargs)
        first = out[0] if isinstance(out, (tuple, list)) else out
        if packet is aten.t and id(args[0]) in self.parameters:
            self.turned[id(out)] = args[0]
            self.alive.append(out)
        elif packet is aten.empty_like and known[0] is not None:
            self.masks[id(out)] = None
            self.alive.append(out)
        elif masking:
            self.masks[id(args[0])] = 1 - (args[1] if len(args) > 1 else 0.5)
        elif writes and id(args[0]) in self.masks:
            pass                                        # dropout divides its mask by what it keeps
        elif any(number is not None for number in known):
            if writes:
                self.values[_place(args[0])[0]] = {}
            self.operation(packet, args, kwargs, known, first)
        return out

    def operation(self, packet, args, kwargs, known, out):
        """Write down what made `out` of operands of which `known` has the numbers."""
        name = packet.__name__
        if packet is aten.convolution:
            self.convolution(out, *args, of=known[0])
        elif packet in (aten.addmm, aten.mm):
            self.linear(out, args, known)
        elif packet in _NORMS:
            self.norm(out, *args, of=known[0])
        elif packet in _ACTIVATIONS:
            self.step(out, _ACTIVATIONS[packet], known[0])
        elif packet in _SUMS and len(known) == 2 and args[0].shape == args[1].shape and not kwargs and len(args) == 2:
            self.step(out, "add", *known)
        elif packet in _PRODUCTS:
            self.product(out, args, known)
        elif packet is aten.cat:
            if (args[1] if len(args) > 1 else 0) != 1:
                raise ValueError(f"model concatenates {_shape(args[0][0])} along another axis, allowed: channels.")
            self.concat(out, known)
        elif packet is aten.slice:
            self.every(out, known[0], *args)
        elif packet is aten.constant_pad_nd:
            self.pad(out, known[0], *args)
        elif packet in _ALIASES and out.shape[0] == BATCH:
            self.note(out, known[0])
        else:
            self.pooling(packet, out, args, known[0], name)

    def concat(self, out, parts):
        """Parts that begin as an earlier concatenation does are written as that one and the rest, so that the layers of
        a dense block look equal."""
        parts = tuple(parts)
        known = max((n for n in range(2, len(parts)) if parts[:n] in self.concats), default=0)
        of = (self.concats[parts[:known]], *parts[known:]) if known else parts
        self.step(out, "concat", *of)
        self.concats.setdefault(parts, len(self.steps))

    def convolution(self, out, x, weight, bias, stride, padding, dilation, transposed, _, groups, of):
        if transposed:
            raise ValueError("model has a transposed convolution, allowed: convolutions.")
        self.step(out, "conv", of, channels=out.shape[1], kernel=list(weight.shape[2:]), stride=list(stride),
                  padding=list(padding), dilation=list(dilation), groups=groups, w=self.parameter(weight),
                  **({} if bias is None else {"b": self.parameter(bias)}),
                  macs=out[0].numel() * weight[0].numel())

    def linear(self, out, args, known):
        """x W^T + b, of vectors."""
        *bias, x, turned = args[:3]
        if id(turned) not in self.turned or len(known) < 2 or x.ndim != 2:
            raise ValueError("model multiplies matrices that are not a layer's, allowed: linear layers.")
        weight = self.turned[id(turned)]
        self.step(out, "linear", self.find(x), channels=out.shape[1], w=self.parameter(weight),
                  **({"b": self.parameter(bias[0])} if bias else {}), macs=weight.numel())

    def norm(self, out, x, weight, bias, mean, variance, *rest, of):
        momentum, eps = rest[-2:]
        if weight is None or bias is None or mean is None or not momentum:
            raise ValueError("model has a BatchNorm without weights or without averages, allowed: those with both.")
        self.norms[len(self.norms)] = self.buffers[id(mean)]
        self.step(out, "norm", of, norm=len(self.norms) - 1, w=self.parameter(weight), b=self.parameter(bias),
                  momentum=momentum, eps=eps)

    def product(self, out, args, known):
        a, b = args[:2]
        if not isinstance(b, torch.Tensor) or b.ndim == 0:
            number = _number(b)
            return self.step(out, "times", known[0], factor=number)
        if id(b) in self.masks and self.masks[id(b)] is not None and a.shape == b.shape:
            return self.step(out, "drop", known[0], rate=self.masks[id(b)])
        if len(known) == 2 and None not in known and a.ndim == 4 and b.shape == (*a.shape[:2], 1, 1):
            return self.step(out, "gate", *known)
        raise ValueError(f"model multiplies {_shape(a)} with {_shape(b)}, as local response normalisation does; "
                         "allowed: channels with a gate each.")

    def every(self, out, of, x, dim=0, start=0, end=None, step=1):
        """Every step-th row or column, from the first."""
        if x.shape == out.shape:
            return self.note(out, of)
        if dim not in (2, 3) or start or -(-x.shape[dim] // step) != out.shape[dim]:
            raise ValueError(f"model cuts {_shape(out)} out of {_shape(x)}, allowed: every n-th row or column.")
        stride = [step if dim == 2 else 1, step if dim == 3 else 1]
        self.step(out, "average", of, kernel=[1, 1], stride=stride, padding=[0, 0], size=list(out.shape[2:]))

    def pad(self, out, of, x, sizes, value=0):
        if value or len(sizes) != 6 or any(sizes[:4]) or min(sizes[4:]) < 0:
            raise ValueError(f"model pads {_shape(x)} to {_shape(out)}, allowed: channels of zeros.")
        self.step(out, "pad", of, before=sizes[4], after=sizes[5])

    def pooling(self, packet, out, args, of, name):
        if packet in (aten.avg_pool2d, aten.max_pool2d_with_indices):
            average = packet is aten.avg_pool2d
            usual = ([], [0, 0], *((False, True, None) if average else (1, False)))
            kernel, stride, padding, *more = [*args[1:], *usual[len(args) - 2:]]
            kernel, stride, padding = (list(pair) * (3 - len(pair)) for pair in (kernel, stride or kernel, padding))
            windows = {"kernel": kernel, "stride": stride, "padding": padding, "size": list(out.shape[2:])}
            ceil, outside, divisor = more if average else (more[1], True, None)
            if average and (divisor is not None or (ceil and outside)) or not average and more[0] not in (1, [1, 1]):
                raise ValueError(f"model has {name} with edges, divisor or dilation of its own, allowed: without.")
            return self.step(out, "average" if average else "largest", of, **windows,
                             **({"outside": True} if average and outside and any(padding) else {}))
        if packet is aten._adaptive_avg_pool2d:
            return self.step(out, "average", of, size=list(out.shape[2:]))
        if packet is aten.mean and args[0].ndim == 4 and len(args) > 1 and sorted(d % 4 for d in args[1]) == [2, 3]:
            return self.step(out, "average", of, size=[1, 1])
        raise ValueError(f"model calls {name} on {_shape(args[0])}, which the trainer in the page does not know.")


def _run(op, args, kwargs):
    if op.overloadpacket in _NORMS and args[0].is_meta:     # PyTorch takes a millisecond to find the shapes of this one
        return (torch.empty_like(args[0]), *(torch.empty(args[0].shape[1], device="meta") for _ in range(2)))
    try:
        return op(*args, **kwargs)
    except (NotImplementedError, RuntimeError) as problem:
        raise ValueError(f"model looks at numbers while it runs ({op.overloadpacket.__name__}), allowed: networks that "
                         "do the same for every picture.") from problem


def _number(value):
    if isinstance(value, torch.Tensor):
        if value.is_meta:
            raise ValueError("model multiplies with a number that it computes, allowed: fixed ones.")
        return value.item()
    return float(value)


def _place(tensor):
    return id(tensor.untyped_storage()), tensor.storage_offset(), tuple(tensor.shape), tensor.stride()


def _shape(value):
    return "×".join(map(str, value.shape)) if isinstance(value, torch.Tensor) else type(value).__name__


def _needed(steps, last):
    """The steps that the value `last` is made from, numbered anew."""
    needed = {last}
    for number in range(last, 0, -1):
        if number in needed:
            needed.update(steps[number - 1]["of"])
    order = sorted(needed - {0})
    numbers = {old: new for new, old in enumerate(order, 1)} | {0: 0}
    return [{**steps[old - 1], "of": [numbers[each] for each in steps[old - 1]["of"]]} for old in order]


_USUAL = {"stride": [1, 1], "padding": [0, 0], "dilation": [1, 1], "groups": 1, "momentum": 0.1, "eps": 1e-5}


def _relative(step, number):
    """A step with operands as so many steps back, so that equal blocks look equal, and without what is usual."""
    relative = {"of": [number - each for each in step["of"]], **{key: 1 for key in ("w", "b") if key in step}}
    return {**{key: value for key, value in step.items() if key != "norm" and _USUAL.get(key) != value}, **relative}
