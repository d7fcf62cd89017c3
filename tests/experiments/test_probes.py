"""Linear probes: which images they see, what of the network, and that they find what is there to be found."""

import pytest
import torch
from torch import nn

import cnnlib
from cnnlib.data import Images
from cnnlib.experiments import probes


@pytest.fixture(scope="module")
def digits():
    return cnnlib.data.load("digits")


def test_some_classes_numbered_from_zero(digits):
    chosen = probes.only(digits.test, [7, 2])
    truth = digits.test.labels
    assert torch.equal(chosen.labels.bincount(), torch.stack([(truth == 7).sum(), (truth == 2).sum()]))
    sevens = digits.test.images[truth == 7]
    assert torch.equal(chosen.images[chosen.labels == 0], sevens)


def test_few_are_balanced(digits):
    assert probes.few(digits.train, 50).labels.bincount().tolist() == [5] * 10


def test_moved_pictures_are_the_same_pixels_elsewhere(digits):
    padded = cnnlib.data.load("digits", pad=3).test
    once, again = probes.moved(padded, 3), probes.moved(padded, 3)
    assert torch.equal(once.images, again.images) and not torch.equal(once.images, padded.images)
    assert torch.equal(once.images.flatten(1).sort().values, padded.images.flatten(1).sort().values)
    shifts = {int(new[0].sum(0).nonzero()[0] - old[0].sum(0).nonzero()[0])
              for new, old in zip(once.images, padded.images, strict=True)}
    assert shifts == set(range(-3, 4))
    assert torch.equal(once.labels, padded.labels)


def test_maps_of_each_stage_in_evaluation_mode(digits):
    features = cnnlib.create_model("vgg", configuration="4 M 8 M", in_channels=1, batch_norm=True, dense=0,
                                   grid=1).features.train()
    pixels, first, second = probes.stage_maps(features, digits.test)
    assert pixels.shape == (355, 64) and first.shape == (355, 4 * 16) and second.shape == (355, 8 * 4)
    one = Images(digits.test.images[:1], digits.test.labels[:1], digits.test.mean, digits.test.std)
    torch.testing.assert_close(probes.stage_maps(features, one)[2], second[:1])
    assert features.training and all(module.training for module in features)


def test_a_probe_finds_what_is_linear_and_nothing_in_noise():
    torch.manual_seed(0)
    labels = torch.arange(200) % 2
    images = torch.randint(256, (200, 1, 4, 4)).to(torch.uint8)
    images[:, 0, 1, 1] = 60 + 140 * labels.to(torch.uint8)
    split = Images(images, labels, (0.5,), (0.3,))
    blind = nn.Sequential(nn.MaxPool2d(4))                                  # of 16 pixels only the brightest is left
    sees, lost = probes.linear_probes(blind, split, probes.moved(split, 0))
    assert sees > 0.99 and lost < 0.75
