"""LeNet-5 as published in 1998, and the two networks that carry its name or its task today.

Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition",
Proceedings of the IEEE 86 (1998), section II-B and table I.
"""

import torch
from torch import nn
from torch.nn import functional as F

from ..checks import at_least, image_of, one_of

# Table I of the paper: row = map of S2, column = map of C3, X = connected. The first six C3 maps see three
# neighbours, the next nine see four, the last sees all six: 60 connections instead of 96, so that the maps
# cannot all become the same and the cost stays bounded.
C3_TABLE = """
X . . . X X X . . X X X X . X X
X X . . . X X X . . X X X X . X
X X X . . . X X X . . X . X X X
. X X X . . X X X X . . X . X X
. . X X X . . X X X X . X X . X
. . . X X X . . X X X X . X X X
"""

# Targets of the output layer: a 7x12 picture of each digit, +1 ink, -1 paper, as in section II-B (figure 3).
# The paper's own bitmaps are an ASCII set; these were drawn anew for this library in the same format.
DIGITS_7X12 = """
.......  .......  .......  .......  .......  .......  .......  .......  .......  .......
..###..  ...#...  ..###..  ..###..  ....##.  ######.  ..###..  ######.  ..###..  ..###..
.#...#.  ..##...  .#...#.  .#...#.  ...#.#.  #......  .#...#.  .....#.  .#...#.  .#...#.
#.....#  .#.#...  .....#.  .....#.  ..#..#.  #......  #......  .....#.  #.....#  #.....#
#.....#  ...#...  .....#.  .....#.  .#...#.  #......  #......  ....#..  .#...#.  #.....#
#.....#  ...#...  ....#..  ..###..  #....#.  #####..  #.###..  ....#..  ..###..  .#....#
#.....#  ...#...  ...#...  .....#.  #######  .....#.  ##...#.  ...#...  .#...#.  ..#####
#.....#  ...#...  ..#....  ......#  .....#.  ......#  #.....#  ...#...  #.....#  ......#
#.....#  ...#...  .#.....  ......#  .....#.  ......#  #.....#  ..#....  #.....#  ......#
.#...#.  ...#...  .#.....  .#...#.  .....#.  .#...#.  .#...#.  ..#....  .#...#.  .#...#.
..###..  .#####.  .######  ..###..  .....#.  ..###..  ..###..  ..#....  ..###..  ..###..
.......  .......  .......  .......  .......  .......  .......  .......  .......  .......
"""


class ScaledTanh(nn.Module):
    """f(a) = 1.7159 tanh(2a/3), so that f(1) = 1 and f(-1) = -1 (the paper's appendix A)."""

    def forward(self, x):
        return 1.7159 * torch.tanh(2 / 3 * x)


class Subsampling(nn.Module):
    """S2 and S4: the sum of a 2x2 window, times a learned factor, plus a learned bias.

    (N, C, H, W) -> (N, C, H/2, W/2); one factor and one bias a map, 2C parameters.
    """

    def __init__(self, channels):
        super().__init__()
        # At first an average, so that the squashing after it works in its steep part.
        self.weight = nn.Parameter(torch.full((channels, 1, 1), 0.25))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x):
        return self.weight * 4 * F.avg_pool2d(x, 2) + self.bias


