"""Wrong answers to the exercises on LeNet: (exercise, answer, what it is told)."""

import torch
from torch import nn
from torch.nn import functional as F


def conv(image, kernel, **options):
    return F.conv2d(image[None, None], kernel[None, None], **options)[0, 0]


def subsampling(compute, size=None):
    """A Subsampling class that computes something else, with `size` parameters of each kind."""

    class Mutant(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(size or channels, 1, 1))
            self.bias = nn.Parameter(torch.zeros(size or channels, 1, 1))

        def forward(self, x):
            return compute(x, self.weight, self.bias)

    return Mutant


class FlatWeight(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        return self.weight * 4 * F.avg_pool2d(x, 2) + self.bias


class NoParameters(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.weight, self.bias = torch.ones(channels, 1, 1), torch.zeros(channels, 1, 1)

    def forward(self, x):
        return self.weight * 4 * F.avg_pool2d(x, 2) + self.bias


def counting(divide):
    def accuracy(model, batches):
        results = [((model(x).argmax(1) == y).sum().item(), len(y)) for x, y in batches]
        return divide(results)

    return accuracy


def accuracy_in_training_mode(model, batches):
    return counting(lambda r: sum(n for n, _ in r) / sum(m for _, m in r))(model, batches)


def accuracy_in_eval_mode_for_good(model, batches):
    model.eval()
    return accuracy_in_training_mode(model, batches)


MUTANTS = [
    ("sharing", (432, 755822656), "convolution: you forgot the bias of each map"),
    ("sharing", (27, 755822656), "the number of weights of one kernel, without its bias"),
    ("sharing", (28, 755822656), "convolution: that is one kernel with its bias"),
    ("sharing", (160, 755822656), "a kernel has weights for each of them"),
    ("sharing", (1660608, 755822656), "shared weights count once"),
    ("sharing", (448, 755761152), "dense layer: you forgot the biases"),
    ("sharing", (448, 47238916), "enough for one map"),
    ("sharing", (448, 805371904), "without padding the maps are smaller"),
    ("sharing", (448, 251981888), "three numbers a pixel"),
    ("sharing", (755822656, 448), "wrong order"),
    ("sharing", (447, 755822656), "convolution: 447 is too small. Count one kernel first"),
    ("sharing", 448, "2 numbers are wanted"),
    ("sharing", ("many", 1), "a whole number is wanted"),
    ("out-size", lambda n, k, s, p: (n + 2 * p - k) // s, "you forgot the + 1"),
    ("out-size", lambda n, k, s, p: (n + p - k) // s + 1, "padding is added on both sides"),
    ("out-size", lambda n, k, s, p: (n - k) // s + 1, "the padding is ignored"),
    ("out-size", lambda n, k, s, p: n + 2 * p - k + 1, "the stride is ignored"),
    ("out-size", lambda n, k, s, p: -(-(n + 2 * p - k) // s) + 1, "it rounds up"),
    ("out-size", lambda n, k, s, p: (n + 2 * p - k) / s + 1, "without rounding"),
    ("out-size", lambda n, k, s, p: float((n + 2 * p - k) // s + 1), "a size is an int"),
    ("out-size", lambda n, k, s, p: n // s, "PyTorch gives"),
    ("out-size", lambda n, k: n - k + 1, "stops with TypeError"),
    ("out-size", 28, "a function or a class is wanted"),
    ("why-32", (28, 14, 10, 5), "or for 28×28 with padding 2"),
    ("why-32", (23, 11, 6, 3), "you forgot the + 1"),
    ("why-32", (28, 14, 14, 7), "smaller by its kernel size less one"),
    ("why-32", (24, 12, 8, 3), "S4: half of C3 comes out whole"),
    ("why-32", (24, 12), "4 numbers are wanted"),
    ("c3-table", (2416, 556), "four maps each: that connects every map to every map"),
    ("c3-table", (1516, 556), "that is C3 as it stands in the paper"),
    ("c3-table", (1600, 556), "four maps each: you forgot the bias"),
    ("c3-table", (1664, 556), "a map has one bias"),
    ("c3-table", (1616, 540), "3×3 kernels: you forgot the bias"),
    ("c3-table", (1616, 160), "a kernel of its own for each map of S2"),
    ("connections", 340068, "the ten outputs are missing"),
    ("connections", 60000, "those are the parameters"),
    ("connections", 339332, "four inputs and a bias"),
    ("connections", 340909, "340,909 is too large. Go layer by layer"),
    ("receptive-field", (7, 9), "neighbours are 2 pixels apart"),
    ("receptive-field", (16, 32), "right for kernels of 5×5"),
    ("receptive-field", (10, 14), "after S4 neighbours are 4 pixels apart"),
    ("receptive-field", (8, 18), "that is what a unit of C3 sees"),
    ("receptive-field", (18, 10), "wrong order"),
    ("receptive-field", (2, 3), "that is the window on the map below"),
    ("equivariance", (1, 2, 1, 2), "along the way they multiply"),
    ("equivariance", (1, 1, 1, 1), "with other numbers, not with a shift"),
    ("equivariance", (5, 6, 14, 16), "that is how much a unit sees"),
    ("equivariance", (1, 2, 4, 8), "keeps the step of its input"),
    ("convolution", lambda i, k: conv(i, k.flip(0, 1)), "the kernel is turned over"),
    ("convolution", lambda i, k: conv(i, k.T), "rows and columns of the kernel are exchanged"),
    ("convolution", lambda i, k: conv(i, k)[:-1, :-1], "the last row and the last column are missing"),
    ("convolution", lambda i, k: conv(i, k, padding=1), "the size is kept"),
    ("convolution", lambda i, k: conv(i, k, stride=3), "the windows do not overlap"),
    ("convolution", lambda i, k: conv(i, k) + 1, "differs from ours by up to 1"),
    ("convolution", lambda i, k: 3.0, "a tensor is wanted"),
    ("scaled-tanh", torch.tanh, "that is the plain tanh"),
    ("scaled-tanh", lambda x: 1.7159 * torch.tanh(x), "you forgot S"),
    ("scaled-tanh", lambda x: torch.tanh(2 / 3 * x), "you forgot A"),
    ("scaled-tanh", lambda x: 2 / 3 * torch.tanh(1.7159 * x), "A and S are exchanged"),
    ("scaled-tanh", torch.sigmoid, "the logistic sigmoid"),
    ("subsampling", subsampling(lambda x, w, b: w * F.avg_pool2d(x, 2) + b), "the mean of the four units"),
    ("subsampling", subsampling(lambda x, w, b: w * 4 * F.avg_pool2d(x, 2)), "the bias is not added"),
    ("subsampling", subsampling(lambda x, w, b: w * F.max_pool2d(x, 2) + b), "it takes the largest"),
    ("subsampling", subsampling(lambda x, w, b: w * (4 * F.avg_pool2d(x, 2) + b)), "added after it"),
    ("subsampling", subsampling(lambda x, w, b: torch.tanh(w * 4 * F.avg_pool2d(x, 2) + b)), "leave the squashing out"),
    ("subsampling", subsampling(lambda x, w, b: w * 4 * F.avg_pool2d(x, 2) + b, size=1), "each map has one"),
    ("subsampling", subsampling(lambda x, w, b: w * 4 * F.avg_pool2d(x, 2, 1) + b), "has shape (2, 3, 5, 7)"),
    ("subsampling", FlatWeight, "give the parameters the shape (C, 1, 1)"),
    ("subsampling", NoParameters, "found: none"),
    ("subsampling", lambda channels: channels, "a torch.nn.Module is wanted"),
    ("rbf-output", lambda x, codes: torch.cdist(x, codes), "leave the root out"),
    ("rbf-output", lambda x, codes: -torch.cdist(x, codes) ** 2, "that is minus the distance"),
    ("rbf-output", lambda x, codes: torch.cdist(x, codes) ** 2 / 84, "the mean over the 84 units"),
    ("rbf-output", lambda x, codes: torch.cdist(x, codes, p=1), "not of their squares"),
    ("rbf-output", lambda x, codes: x @ codes.T, "a linear layer"),
    ("rbf-output", lambda x, codes: torch.cdist(codes, x) ** 2, "a row for each picture"),
    ("accuracy", counting(lambda r: sum(n / 100 for n, _ in r) / len(r)), "right for any batch size? No"),
    ("accuracy", counting(lambda r: sum(n / m for n, m in r) / len(r)), "the images of a small last batch"),
    ("accuracy", counting(lambda r: 100 * sum(n for n, _ in r) / sum(m for _, m in r)), "gets 100.000"),
    ("accuracy", accuracy_in_training_mode, "judged by the company it keeps"),
    ("accuracy", accuracy_in_eval_mode_for_good, "put it back"),
    ("sharing", (27, 4), "convolution: that is the number of weights of one kernel"),
    ("sharing", (448, 4), "dense layer: 4 is too small. How many numbers go in, how many come out?"),
    ("sharing", (449, 4), "(0 of 2 right)"),
    ("receptive-field", (10, 27), "C5: 27 is too large. Go layer by layer"),
    ("receptive-field", (4, 18), "S4: that is what a unit of S2 sees; C3 and S4 come after it. (1 of 2 right)"),
    ("receptive-field", (16, 18), "S4: right for kernels of 5×5"),
    ("equivariance", (1, 2, 2, 2), "S4: along the way the steps multiply"),
    ("equivariance", (1, 2, 4, 4), "C3: a convolution with stride 1 keeps the step of its input. (3 of 4 right)"),
    ("why-32", (24, 24, 20, 20), "S2: a subsampling halves."),
    ("c3-table", (1616, 556 + 1), "3×3 kernels: 557 is too large. Count the crosses"),
    ("connections", 340908 - 122304, "C1 is missing"),
]
