"""Widgets without a browser: what a page gets, what a kernel answers, and that the bundle is what the sources say."""

import hashlib
import itertools
import json
import re
import sys
import threading
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
import traitlets as t
from hypothesis import given
from hypothesis import strategies as st

from cnnlib import create_model, summary
from cnnlib import widgets as package
from cnnlib.experiments.size_rule import output_size
from cnnlib.records import runs
from cnnlib.widgets import WIDGETS, BookWidget, LesionBench, RecordedCurves, SizeRule
from cnnlib.widgets.base import DIGITS, pack_answers

HERE = Path(package.__file__).parent
PAGE_BUDGET = 200_000            # bytes of one widget in a page, and in its notebook
# bytes; a page's scripts together may have 450 KB
SCRIPT_BUDGETS = {"core.js": 20_000, "plot.js": 205_000, "digits.js": 61_000}


@pytest.fixture(params=WIDGETS, ids=lambda widget: widget.__name__)
def widget(request):
    return request.param()


def unpack(spec, inputs):
    """The page's answer to `inputs`, found as the page finds it but written anew; a string where there is none."""
    position = 0
    for name in spec["inputs"]:
        position = position * len(spec["grid"][name]) + spec["grid"][name].index(inputs[name])
    packed = spec["answers"]
    if (refusal := column(packed["refusals"], position)) is not None:
        return refusal
    if "rows" in packed:
        return dict(zip(packed["names"], column(packed["rows"], position), strict=True))
    return {name: column(field, position) for name, field in packed["fields"].items()}


def column(packed, position):
    place = 0
    for digit in packed["index"][position * packed["width"]:(position + 1) * packed["width"]]:
        place = place * 64 + DIGITS.index(digit)
    if "runs" not in packed:
        return whole(packed["unique"][place], packed["shared"])
    runs = packed["runs"][place]
    return runs and [ahead(first, i * step) for first, step, count in zip(*[iter(runs)] * 3, strict=True)
                     for i in range(count)]


def ahead(first, by):
    """A number, or a name whose last number has moved on by `by`."""
    if isinstance(first, int) or not by:
        return first + by if by else first
    return re.sub("(0|[1-9][0-9]{0,8})(?=[^0-9]*$)", lambda number: str(int(number[0]) + by), first)


def whole(value, shared):
    """A packed value with all that it shares put back in."""
    if isinstance(value, list):
        return [whole(part, shared) for part in value]
    if not isinstance(value, dict):
        return value
    if "$" in value:
        return whole(shared[value["$"]], shared)
    return {name: whole(part, shared) for name, part in value.items()}


