"""The command line, run as a reader would."""

import subprocess
import sys

import pytest


def cnnlib(*args, **kwargs):
    return subprocess.run([sys.executable, "-m", "cnnlib", *args], capture_output=True, text=True, **kwargs)


def test_train_prints_the_network_the_history_and_keeps_the_weights(tmp_path):
    path = tmp_path / "net.safetensors"
    done = cnnlib("train", "lenet5_modern", "--option", "activation=tanh", "--option", "num_classes=10",
                  "--size", "28", "--epochs", "2", "--device", "cpu", "--save", str(path))
    assert done.returncode == 0, done.stderr
    assert "61,706" in done.stdout and "epoch   2" in done.stdout and path.exists()


def test_help_teaches():
    for args in ([], ["train"], ["record"]):
        done = cnnlib(*args, "--help")
        assert done.returncode == 0
    assert "lenet-activation-pooling (LeNet-5 with each activation" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    "args, message",
    [
        (["train", "lenet55"], "Did you mean 'lenet5'"),
        (["train", "lenet5_modern", "--option", "tanh"], "--option is 'tanh', allowed: NAME=VALUE"),
        (["train", "lenet5_modern", "--epochs", "1"], r"lenet5_modern takes images of shape (N, 1, 28, 28)"),
        (["train", "lenet5_modern", "--size", "28", "--lr", "0"], "lr is 0.0"),
        (["record", "alexnet-on-a-toaster"], "is not known. Allowed: lenet-activation-pooling"),
    ],
)
def test_bad_input_is_one_clear_line(args, message):
    done = cnnlib(*args)
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr
