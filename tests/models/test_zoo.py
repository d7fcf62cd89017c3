"""What every network of the zoo must do, over all names; and torchvision as the oracle for those it has."""

import functools
import inspect
import itertools
import re

import pytest
import torch
import torchinfo
import torchvision
from torch import nn
from torch.nn import functional as F

import cnnlib
from cnnlib import models

from . import Shapes, meta

# Small enough to be quick, large enough that BatchNorm sees more than one value a map.
SMALL = {"lenet5": (1, 32, 32), "lenet5_modern": (1, 28, 28), "mnist_cnn": (1, 28, 28),
         "alexnet": (3, 67, 67), "googlenet": (3, 79, 79), "inception_v3": (3, 107, 107)}
FAMILIES = {family.__name__.rsplit(".", 1)[1]: family for family in models._FAMILIES}


def light(name):
    """Options that leave the architecture and make it cheap: ten classes, narrow hidden dense layers, and
    Inception-v3 without its head, which needs 299x299."""
    allowed = inspect.signature(models._factory(name)).parameters
    options = {option: value for option, value in {"num_classes": 10, "dense": 64}.items() if option in allowed}
    return options | ({"aux_logits": False} if name == "inception_v3" else {})


def small_input(name, batch=2):
    channels, height, width = SMALL.get(name, (3, 64, 64))
    if name.startswith(("densenet_", "densenet40", "densenet100")):
        height = width = 16
    elif name.startswith(("vgg", "resn", "plain", "se_resn", "wide_resn", "fractalnet")):
        height = width = 32
    return torch.randn(batch, channels, height, width)


def outputs(result):
    """Logits, or logits and auxiliary logits, as a tuple."""
    return (result,) if isinstance(result, torch.Tensor) else tuple(result)


@pytest.mark.parametrize("name", cnnlib.list_models())
def test_forward_and_backward(name, capsys):
    torch.manual_seed(0)
    model = cnnlib.create_model(name, **light(name)).train()
    found = outputs(model(small_input(name)))
    assert all(logits.shape == (2, 10) for logits in found)
    sum(F.cross_entropy(logits, torch.tensor([0, 1])) for logits in found).backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", cnnlib.list_models())
def test_state_round_trips(name):
    a, b = cnnlib.create_model(name, **light(name)).eval(), meta(name, **light(name)).eval()
    state = a.state_dict()
    b.load_state_dict(state, strict=True, assign=True)          # it has no numbers but these
    x = small_input(name, batch=1)
    with torch.no_grad():
        assert torch.allclose(a(x), b(x), rtol=0, atol=0, equal_nan=True)   # 1202 untrained layers overflow
    state["surplus"] = torch.zeros(1)
    removed, misshapen = list(state)[:2]
    del state[removed]
    state[misshapen] = torch.zeros(3, 1, 4, 1, 5)
    message = rf"(?s)Missing.*{re.escape(removed)}.*Unexpected.*surplus.*size mismatch for {re.escape(misshapen)}:"
    with pytest.raises(RuntimeError, match=message):
        b.load_state_dict(state, strict=True)


@pytest.mark.parametrize("name", cnnlib.list_models())
def test_summary_equals_torchinfo(name):
    model, shape = meta(name, **light(name)).eval(), tuple(small_input(name, batch=1).shape)
    ours = cnnlib.summary(model, shape)
    with Shapes():
        oracle = torchinfo.summary(model, shape, verbose=0, device="meta")
    assert ours.total_params == oracle.total_params == sum(p.numel() for p in model.parameters())
    assert ours.trainable_params == oracle.trainable_params
    used = sum(row.params for row in ours.rows)
    heads = sum(p.numel() for n, p in model.named_parameters() if n.lower().startswith("aux"))
    assert used + heads == ours.total_params        # auxiliary heads are left out in evaluation mode


@functools.cache
def forms(name):
    """The variants that a network has: (options, model on the meta device). What it has not it refuses."""
    if "variant" not in inspect.signature(models._factory(name)).parameters:
        return [({}, meta(name))]
    found = []
    for variant in ("paper", "torchvision", "cifar"):
        try:
            found.append(({"variant": variant}, meta(name, variant=variant)))
        except ValueError as refused:
            assert re.search(f"variant is '{variant}', allowed: |allowed with variant '{variant}': ", str(refused))
    return found


