"""Wrong answers to the exercises on AlexNet: (exercise, answer, what it is told)."""

import statistics

import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.experiments.augmentation import crop_scores


def norm(make):
    return lambda n, k, alpha, beta: make(n, k, alpha, beta)


def linear(weight, bias):
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight.copy_(weight)
    layer.bias.copy_(bias)
    return layer


def product(layers):
    weight = layers[0].weight
    for layer in layers[1:]:
        weight = layer.weight @ weight
    return weight


def noise(shift):
    return lambda picture, values, vectors, draws: picture + shift(values, vectors, draws)[:, None, None]


def looks(combine, turn=-1, mode=False):
    def ten_crop(model, x, size):
        was = model.training
        model.train(mode)
        bottom, right = x.shape[2] - size, x.shape[3] - size
        corners = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
        scores = [model(part) for top, left in corners
                  for cut in [x[..., top:top + size, left:left + size]] for part in (cut, cut.flip(turn))]
        model.train(was)
        return combine(torch.stack(scores))

    return ten_crop


def left_in_evaluation(model, x, size):
    model.eval()
    return crop_scores(model, x, size)


MUTANTS = [
    ("first-layer", (54, 53, 1), "you forgot the + 1"),
    ("first-layer", (55, 55, 0), "round down"),
    ("first-layer", (55, 54, 0), "where does the last window on 224 pixels end"),
    ("first-layer", (54, 55, 1), "wanted: on 227; on 224; never seen"),
    ("first-layer", (55, 54, 2), "never seen: 2 is too large. Find the first pixel"),
    ("towers", (663552, 112140288, 1327488), "you forgot the biases"),
    ("towers", (1327488, 112140288, 1327488), "with two a kernel sees only its own half"),
    ("towers", (332160, 112140288, 1327488), "all 384 kernels exist"),
    ("towers", (331968, 112140288, 1327488), "that is one of the two towers"),
    ("towers", (663936, 112205184, 1327488), "a bias is added once"),
    ("towers", (663936, 224280576, 1327488), "without the towers"),
    ("towers", (663936, 112140288, 1327872), "biases do not"),
    ("towers", 663936, "3 numbers are wanted"),
    ("crops", 352, "+ 1 in each direction"),
    ("crops", 225, "can also be mirrored"),
    ("crops", 4050, "width and height are different"),
    ("crops", 100, "for each place across"),
    ("crops", 449, "449 is too small. Count the places"),
    ("batch", 302, "three numbers for each parameter"),
    ("batch", 282, "the momentum"),
    ("batch", 240, "2**30"),
    ("batch", 322, "the parameters need memory"),
    ("batch", 263, "round down"),
    ("overlap", (8, 80, 25), "that is one row of 13"),
    ("overlap", (64, 40, 25), "one above the other"),
    ("overlap", (64, 80, 36), "five pairs of neighbours"),
    ("overlap", (169, 80, 25), "overlap"),
    ("response-norm", norm(lambda n, k, a, b: nn.LocalResponseNorm(n, a, b, k)), "PyTorch divides its alpha"),
    ("response-norm", norm(lambda n, k, a, b: nn.LocalResponseNorm(n)), "only the window was passed on"),
    ("response-norm", norm(lambda n, k, a, b: nn.LocalResponseNorm(n, a * n, b)), "k is PyTorch's own"),
    ("response-norm", norm(lambda n, k, a, b: nn.LocalResponseNorm(n, a / n, b, k)), "must be multiplied"),
    ("response-norm", norm(lambda n, k, a, b: nn.LocalResponseNorm(n, a * n, k=k)), "beta is PyTorch's own"),
    ("response-norm", norm(lambda n, k, a, b: nn.BatchNorm2d(n)), "an nn.LocalResponseNorm is wanted"),
    ("collapse", lambda ls: linear(product(ls), 0 * ls[-1].bias), "the biases are lost"),
    ("collapse", lambda ls: linear(product(ls), ls[-1].bias), "only the last bias is left"),
    ("collapse", lambda ls: ls[-1], "goes from 9 to 4"),
    ("collapse", lambda ls: nn.Sequential(*ls), "one nn.Linear is wanted"),
    ("collapse", lambda ls: linear(2 * product(ls), ls[-1].bias), "differs from ours"),
    ("spread", lambda s: (statistics.fmean(s), statistics.stdev(s)), "not by one less"),
    ("spread", lambda s: (statistics.fmean(s), statistics.pvariance(s)), "the spread is that of the statistics module"),
    ("spread", lambda s: (sum(s), statistics.pstdev(s)), "the mean is right? No"),
    ("spread", lambda s: (sum(s) / len(s), abs(sum(d * d for d in s) / len(s) - (sum(s) / len(s)) ** 2) ** 0.5),
     "equal durations have no spread? No"),
    ("spread", lambda s: statistics.pstdev(s), "2 numbers are wanted (mean, spread), this is 0."),
    ("dropout", lambda x, rate, training: x * (torch.rand(x.shape) >= rate) if training else x, "must be enlarged"),
    ("dropout", lambda x, rate, training: F.dropout(x, rate, True), "in evaluation nothing may change"),
    ("dropout", lambda x, rate, training: x * (torch.rand(x.shape) >= rate) if training else x * (1 - rate),
     "PyTorch enlarges in training"),
    ("dropout", lambda x, rate, training: x * (torch.rand(x.shape) < rate) / rate if training else x,
     "the rate is the share that is dropped"),
    ("dropout", lambda x, rate, training: x * (torch.rand(x.shape) >= rate) / rate if training else x,
     "the mean must stay"),
    ("dropout", lambda x, rate, training: x, "nothing is switched off"),
    ("dropout", lambda x, rate, training: x * (torch.rand(400, 1) >= rate) / (1 - rate) if training else x,
     "every number is drawn by itself"),
    ("he-std", lambda layer: 2 / layer.weight[0].numel(), "it is the variance"),
    ("he-std", lambda layer: layer.weight[0].numel() ** -0.5, "half of its power is lost"),
    ("he-std", lambda layer: (2 / layer.weight.shape[0]) ** 0.5, "what goes out"),
    ("he-std", lambda layer: (2 / layer.weight.shape[1]) ** 0.5, "not only one for each channel"),
    ("he-std", lambda layer: (2 / (getattr(layer, "groups", 1) * layer.weight[0].numel())) ** 0.5,
     "with two groups a kernel sees only its own half"),
    ("he-std", lambda layer: 0.1, "is too large"),
    ("colour-noise", noise(lambda values, vectors, draws: vectors.T @ (values * draws)), "the columns, not the rows"),
    ("colour-noise", noise(lambda values, vectors, draws: vectors @ draws), "the eigenvalues are missing"),
    ("colour-noise", noise(lambda values, vectors, draws: vectors @ (values.sqrt() * draws)), "takes the root"),
    ("colour-noise", noise(lambda values, vectors, draws: values * draws), "each draw moves one colour"),
    ("colour-noise", lambda picture, *rest: picture, "nothing has changed"),
    ("ten-crop", looks(lambda s: s.mean(0).softmax(1)), "average the softmax"),
    ("ten-crop", looks(lambda s: s.mean(0)), "without softmax"),
    ("ten-crop", looks(lambda s: s.softmax(2).sum(0)), "divide by ten"),
    ("ten-crop", looks(lambda s: s.softmax(2).mean(0), turn=-2), "not up and down"),
    ("ten-crop", looks(lambda s: s[::2].softmax(2).mean(0)), "these are five crops"),
    ("ten-crop", looks(lambda s: s.softmax(2).mean(0), mode=True), "has learned from the test pictures"),
    ("ten-crop", left_in_evaluation, "put it back"),
    ("first-layer", (27, 4, 1), "on 227: 27 is too small. Where may the first pixel of the window lie?"),
    ("first-layer", (55, 54, 3), "that is what 224 lacks to 227"),
    ("towers", (27, 4, 1), "parameters: 27 is too small. How many maps does one kernel see"),
    ("towers", (663936, 4, 1327488), "MACs: 4 is too small. Every weight, without the biases"),
    ("towers", (663936, 56070144, 1327488), "both towers work for the same picture"),
    ("towers", (663936, 112140288, 663936), "in one a kernel sees all 384 maps"),
    ("towers", (112140288, 663936, 1327488), "wanted: parameters; MACs; in one tower"),
    ("batch", 4, "4 is too small. Take from the card"),
    ("overlap", (64, 5, 25), "two directions"),
]
