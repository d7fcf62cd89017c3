"""Recorded runs: written whole, read strictly, and what the repository holds is what its grids declare."""

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import asdict, fields
from types import SimpleNamespace

import pytest
import torch

from cnnlib import create_model, data, training
from cnnlib.files import DATA
from cnnlib.records import grids, recording, runs
from cnnlib.records import tables as overview


@pytest.fixture
def tiny(monkeypatch):
    """A grid that takes a second: two cases on digits."""
    plan = grids.Grid(
        "two LeNets on digits",
        [grids.Case(p, "lenet5_modern", {"pooling": p}) for p in ("avg", "max")],
        {"name": "digits", "size": 28},
        {"epochs": 2, "batch_size": 256, "lr": 0.05},
        keep={"max": "kept.safetensors"},
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
    assert [(c.name, s) for c, s in recording.missing("tiny", 2, tmp_path, ["max"])] == [("max", 0), ("max", 1)]
    with pytest.raises(ValueError, match="case is 'min', allowed: 'avg', 'max'"):
        recording.missing("tiny", 1, tmp_path, ["min"])
    with pytest.raises(ValueError, match="experiment 'huge' is not known. Allowed: lenet"):
        recording.missing("huge", 1)
    with pytest.raises(ValueError, match="seeds is 0"):
        recording.missing("tiny", 0)


def test_a_case_may_be_trained_in_its_own_way_and_a_grid_wants_its_own_number_of_seeds(tmp_path, monkeypatch):
    """Two epochs for all, one for the second; both with two seeds, as `record` without a number takes it."""
    cases = [grids.Case("long", "lenet5_modern"), grids.Case("short", "lenet5_modern", {}, {"epochs": 1, "lr": 0.01})]
    plan = grids.Grid("two recipes", cases, {"name": "digits", "size": 28},
                      {"epochs": 2, "batch_size": 256, "lr": 0.05}, seeds=2)
    monkeypatch.setitem(grids.GRIDS, "own", plan)
    run = recording.record_one("own", cases[1], 0, device="cpu", root=tmp_path, progress=False)
    assert run.recipe == {"epochs": 1, "batch_size": 256, "lr": 0.01} and len(run.epochs) == 1
    assert 2 * recording.training_macs(plan, cases[1]) == recording.training_macs(plan, cases[0])
    lines = []
    recording.show(None, "cpu", ["own"], tmp_path, lines.append)
    assert lines[0] == "own: 1 of 4 runs. two recipes."
    assert runs.read(runs.path_of("own", "short-seed0", tmp_path)).recipe == run.recipe


def test_record_in_processes_fills_the_grid(tmp_path, capsys, monkeypatch, offline):
    """A real grid of the book in worker processes; its data set is found nowhere, so the error must arrive here."""
    monkeypatch.setenv("CNNLIB_DATA", str(tmp_path / "nothing"))
    with pytest.raises(data.DataNotFound, match="CNNLIB_DATA"):
        recording.record("lenet-1998", seeds=1, threads=1, device="cpu",
                     data_root=tmp_path / "none", root=tmp_path / "runs")
    assert not list((tmp_path / "runs").rglob("*.json"))


def test_cut_off_and_resumed(tiny, tmp_path, monkeypatch):
    """The checkpoint of a recording that was stopped is used, and goes when the run is written."""
    whole = recording.record_one("tiny", tiny.cases[0], 0, device="cpu", root=tmp_path / "a", progress=False)
    fit = training.fit
    monkeypatch.setattr(training, "fit", lambda *args, **kwargs: fit(*args, **kwargs, callback=lambda epoch: True))
    with pytest.raises(KeyboardInterrupt):
        recording.record_one("tiny", tiny.cases[0], 0, device="cpu", root=tmp_path / "b", progress=False, resume=True)
    assert [p.name for p in (tmp_path / "b/tiny").iterdir()] == ["avg-seed0.checkpoint"]
    monkeypatch.setattr(training, "fit", fit)
    run = recording.record_one("tiny", tiny.cases[0], 0, device="cpu", root=tmp_path / "b", progress=False, resume=True)
    assert run.column("test_loss") == whole.column("test_loss") and run.wall_seconds > run.final["seconds"] > 0
    assert [p.name for p in (tmp_path / "b/tiny").iterdir()] == ["avg-seed0.json"]


def test_again_repeats_a_run_and_judges_it(tiny, tmp_path, capsys):
    made = [recording.record_one("tiny", tiny.cases[0], seed, device="cpu", root=tmp_path, progress=False)
            for seed in (0, 1)]
    path = runs.path_of("tiny", "avg-seed0", tmp_path)
    run, inside = recording.again(path, device="cpu", progress=False)
    assert inside and run.column("test_loss") == made[0].column("test_loss")
    for seed, old in enumerate(made):           # the same files with other results: the new run is not one of them
        old.final["test_error"] = 0.001 * seed
        runs.write(old, tmp_path)
    assert recording.again(path, device="cpu", progress=False)[1] is False
    runs.path_of("tiny", "avg-seed1", tmp_path).unlink()
    assert recording.again(path, device="cpu", progress=False)[1] is None
    assert "OUTSIDE the spread of 2 seeds" in capsys.readouterr().out


def test_expected_interval_holds_95_percent_of_new_draws():
    draws = torch.randn(4000, 4, generator=torch.Generator().manual_seed(0)).double() * 0.01 + 0.5
    inside = [low <= new <= high for *seeds, new in draws.tolist()
              for low, high in [recording.expected_interval(seeds, 0)]]
    assert sum(inside) / len(inside) == pytest.approx(0.95, abs=0.01)


def test_show_says_what_is_missing_where_it_was_recorded_and_the_cost(tiny, tmp_path):
    recording.record_one("tiny", tiny.cases[0], 0, device="cpu", root=tmp_path, progress=False)
    lines = []
    recording.show(2, "cpu", ["tiny", "se"], tmp_path, lines.append)
    assert lines[0] == "tiny: 1 of 4 runs. two LeNets on digits." and lines[1].startswith("    1 on cpu (")
    assert "3 missing, about" in lines[2] and "the median rate of recorded runs on these data" in lines[2]
    assert lines[3].startswith("se: 0 of 8 runs") and lines[4] == "    measuring how fast this cpu trains …"
    assert "the rate of ResNet-20 here and now" in lines[5] and len(lines) == 6


def test_training_macs_by_hand(tiny):
    macs = 28 * 28 * 6 * 25 + 10 * 10 * 16 * 150 + 400 * 120 + 120 * 84 + 84 * 10      # LeNet-5 with all of C3
    assert recording.training_macs(tiny, tiny.cases[0]) == 3 * macs * len(data.load("digits").train) * 2


def test_measured_rate_by_hand(monkeypatch):
    clock = iter((10.0, 12.0))
    monkeypatch.setattr(recording, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    assert recording.measured_rate("cpu", batch_size=2, steps=3) == 3 * 40_551_040 * 2 * 3 / 2.0


def test_load_of_others_is_what_another_process_takes():
    load = runs.Load()
    if load.before is None:
        pytest.skip("this system does not say")
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        time.sleep(1.0)
        busy = load.of_others()
        other.kill()
    assert 0.1 < busy <= os.cpu_count() + 0.2


def test_find_knows_a_network_with_and_without_its_defaults(tiny, tmp_path):
    recording.record_one("tiny", tiny.cases[0], 0, device="cpu", root=tmp_path, progress=False)
    assert runs.minimal("lenet5_modern", {"pooling": "avg", "kernel_size": 5}) == \
        runs.minimal("lenet5_modern", {"pooling": "avg"})
    found = runs.find("lenet5_modern", {"pooling": "avg", "kernel_size": 5}, tmp_path)
    assert [run.run for run in found] == ["avg-seed0"] and not runs.find("lenet5_modern", {"pooling": "max"}, tmp_path)


def test_runs_of_older_schemas_are_read(tiny, tmp_path):
    run = recording.record_one("tiny", tiny.cases[0], 0, device="cpu", root=tmp_path, progress=False)
    path, old = runs.path_of("tiny", run.run, tmp_path), asdict(run) | {"schema": 2}
    del old["case"], old["shape"]
    path.write_text(json.dumps(old))
    assert runs.read(path) == run
    old["schema"] = 1
    del old["cores"], old["other_load"]
    for epoch in old["epochs"]:
        del epoch["images_per_second"], epoch["peak_memory_bytes"]
    path.write_text(json.dumps(old))
    found = runs.read(path)
    assert (found.schema, found.case, found.shape, found.other_load) == (3, "avg", [1, 28, 28], None)
    assert found.column("test_loss") == run.column("test_loss")
    assert found.column("images_per_second") == pytest.approx(run.column("images_per_second"))


def test_a_network_is_used_again(monkeypatch, tmp_path):
    """A case with a new head begins with the weights that it names, is trained again from its file alone, and is no run
    of the bare network."""
    case = grids.Case("reused", "resnet20", {"in_channels": 1, "width": 8},
                      transfer={"weights": "digits-resnet20.safetensors", "hidden": False})
    plan = grids.Grid("a new head", [case], {"name": "digits"}, {"epochs": 2, "optimizer": "adam", "lr": 0.01})
    monkeypatch.setitem(grids.GRIDS, "tiny", plan)
    run = recording.record_one("tiny", case, 0, device="cpu", root=tmp_path, progress=False)
    assert runs.read(runs.path_of("tiny", "reused-seed0", tmp_path)).model["transfer"] == case.transfer
    assert run.final["test_error"] < 0.1            # its features know the digits, of which a random network knows few
    assert recording.network(case, 7).head.out_features == 7
    new, _ = recording.again(runs.path_of("tiny", "reused-seed0", tmp_path), device="cpu", progress=False)
    assert new.column("test_loss") == run.column("test_loss")
    assert not runs.find("resnet20", case.options, tmp_path)


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
        (lambda d: d["recipe"].update(lr=-1), "lr is -1"),
        (lambda d: d["recipe"].update(rate=1), "not a recorded run: .*'rate'"),
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
    path.unlink()
    with pytest.raises(FileNotFoundError, match="no recorded run at .*json"):
        runs.read(path)


# -- what the repository holds -----------------------------------------------------------------------------


def pending_without_gpu(plan):
    """Grids on photographs wait for a GPU, or a patient CPU: what is there of them is checked, what is missing is not
    asked for."""
    return plan.data["name"] == "cifar10"


@pytest.mark.parametrize("experiment", sorted(grids.GRIDS))
def test_grid_is_recorded_as_declared(experiment):
    plan, recorded = grids.GRIDS[experiment], {run.run: run for run in runs.load(experiment)}
    declared = {f"{case.name}-seed{seed}": (case, seed) for case in plan.cases
                for seed in range(plan.seeds)}
    assert set(recorded) <= set(declared)
    if not pending_without_gpu(plan):
        assert set(recorded) == set(declared)
    for name, run in recorded.items():
        case, seed = declared[name]
        network = recording.network(case, 5 if plan.data["name"] == "flowers" else 10)
        parameters = sum(p.numel() for p in network.parameters())
        transfer = {"transfer": case.transfer} if case.transfer else {}
        assert run.model == {"name": case.model, "options": case.options, **transfer, "parameters": parameters}
        assert run.recipe == plan.recipe_of(case) and run.seed == seed and run.experiment == experiment
        assert {**run.data, "variant": None} == {**plan.data, "variant": None} and run.data["variant"]
        assert len(run.epochs) == run.recipe["epochs"] and run.case == case.name
        # The sizes in the words about the data: "..., 32x32, pixels' sha256 ..., resized and padded to 16x16".
        assert run.shape[1:] == list(map(int, re.findall(r"(\d+)x(\d+)", run.data["variant"])[-1]))
        assert run.shape[0] == (3 if plan.data["name"] in ("cifar10", "flowers") else 1)
        assert run.command.startswith(f"python -m cnnlib record {experiment}")
        assert not run.commit.endswith("+"), "recorded with uncommitted changes to what decides a run"


def test_no_recording_without_a_grid():
    assert set(runs.experiments()) <= set(grids.GRIDS)


def test_no_curve_is_constant_or_copied():
    """What was measured moves from epoch to epoch, and no two runs of different networks or seeds have one curve."""
    seen = {}
    for experiment in grids.GRIDS:
        for run in runs.load(experiment):
            curve = tuple(run.column("train_loss"))
            assert all(0 <= e["train_error"] <= 1 and 0 <= e["test_error"] <= 1 for e in run.epochs)
            assert all(0 < e["train_loss"] < 20 and 0 < e["test_loss"] for e in run.epochs)
            assert len(set(curve)) == len(curve) and len(set(run.column("test_loss"))) == len(curve)
            assert run.column("seconds") == sorted(run.column("seconds"))
            decisive = json.dumps([run.model, run.recipe, run.seed, {**run.data, "variant": None}], sort_keys=True)
            assert seen.setdefault(curve, decisive) == decisive, f"{experiment}/{run.run} is a copy"


def test_runs_by_case_are_all_runs():
    cases = runs.by_case("digits-degradation")
    assert {case: [run.seed for run in seeds] for case, seeds in cases.items()} == {
        case.name: [0, 1, 2] for case in sorted(grids.GRIDS["digits-degradation"].cases, key=lambda case: case.name)}
    assert all(run.run == f"{case}-seed{run.seed}" for case, seeds in cases.items() for run in seeds)
    assert runs.by_case("nothing") == {}


def test_errors_by_seed_are_those_of_the_runs():
    head, *lines = overview.by_seed("digits-shortcuts", start=("resnet56-A", "resnet56-C")).splitlines()
    assert head.split() == ["digits-shortcuts", "training", "test,", "each", "seed"]
    assert [line.split()[0] for line in lines] == ["A", "C"]
    for line, case in zip(lines, ("resnet56-A", "resnet56-C"), strict=True):
        seeds = runs.by_case("digits-shortcuts")[case]
        training, *tested = (float(number) / 100 for number in re.findall(r"([\d.]+)%", line))
        assert training == pytest.approx(sum(run.final["train_error"] for run in seeds) / len(seeds), abs=6e-4)
        assert tested == pytest.approx([run.final["test_error"] for run in seeds], abs=6e-4)
    assert overview.by_seed("nothing").count("\n") == 0


# In data/README.md, below its tables.
EXPLAINED = {"cifar10-full/resnet20", "cifar10-short/bc40-k12", "cifar10-short/resnet20", "cifar10-short/resnet56"}


def test_what_was_expected_was_reached_or_the_gap_is_explained():
    missed = {f"{name}/{case}" for name, plan in grids.GRIDS.items() for case, seeds in runs.by_case(name).items()
              for run in seeds if abs(run.final["test_error"] - plan.target.get(case, run.final["test_error"])) > 0.015}
    assert missed == EXPLAINED
    after = (DATA / "README.md").read_text().partition(overview.END)[2]
    assert all(f"`{name.partition('/')[0]}`" in after for name in missed)


def test_overview_is_current():
    text = (DATA / "README.md").read_text()
    assert overview.replaced(text) == text, "run: python -m cnnlib record --tables"
    assert all(f"`{key}`" in text for key in (*runs.EPOCH_KEYS, *(f.name for f in fields(runs.Run))))


@pytest.mark.parametrize("experiment", sorted(grids.GRIDS))
def test_grids_declare_what_can_be_built(experiment):
    """Every network exists, no option repeats a default, and what is kept or expected belongs to a case."""
    plan = grids.GRIDS[experiment]
    names = [case.name for case in plan.cases]
    assert len(set(names)) == len(names) and set(plan.target) <= set(names)
    assert set(plan.keep) <= set(names)
    for case in plan.cases:
        with torch.device("meta"):
            create_model(case.model, **case.options)
        if "lenet" not in experiment:       # LeNet's knobs are all named
            assert runs.minimal(case.model, case.options) == case.options
    if experiment.startswith("digits-"):
        full = grids.GRIDS[experiment.removeprefix("digits-")]
        assert {case.model for case in plan.cases} <= {case.model for case in full.cases}


def test_kept_weights_belong_to_a_recorded_run():
    kept = {file: f"{name}/{case}-seed0" for name, plan in grids.GRIDS.items() for case, file in plan.keep.items()}
    files = [p.name for p in (DATA / "weights").glob("*.safetensors")]
    assert set(files) <= set(kept)
    for file, origin in kept.items():
        experiment, name = origin.split("/")
        if pending_without_gpu(grids.GRIDS[experiment]) and file not in files:
            continue
        assert (DATA / "weights" / file).stat().st_size <= 4 * 2**20
        run = runs.read(runs.path_of(experiment, name))
        model = create_model(run.model["name"], **run.model["options"])
        header = training.load_weights(model, DATA / "weights" / file)
        assert header["run"] == origin and header["model"] == run.model
        assert abs(header["test_error"] - run.final["test_error"]) < 0.006     # two of the 360 digits
