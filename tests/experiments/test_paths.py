"""Paths through residual networks: counted, taken one by one, and measured."""

import math
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from torch import nn
from torch.nn import functional as F

from cnnlib import create_model
from cnnlib.experiments import lesion, paths


class Linear(nn.Module):
    """Residual blocks whose branches are linear: convolutions without bias, nothing else."""

    def __init__(self, blocks=4, bend=False):
        super().__init__()
        self.branches = nn.ModuleList(nn.Conv2d(2, 2, 3, padding=1, bias=False) for _ in range(blocks))
        self.bend = bend

    def forward(self, x):
        for branch in self.branches:
            x = x + (torch.tanh(branch(x)) if self.bend else branch(x))
        return x.flatten(1)


def small(seed=0):
    """A residual network of three blocks, 8 channels wide, in double precision, with statistics of its own."""
    torch.manual_seed(seed)
    model = create_model("resnet8", in_channels=1, width=8).double()
    model(torch.randn(16, 1, 8, 8).double())            # BatchNorm sees something
    return model


def digits(n=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(n, 1, 8, 8, generator=generator).double(), torch.randint(10, (n,), generator=generator))


# -- counting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6])
def test_the_terms_are_what_the_blocks_compute(n):
    """As Python reads the texts: with linear functions the terms sum to the nested expression, else they do not."""
    def values(bend):
        functions = {f"f{i}": lambda x, i=i: (i + 2) * bend(x) for i in range(1, n + 1)} | {"y0": 3.0}
        return (sum(eval(term.text, functions) for term in paths.terms(n)), eval(paths.expansion(n), functions))

    terms = paths.terms(n)
    assert [term.bits for term in terms] == list(product((0, 1), repeat=n))
    assert all(term.length == sum(term.bits) == term.text.count("f") for term in terms)
    alone, together = values(lambda x: x)
    assert alone == pytest.approx(together)
    assert together == pytest.approx(3 * math.prod(i + 3 for i in range(1, n + 1)))
    alone, together = values(math.sqrt)
    assert (alone == pytest.approx(together)) == (n == 1)


def test_two_blocks_written_out():
    assert paths.expansion(2) == "y0 + f1(y0) + f2(y0 + f1(y0))"
    assert [term.text for term in paths.terms(2)] == ["y0", "f2(y0)", "f1(y0)", "f2(f1(y0))"]


@pytest.mark.parametrize("n", [1, 3, 27, 54, 300])
def test_lengths_are_binomial(n):
    counts = paths.length_distribution(n)
    assert sum(counts) == 2**n
    assert [count / 2**n for count in counts] == pytest.approx(binom.pmf(range(n + 1), n, 0.5), rel=1e-9)


def test_the_numbers_of_veit_et_al():
    assert paths.share(54, 19, 35) == pytest.approx(0.9802, abs=5e-5)              # the paper: more than 95 %
    assert paths.share(54, 20, 34) == pytest.approx(0.9598, abs=5e-5)
    assert paths.count(54, 5, 17) == 81_725_384_002_200
    assert paths.share(54, 5, 17) == pytest.approx(0.004537, abs=5e-7)
    assert paths.share(54, 5, 17) == pytest.approx(binom.cdf(17, 54, 0.5) - binom.cdf(4, 54, 0.5), rel=1e-9)
    shares = paths.modelled(54, 0.256)                                              # resnet/gradient-on-short-paths
    assert sum(k * share for k, share in enumerate(shares)) == pytest.approx(11, abs=0.05)
    assert sum(shares[5:18]) == pytest.approx(0.974, abs=1e-3)


@settings(deadline=None)
@given(st.integers(1, 120), st.floats(0.01, 5))
def test_a_ratio_makes_another_binomial(n, ratio):
    expected = binom.pmf(range(n + 1), n, ratio / (1 + ratio))
    assert paths.modelled(n, ratio) == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert paths.total_by_length([ratio**k for k in range(n + 1)]) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_more_blocks_than_a_float_can_count():
    shares = paths.modelled(1201, 0.3)
    assert sum(shares) == pytest.approx(1)
    assert shares == pytest.approx(binom.pmf(range(1202), 1201, 0.3 / 1.3), rel=1e-6, abs=1e-12)


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=12).filter(any),
       st.integers(50, 1000).map(lambda n: n / 1000))
