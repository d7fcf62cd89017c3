"""Wrong answers to the exercises on ResNet: (exercise, answer, what it is told)."""

from math import comb

import torch
from torch import nn
from torch.nn import functional as F


def padded(take, front=False):
    """Option A with another way to take the pixels, or with the new maps in front."""

    def zero_pad(x, channels, stride):
        new = channels - x.shape[1]
        return F.pad(take(x, stride), (0, 0, 0, 0, *((new, 0) if front else (0, new))))

    return zero_pad


def copied(x, channels, stride):
    steps = x[:, :, ::stride, ::stride]
    return torch.cat([steps] * 3, 1)[:, :channels]


def lengths(tensor):
    return tensor.flatten(1).norm(dim=1).reshape(-1, *[1] * (tensor.dim() - 1))


def steps(x, s):
    return x[:, :, ::s, ::s]


def block(compute, bias=False):
    """A Block that computes something else: compute(x, conv1, bn1, conv2, bn2)."""

    class Mutant(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=bias)
            self.bn1 = nn.BatchNorm2d(channels)
            self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=bias)
            self.bn2 = nn.BatchNorm2d(channels)

        def forward(self, x):
            return compute(x, *self.children())

    return Mutant


def right_block(x, c1, b1, c2, b2):
    return (x + b2(c2(b1(c1(x)).relu()))).relu()


def only_the_scale(block):
    nn.init.zeros_(block.bn2.weight)
    return block


def no_last_kernel(block):
    nn.init.zeros_(block.conv2.weight)
    return block


def nearly(block):
    nn.init.constant_(block.bn2.weight, 1e-7)
    nn.init.zeros_(block.bn2.bias)
    return block


def in_place(stage, index):
    del stage[index]
    return stage


def left(n, k, lengths):
    """Of the paths with so many of n branches, the share without k of the blocks; 0 if there are no lengths."""
    lengths = list(lengths)
    return sum(comb(n - k, x) for x in lengths) / max(1, sum(comb(n, x) for x in lengths))


def weighted(n, r):
    return [comb(n, x) * r**x for x in range(n + 1)]


def chances(n, p):
    return [1 - i / n * (1 - p) for i in range(1, n + 1)]


def gradient(model, x, y, clear=True):
    if clear:
        model.zero_grad()
    F.cross_entropy(model(x), y).backward()
    return [p.grad.flatten().clone() for p in model.parameters()]


def cosine(g, h):
    return F.cosine_similarity(torch.cat(g), torch.cat(h), 0).item()


def adding_up(model, a, b):
    return cosine(gradient(model, *a), gradient(model, *b, clear=False))


def never_cleared(model, a, b):
    return cosine(gradient(model, *a, clear=False), gradient(model, *b, clear=False))


def product(model, a, b):
    return (torch.cat(gradient(model, *a)) @ torch.cat(gradient(model, *b))).item()


def mean_of_tensors(model, a, b):
    pairs = list(zip(gradient(model, *a), gradient(model, *b), strict=True))
    return sum(F.cosine_similarity(g, h, 0).item() for g, h in pairs) / len(pairs)


def with_a_step(model, a, b):
    answer = cosine(gradient(model, *a), gradient(model, *b))
    with torch.no_grad():
        for p in model.parameters():
            p -= 0.1 * p.grad
    return answer


def middle_of_all(channels):
    weight = torch.zeros(channels, channels, 3, 3)
    weight[:, :, 1, 1] = 1
    return weight


def one_path(branches, x, bits):
    for branch, bit in zip(branches, bits, strict=True):
        x = branch(x) if bit else x
    return x


def adding(branches, x, bits):
    for branch, bit in zip(branches, bits, strict=True):
        x = x + branch(x) if bit else x
    return x


def each_reads_x(branches, x, bits):
    value = x
    for branch, bit in zip(branches, bits, strict=True):
        value = branch(x) if bit else value
    return value


def skip(join, start, size=None):
    """A SkipInit that joins x, branch(x) and the number in another way, or begins with another number."""

    class Mutant(nn.Module):
        def __init__(self, branch):
            super().__init__()
            self.branch, self.scale = branch, nn.Parameter(torch.full((size, 1, 1) if size else (), start))

        def forward(self, x):
            return join(x, self.branch(x), self.scale)

    return Mutant


