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
CHAPTERS = {"lenet": "01-lenet.ipynb"}


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
    ("c1-parameters", (150, 4821600), "C1: you forgot the bias of each map"),
    ("c1-parameters", (25, 4821600), "the number of weights of one kernel, without its bias"),
    ("c1-parameters", (26, 4821600), "C1: that is one kernel with its bias"),
    ("c1-parameters", (117600, 4821600), "shared weights count once"),
    ("c1-parameters", (156, 4816896), "dense layer: you forgot the biases"),
    ("c1-parameters", (156, 803600), "enough for one map"),
    ("c1-parameters", (156, 3692640), "the picture is 32×32"),
    ("c1-parameters", (4821600, 156), "wrong order"),
    ("c1-parameters", (155, 4821600), "C1: 155 is too few"),
    ("c1-parameters", 156, "two numbers are wanted"),
    ("c1-parameters", ("many", 1), "a whole number is wanted"),
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
    ("c3-table", (2416, 2416), "with the table: that connects every map to every map"),
    ("c3-table", (1500, 2416), "with the table: you forgot the bias"),
    ("c3-table", (1560, 2416), "a map has one bias"),
    ("c3-table", (1516, 2400), "full: you forgot the bias"),
    ("c3-table", (1516, 416), "a kernel of its own for each map of S2"),
    ("connections", 340068, "the ten outputs are missing"),
    ("connections", 60000, "those are the parameters"),
    ("connections", 339332, "four inputs and a bias"),
    ("connections", 340909, "too many"),
    ("receptive-field", (11, 15), "neighbours are 2 pixels apart"),
    ("receptive-field", (14, 19), "you added the windows"),
    ("receptive-field", (16, 24), "behind S4 neighbours are 4 pixels apart"),
    ("receptive-field", (14, 32), "that is what a unit of C3 sees"),
    ("receptive-field", (5, 1), "the sizes of the maps"),
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


@pytest.mark.parametrize(("key", "answer", "told"), MUTANTS)
def test_a_wrong_answer_is_told_what_is_wrong(key, answer, told):
    verdict = judge(f"lenet/{key}", answer)
    assert verdict.status == "wrong", verdict
    assert told in verdict.message


@pytest.mark.parametrize("key", list_exercises())
def test_every_exercise_has_three_mutants(key):
    assert sum(f"lenet/{mutant}" == key for mutant, _, _ in MUTANTS) >= 3


def test_the_right_value_is_not_given_away_by_a_wrong_number():
    assert "156" not in judge("lenet/c1-parameters", (150, 1)).message
    assert not re.search(r"\b16\b|\b32\b", judge("lenet/receptive-field", (15, 31)).message)


def test_an_unknown_exercise_is_named():
    with pytest.raises(ValueError, match="exercise 'lenet/none' is not known, allowed: lenet/c1-parameters"):
        judge("lenet/none", 1)


def test_judging_leaves_the_random_state():
    before = torch.random.get_rng_state()
    judge("lenet/rbf-output", lambda x, codes: torch.rand(4, 10))
    assert torch.equal(before, torch.random.get_rng_state())


# ---------------------------------------------------------------- the right values, found in another way


@pytest.mark.parametrize("unit", ["s4", "c5"])
def test_receptive_fields_by_gradient(unit):
    net = cnnlib.create_model("lenet5")
    image = torch.rand(1, 1, 32, 32, requires_grad=True)
    x = image
    for name in ("c1", "s2", "c3", "s4", "c5"):
        x = getattr(net, name)(x)
        if name == unit:
            break
    x[0, 0, 0, 0].backward()
    seen = image.grad[0, 0].nonzero().amax(0) - image.grad[0, 0].nonzero().amin(0) + 1
    fields = {"s4": 16, "c5": 32}
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