@pytest.mark.parametrize("name", cnnlib.list_models())
@torch.no_grad()
def test_on_the_meta_device(name):
    """Every form takes its standard picture, and needs no memory for that; the one for 32x32 has ten classes."""
    for options, model in forms(name):
        model.eval()
        tensors = [*model.parameters(), *model.buffers()]
        assert all(t.device.type == "meta" for t in tensors if t.dtype.is_floating_point)
        c, h, w = models.standard_input(name, **options)
        assert h == w == 32 or options.get("variant") != "cifar"
        classes = 10 if h <= 32 else 1000
        with Shapes():
            assert model(torch.empty(2, c, h, w, device="meta")).shape == (2, classes)


@pytest.mark.parametrize("name", cnnlib.list_models())
@torch.no_grad()
def test_smallest_picture(name):
    """The smallest size that the error names works, in evaluation and in training; one pixel less is refused."""
    for (options, model), training in itertools.product(forms(name), (False, True)):
        if training and not hasattr(model, "smallest_training"):
            continue                                    # no auxiliary heads: training asks for no more
        model.train(training)
        c, h, w = models.standard_input(name, **options)
        with pytest.raises(ValueError, match=rf"takes images of shape \(N, {c}, .*got \(1, {c + 1}, {h}, {w}\)") as e:
            model(torch.empty(1, c + 1, h, w, device="meta"))
        found = re.search(r"H and W from (\d+)", str(e.value))
        if found is None:                               # the LeNets take one size
            assert name in FAMILIES["lenet"].MODELS and f"(N, {c}, {h}, {w})" in str(e.value)
            sizes = ((h, w - 1), (h + 1, w))
        else:
            h = w = int(found[1])
            assert h <= models.standard_input(name, **options)[1]
            sizes = ((h - 1, w), (h, w - 1)) if h > 1 else ()
        with Shapes():
            assert outputs(model(torch.empty(2, c, h, w, device="meta")))[0].shape[0] == 2
        for height, width in sizes:
            with pytest.raises(ValueError, match=f"{found[0] if found else w}.*, got "):
                model(torch.empty(2, c, height, width, device="meta"))


def test_standard_input():
    expected = {
        ("alexnet",): (3, 227), ("alexnet", "torchvision"): (3, 224), ("alexnet", "cifar"): (3, 32),
        ("vgg16",): (3, 224), ("vgg16", "cifar"): (3, 32), ("googlenet", "cifar"): (3, 32), ("inception_v3",): (3, 299),
        ("inception_v3", "cifar"): (3, 32), ("resnet50",): (3, 224), ("resnet50", "cifar"): (3, 32),
        ("resnet26",): (3, 32), ("plain34",): (3, 224), ("plain14",): (3, 32), ("resnext50_32x4d",): (3, 224),
        ("densenet121",): (3, 224), ("densenet_bc16_k4",): (3, 32), ("densenet_cifar",): (3, 32),
        ("mobilenet_v2",): (3, 224), ("lenet5",): (1, 32), ("lenet5_modern",): (1, 28),
    }
    for (name, *variant), (channels, side) in expected.items():
        options = {"variant": variant[0]} if variant else {}
        assert models.standard_input(name, **options) == (channels, side, side)
    assert models.standard_input("alexnet", image_size=99, in_channels=1) == (1, 99, 99)
    assert models.standard_input("lenet5_modern", in_channels=3) == (3, 28, 28)
    for name, options, message in (
        ("vgg17", {}, "model 'vgg17' is not known"), ("vgg16", {"depth": 3}, "vgg16 has no option 'depth'"),
        ("vgg16", {"variant": "keras"}, "variant is 'keras', allowed: "),
        ("resnet18", {"variant": "cifar"}, r"depth is 18, allowed with variant 'cifar': 6n\+2"),
        ("alexnet", {"width": 0.3}, "width is 0.3, allowed: multiples of 1/8"),
    ):
        with pytest.raises(ValueError, match=message):
            models.standard_input(name, **options)


def test_names_and_classes_are_unique():
    names = [name for family in models._FAMILIES for name in family.MODELS]
    assert sorted(names) == cnnlib.list_models() and len(set(names)) == len(names)
    classes = {}
    for family in models._FAMILIES:
        for name, value in vars(family).items():
            if inspect.isclass(value) and issubclass(value, nn.Module) and value.__module__ == family.__name__:
                assert name not in classes, f"{name} in {family.__name__} and {classes[name]}"
                classes[name] = family.__name__
                assert getattr(models, name) is value and name in models.__all__


