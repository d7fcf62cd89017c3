"""Costs by several yardsticks: against sums by hand, torchvision's published counts, and themselves."""

import pytest
import torch
from torch import nn

from cnnlib.anatomy import of
from cnnlib.experiments import yardsticks
from cnnlib.experiments.yardsticks import COMPUTE, MEMBERS, MEMORY, cost, order

FIRST = {"VGG": "vgg16", "Inception": "googlenet", "ResNet": "resnet50", "DenseNet": "densenet121"}


def costs(members, *args, **options):
    return {family: cost(member, *args, **options) for family, member in members.items()}


# Parameters, and GFLOPs as torchvision's tables call multiply-accumulates.
@pytest.mark.parametrize("member, parameters, gmacs", [
    ("vgg16", 138_357_544, 15.47), ("resnet18", 11_689_512, 1.81), ("resnet50", 25_557_032, 4.09),
    ("densenet121", 7_978_856, 2.83), ("googlenet", 6_624_904, 1.50),
])
def test_counts_are_the_published_ones(member, parameters, gmacs):
    found = cost(member)
    assert found["parameters"] == parameters and found["MACs"] / 1e9 == pytest.approx(gmacs, abs=0.01)


def test_training_costs_what_is_kept_and_the_weights_as_often_as_said():
    table = of("densenet121", (1, 3, 224, 224))
    for work, times in (("training, plain SGD", 2), ("training, Adam", 4)):
        found = cost("densenet121", batch=8, work=work)
        assert found["memory"] == 4 * times * table.total_params + 8 * table.total_kept_bytes
        assert found["MACs"] == 3 * 8 * table.total_macs
    assert cost("densenet121", batch=8)["MACs"] == 8 * table.total_macs


def test_live_bytes_of_a_network_small_enough_to_count(monkeypatch):
    """Three maps of 8x8: two live at a time, and where the first is still needed at the end, three."""
    class Chain(nn.Module):
        def __init__(self, joins=False):
            super().__init__()
            self.layers = nn.ModuleList(nn.Conv2d(3, 3, 3, padding=1, bias=False) for _ in range(3))
            self.joins = joins

        def forward(self, x):
            first = x = self.layers[0](x)
            if not self.joins:
                del first
            x = self.layers[1](x)
            x = self.layers[2](x)
            return x + first if self.joins else x

    picture = 4 * 3 * 8 * 8
    for joins, maps in ((False, 2), (True, 3)):
        monkeypatch.setattr(yardsticks, "create_model", lambda *_, joins=joins, **__: Chain(joins))
        yardsticks.live_bytes.cache_clear()
        assert yardsticks.live_bytes("vgg16", 8) == maps * picture
    yardsticks.live_bytes.cache_clear()


def test_in_inference_a_network_needs_its_two_largest_maps():
    """VGG-16: the second convolution reads 64 maps of 224x224 and writes as many."""
    assert yardsticks.live_bytes("vgg16") == 2 * 4 * 64 * 224 * 224
    assert all(yardsticks.live_bytes(member) < of(member, (1, 3, 224, 224), **options).total_kept_bytes
               for family in MEMBERS.values() for member, options in family.items())


def test_the_order_of_memory_holds_for_few_batches_only():
    """Weights and what is kept: from 2 pictures to 9; with gradients and the state of Adam, from 7 to 36."""
    kept = {family: of(member, (1, 3, 224, 224), **MEMBERS[family][member]) for family, member in FIRST.items()}
    for times, work, span in ((2, "training, plain SGD", (4, 18)), (3, "training, momentum", (5, 27)),
                              (4, "training, Adam", (7, 36))):
        assert yardsticks.batches_in_order(FIRST, MEMORY, work) == span
        holds = [batch for batch in range(1, 100) if tuple(sorted(kept, key=lambda f: (
            4 * times * kept[f].total_params + batch * kept[f].total_kept_bytes))) == MEMORY]
        assert (holds[0], holds[-1]) == span
        assert order(costs(FIRST, 224, span[1], work), "memory") == MEMORY
        assert order(costs(FIRST, 224, span[1] + 1, work), "memory") != MEMORY
    assert yardsticks.batches_in_order(FIRST, MEMORY[::-1], "training, Adam") is None


def test_the_order_of_compute_depends_on_the_member():
    assert order(costs(FIRST), "MACs") == COMPUTE
    assert order(costs({**FIRST, "Inception": "inception_v3"}, 299), "MACs") != COMPUTE


def test_crossings_by_hand():
    found = {"A": {"x": 1, "y": 3}, "B": {"x": 2, "y": 2}, "C": {"x": 3, "y": 1}}
    assert yardsticks.crossings(found, "x", "y") == 3 and yardsticks.crossings(found, "x", "x") == 0


@pytest.mark.parametrize("wrong, message", [
    ({"member": "lenet5"}, "member is 'lenet5', allowed: 'vgg11'"), ({"size": 32}, "size is 32, allowed: 224, 299"),
    ({"batch": 0}, "batch is 0"), ({"work": "sleep"}, "work is 'sleep', allowed: 'inference'"),
])
def test_arguments_are_checked(wrong, message):
    with pytest.raises(ValueError, match=message):
        cost(**{"member": "vgg16", **wrong})


def test_seconds_are_there_for_all_and_training_takes_longer():
    found = yardsticks.recorded()
    assert set(found) == {f"{member}, {size}" for member in yardsticks.OPTIONS for size in yardsticks.SIZES}
    assert all(0 < passed < trained for passed, trained in found.values())
    assert all(cost(member, 299)["time"] > cost(member, 224)["time"] for member in yardsticks.OPTIONS)


def test_measuring_again_gives_seconds():
    passed, trained = yardsticks.seconds("googlenet", 224, repeats=1)
    assert 0 < passed < trained < 60 and torch.get_num_threads() > 0
