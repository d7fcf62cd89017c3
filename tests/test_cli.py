"""The command line: two commands as a reader types them, all others in this process, where they take no start."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import fields
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from cnnlib import __version__, cli, training
from cnnlib.files import DATA
from cnnlib.models import create_model
from cnnlib.records import tables


def typed(*args):
    return subprocess.run([sys.executable, "-m", "cnnlib", *args], capture_output=True, text=True)


@pytest.fixture
def cnnlib(capsys, tmp_path, monkeypatch):
    """`python -m cnnlib ARGS`, called in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*args):
        capsys.readouterr()
        try:
            cli.main(list(args))
            code = 0
        except SystemExit as stopped:
            code = stopped.code
        out, err = capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=out, stderr=err)

    return run


def test_train_prints_the_network_the_history_and_keeps_the_weights(tmp_path):
    path = tmp_path / "net.safetensors"
    done = typed("train", "lenet5_modern", "--option", "activation=tanh", "--option", "num_classes=10",
                 "--size", "28", "--epochs", "2", "--device", "cpu", "--save", str(path))
    assert done.returncode == 0, done.stderr
    assert "61,706" in done.stdout and "epoch   2" in done.stdout and path.exists()


def test_bad_input_ends_the_program_with_one_line():
    done = typed("train", "lenet55")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1 and "Did you mean 'lenet5'" in done.stderr


