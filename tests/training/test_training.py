"""The loop: it learns, repeats itself under a seed, stops when told, and refuses what makes no sense."""

import dataclasses
import math
import sys
import types

import pytest
import torch
from torch import nn

import cnnlib
from cnnlib import cli, data, training
from cnnlib.training.checkpoints import read


@pytest.fixture(scope="module")
def digits():
    return data.load("digits", size=28)


def small(seed=0, **options):
    torch.manual_seed(seed)
    return cnnlib.create_model("lenet5_modern", **options)


def test_lenet_learns_digits_and_repeats_itself(digits):
    histories = [training.fit(small(), digits, epochs=6, batch_size=32, device="cpu", progress=False)
                 for _ in range(2)]
    assert histories[0].final["test_error"] < 0.10
    for key in ("train_loss", "train_error", "test_loss", "test_error", "lr"):
        assert histories[0].column(key) == histories[1].column(key), key
    other = training.fit(small(), digits, epochs=1, seed=1, device="cpu", progress=False)
    assert other[0]["train_loss"] != histories[0][0]["train_loss"]


def test_history_agrees_with_a_loop_by_hand(digits):
    """One epoch of constant-rate plain SGD, written out."""
    model, by_hand = small(), small()
    history = training.fit(model, digits, epochs=1, batch_size=100, lr=0.01, momentum=0.0, schedule="constant",
                           seed=3, device="cpu", progress=False)
    loss_sum = 0.0
    for x, y in digits.train.batches(100, shuffle=True, seed=30_001):
        loss = nn.functional.cross_entropy(by_hand(x), y)
        gradients = torch.autograd.grad(loss, list(by_hand.parameters()))
        with torch.no_grad():
            for p, g in zip(by_hand.parameters(), gradients, strict=True):
                p -= 0.01 * g
        loss_sum += loss.item() * len(y)
    assert history.final["train_loss"] == pytest.approx(loss_sum / len(digits.train), rel=1e-5)
    for p, q in zip(model.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(p, q)


class Perfect(nn.Module):
    """Knows the answer: the label is written in the first pixel."""

    def __init__(self):
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return nn.functional.one_hot(x[:, 0, 0, 0].round().long(), 10).float() * 100 + self.anchor


@pytest.mark.parametrize("batch_size", [1, 7, 64, 1000])
def test_a_perfect_model_is_perfect_at_any_batch_size(batch_size):
    labels = torch.arange(10).repeat(13)
    images = data.Images(labels.to(torch.uint8).view(-1, 1, 1, 1), labels, (0.0,), (1 / 255,))
    result = training.evaluate(Perfect(), images, batch_size)
    assert (result["accuracy"], result["error"], result["correct"], result["total"]) == (1.0, 0.0, 130, 130)
    assert torch.equal(result["predictions"], labels)


def test_evaluate_changes_nothing_and_ignores_batch_mates(digits):
    model = cnnlib.create_model("mnist_cnn").train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    small_batches, large = (training.evaluate(model, digits.test, n) for n in (3, 1000))
    assert model.training
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert torch.equal(small_batches["predictions"], large["predictions"])
    assert small_batches["loss"] == pytest.approx(large["loss"], rel=1e-4)


@pytest.mark.parametrize("side, expected", [(8, 1000), (32, 1000), (224, 20), (2000, 1)])
def test_large_pictures_are_tested_few_at_a_time(side, expected):
    """Else the test of an epoch needs more memory than its training."""
    asked = []
    images = types.SimpleNamespace(shape=(3, side, side), batches=lambda size, **share: asked.append(size) or [])
    training.score(nn.Identity(), images)
    assert asked == [expected]


def test_the_network_goes_to_the_device_and_comes_back(digits):
    class Traveller(nn.Sequential):
        def to(self, *args, **kwargs):
            places.append(args[0])
            return super().to(*args, **kwargs)

    places, model = [], Traveller(small())
    home = next(model.parameters()).device
    training.fit(model, digits, epochs=1, device="cpu", progress=False)
    with pytest.raises(ZeroDivisionError):
        training.fit(model, digits, epochs=1, device="cpu", progress=False, callback=lambda epoch: 1 / 0)
    assert places == [torch.device("cpu"), home] * 2


def test_callback_stops_and_sees_every_epoch(digits):
    seen = []
    history = training.fit(small(), digits, epochs=5, device="cpu", progress=False,
                           callback=lambda e: seen.append(e["epoch"]) or e["epoch"] == 2)
    assert seen == [1, 2] and len(history) == 2 and history.interrupted


def test_ctrl_c_keeps_what_was_done(digits):
    def press(epoch):
        if epoch["epoch"] == 2:
            raise KeyboardInterrupt

    history = training.fit(small(), digits, epochs=5, device="cpu", progress=False, callback=press)
    assert len(history) == 2 and history.interrupted


def test_one_cycle_rises_and_falls(digits):
    lr = training.fit(small(), digits, epochs=8, lr=0.1, device="cpu", progress=False).column("lr")
    assert max(lr) == lr[2] and lr[-1] < 1e-4


@pytest.mark.parametrize("steps", [2, 3, 4, 5, 10, 11, 97, 1000])
def test_schedules_are_pytorchs(steps):
    def rates(make):
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        scheduler, found = make(optimizer), []
        for _ in range(steps):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if len(found) < steps:
                scheduler.step()
        return found

    ours = [training.SCHEDULES["one-cycle"](step, steps) for step in range(steps)]
    theirs = rates(lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 1.0, total_steps=steps, cycle_momentum=False))
    assert ours == pytest.approx(theirs, abs=1e-12)
    ours = [training.SCHEDULES["step"](step, steps) for step in range(steps)]
    milestones = [math.ceil(steps / 2), math.ceil(3 * steps / 4)]
    assert ours == pytest.approx(rates(lambda o: torch.optim.lr_scheduler.MultiStepLR(o, milestones)), abs=1e-12)


