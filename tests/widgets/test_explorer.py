"""The Explorer: what it says of a network is what `create_model` builds and torchinfo counts."""

import json
import random
from types import SimpleNamespace

import pytest
import torch
import torchinfo
from torch import nn

from cnnlib import create_model, data
from cnnlib.anatomy import kept_bytes
from cnnlib.records import runs
from cnnlib.widgets import Explorer, explorer
from cnnlib.widgets.families import FAMILIES, Knob
from tests.models import Shapes, meta
from tests.widgets.test_widgets import made_up_run, unpack

# How many configurations are drawn of a family, 300 in all, and from what: within the live range, and small, because
# each network is built for comparison. Knobs that are not named take one of the page's values.
COUNTS = {"lenet": 30, "alexnet": 10, "alexnet-cifar": 35, "vgg": 15, "vgg-cifar": 35, "inception": 15,
          "inception-cifar": 20, "resnet": 15, "resnet-cifar": 50, "densenet": 10, "densenet-cifar": 45,
          "mobilenet": 20}
DRAWS = {
    "lenet": {},
    "alexnet": {"width": (0.125, 0.25)},
    "alexnet-cifar": {"width": (0.125, 0.25, 0.5)},
    "vgg": {"width": (0.125, 0.25), "size": range(32, 97)},
    "vgg-cifar": {"width": (0.125, 0.25), "size": range(32, 65)},
    "inception": {"width": (0.125, 0.25, 0.5), "size": range(32, 97)},
    "inception-cifar": {"width": (0.125, 0.25), "size": range(32, 65)},
    "resnet": {"depth": (18, 34, 50), "size": range(32, 65)},
    "resnet-cifar": {"depth": range(8, 45, 6), "width": range(1, 33), "size": range(4, 40)},
    "densenet": {"depth": (121,), "growth_rate": range(1, 9)},
    "densenet-cifar": {"depth": range(10, 41, 6), "growth_rate": range(1, 25), "compression": (0.3, 0.5, 0.77, 1)},
    "mobilenet": {"width_multiplier": (0.25, 0.4, 0.75, 1.0), "size": range(32, 97)},
}


def drawn(family, chance):
    """A random configuration of a family."""
    values = {name: knob.values for name, knob in FAMILIES[family].knobs.items()}
    values |= {**DRAWS[family], "batch": range(1, 513)}
    return {name: chance.choice(choice) for name, choice in values.items()}


def counted(name, options, pixels):
    """What torchinfo finds in the network for one picture: parameters, MACs (of convolutions and linear layers, without
    biases), and the output shape of every module by its name."""
    model = meta(name, **options).eval()
    with Shapes():
        found = torchinfo.summary(model, (1, *pixels), verbose=0, depth=20, device="meta")
    names = {id(module): path for path, module in model.named_modules()}
    outputs, macs = {}, 0
    for layer in found.summary_list:
        outputs[names[id(layer.module)]] = tuple(layer.output_size)
        if isinstance(layer.module, (nn.Conv2d, nn.Linear)):
            macs += torch.Size(layer.output_size).numel() * layer.module.weight[0].numel()
    return SimpleNamespace(model=model, params=found.total_params, macs=macs, outputs=outputs)


def agrees(answer, name, options):
    """Hold an answer against the network itself."""
    oracle = counted(name, options, answer["input"])
    assert (answer["params"], answer["macs"]) == (oracle.params, oracle.macs)
    for part in ("stage", "unit"):
        assert sum(answer[f"{part}_params"]) == oracle.params
        assert sum(answer[f"{part}_macs"]) == oracle.macs
        assert sum(answer[f"{part}_kept"]) == answer["kept"]
        assert sum(answer[f"{part}_layers"]) == answer["layers"]
    assert answer["layers"] == sum(isinstance(m, (nn.Conv2d, nn.Linear)) for m in oracle.model.modules())
    modules = dict(oracle.model.named_modules())
    for path, kind, *sides, params in zip(*(answer[f"unit_{key}"] for key in ("name", "type", "channels", "height",
                                                                              "width", "params")), strict=True):
        assert tuple(side for side in sides if side) == oracle.outputs[path][1:], path
        if " + " not in kind:
            assert params == sum(p.numel() for p in modules[path].parameters()), path
    assert sum(answer["stage_units"]) == len(answer["unit_name"])


