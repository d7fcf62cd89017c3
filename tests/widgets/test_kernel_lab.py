"""The kernel lab without a browser: what it takes, what it asks, and that its hidden kernels can be told apart."""

import itertools

import pytest
import torch
from torch.nn import functional

from cnnlib.widgets import KernelLab
from cnnlib.widgets.kernel_lab import HIDDEN, PRESETS, photograph


def map_of(picture, weights, divide):
    """The map by PyTorch, float64, of a picture (H, W)."""
    kernel = torch.tensor([float(part) for part in weights.split()], dtype=torch.float64).view(3, 3)
    total = kernel.sum()
    kernel = kernel / total if divide and total else kernel
    return functional.conv2d(picture.double()[None, None], kernel[None, None])[0, 0]


def test_the_photograph_is_grey_and_has_light_and_dark():
    picture = photograph()
    assert picture.dtype == torch.uint8 and picture.shape == (84, 84)
    assert picture.double().std() > 40


def test_presets_do_what_they_are_called():
    """A step from 0 to 100 between two flat areas."""
    step = torch.tensor([0.0] * 4 + [100.0] * 4).repeat(8, 1)
    flat = [0, 1, -2, -1]                                    # columns whose windows do not meet the step
    maps = {name: map_of(step, *preset) for name, preset in PRESETS.items()}
    assert torch.equal(maps["as it is"], step[1:-1, 1:-1].double())
    for name in ("edge", "outline"):
        assert (maps[name][:, flat] == 0).all() and maps[name].abs().max() > 0
    assert map_of(step.T, *PRESETS["edge"]).abs().max() == 0, "it finds vertical edges only"
    for name in ("blur", "sharpen"):
        assert torch.allclose(maps[name][:, flat], step[1:-1, 1:-1][:, flat].double())
    assert 0 < maps["blur"][0, 2] < 100 and maps["sharpen"].min() < 0 and maps["sharpen"].max() > 100


def test_no_other_hidden_kernel_and_no_preset_has_the_same_map():
    maps = [map_of(photograph(), *kernel) for kernel in [*HIDDEN.values(), *PRESETS.values()]]
    for one, other in itertools.combinations(maps, 2):
        assert (one - other).abs().max() > 10


@pytest.mark.parametrize("game", HIDDEN)
def test_the_task_names_the_kernel_to_be_found(game):
    answer = KernelLab(game=game).answer
    assert (answer["hidden"], answer["hidden_divide"]) == HIDDEN[game]
    assert KernelLab(kernel=answer["hidden"]).kernel == answer["hidden"], "it cannot be painted"


def test_one_who_only_paints_has_nothing_to_find():
    assert KernelLab().answer["hidden"] == ""


@pytest.mark.parametrize("arguments, says", [
    ({"kernel": "1 2 3"}, "kernel is '1 2 3', allowed: nine whole numbers from -9 to 9"),
    ({"kernel": "0 0 0 0 10 0 0 0 0"}, "allowed: nine whole numbers"),
    ({"kernel": "a b c d e f g h i"}, "allowed: nine whole numbers"),
    ({"kernel": 3}, "kernel is 3, allowed: nine whole numbers"),
    ({"picture": "painting"}, "picture is 'painting', allowed: 'photograph', 'digit'"),
    ({"game": "6"}, "game is '6', allowed: 'paint', '1'"),
])
def test_what_cannot_be_shown_is_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        KernelLab(**arguments)


def test_a_kernel_from_the_page_is_checked_too():
    lab = KernelLab()
    lab.set_state({"kernel": "1 2"})
    assert lab.kernel == PRESETS["edge"][0] and "nine whole numbers" in lab.error
    lab.set_state({"kernel": "1  1 1 1 1 1 1 1 -0"})
    assert lab.kernel == "1 1 1 1 1 1 1 1 0"
