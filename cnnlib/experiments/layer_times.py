"""Where the time of a forward pass goes, layer by layer, beside two explanations of it: arithmetic and memory.

The second is the roofline of Williams, Waterman and Patterson (*Communications of the ACM*, 2009): a layer needs at
least the time of its arithmetic and at least the time of moving its data, and the longer of the two wins.
"""

import contextlib
import time
from dataclasses import dataclass

import torch
from torch import nn

from ..training.evaluation import evaluating

FLOAT = 4       # bytes of a float32

# Time that the processor spent on this thread: what else the machine does in between is not counted. Where that clock
# is too coarse for a layer, the ordinary one has to do.
_clock = time.thread_time if time.get_clock_info("thread_time").resolution < 1e-6 else time.perf_counter


@dataclass(frozen=True)
class Layer:
    """One call of one layer.

    Attributes:
        name: the layer's name in the network.
        kind: "3×3" (or another kernel size), "1×1", "depthwise", "linear", or the class of a layer without MACs.
        macs: multiply-accumulates of a convolution or linear layer, 0 for all others.
        bytes: the least that must be moved: input and weights read once, output written once, float32.
        seconds: the shortest processor time of the repeats, on one thread.
    """

    name: str
    kind: str
    macs: int
    bytes: int
    seconds: float


def layer_times(model, x, repeats=5):
    """Run `model` on `x` (N, C, H, W), both on the CPU, and time every layer: a list of `Layer` in order of execution.

    One thread does all the work. The first pass is a warm-up; of the others the shortest time of each layer is kept,
    since whatever else the machine does can only make a layer slower. Nothing is left in the model: no hooks, and its
    modes are as they were.

    Raises:
        ValueError: `repeats` is not a whole number from 1.
    """
    if not isinstance(repeats, int) or repeats < 1:
        raise ValueError(f"repeats is {repeats!r}, allowed: whole numbers from 1.")
    calls, started = [], []

    def before(_module, _inputs):
        started.append(_clock())

    def after(name, module, inputs, output):
        seconds = _clock() - started.pop()
        calls.append(Layer(name, kind(module), macs(module, output), bytes_moved(module, inputs, output), seconds))

    handles = []
    for name, module in model.named_modules():
        if not isinstance(module, nn.Identity) and next(module.children(), None) is None:
            handles.append(module.register_forward_pre_hook(before))
            handles.append(module.register_forward_hook(lambda m, i, o, name=name: after(name, m, i, o)))
    passes = []
    try:
        with evaluating(model), one_thread(), torch.inference_mode():
            for _ in range(repeats + 1):
                calls.clear()
                model(x)
                passes.append(list(calls))
    finally:
        for handle in handles:
            handle.remove()
    return [min(same, key=lambda layer: layer.seconds) for same in zip(*passes[1:], strict=True)]


def kind(module):
    """The kind of a layer in words, see `Layer`."""
    if isinstance(module, nn.Linear):
        return "linear"
    if isinstance(module, nn.Conv2d):
        depthwise = module.groups == module.in_channels > 1
        return "depthwise" if depthwise else "×".join(map(str, module.kernel_size))
    return type(module).__name__


def macs(module, output):
    """Every number that a convolution or a linear layer gives is a sum of as many products as it has weights."""
    return output.numel() * module.weight[0].numel() if isinstance(module, (nn.Conv2d, nn.Linear)) else 0


def bytes_moved(module, inputs, output):
    """Bytes of input, weights and output, each counted once, as float32."""
    return FLOAT * (sum(x.numel() for x in inputs) + sum(p.numel() for p in module.parameters()) + output.numel())


@dataclass(frozen=True)
class Machine:
    """What one thread does at its best: multiply-accumulates and bytes moved a second."""

    macs_per_second: float
    bytes_per_second: float

    def seconds(self, layer):
        """The least time that this machine needs for a layer: its arithmetic or its data, whichever takes longer."""
        return max(layer.macs / self.macs_per_second, layer.bytes / self.bytes_per_second)


def machine(repeats=5):
    """Measure the CPU: a product of two 1536×1536 matrices, and a copy of 64 MiB. Returns a `Machine`."""
    side, floats = 1536, 16 * 2**20
    a, b, source = torch.ones(side, side), torch.ones(side, side), torch.ones(floats)
    target = torch.empty_like(source)
    with one_thread():
        return Machine(side**3 / shortest(lambda: a @ b, repeats),
                       2 * FLOAT * floats / shortest(lambda: target.copy_(source), repeats))


def shortest(work, repeats):
    """Seconds of processor time of `work`, the shortest of so many; a first call is a warm-up."""
    seconds = []
    for _ in range(repeats + 1):
        start = _clock()
        work()
        seconds.append(_clock() - start)
    return min(seconds[1:])


@contextlib.contextmanager
def one_thread():
    """PyTorch on one thread for a while."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