@pytest.mark.parametrize("family", COUNTS)
def test_random_configurations_are_what_torchinfo_counts(family):
    widget, chance = Explorer(family), random.Random(family)
    for _ in range(COUNTS[family]):
        widget.set_state(knobs := drawn(family, chance))
        while widget.error:                             # some knobs of ResNet do not go together
            assert family == "resnet", widget.error
            widget.set_state(knobs := drawn(family, chance))
        assert widget.answered == knobs
        name, options = widget.plan(**knobs)
        agrees(widget.answer, name, options)


@pytest.mark.parametrize("network", ["resnet20", "googlenet", "mobilenet_v2", "densenet_bc100_k12"])
def test_networks_as_published(network):
    widget = Explorer(network=network)
    agrees(widget.answer, network, {"aux_logits": False} if network == "googlenet" else {})


@pytest.mark.parametrize("family, knobs", [
    ("resnet-cifar", {"depth": 14, "shortcut": "B", "size": 16}),
    ("densenet-cifar", {"depth": 16, "growth_rate": 5}),
    ("vgg-cifar", {"width": 0.125, "batch_norm": True}),
    ("lenet", {"activation": "tanh"}),
])
def test_memory_is_what_autograd_keeps(family, knobs):
    widget = Explorer(family, batch=3, **knobs)
    model = create_model(*widget.plan(**widget.current())[:1], **widget.plan(**widget.current())[1]).train()
    assert widget.answer["kept"] == kept_bytes(model, torch.rand(3, *widget.answer["input"]))


def test_units_are_blocks_and_convolutions_with_what_belongs_to_them():
    said = Explorer("resnet-cifar", depth=20, shortcut="B").answer
    assert said["unit_name"] == ["conv1", *(f"layer{i}.{j}" for i in (1, 2, 3) for j in (0, 1, 2)), "avgpool", "fc"]
    assert said["unit_type"][0] == "Conv2d + BatchNorm2d + ReLU"
    assert said["unit_shortcut"][1:10] == ["identity"] * 3 + ["projection", "identity", "identity"] * 2
    assert said["unit_adds"] == [0, *[1] * 9, 0, 0]
    dense = Explorer("densenet-cifar", depth=22).answer
    assert sum(map(bool, dense["unit_concats"])) == 6        # three blocks of three layers; the first has one input
    assert [kind for kind in dense["unit_type"] if "Conv2d" in kind and "BatchNorm2d" in kind][-1] \
        == "BatchNorm2d + ReLU + Conv2d"
    assert set(Explorer("inception").answer["unit_branches"]) == {1, 4}


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize("family, knob, value, says", [
    ("resnet-cifar", "depth", 21, "6n"), ("resnet-cifar", "depth", 1000002, "8 to 1202"),
    ("resnet-cifar", "width", 0, "width"), ("resnet-cifar", "shortcut", "Z", "'A', 'B', 'none'"),
    ("resnet-cifar", "size", 0, "size"), ("resnet-cifar", "batch", 2.5, "whole numbers from 1 to 4096"),
    ("resnet-cifar", "batch", True, "batch"), ("resnet-cifar", "depth", None, "depth"),
    ("resnet-cifar", "depth", "many", "depth"), ("densenet-cifar", "growth_rate", 0, "growth_rate"),
    ("densenet-cifar", "depth", 41, "6n+4"), ("densenet-cifar", "compression", 0.0, "compression"),
    ("densenet-cifar", "compression", float("nan"), "compression"), ("alexnet", "groups", 3, "groups"),
    ("vgg", "width", 0.3, "width"), ("vgg", "size", 31, "size"), ("resnet", "depth", 20, "depth"),
])
def test_a_value_that_makes_no_network_keeps_the_last_one_and_says_why(family, knob, value, says):
    widget = Explorer(family)
    before, answered = widget.answer, widget.answered
    widget.set_state({knob: value})
    assert widget.answer == before and widget.answered == answered
    assert says in widget.error and knob in widget.error
    widget.set_state({knob: answered[knob]})
    assert widget.error == "" and widget.answer == before


