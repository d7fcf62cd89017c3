"""The engine against PyTorch: gradients in float64, losses step by step, a whole epoch, and what training comes to."""

import copy
from statistics import fmean

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnlib import create_model, data
from cnnlib.data.images import Plan
from cnnlib.records import runs
from cnnlib.records.grids import GRIDS
from cnnlib.training import Recipe, fit
from cnnlib.training.recipe import make_optimizer
from cnnlib.widgets.trainer import describe, described

from .engine import ask, in_order, packed, unpacked
from .networks import KINDS, far, gradient_at_forks, job_of, random_case

RECIPE = {**GRIDS["digits-degradation"].recipe}


def test_gradients_of_random_networks_are_those_of_float64():
    """Batches of 64 and 34 have passed before, so that what they left in memory would be seen."""
    cases = [random_case(number) for number in range(7 * len(KINDS))]
    jobs = [job_of(case) for case in cases]
    answers = ask([job for job, _, _ in jobs])
    for case, (_, (loss, gradient), single), answer in zip(cases, jobs, answers, strict=True):
        off = far(unpacked(answer["gradient"]), gradient)
        assert off < 2e-5, f"{case.label}, {case.batch}: {off:.1e}, PyTorch in float32 {far(single, gradient):.1e}"
        assert abs(answer["loss"] / loss - 1) < 1e-6, case.label


# Depth, width and batch of networks on the first digits, with a ReLU whose input is as near to 0 as float32 can tell.
FORKS = [("densenet_cifar", {"depth": 22, "growth_rate": 5}, 64, 5), ("resnet8", {"width": 16}, 128, 1),
         ("resnet20", {"width": 8}, 128, 1), ("resnet56", {"width": 8}, 128, 1)]


@pytest.mark.parametrize(("name", "options", "batch", "seed"), FORKS)
def test_where_a_gradient_is_odd_a_relu_stood_at_its_fork(digits, name, options, batch, seed):
    """A whole network's gradient may be 0.1 % off because one unit was a rounding error from 0. It is then exactly the
    gradient of the other branch, which float64 finds when these units are turned."""
    torch.manual_seed(seed)
    model = create_model(name, in_channels=1, **({} if "dense" in name else {"variant": "cifar"}), **options)
    x, y = digits[8].train.normalise(digits[8].train.images[:batch]), digits[8].train.labels[:batch]
    description = describe(model, (1, 8, 8))
    [answer] = ask([{"do": "gradient", "description": description, "weights": packed(in_order(model, description)),
                     "batch": batch, "x": packed(x), "labels": packed(y, "uint8")}])
    found = unpacked(answer["gradient"])
    wanted, forks = gradient_at_forks(model, x, y, description, found)
    assert 0 < forks < 100 and far(found, wanted) < 2e-5


@pytest.fixture(scope="module")
def digits():
    return {size: data.load("digits", size=size) for size in (8, 28)}


def split(images):
    x = images.normalise(images.images)
    return {"x": packed(x), "labels": packed(images.labels, "uint8")}


def training_job(model, data, recipe, **more):
    """Train with PyTorch's weights and PyTorch's order of the pictures."""
    description = describe(model, data.train.shape)
    orders = [Plan(len(data.train), recipe["batch_size"], True, epoch).order.tolist()
              for epoch in range(1, recipe["epochs"] + 1)]
    return {"do": "train", "description": description, "weights": packed(in_order(model, description)),
            "batch": recipe["batch_size"], "recipe": {"schedule": "one-cycle", **recipe}, "train": split(data.train),
            "test": split(data.test), "orders": orders, **more}


def losses_of(model, data, recipe, steps):
    """The losses of the first steps, as `fit` takes them, in float64."""
    recipe, model = Recipe(**recipe), copy.deepcopy(model).double().train()
    optimizer, losses, per = make_optimizer(model, recipe), [], -(-len(data.train) // recipe.batch_size)
    for x, y in data.train.batches(recipe.batch_size, shuffle=True, seed=1):
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr_at(len(losses), recipe.epochs * per)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x.double()), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if len(losses) == steps:
            return losses


ADAM = {"epochs": 2, "batch_size": 32, "optimizer": "adam", "lr": 0.003, "weight_decay": 1e-3, "schedule": "constant"}


@pytest.mark.parametrize(("name", "options", "size", "recipe"), [
    ("resnet8", {"width": 8}, 8, RECIPE), ("resnet20", {"width": 8}, 8, RECIPE),
    ("lenet5_modern", {"activation": "tanh", "pooling": "avg"}, 28, ADAM),
    ("lenet5_modern", {"activation": "relu"}, 28, {**ADAM, "optimizer": "sgd", "lr": 0.02, "schedule": "step"}),
])
def test_the_first_ten_losses(digits, name, options, size, recipe):
    torch.manual_seed(0)
    model = create_model(name, **({} if name == "lenet5_modern" else {"variant": "cifar", "in_channels": 1}), **options)
    expected = losses_of(model, digits[size], recipe, 10)
    [answer] = ask([training_job(model, digits[size], recipe, steps=10)])
    np.testing.assert_allclose(answer["losses"], expected, rtol=1e-6)


