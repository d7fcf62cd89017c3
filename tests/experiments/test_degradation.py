"""Degradation: gradients layer by layer, the solution that exists, and the race."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnlib import create_model, training
from cnnlib.experiments import degradation, lesion


def batch(n=8, channels=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, channels, 8, 8, generator=generator), torch.randint(10, (n,), generator=generator)


def narrow(name, seed=0, **options):
    torch.manual_seed(seed)
    return create_model(name, in_channels=1, width=4, **options)


# -- gradients --------------------------------------------------------------------------------------------------------


def test_gradient_norms_are_those_of_a_training_step():
    model, (x, y) = narrow("plain8"), batch()
    norms = degradation.gradient_norms(model.eval(), x, y)
    assert not model.training and all(p.grad is None for p in model.parameters())
    F.cross_entropy(model.train()(x), y).backward()
    layers = {name: m for name, m in model.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))}
    assert norms == pytest.approx({name: layer.weight.grad.norm().item() for name, layer in layers.items()}, rel=1e-5)
    assert list(norms)[0] == "conv1" and list(norms)[-1] == "fc" and len(norms) == 8


def test_measuring_changes_nothing_and_repeats_itself():
    model, (x, y) = narrow("resnet20", stochastic_depth=0.5).train(), batch()
    model.bn1.eval()                                    # frozen by its owner
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    first = degradation.gradient_norms(model, x, y, seed=1)
    assert first == degradation.gradient_norms(model, x, y, seed=1)
    assert first != degradation.gradient_norms(model, x, y, seed=2)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training and not model.bn1.training


def test_degradation_is_no_vanishing_gradient():
    """The claim resnet/degradation-by-gradients.

    With BatchNorm the gradient of a plain network grows on its way back; without, from PyTorch's start, there
    is hardly any."""
    x, y = batch(16)
    for name, least in (("plain56", 10), ("resnet56", 0.1)):
        model = narrow(name)
        norms = list(degradation.gradient_norms(model, x, y).values())
        assert norms[0] > least * norms[-2] > 1e-3
    without = degradation.gradient_norms(degradation.without_norm(narrow("plain56")), x, y)
    assert 0 < without["conv1"] < 1e-15


def test_without_norm_is_a_copy_without_batchnorm():
    model = narrow("plain20")
    bare = degradation.without_norm(model, "he", seed=3)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in bare.modules())
    assert sum(isinstance(m, nn.BatchNorm2d) for m in model.modules()) == 19
    assert torch.equal(bare.conv1.weight, degradation.without_norm(model, "he", seed=3).conv1.weight)
    assert not torch.equal(bare.conv1.weight, degradation.without_norm(model, "he", seed=4).conv1.weight)
    expected = (2 / (9 * 16)) ** 0.5
    assert bare.layer3[2].conv2.weight.std().item() == pytest.approx(expected, rel=0.1)
    with pytest.raises(ValueError, match="start is 'glorot'"):
        degradation.without_norm(model, "glorot")


def test_a_network_without_layers_is_refused():
    with pytest.raises(ValueError, match="without convolutions"):
        degradation.gradient_norms(nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64)), *batch())


# -- the solution that exists -----------------------------------------------------------------------------------------


def test_the_deep_network_contains_the_trained_shallow_one():
    shallow, dataset = lesion.load("digits-plain20")
    deep, _ = lesion.load("digits-plain56")
    before = {name: value.clone() for name, value in deep.state_dict().items()}
    solution = degradation.identity_solution(shallow, deep).eval()
    x = next(dataset.test.batches(64))[0]
    assert torch.equal(solution(x), shallow(x))
    assert all(torch.equal(value, before[name]) for name, value in deep.state_dict().items())
    assert training.evaluate(solution, dataset.test)["error"] == lesion.recorded_error("digits-plain20")
    losses = {name: training.evaluate(model, dataset.train)["loss"]
              for name, model in (("found", deep), ("exists", solution))}
    assert losses["exists"] < 0.1 < 1 < losses["found"]         # training loss: it is degradation


def test_with_pictures_the_solution_holds_in_training_too():
    shallow, dataset = lesion.load("digits-plain20")
    deep, _ = lesion.load("digits-plain56")
    x, y = next(dataset.train.batches(256))
    solution = degradation.identity_solution(shallow, deep, x)
    torch.testing.assert_close(solution.eval()(x), shallow(x), rtol=1e-3, atol=1e-4)
    bare = degradation.identity_solution(shallow, deep)
    with torch.no_grad():
        in_training = {name: F.cross_entropy(model.train()(x), y).item()
                       for name, model in (("with", solution), ("without", bare), ("shallow", shallow))}
    assert in_training["with"] == pytest.approx(in_training["shallow"], rel=0.05)
    assert in_training["without"] > 2 * in_training["with"]


@pytest.mark.parametrize("shallow, deep, message", [
    ("resnet20", "plain56", "shallow is a ResNet that is not plain"),
    ("plain20", "resnet56", "deep is a ResNet that is not plain"),
    ("plain20", "plain20", "deep has no more blocks"),
    ("plain56", "plain20", "deep has no layer"),
])
def test_networks_that_do_not_contain_each_other_are_refused(shallow, deep, message):
    with pytest.raises(ValueError, match=message):
        degradation.identity_solution(narrow(shallow), narrow(deep))


def test_another_width_is_refused():
    with pytest.raises(ValueError, match="deep has no conv1.weight of shape"):
        degradation.identity_solution(narrow("plain8"), create_model("plain14", in_channels=1, width=8))


# -- the race ---------------------------------------------------------------------------------------------------------


def test_a_race_repeats_itself_and_tells_of_every_epoch():
    told = []
    results = degradation.race(8, seed=1, epochs=1, progress=False, device="cpu",
                               callback=lambda kind, model, epoch: told.append((kind, type(model).__name__, epoch)))
    again = degradation.race(8, seed=1, epochs=1, progress=False, device="cpu")
    assert told == [(kind, "ResNet", epoch) for kind in ("plain", "residual") for epoch in (0, 1)]
    for kind, result in results.items():
        assert result.history.final["train_loss"] == again[kind].history.final["train_loss"]
        assert all(block.plain == (kind == "plain") for block in result.model.layer1)
        assert len(result.data.test) == 355 and len(result.history) == 1
    assert results["plain"].model.conv1.weight.shape == (8, 1, 3, 3)


def test_a_race_of_no_depth_or_grid_is_refused():
    with pytest.raises(ValueError, match="depth is 10"):
        degradation.race(10)
    with pytest.raises(ValueError, match="experiment 'degradations'"):
        degradation.race(8, experiment="degradations")
