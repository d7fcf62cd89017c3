"""A training step that is timed is one: it learns; and what was recorded is whole."""

import json

import pytest
import torch

from cnnlib.experiments import step_times
from cnnlib.records.grids import grid
from cnnlib.records.runs import by_case


@pytest.mark.parametrize("number", [0, 1])
def test_a_step_learns(number, monkeypatch):
    plan, losses = grid(step_times.GRID), []
    cross_entropy = torch.nn.functional.cross_entropy
    monkeypatch.setattr(step_times.F, "cross_entropy",
                        lambda *call: losses.append(cross_entropy(*call)) or losses[-1])
    torch.manual_seed(0)
    step = step_times.step_of(plan.cases[number], plan)
    for _ in range(6):
        step()
    assert losses[-1] < losses[0]


def test_what_was_recorded_is_of_the_networks_that_were_trained():
    about = json.loads(step_times.FILE.read_text(encoding="utf-8"))
    assert about["threads"] == 1 and not about["commit"].endswith("+")
    assert set(about["seconds"]) == set(by_case(step_times.GRID)) and min(about["seconds"].values()) > 0
