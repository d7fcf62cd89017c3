"""Memory and time of dense blocks against torchvision's, naive and memory-efficient, and against the least possible:
the block's own output.

Memory is what autograd keeps between the two passes, measured by saved-tensor hooks; it is the same on every machine.
Time is that of a forward and backward pass.
"""

import torch

from ..experiments.memory import MODES, block, kept, output_bytes, torchvision_fails
from . import Result, compare

CASES = ((40, 8, 32), (100, 8, 16), (190, 4, 16))       # layers of the block, batch, height and width
GROWTH_RATE = 12


def run(*, quick=False, device="cpu"):
    """Kept bytes in units of the block's output, their growth by layer, times as ratios, and what is exact."""
    cases = ((4, 2, 8), (8, 2, 8)) if quick else CASES
    results, slopes = [], {mode: [] for mode in MODES}
    for layers, batch, size in cases:
        output = output_bytes(layers, GROWTH_RATE, batch, size)
        nbytes = {mode: kept(layers, GROWTH_RATE, batch, size, mode) for mode in MODES}
        for mode, values in slopes.items():
            values.append((layers, nbytes[mode] / (batch * size**2)))
        what = f"{layers} layers: kept"
        for mode, peer, goal in (("naive", None, None), ("torchvision", "naive", None), ("partly", "torchvision", 0.6),
                                 ("fully", "torchvision", None)):
            other = nbytes[peer] if peer else None
            results.append(memory(f"{what}, {mode}" + (f" / {peer}" if peer else ""), nbytes[mode], other, goal))
        results.append(memory(f"{what}, fully / the output itself", nbytes["fully"], output, 1.05))
    for mode, values in slopes.items():
        (low, least), (high, most) = values[0], values[-1]
        slope = (most - least) / (high - low) / (4 * GROWTH_RATE)
        results.append(Result(f"growth by layer / new maps, {mode}", slope, 1.0, slope,
                              *(("<= 1.05", slope <= 1.05) if mode == "fully" else ("", True)), "x"))
    for layers, batch, size in cases:
        for mode, peer, goal in (("torchvision", "naive", None), ("fully", "naive", 1.5),
                                 ("partly", "torchvision", 1.0)):
            results.append(time(layers, batch, size, mode, peer, goal, 1 if quick else 5, device))
    answers = torchvision_fails()
    theirs = answers.pop("torchvision")
    for mode, own in answers.items():
        equal, peers = (answer["buffers"] - len(answer["differ"]) for answer in (own, theirs))
        exact = own["outputs"] and own["gradients"] and own["weights"] and equal == own["buffers"]
        results.append(Result(f"buffers equal to naive's after training, {mode}", equal, peers, equal / own["buffers"],
                              ">= 1, and all else", exact, f"of {own['buffers']}"))
    return results


def memory(what, ours, peer, goal):
    ratio = ours / peer if peer else None
    return Result(what, ours / 2**20, peer and peer / 2**20, ratio, f"<= {goal}" if goal else "",
                  goal is None or ratio <= goal, "MiB")


def time(layers, batch, size, mode, peer, goal, repeats, device):
    """A step in one mode against a step in another, with the same weights."""
    x = torch.randn(batch, 2 * GROWTH_RATE, size, size, device=device, requires_grad=True)
    blocks = [block(layers, GROWTH_RATE, m).to(device) for m in (mode, peer)]
    blocks[1].load_state_dict(blocks[0].state_dict(), strict=True)
    synchronize = torch.cuda.synchronize if device == "cuda" else lambda: None
    ours, theirs, ratio = compare(*(step(b, x) for b in blocks), repeats=repeats, synchronize=synchronize)
    what = f"{layers} layers, {batch}×{size}×{size}: time, {mode} / {peer}"
    return Result(what, 1e3 * ours, 1e3 * theirs, ratio, f"<= {goal}" if goal else "", goal is None or ratio <= goal,
                  "ms")


def step(module, x):
    """One forward and backward pass."""
    def run():
        module.zero_grad(set_to_none=True)
        module(x).sum().backward()

    return run
