"""What the tests of all families need."""

import cnnlib
from cnnlib.models.sketch import sketching


def meta(name, **options):
    """The network on the meta device, not shared as a blueprint is: shapes and counts, and nothing drawn."""
    with sketching():
        return cnnlib.create_model(name, **options)


def count(module):
    """Its parameters."""
    return sum(p.numel() for p in module.parameters())