def test_knobs_that_do_not_go_together_are_refused():
    widget = Explorer("resnet", depth=50)
    widget.shortcut = "none"
    assert widget.error.startswith("shortcut is 'none'")
    widget.depth = 34
    assert (widget.error, widget.answer["network"]) == ("", "plain34")
    spec = Explorer("resnet", {"depth": [34, 50], "shortcut": None}).static_spec()
    assert unpack(spec, {"depth": 50, "shortcut": "none"}).startswith("shortcut is 'none'")
    assert unpack(spec, {"depth": 34, "shortcut": "none"})["network"] == "plain34"


@pytest.mark.parametrize("arguments, says", [
    ({"family": "resnett"}, "family is 'resnett'"),
    ({"family": "vgg", "knobs": {"deepness": [1]}}, "knobs names 'deepness', allowed: depth"),
    ({"family": "vgg", "depht": 16}, "depht"),
    ({"family": "vgg", "depth": 12}, "depth is 12"),
    ({"family": "resnet-cifar", "recorded": ["digits-se"], "depth": 9}, "depth"),
    ({"family": "vgg", "recorded": ["nosuch"]}, "experiment 'nosuch' is not known. Allowed: lenet-activation-pooling"),
])
def test_authors_are_told_what_is_wrong(arguments, says):
    with pytest.raises(ValueError, match=says):
        Explorer(**arguments)


def test_authors_choose_knobs_values_and_the_rest():
    widget = Explorer("densenet-cifar", {"growth_rate": [6, 12], "depth": None}, bottleneck=False, compression=1.0,
                      options={"in_channels": 1}, title="A title", growth_rate=6)
    assert widget.inputs == {"growth_rate": [6, 12], "depth": list(FAMILIES["densenet-cifar"].knobs["depth"].values)}
    assert widget.plan(**widget.current()) == ("densenet_cifar", {
        "growth_rate": 6, "depth": 40, "bottleneck": False, "compression": 1.0, "in_channels": 1})
    assert (widget.title, widget.answer["input"]) == ("A title", [1, 32, 32])
    own = Explorer("mobilenet", {"version": None, "dropout": Knob("dropout", (0.0, 0.5))}, dropout=0.5)
    assert own.plan(**own.current())[1]["dropout"] == 0.5


# ------------------------------------------------------------------ recordings


@pytest.fixture
def folder(tmp_path):
    """Runs of LeNet, as they are recorded: only the options that are not as they are anyway."""
    for activation, pooling in (("relu", "avg"), ("tanh", "avg"), ("tanh", "max")):
        for seed in (0, 1):
            run = made_up_run(activation, pooling, seed, [0.5, 0.25])
            standard = {"activation": "relu", "pooling": "max"}
            run.model["options"] = {k: v for k, v in run.model["options"].items() if standard[k] != v}
            run.model["options"]["in_channels"] = 1
            runs.write(run, tmp_path)
    dropped = made_up_run("relu", "max", 0, [0.5, 0.25])
    dropped.model["options"]["kernel_size"] = 7
    runs.write(dropped, tmp_path)                     # a network that the knobs do not reach
    return tmp_path


def test_the_recording_of_a_configuration_is_found_and_else_the_nearest(folder):
    widget = Explorer("lenet", recorded=["made-up"], root=folder, activation="tanh")
    names = [curve["name"] for curve in widget.curves]
    assert len(names) == 3 and names[widget.answer["recorded"][0]] == "first kernel 5, activation tanh, pooling max"
    assert widget.curves[0]["seeds"] == [0, 1]
    widget.activation = "relu"                        # relu-max is not recorded: one knob away are relu-avg, tanh-max
    assert widget.answer["recorded"] == [-1]
    nearest = widget.curves[widget.answer["nearest"][0]]
    assert sum(nearest["knobs"][k] != v for k, v in widget.answered.items() if k in nearest["knobs"]) == 1
    assert set(nearest["knobs"]) == {"kernel_size", "activation", "pooling"}
    widget.set_state({"kernel_size": 3, **{k: v for k, v in nearest["knobs"].items() if k != "kernel_size"}})
    assert widget.answer["recorded"] == [-1] and widget.answer["nearest"] == [widget.curves.index(nearest)]
    widget.set_state(nearest["knobs"])
    assert widget.answer["recorded"] == [widget.curves.index(nearest)]
    assert dict(widget.sources[0]["provenance"])["data"] == "made up for a test"
    assert widget.sources[0]["on"] == "MNIST, 28×28"


