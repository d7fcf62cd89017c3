"""Random networks of every kind that the trainer knows, and their gradients in PyTorch's float64: the oracle."""

import copy
import random
from itertools import count
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from cnnlib import create_model
from cnnlib.widgets.trainer import describe

from .engine import in_order, packed

NEAR = 2e-6             # float32 may take the other branch where the input of a ReLU is nearer to 0;
FORK = 1e-5             # no farther, also in a network of 56 layers whose weights were drawn on another processor
aten = torch.ops.aten


class Case(NamedTuple):
    label: str
    build: object       # function -> network
    input_size: tuple
    batch: int


def resnet(chance):
    depth, width, shortcut = chance.choice((8, 14, 20)), chance.randint(1, 33), chance.choice(("A", "B", "C", "none"))
    if shortcut == "none":
        return f"plain{depth}", {"width": width}
    return f"resnet{depth}", {"width": width, "shortcut": shortcut, "preactivation": chance.random() < 0.4}


def se_resnet(chance):
    return f"se_resnet{chance.choice((8, 14))}", {"width": chance.randint(4, 33)}


def densenet(chance):
    depth, bottleneck = chance.choice((10, 16, 22)), chance.random() < 0.7
    return "densenet_cifar", {"depth": depth, "growth_rate": chance.randint(1, 12), "bottleneck": bottleneck,
                              "compression": chance.choice((0.5, 1.0))}


def vgg(chance):
    a, b = chance.randint(1, 33), chance.randint(1, 33)
    return "vgg", {"configuration": f"{a} M 5x5-{b} {b} M 1x1-{a}", "batch_norm": chance.random() < 0.5}


def alexnet(chance):
    return "alexnet", {"image_size": 16, "width": 0.125, "groups": chance.choice((1, 2)), "dropout": 0.0,
                       "norm": chance.choice(("none", "batch")), "pooling": chance.choice((2, 3)),
                       "activation": chance.choice(("relu", "tanh", "sigmoid"))}


def lenet(chance):
    return "lenet5_modern", {"kernel_size": chance.choice((3, 5)), "pooling": chance.choice(("avg", "max")),
                             "activation": chance.choice(("relu", "tanh", "sigmoid"))}


class Odd(nn.Module):
    """Convolutions and poolings of odd shapes, a shortcut that is used twice, a concatenation out of order, and a part
    of it that is used once more, after the whole."""

    def __init__(self, chance):
        super().__init__()
        a, b = chance.randint(1, 33), chance.randint(1, 33)
        kernel, stride = (chance.randint(1, 4), chance.randint(1, 4)), (chance.randint(1, 3), chance.randint(1, 2))
        self.first = nn.Conv2d(2, a, kernel, stride, padding=2, dilation=chance.randint(1, 2))
        self.norm = nn.BatchNorm2d(a, momentum=0.3, eps=1e-3)
        self.second = nn.Conv2d(a, b, 3, padding=1, bias=False)
        self.third = nn.Conv2d(a, b, 1)
        self.pool = chance.choice((nn.AvgPool2d(3, 2, padding=1), nn.AvgPool2d(2, 1, count_include_pad=False),
                                   nn.AvgPool2d(3, 2, padding=1, count_include_pad=False),
                                   nn.MaxPool2d(3, 2, padding=1), nn.AdaptiveAvgPool2d((3, 2))))
        self.out = nn.Linear(2 * b + 2 * a, 5)

    def forward(self, x):
        x = torch.tanh(self.norm(self.first(x)))
        a, b = self.second(x), torch.sigmoid(self.third(x))
        both = torch.cat([a + b, x, 0.5 * (b + b)], 1)
        return self.out(torch.cat([self.pool(both).mean((2, 3)), x.mean((2, 3))], 1))


KINDS = {"resnet": (resnet, 8), "se": (se_resnet, 8), "densenet": (densenet, 8), "vgg": (vgg, 8),
         "alexnet": (alexnet, 16), "lenet": (lenet, 28), "odd": (None, 9)}


