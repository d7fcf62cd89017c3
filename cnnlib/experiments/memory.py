"""What training a DenseNet keeps in memory: measured, by formula, and with three ways to keep less.

MODES, of a dense block and of a whole network:
    naive: everything that autograd asks for.
    torchvision: what `memory_efficient=True` of torchvision's block keeps.
    partly: ours, `memory_efficient="partly"`: the maps, and what the 1x1 convolutions make of them.
    fully: ours, `memory_efficient=True`: the maps and nothing else.

Measured is what autograd is handed to keep, on a CPU, and the peak of a training step on a GPU. Bytes are those of
float32. Source of the question: Pleiss, Chen, Huang, Li, van der Maaten, Weinberger, "Memory-efficient implementation
of DenseNets", 2017.
"""

import copy
import functools
import statistics
import time

import numpy as np
import torch
from torch.nn import functional as F

from ..anatomy import kept_bytes
from ..checks import at_least, one_of
from ..models.dense import DenseBlock
from ..models.densenet import DenseNet, densenet_cifar
from .layer_times import one_thread

MODES = {
    "naive": "everything",
    "torchvision": "torchvision, memory_efficient=True",
    "partly": "ours, no convolution twice",
    "fully": "ours, the maps alone",
}
OURS = {"naive": False, "partly": "partly", "fully": True}      # mode -> memory_efficient
FLOAT = 4                                                       # bytes


# ---- the networks ----

def block(layers, growth_rate=12, mode="naive", start=None, bottleneck=True):
    """A dense block, (N, start, H, W) -> (N, start + layers x growth_rate, H, W).

    Args:
        layers: how many.
        growth_rate: k.
        mode: one of MODES.
        start: maps that enter it; 2k if not given.
        bottleneck: as in DenseBlock; torchvision's always has one.

    Raises:
        ValueError: an argument is out of range.
    """
    one_of("mode", mode, tuple(MODES))
    start = 2 * growth_rate if start is None else start
    if mode != "torchvision":
        return DenseBlock(layers, start, growth_rate, OURS[mode], bottleneck=bottleneck)
    from torchvision.models import DenseNet

    one_of("bottleneck", bottleneck, (True,))
    layers = at_least("layers", layers, 1)
    return DenseNet(growth_rate, (layers,), start, num_classes=1, memory_efficient=True).features.denseblock1


def network(depth=40, growth_rate=12, mode="naive", bottleneck=True):
    """A DenseNet of that depth for CIFAR, with `bottleneck` a DenseNet-BC; its blocks are as in `block`.

    Raises:
        ValueError: as `block`; and a depth that is not 6n + 4, without bottleneck 3n + 4.
    """
    one_of("mode", mode, tuple(MODES))
    compression = 0.5 if bottleneck else 1.0
    net = densenet_cifar(depth, growth_rate, bottleneck, compression, memory_efficient=OURS.get(mode, False))
    if mode == "torchvision":
        for name, own in list(net.features.named_children()):
            if isinstance(own, DenseBlock):
                start = own["denselayer1"].norm1.num_features
                setattr(net.features, name, block(len(own), growth_rate, mode, start, bottleneck))
    return net


# ---- a block: measured, and by formula ----

def kept(layers, growth_rate=12, batch=8, size=16, mode="naive", start=None, bottleneck=True):
    """Bytes that a block keeps for the backward pass, measured on the CPU by saved-tensor hooks: each memory once,
    parameters and buffers not at all. `size` is H and W; the other arguments are those of `block`."""
    module = block(layers, growth_rate, mode, start, bottleneck)
    channels = 2 * growth_rate if start is None else start
    return kept_bytes(module, torch.zeros(batch, channels, size, size, requires_grad=True))


def computed(layers, growth_rate=12, batch=8, size=16, mode="naive", start=None, bottleneck=True):
    """What `kept` measures, by formula: the same to the byte.

    Layer l reads c = start + (l - 1) k maps. Naive, it keeps them joined and again after BatchNorm and ReLU, 2c maps;
    with a bottleneck also the 4k maps between its convolutions and these after BatchNorm and ReLU, 8k; and of each
    BatchNorm mean and deviation. The other modes keep the single maps, whose last ones no layer reads, and:
    torchvision's the 8k, ours partly 4k, ours fully nothing.
    """
    one_of("mode", mode, tuple(MODES))
    k, start = growth_rate, 2 * growth_rate if start is None else start
    width = 4 * k if bottleneck else 0
    joined = layers * start + k * layers * (layers - 1) // 2            # what all layers read, summed up
    maps = start + (layers - 1) * k
    values, averages = {
        "naive": (2 * joined + 2 * width * layers, 2 * (joined + width * layers)),
        "torchvision": (maps + 2 * width * layers, 2 * width * layers),
        "partly": (maps + width * layers, 0),
        "fully": (maps, 0),
    }[mode]
    return FLOAT * (values * batch * size * size + averages)


