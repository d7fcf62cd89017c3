"""Descriptions of networks: what they hold, how parameters begin, and what is refused, with the reason."""

import hashlib
import json
import re
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from torch import nn

from cnnlib import create_model, data, summary
from cnnlib.widgets import Explorer
from cnnlib.widgets.trainer import compile as made
from cnnlib.widgets.trainer import describe, described, page_plan
from cnnlib.widgets.trainer.describe import repeats

from .engine import ask, unpacked

HERE = made.HERE
TRAINED = [("lenet5_modern", {"activation": "tanh"}, 28),
           ("resnet20", {"variant": "cifar", "width": 8, "in_channels": 1}, 8),
           ("resnet14", {"variant": "cifar", "shortcut": "B", "in_channels": 1}, 8),
           ("densenet_cifar", {"depth": 22, "growth_rate": 4, "in_channels": 1}, 8),
           ("vgg11_bn", {"variant": "cifar", "width": 0.125, "in_channels": 1}, 32),
           ("alexnet", {"variant": "cifar", "norm": "none", "image_size": 16, "width": 0.25, "in_channels": 1}, 16),
           ("googlenet", {"variant": "cifar", "width": 0.125, "in_channels": 1}, 16)]


def flat(steps):
    return [step for count, part in steps for _ in range(count) for step in part]


@pytest.mark.parametrize(("name", "options", "size"), TRAINED)
def test_macs_parameters_and_layers_are_those_of_the_summary(name, options, size):
    model = create_model(name, **options)
    description, parts = describe(model, (1, size, size)), summary(model, (1, 1, size, size))
    assert description["macs"] == parts.total_macs
    assert sorted(description["names"]) == sorted(name for name, _ in model.named_parameters())
    weighted = [step for step in description["steps"] if step["op"] in ("conv", "linear")]
    assert len(weighted) == sum(isinstance(module, (nn.Conv2d, nn.Linear)) for module in model.modules())
    short = described(name, (1, size, size), **options)
    assert [{**step, **{key: 1 for key in ("w", "b") if key in step}} for step in flat(short["steps"])] == \
        description["steps"]


@pytest.mark.parametrize(("name", "options", "size"), TRAINED)
def test_parameters_begin_as_in_pytorch(name, options, size):
    """Each parameter's mean and deviation, where there are enough numbers to tell; constants exactly."""
    torch.manual_seed(0)
    model = create_model(name, **options)
    names = describe(model, (1, size, size))["names"]
    job = {"do": "begin", "description": described(name, (1, size, size), **options), "batch": 16}
    begun = [unpacked(each["weights"]) for each in ask([{**job, "seed": seed} for seed in (0, 1)])]
    assert begun[0].size == sum(p.numel() for p in model.parameters()) and not np.array_equal(*begun)
    at = 0
    for own in names:
        theirs = model.get_parameter(own).detach().numpy().ravel()
        ours, at = begun[0][at:at + theirs.size], at + theirs.size
        if np.ptp(theirs) == 0:
            assert np.array_equal(ours, theirs), own
        elif theirs.size > 500:
            assert ours.std() == pytest.approx(theirs.std(), rel=0.2) and abs(ours.mean()) < 0.2 * theirs.std(), own
            assert np.abs(ours).max() / ours.std() == pytest.approx(np.abs(theirs).max() / theirs.std(), rel=0.3), own


def test_the_model_is_left_as_it_was():
    model = create_model("resnet8", variant="cifar", width=4).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    describe(model)
    assert not model.training and all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class Twice(nn.Module):
    """Uses one layer twice."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 64)

    def forward(self, x):
        return self.layer(self.layer(x.flatten(1)))


class Looks(nn.Module):
    """Does something else if its weights are small."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 10)

    def forward(self, x):
        return self.layer(x.flatten(1) if self.layer.weight.sum() > 0 else -x.flatten(1))


class Turned(Looks):
    """Adds the picture mirrored."""

    def forward(self, x):
        return self.layer((x + x.flip(-1)).flatten(1))


class Stale(Looks):
    """Writes into what it looks at from elsewhere, too."""

    def forward(self, x):
        half = x[:, :, ::2]
        x.relu_()
        return self.layer(torch.cat([half, half], 2).flatten(1))


