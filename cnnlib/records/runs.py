"""Recorded runs: training curves as files, with everything needed to write them again.

`data/runs/<experiment>/<run>.json` is written by `record` and read by widgets, claims and the status page.
"""

import inspect
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import torch

from .. import models
from ..data import shape_of
from ..files import CHECKOUT, DATA, save_text
from ..training import Recipe

SCHEMA = 3
EPOCH_KEYS = ("epoch", "seconds", "lr", "train_loss", "train_error", "test_loss", "test_error", "images_per_second",
              "peak_memory_bytes")


@dataclass
class Run:
    """One training run. Errors are fractions, seconds are training time since the start, memory is in bytes.

    Seconds were measured while others used the machine: `other_load` says how many of its `cores` they kept busy.
    """

    schema: int
    experiment: str
    run: str                        # name_of(case, seed), and the name of the file
    case: str = field(kw_only=True)                                 # the name of what is trained in the grid
    model: dict                     # name, options, parameters
    data: dict                      # name, variant, and the options of cnnlib.data.load
    shape: list = field(kw_only=True)                               # of one image that the network got, [C, H, W]
    recipe: dict                    # the fields of a cnnlib.training.Recipe that the grid states
    seed: int
    device: str
    device_name: str
    cores: int | None = field(default=None, kw_only=True)           # of the CPU
    threads: int                    # of them for this run
    precision: str
    torch: str
    cnnlib: str
    commit: str
    command: str
    date: str
    wall_seconds: float
    other_load: float | None = field(default=None, kw_only=True)    # None: the system does not say
    images_per_second: float
    peak_memory_bytes: int | None   # of the GPU, the largest of all epochs; None on a CPU
    epochs: list

    def column(self, key):
        """The values of one of EPOCH_KEYS over the epochs."""
        return [epoch[key] for epoch in self.epochs]

    @property
    def load_options(self):
        """The arguments of `cnnlib.data.load` with which the data were loaded."""
        return {name: value for name, value in self.data.items() if name != "variant"}

    @property
    def final(self):
        """The last epoch, which is the result of the run, whether or not an earlier one was better."""
        return self.epochs[-1]


def name_of(case, seed):
    """The name of the run of a case with a seed."""
    return f"{case}-seed{seed}"


def path_of(experiment, run, root=None):
    return Path(root or DATA / "runs") / experiment / f"{run}.json"


def write(run, root=None):
    """Write one run, whole or not at all; return its path."""
    return save_text(path_of(run.experiment, run.run, root), json.dumps(asdict(run), indent=1) + "\n")


