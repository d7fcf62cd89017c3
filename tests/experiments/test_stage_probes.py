"""Linear probes by stage: what they see of a network, which pictures they learn from, that they find what is there."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import cnnlib
from cnnlib.data.images import balanced
from cnnlib.experiments import stage_probes

DIGITS = cnnlib.data.load("digits")


def test_stage_means_are_the_maps_of_the_network_in_evaluation_mode():
    torch.manual_seed(0)
    net = cnnlib.create_model("resnet8", in_channels=1).train()
    conv1, *_, layer3 = stage_probes.stage_means(net, DIGITS.test)
    assert net.training and all(module.training for module in net.modules())
    assert conv1.shape == (355, 16) and layer3.shape == (355, 64)
    x = DIGITS.test.normalise(DIGITS.test.images)
    net.eval()
    with torch.no_grad():
        maps = net.layer3(net.layer2(net.layer1(net.relu(net.bn1(net.conv1(x))))))
        assert np.allclose(conv1, net.conv1(x).mean((2, 3)), atol=1e-5)
        assert np.allclose(layer3, maps.mean((2, 3)), atol=1e-4)
    assert not net.conv1._forward_hooks


def test_a_probe_learns_from_the_chosen_pictures_only_and_finds_what_is_linear():
    labels = torch.arange(200) % 2
    split = replace(DIGITS.test, images=DIGITS.test.images[:200], labels=labels)
    told = np.random.default_rng(0).normal(size=(200, 3)) + 4 * labels.numpy()[:, None]
    noise = np.random.default_rng(1).normal(size=(200, 3))
    lies = told.copy()
    lies[100:] = -lies[100:]                        # where it does not look, the opposite is true
    first = torch.arange(100)
    clear, nothing, lied = stage_probes.by_depth([told, noise, lies], [told, noise, told], split, split, first)
    assert clear > 0.95 and lied > 0.95 and nothing < 0.7


def test_probes_of_every_number_and_seed(monkeypatch):
    drawn = []
    monkeypatch.setattr(stage_probes, "by_depth", lambda *call: drawn.append(call[-1]) or [0.0])
    found = stage_probes.probes(cnnlib.create_model("resnet8", in_channels=1), DIGITS.test, DIGITS.test,
                                a_class=(5, "all"), seeds=(0, 1))
    assert {number: len(seeds) for number, seeds in found.items()} == {5: 2, "all": 2}
    assert [len(chosen) for chosen in drawn] == [50, 50, 355, 355]
    assert torch.equal(drawn[0], balanced(DIGITS.test.labels, 50, 0)) and not torch.equal(*drawn[:2])


def test_what_was_recorded_is_whole():
    found = stage_probes.recorded()
    assert not found.environment["commit"].endswith("+") and all("flowers" in name for name in found.data.values())
    for size, names in stage_probes.SIZES.items():
        for name in names:
            for form in ("trained", "random"):
                for number in stage_probes.A_CLASS:
                    seeds = np.array(found.of(name, form, size, number))
                    assert seeds.shape == (stage_probes.SEEDS, len(found.stages[name])) and 0.15 < seeds.min()
            first, *others = found.of(name, "trained", size, "all")
            assert all(first == other for other in others)          # all pictures leave the draw no choice
    with pytest.raises(ValueError, match="network is 'resnet8', allowed: 'resnet20'"):
        found.of("resnet8", "trained")
    with pytest.raises(ValueError, match="size is '64', allowed: '32'"):
        found.of("resnet56", "trained", 64)