@pytest.mark.parametrize(("build", "reason"), [
    (Twice, "uses layer.weight, layer.bias more than once"), (Looks, "looks at numbers while it runs"),
    (Turned, "calls flip on"), (Stale, "allowed: "),
    (lambda: nn.Sequential(nn.Conv2d(1, 8, 3), nn.LocalResponseNorm(5)), "local response normalisation"),
    (lambda: create_model("resnet8", variant="cifar", in_channels=1, stochastic_depth=0.5), "draws random numbers"),
    (lambda: nn.Sequential(nn.ConvTranspose2d(1, 2, 2), nn.Flatten(), nn.Linear(162, 10)), "a transposed convolution"),
    (lambda: nn.Sequential(nn.BatchNorm2d(1, affine=False), nn.Flatten(), nn.Linear(64, 10)), "a BatchNorm without"),
    (lambda: nn.Conv2d(1, 2, 3), "allowed: logits"),
    (lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.GELU()), "calls gelu on 3×10"),
])
def test_what_the_engine_does_not_know_is_refused_with_the_reason(build, reason):
    with pytest.raises(ValueError, match=reason):
        describe(build(), (1, 8, 8))


@given(some.lists(some.sampled_from("ab"), max_size=30))
def test_repeats_are_written_once_and_nothing_is_lost(steps):
    parts = repeats(steps)
    assert flat(parts) == steps
    assert repeats(list("ab") * 20) == [[20, ["a", "b"]]]


# ---- what `make trainer` writes


def test_the_kernels_are_compiled_from_their_source():
    head = (HERE / "kernels.js").read_text().split("\n", 1)[0]
    assert f"sha256:{made.source_hash()}" in head, "kernels.c changed: run `make trainer`"


def test_compiling_again_gives_the_same_kernels():
    """Where the same compiler is at hand; another one may order instructions otherwise."""
    text = (HERE / "kernels.js").read_text()
    if shutil.which("clang") and shutil.which("wasm-opt") and made.compiler() in text:
        assert made.base64.b64encode(made.compiled()).decode() in text


def test_the_page_brings_the_digits_of_the_book():
    text = re.search('"(.*)"', (HERE / "digits.js").read_text())[1]
    packed = np.frombuffer(made.gzip.decompress(made.base64.b64decode(text)), np.uint8)
    digits = data.load("digits")
    assert hashlib.sha256(packed).digest() == hashlib.sha256(made.gzip.decompress(made.packed_digits())).digest()
    assert packed.size == 65 * (len(digits.train) + len(digits.test))


# ---- what a widget gives its page


def test_a_plan_has_every_network_or_the_reason():
    sizes = {"variant": "cifar", "in_channels": 1, "image_size": 16, "width": 0.125}
    networks = [((norm, 0.5), "alexnet", {"norm": norm, **sizes}, 16) for norm in ("none", "batch", "lrn")]
    plan = page_plan(networks, {"epochs": 2, "batch_size": 64}, {"norm": "normalisation", "dropout": "dropout"})
    assert list(plan["networks"]) == ["none|0.5", "batch|0.5", "lrn|0.5"] and plan["order"] == ["none|0.5", "batch|0.5"]
    assert "local response normalisation" in plan["networks"]["lrn|0.5"]
    assert made.base64.b64decode(plan["packed"])[:10].hex() == "1f8b0800000000000203", "with every version of Python"
    descriptions = json.loads(made.gzip.decompress(made.base64.b64decode(plan["packed"])))
    assert [each["macs"] for each in descriptions] == [plan["networks"][key] for key in plan["order"]]
    assert page_plan(networks, {"label_smoothing": 0.1}, {}) is None
    assert page_plan([(("x",), "resnet50", {}, 224)], {}, {"form": "form"}) is None


def test_the_explorer_offers_depths_that_are_not_on_its_grid():
    explorer = Explorer("resnet-cifar", {"depth": [20, 56], "shortcut": ["A", "none"]}, recorded=["digits-degradation"],
                        width=8, batch=32)
    plan = explorer.in_page()
    assert (plan["recipe"]["epochs"], plan["recipe"]["batch_size"], plan["source"]) == (6, 64, 0)
    assert {f"{depth}|{shortcut}" for depth in range(8, 57, 6) for shortcut in ("A", "none")} == set(plan["networks"])
    assert explorer.to_html().startswith('<div class="cnnlib-widget" data-kind="Explorer" data-trains>')
    assert Explorer("resnet", ["depth"]).in_page() is None
