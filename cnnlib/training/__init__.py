"""Training in one readable loop: `fit` and `evaluate` (`loop.py`), and what is kept of it (`checkpoints.py`)."""

from .checkpoints import load_weights, save_weights
from .devices import best_device, device_of
from .loop import History, check_recipe, evaluate, fit, outputs, score, tensorboard

__all__ = ["History", "best_device", "check_recipe", "device_of", "evaluate", "fit", "load_weights", "outputs",
           "save_weights", "score", "tensorboard"]