def test_parts_of_a_batch_have_its_gradient(digits):
    runs = [training.fit(small(), digits, epochs=2, accumulate=n, device="cpu", progress=False) for n in (1, 3)]
    for whole, parts in zip(*runs, strict=True):
        assert parts["train_loss"] == pytest.approx(whole["train_loss"], abs=1e-5)
        assert parts["test_loss"] == pytest.approx(whole["test_loss"], abs=1e-5)


def test_clip_label_smoothing_and_heads_against_a_step_by_hand(digits):
    class TwoHeads(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.main, self.head = nn.Linear(784, 10), nn.Linear(784, 10)

        def forward(self, x):
            x = x.flatten(1)
            return (self.main(x), self.head(x)) if self.training else self.main(x)

    few = data.DataSet("few", "", digits.classes, digits.train, digits.test)
    few.train = data.Images(digits.train.images[:8], digits.train.labels[:8], digits.mean, digits.std)
    model, by_hand = TwoHeads(), TwoHeads()
    history = training.fit(model, few, epochs=1, batch_size=8, lr=0.1, schedule="constant", momentum=0.0, clip=0.5,
                           label_smoothing=0.1, device="cpu", progress=False)
    x, y = few.train.normalise(few.train.images), few.train.labels
    loss = sum(weight * nn.functional.cross_entropy(answer, y, label_smoothing=0.1)
               for weight, answer in zip((1, 0.3), by_hand(x), strict=True))
    loss.backward()
    assert nn.utils.clip_grad_norm_(by_hand.parameters(), 0.5) > 0.5
    torch.optim.SGD(by_hand.parameters(), 0.1).step()
    assert history.final["train_loss"] == pytest.approx(loss.item(), rel=1e-5)
    for p, q in zip(model.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(p, q)


def test_precision_and_layout(digits):
    def final(**form):
        history = training.fit(small(), digits, epochs=2, device="cpu", progress=False, **form)
        return history.precision, history.final["train_loss"]

    plain = final()
    assert plain == final(precision="float32")              # "auto" on a CPU
    precision, loss = final(precision="bfloat16")
    assert precision == "bfloat16" and loss != plain[1] and loss == pytest.approx(plain[1], rel=0.1)
    assert final(channels_last=True)[1] == pytest.approx(plain[1], rel=1e-3)


def test_compile_is_asked_to_compile(digits, monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "compile", lambda network: asked.append(network) or network)
    model = small()
    training.fit(model, digits, epochs=1, compile=True, device="cpu", progress=False)
    assert asked == [model]


def test_what_a_callback_draws_changes_nothing(digits):
    """Dropout masks follow from the seed and the step."""
    def final(callback):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(784, 10))
        history = training.fit(model, digits, epochs=2, device="cpu", progress=False, callback=callback)
        return history.final["train_loss"]

    assert final(None) == final(lambda epoch: torch.rand(7).sum() < 0)


def test_tensorboard_log_or_a_clear_error(digits, tmp_path, monkeypatch):
    written = {}

    class SummaryWriter:
        def __init__(self, folder):
            self.folder = folder

        def add_scalar(self, key, value, step):
            written[key, step] = value

        def flush(self):
            pass

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=SummaryWriter))
    history = training.fit(small(), digits, epochs=2, device="cpu", progress=False,
                           callback=training.tensorboard(tmp_path))
    assert written["test_loss", 2] == history.final["test_loss"] and ("peak_memory_bytes", 1) not in written
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match="pip install tensorboard"):
        training.tensorboard(tmp_path)


