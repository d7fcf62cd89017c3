"""A run that is killed at any moment ends as if nothing had happened; what cannot go on says why and loses nothing."""

import json
import multiprocessing
import os
import random
import signal
import threading
import time

import pytest
import torch
from torch import nn

from cnnlib import data, training
from cnnlib.training.checkpoints import Checkpoint


def network(seed=0, units=16, dropout=0.3):
    """Small, with all that a checkpoint must keep: BatchNorm's averages, dropout's masks."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(),
                         nn.Linear(512, units), nn.ReLU(), nn.Dropout(dropout), nn.Linear(units, 10))


def train(checkpoint, model=None, **changes):
    torch.set_num_threads(1)
    model = model or network()
    recipe = {"epochs": 3, "batch_size": 64, "optimizer": "sgd", "weight_decay": 1e-3, "seed": 5, **changes}
    history = training.fit(model, data.load("digits", crop=1, flip=True, limit=640), device="cpu", progress=False,
                           checkpoint=checkpoint, **recipe)
    return model, history


def without_clock(history):
    return [{k: v for k, v in epoch.items() if k not in ("seconds", "images_per_second")} for epoch in history]


def train_in_process(checkpoint, result, optimizer, goal=None, delay=0.0):
    """Train to the end, or until the process kills itself, `delay` seconds after step `goal`."""
    if goal:
        threading.Thread(target=kill_after, args=(checkpoint, goal, delay), daemon=True).start()
    model, history = train(checkpoint, checkpoint_seconds=0, optimizer=optimizer, lr=0.01)
    facts = {"history": without_clock(history), "seconds": history.column("seconds")}
    training.save_weights(model, result, metadata=facts)


def kill_after(checkpoint, goal, delay):
    while steps_done(checkpoint) < goal:
        time.sleep(0.001)
    time.sleep(delay)
    os.kill(os.getpid(), signal.SIGKILL)


POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and limits of Unix")


@POSIX
@pytest.mark.parametrize("optimizer, kills", [("sgd", 4), ("adam", 3)])
def test_killed_and_resumed_is_bit_for_bit_the_same(tmp_path, optimizer, kills):
    alone, history = train(None, optimizer=optimizer, lr=0.01)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "sklearn.datasets", "safetensors.torch"])
    draw, killed = random.Random(optimizer), []
    arguments = (tmp_path / "run.safetensors", tmp_path / "result.safetensors", optimizer)
    while not arguments[1].exists():
        end = ()
        if len(killed) < kills:             # anywhere in a step, or while the file is written
            end = steps_done(arguments[0]) + draw.randint(1, 3), draw.uniform(0, 0.005)
        process = context.Process(target=train_in_process, args=arguments + end)
        process.start()
        process.join(120)
        assert process.exitcode == (-signal.SIGKILL if end else 0)
        if end:
            killed.append(steps_done(arguments[0]))
    assert len(killed) == kills and any(steps % 10 for steps in killed), killed
    resumed = network(seed=1)
    metadata = training.load_weights(resumed, tmp_path / "result.safetensors")
    assert metadata["history"] == without_clock(history)
    assert metadata["seconds"] == sorted(metadata["seconds"])
    for name, tensor in alone.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_stopped_between_the_last_step_of_an_epoch_and_its_test(tmp_path, monkeypatch):
    """No step of the epoch is left to do then; what is said of it is the same."""
    alone, history = train(None)

    def stop(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("cnnlib.training.loop.score", stop)
        _, none = train(tmp_path / "run.safetensors", checkpoint_seconds=0)
    assert list(none) == [] and none.interrupted and steps_done(tmp_path / "run.safetensors") == 10
    resumed, rest = train(tmp_path / "run.safetensors", model=network(seed=1), checkpoint_seconds=0)
    assert without_clock(rest) == without_clock(history)
    assert all(torch.equal(p, q) for p, q in zip(alone.parameters(), resumed.parameters(), strict=True))


def steps_done(path):
    """How many steps a checkpoint has behind it, 0 without one. What is there is always whole."""
    if not path.exists():
        return 0
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    position = json.loads(header["__metadata__"]["position"])
    return 10 * (position["epoch"] - 1) + position["step"]          # 640 images in batches of 64


def test_a_finished_run_is_not_repeated(tmp_path):
    first, history = train(tmp_path / "run.safetensors", epochs=1)
    again, same = train(tmp_path / "run.safetensors", model=network(seed=1), epochs=1)
    assert same == history and not same.interrupted and same.wall_seconds > 0
    assert all(torch.equal(p, q) for p, q in zip(first.parameters(), again.parameters(), strict=True))


def test_stopped_by_a_callback_and_resumed(tmp_path):
    _, part = train(tmp_path / "run.safetensors", callback=lambda epoch: True)
    assert len(part) == 1 and part.interrupted
    _, rest = train(tmp_path / "run.safetensors", model=network(seed=1))
    assert without_clock(rest) == without_clock(train(None)[1]) and not rest.interrupted


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_what_the_optimiser_remembers_has_the_order_in_memory_of_the_weights(tmp_path, optimizer):
    """A GPU works through both together, and slowly where the orders differ."""
    model = network().to(memory_format=torch.channels_last)
    made = training.make_optimizer(model, training.Recipe(optimizer=optimizer, lr=0.1))
    model(torch.randn(4, 1, 8, 8)).sum().backward()
    made.step()
    Checkpoint(tmp_path / "run.safetensors", model, made, {}).save({"epoch": 1}, torch.zeros(2))
    again = training.make_optimizer(model, training.Recipe(optimizer=optimizer, lr=0.1))
    Checkpoint(tmp_path / "run.safetensors", model, again, {}).load()
    compared = 0
    for weight in model.parameters():
        for key, value in again.state[weight].items():
            assert torch.equal(value, made.state[weight][key]), key
            if value.shape == weight.shape:
                assert value.stride() == made.state[weight][key].stride() == weight.stride(), key
                compared += 1
    assert compared == len(list(model.parameters())) * (2 if optimizer == "adam" else 1)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"lr": 0.2}, "lr is 0.2 here and 0.05 there"),
        ({"epochs": 9, "seed": 6}, "epochs is 9 here and 1 there; seed is 6 here and 5 there"),
        ({"model": "wider"}, r"4.weight has shape \(16, 512\), the model wants \(32, 512\)"),
        ({"model": "less dropout"}, "network is 'Sequential [0-9a-f]+' here and"),
    ],
)
def test_checkpoint_of_another_run_is_refused(tmp_path, changes, message):
    path = tmp_path / "run.safetensors"
    train(path, epochs=1)
    models = {"wider": network(units=32), "less dropout": network(dropout=0.1), None: network()}
    changes = dict(changes)
    model = models[changes.pop("model", None)]
    before, content = [p.clone() for p in model.parameters()], path.read_bytes()
    with pytest.raises(ValueError, match=message):
        train(path, model=model, **{"epochs": 1, **changes})
    assert path.read_bytes() == content
    assert all(torch.equal(p, q) for p, q in zip(before, model.parameters(), strict=True))


def test_checkpoint_of_another_data_set_is_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    train(path, epochs=1)
    with pytest.raises(ValueError, match="data is 'scikit-learn digits, .* chosen evenly' here and .*; images is 500"):
        training.fit(network(), data.load("digits", crop=1, flip=True, limit=500), epochs=1, batch_size=64,
                     weight_decay=1e-3, seed=5, device="cpu", progress=False, checkpoint=path)
    with pytest.raises(ValueError, match="another run: crop is 2 here and 1 there; flip is False here and True there"):
        training.fit(network(), data.load("digits", crop=2, limit=640), epochs=1, batch_size=64,
                     weight_decay=1e-3, seed=5, device="cpu", progress=False, checkpoint=path)


def test_not_a_checkpoint(tmp_path):
    path = tmp_path / "run.safetensors"
    training.save_weights(network(), path)
    with pytest.raises(ValueError, match="is not a checkpoint"):
        train(path)
    path.write_bytes(b"hello")
    with pytest.raises(ValueError, match="truncated or not a file of this library"):
        train(path)


def test_a_folder_that_cannot_be_written_is_an_error_before_any_work(tmp_path):
    (tmp_path / "file").write_text("a file where a folder should be")
    with pytest.raises(OSError, match="run.safetensors cannot be written .*; no checkpoint had been written before"):
        train(tmp_path / "file" / "run.safetensors", callback=lambda epoch: pytest.fail("an epoch was trained"))


def train_on_a_full_disk(path):
    """The largest file of this process is smaller than a checkpoint: what a write then meets is what a full disk is."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
    try:
        train(path)
    except OSError as error:
        raise SystemExit(23 if "the last good one is kept" in str(error) else 1) from error


