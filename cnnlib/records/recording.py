"""Trains the networks that `grids.py` declares and writes what happened to `data/runs/`."""

import math
import os
import signal
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, median, stdev

import torch
from torch.nn import functional as F

from .. import data, training
from ..anatomy import of, summary
from ..checks import at_least, one_of
from ..files import DATA
from ..models import create_model
from ..models.transfer import Transfer
from ..training import Recipe
from ..training.checkpoints import header
from . import runs
from .grids import GRIDS, Case, Grid, grid


def missing(experiment, seeds, root=None, cases=None):
    """(case, seed) pairs of the grid that have no recorded run yet: the first seed of all before the second of any.
    `cases` names those wanted; None means all."""
    known = {case.name: case for case in grid(experiment).cases}
    return [(known[name], seed) for seed in range(at_least("seeds", seeds, 1))
            for name in (known if cases is None else [one_of("case", each, known) for each in cases])
            if not runs.path_of(experiment, runs.name_of(name, seed), root).exists()]


def network(case, num_classes):
    """The network of a case as its training begins, with the new head that `transfer` asks for."""
    model, transfer = create_model(case.model, **case.options), dict(case.transfer)
    if weights := transfer.pop("weights", None):
        training.load_weights(model, DATA / "weights" / weights)
    return Transfer(model, num_classes, **transfer) if case.transfer else model


def train(experiment, plan, case, seed, *, data_root=None, device=None, progress=True, jobs=1, checkpoint=None):
    """Train one case of a grid with one seed: (run, model, data set). Nothing is written but the checkpoint."""
    device = training.device_of(device)
    dataset = data.load(**plan.data, root=data_root)
    torch.manual_seed(seed)
    model = network(case, len(dataset.classes)).to(device)
    environment, load, recipe = runs.environment(device), runs.Load(), plan.recipe_of(case)
    history = training.fit(model, dataset, Recipe(**recipe, seed=seed), device=device, progress=progress,
                           checkpoint=checkpoint, checkpoint_seconds=None if checkpoint is None else 30)
    if history.interrupted:
        raise KeyboardInterrupt
    return runs.Run(
        schema=runs.SCHEMA, experiment=experiment, run=runs.name_of(case.name, seed), case=case.name,
        model={"name": case.model, "options": case.options, **({"transfer": case.transfer} if case.transfer else {}),
               "parameters": sum(p.numel() for p in model.parameters())},
        data={**plan.data, "variant": dataset.variant}, shape=list(dataset.train.shape), recipe=recipe, seed=seed,
        **environment,
        precision=history.precision,
        command=f"python -m cnnlib record {experiment} --seeds {seed + 1} --jobs {jobs} "
                f"--threads {torch.get_num_threads()} --device {device}",
        wall_seconds=history.wall_seconds, other_load=load.of_others(),
        images_per_second=len(history) * len(dataset.train) / history.final["seconds"],
        peak_memory_bytes=history.final["peak_memory_bytes"],
        epochs=list(history),
    ), model, dataset


def record_one(experiment, case, seed, *, root=None, resume=False, **options):
    """Train one case with one seed, write its run, and its weights (as float16) if the grid keeps them."""
    plan, name = grid(experiment), runs.name_of(case.name, seed)
    checkpoint = runs.path_of(experiment, name, root).with_suffix(".checkpoint") if resume else None
    run, model, dataset = train(experiment, plan, case, seed, checkpoint=checkpoint, **options)
    if seed == 0 and case.name in plan.keep:
        model.half().float()        # what the file will hold, so that the error in its header is its own
        folder = DATA / "weights" if root is None else Path(root)
        training.save_weights(model, folder / plan.keep[case.name], dtype=torch.float16, metadata={
            **header(model, run.model, dataset, plan.data), "run": f"{experiment}/{name}"})
    runs.write(run, root)
    if checkpoint:
        checkpoint.unlink()
    return run


def record(experiment, *, seeds=None, cases=None, jobs=1, threads=None, data_root=None, device=None, root=None,
           resume=False, say=print):
    """Write what is missing of an experiment's grid, or of the `cases` named, in their order. `jobs` processes share
    the device; each run is written whole. `seeds` None means as many as the grid wants.

    With `resume` a run leaves a checkpoint beside it until it is finished, and goes on from one that was left.
    Returns the runs written, in the order in which they finished being asked for.

    Raises:
        ValueError: an unknown experiment, case or device, jobs or threads below 1.
        FloatingPointError: runs whose loss was no number any more; all others are recorded first.
        OSError: data that are not found, a folder that cannot be written; nothing more is begun then.
    """
    at_least("jobs", jobs, 1)
    training.device_of(device)
    plan = grid(experiment)
    seeds = plan.seeds if seeds is None else seeds
    threads = max(1, (os.cpu_count() or 1) // jobs) if threads is None else at_least("threads", threads, 1)
    todo = missing(experiment, seeds, root, cases)
    say(f"{experiment}: {len(todo)} of {len(plan.cases if cases is None else cases) * seeds} runs to record.")
    written, failed = [], []
    with ProcessPoolExecutor(jobs, get_context("spawn"), _begin, (threads,)) as pool:
        futures = [pool.submit(record_one, experiment, case, seed, data_root=data_root, device=device, root=root,
                               resume=resume, progress=jobs == 1, jobs=jobs) for case, seed in todo]
        for future, (case, seed) in zip(futures, todo, strict=True):
            try:
                run = future.result()
            except FloatingPointError as error:
                failed.append(f"{runs.name_of(case.name, seed)}: {error}")
                continue
            except BaseException as error:
                pool.shutdown(wait=False, cancel_futures=True)      # else all the rest would be trained first
                if isinstance(error, (BrokenProcessPool, torch.OutOfMemoryError)):
                    raise OSError("a job was ended, probably for want of memory: try fewer jobs.") from error
                raise
            written.append(run)
            expected = f" (expected {plan.target[case.name]:.1%})" if case.name in plan.target else ""
            say(f"  {run.run}: test error {run.final['test_error']:.2%} after {len(run.epochs)} epochs{expected}, "
                f"{run.wall_seconds:.0f} s on {run.device} ({run.device_name})")
    if failed:
        raise FloatingPointError(f"{len(failed)} runs have no result: {' '.join(failed)}")
    return written


def _begin(threads):
    """The first thing a job's process does."""
    torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, signal.SIG_DFL)        # Ctrl-C ends it at once, not only the run it is at


