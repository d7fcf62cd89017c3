"""Trade time for memory: forget what a layer computed, and compute it again when the backward pass needs it.

`torch.utils.checkpoint` does that, but a layer with BatchNorm would count its batch twice: the second run, in
training mode too, moves the running averages again, and the network evaluates differently. Not so here.
"""

import contextlib

from torch.utils.checkpoint import checkpoint


@contextlib.contextmanager
def unchanged_statistics(module):
    """While open, BatchNorms in `module` compute as ever but leave their running averages alone.

    With momentum 0 nothing of a batch enters the averages; without a counter none is counted.
    """
    norms = [m for m in module.modules() if hasattr(m, "num_batches_tracked")]
    kept = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, counter) in zip(norms, kept, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, counter


def recomputed(layer, *inputs, run=None, random=True):
    """`layer(*inputs)`, keeping only `inputs` for the backward pass, which runs `layer` again.

    Outputs, gradients and running averages are exactly those of the plain call.

    Args:
        layer: any module.
        inputs: its tensors.
        run: a method of the layer to be called instead.
        random: the layer draws random numbers (dropout): the second run draws the same.
    """
    return checkpoint(
        run or layer, *inputs, use_reentrant=False, preserve_rng_state=random,
        context_fn=lambda: (contextlib.nullcontext(), unchanged_statistics(layer)),
    )
