"""What every network of the zoo must do, over all names; and torchvision as the oracle for those it has."""

import inspect
import re

import pytest
import torch
import torchinfo
import torchvision
from torch import nn
from torch.nn import functional as F

import cnnlib
from cnnlib import models

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
    if name.startswith(("vgg", "resn", "plain", "se_resn", "wide_resn", "densenet_", "densenet40", "densenet100")):
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
    a, b = (cnnlib.create_model(name, **light(name)).eval() for _ in range(2))
    state = a.state_dict()
    b.load_state_dict(state, strict=True)
    x = small_input(name, batch=1)
    with torch.no_grad():
        assert torch.allclose(a(x), b(x), rtol=0, atol=0, equal_nan=True)   # 1202 untrained layers overflow
    state["surplus"] = torch.zeros(1)
    removed = next(iter(state))
    del state[removed]
    with pytest.raises(RuntimeError, match=rf"(?s)Missing.*{re.escape(removed)}.*Unexpected.*surplus"):
        b.load_state_dict(state, strict=True)


@pytest.mark.parametrize("name", cnnlib.list_models())
def test_summary_equals_torchinfo(name):
    model, x = cnnlib.create_model(name, **light(name)).eval(), small_input(name, batch=1)
    ours = cnnlib.summary(model, tuple(x.shape))
    oracle = torchinfo.summary(model, tuple(x.shape), verbose=0)
    assert ours.total_params == oracle.total_params == sum(p.numel() for p in model.parameters())
    assert ours.trainable_params == oracle.trainable_params
    used = sum(row.params for row in ours.rows)
    heads = sum(p.numel() for n, p in model.named_parameters() if n.lower().startswith("aux"))
    assert used + heads == ours.total_params        # auxiliary heads are left out in evaluation mode


@pytest.mark.parametrize("name", cnnlib.list_models())
def test_on_the_meta_device(name):
    """Full size, no memory; and the smallest picture is the one that the error names."""
    with torch.device("meta"):
        model = cnnlib.create_model(name).eval()
    tensors = [*model.parameters(), *model.buffers()]
    assert all(t.device.type == "meta" for t in tensors if t.dtype.is_floating_point)
    with pytest.raises(ValueError, match=r"takes images of shape \(N, \d, ") as refused:
        model(torch.empty(1, 2, 500, 500, device="meta"))
    smallest = re.search(r"H and W from (\d+)", str(refused.value))
    if smallest is None:                            # one size only
        assert name in FAMILIES["lenet"].MODELS
        return
    smallest = int(smallest.group(1))
    assert model(torch.empty(1, 3, smallest, smallest, device="meta")).shape[0] == 1
    if smallest > 1:
        for h, w in ((smallest - 1, smallest), (smallest, smallest - 1)):
            with pytest.raises(ValueError, match=f"from {smallest}, got"):
                model(torch.empty(1, 3, h, w, device="meta"))


@pytest.mark.parametrize("name", cnnlib.list_models())
def test_cifar_form(name):
    """Where a network has a form for 32x32 it has ten classes and trains; where not, it says so."""
    if "variant" not in inspect.signature(models._factory(name)).parameters:
        pytest.skip("one form only")
    try:
        with torch.device("meta"):
            model = cnnlib.create_model(name, variant="cifar")
    except ValueError as refused:
        assert "variant is 'cifar', allowed: " in str(refused)
        return
    for logits in outputs(model.train()(torch.empty(2, 3, 32, 32, device="meta"))):
        assert logits.shape == (2, 10)


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
SIZES = {"alexnet": (63, 91), "resn": (33, 47), "wide_resn": (33, 47),
         "vgg": (32, 51), "googlenet": (33, 75), "inception_v3": (75, 97)}
TRAINING_SIZES = {"inception_v3": (299,)}           # by its head


def random_state(model):
    """Random numbers of sensible size for every entry of a state dict."""
    state = {}
    for name, like in model.state_dict().items():
        if not like.is_floating_point():
            state[name] = torch.zeros(like.shape, dtype=like.dtype)
        elif like.ndim > 1:
            state[name] = torch.randn(like.shape).mul_((2 / like[0].numel()) ** 0.5)
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
    for training in (False, True):                  # the last one moves BatchNorm's averages
        for size in TRAINING_SIZES.get(name, sizes) if training else sizes:
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
    meta = torchvision.models.get_model_weights(name).DEFAULT.meta
    with torch.device("meta"):
        model = cnnlib.create_model(name, variant="torchvision")
    side = 299 if name == "inception_v3" else 224
    found = cnnlib.summary(model, (1, 3, side, side))
    aux = sum(p.numel() for n, p in model.named_parameters() if name == "googlenet" and "aux" in n)
    assert found.total_params - aux == meta["num_params"]
    assert round(found.total_macs / 1e9, 3) == meta["_ops"]


def test_torchvision_knows_these():
    vggs = {f"vgg{depth}{bn}" for depth in (11, 13, 16, 19) for bn in ("", "_bn")}
    expected = {"alexnet", "googlenet", "inception_v3", *vggs}
    assert expected <= set(ORACLES)
