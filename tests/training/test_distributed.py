"""Two processes that share every batch train like one that has it whole."""

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from cnnlib import create_model, data, training
from cnnlib.training import distributed
from cnnlib.training.checkpoints import read

SCRIPT = """
import json, sys, torch
from torch import nn
from cnnlib import data, training
from cnnlib.training import distributed
from tests.training.test_distributed import RECIPE, network
torch.set_num_threads(1)
with distributed.processes(torch.device("cpu")) as device:
    model, digits = network(), data.load("digits", crop=1, flip=True, limit=1001)
    seen = []
    history = training.fit(model, digits, device=device, progress=False, checkpoint=sys.argv[1] + "/run.safetensors",
                           callback=lambda epoch: seen.append(epoch["epoch"]) or epoch["epoch"] == 2, **RECIPE)
    rank, _ = distributed.place()
    assert seen == ([1, 2] if rank == 0 else []) and history.interrupted
    history = training.fit(network(), digits, device=device, progress=False,
                           checkpoint=sys.argv[1] + "/run.safetensors", **RECIPE)
    torch.manual_seed(0)
    averaging = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 10))
    tested = training.fit(averaging, digits, device=device, progress=False, **RECIPE).final["test_loss"]
    assert abs(training.evaluate(averaging, digits.test)["loss"] - tested) < 1e-6, "not the network that was tested"
    with open(f"{sys.argv[1]}/{rank}.json", "w") as file:
        json.dump(history, file)
"""
# 1001 images: the last batch has 41, 21 for one process and 20 for the other, which must make as many parts of them.
RECIPE = {"epochs": 3, "batch_size": 64, "lr": 0.02, "weight_decay": 1e-3, "seed": 3, "clip": 1.0, "accumulate": 6}


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10))


def test_two_processes_have_the_curve_of_one(tmp_path):
    import json

    alone = training.fit(network(), data.load("digits", crop=1, flip=True, limit=1001), device="cpu", progress=False,
                         **RECIPE)
    (tmp_path / "script.py").write_text(SCRIPT)
    subprocess.run([sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
                    str(tmp_path / "script.py"), str(tmp_path)], check=True, timeout=300,
                   env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))})       # it has `tests`
    histories = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)]
    for epoch, *both in zip(alone, *histories, strict=True):
        for key in ("train_loss", "train_error", "test_loss", "test_error", "lr"):
            assert both[0][key] == both[1][key]
            assert both[0][key] == pytest.approx(epoch[key], abs=1e-5), key
    kept = {name for name in read(tmp_path / "run.safetensors")[0] if "weight" in name or "bias" in name}
    assert kept and not any("module." in name for name in kept), "names of a wrapper: a bare network cannot load them"


def test_a_last_batch_too_small_for_all_is_refused_before_any_work(monkeypatch):
    monkeypatch.setattr(distributed, "place", lambda: (0, 4))
    with pytest.raises(ValueError, match="batch_size is 50, allowed with 4 processes .* the last batch, which has 3"):
        training.fit(network(), data.load("digits", limit=103), batch_size=50, device="cpu", progress=False)


def test_alone_nothing_is_shared():
    with distributed.processes(torch.device("cpu")) as device:
        model = network()
        assert device.type == "cpu" and distributed.place() == (0, 1) and distributed.averaging(model) is model
        assert distributed.total([1.5, 2], device) == [1.5, 2] and distributed.agreed(True, device)


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match="nproc-per-node is 2 or more, allowed: up to 1"):
        with distributed.processes(torch.device("cuda")):
            pass


@pytest.mark.parametrize("name, options, skips", [
    ("resnet20", {}, False), ("resnet20", {"stochastic_depth": 0.5}, True),
    ("fractalnet", {}, False), ("fractalnet", {"drop_path": "local"}, True),
])
def test_processes_do_not_wait_for_gradients_of_what_was_skipped(monkeypatch, name, options, skips):
    monkeypatch.setattr(distributed, "place", lambda: (0, 2))
    monkeypatch.setattr(nn.parallel, "DistributedDataParallel", lambda model, **how: how)
    assert distributed.averaging(create_model(name, **options)) == {"find_unused_parameters": skips}