def test_the_data_in_a_few_words():
    said = {experiment: Explorer(family, recorded=experiment).sources[0]["on"] for family, experiment in (
        ("vgg-cifar", "digits-vgg"), ("resnet-cifar", "digits-degradation"), ("resnet-cifar", "cifar16-degradation"))}
    assert said == {"digits-vgg": "digits, 8×8 enlarged to 32×32", "digits-degradation": "digits, 8×8",
                    "cifar16-degradation": "CIFAR-10, 32×32 reduced to 16×16"}


def test_the_nearest_number_is_the_nearest_on_the_slider(tmp_path):
    for depth in (8, 56):
        run = made_up_run("", "", 0, [0.5])
        run.model.update(name=f"resnet{depth}", options={"in_channels": 1})
        run.run = f"resnet{depth}"
        runs.write(run, tmp_path)
    widget = Explorer("resnet-cifar", recorded="made-up", root=tmp_path, depth=14)
    assert widget.curves[widget.answer["nearest"][0]]["knobs"]["depth"] == 8
    widget.depth = 44
    assert widget.curves[widget.answer["nearest"][0]]["knobs"]["depth"] == 56
    widget.depth = 8
    assert widget.answer["recorded"] == widget.answer["nearest"] == [0]


def test_without_recordings_there_is_the_anatomy(tmp_path):
    widget = Explorer("lenet", recorded=["digits-se"], root=tmp_path)
    assert (widget.answer["recorded"], widget.answer["nearest"], widget.curves) == ([-1], [-1], [])
    assert (Explorer("lenet").answer["recorded"], Explorer("lenet").sources) == ([], [])


# ------------------------------------------------------------------ the page


@pytest.mark.parametrize("family", ["lenet", "vgg-cifar", "mobilenet"])
def test_page_holds_every_combination_within_its_budget(family):
    widget = Explorer(family)
    page = widget.to_html()
    assert len(page.encode()) < explorer.PAGE_BUDGET
    spec = json.loads(json.dumps(widget.static_spec()))
    chance = random.Random(0)
    for _ in range(40):
        inputs = {name: chance.choice(values) for name, values in widget.inputs.items()}
        assert unpack(spec, inputs) == json.loads(json.dumps(widget.compute(**inputs)))
    assert f"{widget.answer['params']:,}" in widget.fallback_html()


def test_a_page_over_its_budget_names_the_knob_to_thin_out(monkeypatch):
    monkeypatch.setattr(explorer, "PAGE_BUDGET", 3000)
    widget = Explorer("lenet", {"activation": ["relu"], "batch": list(range(1, 40)), "pooling": ["max"]})
    with pytest.raises(ValueError, match=r"bytes, allowed: 3,000. Thin out one of its knobs: batch has 39 values"):
        widget.to_html()
    assert len(widget.inputs["batch"]) == 39


# ------------------------------------------------------------------ training here


def small(**values):
    return Explorer("resnet-cifar", depth=8, width=2, size=8, train_epochs=1, **values)


def test_training_the_chosen_network_on_digits():
    widget, told = small(recipe={"batch_size": 64}), []
    widget.observe(lambda change: told.append(change["new"]), "training")
    widget.train().join(120)
    assert widget.training["message"] == "done" and not widget.training["running"]
    assert [row["epoch"] for row in widget.training["curve"]] == [1]
    assert widget.training["curve"][0]["test_error"] < 0.85
    assert "depth 8" in widget.training["name"]
    assert all(0 <= each["part"] <= 1 for each in told)


def test_training_stops_at_once_and_with_the_widget():
    for end in (Explorer.stop, Explorer.close):
        widget = small()
        thread = widget.train()
        assert widget.train() is None, "one at a time"
        end(widget)
        thread.join(60)
        assert not thread.is_alive()
        assert widget.training["message"] == "stopped" and widget.training["curve"] == []


def test_what_goes_wrong_in_training_is_shown(monkeypatch):
    def no_data(*_args, **_options):
        raise data.DataNotFound("no copy of digits")

    monkeypatch.setattr(explorer.data, "load", no_data)
    widget = small()
    widget.train().join(60)
    assert widget.training["message"] == "DataNotFound: no copy of digits"