class Page(HTMLParser):
    """Start tags and the text of scripts."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.scripts, self.inside = [], [], None
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.inside = tag

    def handle_data(self, text):
        if self.inside == "script":
            self.scripts.append(text)

    def handle_endtag(self, tag):
        self.inside = None


# ------------------------------------------------------------------ the page


def test_page_holds_the_answer_to_every_combination(widget):
    spec = json.loads(json.dumps(widget.static_spec()))
    assert list(spec["grid"]) == spec["inputs"] == list(widget.inputs)
    combinations = list(itertools.product(*spec["grid"].values()))
    for values in combinations:
        inputs = dict(zip(spec["inputs"], values, strict=True))
        answer = unpack(spec, inputs)
        if isinstance(answer, str):
            assert isinstance(widget, LesionBench)      # what was not evaluated; its own tests know what that may be
        else:
            assert answer == json.loads(json.dumps(widget.compute(**inputs))), inputs


def test_page_opens_as_the_widget_stands(widget):
    spec = widget.static_spec()
    assert spec["widget"] == spec["state"]["widget_name"] == type(widget).__name__
    assert spec["state"]["origin"] == ("recorded" if isinstance(widget, (LesionBench, RecordedCurves))
                                       else "computed")
    assert widget.origin == "kernel"
    assert unpack(spec, widget.current()) == widget.answer == spec["state"]["answer"]


def test_a_value_outside_the_grid_joins_it():
    spec = SizeRule(size=300, kernel=7).static_spec()
    assert spec["grid"]["size"][-2:] == [227, 300]
    assert unpack(spec, SizeRule(size=300, kernel=7).current())["output"] == 294
    assert 300 not in SizeRule.inputs["size"]


def test_page_weight(widget):
    assert len(widget.to_html().encode()) < PAGE_BUDGET


def test_output_is_the_same_every_time(widget):
    again = type(widget)()
    assert repr(again) == repr(widget)
    assert again.to_html() == widget.to_html()
    assert "0x" not in repr(widget)


def test_page_has_one_script_of_data_and_a_table(widget):
    page = Page(widget.to_html())
    assert page.tags.count("script") == 1
    assert json.loads(page.scripts[0])["widget"] == type(widget).__name__
    assert {"table", "caption", "th", "td"} <= set(page.tags)
    assert "id=" not in re.sub(r"<script.*?</script>", "", widget.to_html(), flags=re.S)


def test_mime_bundle_has_the_live_view_and_the_page(widget, monkeypatch):
    data, _ = widget._repr_mimebundle_()
    assert {"application/vnd.jupyter.widget-view+json", "text/plain", "text/html"} == set(data)
    assert data["text/plain"] == repr(widget)
    assert type(widget)._ipython_display_ is None
    monkeypatch.setitem(sys.modules, "google.colab", object())
    assert "text/html" not in widget._repr_mimebundle_()[0]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=2) | st.sampled_from(["the same long text", 0.25]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12)


@given(st.lists(st.tuples(st.integers(0, 90), json_values) | st.text(max_size=20), min_size=1, max_size=100))
def test_packing_loses_nothing(pairs):
    answers = [pair if isinstance(pair, str) else {"number": pair[0], "value": pair[1]} for pair in pairs]
    spec = {"inputs": ["i"], "grid": {"i": list(range(len(answers)))}, "answers": pack_answers(answers)}
    assert [unpack(spec, {"i": i}) for i in range(len(answers))] == answers


def test_what_answers_have_in_common_is_packed_once():
    row = ["a row of a table", 1, 2, 3]
    answers = [{"rows": [row, [i]], "i": i} for i in range(100)]
    packed = json.dumps(pack_answers(answers))
    assert packed.count("a row of a table") == 1
    assert len(packed) < len(json.dumps(answers)) / 2
    with pytest.raises(ValueError, match="no key"):
        pack_answers([{"a": {"$": 1}}])


def test_answers_with_different_keys_are_refused():
    with pytest.raises(ValueError, match="same keys"):
        pack_answers([{"a": 1}, {"b": 1}])


# ------------------------------------------------------------------ with a kernel


class Root(BookWidget):
    """A widget that fails for some values within its trait's bounds."""

    inputs = {"x": [1, 4, 9]}
    x = t.Int(4, max=1000).tag(sync=True)
    comm = t.Any(allow_none=True)           # ipywidgets 7 would take a Comm of ipykernel alone, and no Line

    def compute(self, x):
        return {"root": (x ** 0.5).real if x >= 0 else [][x]}


def test_kernel_answers_what_the_page_has_not():
    root = Root()
    root.set_state({"x": 16})
    assert (root.answer, root.error) == ({"root": 4.0}, "")


def test_an_error_in_the_kernel_is_shown_beside_the_last_answer_and_whose_that_is():
    root = Root()
    root.set_state({"x": -5})
    assert root.error == "IndexError: list index out of range"
    assert (root.x, root.answer, root.answered) == (-5, {"root": 2.0}, {"x": 4})
    root.set_state({"x": 9})
    assert (root.answer, root.answered, root.error) == ({"root": 3.0}, {"x": 9}, "")


@pytest.mark.parametrize("value", [1001, "many", None])
def test_a_value_that_the_trait_refuses_is_taken_back_and_the_reason_shown(value):
    root, line = Root(), Line()
    root.comm = line
    root.set_state({"x": value})
    assert root.error == f"x is {value!r}, allowed: up to 1000."
    assert (root.x, root.answer, root.answered) == (4, {"root": 2.0}, {"x": 4})
    assert {"x": 4} in line.sent, "the page still shows the refused value"


class Slow(BookWidget):
    """Answers questions as the test lets it."""

    inputs = {"x": [1, 2]}
    x = t.Int(0).tag(sync=True)

    def __init__(self):
        self.gates = {1: threading.Event(), 2: threading.Event()}
        super().__init__()

    def compute(self, x):
        assert x == 0 or self.gates[x].wait(60)
        return {"square": x * x}


def test_an_answer_that_was_overtaken_is_dropped():
    slow = Slow()
    threads = [threading.Thread(target=setattr, args=(slow, "x", x)) for x in (1, 2)]
    for thread, number in zip(threads, (1, 2), strict=True):
        thread.start()
        while slow._asked < number:
            time.sleep(0.001)
    slow.gates[2].set()
    threads[1].join()
    assert (slow.answer, slow.answered) == ({"square": 4}, {"x": 2})
    slow.gates[1].set()
    threads[0].join()
    assert (slow.answer, slow.answered) == ({"square": 4}, {"x": 2}), "the answer to an older question won"