def test_the_effective_lengths_are_the_shortest_stretch(shares, hold):
    whole, n = sum(shares), len(shares) - 1
    held = {(low, high): sum(shares[low:high + 1]) / whole for low in range(n + 1) for high in range(low, n + 1)}
    enough = [high - low for (low, high), share in held.items() if share >= hold - 1e-12]
    found = paths.effective(shares, hold)
    assert found.high - found.low == min(enough)
    assert found.share == pytest.approx(held[found.low, found.high])
    assert found.share == pytest.approx(max(held[low, high] for low, high in held if high - low == min(enough)))
    assert found.paths == paths.share(n, found.low, found.high)


@pytest.mark.parametrize("call, message", [
    (lambda: paths.terms(13), "n is 13"), (lambda: paths.expansion(0), "n is 0"),
    (lambda: paths.count(5, 3, 2), "high is 2"), (lambda: paths.share(5, 0, 6), "high is 6"),
    (lambda: paths.modelled(5, 0), "ratio is 0"), (lambda: paths.total_by_length([1.0]), "norms is"),
    (lambda: paths.effective([1, 1], 0), "hold is 0"), (lambda: paths.length_distribution(2.0), "n is 2.0"),
    (lambda: paths.fit_decay([{"length": 0, "norm": 1.0}, {"length": 1, "norm": 0.0}]), "1 lengths"),
    (lambda: paths.unravel(create_model("resnet110"), torch.randn(1, 3, 8, 8)), "blocks is 54"),
    (lambda: paths.gradient_by_length(small(), *digits(), lengths=[4]), "lengths is 4"),
    (lambda: paths.branch_norms(create_model("plain20"), torch.randn(1, 3, 8, 8)), "without residual blocks"),
])
def test_what_cannot_be_is_refused_with_the_reason(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# -- one by one -------------------------------------------------------------------------------------------------------


def test_all_paths_sum_to_the_gradient_of_autograd():
    model, (x, y) = small(), digits()
    found = paths.unravel(model, x, y)
    x.requires_grad_()
    F.cross_entropy(model.eval()(x), y, reduction="sum").backward()
    assert len(found.terms) == len(found.gradients) == 8
    torch.testing.assert_close(found.gradient, x.grad)
    torch.testing.assert_close(found.gradients.sum(0), x.grad)
    assert found.difference < 1e-12
    assert found.forward_difference > 0.01              # the branches are not linear


def test_forward_the_sum_is_exact_for_linear_branches_only():
    x = torch.randn(2, 2, 6, 6, generator=torch.Generator().manual_seed(0)).double()
    torch.manual_seed(0)
    straight, bent = Linear().double(), Linear(bend=True).double()
    assert paths.unravel(straight, x).forward_difference < 1e-12
    assert paths.unravel(bent, x).forward_difference > 0.01
    assert paths.unravel(bent, x).difference < 1e-12    # backward they sum up nevertheless


def test_a_path_is_the_product_of_its_branches():
    """Without shortcuts at the chosen blocks, and without branches at the others, built by hand."""
    torch.manual_seed(0)
    model, x = Linear(3).double(), torch.randn(1, 2, 6, 6).double()
    found = paths.unravel(model, x)
    for term, gradient in zip(found.terms, found.gradients, strict=True):
        by_hand = z = x.clone().requires_grad_()
        for bit, branch in zip(term.bits, model.branches, strict=True):
            z = branch(z) if bit else z
        (expected,) = torch.autograd.grad(z.sum(), by_hand)
        torch.testing.assert_close(gradient, expected)


# -- measured ---------------------------------------------------------------------------------------------------------


def test_few_paths_are_all_followed():
    model, (x, y) = small(), digits()
    found = paths.unravel(model, x, y)
    rows = paths.gradient_by_length(model, x, y, samples=50, progress=False)
    assert [row["paths"] for row in rows] == [1, 3, 3, 1]
    for row in rows:
        norms = [gradient.flatten(1).norm(dim=1).mean().item() for term, gradient
                 in zip(found.terms, found.gradients, strict=True) if term.length == row["length"]]
        assert sorted(row["norms"]) == pytest.approx(sorted(norms))
        assert row["norm"] == row["low"] == row["high"] == pytest.approx(sum(norms) / len(norms))


def test_the_gradient_of_a_length_is_the_sum_of_its_paths():
    for model, (x, y) in ((small(), digits()), (small(3), digits(seed=3))):
        found = paths.unravel(model, x, y)
        exact = paths.gradient_of_length(model, x, y, progress=False)
        for length, norm in enumerate(exact["norms"]):
            together = sum(gradient for term, gradient in zip(found.terms, found.gradients, strict=True)
                           if term.length == length)
            assert norm == pytest.approx(together.flatten(1).norm(dim=1).mean().item(), rel=1e-9)
        assert exact["difference"] < 1e-12
        assert exact["whole"] == pytest.approx(found.gradient.flatten(1).norm(dim=1).mean().item())


def test_the_paths_follow_from_the_seed_and_more_samples_add_to_them():
    torch.manual_seed(0)
    model = create_model("resnet20", in_channels=1, width=4).eval()
    x, y = (part[:2] for part in digits())
    ask = lambda **options: paths.gradient_by_length(model, x.float(), y, progress=False, **options)     # noqa: E731
    five, ten = ask(samples=5, lengths=[4]), ask(samples=10, lengths=[2, 4])
    other = ask(samples=5, seed=1, lengths=[4])
    assert five[0]["norms"] == ten[1]["norms"][:5]
    assert five[0]["norms"] != other[0]["norms"]
    assert five == ask(samples=5, lengths=[4])
    assert ten[1]["low"] < ten[1]["norm"] < ten[1]["high"]


def test_the_model_stays_as_it_was():
    model, (x, y) = small().train(), digits()
    model.fc.weight.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    paths.unravel(model, x, y), paths.gradient_by_length(model, x, y, samples=2, progress=False)
    paths.branch_norms(model, x), paths.gradient_of_length(model, x, y, progress=False)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training and not x.requires_grad
    assert [name for name, p in model.named_parameters() if not p.requires_grad] == ["fc.weight"]
    assert all(p.grad is None for p in model.parameters())


@settings(deadline=None)
@given(st.floats(0.05, 0.9), st.floats(0.1, 10))
def test_an_exponential_is_found(ratio, start):
    fit = paths.fit_decay([{"length": k, "norm": start * ratio**k} for k in range(10)])
    assert (fit.ratio, fit.start, fit.r2) == pytest.approx((ratio, start, 1), rel=1e-6)
    assert fit.low <= fit.ratio <= fit.high


def test_the_interval_covers_the_ratio_as_often_as_it_says():
    draw = torch.Generator().manual_seed(0)
    covered = 0
    for _ in range(300):
        noise = torch.randn(12, generator=draw).double() * 0.3
        fit = paths.fit_decay([{"length": k, "norm": math.exp(k * math.log(0.4) + noise[k].item())} for k in range(12)])
        covered += fit.low <= 0.4 <= fit.high
    assert binom.ppf(0.001, 300, 0.95) <= covered <= binom.ppf(0.999, 300, 0.95)


def test_branch_norms_are_those_of_hooks():
    model, (x, _) = small().eval(), digits()
    rows = paths.branch_norms(model, x)
    block, caught = model.layer2[0], {}
    handles = [block.bn2.register_forward_hook(lambda _m, _i, out: caught.update(branch=out.clone())),
               block.downsample.register_forward_hook(lambda _m, _i, out: caught.update(shortcut=out))]
    model(x)
    assert all(handle.remove() is None for handle in handles)
    norms = {name: out.flatten(1).norm(dim=1) for name, out in caught.items()}
    assert [row["block"] for row in rows] == ["layer1.0", "layer2.0", "layer3.0"]
    assert rows[1]["branch"] == pytest.approx(norms["branch"].mean().item())
    assert rows[1]["ratio"] == pytest.approx((norms["branch"] / norms["shortcut"]).mean().item())


def test_our_trained_resnet_on_the_digits():
    """What the chapter says of it, in its rough numbers: exponential decay, short paths carry the gradient."""
    model, dataset = lesion.load("digits-resnet56")
    x, y = next(dataset.test.batches(32))
    rows = paths.gradient_by_length(model, x, y, samples=6, progress=False)
    fit = paths.fit_decay(rows)
    assert 0.25 < fit.low < fit.ratio < fit.high < 0.4 and fit.r2 > 0.99
    exact = paths.gradient_of_length(model, x, y, progress=False)
    assert exact["difference"] < 1e-10
    held = paths.effective(exact["norms"])
    assert held.high < 27 / 2                           # most paths are longer
    assert sum(exact["norms"]) >= exact["whole"]
    for row, norm in zip(rows, exact["norms"], strict=True):       # together they are no longer than one by one
        assert norm <= 3 * math.comb(27, row["length"]) * row["high"]
