"""The recipe of a training run: all that decides its result, next to the network, the data and the machine.

A run file and a checkpoint hold these fields, `fit` takes them, and the command line makes its options from them.
"""

import math
from dataclasses import dataclass, field, fields, replace
from functools import partial

import torch

from ..checks import above_zero, at_least, below_one, from_zero, one_of, or_none


def one_cycle(step, steps):
    """Factor of the highest learning rate: from 1/25 up to 1 in three tenths of the steps, then down to almost 0.

    Half waves of a cosine, as in PyTorch's OneCycleLR. L. Smith, N. Topin, "Super-convergence", 2018.
    """
    low, lowest, top = 1 / 25, 1 / 25e4, 0.3 * steps - 1

    def wave(a, b, done):
        return b + (a - b) * (1 + math.cos(math.pi * done)) / 2

    return wave(low, 1, step / top) if step <= top else wave(1, lowest, (step - top) / (steps - 1 - top))


# (number of the step, number of steps) -> factor of the highest learning rate.
SCHEDULES = {
    "one-cycle": one_cycle,
    "step": lambda step, steps: 0.1 ** ((2 * step >= steps) + (4 * step >= 3 * steps)),    # He et al., section 4.2
    "constant": lambda step, steps: 1.0,
}


def _entry(default, about, allowed=None, check=None):
    """A field that is one of those allowed, or that `check(name, value)` finds right."""
    return field(default=default, metadata={"about": about, "allowed": allowed,
                                            "check": check or partial(one_of, allowed=allowed)})


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Raises:
        ValueError: a value outside what is allowed.

    Attributes:
    """

    epochs: int = _entry(10, "passes over the training images", check=partial(at_least, low=1))
    batch_size: int = _entry(128, "images of one step, over all processes and parts", check=partial(at_least, low=1))
    optimizer: str = _entry("sgd", "SGD with Nesterov momentum, or Adam", ("sgd", "adam"))
    lr: float = _entry(0.05, "the highest learning rate", check=above_zero)
    momentum: float = _entry(0.9, "momentum of SGD", check=below_one)
    weight_decay: float = _entry(0.0, "factor of the weights that is added to their gradients", check=from_zero)
    schedule: str = _entry("one-cycle", "of the learning rate: 'one-cycle' reaches lr after three tenths of the steps "
                           "and then falls to almost 0, 'step' divides it by ten after half and after three quarters "
                           "of the steps, 'constant' keeps it", tuple(SCHEDULES))
    label_smoothing: float = _entry(0.0, "part of the target that is spread evenly over all classes; train_loss is "
                                    "then the smoothed one", check=below_one)
    clip: float | None = _entry(None, "largest norm of the gradient: a longer one is scaled down to it",
                               check=or_none(above_zero))
    accumulate: int = _entry(1, "parts into which a batch is cut to save memory: the gradient is that of the whole "
                             "batch, BatchNorm sees the parts", check=partial(at_least, low=1))
    precision: str = _entry("auto", "numbers to compute in. With bfloat16 (autocast) the weights stay float32; 'auto' "
                            "takes it on GPUs that have it", ("auto", "float32", "bfloat16"))
    channels_last: bool | None = _entry(None, "order the memory by pixels; if not given, on GPUs", (None, True, False))
    seed: int = _entry(0, "decides all that is random in training; on the command line the initial weights, too",
                       check=partial(at_least, low=0))

    def __post_init__(self):
        for each in fields(self):
            each.metadata["check"](each.name, getattr(self, each.name))

    def on(self, device):
        """This recipe with what it leaves to the torch.device decided: precision and channels_last."""
        gpu, precision = device.type == "cuda", self.precision
        if precision == "auto":
            bfloat16 = gpu and torch.cuda.is_bf16_supported(including_emulation=False)
            precision = "bfloat16" if bfloat16 else "float32"
        return replace(self, precision=precision,
                       channels_last=gpu if self.channels_last is None else self.channels_last)

    def lr_at(self, step, steps):
        """The learning rate of step 0, 1, ..., steps - 1."""
        return self.lr * SCHEDULES[self.schedule](step, steps)


Recipe.__doc__ = Recipe.__doc__.rstrip() + "\n" + "".join(
    f"        {each.name}: {each.metadata['about']}.\n" for each in fields(Recipe))


def make_optimizer(model, recipe):
    """The recipe's optimizer for the parameters of `model`, or for its groups of them, if it has any."""
    parameters = model.parameter_groups() if hasattr(model, "parameter_groups") else model.parameters()
    if recipe.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(parameters, lr=recipe.lr, momentum=recipe.momentum,
                           weight_decay=recipe.weight_decay, nesterov=recipe.momentum > 0)