class Line:
    """A connection to a front end that notes what is sent."""

    comm_id = kernel = "a test"

    def __init__(self):
        self.sent = []

    def send(self, data=None, **_):
        self.sent.append(data["state"])

    def on_msg(self, _): ...

    def close(self, **_): ...


def test_answer_and_error_travel_together():
    root, line = Root(), Line()
    root.comm = line
    root.x = 9
    assert {"answer": {"root": 3.0}, "answered": {"x": 9}} in line.sent
    root.x = -5
    assert {"error": "IndexError: list index out of range"} in line.sent
    root.x = 1
    assert {"answer": {"root": 1.0}, "answered": {"x": 1}, "error": ""} in line.sent


@pytest.mark.parametrize("arguments, says", [({"size": 0}, "size is 0, allowed: 1 to 4096"),
                                             ({"sise": 3}, "SizeRule has no sise")])
def test_bad_arguments_are_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        SizeRule(**arguments)


def test_widgets_are_independent_and_close(widget):
    other = type(widget)()
    before = json.dumps(other.static_spec()["state"])
    widget.close()
    widget.close()
    assert json.dumps(other.static_spec()["state"]) == before
    root = Root()
    root.close()
    root.x = 9
    assert root.answer == {"root": 2.0}, "a closed widget answers no more"


# ------------------------------------------------------------------ size rule


def test_size_rule_answers_with_the_library():
    rule = SizeRule(size=224, kernel=11, stride=4)
    assert (rule.answer["output"], rule.answer["dropped"]) == (output_size(224, 11, 4), 1)
    rule.padding = 2
    assert (rule.answer["output"], rule.answer["dropped"]) == (55, 0)
    rule.size, rule.kernel, rule.padding = 2, 5, 0
    assert rule.answer["output"] == 0
    assert "spans 5 cells" in rule.answer["reason"]


def test_size_rule_takes_back_a_window_that_would_start_in_the_padding():
    rule = SizeRule(size=5, kernel=2, stride=2, ceil_mode=True)
    assert (rule.answer["output"], rule.answer["taken_back"], rule.answer["overhang"]) == (3, 0, 1)
    rule = SizeRule(size=4, kernel=2, stride=3, padding=1, ceil_mode=True)
    assert (rule.answer["output"], rule.answer["taken_back"], rule.answer["overhang"]) == (2, 1, 0)


def test_presets_of_the_size_rule_are_recorded():
    source = (HERE / "size_rule.js").read_text()
    presets = json.loads("[" + re.search(r"const PRESETS = \[.*?\n(.*?)\n\];", source, re.S).group(1).rstrip(",") + "]")
    assert len(presets) >= 8
    for label, *values in presets:
        for (name, recorded), value in zip(SizeRule.inputs.items(), values, strict=True):
            assert value in recorded, f"{label}: {name} {value}"


# ------------------------------------------------------------------ recorded curves (with made-up runs)


def made_up_run(activation, pooling, seed, errors, **changes):
    epochs = [{"epoch": i, "seconds": 2.0 * i + seed, "lr": 0.1, "train_loss": 0.5 * error, "train_error": error / 2,
               "test_loss": 2 * error, "test_error": error} for i, error in enumerate(errors, 1)]
    options = {"activation": activation, "pooling": pooling}
    return runs.Run(**{
        "schema": 1, "experiment": "made-up", "run": f"{activation}-{pooling}-seed{seed}",
        "case": f"{activation}-{pooling}", "shape": [1, 28, 28],
        "model": {"name": "lenet5_modern", "options": options, "parameters": 61706},
        "data": {"name": "mnist", "variant": "made up for a test"},
        "recipe": {"epochs": len(errors), "batch_size": 128, "optimizer": "adam", "lr": 0.003}, "seed": seed,
        "device": "cpu", "device_name": "none", "threads": 1, "precision": "float32", "torch": "0", "cnnlib": "0",
        "commit": "", "command": "none", "date": f"2026-01-0{seed + 1}T00:00:00Z", "wall_seconds": 1.0,
        "images_per_second": 1.0, "peak_memory_bytes": None, "epochs": epochs, **changes})


