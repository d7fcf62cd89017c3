"""Judges of the exercises of the AlexNet chapter. The questions and the solutions are in the chapter itself."""

import statistics
from functools import partial
from itertools import pairwise

import torch
from torch import nn

from ...anatomy import of, summary
from ...experiments.augmentation import colour_shift, crop_scores, places
from ...experiments.signal import he_std as he
from ...models.alexnet import local_response_norm
from .. import bugs
from ..exercises import Numbers, Part, Wrong, call, call_for_number, call_for_numbers, exercise, tensor


@exercise("first-layer")
def first_layer():
    """(places of a window of 11, step 4, on 227 pixels, the same on 224, pixels of the 224 in no window)"""
    conv = nn.Conv2d(3, 1, 11, stride=4)
    on_227, on_224 = (summary(conv, (1, 3, side, side)).rows[0].output_shape[-1] for side in (227, 224))
    forgot = "you forgot the + 1: a window that fits exactly once has one place."
    padded = "that is the size with padding; here there is none."
    hint = "Where may the first pixel of the window lie? From 0 on, every fourth pixel, as long as the window fits."
    return Numbers(
        Part("on 227", on_227, {on_227 - 1: forgot, on_227 + 1: padded, 217: "the window moves by 4, not by 1."}, hint),
        Part("on 224", on_224, {on_224 - 1: forgot, on_224 + 2: padded,
                                on_224 + 1: "the window hangs over the edge in the last place; round down.",
                                214: "the window moves by 4, not by 1."}, hint),
        Part("never seen", 224 - (11 + 4 * (on_224 - 1)), {
            0: "where does the last window on 224 pixels end?",
            3: "that is what 224 lacks to 227; where does the last window on 224 pixels end?"},
            "Find the first pixel of the last window on 224 pixels, and then its last one."),
        why="The 55 of the paper's later layers needs 227.")


@exercise("towers")
def towers():
    """(parameters of conv4 in two towers, its MACs for a picture, its parameters in one tower)"""
    conv4 = [row for row in of("alexnet").rows if row.type == "Conv2d"][3]
    joined = [row for row in of("alexnet", groups=1).rows if row.type == "Conv2d"][3].params
    maps, places_ = conv4.output_shape[1], conv4.output_shape[2] * conv4.output_shape[3]
    quarter = (conv4.params - maps) // 2
    return Numbers(
        Part("parameters", conv4.params, {
            conv4.params - maps: "you forgot the biases, one for each map.",
            joined: "that is one tower; with two a kernel sees only its own half of the maps.",
            joined - maps: "that is one tower, without biases; with two a kernel sees only its own half of the maps.",
            quarter + maps: "all 384 kernels exist; only what each of them sees is halved.",
            quarter: "all 384 kernels exist; only what each of them sees is halved. And each has a bias.",
            quarter + maps // 2: "that is one of the two towers.",
        }, "How many maps does one kernel see in its tower? Count its weights and its bias, then all 384."),
        Part("MACs", conv4.macs, {
            conv4.params * places_: "a bias is added once; MACs count the products with weights.",
            2 * conv4.macs: "that is without the towers; or a MAC was counted as two operations.",
            conv4.macs // 2: "both towers work for the same picture.",
            conv4.params - maps: "every weight is used at each of the places.",
            (conv4.params - maps) * 13: "a map has 13 rows and 13 columns.",
        }, "Every weight, without the biases, is used once at each of the 13×13 places."),
        Part("in one tower", joined, {
            joined - maps: "you forgot the biases.",
            2 * conv4.params: "weights double, biases do not.",
            conv4.params: "that is two towers; in one a kernel sees all 384 maps.",
        }, "In one tower a kernel sees all 384 maps; the biases stay as many."),
        why="Half the weights and half the work for the same maps.")


