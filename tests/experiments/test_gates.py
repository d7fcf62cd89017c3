"""Gates of SE networks: read, replaced, exchanged, and what was recorded of a trained network."""

import hashlib

import pytest
import torch

import cnnlib
from cnnlib.data import DataNotFound
from cnnlib.experiments import gates, lesion
from cnnlib.files import DATA
from cnnlib.training.evaluation import evaluate

DIGITS = cnnlib.data.load("digits")


def network(**options):
    torch.manual_seed(0)
    return cnnlib.create_model("resnet8", in_channels=1, width=4, se_reduction=2, **options)


def test_gates_are_those_that_the_blocks_compute():
    model = network()
    found = gates.gates(model, DIGITS.test)
    assert list(found) == ["layer1.0", "layer2.0", "layer3.0"] and model.training
    assert [tuple(values.shape) for values in found.values()] == [(355, 4), (355, 8), (355, 16)]
    heard = []
    model.layer2[0].se.register_forward_hook(lambda part, inputs, _: heard.append(part.gates(inputs[0])))
    x, _ = next(DIGITS.test.batches(355))
    with torch.no_grad():
        model.eval()(x)
    torch.testing.assert_close(found["layer2.0"], heard[0])
    with pytest.raises(ValueError, match="model is a ResNet without SqueezeExcite, allowed: networks with gates"):
        gates.blocks(cnnlib.create_model("resnet8"))


def test_gates_can_be_replaced_and_are_given_back():
    model = network().eval()
    x, _ = next(DIGITS.test.batches(20))
    with torch.no_grad():
        own, found = model(x), gates.gates(model, DIGITS.test)
        first = {name: values[:20] for name, values in found.items()}
        with gates.replaced(model, first):                  # a picture's own gates change nothing, in two batches, too
            torch.testing.assert_close(torch.cat([model(x[:15]), model(x[15:])]), own)
        with gates.replaced(model, {"layer1.0": torch.zeros(4)}):       # a gate of 0 shuts its channel
            shut = model.layer1(torch.randn(2, 4, 5, 5))
        assert torch.equal(model(x), own)
        assert shut.shape == (2, 4, 5, 5)
    with pytest.raises(ValueError, match="block is 'layer9', allowed: 'layer1.0'"):
        with gates.replaced(model, {"layer9": torch.zeros(4)}):
            pass


def test_closed_gates_leave_the_shortcut():
    model = network().eval()
    x = torch.rand(2, 4, 5, 5)
    with torch.no_grad(), gates.replaced(model, {"layer1.0": torch.zeros(4)}):
        torch.testing.assert_close(model.layer1(x), x)


@pytest.mark.parametrize("same_class", [True, False])
def test_pictures_are_exchanged_within_or_across_classes(same_class):
    labels = DIGITS.test.labels
    partner = gates.exchanged(labels, same_class)
    assert ((labels[partner] == labels) == same_class).all() and (partner != torch.arange(len(labels))).all()
    assert torch.equal(partner, gates.exchanged(labels, same_class))
    assert not same_class or len(partner.unique()) == len(labels)


def test_lesions_count_wrong_answers():
    model = network()
    found = gates.lesions(model, DIGITS.train, DIGITS.test)
    assert list(found) == ["own", "mean", "same class", "another class", "alone"]
    assert found["own"] == evaluate(model, DIGITS.test)["total"] - evaluate(model, DIGITS.test)["correct"]
    assert list(found["alone"]) == list(gates.blocks(model))


@pytest.mark.parametrize("name", gates.NETWORKS)
def test_what_was_recorded_is_of_the_weights_that_are_there(name):
    found = gates.recorded(name)
    assert found.weights == hashlib.sha256((DATA / "weights" / f"{name}.safetensors").read_bytes()).hexdigest()
    assert len(found.classes) == 10 and len(found.pictures) == len(found.labels) == gates.PICTURES
    assert sorted(found.labels) == [label for label in range(10) for _ in range(gates.PICTURES // 10)]
    for block in found.by_class:
        width = len(found.spread[block])
        assert [len(row) for row in found.by_class[block]] == 10 * [width]
        assert [len(row) for row in found.by_picture[block]] == gates.PICTURES * [width]
        every = torch.tensor(found.by_class[block])
        assert 0 < every.min() and every.max() < 1
    assert found.wrong["own"] == pytest.approx(lesion.recorded_error(name) * found.images, abs=5)
    with pytest.raises(ValueError, match=f"network is 'other', allowed: '{gates.NETWORKS[0]}'"):
        gates.recorded("other")


@pytest.mark.parametrize("name", gates.NETWORKS)
def test_recorded_gates_are_found_again(name):
    found = gates.recorded(name)
    try:
        model, dataset = lesion.load(name)
    except DataNotFound as missing:
        pytest.skip(str(missing))
    if dataset.variant != found.data:
        pytest.skip(f"recorded on another copy: {found.data}")
    again = gates.gates(model, dataset.test)
    for block, rows in found.by_picture.items():
        torch.testing.assert_close(again[block][found.pictures], torch.tensor(rows), atol=2e-3, rtol=0)