def test_momentum_means_what_it_says(digits):
    """PyTorch's one-cycle schedule would replace it by a cycle of its own."""
    histories = [training.fit(small(), digits, epochs=1, momentum=m, device="cpu", progress=False) for m in (0.5, 0.9)]
    assert histories[0] != histories[1]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 10])
def test_any_number_of_steps_makes_a_cycle(digits, count):
    few = data.DataSet("few", "", digits.classes, digits.train, digits.test)
    few.train = data.Images(digits.train.images[:count], digits.train.labels[:count], digits.mean, digits.std)
    assert len(training.fit(small(), few, epochs=1, batch_size=1, device="cpu", progress=False)) == 1


def test_frozen_layers_stay_frozen(digits):
    model = cnnlib.create_model("mnist_cnn").train()
    model.features[1].eval()
    training.evaluate(model, digits.test)
    assert model.training and not model.features[1].training and model.features[4].training


def test_loss_that_explodes_is_an_error(digits):
    with pytest.raises(FloatingPointError, match="lower lr than 1e\\+20"):
        training.fit(small(activation="none"), digits, epochs=2, lr=1e20, schedule="constant", device="cpu",
                     progress=False)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"lr": -1}, "lr is -1"),
        ({"lr": math.nan}, "lr is nan"),
        ({"lr": math.inf}, "lr is inf"),
        ({"momentum": math.nan}, "momentum is nan"),
        ({"weight_decay": math.nan}, "weight_decay is nan"),
        ({"device": "toaster"}, "device is 'toaster', allowed: 'cuda', 'mps', 'cpu'"),
        ({"device": "cuda:99"}, "device is 'cuda:99', allowed: those of this machine"),
        ({"optimizer": "lion"}, "optimizer is 'lion', allowed: 'sgd', 'adam'"),
        ({"schedule": "cosine"}, "schedule is 'cosine', allowed: 'one-cycle', 'step', 'constant'"),
        ({"precision": "float16"}, "precision is 'float16', allowed: 'auto', 'float32', 'bfloat16'"),
        ({"label_smoothing": 1.0}, "label_smoothing is 1.0"),
        ({"clip": 0}, "clip is 0"),
        ({"accumulate": 0}, "accumulate is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"channels_last": "yes"}, "channels_last is 'yes', allowed: None, True, False"),
        ({"recipe": {"lr": 0.1}}, "recipe is dict, allowed: a Recipe"),
        ({"lr": "0.1"}, "lr is '0.1', allowed: numbers above 0"),
        ({"weight_decay": "0"}, "weight_decay is '0', allowed: numbers from 0"),
        ({"checkpoint": "x", "checkpoint_seconds": -1}, "checkpoint_seconds is -1, allowed: numbers from 0"),
        ({"checkpoint_seconds": 5}, "checkpoint_seconds is 5, allowed without a checkpoint: None"),
    ],
)
def test_bad_arguments(digits, arguments, message):
    with pytest.raises(ValueError, match=message):
        training.fit(small(), digits, progress=False, **arguments)