@exercise("batch")
def batch():
    """largest batch on a card of 3 GiB with 50 million parameters and 10 MB a picture"""
    card, weights, each = 3 * 2**30, 4 * 50_000_000, 10_000_000
    right = (card - 3 * weights) // each
    return Numbers(
        Part("batch", right, {
            (card - weights) // each: "training holds three numbers for each parameter.",
            (card - 2 * weights) // each: "the momentum needs memory, too.",
            (3 * 10**9 - 3 * weights) // each: "a GiB has 2**30 bytes.",
            card // each: "the parameters need memory, too.",
            right + 1: "the last picture does not fit any more: round down.",
            (card - 3 * weights // 4) // each: "a number takes four bytes.",
        }, "Take from the card what parameters, gradients and momenta fill, in bytes; what is left is for pictures."),
        why="Weights are stored once, activations for every picture.")


@exercise("spread")
def spread(answer):
    """mean_and_spread(seconds) -> (mean, standard deviation of the list itself)"""
    program = partial(call_for_numbers, ("mean", "spread"), answer)
    if abs(program([0.1, 0.2, 0.6])[1] - statistics.stdev([0.1, 0.2, 0.6])) < 1e-9:
        raise Wrong("divide by the length of the list, not by one less.")
    checks = bugs.get("alexnet/same-spread").checks
    for name, test in checks.items():
        if problem := test(program):
            raise Wrong(f"{name}? No: {problem}")
    return f"It passes the {len(checks)} checks of the exhibit."


@exercise("collapse")
def collapse(answer):
    """collapse(layers): a list of nn.Linear in a row -> one nn.Linear with the same outputs"""
    for sizes in ((6, 9, 4), (5, 8, 8, 3)):
        layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
        x = torch.randn(12, sizes[0])
        right = nn.Sequential(*layers)(x)
        one = call(answer, list(layers))
        if not isinstance(one, nn.Linear):
            raise Wrong(f"one nn.Linear is wanted, this returns {type(one).__name__}.")
        if (one.in_features, one.out_features) != (sizes[0], sizes[-1]):
            raise Wrong(f"for layers {' → '.join(map(str, sizes))} it goes from {one.in_features} to "
                        f"{one.out_features} numbers, wanted: {sizes[0]} to {sizes[-1]}.")
        offset = nn.Sequential(*layers)(torch.zeros(1, sizes[0]))
        tensor(call(one, x), right, "the result", {
            "the biases are lost.": right - offset,
            "only the last bias is left; those before it go through the later layers.":
                right - offset + layers[-1].bias,
        })
    return "However many layers, one matrix and one bias are all that they are."


@exercise("he-std")
def he_std(answer):
    """he_std(layer): sqrt(2 / products that one unit of an nn.Linear or nn.Conv2d adds up)"""
    cases = {
        "nn.Linear(9216, 4096)": nn.Linear(9216, 4096, device="meta"),
        "nn.Conv2d(3, 96, 11)": nn.Conv2d(3, 96, 11),
        "nn.Conv2d(96, 256, 5, groups=2)": nn.Conv2d(96, 256, 5, groups=2),
    }
    for name, layer in cases.items():
        given, right, n = call_for_number(answer, layer), he(layer), layer.weight[0].numel()
        if abs(given - right) < 1e-6:
            continue
        units = layer.weight.shape[0]
        wrong = {
            **({"with two groups a kernel sees only its own half of the channels.": (2 / (2 * n)) ** 0.5}
               if getattr(layer, "groups", 1) == 2 else {}),
            "it is the variance; the standard deviation is its root.": 2 / n,
            "1 / n keeps the signal without ReLU; after a ReLU half of its power is lost.": n ** -0.5,
            "n counts what comes in, this counts what goes out.": (2 / units) ** 0.5,
            "a unit reads all weights of a window, not only one for each channel.":
                (2 / layer.weight.shape[1]) ** 0.5,
            "n is what one unit adds up, not all weights of the layer.": (2 / layer.weight.numel()) ** 0.5,
        }
        for mistake, value in wrong.items():
            if abs(given - value) < 1e-6:
                raise Wrong(f"{name}: {mistake}")
        raise Wrong(f"{name}: {given:.5f} is too {'large' if given > right else 'small'}. How many products does one "
                    "unit add up? layer.weight[0] has one for each.")
    return "It needs the shape of the weight, and nothing else."


@exercise("crops")
def crops():
    """number of different parts of 256×256 out of 300×260, each also mirrored"""
    across, down = 300 - 256 + 1, 260 - 256 + 1
    return Numbers(
        Part("crops", 2 * across * down, {
            2 * 44 * 4: "a window that fits exactly once has one place: + 1 in each direction.",
            44 * 4: "a window that fits exactly once has one place: + 1 in each direction. And each can be mirrored.",
            across * down: "each can also be mirrored.",
            2 * across: "the window moves down, too.",
            2 * across * across: "width and height are different.",
            2 * (across + down): "for each place across there are all places down.",
            4 * across * down: "each is mirrored one way only, left and right.",
        }, "Count the places across, and the places down, of a window of 256; then the mirror images."),
        why="The difference of the sizes is not the number of places; one more fits.")


@exercise("colour-noise")
def colour_noise(answer):
    """colour_noise(picture, values, vectors, draws): AlexNet's shift of the colours, one for all pixels"""
    picture = torch.rand(3, 5, 4)
    vectors = torch.linalg.qr(torch.randn(3, 3))[0]
    values, draws = torch.tensor([0.3, 0.03, 0.002]), torch.tensor([0.7, -1.3, 2.0])
    right = picture + colour_shift(values.double(), vectors.double(), draws).float()[:, None, None]

    def shifted(by):
        return picture + by[:, None, None]

    given = call(answer, picture.clone(), values.clone(), vectors.clone(), draws.clone())
    tensor(given, right, "the picture", {
        "the eigenvectors are the columns, not the rows.": shifted(vectors.T @ (values * draws)),
        "the eigenvalues are missing.": shifted(vectors @ draws),
        "that takes the root of the eigenvalues; the paper multiplies by the eigenvalues themselves.":
            shifted(vectors @ (values.sqrt() * draws)),
        "numbers are cut off below 0 and above 1; here they should not be.": right.clamp(0, 1),
        "the eigenvectors are missing: each draw moves one colour.": shifted(values * draws),
        "the shift is taken away instead of added.": 2 * picture - right,
        "nothing has changed.": picture,
    })
    return "Three random numbers a picture, and every pixel moves alike."


class Biased(nn.Module):
    """A classifier that notices where a part was cut and how it was turned, and in which mode it is."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.LazyLinear(5))

    def forward(self, x):
        return 3 * self.layers(x)


@exercise("ten-crop")
def ten_crop(answer):
    """ten_crop(model, x, size): softmax averaged over four corners and the centre, each as it is and mirrored"""
    model, x, size = Biased(), torch.randn(6, 2, 9, 11), 6
    model.eval()(x[..., :size, :size])
    right = crop_scores(model, x, size)
    corners = places(9, 11, size)

    def parts(turn):
        return [part for top, left in corners for part in (x[..., top:top + size, left:left + size],
                                                           turn(x[..., top:top + size, left:left + size]))]

    def mean_of(scores):
        return torch.stack(scores).mean(0)

    both = parts(lambda part: part.flip(-1))
    mistakes = {
        "this is the softmax of the average; average the softmax.": mean_of([model(p) for p in both]).softmax(1),
        "the scores are averaged without softmax.": mean_of([model(p) for p in both]),
        "the mirror images are missing: these are five crops.": mean_of([model(p).softmax(1) for p in both[::2]]),
        "mirror left and right, not up and down.":
            mean_of([model(p).softmax(1) for p in parts(lambda part: part.flip(-2))]),
        "the centre is missing.": mean_of([model(p).softmax(1) for p in both[:8]]),
        "these are only the mirror images.": mean_of([model(p).softmax(1) for p in both[1::2]]),
        "divide by ten: the rows must sum to 1.": 10 * right,
    }
    for mode in (False, True):
        model.train(mode)
        before = [buffer.clone() for buffer in model.buffers()]
        given = call(answer, model, x.clone(), size)
        moved = any(not torch.equal(a, b) for a, b in zip(before, model.buffers(), strict=True))
        if moved:
            raise Wrong("the model answered in training mode: its BatchNorm has learned from the test pictures.")
        tensor(given, right, "the result", mistakes)
        if model.training != mode or any(m.training != mode for m in model.modules()):
            raise Wrong("the model is left in another mode than it had; put it back.")
    return "Ten looks at each picture, and a model that has not noticed."


@exercise("dropout")
def dropout(answer):
    """dropout(x, rate, training) as PyTorch has it"""
    x = torch.linspace(1, 2, 100).expand(400, 100).contiguous()
    same = call(answer, x.clone(), 0.5, False)
    if not isinstance(same, torch.Tensor) or same.shape != x.shape:
        raise Wrong("in evaluation it must return a tensor of the shape of x.")
    if not torch.equal(same, x):
        if torch.allclose(same, 0.5 * x):
            raise Wrong("in evaluation nothing is scaled: PyTorch enlarges in training instead.")
        raise Wrong("in evaluation nothing may change.")
    for rate in (0.25, 0.8):
        out = call(answer, x.clone(), rate, True)
        if not isinstance(out, torch.Tensor) or out.shape != x.shape:
            raise Wrong("in training it must return a tensor of the shape of x.")
        zero = (out == 0).float().mean().item()
        if zero == 0:
            raise Wrong("in training nothing is switched off.")
        if abs(zero - (1 - rate)) < 0.03 < abs(zero - rate):
            raise Wrong(f"with rate {rate} it keeps that share of the units; the rate is the share that is dropped.")
        if abs(zero - rate) > 0.03:
            raise Wrong(f"with rate {rate} a share of {zero:.2f} of the units is switched off.")
        on = (out / x)[out != 0]
        if torch.allclose(on, torch.ones_like(on)):
            raise Wrong("the units that stay on must be enlarged, so that the mean stays.")
        if not torch.allclose(on, torch.full_like(on, 1 / (1 - rate)), rtol=1e-4):
            raise Wrong(f"with rate {rate} what stays on is multiplied by {on.mean():.3f}; the mean must stay.")
        if (out == 0).all(0).any() or (out == 0).all(1).any():
            raise Wrong("whole rows or columns are switched off together; every number is drawn by itself.")
    return "On average nothing changes, in training as in evaluation."


@exercise("response-norm")
def response_norm(answer):
    """response_norm(n, k, alpha, beta) -> an nn.LocalResponseNorm that is the paper's formula"""
    maps = 30 * torch.randn(2, 16, 3, 3)
    for n, k, alpha, beta in ((5, 2.0, 1e-3, 0.5), (3, 3.0, 1e-4, 0.9), (7, 1.5, 2e-3, 1.0)):
        layer = call(answer, n, k, alpha, beta)
        if not isinstance(layer, nn.LocalResponseNorm):
            raise Wrong(f"an nn.LocalResponseNorm is wanted, this returns {type(layer).__name__}.")
        tensor(layer(maps), local_response_norm(n, alpha, beta, k)(maps), f"with n={n}, k={k}, alpha={alpha}, "
               f"beta={beta} the result", {
            "PyTorch divides its alpha by the size of the window: give it more.":
                nn.LocalResponseNorm(n, alpha, beta, k)(maps),
            "k is PyTorch's own, 1; the paper's is given.": nn.LocalResponseNorm(n, alpha * n, beta)(maps),
            "only the window was passed on; the other three are PyTorch's own.": nn.LocalResponseNorm(n)(maps),
            "alpha is divided by n once more; it must be multiplied.":
                nn.LocalResponseNorm(n, alpha / n, beta, k)(maps),
            "beta is PyTorch's own, 0.75; the given one is wanted.": nn.LocalResponseNorm(n, alpha * n, k=k)(maps),
        })
    return "The same numbers as the formula of section 3.3, for three choices of its constants."


@exercise("overlap")
def overlap():
    """(numbers of a map of 13×13 that one, that two, that four windows of 3×3, step 2, read)"""
    places = torch.ones_like(nn.functional.max_pool2d(torch.zeros(1, 1, 13, 13), 3, 2))
    windows = nn.functional.conv_transpose2d(places, torch.ones(1, 1, 3, 3), stride=2)     # that read each number
    once, twice, four = (int((windows == count).sum()) for count in (1, 2, 4))
    return Numbers(
        Part("in one window", once, {
            8: "that is one row of 13. A number of the map is read once if that holds for its row and for its column.",
            9 * 36: "that is 36 windows of nine; each number that is shared is counted more than once.",
            13 * 13: "windows that are 3 wide and move by 2 overlap.",
        }, "In a row of 13, how many numbers lie in one window only? It must hold for the row and for the column."),
        Part("in two windows", twice, {
            5: "that is one row of 13; the map has two directions.",
            once // 8 * 5: "those are shared by windows side by side; windows one above the other share some, too.",
        }, "Such a number is shared in one direction and not in the other."),
        Part("in four windows", four, {
            5: "that is one row of 13; the map has two directions.",
            36: "six windows each way have five pairs of neighbours each way.",
            100: "each of them is one number, however many windows read it.",
        }, "Such a number is shared in both directions."),
        why="In plain pooling a number can be the largest of one window; here it can win up to four.")
