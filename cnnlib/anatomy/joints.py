"""Where a network joins what it computed with what it had: found in any module by watching it run.

A joint is an addition (of a branch to a shortcut) or a concatenation (of new maps to those they were made from). While
`joining` is open, every joint may be changed: that is how a branch is deleted, and a gradient sent along one path.
"""

import itertools
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from .watch import CONCATENATIONS, SUMS, Watch, like, tensors

_NORMS = (nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm2d)


class Place(NamedTuple):
    """Joint number `index` (from 0) in the forward of the module `owner`. `new` and `old` are positions of operands: of
    what was computed, and of what it was computed from."""

    owner: str
    index: int
    new: int
    old: int


class Block(NamedTuple):
    """A part of a network whose work can be left out.

    Attributes:
        name: of the module.
        kind: "residual", "dense" or "plain".
        places: the joints where its result enters; none for a plain block.
        modules: those that are it: the module `name`, and after a bare convolution its normalisation.
        shapes: of the pictures it takes and gives, without N.
    """

    name: str
    kind: str
    places: tuple
    modules: tuple
    shapes: tuple


def find(model, x=None):
    """All blocks of a network, in the order in which it runs them: residual and dense ones, and if there are none,
    plain ones. These are the members of a Sequential or ModuleList that hold convolutions (or are one) and give the
    shape that they take.

    Args:
        x: pictures (N, C, H, W) that the network takes; None: made up from its first convolution.
    """
    watch = _Finder(model)
    watch.run([_pictures(model) if x is None else like(x)], {})
    return _joined(watch) or _plain(model, watch)


def residual(model, x=None):
    """The residual blocks of a network, one after the other.

    Raises:
        ValueError: there are none, or one lies in the branch of another.
    """
    blocks = [block for block in find(model, x) if block.kind == "residual"]
    if not blocks:
        raise ValueError(f"model is a {type(model).__name__} without residual blocks, allowed: networks that add a "
                         "branch to a shortcut, such as cnnlib.create_model('resnet20').")
    for outer, inner in itertools.permutations(blocks, 2):
        if inner.name.startswith(f"{outer.name}."):
            raise ValueError(f"model has the residual block {inner.name} within {outer.name}, allowed: one after the "
                             "other.")
    return blocks


def _pictures(model):
    """Two pictures without numbers, of the size that the network names, else 32x32."""
    conv = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    if conv is None:
        raise ValueError(f"model is a {type(model).__name__} without convolutions, allowed: networks for pictures.")
    side = getattr(model, "standard_size", 32)
    return torch.empty(2, conv.in_channels, side, side, dtype=conv.weight.dtype, device="meta")


@contextmanager
def joining(model, changes):
    """While open, joints of `model` join something else.

    Args:
        changes: {Place: f}, where f(new, old) returns the two that are joined instead. Places of one joint are changed
            one after the other.
    """
    at = {}
    for place, change in changes.items():
        at.setdefault((place.owner, place.index), []).append((place, change))

    stack = []                                          # modules at work, and how many joints each had
    with ExitStack() as hooks:
        for name, module in model.named_modules():
            begins = module.register_forward_pre_hook(lambda *_, name=name: stack.append([name, 0]), prepend=True)
            ends = module.register_forward_hook(lambda *_: stack.pop() and None, always_call=True)
            hooks.callback(begins.remove)
            hooks.callback(ends.remove)
        with _Joints(at, stack):
            yield


class _Joints(TorchFunctionMode):
    """Changes what joints of a network join."""

    def __init__(self, changes, stack):
        super().__init__()
        self.changes, self.stack = changes, stack

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs, name = kwargs or {}, getattr(function, "__name__", "")
        operands = joint_of(name, args)
        if operands is None or not self.stack:
            return function(*args, **kwargs)
        frame, first = self.stack[-1], operands[0]
        for place, change in self.changes.get(tuple(frame), ()):
            operands[place.new], operands[place.old] = change(operands[place.new], operands[place.old])
        frame[1] += 1
        if name == "add_" and operands[0] is not first:
            operands[0] = first.copy_(operands[0])      # whoever goes on with the sum holds this very tensor
        args = (operands, *args[1:]) if name in CONCATENATIONS else (*operands, *args[2:])
        return function(*args, **kwargs)


