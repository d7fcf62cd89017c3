"""Lesions: blocks deleted, swapped and shuffled, in networks of every kind; and what was recorded of them."""

import hashlib
import itertools
import math
import os
import random
from dataclasses import replace
from itertools import combinations

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cnnlib import create_model, data, training
from cnnlib.experiments import lesion, lesion_records
from tests.anatomy.test_joints import Grows, Students, images


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture(scope="module")
def trained():
    return lesion.load("digits-resnet20")[0]


def at_hand(name):
    """A recorded network and its data, where its very pictures are: photographs are no part of the project."""
    if not name.startswith("digits-") and "CNNLIB_DATA" not in os.environ:
        pytest.skip("CNNLIB_DATA names no folder with data sets")
    model, dataset = lesion.load(name)
    if dataset.variant != lesion_records.recorded(name).data:
        pytest.skip(f"recorded on another copy: {lesion_records.recorded(name).data}")
    return model, dataset


def seeded(build, seed=0):
    torch.manual_seed(seed)
    return build().eval()


# -- what deleting means ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network, name, last", [
    (lambda: create_model("resnet20"), "layer2.0", "bn2"),
    (lambda: torchvision.models.resnet50(), "layer1.1", "bn3"),
    (lambda: create_model("resnet20", shortcut="B"), "layer3.0", "bn2"),
    (lambda: create_model("se_resnet20"), "layer2.1", "se"),
])
def test_deleting_a_residual_block_zeroes_its_branch(network, name, last):
    model, x = seeded(network), images(side=32)
    with lesion.lesioned(model, delete=name):
        deleted = model(x)
    handle = model.get_submodule(f"{name}.{last}").register_forward_hook(lambda _m, _i, out: torch.zeros_like(out))
    assert torch.equal(deleted, model(x))
    handle.remove()
    assert not torch.equal(deleted, model(x))


def test_deleting_a_preactivated_block_zeroes_its_branch():
    model, x = seeded(lambda: create_model("resnet20", preactivation=True)), images()
    with lesion.lesioned(model, delete=["layer1.0", "layer2.0"]):
        deleted = model(x)
    for block in (model.layer1[0], model.layer2[0]):
        nn.init.zeros_(block.conv2.weight)
    torch.testing.assert_close(deleted, model(x))


@pytest.mark.parametrize("network", [
    lambda: create_model("densenet_bc40_k4"), lambda: torchvision.models.densenet121()])
def test_deleting_a_dense_layer_zeroes_its_channels(network):
    model, x = seeded(network), images(side=32)
    names = lesion.blocks(model, x)
    for name in (names[0], names[-1]):
        with lesion.lesioned(model, delete=name):
            deleted = model(x)
        handle = model.get_submodule(f"{name}.conv2").register_forward_hook(lambda _m, _i, out: torch.zeros_like(out))
        assert torch.equal(deleted, model(x))
        handle.remove()


def test_deleting_a_plain_layer_leaves_it_out():
    model, x = seeded(lambda: create_model("vgg13_bn", variant="cifar", width=0.125)), images(side=32)
    with lesion.lesioned(model, delete=["features.3", "features.17"]):
        deleted = model(x)
    rest = nn.Sequential(*(m for i, m in enumerate(model.features) if i not in (3, 4, 17, 18)))
    torch.testing.assert_close(deleted, model.classifier(model.avgpool(rest(x)).flatten(1)))


def test_deleting_a_plain_block_leaves_it_out():
    model, x = seeded(lambda: create_model("plain20")), images()
    assert lesion.blocks(model) == [f"layer{s}.{i}" for s in (1, 2, 3) for i in range(3) if i or s == 1]
    with lesion.lesioned(model, delete="layer2.1"):
        deleted = model(x)
    del model.layer2[1]
    assert torch.equal(deleted, model(x))


def test_a_students_networks():
    model, x = seeded(Students), images()
    with lesion.lesioned(model, delete=["branches.0", "branches.1", "branches.2", "branches.3"]):
        assert torch.equal(model(x), model.fc(model.stem(x).mean((2, 3))))
    model = seeded(lambda: nn.Sequential(Grows(3), Grows(7), nn.Conv2d(11, 2, 1)))
    with lesion.lesioned(model, delete="0"):
        deleted = model(x)
    made = model[0](x)
    made[:, 3:] = 0
    torch.testing.assert_close(deleted, model[2](model[1](made)))