def test_a_recipe_and_its_fields_as_keywords_train_alike(digits):
    recipe = training.Recipe(epochs=2, batch_size=64, optimizer="adam", lr=0.003, seed=4)
    made = [training.fit(small(), digits, recipe, device="cpu", progress=False),
            training.fit(small(), digits, device="cpu", progress=False, **dataclasses.asdict(recipe)),
            training.fit(small(), digits, training.Recipe(epochs=9, seed=4), device="cpu", progress=False, epochs=2,
                         batch_size=64, optimizer="adam", lr=0.003)]
    assert len({tuple(history.column("train_loss")) for history in made}) == 1 and len(made[0]) == 2
    with pytest.raises(TypeError, match="'learning_rate'"):
        training.fit(small(), digits, learning_rate=0.1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.lr = 1.0


def test_every_field_of_a_recipe_is_explained_and_decides_a_checkpoint(tmp_path, digits):
    names = {each.name for each in dataclasses.fields(training.Recipe)}
    assert all(f"        {name}: " in training.Recipe.__doc__ for name in names)
    training.fit(small(), digits, epochs=1, device="cpu", progress=False, checkpoint=tmp_path / "c")
    held = read(tmp_path / "c")[1]["belongs_to"]
    assert names <= set(held) and held["precision"] == "float32" and held["channels_last"] is False


def test_the_command_line_has_every_field_with_its_default(capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    shown = "".join(capsys.readouterr().out.split())                   # help breaks lines where it likes
    for each in dataclasses.fields(training.Recipe):
        default = "" if each.default is None else f"(default: {each.default})"
        assert f"--{each.name.replace('_', '-')}" in shown
        assert "".join(f"{each.metadata['about']}{default}".split()) in shown, each.name


def test_what_is_trained_on_what(digits):
    loader = torch.utils.data.DataLoader([1])
    for model, given, message in [("resnet20", digits, "model is str, allowed: a torch.nn.Module"),
                                  (small(), "digits", "data is str, allowed: a DataSet"),
                                  (small(), loader, "data is DataLoader, allowed: a DataSet"),
                                  (small(num_classes=5), digits, "allowed for these data: logits .* of 10 classes")]:
        with pytest.raises(ValueError, match=message):
            training.fit(model, given, device="cpu", progress=False)


def test_weights_round_trip(tmp_path):
    a, b = small(0), small(1)
    training.save_weights(a, tmp_path / "w.safetensors", metadata={"mean": [0.5], "model": "ours"})
    assert training.load_weights(b, tmp_path / "w.safetensors") == {"mean": [0.5], "model": "ours"}
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    training.save_weights(a, tmp_path / "h.safetensors", dtype=torch.float16)
    training.load_weights(b, tmp_path / "h.safetensors")
    assert b.c1.weight.dtype == torch.float32 and torch.equal(b.c1.weight, a.c1.weight.half().float())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["h.safetensors", "w.safetensors"]


def test_wrong_weights_are_refused_by_name(tmp_path):
    training.save_weights(small(), tmp_path / "w.safetensors", metadata={"model": {"name": "lenet5_modern"}})
    other = small(kernel_size=3)
    before = other.c1.weight.clone()
    with pytest.raises(ValueError, match=r"c1.weight has shape \(6, 1, 5, 5\), the model wants \(6, 1, 3, 3\)"):
        training.load_weights(other, tmp_path / "w.safetensors")
    assert torch.equal(other.c1.weight, before)
    with pytest.raises(ValueError, match="w.safetensors, which holds lenet5_modern, does not fit ResNet: ") as caught:
        training.load_weights(cnnlib.create_model("resnet56"), tmp_path / "w.safetensors")
    assert "; 342 differences in all." in str(caught.value) and len(str(caught.value)) < 400
    whole = (tmp_path / "w.safetensors").read_bytes()
    (tmp_path / "w.safetensors").write_bytes(whole[:1000])
    with pytest.raises(ValueError, match="truncated"):
        training.load_weights(small(), tmp_path / "w.safetensors")
    with pytest.raises(FileNotFoundError, match="no weights"):
        training.load_weights(small(), tmp_path / "none.safetensors")