def joint_of(name, args):
    """The operands of an addition of two tensors of one shape, or of a concatenation; None for any other function."""
    if name in SUMS and len(args) > 1 and all(isinstance(part, torch.Tensor) for part in args[:2]):
        return list(args[:2]) if args[0].shape == args[1].shape else None
    if name in CONCATENATIONS and args and isinstance(args[0], (list, tuple)):
        return list(args[0])
    return None


class _Finder(Watch):
    """Writes down the joints, what every module took and gave, and which modules returned a tensor."""

    def __init__(self, model):
        super().__init__(model)
        self.calls, self.returned = {}, {}
        self.joints = []                                # (kind, when its new operand was made, place, modules, owner)

    def left(self, call, args, out):
        if isinstance(out, torch.Tensor):
            self.calls.setdefault(call.name, []).append((list(tensors(args)), out))
            self.returned.setdefault(id(out), []).append(call.name)

    def joined(self, call, name, args):
        operands = joint_of(name, args)
        if operands is None:
            return
        kind = "dense" if name in CONCATENATIONS else "residual"
        traces = [self.trace(part) for part in operands]
        for new, old in _pairs(kind, traces):
            born, made_by = traces[new].born, self.returned.get(id(operands[new]), ())
            modules = [each for each in made_by if each and not f"{call.name}.".startswith(f"{each}.")]
            self.joints.append((kind, born, Place(call.name, call.joints, new, old), modules,
                                call.name if born > call.began else ""))
        call.joints += 1

    def shapes(self, name):
        """(what the module took, what it gave), without N."""
        parts, out = self.calls[name][0]
        return tuple(tuple(part.shape[1:]) for part in parts), tuple(out.shape[1:])


def _joined(watch):
    """The residual and dense blocks among all joints that were seen."""
    makers, names, blocks = {}, {}, {}                  # owner -> what was made in its forward and joined there
    for _, born, _, _, owner in watch.joints:
        makers.setdefault(owner, set()).add(born)
    for kind, born, place, modules, owner in watch.joints:
        alone = owner and len(makers[owner]) == 1
        name = names.setdefault(born, owner if alone else [f"{owner or 'sum'}[{place.index}]", *modules][-1])
        blocks.setdefault((name, kind), []).append(place)
    return [Block(name, kind, tuple(dict.fromkeys(places)), (name,) * (name in watch.calls),
                  watch.shapes(name) if name in watch.calls else ())
            for (name, kind), places in blocks.items()]


def _pairs(kind, traces):
    """(position of what is new, position of what it came from) among the operands of a joint."""
    known = [(i, trace) for i, trace in enumerate(traces) if trace is not None]
    if kind == "dense":
        for i, new in known:
            if sources := [j for j, old in known if j != i and new.comes_from(old)]:
                yield i, sources[0]
    elif len(known) == 2 and known[0][1].depth != known[1][1].depth:
        (short, _), (deep, _) = sorted(known, key=lambda each: each[1].depth)
        yield deep, short


def _plain(model, watch):
    """The members of containers, or single convolutions, that keep the shape."""
    modules = dict(model.named_modules())
    members = {f"{name}.{child}".lstrip(".") for name, module in model.named_modules()
               if isinstance(module, (nn.Sequential, nn.ModuleList)) for child in module._modules}
    blocks = {}
    for conv, module in model.named_modules():
        if not isinstance(module, nn.Conv2d) or len(watch.calls.get(conv, ())) != 1:
            continue
        parents = [conv.rsplit(".", i)[0] for i in range(conv.count(".") + 1)]
        name = next((parent for parent in parents if parent in members), conv)
        shapes = watch.shapes(name) if len(watch.calls.get(name, ())) == 1 else None
        if shapes and shapes[0] == (shapes[1],):
            out = watch.calls[name][0][1]
            after = [other for other, calls in watch.calls.items() if name == conv
                     and isinstance(modules[other], _NORMS) and calls[0][0] and calls[0][0][0] is out]
            blocks.setdefault(name, Block(name, "plain", (), (name, *after), shapes))
    return list(blocks.values())


def named(blocks, names, argument):
    """The blocks of these names, in this order; ValueError for a name that is none of them."""
    known = {block.name: block for block in blocks}
    names = [names] if isinstance(names, str) else list(names)
    for name in names:
        if name not in known:
            raise ValueError(f"{argument} names {name!r}, allowed: {', '.join(known)}.")
    return [known[name] for name in names]
