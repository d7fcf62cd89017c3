"""Training through some blocks a step: how many, which, and what is left of it at the test."""

import pytest
import torch

import cnnlib
from cnnlib.experiments import subsets


@pytest.fixture
def network():
    torch.manual_seed(0)
    return cnnlib.create_model("resnet26", in_channels=1, width=4)


def branches_of_a_step(network):
    """Which blocks compute their branch when the network is called once."""
    used, handles = [], []
    for i, block in enumerate(subsets.blocks_of(network)):
        handles.append(block.conv1.register_forward_hook(lambda *_, i=i: used.append(i)))
    network(torch.randn(4, 1, 8, 8))
    for handle in handles:
        handle.remove()
    return tuple(used)


def test_a_step_goes_through_k_blocks_and_the_test_through_all(network):
    hook = subsets.train_some(network, 5)
    steps = [branches_of_a_step(network.train()) for _ in range(40)]
    assert {len(step) for step in steps} == {5}
    assert len(set(steps)) > 20 and set().union(*steps) == set(range(12))
    hook.remove()
    subsets.keep(network, 5 / 12)
    assert branches_of_a_step(network.eval()) == tuple(range(12))
    subsets.keep(network, 1.0)
    assert {branches_of_a_step(network.train()) for _ in range(5)} == {tuple(range(12))}


def test_a_block_that_is_left_out_has_no_gradient(network):
    subsets.train_some(network.train(), 3)
    used = []
    for i, block in enumerate(subsets.blocks_of(network)):
        block.conv1.register_forward_hook(lambda *_, i=i: used.append(i))
    network(torch.randn(4, 1, 8, 8)).sum().backward()
    moved = {i for i, block in enumerate(subsets.blocks_of(network)) if block.conv1.weight.grad is not None}
    assert moved == set(used)


def test_whole_branches_are_the_network_as_it_was_built(network):
    x = torch.randn(4, 1, 8, 8)
    with torch.no_grad():
        before = network.eval()(x)
        subsets.keep(network, 0.5)
        assert not torch.allclose(network(x), before)
        subsets.keep(network, 1.0)
        assert torch.equal(network(x), before)


@pytest.mark.parametrize("k", [0, 13, 2.5])
def test_an_impossible_number_of_blocks_is_refused(network, k):
    with pytest.raises(ValueError, match="^k is"):
        subsets.train_some(network, k)


def test_all_that_was_planned_is_recorded_and_can_be_trained_again():
    recorded = subsets.recorded()
    assert set(recorded) == {(way, epochs) for way in subsets.WAYS for epochs in subsets.EPOCHS}
    seeds = {tuple(row["seed"] for row in rows) for rows in recorded.values()}
    assert len(seeds) == 1 and len(next(iter(seeds))) >= 3
    again = subsets.tested("some", 6, seed=0)
    row = recorded["some", 6][0]
    assert abs(again["test"] - row["test"]) < 0.08 and again["unscaled"] > again["test"] + 0.2