def again(path, *, data_root=None, device=None, progress=True, say=print):
    """Train a recorded run again, from what its file says, and compare the final test errors.

    Returns (run, inside): `inside` says whether the new error lies in the interval in which 95 % of further seeds are
    expected, given those recorded; None if there are not two of them.
    """
    old = runs.read(path)
    plan = Grid("", [], old.load_options, old.recipe)
    case = Case(old.case, old.model["name"], old.model["options"], transfer=old.model.get("transfer", {}))
    new, _, dataset = train(old.experiment, plan, case, old.seed, data_root=data_root, device=device, progress=progress)
    seeds = [run.final["test_error"] for run in map(runs.read, sorted(Path(path).parent.glob("*.json")))
             if (run.model, run.recipe, run.data) == (old.model, old.recipe, old.data)]
    say(f"{old.run}: test error {new.final['test_error']:.2%} now on {new.device_name}, "
        f"{old.final['test_error']:.2%} on {old.date[:10]} on {old.device_name}")
    if len(seeds) < 2:
        say("  only one seed was recorded: nothing says how far apart two may be.")
        return new, None
    low, high = expected_interval(seeds, 1 / len(dataset.test))
    inside = low <= new.final["test_error"] <= high
    say(f"  {'inside' if inside else 'OUTSIDE'} the spread of {len(seeds)} seeds, which leaves another one between "
        f"{low:.2%} and {high:.2%}")
    return new, inside


def expected_interval(errors, resolution):
    """Where 95 % of further draws are expected (prediction interval of a normal sample), at least `resolution` wide
    on both sides, and within 0 and 1."""
    from scipy.stats import t

    n = len(errors)
    half = max(resolution, float(t.ppf(0.975, n - 1)) * stdev(errors) * math.sqrt(1 + 1 / n))
    return max(0.0, mean(errors) - half), min(1.0, mean(errors) + half)


def show(seeds=None, device=None, experiments=None, root=None, say=print):
    """Print what is recorded of each experiment, on which device, and what the rest would cost on this machine."""
    device = training.device_of(device).type
    measured = None
    for experiment in experiments or GRIDS:
        plan = grid(experiment)
        wanted = plan.seeds if seeds is None else seeds
        todo = missing(experiment, wanted, root)
        say(f"{experiment}: {len(plan.cases) * wanted - len(todo)} of {len(plan.cases) * wanted} runs. {plan.about}.")
        for place, count in Counter(f"{run.device} ({run.device_name}), {run.precision}"
                                    for run in runs.load(experiment, root)).items():
            say(f"    {count} on {place}")
        if todo:
            rate, origin = recorded_rate(plan, device, root), "the median rate of recorded runs on these data"
            if rate is None:
                if measured is None:
                    say(f"    measuring how fast this {device} trains …")
                    measured = measured_rate(device)
                rate, origin = measured, "the rate of ResNet-20 here and now"
            seconds = sum(training_macs(plan, case) for case, _ in todo) / rate
            say(f"    {len(todo)} missing, about {duration(seconds)} one after the other on this {device}: "
                f"an estimate from their MACs and {origin}, {rate / 1e9:.1f} GMAC/s")


def training_macs(plan, case):
    """MACs of a whole training run: a step costs three forward passes (forward, and backward to maps and weights)."""
    macs = of(case.model, (1, *data.shape_of(**plan.data)), **case.options).total_macs
    images = plan.data.get("limit", data.PICTURES[plan.data["name"]].train)
    return 3 * macs * images * Recipe(**plan.recipe_of(case)).epochs


def recorded_rate(plan, device, root=None):
    """Median of the MACs per second of the runs recorded on this kind of device and data; None without any."""
    rates = []
    for experiment, other in GRIDS.items():
        if other.data == plan.data:
            cases = {case.name: case for case in other.cases}
            rates += [training_macs(other, cases[run.case]) / run.final["seconds"]
                      for run in runs.load(experiment, root) if (run.device, run.seed) == (device, 0)]
    return median(rates) if rates else None


def measured_rate(device, batch_size=64, steps=3):
    """MACs per second of training ResNet-20 at 32x32 on this device, after a step that does not count."""
    model = create_model("resnet20").to(device)
    x, y = torch.randn(batch_size, 3, 32, 32, device=device), torch.zeros(batch_size, dtype=torch.int64, device=device)
    for step in range(steps + 1):
        if step == 1:
            start = time.perf_counter()
        F.cross_entropy(model(x), y).backward()
        sum(p.grad.sum() for p in model.parameters()).item()        # waits for the device
    seconds = time.perf_counter() - start
    return 3 * summary(model, x.shape).total_macs * steps / seconds         # of the whole batch


def duration(seconds):
    """90 -> "2 min": one number, one unit."""
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}" if seconds >= 10 * size else f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
