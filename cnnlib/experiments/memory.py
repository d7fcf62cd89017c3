"""What training a DenseNet keeps in memory: measured, by formula, and with three ways to keep less.

The modes, of a dense block and of a whole network:
    naive: everything that autograd asks for.
    torchvision: `memory_efficient=True` of torchvision's block.
    partly: ours, `memory_efficient="partly"`: no convolution is computed twice.
    fully: ours, `memory_efficient=True`: the maps themselves and nothing else.

Sources: Pleiss, Chen, Huang, Li, van der Maaten, Weinberger, "Memory-efficient implementation of DenseNets", 2017.
"""

MODES = {
    "naive": "keeps everything",
    "torchvision": "torchvision's memory_efficient=True",
    "partly": "ours, no convolution twice",
    "fully": "ours, the maps and nothing else",
}


def block(layers, growth_rate=12, mode="naive", start=None, bottleneck=True):
    """A dense block of `layers` layers in one of MODES, (N, start, H, W) -> (N, start + layers x growth_rate, H, W);
    start: maps that enter it, 2 x growth_rate if not given."""


def network(depth=40, growth_rate=12, mode="naive", bottleneck=True):
    """A DenseNet(-BC if bottleneck) for CIFAR of that depth whose dense blocks are in one of MODES."""


def kept(layers, growth_rate=12, batch=8, size=16, mode="naive", start=None, bottleneck=True):
    """Bytes that a block keeps for the backward pass, MEASURED by saved-tensor hooks on the CPU."""


def computed(layers, growth_rate=12, batch=8, size=16, mode="naive", start=None, bottleneck=True):
    """The same by formula: equal to `kept`, to the byte, for every argument. Costs nothing."""


def output_bytes(layers, growth_rate=12, batch=8, size=16, start=None):
    """Bytes of a block's own output, float32: the least that a backward pass needs of it."""


def network_kept(depth=40, growth_rate=12, batch=1, size=32, mode="naive", bottleneck=True):
    """Bytes that a whole network keeps for the backward pass, MEASURED."""


def network_computed(depth=40, growth_rate=12, batch=1, size=32, mode="naive", bottleneck=True):
    """The same by formula: equal to `network_kept`, to the byte."""


def network_weights(depth=40, growth_rate=12, bottleneck=True):
    """Bytes of a network's parameters; training needs three times as much: gradients, and SGD's momentum."""


def deepest(limit, growth_rate=12, batch=64, size=32, mode="naive", bottleneck=True):
    """The deepest network whose kept bytes, parameters, gradients and momentum fit into `limit` bytes: (depth, bytes),
    by formula; (None, bytes of the smallest) where none fits."""


def meter(depth=40, growth_rate=12, batch=64, size=32, mode="naive", limit=2**30, points=(10, 22, 40)):
    """What the memory meter shows, a dict:
        bytes: of training this network (kept + 3 x parameters), by formula;
        measured: {depth: bytes}, of the `points` not deeper than `depth`: kept bytes measured with ONE picture and
            multiplied by the batch? (no: measured with the batch given, points are small nets) + 3 x parameters;
        computed: {depth: bytes}, the curve, to the deepest net that fits or 1.2 x depth;
        limit; deepest: depth of the deepest net that fits, None if none does."""


def temporaries(layers, growth_rate=12, size=8, batch=1):
    """Bytes of the temporaries that the formula WHk(1+L)L counts, MEASURED: the feature maps kept by a naive block
    without bottleneck that k maps enter."""


def formula(layers, growth_rate=12, size=8, batch=1):
    """4 bytes x batch x W H k (1 + L) L, the formula itself."""


def parabola(layers, nbytes):
    """Least squares fit nbytes = a + b L + c L^2: (a, b, c)."""


def convolution_weights(layers, growth_rate):
    """Bytes of the weights of that block, counted in the block: 4 x 9 k^2 L (L + 1) / 2."""


def threshold(growth_rate):
    """9k/2: with more pixels W H than that, a picture's temporaries take more memory than the weights."""


def joins(batch=2):
    """Why joining along channels copies: list of dicts, a row for a part of a joined tensor in each memory format
    (NCHW, NHWC): shape, strides, strides that a tensor of its own would have, whether it is in one piece, whether
    `torch.cat` shares memory with its parts."""


def overhead(layers, growth_rate=12, batch=8, size=16, mode="fully", against="naive", repeats=5):
    """Time of a step (forward and backward) in `mode` over that in mode `against`: median of paired ratios."""


def torchvision_fails(steps=3):
    """The test that ours pass and torchvision's efficient mode fails. Trains a network of torchvision's, blocks of
    (3, 3), naive and memory-efficient from the same weights on the same batches; the same with ours.
    Returns {"torchvision": D, "ours, partly": D, "ours, fully": D}, D with
        buffers (how many there are), differ (names of those that differ), outputs, gradients (equal bit by bit, after
        the first step), counted (num_batches_tracked of the first norm1: naive, efficient)."""
