"""Where to compute: the fastest device of this machine, and devices by their names."""

import torch

from ..checks import one_of


def best_device():
    """"cuda", "mps" or "cpu": the fastest that this machine has."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def device_of(name=None):
    """The torch.device of this name, such as "cpu" or "cuda:1"; None: the fastest.

    Raises:
        ValueError: there is no such device here.
    """
    name = str(name or best_device())
    try:
        one_of("device", name.partition(":")[0], ("cuda", "mps", "cpu"))
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:         # no driver, or PyTorch built without
        raise ValueError(f"device is {name!r}, allowed: those of this machine, such as {best_device()!r}.") from error
    return torch.device(name)