def output_bytes(layers, growth_rate=12, batch=8, size=16, start=None):
    """Bytes of what a block returns: all its maps, once."""
    start = 2 * growth_rate if start is None else start
    return FLOAT * batch * (start + layers * growth_rate) * size * size


def parabola(layers, nbytes):
    """a, b, c of the parabola a + b L + c L² that comes nearest (least squares) to `nbytes` at `layers`."""
    c, b, a = np.polyfit(layers, nbytes, 2)
    return float(a), float(b), float(c)


# ---- the formula of the lecture notes, and the weights beside it ----

def temporaries(layers, growth_rate=12, size=8, batch=1):
    """Bytes of what the formula below counts, measured: the feature maps that a naive block without bottleneck keeps
    when k maps enter it. What BatchNorm keeps besides, two numbers a map, is not among them."""
    own = block(layers, growth_rate, "naive", growth_rate, bottleneck=False)
    maps = {}

    def pack(tensor):
        if tensor.ndim == 4 and not isinstance(tensor, torch.nn.Parameter):
            storage = tensor.untyped_storage()
            maps[storage.data_ptr()] = storage.nbytes(), storage      # kept alive, so that no address is used again
        return tensor.detach()

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        own(torch.zeros(batch, growth_rate, size, size))
    return sum(nbytes for nbytes, _ in maps.values())


def formula(layers, growth_rate=12, size=8, batch=1):
    """W H k (1 + L) L values of four bytes for each picture: 2c maps in each layer, c = k, 2k, ... Lk."""
    return FLOAT * batch * size * size * growth_rate * (1 + layers) * layers


def convolution_weights(layers, growth_rate=12):
    """Bytes of that block's convolutions, counted in the block: 9k²L(L + 1)/2 values."""
    with torch.device("meta"):
        own = block(layers, growth_rate, "naive", growth_rate, bottleneck=False)
    return FLOAT * sum(layer.conv1.weight.numel() for layer in own.values())


def threshold(growth_rate):
    """Pixels W H from which on the temporaries of one picture take more memory than the weights: 9k/2. Temporaries
    to weights are as 2 W H to 9k, whatever L is."""
    return 9 * growth_rate / 2


# ---- whole networks ----

def network_kept(depth=40, growth_rate=12, batch=1, size=32, mode="naive", bottleneck=True):
    """Bytes that a whole network keeps for the backward pass, measured like `kept`; arguments as in `network`."""
    return kept_bytes(network(depth, growth_rate, mode, bottleneck), torch.zeros(batch, 3, size, size))


def network_computed(depth=40, growth_rate=12, batch=1, size=32, mode="naive", bottleneck=True):
    """What `network_kept` measures, by formula: the same to the byte, where `size` is a multiple of 4."""
    k = growth_rate
    layers, channels, values, averages = _layers(depth, bottleneck), 2 * k if bottleneck else 16, 3 * size**2, 0
    total = 0
    for i in range(3):
        total += computed(layers, k, batch, size, mode, channels, bottleneck)
        channels += layers * k
        values += 2 * channels * size**2                    # joined, and after BatchNorm and ReLU
        averages += 2 * channels
        if i < 2:
            channels = int(channels * (0.5 if bottleneck else 1.0))
            values += channels * size**2                    # what the pooling averages
            size //= 2
    return total + FLOAT * (batch * (values + channels) + averages)


def network_weights(depth=40, growth_rate=12, bottleneck=True):
    """Bytes of a network's parameters, by formula: the same as counted in `network`."""
    k, n = growth_rate, _layers(depth, bottleneck)
    channels = 2 * k if bottleneck else 16
    total = 27 * channels                                   # the stem
    for i in range(3):
        joined = n * channels + k * n * (n - 1) // 2
        if bottleneck:
            total += 2 * joined + 4 * k * joined + n * (8 * k + 36 * k * k)
        else:
            total += 2 * joined + 9 * k * joined
        channels += n * k
        total += 2 * channels                               # the BatchNorm of the transition, or the last one
        if i < 2:
            fewer = int(channels * (0.5 if bottleneck else 1.0))
            total, channels = total + channels * fewer, fewer
    return FLOAT * (total + 10 * channels + 10)


