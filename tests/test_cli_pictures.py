"""The command line with pictures of one's own: predict, counts, logs, and weights that are not lost."""

import csv
import json
import shutil
import tempfile
from pathlib import Path

import pytest
import torch
from PIL import Image

from cnnlib import data, training
from cnnlib.cli import main
from cnnlib.data import sources
from cnnlib.models import create_model
from cnnlib.training import checkpoints
from tests.pictures import nowhere  # noqa: F401 (a fixture)

SMALL = ("train", "resnet8", "--option", "width=4", "--device", "cpu", "--epochs", "1", "--workers", "0")


@pytest.fixture
def shades(tmp_path, monkeypatch):
    """A folder of dark, grey and light pictures; the working folder is around it."""
    noise = torch.Generator().manual_seed(0)
    for label, name in enumerate(("dark", "grey", "light")):
        (tmp_path / "shades" / name).mkdir(parents=True)
        for i in range(8):
            pixels = torch.randint(80 * label, 80 * label + 90, (70 + i, 80, 3), generator=noise, dtype=torch.uint8)
            Image.fromarray(pixels.numpy()).save(tmp_path / "shades" / name / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "shades"


def answers(weights, header):
    """(files of the test split, what `evaluate` answers for them, the logits) with these weights."""
    model = create_model(header["model"]["name"], **header["model"]["options"])
    training.load_weights(model, weights)
    split = data.load(**header["load"], root="shades").test
    split.mean, split.std = header["mean"], header["std"]
    if isinstance(split, data.Photos):
        split.workers = 0
    with torch.no_grad():
        return split, model.eval()(next(iter(split.batches(len(split))))[0]).softmax(1)


@pytest.mark.parametrize("options", [("--data", "folder", "--root", "shades", "--size", "66", "--crop", "5"),
                                     ("--data", "folder", "--root", "shades", "--size", "20", "--pad", "2"),
                                     ("--data", "digits", "--size", "16", "--channels", "3", "--jpeg", "80"),
                                     ("--data", "digits",)])
def test_predict_prepares_pictures_as_the_test_split(shades, capsys, options):
    main([*SMALL, *options, "--save", "net.safetensors"])
    header = checkpoints.read("net.safetensors")[1]
    split, shares = answers("net.safetensors", header)
    if isinstance(split, data.Photos):
        files = split.paths
    elif header["load"]["name"] == "folder":
        source = sources.folder("shades", None)
        files = [source.pictures[i] for i in source.test.tolist()]
    else:
        files = [f"{i}.png" for i in range(9)]
        for file, pixels in zip(files, data.load("digits").test.images[:, 0].numpy(), strict=False):
            Image.fromarray(pixels).save(file)
    capsys.readouterr()
    main(["predict", "net.safetensors", *files, "--json", "--device", "cpu"])
    told = json.loads(capsys.readouterr().out)
    assert [each["file"] for each in told] == files
    for each, share in zip(told, shares, strict=False):
        best = share.topk(min(5, len(header["classes"])))
        assert [c["class"] for c in each["classes"]] == [header["classes"][i] for i in best.indices.tolist()]
        torch.testing.assert_close(torch.tensor([c["probability"] for c in each["classes"]]), best.values,
                                   atol=1e-4, rtol=0)


def test_predict_draws_where_the_likeliest_class_was_seen(shades, capsys):
    main([*SMALL, "--data", "folder", "--root", "shades", "--size", "20", "--save", "net.safetensors"])
    capsys.readouterr()
    pictures = [f"shades/{name}/1.png" for name in ("dark", "light")]
    main(["predict", "net.safetensors", pictures[0], "--map", "maps"])
    assert Image.open("maps/1.png").size[0] > 300 and pictures[0] in capsys.readouterr().out
    for files, folder, told in ((pictures, "maps", "two pictures would have the map maps/1.png"),
                                (pictures[:1], "shades/dark", "a map would be written over the picture"),
                                (pictures[:1], "maps/1.png/deeper", "maps/1.png")):
        before = Path(pictures[0]).read_bytes()
        with pytest.raises(SystemExit):
            main(["predict", "net.safetensors", *files, "--map", folder])
        assert told in capsys.readouterr().err and Path(pictures[0]).read_bytes() == before


def test_predict_answers_what_it_can_and_names_the_rest(shades, capsys):
    Image.new("RGB", (9, 9)).save("small.png")
    (shades / "broken.jpg").write_bytes(b"no picture")
    main([*SMALL, "--data", "folder", "--root", "shades", "--size", "20", "--save", "net.safetensors"])
    capsys.readouterr()
    for more in ([], ["--json"]):
        with pytest.raises(SystemExit) as end:
            main(["predict", "net.safetensors", "small.png", "shades/broken.jpg", "nowhere.png", *more])
        said = capsys.readouterr()
        assert end.value.code == 2 and "broken.jpg cannot be read as a picture" in said.err
        assert "file is 'nowhere.png', allowed: a picture that is there" in said.err and "small.png" in said.out
    assert [set(each) for each in json.loads(said.out)] == [{"file", "classes"}, *[{"file", "error"}] * 2]


def test_predict_refuses_pictures_of_another_size_where_none_was_given(shades, capsys):
    for path in shades.rglob("*.png"):
        Image.open(path).resize((24, 20)).save(path)
    Image.new("RGB", (9, 9)).save("small.png")
    main([*SMALL, "--data", "folder", "--root", "shades", "--save", "net.safetensors"])
    main(["predict", "net.safetensors", str(shades / "dark" / "1.png")])
    with pytest.raises(SystemExit):
        main(["predict", "net.safetensors", "small.png"])
    assert "becomes an image of shape (3, 9, 9), allowed as in training: (3, 20, 24)" in capsys.readouterr().err


def test_counts_come_first_and_evaluate_asks_for_the_folder(shades, capsys):
    main([*SMALL, "--data", "folder", "--root", "shades", "--size", "20", "--save", "net.safetensors"])
    said = capsys.readouterr().out
    assert "images a class, training + test: dark 7 + 1, grey 7 + 1, light 7 + 1" in said.split("epoch")[0]
    with pytest.raises(SystemExit):
        main(["evaluate", "net.safetensors"])
    assert "was trained on folder shades, 21 + 3 photos" in (said := capsys.readouterr().err) and "--root" in said


def test_a_log_has_a_row_an_epoch_also_after_going_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = [*SMALL, "--limit", "50", "--epochs", "3", "--checkpoint", "run.checkpoint"]
    saved = checkpoints.Checkpoint.save
    for file in ("log.csv", "log.jsonl"):
        Path(file).write_text("of an earlier run")
        Path("run.checkpoint").unlink(missing_ok=True)

        def stop(self, position, sums):                 # Ctrl-C before the second epoch is kept
            if position["epoch"] == 3:
                raise KeyboardInterrupt
            saved(self, position, sums)

        monkeypatch.setattr(checkpoints.Checkpoint, "save", stop)
        with pytest.raises(SystemExit):
            main([*line, "--log", file])
        monkeypatch.setattr(checkpoints.Checkpoint, "save", saved)
        main([*line, "--log", file])
        text = Path(file).read_text()
        rows = list(csv.DictReader(text.splitlines()) if file == "log.csv" else map(json.loads, text.splitlines()))
        assert [int(row["epoch"]) for row in rows] == [1, 2, 3] and all(float(row["test_loss"]) > 0 for row in rows)


def test_a_full_disk_is_told_before_training_or_the_weights_go_elsewhere(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    line, save = [*SMALL, "--limit", "50", "--save", "out/net.safetensors"], training.save_weights
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as full:
        full.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10))
        with pytest.raises(SystemExit):
            main(line)
    said = capsys.readouterr()
    assert "out/net.safetensors will have " in said.err and "0.0 MB are free on its disk" in said.err
    assert "epoch" not in said.out

    def refuse(model, path, **more):
        if Path(path).parent.name == "out":
            raise OSError(28, "No space left on device")
        save(model, path, **more)

    monkeypatch.setattr(training, "save_weights", refuse)
    with pytest.raises(SystemExit) as end:
        main([*line, "--figure", "curves.png"])
    kept, = (tmp_path / "home").rglob("net.safetensors")
    assert end.value.code == 2 and f"the weights are safe in {kept}" in capsys.readouterr().err
    assert checkpoints.read(kept)[1]["model"]["name"] == "resnet8" and Path("curves.png").exists()


def test_what_cannot_be_written_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit):
        main([*SMALL, "--save", "file/net.safetensors"])
    said = capsys.readouterr()
    assert "error: file/net.safetensors cannot be written: " in said.err and "epoch" not in said.out

    def refuse(model, path, **more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(training, "save_weights", refuse)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "other"))
    (tmp_path / "other").mkdir()
    with pytest.raises(SystemExit):
        main([*SMALL, "--limit", "50", "--save", "net.safetensors"])
    assert "net.safetensors could not be written, and no copy in another folder: [Errno 28]" in capsys.readouterr().err
    assert not list(tmp_path.rglob("cnnlib-*"))
