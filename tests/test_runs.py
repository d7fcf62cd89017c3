"""Recorded runs: written whole, read strictly, and what the repository holds is what its grids declare."""

import json
from dataclasses import asdict

import pytest
import torch

from cnnlib import create_model, data, paths, runs, training
from cnnlib.experiments import grids, recording


@pytest.fixture
def tiny(monkeypatch):
    """A grid that takes a second: two cases on digits."""
    plan = grids.Grid(
        "two LeNets on digits",
        [grids.Case(p, "lenet5_modern", {"pooling": p}) for p in ("avg", "max")],
        {"name": "digits", "size": 28},
        {"epochs": 2, "batch_size": 256, "lr": 0.05},
        keep={"max-seed0": "kept.safetensors"},
    )
    monkeypatch.setitem(grids.GRIDS, "tiny", plan)
    return plan


def test_record_write_read(tiny, tmp_path):
    run = recording.record_one("tiny", tiny.cases[1], 0, device="cpu", root=tmp_path, progress=False)
    assert runs.load("tiny", tmp_path) == [run]
    assert run.model == {"name": "lenet5_modern", "options": {"pooling": "max"}, "parameters": 61_706}
    assert run.device == "cpu" and run.device_name and run.peak_memory_bytes is None
    assert run.torch == torch.__version__ and run.epochs[-1]["epoch"] == 2
    assert run.images_per_second == pytest.approx(2 * len(data.load("digits").train) / run.final["seconds"])
    assert not list(tmp_path.rglob("*.partial"))
    # The weights kept are those of the run, in half precision, and their error stands in the header.
    model = create_model("lenet5_modern", pooling="max")
    header = training.load_weights(model, tmp_path / "kept.safetensors")
    error = training.evaluate(model, data.load("digits", size=28).test)["error"]
    assert header["test_error"] == error and abs(error - run.final["test_error"]) < 0.01


def test_only_what_is_missing_is_recorded(tiny, tmp_path):
    recording.record_one("tiny", tiny.cases[0], 0, device="cpu", root=tmp_path, progress=False)
    assert [(c.name, s) for c, s in recording.missing("tiny", 2, tmp_path)] == [("max", 0), ("avg", 1), ("max", 1)]
    with pytest.raises(ValueError, match="experiment 'huge' is not known. Allowed: lenet"):
        recording.missing("huge", 1)
    with pytest.raises(ValueError, match="seeds is 0"):
        recording.missing("tiny", 0)


def test_record_in_processes_fills_the_grid(tmp_path, capsys, monkeypatch):
    """A real grid of the book in worker processes; its data set is found nowhere, so the error must arrive here."""
    monkeypatch.setenv("CNNLIB_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(data.DataNotFound, match="CNNLIB_DATA"):
        recording.record("lenet-1998", seeds=1, threads=1, device="cpu",
                     data_root=tmp_path / "none", root=tmp_path / "runs")
    assert not list((tmp_path / "runs").rglob("*.json"))


def test_stopping_writes_nothing(tiny, tmp_path, monkeypatch):
    def stop(*args, **kwargs):
        history = training.History()
        history.interrupted = True
        return history

    monkeypatch.setattr(training, "fit", stop)
    with pytest.raises(KeyboardInterrupt):
        recording.record_one("tiny", tiny.cases[0], 0, device="cpu", root=tmp_path)
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda d: d.pop("seed"), "missing .*seed"),
        (lambda d: d.update(best_error=0.1), "unknown .*best_error"),
        (lambda d: d.update(schema=0), "schema 0"),
        (lambda d: d["epochs"].pop(0), "epochs are not 1, 2, 3"),
        (lambda d: d.update(epochs=[]), "epochs are not 1, 2, 3"),
        (lambda d: d["epochs"][0].pop("test_error"), "epoch 1: keys"),
    ],
)
def test_spoilt_files_are_refused(tiny, tmp_path, spoil, message):
    run = recording.record_one("tiny", tiny.cases[0], 0, device="cpu", root=tmp_path, progress=False)
    content = asdict(run)
    spoil(content)
    path = runs.path_of("tiny", run.run, tmp_path)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        runs.read(path)
    path.write_text("{")
    with pytest.raises(ValueError, match="not JSON"):
        runs.read(path)


# -- what the repository holds -----------------------------------------------------------------------------


def pending_without_gpu(plan):
    """Full-size grids wait for a GPU: what is there of them is checked, what is missing is not asked for."""
    return plan.data["name"] == "cifar10"


@pytest.mark.parametrize("experiment", sorted(grids.GRIDS))
def test_grid_is_recorded_as_declared(experiment):
    plan, recorded = grids.GRIDS[experiment], {run.run: run for run in runs.load(experiment)}
    declared = {f"{case.name}-seed{seed}": (case, seed) for case in plan.cases for seed in range(3)}
    assert set(recorded) <= set(declared)
    if not pending_without_gpu(plan):
        assert set(recorded) == set(declared)
    for name, run in recorded.items():
        case, seed = declared[name]
        parameters = sum(p.numel() for p in create_model(case.model, **case.options).parameters())
        assert run.model == {"name": case.model, "options": case.options, "parameters": parameters}
        assert run.recipe == plan.recipe and run.seed == seed and run.experiment == experiment
        assert {**run.data, "variant": None} == {**plan.data, "variant": None} and run.data["variant"]
        assert len(run.epochs) == plan.recipe["epochs"]
        assert run.command.startswith(f"python -m cnnlib record {experiment}")
        assert not run.commit.endswith("+"), "recorded with uncommitted changes to what decides a run"


def test_no_recording_without_a_grid():
    assert set(runs.experiments()) <= set(grids.GRIDS)


@pytest.mark.parametrize("experiment", sorted(grids.GRIDS))
def test_grids_declare_what_can_be_built(experiment):
    """Every network exists, no option repeats a default, and what is kept or expected belongs to a case."""
    plan = grids.GRIDS[experiment]
    names = [case.name for case in plan.cases]
    assert len(set(names)) == len(names) and set(plan.target) <= set(names)
    assert {run.removesuffix("-seed0") for run in plan.keep} <= set(names)
    for case in plan.cases:
        with torch.device("meta"):
            create_model(case.model, **case.options)
        if "lenet" not in experiment:       # LeNet's knobs are all named
            assert runs.minimal(case.model, case.options) == case.options
    if experiment.startswith("digits-"):
        full = grids.GRIDS[experiment.removeprefix("digits-")]
        assert {case.model for case in plan.cases} <= {case.model for case in full.cases}


def test_kept_weights_belong_to_a_recorded_run():
    kept = {file: f"{name}/{run}" for name, plan in grids.GRIDS.items() for run, file in plan.keep.items()}
    files = [p.name for p in (paths.DATA / "weights").glob("*.safetensors")]
    assert set(files) <= set(kept)
    for file, origin in kept.items():
        experiment, name = origin.split("/")
        if pending_without_gpu(grids.GRIDS[experiment]) and file not in files:
            continue
        assert (paths.DATA / "weights" / file).stat().st_size <= 4 * 2**20
        run = runs.read(runs.path_of(experiment, name))
        model = create_model(run.model["name"], **run.model["options"])
        header = training.load_weights(model, paths.DATA / "weights" / file)
        assert header["run"] == origin and header["model"] == run.model
        assert abs(header["test_error"] - run.final["test_error"]) < 0.006     # two of the 360 digits