def read(path):
    """Read and check one run.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not JSON, another schema, a missing or unknown key, epochs that are not 1, 2, 3, ...
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no recorded run at {path}.")
    try:
        content = upgrade(json.loads(Path(path).read_text(encoding="utf-8")))
        Recipe(**content["recipe"])
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    except (AttributeError, KeyError, IndexError, TypeError) as error:
        raise ValueError(f"{path} is not a recorded run: {error!r}.") from error
    if content.get("schema") != SCHEMA:
        raise ValueError(f"{path} has schema {content.get('schema')!r}, allowed: 1 to {SCHEMA}.")
    if set(content) != (names := {f.name for f in fields(Run)}):
        raise ValueError(f"{path}: missing {sorted(names - set(content))}, unknown {sorted(set(content) - names)}.")
    numbers = [epoch.get("epoch") for epoch in content["epochs"]]
    if not numbers or numbers != list(range(1, len(numbers) + 1)):
        raise ValueError(f"{path}: its epochs are not 1, 2, 3, ...")
    for epoch in content["epochs"]:
        if set(epoch) != set(EPOCH_KEYS):
            raise ValueError(f"{path}, epoch {epoch['epoch']}: keys {sorted(epoch)}, allowed: {sorted(EPOCH_KEYS)}.")
    return Run(**content)


def upgrade(content):
    """A run of an older schema in the present one."""
    if content.get("schema") == 1:      # what was not recorded then is None, images/s follow from the seconds
        per_epoch = content["images_per_second"] * content["epochs"][-1]["seconds"] / len(content["epochs"])
        ends = [0.0, *(epoch["seconds"] for epoch in content["epochs"])]
        content = {**content, "schema": 2, "cores": None, "other_load": None, "epochs": [
            {**epoch, "images_per_second": per_epoch / (end - start), "peak_memory_bytes": content["peak_memory_bytes"]}
            for epoch, (start, end) in zip(content["epochs"], pairwise(ends), strict=True)]}
    if content.get("schema") == 2:      # case and shape follow from the name of the run and from the data loaded
        loaded = {name: value for name, value in content["data"].items() if name != "variant"}
        content = {**content, "schema": 3, "case": content["run"].removesuffix(name_of("", content["seed"])),
                   "shape": list(shape_of(**loaded))}
    return content


def load(experiment, root=None):
    """All recorded runs of an experiment, sorted by name; an empty list if there are none."""
    return [read(path) for path in sorted((Path(root or DATA / "runs") / experiment).glob("*.json"))]


def by_case(experiment, root=None):
    """The recorded runs of an experiment by what was trained: {case of its grid: runs, in the order of their seeds}."""
    cases = {}
    for run in sorted(load(experiment, root), key=lambda run: run.seed):
        cases.setdefault(run.case, []).append(run)
    return cases


def minimal(model, options):
    """`options` of `create_model` without those that repeat a default: the form in which a network is looked up."""
    defaults = inspect.signature(models._factory(model)).parameters
    return {k: v for k, v in options.items() if k not in defaults or defaults[k].default != v}


def find(model, options, root=None):
    """All recorded runs of the network `create_model(model, **options)` from a random start, on any data set."""
    wanted = minimal(model, options)
    return [run for experiment in experiments(root) for run in load(experiment, root)
            if run.model["name"] == model and minimal(model, run.model["options"]) == wanted
            and "transfer" not in run.model]


def experiments(root=None):
    """Names of the experiments that have recorded runs."""
    return sorted(p.name for p in Path(root or DATA / "runs").glob("*") if any(p.glob("*.json")))


def environment(device):
    """The part of a run that says where and with what it ran."""
    from .. import __version__

    device = torch.device(device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return {
        "device": device.type, "device_name": name, "cores": os.cpu_count(), "threads": torch.get_num_threads(),
        "torch": torch.__version__, "cnnlib": __version__, "commit": _commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


class Load:
    """How many cores other processes keep busy from its making on; Linux counts that, other systems do not."""

    def __init__(self):
        self.before = self._measure()

    def of_others(self):
        """Mean number of cores, or None."""
        if self.before is None:
            return None
        (wall, all_busy, own), (wall_0, all_busy_0, own_0) = self._measure(), self.before
        return max(0.0, round((all_busy - all_busy_0 - (own - own_0)) / (wall - wall_0), 2))

    @staticmethod
    def _measure():
        """(time now, CPU seconds used by all processes, by this one), since some start."""
        try:
            user, nice, system, _, _, *more = map(int, Path("/proc/stat").read_bytes().split(b"\n")[0].split()[1:])
        except (OSError, ValueError):
            return None
        ticks = user + nice + system + sum(more[:3])        # with interrupts and what a host took for itself
        return time.monotonic(), ticks / os.sysconf("SC_CLK_TCK"), time.process_time()


def _processor():
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _commit():
    """The commit of the checkout, with a + if what decides a run differs from it; "" outside a checkout."""
    if CHECKOUT is None:
        return ""

    def git(*args):
        return subprocess.run(["git", "-C", str(CHECKOUT), *args], capture_output=True, text=True).stdout.strip()

    decisive = [f"cnnlib/{name}" for name in ("models", "data", "training", "records/grids.py")]
    return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "--", *decisive) else "")
