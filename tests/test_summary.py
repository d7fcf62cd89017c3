"""The summary against torchinfo, torchvision's tables and autograd."""

import pytest
import torch
import torchinfo
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import cnnlib
from tests.test_models import INPUTS


@pytest.mark.parametrize("name", sorted(INPUTS))
def test_equal_to_torchinfo(name):
    model, size = cnnlib.create_model(name), (2, *INPUTS[name])
    ours, oracle = cnnlib.summary(model, size), torchinfo.summary(model, size, verbose=0)
    assert ours.total_params == oracle.total_params
    assert ours.trainable_params == oracle.trainable_params
    leaves = [(i.var_name, tuple(i.output_size)) for i in oracle.summary_list if i.is_leaf_layer]
    assert [(r.name.split(".")[-1], r.output_shape) for r in ours.rows] == leaves


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "vgg16", "densenet121", "mobilenet_v2", "googlenet"])
def test_torchvision_tables(name):
    """Parameters as integers and GMACs to three decimals, as torchvision publishes them with its weights."""
    weights = torchvision.models.get_model_weights(name).DEFAULT
    with torch.device("meta"):
        options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
        model = torchvision.models.get_model(name, **options)
    result = cnnlib.summary(model, (1, 3, 224, 224))
    assert result.total_params == weights.meta["num_params"]
    assert round(result.total_macs / 1e9, 3) == weights.meta["_ops"]
    assert sum(row.params for row in result.rows) == result.total_params
    assert sum(row.macs for row in result.rows) == result.total_macs


def field_by_autograd(layers, size):
    """Side of the square of input pixels that the middle output unit depends on."""
    x = torch.zeros(1, 1, size, size, requires_grad=True)
    y = layers(x)
    y[0, 0, y.shape[2] // 2, y.shape[3] // 2].backward()
    rows = x.grad[0, 0].abs().sum(1).nonzero().flatten()
    return int(rows.max() - rows.min() + 1)


layer = st.tuples(st.sampled_from(["conv", "avg", "relu"]), st.integers(1, 4), st.integers(1, 2), st.integers(1, 2))


@settings(max_examples=40, deadline=None)
@given(st.lists(layer, min_size=1, max_size=5))
def test_receptive_field_equals_autograd(plan):
    layers = nn.Sequential()
    for kind, kernel, stride, dilation in plan:
        if kind == "conv":
            conv = nn.Conv2d(1, 1, kernel, stride, dilation=dilation, bias=False)
            nn.init.ones_(conv.weight)
            layers.append(conv)
        elif kind == "avg":
            layers.append(nn.AvgPool2d(kernel, stride))
        else:
            layers.append(nn.Softplus())
    size = 160
    field = cnnlib.summary(layers, (1, 1, size, size)).rows[-1].receptive_field
    measured = field_by_autograd(layers, size)
    # A dilated or strided stack may leave holes; the field is the span from the first to the last pixel seen.
    assert measured == field


def test_lenet_receptive_fields_by_autograd():
    model = cnnlib.create_model("lenet5_modern", pooling="avg", activation="tanh").eval()
    rows = {row.name: row for row in cnnlib.summary(model, (1, 1, 28, 28)).rows}
    stack = nn.Sequential(model.c1, model.s2, model.c3, model.s4)
    x = torch.zeros(1, 1, 28, 28, requires_grad=True)
    stack(x)[0, 0, 2, 2].backward()
    seen = x.grad[0, 0].abs().sum(1).nonzero().flatten()
    assert int(seen.max() - seen.min() + 1) == rows["s4"].receptive_field == 16
    assert rows["s4"].jump == 4
    assert rows["c5"].receptive_field == 32        # 28 and the padding of two on each side


def test_branches_take_the_widest_field():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.narrow, self.wide, self.after = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 5, padding=2), nn.Conv2d(4, 1, 3)

        def forward(self, x):
            return self.after(torch.cat([self.narrow(x), self.wide(x)], 1))

    rows = cnnlib.summary(Branches(), (1, 3, 16, 16)).rows
    assert [row.receptive_field for row in rows] == [1, 5, 7]


class Calls(nn.Module):
    """A network made of a function and the layers it uses."""

    def __init__(self, function, *layers):
        super().__init__()
        self.function, self.layers = function, nn.ModuleList(layers)

    def forward(self, x):
        return self.function(x, *self.layers)


conv = nn.Conv2d


