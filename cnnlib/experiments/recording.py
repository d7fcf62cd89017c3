"""Trains the networks that `grids.py` declares and writes what happened to `data/runs/`."""

import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch

from .. import data, runs, training
from ..models import create_model
from ..models.checks import at_least
from ..paths import DATA
from .grids import grid


def missing(experiment, seeds, root=None):
    """(case, seed) pairs of the grid that have no recorded run yet: the first seed of all before the second of any."""
    return [(case, seed) for seed in range(at_least("seeds", seeds, 1)) for case in grid(experiment).cases
            if not runs.path_of(experiment, f"{case.name}-seed{seed}", root).exists()]


def record_one(experiment, case, seed, *, data_root=None, device=None, root=None, progress=True, jobs=1):
    """Train one case with one seed, write its run, and its weights (as float16) if the grid keeps them."""
    plan = grid(experiment)
    device = device or training.best_device()
    dataset = data.load(**plan.data, root=data_root)
    torch.manual_seed(seed)
    model = create_model(case.model, **case.options)
    environment = runs.environment(device)
    load = runs.Load()
    start = time.perf_counter()
    history = training.fit(model, dataset, **plan.recipe, seed=seed, device=device, progress=progress)
    if history.interrupted:
        raise KeyboardInterrupt
    run = runs.Run(
        schema=runs.SCHEMA, experiment=experiment, run=f"{case.name}-seed{seed}",
        model={"name": case.model, "options": case.options, "parameters": sum(p.numel() for p in model.parameters())},
        data={**plan.data, "variant": dataset.variant}, recipe=plan.recipe, seed=seed, **environment,
        precision=history.precision,
        command=f"python -m cnnlib record {experiment} --seeds {seed + 1} --jobs {jobs} "
                f"--threads {torch.get_num_threads()} --device {device}",
        wall_seconds=time.perf_counter() - start, other_load=load.of_others(),
        images_per_second=len(history) * len(dataset.train) / history.final["seconds"],
        peak_memory_bytes=history.final["peak_memory_bytes"],
        epochs=list(history),
    )
    if run.run in plan.keep:
        model.half().float()        # what the file will hold, so that the error in its header is its own
        folder = DATA / "weights" if root is None else Path(root)
        training.save_weights(model, folder / plan.keep[run.run], dtype=torch.float16, metadata={
            "model": run.model, "mean": dataset.mean, "std": dataset.std, "data": dataset.variant,
            "run": f"{experiment}/{run.run}", "test_error": training.evaluate(model, dataset.test)["error"],
        })
    runs.write(run, root)
    return run


def record(experiment, *, seeds=3, jobs=1, threads=None, data_root=None, device=None, root=None, say=print):
    """Write what is missing of an experiment's grid. `jobs` processes share the device; each run is written whole.

    Returns the runs written, in the order in which they finished being asked for.
    """
    at_least("jobs", jobs, 1)
    threads = threads or max(1, (os.cpu_count() or 1) // jobs)
    todo = missing(experiment, seeds, root)
    say(f"{experiment}: {len(todo)} of {len(grid(experiment).cases) * seeds} runs to record.")
    written = []
    with ProcessPoolExecutor(jobs, get_context("spawn"), torch.set_num_threads, (threads,)) as pool:
        futures = [pool.submit(record_one, experiment, case, seed, data_root=data_root, device=device, root=root,
                               progress=jobs == 1, jobs=jobs) for case, seed in todo]
        for future in futures:
            run = future.result()
            written.append(run)
            say(f"  {run.run}: test error {run.final['test_error']:.2%} after {len(run.epochs)} epochs, "
                f"{run.wall_seconds:.0f} s on {run.device} ({run.device_name})")
    return written
