"""Trade time for memory: forget what a layer computed, and compute it again when the backward pass needs it.

`torch.utils.checkpoint` does that, but a layer with BatchNorm would count its batch twice: the second run, in
training mode too, moves the running averages again, and the network evaluates differently. Not so here. Nor does the
second run look for the mean and the deviation of every map again and again, which is most of what BatchNorm does.
"""

import contextlib
import itertools

import torch
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint


def recomputed(run, *inputs, module, again=None, random=False):
    """`run(*inputs)`, keeping only `inputs` for the backward pass, which runs it again.

    Outputs, gradients and running averages are exactly those of the plain call.

    Args:
        run: a module, or a function that calls modules.
        inputs: its tensors.
        module: what has the BatchNorms that `run` uses.
        again: what the second run calls in the place of `run`; it must come to the same in every bit.
        random: it draws random numbers (dropout): the second run draws the same.
    """

    def second(*tensors):
        with unchanged_averages(module):
            return (again or run)(*tensors)

    runs = itertools.chain([run], itertools.repeat(second))
    return checkpoint(lambda *tensors: next(runs)(*tensors), *inputs, use_reentrant=False, preserve_rng_state=random)


@contextlib.contextmanager
def unchanged_averages(module):
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


class Statistics:
    """Mean and deviation of maps that several layers read, the first c of them each.

    They belong to the maps and not to the layers, so they are found once: the backward pass begins with the layer that
    reads most, and that one finds them for all.
    """

    mean = deviation = torch.empty(0)

    def normalise(self, norm, x):
        """`norm(x)` in training, bit for bit, for a second run: the averages stay.

        Where that is not certain to come out in every bit, `norm` itself works again: on a GPU, in another memory
        format, in mixed precision.
        """
        alike = x.device.type == "cpu" and x.dtype == norm.weight.dtype and x.is_contiguous() and x[0, 0].numel() > 1
        if not (norm.training and alike):
            return norm(x)
        c = x.shape[1]
        if len(self.mean) < c:
            with torch.no_grad():
                _, self.mean, self.deviation = torch.native_batch_norm(x, None, None, None, None, True, 0.0, norm.eps)
        return _Normalised.apply(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, self.mean[:c],
                                 self.deviation[:c])


class _Normalised(torch.autograd.Function):
    """What BatchNorm does in training once it knows mean and (inverse) deviation. It keeps what BatchNorm keeps, for
    the only backward pass there is, that of the first run."""

    @staticmethod
    def forward(ctx, x, running_mean, running_var, weight, bias, mean, deviation):
        ctx.save_for_backward(x, running_mean, running_var, weight, mean, deviation)
        # In evaluation, BatchNorm computes alpha x + (bias - mean alpha), alpha = weight / sqrt(variance + eps), as it
        # does in training. With a variance of 1 and an eps lost beside it, alpha is the weight that is given.
        return F.batch_norm(x, mean, torch.ones_like(mean), weight * deviation, bias, eps=1e-30)