@pytest.mark.parametrize(
    "function, layers, field",
    [
        (lambda x, a, b: b(a(x).chunk(2, 1)[1]), (conv(1, 4, 3), conv(2, 1, 3)), 5),
        (lambda x, a, b: b(a(x) * a(x).mean((2, 3), keepdim=True).sigmoid()), (conv(1, 4, 3), conv(4, 1, 3)), 34),
        (lambda x, a, b: b(a(x) * a(x).mean(1, keepdim=True)), (conv(1, 4, 3), conv(4, 1, 3)), 5),
        (lambda x, a, b: b(nn.functional.interpolate(a(x), size=60)), (conv(1, 1, 3), conv(1, 1, 3)), None),
        (lambda x, a, b: b(a(x)[:, :, ::2, ::2]), (conv(1, 1, 3), conv(1, 1, 3)), None),
        (lambda x, a, b: b(a(x)), (conv(1, 1, 3), nn.ConvTranspose2d(1, 1, 2, 2)), None),
        (lambda x, a, b: b(a(x)), (conv(1, 1, 3), nn.AdaptiveAvgPool2d(15)), 4),
        (lambda x, a, b: b(a(x).amax((2, 3))), (conv(1, 4, 3), nn.Linear(4, 1)), 32),
    ],
    ids=["chunk", "gate", "channel mean", "resize", "slice", "transposed", "adaptive", "global max"],
)
def test_receptive_field_through_functions(function, layers, field):
    rows = cnnlib.summary(Calls(function, *layers), (1, 1, 32, 32)).rows
    assert rows[-1].receptive_field == field


def test_no_pixels_no_receptive_field():
    for model, size in ((nn.Conv1d(1, 2, 3), (1, 1, 9)), (nn.Linear(4, 2), (1, 4))):
        (row,) = cnnlib.summary(model, size).rows
        assert row.receptive_field is None and row.macs > 0
        assert "–" in str(cnnlib.summary(model, size))


def test_shufflenet_splits_and_counts():
    with torch.device("meta"):
        model = torchvision.models.shufflenet_v2_x1_0()
    published = torchvision.models.ShuffleNet_V2_X1_0_Weights.IMAGENET1K_V1.meta["_ops"]
    assert round(cnnlib.summary(model, (1, 3, 224, 224)).total_macs / 1e9, 3) == published


@pytest.mark.parametrize("name", ["convnext_tiny", "efficientnet_b0"])
def test_every_parameter_has_a_row(name):
    """Parameters of modules that also have children, and gates that must not blow up the field."""
    with torch.device("meta"):
        model = torchvision.models.get_model(name)
    result = cnnlib.summary(model, (1, 3, 224, 224))
    assert sum(row.params for row in result.rows) == result.total_params
    assert sum(row.macs for row in result.rows) == result.total_macs
    assert all(row.receptive_field is None or row.receptive_field < 10_000 for row in result.rows)


def test_recurrent_layers_have_a_row():
    assert [row.params for row in cnnlib.summary(nn.LSTM(4, 8), (5, 1, 4)).rows] == [448]


def test_normalisation_for_other_channels_is_refused():
    with pytest.raises(ValueError, match="batch_norm is made for 8 channels and gets 4"):
        cnnlib.summary(nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(8)), (1, 1, 9, 9))


def test_unequal_axes_are_a_pair():
    rows = cnnlib.summary(nn.Sequential(nn.Conv2d(1, 1, (1, 7), stride=(1, 2))), (1, 1, 20, 20)).rows
    assert rows[0].receptive_field == (1, 7) and rows[0].jump == (1, 2)


def test_shared_layer_is_counted_once_and_run_twice():
    shared = nn.Linear(4, 4)
    result = cnnlib.summary(nn.Sequential(shared, nn.ReLU(), shared), (1, 4))
    assert result.total_params == 20 == sum(row.params for row in result.rows)
    assert result.total_macs == 32


def test_leaves_the_model_as_it_was():
    model = cnnlib.create_model("mnist_cnn").train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    cnnlib.summary(model, (1, 1, 28, 28))
    assert model.training and all(m.training for m in model.modules())
    assert all(torch.equal(before[k], v) and v.device.type == "cpu" for k, v in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_works_without_allocating():
    """A network of 400 GB of weights is described all the same."""
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(10**5, 10**6))
    assert cnnlib.summary(model, (1, 10**5)).total_params == 10**11 + 10**6


def test_text_and_html_show_every_row_and_the_totals():
    result = cnnlib.summary(cnnlib.create_model("lenet5"), (1, 1, 32, 32))
    for shown in (str(result), result._repr_html_()):
        for row in result.rows:
            assert f"{row.params:,}" in shown and row.name in shown
        assert f"{result.total_macs:,}" in shown and "60,000" in shown
    assert 'scope="col"' in result._repr_html_() and "<caption>" in result._repr_html_()


@pytest.mark.parametrize(
    "model, size, message",
    [
        (nn.Linear(2, 2), (0, 2), "input_size is"),
        (nn.Linear(2, 2), (1, 3), "cannot take an input of 1×3"),
        ("resnet18", (1, 3, 224, 224), "model is str"),
    ],
)
def test_bad_arguments(model, size, message):
    with pytest.raises(ValueError, match=message):
        cnnlib.summary(model, size)


def test_import_needs_neither_torchvision_nor_jupyter():
    import subprocess
    import sys

    code = "import sys, cnnlib; print({'torchvision', 'IPython', 'anywidget', 'sklearn'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