def test_what_cannot_be_deleted_is_refused_with_the_reason():
    model = create_model("resnet20")
    for arguments, message in (({"delete": "layer1.7"}, "delete names 'layer1.7', allowed: layer1.0"),
                               ({"swap": [("layer1.0", "layer2.0")]}, "does not fit the place"),
                               ({"swap": ["layer1.0"]}, "pairs of names"),
                               ({"order": ["layer1.0"]}, "each of the 9 blocks once")):
        with pytest.raises(ValueError, match=message):
            with lesion.lesioned(model, **arguments):
                pass
    with pytest.raises(ValueError, match="nothing can be deleted"):
        lesion.blocks(create_model("lenet5"))
    with pytest.raises(ValueError, match="name is 'resnet', allowed: .*digits-resnet20"):
        lesion.load("resnet")


# -- swapping ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, a, b", [("resnet20", "layer1.0", "layer1.2"), ("plain20", "layer3.1", "layer3.2")])
def test_swapped_blocks_stand_in_each_others_places(name, a, b):
    model, x = seeded(lambda: create_model(name)), images()
    with lesion.lesioned(model, swap=[(a, b)]):
        swapped = model(x)
    with lesion.lesioned(model, swap=[(a, b), (a, b)]):
        assert torch.equal(model(x), seeded(lambda: create_model(name))(x))
    names = lesion.blocks(model)
    with lesion.lesioned(model, order=[{a: b, b: a}.get(each, each) for each in names]):
        assert torch.equal(model(x), swapped)
    stage = getattr(model, a[:6])
    i, j = int(a[-1]), int(b[-1])
    stage[i], stage[j] = stage[j], stage[i]
    assert torch.equal(model(x), swapped)


def test_swapped_layers_of_vgg_take_their_batchnorm_along():
    model, x = seeded(lambda: create_model("vgg16_bn", variant="cifar", width=0.125)), images(side=32)
    for i, layer in enumerate(model.features):
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.fill_(i / 100)
    with lesion.lesioned(model, swap=[("features.17", "features.20")]):
        swapped = model(x)
    f = model.features
    f[17], f[20], f[18], f[21] = f[20], f[17], f[21], f[18]
    assert torch.equal(model(x), swapped)


@settings(deadline=None)
@given(st.permutations(range(8)))
def test_kendalls_tau_counts_the_pairs_in_the_wrong_order(order):
    wrong = sum(a > b for a, b in itertools.combinations(order, 2))
    assert lesion.kendall_tau(order) == pytest.approx(1 - 2 * wrong / 28)


def test_tau_needs_an_order():
    for order in ([1], [1, 1]):
        with pytest.raises(ValueError, match="order is"):
            lesion.kendall_tau(order)


# -- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", lesion_records.NETWORKS)
def test_without_a_lesion_the_recorded_error_comes_out(name):
    model, dataset = at_hand(name)
    assert abs(lesion.test_error(model, dataset.test) - lesion.recorded_error(name)) * len(dataset.test) <= (
        0 if name.startswith("digits-") else 5)         # of 10,000; another processor may take one or two differently


def test_an_error_is_that_of_the_lesioned_network(trained, digits):
    with lesion.lesioned(trained, delete=["layer1.0", "layer3.1"]):
        expected = training.evaluate(trained, digits.test)["error"]
    assert lesion.test_error(trained, digits.test, delete=["layer1.0", "layer3.1"]) == expected
    assert lesion.test_errors(trained, digits.test, [["layer1.0", "layer3.1"], []], progress=False) == [
        expected, lesion.recorded_error("digits-resnet20")]
    everything = lesion.singles(trained, digits.test, progress=False)
    assert list(everything) == lesion.blocks(trained)
    assert everything["layer1.2"] == lesion.test_error(trained, digits.test, delete="layer1.2")


def test_all_pairs_in_the_order_of_the_network(digits):
    model = seeded(lambda: create_model("resnet8", in_channels=1, width=4))
    found = lesion.pairs(model, digits.test, progress=False)
    assert list(found) == list(combinations(lesion.blocks(model), 2))
    assert found["layer1.0", "layer3.0"] == lesion.test_error(model, digits.test, delete=["layer3.0", "layer1.0"])


