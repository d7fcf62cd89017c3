"""What is measured is written whole, says where and how, and is read again as it was: for every file there is."""

import importlib
import json
from pathlib import Path

import pytest

from cnnlib.checks import one_of
from cnnlib.experiments import (
    conv_times,
    gallery,
    gates,
    lesion_records,
    measured,
    race,
    stage_probes,
    step_times,
    subsets,
    yardsticks,
)
from cnnlib.files import DATA

SAYS = {"device", "device_name", "cores", "threads", "torch", "cnnlib", "commit", "date", "command"}
ROW = {"macs": 1, "seconds": 1e-3, "depthwise_seconds": 0.0}

# module: (its work, replaced; how it writes; how it reads). What is measured is tested where the module is.
MEASUREMENTS = {
    "conv_times": ({"measure": lambda kind, channels, size: {"kind": kind, "channels": channels, "size": size, **ROW}},
                   conv_times.record, lambda file: conv_times.recorded(file).rows),
    "gallery": ({"milliseconds": lambda module, shape: 0.123456}, gallery.record,
                lambda file: measured.read(file)["milliseconds"]),
    "race": ({"step_seconds": lambda experiment: {"googlenet": 0.5}}, race.record_steps, race.measured_steps),
    "step_times": ({"measure": lambda: {"resnet20": 0.5}}, step_times.record, step_times.recorded),
    "subsets": ({"tested": lambda way, epochs, seed: {"test": 0.1}}, subsets.record, subsets.recorded),
    "yardsticks": ({"seconds": lambda member, size: [0.1, 0.3]}, yardsticks.record, yardsticks.recorded),
    "stage_probes": ({"SIZES": {}}, stage_probes.record, lambda file: stage_probes.recorded(file).stages),
}


@pytest.mark.parametrize("module", MEASUREMENTS)
def test_what_is_written_is_read(module, tmp_path, monkeypatch):
    work, write, read = MEASUREMENTS[module]
    for name, cheap in work.items():
        monkeypatch.setattr(importlib.import_module(f"cnnlib.experiments.{module}"), name, cheap)
    file = tmp_path / "new folder" / "file.json"
    write(file)
    content = json.loads(file.read_text(encoding="utf-8"))
    said = content.get("environment", content)
    assert set(said) >= SAYS and said["command"] == f"python -m cnnlib.experiments.{module}"
    assert read(file)
    assert [path.name for path in file.parent.iterdir()] == ["file.json"]


def test_the_modules_are_all_that_measure_and_write():
    """A new module that writes a measurement stands above; two that write a file a network have tests of their own."""
    writers = {path.stem for path in Path(measured.__file__).parent.glob("*.py")
               if "measured.write(" in path.read_text(encoding="utf-8")}
    assert writers == {*MEASUREMENTS, "gates", "lesion_records"}


def test_every_measurement_of_the_book_says_where_and_how():
    files = [path for folder in ("measured", "times", "gates", "lesions") for path in (DATA / folder).glob("*.json")]
    for path in files:
        content = measured.read(path)
        said = content.get("environment", content)
        assert set(said) >= SAYS, path
        module, *rest = said["command"].removeprefix("python -m cnnlib.experiments.").split()
        one_of("module", module, [*MEASUREMENTS, "gates", "lesion_records"])
        assert rest == ([path.stem] if module in ("gates", "lesion_records") else []), path
    assert len(files) > 10


def test_one_thread_is_said():
    assert measured.about("race", threads=1)["threads"] == 1


@pytest.mark.parametrize("recorded", [gates.recorded, lesion_records.recorded])
def test_a_network_without_a_file_is_named_with_those_that_have_one(recorded):
    with pytest.raises(ValueError, match=r"network is 'resnet57', allowed: 'ci"):
        recorded("resnet57")


def test_a_measurement_that_cannot_be_written_leaves_the_old_one(tmp_path):
    file = tmp_path / "file.json"
    measured.write(file, {"seconds": 1})
    with pytest.raises(TypeError):
        measured.write(file, {"seconds": object()})
    assert measured.read(file) == {"seconds": 1} and list(tmp_path.iterdir()) == [file]