@pytest.fixture
def folder(tmp_path):
    for activation, pooling in itertools.product(("relu", "tanh"), ("avg", "max")):
        for seed, last in enumerate((0.25, 0.03, 0.05)):
            runs.write(made_up_run(activation, pooling, seed, [0.5, 0.02, last]), tmp_path)
    return tmp_path


def test_curves_are_mean_and_spread_over_seeds(folder):
    curves = RecordedCurves("made-up", root=folder)
    assert curves.inputs == {"activation": ["relu", "tanh"], "pooling": ["avg", "max"]}
    assert [each["name"] for each in curves.curves] == ["relu, avg", "relu, max", "tanh, avg", "tanh, max"]
    first = curves.curves[0]
    assert first["seeds"] == [0, 1, 2]
    assert first["test_error"] == {"mean": [0.5, 0.02, 0.11], "min": [0.5, 0.02, 0.03], "max": [0.5, 0.02, 0.25]}
    assert first["train_loss"]["mean"] == [0.25, 0.01, 0.055]
    assert first["seconds"] == [3.0, 5.0, 7.0]


def test_final_values_are_those_of_the_last_epoch_not_of_the_best(folder):
    table = RecordedCurves("made-up", root=folder).fallback_html()
    assert "11.00%" in table and "25.00%" in table
    assert "2.00%" not in table


def test_chosen_configuration_and_its_network(folder):
    curves = RecordedCurves("made-up", root=folder, activation="tanh", pooling="avg")
    assert curves.curves[curves.answer["chosen"]]["name"] == "tanh, avg"
    parts = summary(create_model("lenet5_modern", activation="tanh", pooling="avg"), (1, 1, 28, 28))
    assert (curves.answer["parameters"], curves.answer["macs"]) == (parts.total_params, parts.total_macs)
    assert sum(layer[3] for layer in curves.answer["layers"]) == parts.total_params
    curves.pooling = "max"
    assert curves.curves[curves.answer["chosen"]]["name"] == "tanh, max"
    assert ["s2", "MaxPool2d", "6×14×14"] in [layer[:3] for layer in curves.answer["layers"]]


def test_one_configuration_of_another_network(tmp_path):
    model = {"name": "mnist_cnn", "options": {}, "parameters": 2_328_298}
    runs.write(made_up_run("", "", 0, [0.5, 0.25], model=model), tmp_path)
    curves = RecordedCurves("made-up", root=tmp_path)
    assert (curves.inputs, curves.curves[0]["name"]) == ({}, "mnist_cnn")
    assert sum(layer[3] for layer in curves.answer["layers"]) == 2_328_298
    assert unpack(curves.static_spec(), {}) == curves.answer


def test_missing_runs_are_said_with_the_command(folder, tmp_path):
    empty = RecordedCurves("digits-se", root=tmp_path)
    assert "python -m cnnlib record digits-se" in empty.answer["reason"]
    assert "python -m cnnlib record digits-se" in empty.to_html()
    for path in (folder / "made-up").glob("tanh-max-*"):
        path.unlink()
    hole = RecordedCurves("made-up", root=folder, activation="tanh", pooling="max")
    assert hole.answer["chosen"] == -1
    assert "No runs of tanh and max are recorded yet" in hole.answer["reason"]


def test_curves_of_nothing_are_refused(folder):
    with pytest.raises(ValueError, match="experiment 'nosuch' is not known. Allowed: lenet-activation-pooling"):
        RecordedCurves("nosuch")
    with pytest.raises(ValueError, match="activation is 'gelu', allowed: .*'tanh'.*[.]$"):
        RecordedCurves("made-up", root=folder, activation="gelu")


def test_runs_of_different_length_are_refused(folder):
    runs.write(made_up_run("relu", "max", 3, [0.5]), folder)
    with pytest.raises(ValueError, match="different numbers of epochs"):
        RecordedCurves("made-up", root=folder)


def test_a_hostile_name_stays_text(folder):
    evil = "</script><b>bold</b>"
    runs.write(made_up_run("relu", "max", 3, [0.5, 0.4, 0.3], device_name=evil), folder)
    source = RecordedCurves("made-up", root=folder).to_html()
    page = Page(source)
    assert "b" not in page.tags
    assert evil in json.dumps(json.loads(page.scripts[0]), ensure_ascii=False)


def test_provenance_is_complete(folder):
    said = dict(RecordedCurves("made-up", root=folder).provenance)
    assert said["data"] == "made up for a test"
    assert said["seeds"] == "0, 1, 2"
    assert said["date"] == "2026-01-01 to 2026-01-03"
    assert set(said) == {"data", "recipe", "seeds", "device", "software", "commit", "command", "date"}