def training_bytes(depth=40, growth_rate=12, batch=64, size=32, mode="naive", bottleneck=True):
    """What training holds while the backward pass begins, by formula: what is kept for it, the parameters, and as much
    as these again for the gradients and for the momentum of SGD."""
    return (network_computed(depth, growth_rate, batch, size, mode, bottleneck)
            + 3 * network_weights(depth, growth_rate, bottleneck))


def deepest(limit, growth_rate=12, batch=64, size=32, mode="naive", bottleneck=True, needed=training_bytes):
    """Depth of the deepest network that can be trained in `limit` bytes, None where not even the smallest can.

    Args:
        limit: bytes.
        growth_rate, batch, size, mode, bottleneck: as in `training_bytes`.
        needed: the function that says what a network needs: `training_bytes`, a formula, or `peak_bytes`, which trains
            on the GPU.
    """
    step = 6 if bottleneck else 3

    def fits(n):
        return needed(step * n + 4, growth_rate, batch, size, mode, bottleneck) <= limit

    if not fits(1):
        return None
    low, high = 1, 2                                        # low fits
    while fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return step * low + 4


@functools.cache
def _measured(*arguments):
    return network_kept(*arguments)


def meter(depth=40, growth_rate=12, batch=16, size=32, mode="naive", limit=2**30, bottleneck=True,
          points=(10, 16, 22, 28, 34, 40), budget=48 * 2**20):
    """What a memory meter shows for a network, a dict:

    bytes: what training it holds (`training_bytes`, computed).
    kept, weights: its parts; the weights count three times.
    fits: whether that is within the limit.
    deepest: the deepest network that fits, None if none does (computed).
    computed: {depth: bytes} of `training_bytes`, the curve, as far as the deeper of both.
    measured: {depth: bytes} of the same with the kept bytes measured on the CPU, for those of `points` that the curve
        reaches and that keep no more than `budget` bytes: measuring runs a forward pass.

    Args:
        limit: bytes of the device.
        depth, growth_rate, batch, size, mode, bottleneck: as in `training_bytes`.
    """
    rest = growth_rate, batch, size, mode, bottleneck
    kept_here, weights = network_computed(depth, *rest), network_weights(depth, growth_rate, bottleneck)
    most, step = deepest(limit, *rest), 6 if bottleneck else 3
    last = max(depth, most or 0)
    stride = step * max(1, (last - 4) // step // 40)        # some forty points make a smooth curve
    return {
        "bytes": kept_here + 3 * weights, "kept": kept_here, "weights": weights,
        "fits": kept_here + 3 * weights <= limit, "deepest": most,
        "computed": {d: training_bytes(d, *rest) for d in sorted({*range(step + 4, last + 1, stride), depth, last})},
        "measured": {d: _measured(d, *rest) + 3 * network_weights(d, growth_rate, bottleneck) for d in points
                     if d <= last and network_computed(d, *rest) <= budget},
    }


def peak_bytes(depth=40, growth_rate=12, batch=64, size=32, mode="naive", bottleneck=True):
    """Peak of the GPU memory that two training steps allocate, SGD with momentum; infinite where it is not enough.

    Raises:
        ValueError: there is no GPU.
    """
    if not torch.cuda.is_available():
        raise ValueError("peak_bytes needs a GPU that PyTorch can use; what is kept can be measured without: "
                         "network_kept.")
    if depth > 10_000:                                      # more than `densenet_cifar` builds
        return float("inf")
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    try:
        net = network(depth, growth_rate, mode, bottleneck).cuda()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
        x, y = torch.zeros(batch, 3, size, size, device="cuda"), torch.zeros(batch, dtype=torch.long, device="cuda")
        for _ in range(2):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
    except torch.cuda.OutOfMemoryError:
        return float("inf")
    return torch.cuda.max_memory_allocated() - before


def _layers(depth, bottleneck):
    """Dense layers in each of the three blocks of a network of that depth."""
    return (depth - 4) // (6 if bottleneck else 3)


# ---- why joining copies ----

def joins(batch=2, channels=(3, 2), size=4):
    """Two tensors joined along channels, in both memory formats, as rows for a table.

    A tensor of (N, C, H, W) lies in memory in the order N, C, H, W or, "channels last", N, H, W, C. The strides say how
    far apart neighbours along each axis are. If joining were free, the two parts would have to lie there already as
    parts of the whole: with the strides of the whole and not with their own.

    Returns:
        dicts with the keys
            order: "N C H W" or "N H W C".
            part: "first" or "second".
            shape, strides: of a tensor by itself.
            strides in the whole: of the same values as a part of the joined tensor.
            in one piece: whether the part, within the whole, lies in memory without gaps.
            copied: whether `torch.cat` put the values into other memory.
    """
    rows = []
    for order, layout in (("N C H W", torch.contiguous_format), ("N H W C", torch.channels_last)):
        parts = [torch.rand(batch, c, size, size).contiguous(memory_format=layout) for c in channels]
        whole = torch.cat(parts, 1)
        for name, part, view in zip(("first", "second"), parts, whole.split(channels, 1), strict=True):
            # From the first value to the last there are as many places as values.
            reach = 1 + sum((n - 1) * stride for n, stride in zip(view.shape, view.stride(), strict=True))
            rows.append({
                "order": order, "part": name, "shape": tuple(part.shape), "strides": part.stride(),
                "strides in the whole": view.stride(), "in one piece": reach == view.numel(),
                "copied": part.untyped_storage().data_ptr() != whole.untyped_storage().data_ptr(),
            })
    return rows


# ---- time, and whether it is right ----

def overhead(layers, growth_rate=12, batch=8, size=16, mode="fully", against="naive", repeats=5):
    """Time of a forward and backward pass through a block in `mode`, as a multiple of that in mode `against`: the
    median of `repeats` pairs, in processor time of one thread."""
    steps = [_step(layers, growth_rate, batch, size, m) for m in (mode, against)]
    with one_thread():
        times = [[_seconds(step) for step in steps] for _ in range(repeats + 1)]
    return statistics.median(a / b for a, b in times[1:])


def _step(layers, growth_rate, batch, size, mode):
    module = block(layers, growth_rate, mode)
    x = torch.randn(batch, 2 * growth_rate, size, size, requires_grad=True)

    def step():
        module.zero_grad()
        module(x).sum().backward()

    return step


def _seconds(step):
    start = time.thread_time()
    step()
    return time.thread_time() - start


def compared(plain, efficient, steps=3, size=32):
    """Train two networks of five classes alike, from the same weights, and see what comes out differently.

    Args:
        plain, efficient: the networks; the second takes over the first one's weights.
        steps: training steps, each with a batch of four random pictures.
        size: H and W of these.

    Returns:
        a dict: `buffers`, how many there are; `differ`, the names of those that differ after training; `outputs` and
        `gradients`, whether those of every step are equal bit for bit; `weights`, the same of those in the end;
        `batches`, how many batches the first BatchNorm of the first dense layer has counted in each.
    """
    torch.manual_seed(0)
    data = [(torch.randn(4, 3, size, size), torch.randint(5, (4,))) for _ in range(steps)]
    efficient.load_state_dict(copy.deepcopy(plain.state_dict()), strict=True)
    traces = []
    for net in (plain, efficient):
        torch.manual_seed(1)                                # the same units are dropped
        optimizer, outputs, gradients = torch.optim.SGD(net.train().parameters(), lr=0.1, momentum=0.9), [], []
        for x, y in data:
            optimizer.zero_grad()
            outputs.append(net(x))
            F.cross_entropy(outputs[-1], y).backward()
            gradients += [p.grad.clone() for p in net.parameters()]
            optimizer.step()
        traces.append((outputs, gradients, list(net.parameters())))
    outputs, gradients, weights = (all(map(torch.equal, *pair)) for pair in zip(*traces, strict=True))
    buffers = dict(plain.named_buffers())
    counter = "features.denseblock1.denselayer1.norm1.num_batches_tracked"
    return {
        "buffers": len(buffers),
        "differ": [name for name, b in buffers.items() if not torch.equal(b, efficient.get_buffer(name))],
        "outputs": outputs, "gradients": gradients, "weights": weights,
        "batches": tuple(int(net.get_buffer(counter)) for net in (plain, efficient)),
    }


def torchvision_fails(steps=3):
    """The test that our modes pass and torchvision's fails: a small DenseNet, two blocks of three layers, trained
    naive and memory-efficient, `compared`. Returns the answers by mode."""
    from torchvision.models import DenseNet as Theirs

    answers = {"torchvision": compared(*(Theirs(8, (3, 3), 16, num_classes=5, memory_efficient=m)
                                         for m in (False, True)), steps)}
    for mode in ("partly", "fully"):
        answers[mode] = compared(*(DenseNet((3, 3), 8, num_classes=5, memory_efficient=OURS[m])
                                   for m in ("naive", mode)), steps)
    return answers