def test_random_sets_follow_from_the_seed_and_more_draws_add_to_them(digits):
    model = seeded(lambda: create_model("resnet20", in_channels=1, width=4))
    ask = lambda k, draws, seed=0: lesion.random_deletions(model, digits.test, k, draws, seed=seed,      # noqa: E731
                                                           progress=False)
    assert ask(2, 3)[2] == ask([1, 2], 5)[2][:3]
    names, draw = lesion.blocks(model), random.Random("0 2")
    assert ask(2, 1)[2] == [lesion.test_error(model, digits.test, delete=draw.sample(names, 2))]
    with pytest.raises(ValueError, match="k is 10"):
        ask(10, 1)
    rows = lesion.random_swaps(model, digits.test, [0, 4], 2, progress=False)
    assert rows == lesion.random_swaps(model, digits.test, [0, 4], 2, progress=False)
    assert [row["swaps"] for row in rows] == [0, 0, 4, 4]
    assert [row["tau"] for row in rows[:2]] == [1, 1] and rows[0]["error"] == lesion.test_error(model, digits.test)


def test_statistics_are_estimated_anew_and_put_back(trained, digits):
    trained.train()
    trained.layer2.eval()
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    momenta = [m.momentum for m in trained.modules() if isinstance(m, nn.BatchNorm2d)]
    error = lesion.test_error(trained, digits.test, delete="layer1.0", restat=digits.train)
    assert error < lesion.test_error(trained, digits.test, delete="layer1.0")
    assert all(torch.equal(value, before[name]) for name, value in trained.state_dict().items())
    assert momenta == [m.momentum for m in trained.modules() if isinstance(m, nn.BatchNorm2d)]
    assert trained.training and trained.layer1.training and not trained.layer2.training
    trained.eval()


def test_the_new_statistics_are_those_of_the_images(digits):
    model = seeded(lambda: create_model("resnet8", in_channels=1, width=4))
    inputs = []
    handle = model.bn1.register_forward_pre_hook(lambda _m, args: inputs.append(args[0]))
    with lesion.reestimated(model, digits.train, batch_size=len(digits.train)):
        handle.remove()
        torch.testing.assert_close(model.bn1.running_mean, inputs[0].mean((0, 2, 3)))
        torch.testing.assert_close(model.bn1.running_var, inputs[0].var((0, 2, 3)))
    assert torch.equal(model.bn1.running_mean, torch.zeros(4))


def test_statistics_of_a_network_that_met_shifted_images_are_of_such_images(digits):
    model = seeded(lambda: create_model("resnet8", in_channels=1, width=4))
    shifted = replace(digits.train, crop=2)
    (x, _), = shifted.batches(len(shifted), shuffle=True, seed=0)
    with torch.no_grad():
        expected = model.conv1(x).mean((0, 2, 3))
    with lesion.reestimated(model, shifted, batch_size=len(shifted)):
        torch.testing.assert_close(model.bn1.running_mean, expected)
    with lesion.reestimated(model, digits.train, batch_size=len(shifted)):
        assert (model.bn1.running_mean - expected).abs().max() > 0.01


# -- surviving paths --------------------------------------------------------------------------------------------------


def test_surviving_paths_by_counting_them():
    """All paths through 8 blocks, 3 of which are gone: a path is left if it goes around all of them."""
    paths = [path for path in range(2**8)]
    for x in range(9):
        of_length = [path for path in paths if path.bit_count() == x] if hasattr(int, "bit_count") else [
            path for path in paths if bin(path).count("1") == x]
        left = [path for path in of_length if not path & 0b10010010]
        assert lesion.surviving(8, x, 3) == pytest.approx(len(left) / len(of_length))
    assert lesion.surviving_between(8, 2, 4, 3) == pytest.approx(
        sum(lesion.surviving(8, x, 3) * math.comb(8, x) for x in (2, 3, 4)) / sum(math.comb(8, x) for x in (2, 3, 4)))


def test_the_numbers_of_the_ledger():
    assert lesion.surviving_between(54, 5, 17, 1) == pytest.approx(0.698, abs=5e-4)   # resnet/paths-after-removals
    assert lesion.surviving_between(54, 5, 17, 10) == pytest.approx(0.019, abs=5e-4)  # resnet/ten-and-twenty-removals
    assert lesion.surviving_between(54, 5, 17, 20) == pytest.approx(0.00012, abs=5e-6)
    assert lesion.surviving(54, 5, 10) == pytest.approx(0.34, abs=5e-3)
    assert lesion.surviving(54, 17, 10) == pytest.approx(0.015, abs=5e-4)
    for call, message in ((lambda: lesion.surviving(5, 6, 1), "x is 6"), (lambda: lesion.surviving(5, 1, 6), "k is 6"),
                          (lambda: lesion.surviving_between(5, 3, 2, 1), "high is 2")):
        with pytest.raises(ValueError, match=message):
            call()