class SparseConv2d(nn.Module):
    """C3: a 5x5 convolution in which a map sees only the maps that `table` marks.

    (N, 6, H, W) -> (N, 16, H-4, W-4). Only the 60 kernels that exist are parameters.
    """

    def __init__(self, table=C3_TABLE, kernel_size=5):
        super().__init__()
        rows = [row.split() for row in table.strip().splitlines()]
        connected = torch.tensor([[cell == "X" for cell in row] for row in rows], device="cpu")
        self.in_channels, self.out_channels = connected.shape
        source, target = connected.T.nonzero().flip(1).unbind(1)
        self.register_buffer("source", source, persistent=False)
        self.register_buffer("target", target, persistent=False)
        self.weight = nn.Parameter(torch.empty(len(source), kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(self.out_channels))
        # Appendix A: uniform in +-2.4/F, F the number of inputs of the unit.
        inputs = (connected.sum(0)[target] * kernel_size**2).to(self.weight.device)
        with torch.no_grad():
            self.weight.uniform_(-2.4, 2.4).div_(inputs[:, None, None])

    def dense_weight(self):
        """The kernels as (out, in, k, k), zero where the table has no connection."""
        k = self.weight.shape[-1]
        dense = self.weight.new_zeros(self.out_channels, self.in_channels, k, k)
        return dense.index_put((self.target, self.source), self.weight)

    def forward(self, x):
        return F.conv2d(x, self.dense_weight(), self.bias)

    def count_macs(self, x, y):
        """Multiply-accumulates of one call, of the connections that exist."""
        return self.weight.numel() * y.shape[2:].numel() * y.shape[0]

    def extra_repr(self):
        size = f"{self.in_channels}, {self.out_channels}"
        return f"{size}, connections={len(self.weight)}"


class EuclideanRBF(nn.Module):
    """Output: y_i = sum_j (x_j - w_ij)^2, the squared distance to the picture of digit i.

    (N, 84) -> (N, 10) scores -y_i, so that the largest wins, and cross-entropy on them is the
    paper's equation 9 without its constant for "none of the digits". No free parameters.
    """

    def __init__(self, codes=DIGITS_7X12):
        super().__init__()
        rows = [line.split() for line in codes.strip().splitlines()]
        pictures = ["".join(row[digit] for row in rows) for digit in range(len(rows[0]))]
        self.register_buffer(
            "codes", torch.tensor([[1.0 if c == "#" else -1.0 for c in picture] for picture in pictures])
        )

    def forward(self, x):
        return -((x[:, None, :] - self.codes) ** 2).sum(2)

    def count_macs(self, x, y):
        """Multiply-accumulates of one call: one square and add for each of the 84 x 10 connections."""
        return self.codes.numel() * y.shape[0]


class LeNet5(nn.Module):
    """LeNet-5 of 1998: 60,000 trainable parameters, checked layer by layer.

    Input (N, 1, 32, 32): a field of 28x28 with the digit in its middle, and two pixels of paper on each side.
    Output (N, 10) scores.
    """

    in_channels, standard_size = 1, 32

    def __init__(self):
        super().__init__()
        self.squash = ScaledTanh()
        self.c1 = nn.Conv2d(1, 6, 5)
        self.s2 = Subsampling(6)
        self.c3 = SparseConv2d()
        self.s4 = Subsampling(16)
        self.c5 = nn.Conv2d(16, 120, 5)         # on a larger picture it would slide
        self.f6 = nn.Linear(120, 84)
        self.output = EuclideanRBF()
        for layer in (self.c1, self.c5, self.f6):
            bound = 2.4 / layer.weight[0].numel()
            nn.init.uniform_(layer.weight, -bound, bound)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        image_of("lenet5", x, 1, 32, 32)
        x = self.squash(self.c1(x))             # (N, 6, 28, 28)
        x = self.squash(self.s2(x))             # (N, 6, 14, 14)
        x = self.squash(self.c3(x))             # (N, 16, 10, 10)
        x = self.squash(self.s4(x))             # (N, 16, 5, 5)
        x = self.squash(self.c5(x))             # (N, 120, 1, 1)
        x = self.squash(self.f6(x.flatten(1)))  # (N, 84)
        return self.output(x)                   # (N, 10)


ACTIVATIONS = {"none": nn.Identity, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}
POOLINGS = {"avg": nn.AvgPool2d, "max": nn.MaxPool2d}


class LeNet5Modern(nn.Module):
    """What is called LeNet-5 today: full C3, plain pooling, a linear output. 61,706 parameters.

    Input (N, in_channels, 28, 28), output (N, num_classes) logits.

    Args:
        num_classes: number of outputs.
        in_channels: 1 for grey, 3 for colour.
        kernel_size: of the first convolution, 5 (padding 2) or 3 (padding 1): both keep 28x28.
        pooling: "avg" or "max", window 2.
        activation: "relu", "tanh", "sigmoid", or "none" (then the network is one linear map but for the pooling).
    """

    standard_size = 28

    def __init__(
        self, num_classes=10, in_channels=1, kernel_size=5, pooling="max", activation="relu"
    ):
        super().__init__()
        at_least("num_classes", num_classes, 1)
        self.in_channels = at_least("in_channels", in_channels, 1)
        one_of("kernel_size", kernel_size, (5, 3))
        one_of("activation", activation, tuple(ACTIVATIONS))
        self.activation = ACTIVATIONS[activation]()
        pool = POOLINGS[one_of("pooling", pooling, tuple(POOLINGS))]
        self.c1 = nn.Conv2d(in_channels, 6, kernel_size, padding=kernel_size // 2)
        self.s2 = pool(2)
        self.c3 = nn.Conv2d(6, 16, 5)
        self.s4 = pool(2)
        self.c5 = nn.Linear(16 * 5 * 5, 120)
        self.f6 = nn.Linear(120, 84)
        self.output = nn.Linear(84, num_classes)

    def forward(self, x):
        image_of("lenet5_modern", x, self.in_channels, 28, 28)
        x = self.s2(self.activation(self.c1(x)))    # (N, 6, 14, 14)
        x = self.s4(self.activation(self.c3(x)))    # (N, 16, 5, 5)
        x = self.activation(self.c5(x.flatten(1)))  # (N, 120)
        x = self.activation(self.f6(x))             # (N, 84)
        return self.output(x)                       # (N, num_classes)


class MnistCNN(nn.Module):
    """A larger network for the same task, with BatchNorm after each of its four convolutions: 2,328,298 parameters.

    Input (N, 1, 28, 28), output (N, num_classes) logits. Not from a paper: it stands for the many tutorial
    networks of the 2010s (two stages of two unpadded 3x3 convolutions, then three dense layers).
    """

    in_channels, standard_size = 1, 28

    def __init__(self, num_classes=10):
        super().__init__()
        at_least("num_classes", num_classes, 1)

        def conv(cin, cout):
            return [nn.Conv2d(cin, cout, 3), nn.BatchNorm2d(cout), nn.ReLU()]

        self.features = nn.Sequential(
            *conv(1, 16),           # (N, 16, 26, 26)
            *conv(16, 32),          # (N, 32, 24, 24)
            nn.MaxPool2d(2),        # (N, 32, 12, 12)
            *conv(32, 64),          # (N, 64, 10, 10)
            *conv(64, 128),         # (N, 128, 8, 8)
            nn.MaxPool2d(2),        # (N, 128, 4, 4)
        )
        self.classifier = nn.Sequential(
            nn.Linear(128 * 4 * 4, 1024), nn.ReLU(),
            nn.Linear(1024, 128), nn.ReLU(),
            nn.Linear(128, num_classes),
        )

    def forward(self, x):
        image_of("mnist_cnn", x, 1, 28, 28)
        return self.classifier(self.features(x).flatten(1))


MODELS = {"lenet5": LeNet5, "lenet5_modern": LeNet5Modern, "mnist_cnn": MnistCNN}
