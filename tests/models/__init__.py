"""What the tests of all families need."""

import torch

import cnnlib


def meta(name, **options):
    """The network on the meta device: shapes and counts, and nothing drawn."""
    with torch.device("meta"):
        return cnnlib.create_model(name, **options)


def count(module):
    """Its parameters."""
    return sum(p.numel() for p in module.parameters())