@pytest.mark.parametrize("name", cnnlib.list_models())
def test_what_all_refuse(name):
    for options, message in (
        ({"surplus": 1}, f"{name} has no option 'surplus'"),
        ({"num_classes": 0}, "num_classes is 0, allowed: "),
        ({"variant": "tensorflow"}, "variant is 'tensorflow', allowed: "),
    ):
        if {"surplus", *inspect.signature(models._factory(name)).parameters} >= set(options):
            with pytest.raises(ValueError, match=message):
                cnnlib.create_model(name, **options)


# ---- torchvision: every network of ours that it has under the same name ----

ORACLES = sorted(set(cnnlib.list_models()) & set(torchvision.models.list_models(torchvision.models)))
# Of pictures in evaluation and in training; Inception-v3's head asks for 299.
SIZES = {"alexnet": (63, 91), "resn": (33, 47), "wide_resn": (33, 47),
         "vgg": (32, 51), "googlenet": (33, 75), "inception_v3": (75, 299)}


def random_state(model):
    """Random numbers of sensible size for every entry of a state dict; in a large one they repeat themselves."""
    state, numbers = {}, torch.randn(1_000_003)
    for name, like in model.state_dict().items():
        if not like.is_floating_point():
            state[name] = torch.zeros(like.shape, dtype=like.dtype)
        elif like.ndim > 1:
            drawn = numbers.repeat(-(-like.numel() // len(numbers)))[:like.numel()].view(like.shape)
            state[name] = drawn.mul_((2 / like[0].numel()) ** 0.5)
        elif name.endswith(("weight", "running_var")):
            state[name] = torch.rand(like.shape) + 0.5
        else:
            state[name] = torch.randn(like.shape) * 0.1
    return state


def run(model, x, training):
    """Logits of all heads, and the gradient of their squares' sum with respect to the picture."""
    torch.manual_seed(1)                            # the same units are dropped
    x = x.clone().requires_grad_()
    found = outputs(model.train(training)(x))
    found_grad, = torch.autograd.grad(sum(logits.square().sum() for logits in found), x)
    return [logits.detach() for logits in found] + [found_grad]


def relative_error(a, b):
    return ((a - b).abs().max() / b.abs().max()).item()


@pytest.mark.parametrize("name", ORACLES)
def test_equal_to_torchvision(name, record_property):
    torch.manual_seed(0)
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with torch.device("meta"):                      # nothing is drawn but the state below
        theirs = torchvision.models.get_model(name, weights=None, **options)
        ours = cnnlib.create_model(name, variant="torchvision")
    state = random_state(theirs)
    for model in (theirs, ours):
        model.load_state_dict(state, strict=True, assign=True)
        model.requires_grad_(False)
    worst = 0.0
    sizes = next((sizes for prefix, sizes in SIZES.items() if name.startswith(prefix)), (64, 75))
    for training, size in zip((False, True), sizes, strict=True):       # the last one moves BatchNorm's averages
        x = torch.randn(2, 3, size, size)
        a, b = run(ours, x, training), run(theirs, x, training)
        assert len(a) == len(b) and all(t.isfinite().all() for t in (*a, *b))
        worst = max(worst, *map(relative_error, a, b))
    record_property("error", worst)
    assert worst <= 1e-5


@pytest.mark.parametrize("name", ORACLES)
def test_equal_to_torchvisions_tables(name):
    """Parameters as integers, multiply-accumulates to the three decimals that come with the weights.

    GoogLeNet's are published without its auxiliary heads, Inception-v3's with the parameters of its head.
    """
    published = torchvision.models.get_model_weights(name).DEFAULT.meta
    model = meta(name, variant="torchvision")
    side = 299 if name == "inception_v3" else 224
    found = cnnlib.summary(model, (1, 3, side, side))
    aux = sum(p.numel() for n, p in model.named_parameters() if name == "googlenet" and "aux" in n)
    assert found.total_params - aux == published["num_params"]
    assert round(found.total_macs / 1e9, 3) == published["_ops"]


def test_torchvision_knows_these():
    vggs = {f"vgg{depth}{bn}" for depth in (11, 13, 16, 19) for bn in ("", "_bn")}
    expected = {"alexnet", "googlenet", "inception_v3", *vggs}
    assert expected <= set(ORACLES)
