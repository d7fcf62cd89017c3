"""The parts of the book's Sphinx extension that compute something; the pages they make are tested in tests/site."""

import json
import re
from pathlib import Path

import pytest
from sphinx.errors import ExtensionError

import cnnlib
from cnnlib.course.timeline import FIELDS
from cnnlib.records import runs
from cnnlib.site import status, timeline
from cnnlib.site.extension import widget_scripts


def test_every_network_of_the_time_line_has_its_silhouette():
    for entry in timeline.read(Path(__file__).parents[2] / "book" / "timeline.yml"):
        drawn = timeline.silhouette(entry)
        shape, _ = timeline.stages(entry)
        assert drawn.count("<rect") == len(shape)
        heights = [float(height) for height in re.findall(r'" height="([\d.]+)"', drawn)]
        assert heights == sorted(heights, reverse=True), "resolution only falls"


def test_stages_are_resolutions_with_their_widest_convolution():
    lenet = {"model": "lenet5", "input": [1, 1, 32, 32]}
    vgg = {"model": "vgg16", "input": [1, 3, 224, 224]}
    assert timeline.stages(vgg) == ([(224, 64), (112, 128), (56, 256), (28, 512), (14, 512)], 138_357_544)
    shape, parameters = timeline.stages(lenet)
    assert shape[0] == (28, 6) and parameters == 60_000


@pytest.mark.parametrize("line, complaint", [("", "missing"), ("colour: red", "unknown")])
def test_an_entry_with_a_wrong_field_is_refused(tmp_path, line, complaint):
    filled = ", ".join(f"{field}: x" for field in FIELDS - {"name"})
    entry = f"- {{name: X, {filled}}}" if line else "- {name: X}"
    path = tmp_path / "timeline.yml"
    path.write_text(entry.replace("}", f", {line}}}") if line else entry)
    with pytest.raises(ValueError, match=complaint):
        timeline.read(path)


def test_the_status_page_reads_notebooks_and_runs(tmp_path, monkeypatch):
    notebook = tmp_path / "lenet" / "x.ipynb"
    notebook.parent.mkdir()
    ran = {"executed": "2026-01-02", "seconds": 3.4, "torch": "2.9"}
    notebook.write_text(json.dumps({"metadata": {"cnnlib": ran}}))
    assert status.notebook_row(notebook) == ["lenet/x", "2026-01-02", "3.4", "not recorded", "2.9", "not recorded"]
    run = runs.load("lenet-activation-pooling")[0]
    row = dict(zip(status.RUN_HEAD, status.run_row(run), strict=True))
    assert row["run"] == run.run and row["commit"] == run.commit and row["torch"] == run.torch
    assert row["final test error"] == f"{100 * run.epochs[-1]['test_error']:.2f}%"
    shown = status.recorded("lenet-activation-pooling", [run]).astext()
    assert run.data["variant"] in shown and "batch size 128" in shown
    assert "python -m cnnlib record lenet-activation-pooling --seeds 1" in shown
    assert "<details><summary>Runs: 1</summary>" in shown
    found = runs.load("lenet-1998")
    name, count, errors, device, _ = status.experiment_row("lenet-1998")
    assert (name, count, device) == ("lenet-1998", "3 of 3", found[0].device_name)
    assert errors == f"{sum(run.final['test_error'] for run in found) / 3:.1%} lenet5"
    assert ["cnnlib", cnnlib.__version__] in status.environment_rows()
    monkeypatch.setattr(runs, "load", lambda *_: [])
    assert status.experiment_row("lenet-1998")[1:4] == ["0 of 3", "not yet", ""]


def test_what_is_the_same_in_all_rows_is_said_once():
    rows = [["a", "1", "x", ""], ["a", "2", "x", "y"]]
    said, head, rest = status.shared(["name", "n", "device", "date"], rows)
    assert said == "device x; date y"
    assert head == ["name", "n"] and rest == [["a", "1"], ["a", "2"]]
    assert status.shared(["name", "n"], rows[:1]) == ("", ["name", "n"], rows[:1])
    shown = status.section("T", ["name", "n", "device", "date"], rows).astext()
    assert "The same throughout:" in shown and "<th scope=\"col\">device" not in shown


def test_a_page_loads_each_script_once_the_core_first_and_none_without_a_widget():
    host = '<div class="cnnlib-widget" data-kind="{}"><script>'
    assert widget_scripts("<p>A page</p>") == []
    assert widget_scripts(host.format("SizeRule") * 2) == ["core.js", "SizeRule.js"]
    scripts = widget_scripts("".join(map(host.format, ["SizeRule", "RecordedCurves", "Explore", "SizeRule"])))
    curves = ["plot.js", "curves_chart.js", "train_here.js"]
    assert scripts == ["core.js", "SizeRule.js", *curves, "RecordedCurves.js", "Explore.js"]
    with pytest.raises(ExtensionError, match="no script draws the widget Nothing"):
        widget_scripts(host.format("Nothing"))


def test_tables_escape_what_they_show():
    shown = status.section("A <title>", ["x"], [["<script>", "&"]]).astext()
    assert "<script>" not in shown and "&lt;script&gt;" in shown
