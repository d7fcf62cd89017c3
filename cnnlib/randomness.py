"""Random numbers that are the same every time.

`torch.manual_seed` seeds the generators of all devices. Where only the CPU draws, that changes what a reader's own
program draws on a GPU; and before PyTorch has used the GPU it keeps every call, with the place it came from, in a list
that grows, which takes some hundred times as long as seeding the CPU does.
"""

import contextlib

import torch


def seed(number, device="cpu"):
    """Seed what is drawn on the CPU and, if it is another one, on `device`."""
    if torch.device(device).type == "cpu":
        torch.default_generator.manual_seed(number)
    else:
        torch.manual_seed(number)


@contextlib.contextmanager
def seeded(number=0, gpus=True):
    """While open, what is drawn follows from `number`, with `gpus` on those in use, too; then all is as it was."""
    devices = [*range(torch.cuda.device_count())] if gpus and torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices):
        seed(number, "cuda" if devices else "cpu")
        yield
