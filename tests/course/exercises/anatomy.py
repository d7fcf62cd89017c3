"""Wrong answers to the exercises on how to read a network: (exercise, answer, what it is told)."""

import torch
from torch.nn import functional


def walked(step):
    """A reader's receptive field: `step(field, jump, kernel, stride, dilation)` for each layer."""
    def receptive_field(layers):
        pair = (1, 1)
        for layer in layers:
            pair = step(*pair, *layer)
        return pair
    return receptive_field


def topped(error):
    """A reader's top-k error: `error(hits)` of the table that says which of the k best answers are right."""
    return lambda scores, labels, k: error(scores.topk(k).indices == labels[:, None]).double().mean().item()


def convolved(change):
    """A reader's convolution: `change(maps, kernel, stride, padding)` gives the arguments that it is done with."""
    def convolve(*asked):
        maps, kernel, stride, padding = change(*asked)
        return functional.conv2d(maps[None], kernel[None], stride=stride, padding=padding)[0, 0]
    return convolve


BLUR, MIDDLE = torch.full((3, 3), 1 / 9), torch.tensor([[0.0, 0, 0], [0, 1, 0], [0, 0, 0]])

MUTANTS = [
    ("next-map", (98, 48, 24, 24, 2), "only where it exceeds the padding"),
    ("next-map", (98, 48, 24, 24, 0), "a column is dropped"),
    ("next-map", (98, 49, 25, 25, 0), "round down"),
    ("next-map", (97, 47, 23, 22, 1), "add 1 after the division"),
    ("next-map", (98, 48, 24, 26, 1), "span five places"),
    ("next-map", (98, 48, 24, 22, 1), "on both sides"),
    ("next-map", (102, 51, 26, 26, 0), "after the 5×5: the window hangs over the edge"),
    ("sharpen", BLUR.tolist(), "that is the blur."),
    ("sharpen", (2 * MIDDLE + BLUR).tolist(), "is to be subtracted"),
    ("sharpen", (-BLUR).tolist(), "without the picture"),
    ("sharpen", (MIDDLE - BLUR).tolist(), "an outline"),
    ("sharpen", (2 * MIDDLE - 9 * BLUR).tolist(), "a ninth of the sum"),
    ("sharpen", (18 * MIDDLE - 9 * BLUR).tolist(), "nine times as bright"),
    ("sharpen", (2 * MIDDLE - BLUR + MIDDLE / 9).tolist(), "a share of the middle"),
    ("sharpen", [[0, 1, 0], [0, 0]], "three rows of three numbers are wanted"),
    ("sharpen", [1, 2, 3], "(3, 3) is wanted"),
    ("sharpen", MIDDLE.tolist(), "differs from ours"),
    ("with-stride", convolved(lambda x, w, s, p: (x, w, 1, p)), "the stride is ignored"),
    ("with-stride", convolved(lambda x, w, s, p: (x, w, s, 0)), "the padding is ignored"),
    ("with-stride", convolved(lambda x, w, s, p: (functional.pad(x, (0, p, 0, p)), w, s, 0)), "on all four sides"),
    ("with-stride", convolved(lambda x, w, s, p: (x[:1], w[:1], s, p)), "products of all channels"),
    ("with-stride", convolved(lambda x, w, s, p: (x, w.flip(1, 2), s, p)), "turned over"),
    ("strides", (3, 144, 1, 1, 48, 1536), "the two layouts are exchanged"),
    ("strides", (1, 32, 1536, 3, 96, 1), "as long as the picture is wide"),
    ("strides", (1, 48, 1536, 1, 48, 1536), "the channels of one pixel are neighbours"),
    ("strides", (1, 48, 1536, 3, 48, 1), "all channels of its 48 pixels"),
    ("strides", (1, 48, 1536, 3, 144, 2), "channel, channels-last: 2 is too large. Channels-last writes"),
    ("cost", (7225344, 9344), "wrong order"),
    ("cost", (9216, 7225344), "has a bias"),
    ("cost", (73856, 57802752), "the layer without groups"),
    ("cost", (9344, 57802752), "MACs: a kernel sees only the channels of its group"),
    ("cost", (73856, 7225344), "parameters: a kernel sees only the channels of its group"),
    ("cost", (1280, 903168), "that is still 128 kernels"),
    ("cost", (9344, 28901376), "a quarter of the places"),
    ("cost", (9344, 7325696), "adding the bias is no multiplication"),
    ("throughput", 2000, "a MAC is two operations"),
    ("throughput", 4000, "only a quarter"),
    ("throughput", 8000, "a MAC is two operations, and"),
    ("throughput", 1500, "1,500 is too large. Divide the operations"),
    ("scaling", (2, 2, 2, 1, 4, 4), "each is twice as deep"),
    ("scaling", (4, 4, 2, 1, 2, 2), "both directions"),
    ("scaling", (4, 4, 2, 4, 4, 4), "how large the picture is"),
    ("scaling", (1, 4, 4, 4, 4, 2), "exchanged"),
    ("kept", 65536, "the picture is kept too"),
    ("kept", 101376, "not every output is kept"),
    ("kept", 84992, "kept once"),
    ("kept", 35840, "BatchNorm needs its input"),
    ("kept", 274432, "that is the bytes"),
    ("kept", 52224, "the last ReLU"),
    ("field", (43, 8), "span five places"),
    ("field", (77, 8), "only from the next layer on"),
    ("field", (17, 8), "several input pixels apart"),
    ("field", (59, 2), "the strides multiply"),
    ("field", (8, 59), "wrong order"),
    ("receptive-field", walked(lambda f, j, k, s, d: (f + (k - 1) * d * j * s, j * s)), "multiply by the stride after"),
    ("receptive-field", walked(lambda f, j, k, s, d: (f + (k - 1) * j, j * s)), "the dilation is ignored"),
    ("receptive-field", walked(lambda f, j, k, s, d: (f + (k - 1) * d, j * s)), "a step is as long as the jump"),
    ("receptive-field", walked(lambda f, j, k, s, d: (f + k * d * j, j * s)), "a window of k adds"),
    ("receptive-field", walked(lambda f, j, k, s, d: (f + (k - 1) * d * j, j + s - 1)), "they do not add up"),
    ("receptive-field", lambda layers: 3, "2 numbers are wanted (field, jump), this is 3."),
    ("receptive-field", walked(lambda f, j, k, s, d: (f + 1, j)), "the summary says"),
    ("units", 658272, "the thousand outputs"),
    ("units", 622312, "fits no size"),
    ("units", 60965224, "those are the parameters"),
    ("units", 650080, "the linear layers have units"),
    ("units", 650000, "the paper's round number"),
    ("top-k", topped(lambda hits: hits.any(1)), "the share of right answers"),
    ("top-k", lambda s, y, k: (s.argmax(1) != y).double().mean(), "k is ignored"),
    ("top-k", lambda s, y, k: 100 * topped(lambda hits: ~hits.any(1))(s, y, k), "in per cent"),
    ("top-k", topped(lambda hits: ~hits[:, -1]), "anywhere among the k best"),
    ("top-k", topped(lambda hits: ~hits), "each picture counts once"),
    ("top-k", lambda s, y, k: 0.5, "at k = 12 no picture can be wrong"),
    ("cost", (27, 4), "parameters: 27 is too small. How many channels does one kernel see?"),
    ("field", (59, 6), "jump: the strides multiply along the way; they do not add up."),
    ("scaling", (4, 4, 2, 2, 4, 4), "parameters, resolution doubled: shared weights do not care"),
    ("kept", 4, "4 is too small. Ask each layer what its gradient needs"),
]
