"""Recorded runs: training curves as files, with everything needed to write them again.

`data/runs/<experiment>/<run>.json` is written by `record` and read by widgets, claims and the status page.
"""

import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path

import torch

from .paths import CHECKOUT, DATA

SCHEMA = 1
EPOCH_KEYS = ("epoch", "seconds", "lr", "train_loss", "train_error", "test_loss", "test_error")


@dataclass
class Run:
    """One training run. Errors are fractions, seconds are training time since the start, memory is in bytes."""

    schema: int
    experiment: str
    run: str
    model: dict                     # name, options, parameters
    data: dict                      # name, variant, and the options of cnnlib.data.load
    recipe: dict                    # the arguments of cnnlib.training.fit
    seed: int
    device: str
    device_name: str
    threads: int
    precision: str
    torch: str
    cnnlib: str
    commit: str
    command: str
    date: str
    wall_seconds: float
    images_per_second: float
    peak_memory_bytes: int | None   # of the GPU; None on a CPU
    epochs: list

    def column(self, key):
        """The values of one of EPOCH_KEYS over the epochs."""
        return [epoch[key] for epoch in self.epochs]

    @property
    def final(self):
        """The last epoch: the result of the run, whether or not an earlier one was better."""
        return self.epochs[-1]


def path_of(experiment, run, root=None):
    return Path(root or DATA / "runs") / experiment / f"{run}.json"


def write(run, root=None):
    """Write one run, whole or not at all; return its path."""
    path = path_of(run.experiment, run.run, root)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".partial")
    scratch.write_text(json.dumps(asdict(run), indent=1) + "\n")
    os.replace(scratch, path)
    return path


def read(path):
    """Read and check one run.

    Raises:
        ValueError: not JSON, another schema, a missing or unknown key, epochs that are not 1, 2, 3, ...
    """
    try:
        content = json.loads(Path(path).read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    names = {f.name for f in fields(Run)}
    if content.get("schema") != SCHEMA:
        raise ValueError(f"{path} has schema {content.get('schema')!r}, allowed: {SCHEMA}.")
    if set(content) != names:
        raise ValueError(f"{path}: missing {sorted(names - set(content))}, unknown {sorted(set(content) - names)}.")
    numbers = [epoch.get("epoch") for epoch in content["epochs"]]
    if not numbers or numbers != list(range(1, len(numbers) + 1)):
        raise ValueError(f"{path}: its epochs are not 1, 2, 3, ...")
    for epoch in content["epochs"]:
        if set(epoch) != set(EPOCH_KEYS):
            raise ValueError(f"{path}, epoch {epoch['epoch']}: keys {sorted(epoch)}, allowed: {sorted(EPOCH_KEYS)}.")
    return Run(**content)


def load(experiment, root=None):
    """All recorded runs of an experiment, sorted by name; an empty list if there are none."""
    return [read(path) for path in sorted((Path(root or DATA / "runs") / experiment).glob("*.json"))]


def experiments(root=None):
    """Names of the experiments that have recorded runs."""
    return sorted(p.name for p in Path(root or DATA / "runs").glob("*") if any(p.glob("*.json")))


def environment(device):
    """The part of a run that says where it ran."""
    from . import __version__

    device = torch.device(device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return {
        "device": device.type, "device_name": name, "threads": torch.get_num_threads(), "precision": "float32",
        "torch": torch.__version__, "cnnlib": __version__, "commit": _commit(),
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _processor():
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _commit():
    """The commit of the checkout, with a + if what decides a run differs from it; "" outside a checkout."""
    if CHECKOUT is None:
        return ""

    def git(*args):
        return subprocess.run(["git", "-C", str(CHECKOUT), *args], capture_output=True, text=True).stdout.strip()

    decisive = ("cnnlib/models", "cnnlib/data.py", "cnnlib/training.py", "cnnlib/experiments/grids.py")
    return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "--", *decisive) else "")