# -- recorded ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", lesion_records.NETWORKS)
def test_recorded_lesions_come_out_again(name):
    """Some of them, drawn anew every time the file changes; another processor may take one image differently."""
    found = lesion_records.recorded(name)
    assert found.weights == hashlib.sha256((lesion.WEIGHTS / f"{name}.safetensors").read_bytes()).hexdigest()
    model, dataset = at_hand(name)
    test, train = lesion_records.some(dataset.test), lesion_records.some(dataset.train)
    assert found.images == len(test) and found.blocks == lesion.blocks(model, next(test.batches(2))[0])
    assert found.error() == lesion.recorded_error(name) or len(test) < len(dataset.test)
    draw = random.Random(found.weights)
    for statistics, how_many in (("kept", 6), ("reestimated", 2)):
        restat = train if statistics == "reestimated" else None
        for key in draw.sample(sorted(found.wrong[statistics]), how_many):
            deleted = [found.blocks[int(i)] for i in key.split()]
            error = lesion.test_error(model, test, delete=deleted, restat=restat)
            assert abs(found.error(deleted, statistics) - error) * found.images <= 1.01, (statistics, key)


@pytest.mark.parametrize("name", lesion_records.NETWORKS)
def test_every_set_that_was_promised_is_recorded(name):
    found = lesion_records.recorded(name)
    most = lesion_records.NETWORKS[name]
    for statistics in lesion_records.STATISTICS:
        assert set(found.wrong[statistics]) == {" ".join(map(str, each)) for k in range(most + 1)
                                                for each in combinations(range(len(found.blocks)), k)}
        assert all(0 <= wrong <= found.images for wrong in found.wrong[statistics].values())
        assert all(len(errors) == lesion_records.DRAWS for errors in found.random_deletions(statistics).values())
        assert len(found.singles(statistics)) == len(found.blocks)
        assert len(found.pairs(statistics)) == math.comb(len(found.blocks), 2)
    assert {row["swaps"] for row in found.random_swaps()} == (set() if "densenet" in name else set(lesion_records.FEW))
    assert found.error(found.blocks[:1]) == found.error(found.blocks[0]) == found.singles()[found.blocks[0]]


def test_what_was_not_recorded():
    found = lesion_records.recorded("digits-resnet56")
    assert found.error(found.blocks[:3]) is None
    with pytest.raises(ValueError, match="a name of deleted is 'layer9.0'"):
        found.error("layer9.0")
    with pytest.raises(ValueError, match="statistics is 'new'"):
        found.singles("new")
    with pytest.raises(ValueError, match="network is 'resnet56', allowed: .*digits-vgg16_bn"):
        lesion_records.recorded("resnet56")
    with pytest.raises(ValueError, match="network is 'resnet56', allowed: 'digits-resnet20'"):
        lesion_records.record("resnet56")


def test_recording_writes_what_is_evaluated(tmp_path, monkeypatch):
    monkeypatch.setattr(lesion_records, "NETWORKS", {"digits-plain20": 1})
    monkeypatch.setattr(lesion_records, "DRAWS", 1)
    monkeypatch.setattr(lesion_records, "FEW", (1,))
    written = lesion_records.record("digits-plain20", tmp_path, progress=False)
    read = lesion_records.recorded("digits-plain20", tmp_path)
    assert read == written
    known = lesion_records.recorded("digits-plain20")
    assert read.singles().keys() == known.singles().keys()
    assert all(abs(error - known.error(name)) <= 1.01 / 355 for name, error in read.singles().items())


def test_residual_networks_bear_what_plain_ones_do_not():
    """Veit et al., figure 3, on our small networks."""
    singles = {name: sorted(lesion_records.recorded(f"digits-{name}").singles().values())
               for name in ("resnet56", "plain20", "vgg16_bn")}
    middle = {name: errors[len(errors) // 2] for name, errors in singles.items()}
    assert middle["resnet56"] < 0.05 < 0.5 < min(middle["plain20"], middle["vgg16_bn"])