def random_case(number):
    """The `number`-th network: kinds and batches take turns, all else is random."""
    chance, kind = random.Random(number), list(KINDS)[number % len(KINDS)]
    make, side = KINDS[kind]
    batch = (64, 34, 7, 128)[number // len(KINDS) % 4] if kind != "lenet" else (34, 7)[number % 2]
    if make is None:
        return Case(f"odd {number}", lambda: Odd(random.Random(number)), (2, side, side - 1), batch)
    name, options = make(chance)
    variant = {"variant": "cifar"} if kind in ("resnet", "se", "vgg", "alexnet") else {}
    return Case(f"{name} {options}", lambda: create_model(name, in_channels=1, **variant, **options), (1, side, side),
                batch)


def far(found, wanted):
    """Norm of the difference, relative."""
    return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)


class _Nearest(TorchDispatchMode):
    """How near to a fork the network comes: the smallest |input| of a ReLU, and in windows of max pooling the smallest
    difference of the two largest values that differ."""

    def __init__(self):
        super().__init__()
        self.distance = float("inf")

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        if op.overloadpacket in (aten.relu, aten.relu_):
            self.distance = min(self.distance, args[0].abs().min().item())
        if op.overloadpacket is aten.max_pool2d_with_indices:
            x, kernel, stride, (h, w) = (*args, (0, 0))[:4]
            x = F.pad(x, (w, w, h, h), value=-1e9)
            windows = x.unfold(2, kernel[0], stride[0]).unfold(3, kernel[1], stride[1]).flatten(4)
            gap = windows.amax(-1, keepdim=True) - windows
            self.distance = min(self.distance, gap[gap > 0].min().item())
        return op(*args, **kwargs or {})


def gradient(model, x, y, dtype=torch.float64):
    """(loss, gradients in the description's order, nearest fork)."""
    twin = copy.deepcopy(model).to(dtype).train()
    with _Nearest() as nearest:
        loss = F.cross_entropy(twin(x.to(dtype)), y)
    loss.backward()
    return loss.item(), lambda description: in_order(twin, description, lambda p: p.grad), nearest.distance


def job_of(case):
    """(the job for the engine, loss and gradient in float64, the gradient in float32), with the first seed that
    keeps the network away from forks."""
    for seed in range(100):
        torch.manual_seed(seed)
        model = case.build()
        x = torch.randn(case.batch, *case.input_size)
        description = describe(model, case.input_size)
        y = torch.randint(description["classes"], (case.batch,))
        loss, found, distance = gradient(model, x, y)
        if distance > NEAR:
            break
    else:
        raise AssertionError(f"{case.label}: no seed keeps away from forks")
    single = gradient(model, x, y, torch.float32)[1](description)
    job = {"do": "gradient", "description": description, "weights": packed(in_order(model, description)),
           "batch": max(case.batch, 64), "before": [size for size in (64, 34) if size <= case.batch], "x": packed(x),
           "labels": packed(y, "uint8")}
    return job, (loss, found(description)), single


class _Forked(nn.Module):
    """A ReLU that goes the other way where `turned` says; to `near` it adds where its input is within FORK of 0.
    A place is (which call of a ReLU, picture, map, row, column)."""

    def __init__(self, calls, turned, near):
        super().__init__()
        self.calls, self.turned, self.near = calls, turned, near

    def forward(self, x):
        call, through = next(self.calls), x > 0
        self.near += [(call, *place) for place in (x.abs() < FORK).nonzero().tolist()]
        for place in self.turned:
            if place[0] == call:
                through[place[1:]] ^= True
        return x * through


def gradient_at_forks(model, x, y, description, found):
    """(the gradient in float64 that comes nearest to `found`, how many forks there are): where a ReLU's input is within
    FORK of 0 the network may go either way. What each turn changes adds up, so least squares say which were turned."""
    straight, near = _forked(model, x, y, description, [])
    if not near:
        return straight, 0
    changes = np.stack([_forked(model, x, y, description, [place])[0] - straight for place in near], 1)
    turns = np.linalg.lstsq(changes, found - straight)[0] > 0.5
    turned = [place for place, turn in zip(near, turns, strict=True) if turn]
    return _forked(model, x, y, description, turned)[0], len(near)


def _forked(model, x, y, description, turned):
    twin, calls, near = copy.deepcopy(model).double().train(), count(), []
    for module in list(twin.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.ReLU):
                setattr(module, name, _Forked(calls, turned, near))
    F.cross_entropy(twin(x.double()), y).backward()
    return in_order(twin, description, lambda p: p.grad), near
