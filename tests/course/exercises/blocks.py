"""Wrong answers to the exercises on building blocks: (exercise, answer, what it is told)."""

import torch
from torch.nn import functional as F


def kernels(depth_first, point_first=lambda p, d: p * d):
    return depth_first, point_first


def right_kernel(d, p):
    return p * d.transpose(0, 1)


def inverted(first=True, middle=1, last=True):
    def count(maps, new_maps, t, k):
        wide = t * maps
        return (maps * wide if first and t > 1 else 0) + k * k * wide * (wide if middle > 1 else 1) + (
            wide * new_maps if last else 0)

    return count


def gated(squeeze=lambda x: x.mean((2, 3)), between=F.relu, end=torch.sigmoid,
          scale=lambda x, gate: x * gate[:, :, None, None]):
    def excite(x, w1, b1, w2, b2):
        return scale(x, end(F.linear(between(F.linear(squeeze(x), w1, b1)), w2, b2)))

    return excite


def reached(rates):
    places = {0}
    for rate in rates:
        places = {place + move for place in places for move in (-rate, 0, rate)}
    return len(places)


def shuffled(rows_first=True, turn=True):
    def shuffle(x, groups):
        n, maps, height, width = x.shape
        shape = (groups, maps // groups) if rows_first else (maps // groups, groups)
        parts = x.view(n, *shape, height, width)
        return (parts.transpose(1, 2) if turn else parts).reshape(x.shape)

    return shuffle


def dropped(shape=lambda x: (len(x), 1, 1, 1), scale=lambda rate: 1 / (1 - rate), after=lambda x, rate: x,
            share=lambda rate: rate):
    def drop_path(x, rate, training):
        return x * (torch.rand(shape(x)) >= share(rate)) * scale(rate) if training else after(x, rate)

    return drop_path


MUTANTS = [
    ("through-the-neck", (69_632, 589_824), "wrong order"),
    ("through-the-neck", (65_536, 69_632), "nine weights for each pair"),
    ("through-the-neck", (589_824, 36_864), "a 3×3 works there"),
    ("through-the-neck", (589_824, 53_248), "out again is missing"),
    ("through-the-neck", (589_824, 331_776), "are 1×1"),
    ("shuffle", lambda x, groups: x, "nothing has moved"),
    ("shuffle", shuffled(rows_first=False), "then swap the two"),
    ("shuffle", shuffled(turn=False), "nothing has moved"),
    ("shuffle", lambda x, groups: x.flip(1) if groups > 1 else x, "turns the order round"),
    ("how-wide", lambda channels: 4, "the filters of 3×3 weigh"),
    ("how-wide", lambda channels: -(-9 * channels // (2 * channels + 9)), "with one more"),
    ("how-wide", lambda channels: (9 * channels - 1) // (2 * channels + 9) - 1, "one more still has fewer"),
    ("how-wide", lambda channels: 6, "that is the paper's expansion"),
    ("drop-path", dropped(shape=lambda x: x.shape), "that is dropout"),
    ("drop-path", dropped(shape=lambda x: (1, 1, 1, 1)), "a draw of its own"),
    ("drop-path", dropped(scale=lambda rate: 1), "make up for it"),
    ("drop-path", dropped(after=lambda x, rate: (1 - rate) * x), "not training, it scales"),
    ("drop-path", dropped(share=lambda rate: 1 - rate), "with rate 0.25"),
    ("drop-path", dropped(shape=lambda x: (len(x), x.shape[1], 1, 1)), "that is dropout"),
    ("compound", (8, 18), "wrong order"),
    ("compound", (6, 4), "in both directions"),
    ("compound", (12, 8), "MACs: a picture that is 3/2 as high is also 3/2 as wide. (1 of 2 right)"),
    ("compound", (9, 4), "four times the weights"),
    ("compound", (18, 18), "do not care"),
    ("places-squared", lambda channels: 2 * channels + 1, "the root of it"),
    ("places-squared", lambda channels: int((2 * channels) ** 0.5), "one more is needed"),
    ("places-squared", lambda channels: int(channels**0.5) + 1, "count how many there are of both"),
    ("eight-of-nine", (100, 72), "wrong order"),
    ("eight-of-nine", (8, 20), "1/k² comes on top"),
    ("eight-of-nine", (73, 101), "one map fewer reaches"),
    ("eight-of-nine", (71, 99), "nearly"),
    ("eight-of-nine", (72, 120), "output maps with a 5×5: 120 is too large. The share that is left"),
    ("eight-of-nine", 72, "2 numbers are wanted"),
    ("one-kernel", kernels(lambda d, p: p * d.mean()), "has shape"),
    ("one-kernel", kernels(right_kernel, lambda p, d: right_kernel(d, p)), "stops with RuntimeError"),
    ("one-kernel", kernels(lambda d, p: (p * d.transpose(0, 1)).flip(2, 3)), "differs from ours"),
    ("one-kernel", kernels(lambda d, p: p * d if len(d) == len(p) else right_kernel(d, p)),
     "belongs to the input where the depthwise half comes first"),
    ("one-kernel", right_kernel, "two functions are wanted"),
    ("inverted-weights", inverted(first=False), "the first 1×1 is missing"),
    ("inverted-weights", inverted(last=False), "the last 1×1 is missing"),
    ("inverted-weights", inverted(middle=2), "the middle has one filter a map"),
    ("inverted-weights", lambda m, n, t, k: m * t * m + k * k * t * m + t * m * n, "with t = 1 there is no first"),
    ("inverted-weights", lambda m, n, t, k: k * k * m + m * n, "where is the wide middle"),
    ("gates-by-stage", (8192, 32768, 131072, 524288), "how many has it"),
    ("gates-by-stage", (12288, 65536, 1507328, 786432), "two dense layers"),
    ("gates-by-stage", (25392, 133248, 3039680, 1579392), "the biases are not asked for"),
    ("gates-by-stage", (1536, 8192, 188416, 98304), "of width C/4"),
    ("gates-by-stage", (393216, 2097152, 48234496, 25165824), "divide by the reduction"),
    ("gates-by-stage", (24576, 131072, 786432, 1572864), "stage 3: 786,432 is too small. One block first"),
    ("excite", gated(between=lambda x: x), "ReLU between the two layers"),
    ("excite", gated(end=lambda x: x), "the sigmoid is missing"),
    ("excite", gated(end=lambda x: x.softmax(1)), "compete"),
    ("excite", gated(squeeze=lambda x: x.amax((2, 3))), "not its maximum"),
    ("excite", gated(scale=lambda x, gate: gate), "those are the gates"),
    ("excite", gated(scale=lambda x, gate: x + gate[:, :, None, None]), "they scale them"),
    ("excite", gated(scale=lambda x, gate: x * gate[:, None, None, :] if x.shape[1] == x.shape[3]
                     else x * gate[:, :, None, None]), "along the width"),
    ("absorbed-gates", lambda norm, gate: (norm.weight * gate, norm.bias), "multiplies the bias as well"),
    ("absorbed-gates", lambda norm, gate: (norm.weight / gate, norm.bias), "not divided"),
    ("absorbed-gates", lambda norm, gate: (norm.weight, norm.bias * gate), "where is the gate"),
    ("absorbed-gates", lambda norm, gate: (norm.weight * gate, (norm.bias - norm.running_mean) * gate),
     "the running mean stays"),
    ("absorbed-gates", lambda norm, gate: norm.weight * gate, "a pair (weight, bias) is wanted"),
    ("same-padding", lambda kernel, rate: kernel // 2, "keeps the size at rate 1"),
    ("same-padding", lambda kernel, rate: rate * (kernel - 1), "on both sides"),
    ("same-padding", lambda kernel, rate: rate * kernel // 2, "k − 1 gaps"),
    ("same-padding", lambda kernel, rate: rate if kernel > 1 else 0, "right for 3×3 only"),
    ("pixels-read", lambda rates: (1 + 2 * sum(rates), (1 + 2 * sum(rates)) ** 2), "are all of its pixels read"),
    ("pixels-read", lambda rates: (1 + 2 * sum(rates), reached(rates)), "that is one direction"),
    ("pixels-read", lambda rates: (1 + 2 * sum(rates), 9 ** len(rates)), "several lead to the same pixel"),
    ("pixels-read", lambda rates: (1 + sum(rates), 9), "to both sides"),
    ("pixels-read", lambda rates: (2 * sum(rates), 9), "the pixel in the middle"),
    ("pixels-read", lambda rates: (2 * len(rates) + 1, 9), "the rates do not count there"),
    ("pixels-read", lambda rates: 1 + 2 * sum(rates), "a pair (side, pixels)"),
    ("rates-without-holes", (2, 2, 2), "only 49 of its 169 pixels"),
    ("rates-without-holes", (1, 2, 4), "a larger field without holes is possible"),
    ("rates-without-holes", (1, 4, 9), "pixels are read"),
    ("rates-without-holes", (1, 3), "three rates are wanted"),
    ("rates-without-holes", (0, 1, 3), "from 1 to 30"),
]