MUTANTS = [
    ("depth", (24, 200), "wrong order"),
    ("depth", (134, 24), "three convolutions"),
    ("depth", (198, 24), "count, too"),
    ("depth", (204, 24), "do not count the 1×1"),
    ("depth", (200, 72), "all three stages"),
    ("depth", (200, 48), "n counts blocks"),
    ("depth", (200, 23), "n: 23 is too small. 146 layers are three stages"),
    ("shortcut-cost", (0, 8192, 16384), "two parameters a map"),
    ("shortcut-cost", (0, 8320, 16512), "two parameters a map"),
    ("shortcut-cost", (0, 8576, 16768), "has no bias"),
    ("shortcut-cost", (0, 8448, 0), "where the sizes are equal, too"),
    ("shortcut-cost", (0, 73984, 147712), "not 3×3"),
    ("shortcut-cost", (64, 8448, 16640), "nothing is learned there"),
    ("shortcut-cost", (0, 8448), "3 numbers are wanted"),
    ("zero-pad", padded(steps, front=True), "after the old ones"),
    ("zero-pad", padded(F.avg_pool2d), "not averaged"),
    ("zero-pad", padded(F.max_pool2d), "a window of one pixel"),
    ("zero-pad", padded(lambda x, s: x), "the stride is ignored"),
    ("zero-pad", padded(lambda x, s: x[:, :, s - 1 :: s, s - 1 :: s]), "begins with the second"),
    ("zero-pad", copied, "should be zero"),
    ("zero-pad", lambda x, channels, stride: steps(x, stride), "(2, 6, 3, 4) is wanted"),
    ("block", block(lambda x, c1, b1, c2, b2: b2(c2(b1(c1(x)).relu())).relu()), "x is not added"),
    ("block", block(lambda x, c1, b1, c2, b2: x + b2(c2(b1(c1(x)).relu()))), "the last ReLU is missing"),
    ("block", block(lambda x, c1, b1, c2, b2: x + b2(c2(b1(c1(x)).relu())).relu()), "comes before the sum"),
    ("block", block(lambda x, c1, b1, c2, b2: (x + b2(c2(b1(c1(x))))).relu()), "one linear map"),
    ("block", block(lambda x, c1, b1, c2, b2: (x * b2(c2(b1(c1(x)).relu()))).relu()), "multiplied, not added"),
    ("block", block(lambda x, c1, b1, c2, b2: (x + b2(c2(b1(c1(x)).sigmoid()))).relu()), "differs from ours"),
    ("block", block(right_block, bias=True), "conv1.bias, conv2.bias cannot matter before BatchNorm"),
    ("block", lambda channels: nn.Conv2d(channels, channels, 3, padding=1, bias=False), "found: weight (4, 4, 3, 3)"),
    ("block", lambda channels: channels, "a torch.nn.Module is wanted"),
    ("identity", only_the_scale, "What does BatchNorm add?"),
    ("identity", no_last_kernel, "What does BatchNorm add?"),
    ("identity", nearly, "nearly the identity"),
    ("identity", lambda block: "done", "it should return the block"),
    ("identity", lambda block: block.bn3, "stops with AttributeError"),
    ("survivors", lambda n, k, low, high: 0.5**k, "long ones die more easily"),
    ("survivors", lambda n, k, low, high: left(n, k, range(low, high)), "range stops before its end"),
    ("survivors", lambda n, k, low, high: left(n, k, [(low + high) // 2]), "cases differ from ours"),
    ("survivors", lambda n, k, low, high: sum(left(n, k, [x]) for x in range(low, high + 1)) / (high - low + 1),
     "the mean of the shares"),
    ("survivors", lambda n, k, low, high: 1 - left(n, k, range(low, high + 1)), "the share that is lost"),
    ("survivors", lambda n, k, low, high: sum(comb(n - k, x) for x in range(low, high + 1)), "a number of paths"),
    ("survivors", lambda n, k, low, high: sum(comb(n - k, x) for x in range(low, high + 1)) / 2**n, "of all 2^n paths"),
    ("survivors", lambda n, k, low, high: "few", "cases differ from ours"),
    ("mean-length", lambda n, r: n / 2, "their weights are ignored"),
    ("mean-length", lambda n, r: n * r, "skipped with weight 1 − r"),
    ("mean-length", lambda n, r: sum(x * r**x for x in range(n + 1)) / sum(r**x for x in range(n + 1)),
     "share the length x"),
    ("mean-length", lambda n, r: sum(x * w for x, w in enumerate(weighted(n, r))), "divide by their sum"),
    ("mean-length", lambda n, r: sum(x * w for x, w in enumerate(weighted(n, r))) / 2**n, "not by the number of paths"),
    ("mean-length", lambda n, r: max(range(n + 1), key=weighted(n, r).__getitem__), "the mean is wanted"),
    ("expected-depth", lambda n, p: n * p, "the chance of the last"),
    ("expected-depth", lambda n, p: n - sum(chances(n, p)), "how many are skipped"),
    ("expected-depth", lambda n, p: 1 + sum(chances(n, p)[:-1]), "counted from 1"),
    ("expected-depth", lambda n, p: n * (1 + p) / 2, "does not survive with probability 1"),
    ("expected-depth", lambda n, p: sum(chances(n, p)) / n, "is the expected number"),
    ("some-blocks", (2**27, 6, 18), "of the whole network"),
    ("some-blocks", (comb(27, 12), 6, 18), "sets of 12 blocks"),
    ("some-blocks", (4096, 13, 18), "half of all 27"),
    ("some-blocks", (4096, 6, 8), "12 of 27 steps only"),
    ("some-blocks", (4096, 6, 14), "here they are 8"),
    ("some-blocks", (4096, 6, 20), "is too large"),
    ("delete", in_place, "has changed"),
    ("delete", lambda stage, index: nn.Sequential(*stage), "no block is missing"),
    ("delete", lambda stage, index: nn.Sequential(*(b for i, b in enumerate(stage) if i != (index - 1) % 5)),
     "another block is missing"),
    ("delete", lambda stage, index: nn.Sequential(*stage[:index]), "differs from ours"),
    ("delete", lambda stage, index: list(stage[:index]) + list(stage[index + 1 :]), "a module is wanted"),
    ("agreement", adding_up, "clear them between the batches"),
    ("agreement", never_cleared, "the earlier gradients are still there"),
    ("agreement", product, "divide by their lengths"),
    ("agreement", mean_of_tensors, "one long vector"),
    ("agreement", with_a_step, "the weights have changed"),
    ("agreement", lambda model, a, b: cosine(gradient(model, *a), gradient(model, *a)), "with themselves"),
    ("agreement", lambda model, a, b: 0.5, "is not the cosine"),
    ("identity-kernel", lambda c: torch.zeros(c, c, 3, 3), "differs from ours"),
    ("identity-kernel", lambda c: nn.init.dirac_(torch.empty(c, c, 3, 3)).roll((-1, -1), (2, 3)), "in the corner"),
    ("identity-kernel", middle_of_all, "the sum of all maps"),
    ("identity-kernel", lambda c: torch.eye(c)[:, :, None, None].expand(c, c, 3, 3), "the sum of its neighbours"),
    ("identity-kernel", lambda c: torch.eye(c)[:, :, None, None].expand(c, c, 3, 3) / 9, "blurs"),
    ("bottleneck", (4_718_592, 278_528), "wrong order"),
    ("bottleneck", (278_528, 2_359_296), "one of them"),
    ("bottleneck", (147_456, 4_718_592), "a 3×3 works there"),
    ("bottleneck", (1_327_104, 4_718_592), "are 1×1"),
    ("bottleneck", (212_992, 4_718_592), "is missing"),
    ("bottleneck", (280_064, 4_720_640), "counts BatchNorm"),
    ("bottleneck", (278_528, 9_216), "reads all 512 maps"),
    ("groups", (147_456, 147_456, 147_456), "of its own group"),
    ("groups", (147_456, 144, 9), "all groups have weights"),
    ("groups", (1_152, 4_608, 147_456), "wrong order"),
    ("groups", (16_384, 512, 128), "nine weights"),
    ("groups", (147_584, 4_736, 1_280), "no biases"),
    ("groups", (147_456, 9_216, 9), "a group has 4 maps"),
    ("along", lambda branches, x, bits: adding(branches, x, bits), "that is a block, not one path"),
    ("along", lambda branches, x, bits: one_path(branches[::-1], x, bits[::-1]), "wrong order"),
    ("along", lambda branches, x, bits: one_path(branches, x, [1 - bit for bit in bits]), "yours does the opposite"),
    ("along", each_reads_x, "reads what the branch before it made"),
    ("spread", (25, 2**24), "those are variances"),
    ("spread", (4096, 5), "wrong order"),
    ("spread", (25, 4096), "with: that is the variance"),
    ("spread", (5, 2**24), "without: that is the variance"),
    ("spread", (24, 4096), "what enters counts, too"),
    ("spread", (5, 24), "doubles the variance"),
    ("spread", (5, 5), "which grows"),
    ("flatter", (20, 20), "moves them by a smaller part"),
    ("flatter", (80, 80), "its own direction has the length of its own filters"),
    ("flatter", (20, 80), "wrong order"),
    ("flatter", (320, 20), "four times 0.2"),
    ("filters", lambda drawn, weight: drawn * weight.norm() / drawn.norm(), "Each filter has its own"),
    ("filters", lambda drawn, weight: drawn * lengths(weight), "divide by it"),
    ("filters", lambda drawn, weight: drawn / lengths(drawn), "has length 1"),
    ("filters", lambda drawn, weight: drawn, "nothing is scaled"),
    ("filters", lambda drawn, weight: weight, "differs from ours"),
    ("skip-init", skip(lambda x, new, scale: x + new, 0.0), "nothing is scaled"),
    ("skip-init", skip(lambda x, new, scale: x + scale * new, 1.0), "nothing is scaled"),
    ("skip-init", skip(lambda x, new, scale: x + scale * new, 0.3), "x exactly"),
    ("skip-init", skip(lambda x, new, scale: scale * (x + new), 0.0), "returns 0"),
    ("skip-init", skip(lambda x, new, scale: x + 2 * scale * new, 0.0), "differs from ours"),
    ("skip-init", skip(lambda x, new, scale: x + scale * new, 0.0, size=3), "it has 3"),
    ("skip-init", lambda branch: branch, "x exactly"),
    ("depth", (200, 16), "a block of the CIFAR networks has two convolutions, not three"),
    ("bottleneck", (278528, 524288), "two 3×3: a kernel of 3×3 has nine weights"),
    ("spread", (5, 48), "without: each block doubles the variance; 24 doublings multiply"),
]
