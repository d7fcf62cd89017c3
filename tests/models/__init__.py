"""What the tests of all families need."""

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

import cnnlib
from cnnlib.models.sketch import sketching


def meta(name, **options):
    """The network on the meta device, not shared as a blueprint is: shapes and counts, and nothing drawn."""
    with sketching():
        return cnnlib.create_model(name, **options)


class Shapes(TorchFunctionMode):
    """In it, BatchNorm answers with the shape alone, which it leaves as it is: on the meta device PyTorch takes it
    apart into a dozen operations, and that was half the time."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        return torch.empty_like(args[0]) if function is F.batch_norm else function(*args, **(kwargs or {}))


def count(module):
    """Its parameters."""
    return sum(p.numel() for p in module.parameters())
