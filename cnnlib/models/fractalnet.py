"""FractalNet: very deep without shortcuts, because short paths and long ones through it end in the same place.

Source: Larsson, Maire, Shakhnarovich, "FractalNet: ultra-deep neural networks without residuals", ICLR 2017:
    section 3 (expansion rule, figure 1; drop-path), section 4 (five blocks, their widths).
"""

from collections import Counter
from dataclasses import dataclass

import torch
from torch import nn

from ..checks import at_least, below_one, eighths, images, one_of
from .specs import built_from


class FractalConv(nn.Sequential):
    """The layer that everything is made of: 3x3, BatchNorm, ReLU. (N, c, H, W) -> (N, out_channels, H, W)."""

    def __init__(self, in_channels, out_channels, dropout=0.0):
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.Dropout(dropout),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class Fractal(nn.Module):
    """f_C of the expansion rule: a convolution beside two f_(C-1) in a row; f_1 is the convolution alone.

    (N, in_channels, H, W) -> (N, out_channels, H, W). Column c of C has 2^(C-c) convolutions in a row, all together
    2^C - 1. Where branches end together they meet in one join, as in figure 1.

    Args:
        columns: C.
        drop_rate: probability with which a join drops an input while `dropping` is set, as the network does for a
            training batch.
        dropout: of single values in each convolution.
    """

    def __init__(self, columns, in_channels, out_channels, drop_rate=0.0, dropout=0.0):
        super().__init__()
        self.conv = FractalConv(in_channels, out_channels, dropout)
        if columns > 1:
            self.first = Fractal(columns - 1, in_channels, out_channels, drop_rate, dropout)
            self.second = Fractal(columns - 1, out_channels, out_channels, drop_rate, dropout)
        self.columns, self.drop_rate, self.dropping = columns, drop_rate, False

    def branches(self, x):
        """What is to be joined at the end: the output of each column, (N, out_channels, H, W), the shortest first."""
        if self.columns == 1:
            return [self.conv(x)]
        return [self.conv(x), *self.second.branches(self.first(x))]

    def column(self, x, c):
        """The output of column c alone, c = 0 the shortest: a plain network of 2^c layers."""
        return self.conv(x) if c == 0 else self.second.column(self.first.column(x, c - 1), c - 1)

    def forward(self, x):
        branches = self.branches(x)
        return self.join(*branches) if len(branches) > 1 else branches[0]

    def join(self, *inputs):
        """The mean of the inputs, (N, C, H, W) each; while `dropping`, of some of them, at least one."""
        if self.dropping:
            kept = torch.rand(len(inputs), device="cpu") >= self.drop_rate
            if not kept.any():
                kept[torch.randint(len(inputs), (), device="cpu")] = True
            inputs = [x for x, keep in zip(inputs, kept.tolist(), strict=True) if keep]
        total = inputs[0]
        for x in inputs[1:]:
            total = total + x
        return total / len(inputs)


def path_lengths(columns, blocks=1):
    """How many paths of each length lead through the network: {convolutions: paths}, by the expansion rule.

    The shortest has one convolution a block, the longest 2^(columns - 1).
    """
    def in_a_row(a, b):
        lengths = Counter()
        for i, j in ((i, j) for i in a for j in b):
            lengths[i + j] += a[i] * b[j]
        return lengths

    fractal = Counter({1: 1})
    for _ in range(columns - 1):
        fractal = Counter({1: 1}) + in_a_row(fractal, fractal)
    network = fractal
    for _ in range(blocks - 1):
        network = in_a_row(network, fractal)
    return dict(sorted(network.items()))


@dataclass(frozen=True)
class FractalNetSpec:
    """The arguments of FractalNet, checked."""

    columns: int = 3
    blocks: int = 5
    num_classes: int = 10
    variant: str = "paper"
    in_channels: int = 3
    width: float = 1.0
    drop_path: str = "none"
    drop_rate: float = 0.15
    dropout: float = 0.0

    def __post_init__(self):
        one_of("columns", self.columns, range(1, 9))
        one_of("blocks", self.blocks, range(1, 9))
        at_least("num_classes", self.num_classes, 1)
        one_of("variant", self.variant, ("paper", "cifar"))
        at_least("in_channels", self.in_channels, 1)
        eighths("width", self.width)
        one_of("drop_path", self.drop_path, ("none", "local", "global", "mixed"))
        below_one("drop_rate", self.drop_rate)
        below_one("dropout", self.dropout)


@built_from(FractalNetSpec)
class FractalNet(nn.Module):
    """FractalNet: `blocks` fractals of `columns` columns, with max pooling after each.

    Input (N, in_channels, H, W), 32x32 in the paper, from 2^blocks; output (N, num_classes) logits. The deepest path
    has blocks x 2^(columns - 1) convolutions: 20 with three columns (33,724,618 parameters), 40 with four.

    Args:
        columns: C of the expansion rule, 1 to 8; 1 is a plain network.
        blocks: B, 1 to 8.
        num_classes: number of outputs.
        variant: "paper" or "cifar": the same network.
        in_channels: 3 for colour.
        width: factor of the published channels, 64, 128, 256, 512, 512, a multiple of 1/8.
        drop_path: which paths a training batch takes. "none": all. "local": each join drops its inputs at random.
            "global": all layers but those of one random column rest. "mixed": a coin decides between the two.
        drop_rate: probability that a join drops an input on a local way, 0.15 in the paper.
        dropout: of single values, in the last block; it rises linearly from 0 in the first. The paper's runs with
            dropout have 0.4.

    Raises:
        ValueError: an argument is out of range; nothing has been allocated then.
    """

    def __init__(self, spec):
        super().__init__()
        self.blocks, channels = nn.ModuleList(), spec.in_channels
        for i in range(spec.blocks):
            out, deep = int(64 * min(2**i, 8) * spec.width), i / (spec.blocks - 1) if spec.blocks > 1 else 1
            self.blocks.append(Fractal(spec.columns, channels, out, spec.drop_rate, spec.dropout * deep))
            channels = out
        self.pool = nn.MaxPool2d(2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, spec.num_classes)
        self.drop_path, self.in_channels = spec.drop_path, spec.in_channels
        self.smallest, self.standard_size = 2**spec.blocks, 32      # every pooling halves
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(module.weight)

    def forward(self, x):
        images("FractalNet", x, self.in_channels, self.smallest)
        column = self.draw_paths()
        for block in self.blocks:                       # (N, 64, 32, 32), (N, 128, 16, 16), ... (N, 512, 2, 2)
            x = block(x) if column is None else block.column(x, column)
            x = self.pool(x)                            # (N, 64, 16, 16), (N, 128, 8, 8), ... (N, 512, 1, 1)
        x = self.avgpool(x).flatten(1)                  # (N, 512)
        return self.fc(x)                               # (N, num_classes)

    def draw_paths(self):
        """Decide for this batch: the one column to take, or None for all, joins then dropping or not."""
        way = self.drop_path if self.training else "none"
        if way == "mixed":
            way = ("local", "global")[torch.randint(2, (), device="cpu").item()]
        for module in self.modules():
            if isinstance(module, Fractal):
                module.dropping = way == "local"
        columns = self.blocks[0].columns
        return torch.randint(columns, (), device="cpu").item() if way == "global" else None


MODELS = {"fractalnet": FractalNet}