@POSIX
def test_full_disk_keeps_the_last_checkpoint(tmp_path):
    path = tmp_path / "run.safetensors"
    train(path, callback=lambda epoch: True)
    content = path.read_bytes()
    process = multiprocessing.get_context("forkserver").Process(target=train_on_a_full_disk, args=(path,))
    process.start()
    process.join(120)
    assert process.exitcode == 23 and path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["run.safetensors"]
    assert len(train(path)[1]) == 3


def test_loss_that_is_no_number_keeps_the_last_checkpoint(tmp_path):
    path = tmp_path / "run.safetensors"
    train(path, callback=lambda epoch: True)
    content = path.read_bytes()

    class Spoilt(nn.Sequential):
        """From some call on the answers are NaN."""

        def forward(self, x):
            answers = super().forward(x)
            return answers * torch.nan if self.training else answers

    spoilt = Spoilt(*network())
    spoilt.__class__.__name__ = "Sequential"        # the same layers: its checkpoint fits
    with pytest.raises(FloatingPointError, match="lower lr"):
        train(path, model=spoilt)
    assert path.read_bytes() == content
    optimizer = torch.optim.SGD(spoilt.parameters(), 0.1)
    with pytest.raises(FloatingPointError, match="the weights 0.weight, .* no longer finite; the last good one is"):
        Checkpoint(path, spoilt, optimizer, {}).save({}, torch.zeros(2))
    assert path.read_bytes() == content