@pytest.mark.parametrize(("name", "options"), [("resnet8", {"variant": "cifar", "width": 8}),
                                               ("densenet_cifar", {"depth": 10, "growth_rate": 4})])
def test_an_epoch_with_its_short_last_batch(digits, name, options):
    """Losses, the averages of every BatchNorm, and what the test says, are those of `fit`. The learning rate is small:
    with a large one no two programs in float32 agree after so many steps, PyTorch on two machines neither."""
    torch.manual_seed(0)
    model = create_model(name, in_channels=1, **options)
    recipe = {**RECIPE, "epochs": 1, "lr": 0.002}
    [answer] = ask([training_job(model, digits[8], recipe)])
    history = fit(model, digits[8], **recipe, device="cpu", progress=False)
    [row] = answer["rows"]
    for key in ("train_loss", "test_loss", "lr"):
        assert row[key] == pytest.approx(history[0][key], rel=1e-4), key
    modules = dict(model.named_modules())
    norms = [modules[name] for name in describe(model, (1, 8, 8))["norms"]]
    averages = np.concatenate([torch.cat([norm.running_mean, norm.running_var]).numpy() for norm in norms])
    assert far(unpacked(answer["averages"]), averages) < 1e-4


def hash_of(place, seed):
    """Wellons' lowbias32, as in kernels.c: whole numbers below 2^32."""
    h = (place ^ seed).astype(np.uint64)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        h ^= h >> shift
        h = h * factor & 0xFFFFFFFF
    return h ^ h >> 16


def test_dropout_drops_by_its_seed_and_the_gradient_follows():
    torch.manual_seed(1)
    seed, units, batch = 5, 40, 34
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, units), nn.Tanh(), nn.Dropout(0.3), nn.Linear(units, 10))
    x, y = torch.randn(batch, 1, 8, 8), torch.randint(10, (batch,))
    description = describe(model, (1, 8, 8))
    job = {"do": "gradient", "description": description, "weights": packed(in_order(model, description)), "seed": seed,
           "batch": batch, "x": packed(x), "labels": packed(y, "uint8")}
    again, other = ask([job, {**job, "seed": 6}])
    # Unit u of picture n lies at (u, n % 16) of tile n // 16; the first step of the first dropout draws with this seed.
    n, unit = np.mgrid[:batch, :units]
    drawn = hash_of(n // 16 * units * 16 + unit * 16 + n % 16, (seed * 1009 + 1) * 0x9E3779B1 & 0xFFFFFFFF)
    mask = torch.from_numpy(((drawn >> 8) * 2.0**-24 < 0.7) / 0.7)
    assert 0.6 < (mask > 0).double().mean() < 0.8
    twin = copy.deepcopy(model).double()
    F.cross_entropy(twin[4](twin[2](twin[1](x.double().flatten(1))) * mask), y).backward()
    assert far(unpacked(again["gradient"]), in_order(twin, description, lambda p: p.grad)) < 2e-5
    assert far(unpacked(other["gradient"]), unpacked(again["gradient"])) > 0.01


def begun(name, options, size, recipe, data, seeds):
    """Runs as the page makes them: with weights and orders of its own."""
    description = described(name, (1, size, size), in_channels=1, **options)
    job = {"do": "train", "description": description, "batch": recipe["batch_size"], "recipe": recipe,
           "train": split(data.train), "test": split(data.test)}
    return ask([{**job, "begin": seed} for seed in seeds])


def errors(answers):
    return [answer["rows"][-1]["test_error"] for answer in answers]


def test_the_page_finds_the_degradation_of_plain_networks(digits):
    """Deep plain networks fail to learn what residual ones of the same depth learn; with two seeds each."""
    size = {"variant": "cifar", "width": 8}
    plain = begun("plain56", size, 8, RECIPE, digits[8], (0, 1))
    residual = begun("resnet56", size, 8, RECIPE, digits[8], (0, 1))
    assert min(errors(plain)) > 0.3 and max(errors(residual)) < 0.1
    assert min(answer["rows"][-1]["train_error"] for answer in plain) > 0.3, "it fails on what it was shown, too"


def test_five_seeds_end_where_pytorch_ends(digits):
    recorded = [run.column("test_error")[-1] for run in runs.load("digits-degradation")
                if run.model["name"] == "resnet20"]
    found = errors(begun("resnet20", {"variant": "cifar", "width": 8}, 8, RECIPE, digits[8], range(5)))
    assert min(recorded) - 0.01 < fmean(found) < max(recorded) + 0.01
