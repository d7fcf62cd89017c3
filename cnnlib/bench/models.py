"""Forward and backward pass of every network that torchvision has under the same name, against torchvision's."""

import ctypes

import torch
import torchvision
from torch.nn import functional as F

from .. import create_model, list_models
from ..models import standard_input
from . import Result, compare

GOAL = 1.02
SMALLEST = {"inception_v3": 299, "alexnet": 64, "googlenet": 96}     # by their heads and strides; 64 elsewhere


def names():
    """The networks that both have."""
    return sorted(set(list_models()) & set(torchvision.models.list_models(torchvision.models)))


def run(*, quick=False, device="cpu"):
    """Time of ours / time of torchvision's with the same weights, on a batch small enough for a CPU; a GPU gets the
    size that the network is published for."""
    keep_freed_memory()
    torch.set_flush_denormal(True)                       # which an untrained VGG makes, and which take far longer
    try:
        return [measured(name, quick, device) for name in (["resnet18", "alexnet"] if quick else names())]
    finally:
        torch.set_flush_denormal(False)


def measured(name, quick, device):
    """The Result of one network."""
    gpu = device == "cuda"
    side = standard_input(name)[1] if gpu else SMALLEST.get(name, 64)
    batch = 32 if gpu else 1 if quick else 4
    x = torch.randn(batch, 3, side, side, device=device)
    labels = torch.zeros(batch, dtype=torch.long, device=device)
    ours, peer = pair(name, device)
    seconds, peers, ratio = compare(
        step(ours, x, labels), step(peer, x, labels), repeats=1 if quick else 15,
        synchronize=torch.cuda.synchronize if gpu else lambda: None,
    )
    what = f"{name}, {batch}×{side}×{side}"
    return Result(what, 1e3 * seconds, 1e3 * peers, ratio, f"<= {GOAL}", ratio <= GOAL, "ms")


def keep_freed_memory():
    """Let glibc reuse memory that was freed: fresh pages for VGG's 0.5 GB of gradients cost more than its work."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        most_mmaps, trim_threshold = -4, -1                          # the options' numbers in malloc.h
        mallopt(most_mmaps, 0)
        mallopt(trim_threshold, 2**31 - 1)


def pair(name, device):
    """Our network and torchvision's, with the same weights, ready for training."""
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    peer = torchvision.models.get_model(name, weights=None, **options)
    with torch.device("meta"):
        ours = create_model(name, variant="torchvision")
    ours.load_state_dict(peer.state_dict(), strict=True, assign=True)
    ours.load_state_dict({k: v.clone() for k, v in ours.state_dict().items()}, strict=True, assign=True)
    return ours.to(device).train(), peer.to(device).train()


def step(model, x, labels):
    """One forward and backward pass."""
    def run():
        model.zero_grad(set_to_none=True)
        out = model(x)
        heads = (out,) if isinstance(out, torch.Tensor) else out
        sum(F.cross_entropy(logits, labels) for logits in heads).backward()

    return run
