"""What draws by a seed of its own leaves the generators of readers as they were, on every device."""

import ast
from pathlib import Path

import pytest
import torch

import cnnlib
from cnnlib import data, randomness, training


@pytest.fixture
def gpu(monkeypatch):
    """{"state": 7} of a GPU in use, as far as its generator goes; it is there or not."""
    state = {"state": torch.tensor(7)}
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device=None: state["state"].clone())
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda new, device=None: state.update(state=new))
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: state.update(state=torch.tensor(seed)))
    return state


def test_the_same_numbers_and_then_those_that_were_to_come():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    found = []
    for _ in range(2):
        with randomness.seeded(1):
            found.append(torch.rand(9))
    assert found[0].equal(found[1]) and not found[0][:3].equal(expected)
    assert torch.rand(3).equal(expected)
    torch.manual_seed(1)
    assert torch.rand(9).equal(found[0])


def test_a_gpu_in_use_is_seeded_and_then_as_it_was(gpu):
    with randomness.seeded(3):
        assert gpu["state"] == 3
    assert gpu["state"] == 7
    with randomness.seeded(3, gpus=False):
        assert gpu["state"] == 7
    randomness.seed(4)
    assert gpu["state"] == 7
    randomness.seed(4, "cuda")
    assert gpu["state"] == 4


def test_a_gpu_that_is_not_in_use_hears_nothing(gpu_seeds):
    with randomness.seeded(3):
        randomness.seed(4)
    assert gpu_seeds == []
    torch.manual_seed(0)
    assert gpu_seeds == [0]


def test_training_on_the_cpu_reaches_no_gpu(gpu_seeds):
    training.fit(cnnlib.create_model("lenet5_modern", in_channels=1), data.load("digits", size=28), epochs=1,
                 device="cpu", progress=False)
    assert gpu_seeds == []


def test_nobody_forks_generators_in_words_of_their_own():
    root = Path(cnnlib.__file__).parent
    forks = [path.name for path in sorted(root.rglob("*.py")) for node in ast.walk(ast.parse(path.read_text("utf-8")))
             if isinstance(node, ast.Attribute) and node.attr == "fork_rng"]
    assert forks == ["randomness.py"]
