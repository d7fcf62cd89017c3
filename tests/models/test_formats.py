"""Other ways to run a network give the same numbers: channels last, exported, compiled."""

import sys

import pytest
import torch

import cnnlib
from cnnlib.models import standard_input

SMALL = {                                           # one of each family
    "lenet5": {},
    "lenet5_modern": {},
    "alexnet": {"variant": "cifar", "width": 0.125},
    "vgg11_bn": {"variant": "cifar", "width": 0.125},
    "googlenet": {"variant": "cifar", "width": 0.125},
    "inception_v3": {"variant": "cifar", "width": 0.125},
    "resnet14": {"width": 4, "preactivation": True},
    "resnext50_32x4d": {"width": 16, "num_classes": 10},
    "se_resnet14": {},
    "densenet_bc16_k4": {},
    "densenet_bc10_k4": {"memory_efficient": True},
    "mobilenet_v2": {"width_multiplier": 0.25, "num_classes": 10},
    "fractalnet": {"width": 0.125, "blocks": 3},
}


def network(name):
    """In double precision, so that other orders of adding differ by little; and its picture, 64x64 at most."""
    torch.manual_seed(0)
    channels, side, _ = standard_input(name, **{k: v for k, v in SMALL[name].items() if k == "variant"})
    return cnnlib.create_model(name, **SMALL[name]).double(), torch.randn(2, channels, *2 * [min(side, 64)]).double()


def results(model, x):
    """Logits in training and evaluation, gradients, and the averages that training moved."""
    torch.manual_seed(1)                            # the same units are dropped
    model.zero_grad()
    trained = model.train()(x)
    trained.square().sum().backward()
    grads = [p.grad.clone() for p in model.parameters()]
    return [trained.detach(), model.eval()(x).detach(), *grads, *(b.clone() for b in model.buffers())]


@pytest.mark.parametrize("name", SMALL)
def test_channels_last(name):
    model, x = network(name)
    twin, _ = network(name)
    expected = results(model, x)
    found = results(twin.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", SMALL)
def test_export(name):
    model, x = network(name)
    exported = torch.export.export(model.eval(), (x,)).module()
    other = torch.randn_like(x)
    torch.testing.assert_close(exported(other), model(other), rtol=1e-10, atol=1e-12)


@pytest.mark.skipif(sys.version_info[:3] == (3, 13, 0),
                    reason="on Python 3.13.0 torch.compile overlooks train() and eval(), also of a lone BatchNorm")
@pytest.mark.parametrize("name, options", [
    ("resnet8", {"width": 4}), ("densenet_bc10_k4", {}), ("densenet_bc10_k4", {"memory_efficient": True})])
def test_compile(name, options):
    """Traced with gradients, not translated to machine code: a compiler is not everywhere. Slow: some seconds each."""
    torch.manual_seed(0)
    model = cnnlib.create_model(name, **options).double()
    x = torch.randn(2, 3, 16, 16).double()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    expected = results(model, x)
    model.load_state_dict(state)
    try:
        found = results(torch.compile(model, backend="aot_eager"), x)
    finally:
        torch.compiler.reset()
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)
