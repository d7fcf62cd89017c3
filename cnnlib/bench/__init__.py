"""How fast it is, against the peers that a reader would use instead. Ratios, because seconds differ by machine.

Ours and the peer run in one process and in turns, so that whatever disturbs the machine disturbs both; what counts is
the median of the ratios. A bench is a module with `run(quick=False, device="cpu")` that returns its `Result`s.
"""

import gc
import importlib
import os
import platform
import time
from dataclasses import dataclass
from statistics import median

BENCHES = {
    "models": "forward and backward pass against torchvision's networks of the same layers",
    "explorer": "from a network's name and options to its summary, against building it and torchinfo",
    "densenet": "memory and time of dense blocks against torchvision's, naive and memory-efficient",
    "training": "images per second in training, against the usual input pipeline",
    "trainer": "the engine that trains in a page, against PyTorch on one thread",
}


@dataclass(frozen=True)
class Result:
    """One comparison.

    Attributes:
        what: what was measured.
        ours, peer: medians in `unit`; peer None where there is none to compare with.
        ratio: how ours stands to its goal, in the direction that `goal` says.
        goal: a bound for the ratio, such as "<= 1.02"; empty where there is none.
        ok: the goal is met.
        unit: of ours and peer.
    """

    what: str
    ours: float
    peer: float | None
    ratio: float | None
    goal: str
    ok: bool
    unit: str


def compare(ours, peer, *, repeats=15, synchronize=lambda: None):
    """Seconds of two functions, called in turns: (median of ours, median of the peer's, median of ours / peer).

    Args:
        ours, peer: functions without arguments; each runs once before the clock starts.
        repeats: pairs that count.
        synchronize: called before the clock is read; waits for a GPU.
    """
    times = ([], [])
    for turn in range(repeats + 1):
        for i in (0, 1) if turn % 2 else (1, 0):        # neither always has the other's warm cache
            seconds = once((ours, peer)[i], synchronize)
            if turn:
                times[i].append(seconds)
    return median(times[0]), median(times[1]), median(a / b for a, b in zip(*times, strict=True))


def once(function, synchronize=lambda: None):
    """Seconds of one call, without a search for garbage in the middle of it."""
    gc.disable()
    try:
        synchronize()
        start = time.perf_counter()
        function()
        synchronize()
        return time.perf_counter() - start
    finally:
        gc.enable()


def main(name, *, quick=False, device="cpu"):
    """Run the bench `name` and print its table; returns the results.

    Raises:
        ValueError: there is no such bench.
    """
    if name not in BENCHES:
        raise ValueError(f"bench is {name!r}, allowed: {', '.join(BENCHES)}.")
    import torch

    from ..training.devices import device_of

    device_of(device)
    chip = torch.cuda.get_device_name() if device == "cuda" else _processor()
    print(f"{name}: {BENCHES[name]}\n{chip}, {torch.get_num_threads()} of {os.cpu_count()} threads, "
          f"PyTorch {torch.__version__}{', quick: sizes too small to mean much' if quick else ''}")
    results = importlib.import_module(f"{__name__}.{name}").run(quick=quick, device=device)
    print(table(results))
    missed = [r.what for r in results if not r.ok]
    print(f"goals missed: {', '.join(missed)}" if missed else "all goals met")
    return results


def table(results):
    """The results as text."""
    lines = [("what", "ours", "peer", "unit", "ratio", "goal", "")]
    for r in results:
        lines.append((r.what, f"{r.ours:.4g}", "–" if r.peer is None else f"{r.peer:.4g}", r.unit,
                      "–" if r.ratio is None else f"{r.ratio:.3g}", r.goal, "" if r.ok else "missed"))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(w) if i in (0, 3, 5, 6) else cell.rjust(w)
                  for i, (cell, w) in enumerate(zip(line, widths, strict=True))).rstrip()
        for line in lines
    )


def _processor():
    """The processor's name, as far as the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


__all__ = ["BENCHES", "Result", "compare", "main", "once", "table"]
