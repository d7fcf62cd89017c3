"""Training: a `Recipe`, the loop (`fit`), testing (`evaluate`), and what is kept (weights, checkpoints)."""

from .checkpoints import load_weights, save_weights
from .devices import best_device, device_of
from .evaluation import evaluate, outputs, score
from .loop import History, fit, tensorboard
from .recipe import SCHEDULES, Recipe, make_optimizer

__all__ = ["SCHEDULES", "History", "Recipe", "best_device", "device_of", "evaluate", "fit", "load_weights",
           "make_optimizer", "outputs", "save_weights", "score", "tensorboard"]