def test_train_evaluate_and_go_on(cnnlib, tmp_path):
    """Each command takes up what the one before it left; number of classes and channels follow from the data."""
    line = ("train", "resnet8", "--option", "width=4", "--limit", "300", "--epochs", "2", "--device", "cpu",
            "--save", "net.safetensors", "--checkpoint", "run.checkpoint", "--figure", "curves.png")
    done = cnnlib(*line)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    again = cnnlib(*line)         # finished already: the same history, at once
    assert [s for s in again.stdout.splitlines() if s.startswith("epoch")] == \
        [s for s in done.stdout.splitlines() if s.startswith("epoch")]
    done = cnnlib("evaluate", "net.safetensors", "--figure", "confusion.png", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    head, *rows, last = done.stdout.splitlines()
    error = 100 - float(again.stdout.splitlines()[-3].split("test")[1].split()[1].rstrip("%"))
    assert f"accuracy {error:.2f}%" in head and "of 355" in head and "300 of them for training" in head
    assert len(rows) == 10 and sum(int(row.split(", ")[1].split(" of ")[1]) for row in rows) == 355
    assert last == "figure: confusion.png" and (tmp_path / "confusion.png").read_bytes().startswith(b"\x89PNG")
    other = cnnlib(*line[:-6], "--lr", "0.2", "--checkpoint", "run.checkpoint", "--device", "cpu")
    assert other.returncode == 2 and "lr is 0.2 here and 0.05 there" in other.stderr


def test_kept_weights_are_evaluated_with_the_data_that_are_named(cnnlib, tmp_path):
    path = str(DATA / "weights" / "lenet5_modern.safetensors")
    model = create_model("lenet5_modern")
    header = training.load_weights(model, path)
    del header["load"]          # as in a file whose data set has no name, such as a folder of one's own
    training.save_weights(model, tmp_path / "of-mnist.safetensors", metadata=header)
    done = cnnlib("evaluate", str(tmp_path / "of-mnist.safetensors"))
    assert done.returncode == 2 and "was trained on MNIST" in done.stderr and "--data" in done.stderr
    done = cnnlib("evaluate", path, "--data", "digits", "--device", "cpu")
    assert done.returncode == 2 and done.stderr.endswith("got (1, 1, 8, 8). Try --size 28.\n")
    done = cnnlib("evaluate", path, "--data", "digits", "--size", "28", "--device", "cpu")
    assert done.returncode == 0 and "lenet5_modern on scikit-learn digits" in done.stdout


def test_record_lists_and_refuses(cnnlib):
    done = cnnlib("record", "digits-se", "--list")
    assert done.returncode == 0 and done.stdout.startswith("digits-se: 12 of 12 runs.")
    done = cnnlib("record", "--again", "nofile.json")
    assert done.returncode == 2 and done.stderr == "error: no recorded run at nofile.json.\n"
    done = cnnlib("record", "digits-se", "--case", "se_resnet8")
    assert done.returncode == 2 and "case is 'se_resnet8', allowed: " in done.stderr
    done = cnnlib("record")
    assert done.returncode == 2 and "name one, or use --list, --tables or --again" in done.stderr


def test_record_writes_the_tables_between_their_marks(cnnlib, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "DATA", tmp_path)
    readme, text = tmp_path / "README.md", (DATA / "README.md").read_text(encoding="utf-8")
    before, begin, rest = text.partition(tables.BEGIN)
    _, end, after = rest.partition(tables.END)
    readme.write_text(f"{before}{begin}\nold\n{end}{after}", encoding="utf-8")
    done = cnnlib("record", "--tables")
    assert done.returncode == 0 and done.stdout == f"tables: {readme}\n"
    written = readme.read_text(encoding="utf-8")
    assert written.startswith(f"{before}{begin}\n| experiment |") and written.endswith(f"{end}{after}")
    assert "| `digits-se` |" in written and "\nold\n" not in written
    readme.write_text(f"{tables.END}\nmine\n{tables.BEGIN}\n")
    done = cnnlib("record", "--tables")
    assert done.returncode == 2 and "in this order" in done.stderr
    assert readme.read_text() == f"{tables.END}\nmine\n{tables.BEGIN}\n"


def test_the_version_is_said(cnnlib):
    done = cnnlib("--version")
    assert done.returncode == 0 and done.stdout == f"cnnlib {__version__}\n"


def test_a_new_head_on_a_frozen_network_from_training_to_prediction(cnnlib, tmp_path):
    """What is trained, saved, evaluated and used again is one network: only its head differs from the weights given."""
    begin = ("train", "resnet8", "--option", "width=4", "--limit", "100", "--epochs", "1", "--device", "cpu")
    assert cnnlib(*begin, "--save", "old.safetensors").returncode == 0
    done = cnnlib(*(each for each in begin if each not in ("--option", "width=4")), "--weights", "old.safetensors",
                  "--head", "hidden", "--freeze", "--split-seed", "1", "--save", "new.safetensors")
    assert done.returncode == 0, done.stderr
    assert "442 of " in done.stdout and "split by seed 1" in done.stdout + cnnlib("evaluate", "new.safetensors").stdout
    old, new = (training.checkpoints.read(tmp_path / f"{name}.safetensors") for name in ("old", "new"))
    assert new[1]["model"]["transfer"] == {"hidden": True, "lr_factor": 0.0}
    kept = {name.removeprefix("backbone."): tensor for name, tensor in new[0].items() if name.startswith("backbone.")}
    assert kept and all(torch.equal(tensor, old[0][name]) for name, tensor in kept.items())
    error = float(done.stdout.split("test")[-1].split()[1].rstrip("%"))
    assert f"accuracy {100 - error:.2f}%" in cnnlib("evaluate", "new.safetensors", "--device", "cpu").stdout
    again = cnnlib("train", "resnet8", "--weights", "new.safetensors", "--head", "linear")
    assert again.returncode == 2 and "new head of these weights is True, allowed: False" in again.stderr
    other = cnnlib("train", "resnet14", "--weights", "old.safetensors", "--head", "linear")
    assert other.returncode == 2 and "model of these weights is 'resnet14', allowed: 'resnet8'" in other.stderr


def test_imagenets_weights_without_a_network(cnnlib, monkeypatch, tmp_path, offline):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    done = cnnlib("train", "resnet18", "--weights", "imagenet", "--head", "hidden", "--channels", "3", "--size", "32")
    assert done.returncode == 2 and "cannot be downloaded (https://" in done.stderr and "47 MB" in done.stderr


def test_help_names_every_default_of_the_recipe(cnnlib):
    text = " ".join(cnnlib("train", "--help").stdout.split())
    for each in fields(training.Recipe):
        if each.default is not None:
            about = " ".join(each.metadata["about"].split())
            assert f"{about} (default: {each.default})" in text, each.name


def test_help_teaches(cnnlib):
    for args in ([], ["evaluate"], ["bench"], ["train"], ["record"]):
        done = cnnlib(*args, "--help")
        assert done.returncode == 0, done.stderr
        assert "python -m cnnlib" in done.stdout
    assert "lenet-activation-pooling (LeNet-5 with each activation" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    "args, message",
    [
        (["train", "lenet55"], "Did you mean 'lenet5'"),
        (["train", "lenet5_modern", "--option", "tanh"], "--option is 'tanh', allowed: NAME=VALUE"),
        (["train", "lenet5_modern", "--epochs", "1"], r"lenet5_modern takes images of shape (N, 1, 28, 28)"),
        (["train", "lenet5_modern"], "got (1, 1, 8, 8). Try --size 28."),
        (["train", "resnet20", "--option", "num_classes=5"], "num_classes is 5, allowed: whole numbers from 10"),
        (["train", "resnet8", "--epochs", "0"], "epochs is 0, allowed: whole numbers from 1"),
        (["train", "resnet8", "--batch-size", "0"], "batch_size is 0, allowed: whole numbers from 1"),
        (["train", "resnet8", "--lr", "-1"], "lr is -1.0, allowed: numbers above 0"),
        (["train", "resnet8", "--workers", "-1"], "workers is -1, allowed: whole numbers from 0"),
        (["train", "resnet8", "--checkpoint-seconds", "5"], "checkpoint_seconds is 5.0, allowed without a checkpoint"),
        (["train", "lenet5_modern", "--size", "28", "--lr", "0"], "lr is 0.0"),
        (["train", "resnet8", "--freeze"], "add --head hidden or --head linear"),
        (["train", "resnet8", "--weights", "imagenet"], "add --head hidden or --head linear"),
        (["train", "resnet8", "--head", "linear", "--lr-factor", "-1"], "lr_factor is -1.0, allowed: numbers from 0"),
        (["train", "resnet8", "--split-seed", "-1"], "split_seed is -1, allowed: whole numbers from 0"),
        (["train", "resnet8", "--size", "0"], "size is 0, allowed: whole numbers from 1"),
        (["train", "resnet8", "--data", "mnist", "--test-fraction", "0.3"], "mnist, which has a test split"),
        (["train", "resnet8", "--device", "toaster"], "device is 'toaster'"),
        (["train", "resnet8", "--figure", "curves.xyz"], "figure's name is '.xyz', allowed: '.png', '.svg', '.pdf'"),
        (["train", "resnet8", "--save", "."], ". is a folder, allowed: a file to write"),
        (["evaluate", str(DATA / "weights" / "lenet5_modern.safetensors"), "--device", "toaster"], "'toaster'"),
        (["record", "digits-se", "--threads", "0"], "threads is 0"),
        (["record", "--list", "--device", "toaster"], "device is 'toaster'"),
        (["record", "alexnet-on-a-toaster"], "is not known. Allowed: lenet-activation-pooling"),
    ],
)
def test_bad_input_is_one_clear_line(cnnlib, tmp_path, args, message):
    done = cnnlib(*args)
    assert done.returncode == 2
    assert message in done.stderr and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert done.stdout == "" and not list(tmp_path.iterdir()), "it was found out after the work"


