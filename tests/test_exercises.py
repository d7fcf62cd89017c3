"""The exercises: a stub is not answered, a solution is right, and every wrong answer is told what is wrong with it."""

import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import cnnlib
from cnnlib.exercises import check, judge, list_exercises

BOOK = Path(__file__).resolve().parents[1] / "book"
CHAPTERS = {"anatomy": "00-anatomy.ipynb", "lenet": "01-lenet.ipynb"}


# ---------------------------------------------------------------- stubs and solutions, as they stand in the chapters


def cells(chapter):
    """Exercise key -> (stub, solution), taken from the chapter's notebook."""
    notebook = json.loads((BOOK / CHAPTERS[chapter]).read_text(encoding="utf-8"))
    stubs, solutions = {}, {}
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            programs, found = [source], stubs
        else:
            dropdowns = re.findall(r"^:::\{dropdown\} Solution\n(.*?)^:::", source, re.MULTILINE | re.DOTALL)
            programs = [p for d in dropdowns for p in re.findall(r"^```python\n(.*?)^```", d, re.MULTILINE | re.DOTALL)]
            found = solutions
        for program in programs:
            for key in re.findall(r'^check\("([^"]+)"', program, re.MULTILINE):
                assert key not in found, f"{key} is asked twice"
                found[key] = program
    return stubs, solutions


def run(program, capsys):
    exec(program, {"cnnlib": cnnlib, "torch": torch, "nn": nn, "F": F, "check": check})
    return capsys.readouterr().out


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_exercise_stands_in_its_chapter_with_a_solution(chapter):
    expected = sorted(key for key in list_exercises() if key.startswith(chapter))
    stubs, solutions = cells(chapter)
    assert sorted(stubs) == expected
    assert sorted(solutions) == expected


@pytest.mark.parametrize("key", list_exercises())
def test_the_stub_is_not_answered(key, capsys):
    assert run(cells(key.split("/")[0])[0][key], capsys).startswith(f"… {key}: not answered yet")


@pytest.mark.parametrize("key", list_exercises())
def test_the_solution_is_right(key, capsys):
    printed = run(cells(key.split("/")[0])[1][key], capsys)
    assert printed.startswith(f"✓ {key}: correct. ")
    assert printed.count("\n") == 1


# ---------------------------------------------------------------- wrong answers and what they are told


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


LENET = [
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
    ("sharing", (447, 755822656), "convolution: 447 is too few"),
    ("sharing", 448, "two numbers are wanted"),
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
    ("why-32", (24, 12, 8, 3), "S4: 3 is too few"),
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
    ("connections", 340909, "too many"),
    ("receptive-field", (7, 9), "neighbours are 2 pixels apart"),
    ("receptive-field", (16, 32), "right for kernels of 5×5"),
    ("receptive-field", (10, 14), "behind S4 neighbours are 4 pixels apart"),
    ("receptive-field", (8, 18), "that is what a unit of C3 sees"),
    ("receptive-field", (18, 10), "wrong order"),
    ("receptive-field", (2, 3), "the windows on the map below"),
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
]


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


ANATOMY = [
    ("strides", (3, 144, 1, 1, 48, 1536), "the two layouts are exchanged"),
    ("strides", (1, 32, 1536, 3, 96, 1), "as long as the picture is wide"),
    ("strides", (1, 48, 1536, 1, 48, 1536), "the channels of one pixel are neighbours"),
    ("strides", (1, 48, 1536, 3, 48, 1), "all channels of its 48 pixels"),
    ("strides", (1, 48, 1536, 3, 144, 2), "channel, channels-last: 2 is too many"),
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
    ("throughput", 1500, "too many"),
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
    ("receptive-field", lambda layers: 3, "a pair (field, jump) is wanted"),
    ("receptive-field", walked(lambda f, j, k, s, d: (f + 1, j)), "the summary says"),
    ("units", 658272, "the thousand outputs"),
    ("units", 622312, "fits no size"),
    ("units", 60965224, "those are the parameters"),
    ("units", 650080, "the linear layers have units"),
    ("units", 650000, "too few"),
    ("top-k", topped(lambda hits: hits.any(1)), "the share of right answers"),
    ("top-k", lambda s, y, k: (s.argmax(1) != y).double().mean(), "k is ignored"),
    ("top-k", lambda s, y, k: 100 * topped(lambda hits: ~hits.any(1))(s, y, k), "in per cent"),
    ("top-k", topped(lambda hits: ~hits[:, -1]), "anywhere among the k best"),
    ("top-k", topped(lambda hits: ~hits), "each picture counts once"),
    ("top-k", lambda s, y, k: 0.5, "at k = 12 no picture can be wrong"),
]

MUTANTS = [(f"{chapter}/{key}", answer, told) for chapter, found in (("anatomy", ANATOMY), ("lenet", LENET))
           for key, answer, told in found]


@pytest.mark.parametrize(("key", "answer", "told"), MUTANTS)
def test_a_wrong_answer_is_told_what_is_wrong(key, answer, told):
    verdict = judge(key, answer)
    assert verdict.status == "wrong", verdict
    assert told in verdict.message


@pytest.mark.parametrize("key", list_exercises())
def test_every_exercise_has_three_mutants(key):
    assert sum(mutant == key for mutant, _, _ in MUTANTS) >= 3


def test_the_right_value_is_not_given_away_by_a_wrong_number():
    assert "448" not in judge("lenet/sharing", (440, 1)).message
    assert not re.search(r"\b10\b|\b18\b", judge("lenet/receptive-field", (9, 17)).message)


def test_an_unknown_exercise_is_named():
    with pytest.raises(ValueError, match="exercise 'lenet/none' is not known, allowed: anatomy/strides, .*lenet/shar"):
        judge("lenet/none", 1)


def test_judging_leaves_the_random_state():
    before = torch.random.get_rng_state()
    judge("lenet/rbf-output", lambda x, codes: torch.rand(4, 10))
    assert torch.equal(before, torch.random.get_rng_state())


# ---------------------------------------------------------------- the right values, found in another way


@pytest.mark.parametrize("unit", ["s4", "c5"])
def test_receptive_fields_by_gradient(unit):
    """The kernels of LeNet-5 made 3×3, as in the exercise."""
    layers = [nn.Conv2d(1, 6, 3), nn.AvgPool2d(2), nn.Conv2d(6, 16, 3), nn.AvgPool2d(2), nn.Conv2d(16, 120, 3)]
    image = torch.rand(1, 1, 32, 32, requires_grad=True)
    nn.Sequential(*layers[: {"s4": 4, "c5": 5}[unit]])(image)[0, 0, 0, 0].backward()
    seen = image.grad[0, 0].nonzero().amax(0) - image.grad[0, 0].nonzero().amin(0) + 1
    fields = {"s4": 10, "c5": 18}
    assert seen.tolist() == [fields[unit]] * 2
    assert judge("lenet/receptive-field", tuple(fields.values())).status == "correct"


def test_shifts_by_shifting():
    net = cnnlib.create_model("lenet5").double()
    digit = torch.zeros(1, 1, 32, 32, dtype=torch.double)
    digit[..., 10:20, 8:16] = torch.rand(10, 8, dtype=torch.double)
    found = []
    for depth in (1, 2, 3, 4):
        layers = nn.Sequential(net.c1, net.s2, net.c3, net.s4)[:depth]
        here = layers(digit)
        found.append(next(
            pixels for pixels in range(1, 9)
            if torch.allclose(layers(digit.roll(pixels, 3))[..., 1:], here[..., :-1])
        ))
    assert judge("lenet/equivariance", tuple(found)).status == "correct"