def test_training_here_grows_a_curve(folder):
    curves = RecordedCurves("made-up", root=folder, train_epochs=2)
    seen = []
    curves.observe(lambda change: seen.append(len(change["new"]["curve"])), "training")
    curves.train().join(60)
    assert sorted(seen) == seen and set(seen) == {0, 1, 2}
    assert (curves.training["running"], curves.training["message"]) == (False, "done")
    assert [epoch["epoch"] for epoch in curves.training["curve"]] == [1, 2]
    assert curves.training["curve"][1]["test_error"] < 0.6


def test_training_here_stops_when_told(folder):
    curves = RecordedCurves("made-up", root=folder, train_epochs=100)
    curves.observe(lambda change: curves._handle_custom_msg({"do": "stop"}, []), "training")
    curves.train().join(60)
    assert curves.training["message"] == "stopped"
    assert len(curves.training["curve"]) == 0


def test_a_failure_in_training_is_shown(folder):
    curves = RecordedCurves("made-up", root=folder, train_epochs=1)
    curves._recipe = {"lr": -1.0}
    curves.train().join(60)
    assert curves.training["running"] is False
    assert curves.training["message"].startswith("ValueError: lr is -1.0")


# ------------------------------------------------------------------ the bundle


DIST = HERE / "dist"
SCRIPTS = sorted(path.name for path in (DIST / "page").glob("*.js"))


@pytest.mark.parametrize("name", ["live.mjs", *(f"page/{name}" for name in SCRIPTS)])
def test_bundle_is_as_new_as_its_sources(name):
    sources = sorted(path.relative_to(HERE).as_posix() for folder in (HERE, HERE / "trainer")
                     for path in folder.iterdir() if path.suffix in {".js", ".mjs", ".json"})
    digest = hashlib.sha256()
    for path in sources:
        digest.update(path.encode() + b"\0" + (HERE / path).read_bytes() + b"\0")
    banner = (DIST / name).read_text().split("\n", 1)[0]
    assert f"sha256:{digest.hexdigest()}" in banner, "the widgets' sources changed: run `make widgets`"


def test_every_widget_runs_on_the_live_bundle(widget):
    bundle = (DIST / "live.mjs").read_text()
    assert widget._esm == bundle
    assert re.search(r"^/\*! cnnlib widgets, sources sha256:[0-9a-f]{64}", bundle)
    assert f"{type(widget).__name__}:" in bundle, "not among the renderers"


def test_a_page_loads_what_its_widgets_need_and_no_more():
    needs = json.loads((DIST / "page" / "scripts.json").read_text())
    assert {script for scripts in needs.values() for script in scripts} == set(SCRIPTS)
    assert needs.pop("data-trains") == ["trainer.js", "digits.js"]
    assert set(needs) == {"Explore", "Predict", *(widget.__name__ for widget in WIDGETS)}
    for name, scripts in needs.items():
        assert scripts[0] == "core.js" and scripts[-1] == f"{name}.js"
        source = (HERE / re.search(rf'as {name} }} from "\./(.*)"', (HERE / "renderers.js").read_text())[1]).read_text()
        assert ('from "./plot.js"' in source) <= ("plot.js" in scripts)
    assert "plot.js" not in needs["SizeRule"]
    widgets = "".join((DIST / "page" / f"{name}.js").read_text() for name in needs)
    assert "Train here" not in widgets and "aria-busy" not in widgets, "what widgets share is in scripts of its own"


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_ask_nobody_and_keep_their_size(name):
    script = (DIST / "page" / name).read_text()
    assert len(script.encode()) < SCRIPT_BUDGETS.get(name, 40_000)
    assert set(re.findall(r"https?://[\w./]+", script)) <= {
        "http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink",
        "http://www.w3.org/XML/1998/namespace", "http://www.w3.org/2000/xmlns/"}


def test_packages_are_pinned_and_licensed():
    package_json = json.loads((HERE / "package.json").read_text())
    lock = json.loads((HERE / "package-lock.json").read_text())
    wanted = {**package_json["dependencies"], **package_json["devDependencies"]}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    assert {name: lock["packages"][f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert "://" not in (HERE / "package-lock.json").read_text(), "the lock file names a registry"
    licences = (HERE / "dist" / "LICENSES.txt").read_text()
    assert "@observablehq/plot" in licences and "d3-shape" in licences