def test_weights_are_tested_as_in_training_and_only_on_their_classes(cnnlib, tmp_path):
    """Photos are cut out as in training, with its margin; pictures of other classes are refused."""
    for name, classes in (("pets", "ab"), ("birds", "abc")):
        for label, letter in enumerate(classes):
            (tmp_path / name / letter).mkdir(parents=True)
            for i in range(10):
                noise = torch.randint(256, (80, 80, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(i))
                Image.fromarray((noise // (label + 1)).numpy()).save(tmp_path / name / letter / f"{i}.png")
    done = cnnlib("train", "resnet8", "--option", "width=4", "--data", "folder", "--root", "pets", "--size", "65",
                  "--crop", "8", "--flip", "--test-fraction", "0.5", "--workers", "0", "--epochs", "1",
                  "--device", "cpu", "--save", "net.safetensors")
    assert done.returncode == 0, done.stderr
    loss = next(line for line in done.stdout.splitlines() if line.startswith("epoch")).split("test")[1].split()[0]
    done = cnnlib("evaluate", "net.safetensors", "--root", "pets", "--workers", "0", "--device", "cpu")
    assert done.returncode == 0 and f"loss {loss}, " in done.stdout and "of 10" in done.stdout, done.stdout
    done = cnnlib("evaluate", "net.safetensors", "--root", "birds", "--workers", "0", "--device", "cpu")
    assert done.returncode == 2 and "knows the classes a, b; these data have a, b, c" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="signals of Unix")
def test_ctrl_c_ends_a_recording_at_once(tmp_path):
    """It goes to all processes of a terminal: the jobs must not take up the next run."""
    script = ("from cnnlib.records import recording\n"
              f"if __name__ == '__main__': recording.record('digits-se', root={str(tmp_path)!r}, device='cpu')")
    (tmp_path / "script.py").write_text(script)
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, str(tmp_path / "script.py")], stdout=log, stderr=log,
                                   start_new_session=True)
    try:
        while "batch" not in (tmp_path / "log").read_text():
            assert process.poll() is None
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(120) != 0
        assert len(list(tmp_path.rglob("*.json"))) <= 2, "a job took up another run"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
