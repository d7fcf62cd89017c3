"""Processor time of a training step of MobileNetV2 and of the ResNet that was chosen to take as long.

`python -m cnnlib.experiments.step_times` writes `data/measured/mobilenet_steps.json`.
"""

from functools import lru_cache

import torch
from torch.nn import functional as F

from ..data import shape_of
from ..files import DATA
from ..models import create_model
from ..records.grids import grid
from ..training import Recipe, make_optimizer
from . import measured
from .layer_times import one_thread, shortest

GRID, ROUNDS = "cifar16-mobilenet", 12
FILE = DATA / "measured" / "mobilenet_steps.json"


def step_of(case, plan):
    """A training step of a case of a grid, to be called: forward, backward, update, all in the recipe's layout."""
    recipe = Recipe(**plan.recipe_of(case))
    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
    model = create_model(case.model, **case.options).to(memory_format=layout)
    optimizer = make_optimizer(model, recipe)
    x = torch.randn(recipe.batch_size, *shape_of(**plan.data)).to(memory_format=layout)
    y = torch.arange(recipe.batch_size) % 10

    def step():
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def measure(experiment=GRID, rounds=ROUNDS):
    """{case: processor seconds of a step on one thread}, the shortest of so many. The networks take turns."""
    plan = grid(experiment)
    steps = {case.name: step_of(case, plan) for case in plan.cases}
    with one_thread():
        turns = [{name: shortest(step, 1) for name, step in steps.items()} for _ in range(rounds)]
    return {name: min(turn[name] for turn in turns) for name in steps}


@lru_cache(maxsize=2)
def recorded(file=FILE):
    """What was recorded, {case: seconds}; FileNotFoundError if nothing was."""
    return measured.read(file)["seconds"]


def record(file=FILE):
    """Measure, and write the seconds with where and how."""
    measured.write(file, {**measured.about("step_times", threads=1), "seconds": measure()})


if __name__ == "__main__":
    record()
