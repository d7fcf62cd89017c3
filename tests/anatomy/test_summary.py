"""The summary against torchinfo, torchvision's tables and autograd."""

import csv
import gc
import io
import json
import re
import subprocess
import sys
import weakref

import pytest
import torch
import torchinfo
import torchvision
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import cnnlib
from cnnlib import anatomy, models
from cnnlib.anatomy import joints, watch
from cnnlib.models.sketch import sketching
from tests.models.test_models import INPUTS
from tests.models.test_zoo import light, small_input

# One of each family and of each way to join, recompute, normalise and pool.
NETWORKS = {
    "lenet5": {}, "lenet5_modern": {"pooling": "avg", "activation": "sigmoid"}, "mnist_cnn": {},
    "alexnet": {}, "alexnet same": {"padding": "same", "norm": "batch", "activation": "tanh"},
    "vgg11_lrn": {}, "vgg13_bn": {}, "vgg16_1x1": {"variant": "cifar"},
    "googlenet": {"aux_logits": False}, "googlenet cifar": {"variant": "cifar"}, "inception_v3": {"aux_logits": False},
    "resnet18": {}, "resnet50": {"preactivation": True}, "resnext50_32x4d": {}, "resnet20": {"preactivation": True},
    "resnet26": {"residual_scale": 0.2, "shortcut": "C"}, "se_resnet20": {}, "plain20": {},
    "densenet121": {}, "densenet121 recomputed": {"memory_efficient": True}, "densenet_cifar": {"depth": 22},
    "densenet40_k12": {"dropout": 0.2}, "densenet_cifar partly recomputed": {"memory_efficient": "partly"},
    "densenet_cifar recomputed": {"memory_efficient": True, "dropout": 0.1},
    "mobilenet_v1": {"dropout": 0.1}, "mobilenet_v2": {},
}


def small(case):
    """The network of a case, light enough to run, and an input for it."""
    name = case.split()[0]
    return cnnlib.create_model(name, **light(name) | NETWORKS[case]), small_input(name)


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
    size = 187              # five layers of span 7 and stride 2 leave one unit of it
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
        (lambda x, a, b: b(a(x)[:, :, ::2, ::2]), (conv(1, 1, 3), conv(1, 1, 3)), 7),
        (lambda x, a, b: b(a(x)[..., ::2]), (conv(1, 1, 3), conv(1, 1, 3)), (5, 7)),
        (lambda x, a, b: b(nn.functional.pad(a(x), (2, 2, 1, 1))), (conv(1, 1, 3), conv(1, 1, 3)), 5),
        (lambda x, a, b: b(a(x)), (conv(1, 1, 3), nn.ConvTranspose2d(1, 1, 2, 2)), None),
        (lambda x, a, b: b(a(x)), (conv(1, 1, 3), nn.AdaptiveAvgPool2d(15)), 4),
        (lambda x, a, b: b(a(x).amax((2, 3))), (conv(1, 4, 3), nn.Linear(4, 1)), 32),
    ],
    ids=["chunk", "gate", "channel mean", "resize", "slice", "other slice", "pad", "transposed", "adaptive",
         "global max"],
)
def test_receptive_field_through_functions(function, layers, field):
    rows = cnnlib.summary(Calls(function, *layers), (1, 1, 32, 32)).rows
    assert rows[-1].receptive_field == field


def averaging(model):
    """The network with nothing that could hide a pixel: equal positive weights, averages for maxima, no LRN."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.MaxPool2d):
                pool = child.kernel_size, child.stride, child.padding, child.ceil_mode
                setattr(module, name, nn.AvgPool2d(*pool))
            elif isinstance(child, nn.LocalResponseNorm):
                setattr(module, name, nn.Identity())
    for name, parameter in model.named_parameters():
        value = 1 / parameter[0].numel() if parameter.ndim > 1 else 0 if name.endswith("bias") else 1
        nn.init.constant_(parameter, value)
    return model.double().eval()


@pytest.mark.parametrize(
    "name, options, layer, size",
    [
        ("alexnet", {"dense": 8}, "features.12", 227),
        ("vgg16", {"dense": 8}, "features.14", 112),
        ("googlenet", {}, "inception4a.branch3.1.conv", 224),
        ("inception_v3", {}, "Mixed_6a.branch3x3.conv", 299),
        ("resnet18", {}, "layer3.0.conv2", 224),
        ("resnet50", {}, "layer2.1.conv2", 160),
        ("resnet20", {}, "layer3.0.conv2", 160),
        ("densenet_cifar", {"depth": 22}, "features.denseblock2.denselayer3.conv2", 64),
        ("mobilenet_v2", {}, "features.6.conv.1.0", 160),
    ],
)
def test_receptive_field_of_networks_by_autograd(name, options, layer, size):
    """The pixels that have a gradient from one unit in the middle, in networks in which nothing cancels."""
    row = cnnlib.summary.of(name, (1, 3, size, size), **options).row(layer)
    model, found = averaging(cnnlib.create_model(name, **options)), {}
    handle = model.get_submodule(layer).register_forward_hook(lambda module, args, out: found.update(out=out))
    x = torch.rand(1, 3, size, size, dtype=torch.double, requires_grad=True)
    model(x)
    handle.remove()
    out = found["out"]
    out[0, 0, out.shape[2] // 2, out.shape[3] // 2].backward()
    for axis in (1, 2):
        seen = x.grad[0].abs().sum((0, 3 - axis)).nonzero().flatten()
        measured = int(seen.max() - seen.min() + 1)
        assert seen.min() > 0 and seen.max() < size - 1         # the field is inside the picture
        both = row.receptive_field if isinstance(row.receptive_field, tuple) else (row.receptive_field,) * 2
        assert measured == both[axis - 1]
    assert out.shape == row.output_shape


# ---- what training keeps ----

def kept_by_module(model, x):
    """Bytes that autograd saves in a real training pass, by the module at work when each memory is first saved."""
    own = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    stack, seen, kept, alive = [""], set(), {}, []

    def pack(tensor):
        storage = tensor.untyped_storage()
        alive.append(storage)
        if storage.data_ptr() not in own | seen:
            seen.add(storage.data_ptr())
            kept[stack[-1]] = kept.get(stack[-1], 0) + storage.nbytes()
        return tensor.detach()

    for name, module in model.named_modules():
        module.register_forward_pre_hook(lambda m, i, name=name: stack.append(name))
        module.register_forward_hook(lambda m, i, o: stack.pop() and None)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        model(x)
    return {name: nbytes for name, nbytes in kept.items() if nbytes}


@pytest.mark.parametrize("case", NETWORKS)
def test_kept_bytes_equal_saved_tensors(case):
    model, x = small(case)
    result = cnnlib.summary(model, tuple(x.shape))
    assert result.idle_params == 0
    assert sum(row.kept_bytes for row in result.rows) == result.total_kept_bytes
    assert cnnlib.summary.kept_bytes(model.train(), x) == result.total_kept_bytes
    if "recomputed" not in case:                    # there the layer is asked, not its parts
        layers = {name for name, _ in model.named_modules()}
        computed = {}
        for row in result.rows:
            name = row.name if row.name in layers else row.name.rpartition(".")[0]
            computed[name] = computed.get(name, 0) + row.kept_bytes
        assert {k: v for k, v in computed.items() if v} == kept_by_module(model, x)


@pytest.fixture
def without_rules(monkeypatch):
    """Shapes from PyTorch itself; only BatchNorm, which here works as in training, keeps its rule."""
    def remove():
        monkeypatch.setattr(watch, "RULES", {"native_batch_norm": watch.RULES["native_batch_norm"]})
        watch._facts.cache_clear()

    yield remove
    monkeypatch.undo()
    watch._facts.cache_clear()


@pytest.mark.parametrize("case", ["alexnet", "vgg11_lrn", "googlenet", "resnet26", "se_resnet20", "densenet_cifar",
                                  "mobilenet_v2", "densenet_cifar recomputed", "lenet5"])
def test_rules_equal_the_operations_themselves(case, without_rules):
    """Without the shape rules, every shape is PyTorch's: the summary is the same."""
    name = case.split()[0]
    with sketching():
        model = cnnlib.create_model(name, **light(name) | NETWORKS[case])
    size = tuple(small_input(name).shape)
    by_rule = cnnlib.summary(model, size)
    without_rules()
    assert by_rule.to_dict() == cnnlib.summary(model, size).to_dict()


def test_unusual_layers_are_followed_as_they_are(without_rules):
    """Layers of the kinds that have a rule, and that do something else than it says."""
    patched = nn.Conv2d(6, 6, 1)
    patched.forward = lambda x: torch.cat([x, x], 1)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, padding_mode="reflect"), nn.BatchNorm2d(6, affine=False), nn.ReLU(),
        nn.utils.parametrizations.weight_norm(nn.Conv2d(6, 6, 3)), nn.BatchNorm2d(6, track_running_stats=False),
        patched, nn.ReLU(inplace=True), nn.Conv2d(12, 5, 3, padding="same", bias=False),
    )
    x = torch.randn(2, 3, 9, 8)
    result = cnnlib.summary(model, tuple(x.shape))
    assert result.rows[-1].output_shape == tuple(model(x).shape) == (2, 5, 7, 6)
    without_rules()
    assert result.to_dict() == cnnlib.summary(model, tuple(x.shape)).to_dict()
    assert "forward" in vars(patched) and patched(x).shape == (2, 6, 9, 8)
    with pytest.raises(ValueError, match="cannot take an input of 1×3×9: "):
        cnnlib.summary(nn.Sequential(nn.BatchNorm2d(3)), (1, 3, 9))


@settings(max_examples=60, deadline=None)
@example("conv", 1, 2, 4, 1, 1, 1, False)           # no rows: not every version of PyTorch refuses it
@given(st.sampled_from(["conv", "max", "avg", "adaptive", "relu6"]), st.integers(1, 13), st.integers(1, 13),
       st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.integers(1, 2), st.booleans())
def test_shapes_and_bytes_of_windows(kind, height, width, kernel, stride, padding, dilation, ceil):
    """Every window: the rule's shape is PyTorch's, or both refuse."""
    layer = {
        "conv": lambda: nn.Conv2d(4, 6, kernel, stride, padding, dilation, groups=2),
        "max": lambda: nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=ceil),
        "avg": lambda: nn.AvgPool2d(kernel, stride, padding, ceil_mode=ceil),
        "adaptive": lambda: nn.AdaptiveAvgPool2d((kernel, stride)),
        "relu6": lambda: nn.ReLU6(inplace=ceil),
    }[kind]()
    model, x = nn.Sequential(nn.Conv2d(1, 4, 1), layer, nn.Conv2d(6 if kind == "conv" else 4, 2, 1)), None
    x = torch.randn(2, 1, height, width)
    try:
        shape = model(x).shape
    except RuntimeError:
        with pytest.raises(ValueError, match="cannot take an input of"):
            cnnlib.summary(model, tuple(x.shape))
        return
    result = cnnlib.summary(model, tuple(x.shape))
    assert result.rows[-1].output_shape == shape
    assert result.total_kept_bytes == cnnlib.summary.kept_bytes(model, x)


@pytest.mark.parametrize("function, layers", [
    (lambda x, a, b: b(F.gelu(a(x))), (conv(3, 4, 3), conv(4, 2, 3))),
    (lambda x, a, b: b(F.silu(a(x)) * 2), (conv(3, 4, 3), conv(4, 2, 3))),
    (lambda x, a, b: b(a(x)[:, :, 1:]), (conv(3, 4, 3), conv(4, 2, 3))),
    (lambda x, a, b: b(F.pad(a(x), (1, 2, 0, 1)).pow(2)), (conv(3, 4, 3), conv(4, 2, 3))),
    (lambda x, a, b: b(F.interpolate(a(x), scale_factor=2)), (conv(3, 4, 3), nn.ConvTranspose2d(4, 2, 3))),
    (lambda x, a, b: b(a(x).flatten(2).softmax(2).mean(2)), (conv(3, 4, 3), nn.Linear(4, 2))),
    (lambda x, a, b: b(a(x).permute(0, 2, 3, 1)).exp(), (conv(3, 4, 3), nn.Linear(4, 2))),
    (lambda x, a, b: b(a(x).view(2, 2, 2, 10, 10).transpose(1, 2).reshape(2, 4, 10, 10)),
     (conv(3, 4, 3), conv(4, 2, 3))),
    (lambda x, a, b: b(F.dropout2d(a(x), 0.5, True)), (conv(3, 4, 3), nn.GroupNorm(2, 4))),
    (lambda x, a, b: torch.stack([*b(a(x)).unbind(1)]).sum(0) / 2, (conv(3, 4, 3), nn.InstanceNorm2d(4))),
    (lambda x, a, b: torch.einsum("nchw,ndhw->ncd", a(x), b(x)), (conv(3, 4, 3), conv(3, 5, 3))),
    (lambda x, a, b: a(x).add_(1).relu_().mul_(b(x).sigmoid()), (conv(3, 4, 3), conv(3, 4, 3))),
    (lambda x, a, b: b(a(x).contiguous(memory_format=torch.channels_last)), (conv(3, 4, 3), nn.BatchNorm2d(4))),
], ids=["gelu", "silu", "slice", "pad", "resize", "softmax", "permute", "view", "dropout2d", "unbind", "einsum",
        "in place", "channels last"])
def test_functions_without_a_rule_are_asked(function, layers):
    """Shape and kept bytes of whatever a student calls."""
    model, x = Calls(function, *layers).train(), torch.randn(2, 3, 12, 12)
    result = cnnlib.summary(model, (2, 3, 12, 12))
    assert result.total_kept_bytes == cnnlib.summary.kept_bytes(model, x) == sum(r.kept_bytes for r in result.rows)


def test_not_known_is_a_dash():
    """What a recurrent layer keeps depends on the device: no number rather than a guess."""
    result = cnnlib.summary(nn.Sequential(nn.Linear(3, 4), nn.LSTM(4, 8)), (5, 1, 3))
    assert [row.kept_bytes for row in result.rows] == [60, None] and result.total_kept_bytes is None
    assert "–" in str(result) and "–" in result._repr_html_()


def test_frozen_layers_keep_less():
    """Nothing below the first layer that learns is kept."""
    model = cnnlib.create_model("vgg11", num_classes=10, dense=16)
    for parameter in model.features.parameters():
        parameter.requires_grad_(False)
    x = torch.randn(2, 3, 32, 32)
    result = cnnlib.summary(model, tuple(x.shape))
    assert result.total_kept_bytes == cnnlib.summary.kept_bytes(model, x)
    assert all(row.kept_bytes == 0 for row in result.rows if row.name.startswith("features"))


def test_kept_bytes_leaves_the_averages():
    model = cnnlib.create_model("resnet8").train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    cnnlib.summary.kept_bytes(model, torch.randn(2, 3, 16, 16))
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


# ---- blocks and stages ----

@pytest.mark.parametrize("name", cnnlib.list_models())
def test_blocks_and_stages_partition_the_rows(name):
    result = cnnlib.summary.of(name)
    for parts in (result.blocks, result.stages):
        for total, one in (("total_macs", "macs"), ("total_kept_bytes", "kept_bytes")):
            assert sum(getattr(part, one) for part in parts) == getattr(result, total)
        assert sum(part.params for part in parts) == result.total_params - result.idle_params
    assert [row for block in result.blocks for row in block.rows] == result.rows
    assert [block for stage in result.stages for block in stage.blocks] == result.blocks
    names = [stage.name for stage in result.stages]
    assert len(set(names)) == len(names) and all(re.search("[a-z]{2}|^[cs][1-9]", name) for name in names)
    pixels = [stage.output_shape[2:] for stage in result.stages[:-1]]
    assert all(a != b for a, b in zip(pixels, pixels[1:], strict=False)) and len(result.stages) > 2
    for row in result.rows:
        assert row.output_shape[0] == 1 and row.kept_bytes >= 0


@pytest.mark.parametrize("name, names", [
    ("lenet5", "c1 s2 c3 s4 c5-f6"),
    ("alexnet", "conv1 conv2 conv3-5 maxpool classifier"),
    ("vgg16", "conv1-2 conv3-4 conv5-7 conv8-10 conv11-13 maxpool classifier"),
    ("googlenet", "conv1 conv2-conv3 inception3 inception4 inception5 fc"),
    ("resnet50", "conv1 layer1 layer2 layer3 layer4 fc"),
    ("resnet20", "layer1 layer2 layer3 fc"),
    ("densenet121", "conv0 denseblock1 denseblock2 denseblock3 denseblock4 classifier"),
])
def test_stage_names(name, names):
    assert [stage.name for stage in cnnlib.summary.of(name).stages] == names.split()


def test_blocks_say_how_paths_join():
    resnet = {b.name: b for b in cnnlib.summary.of("resnet50").blocks}
    first, second = resnet["layer1.0"], resnet["layer1.1"]
    assert (first.type, first.adds, first.shortcut, first.layers) == ("Bottleneck", 1, "projection", 4)
    assert (second.adds, second.concats, second.shortcut, second.branches) == (1, 0, "identity", 2)
    assert sum(b.adds for b in resnet.values()) == 16
    shortcuts = [b.shortcut for b in cnnlib.summary.of("resnet20").blocks if b.adds]
    assert shortcuts == ["identity"] * 3 + ["padding"] + ["identity"] * 2 + ["padding"] + ["identity"] * 2
    assert not any(b.adds or b.shortcut for b in cnnlib.summary.of("plain20").blocks)
    pre = [b.shortcut for b in cnnlib.summary.of("resnet50", preactivation=True).blocks if b.adds]
    assert pre.count("projection") == 4 and pre.count("identity") == 12
    inception = [b for b in cnnlib.summary.of("googlenet").blocks if b.concats]
    assert len(inception) == 9 and {b.branches for b in inception} == {4} and {b.layers for b in inception} == {6}
    v3 = [b.branches for b in cnnlib.summary.of("inception_v3").blocks if b.concats]
    assert v3 == [4, 4, 4, 3, 4, 4, 4, 4, 3, 4, 4]
    dense = [b for b in cnnlib.summary.of("densenet121").blocks if b.type == "DenseLayer"]
    assert len(dense) == 58 and sum(b.concats for b in dense) == 58 - 4     # the first of a block has one map only
    mobile = [b for b in cnnlib.summary.of("mobilenet_v2").blocks if b.adds]
    assert len(mobile) == 10 and {b.shortcut for b in mobile} == {"identity"}


def test_gates_do_not_split_a_block():
    blocks = [b for b in cnnlib.summary.of("se_resnet20").blocks if b.type == "BasicBlock"]
    assert len(blocks) == 9 and all(b.layers == 4 and b.adds == 1 for b in blocks)


# ---- blueprints ----

@pytest.mark.parametrize("name", cnnlib.list_models())
def test_blueprint_is_the_network(name):
    """Layer for layer the network that is built as ever, but on the meta device."""
    sketch = cnnlib.blueprint(name)
    with torch.device("meta"):
        model = cnnlib.create_model(name)
    assert str(sketch) == str(model)
    assert all(t.device.type == "meta" for t in (*sketch.parameters(), *sketch.buffers()) if t.is_floating_point())
    a, b = ({k: (v.shape, v.dtype) for k, v in m.state_dict().items()} for m in (sketch, model))
    assert a == b and [p.requires_grad for p in sketch.parameters()] == [p.requires_grad for p in model.parameters()]
    assert len({id(p) for p in sketch.parameters()}) == len(list(model.parameters()))
    assert cnnlib.blueprint(name) is sketch
    for own, usual in zip(sketch.modules(), model.modules(), strict=True):
        plain = [{k: v for k, v in vars(m).items() if isinstance(v, (bool, int, float, str, tuple, type(None)))}
                 for m in (own, usual)]
        assert set(vars(own)) == set(vars(usual)) and plain[0] == plain[1]


def test_sketching_is_of_one_thread_only():
    """While one thread sketches, another one builds networks with numbers."""
    import threading

    built = []
    with sketching():
        thread = threading.Thread(target=lambda: built.append(nn.Conv2d(3, 4, 3)))
        thread.start()
        thread.join()
        assert nn.Conv2d(3, 4, 3).weight.is_meta
    assert not built[0].weight.is_meta and built[0].weight.std() > 0
    layer = nn.Conv2d(3, 4, 3)
    assert not layer.weight.is_meta and layer.weight.std() > 0


def test_standard_inputs():
    found = {name: models.standard_input(name) for name in cnnlib.list_models()}
    assert found["alexnet"] == (3, 227, 227) and found["inception_v3"] == (3, 299, 299)
    assert found["lenet5"] == (1, 32, 32) and found["lenet5_modern"] == (1, 28, 28)
    assert found["resnet50"] == found["densenet121"] == (3, 224, 224)
    assert found["resnet20"] == found["densenet40_k12"] == (3, 32, 32)
    assert models.standard_input("alexnet", variant="torchvision") == (3, 224, 224)
    assert models.standard_input("resnet50", variant="cifar", in_channels=1) == (1, 32, 32)
    assert models.standard_input("vgg11", variant="cifar") == (3, 32, 32)


def test_of_remembers_and_refuses():
    assert cnnlib.summary.of("resnet20", shortcut="B") is cnnlib.summary.of("resnet20", shortcut="B")
    assert cnnlib.summary.of("resnet20", [1, 3, 64, 64]).rows[-3].output_shape == (1, 64, 16, 16)
    with pytest.raises(ValueError, match="depth is 21"):
        cnnlib.summary.of("resnet21")


# ---- forms ----

def test_dict_and_csv_hold_the_same_numbers():
    result = cnnlib.summary.of("resnet20")
    found = json.loads(json.dumps(result.to_dict()))
    assert [row["macs"] for row in found["rows"]] == [row.macs for row in result.rows]
    assert found["total_kept_bytes"] == result.total_kept_bytes
    assert [i for block in found["blocks"] for i in block["rows"]] == list(range(len(result.rows)))
    assert [i for stage in found["stages"] for i in stage["blocks"]] == list(range(len(result.blocks)))
    table = list(csv.DictReader(io.StringIO(result.to_csv())))
    assert [int(line["params"]) for line in table] == [row.params for row in result.rows]
    assert table[0]["output_shape"] == "1×16×32×32" and table[0]["name"] == "conv1"


def test_html_shares_of_the_totals():
    html = cnnlib.summary.of("vgg16")._repr_html_()
    assert '<small class="share">74.3%</small>' in html         # the first dense layer's 102,764,544 of 138,357,544


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
    with pytest.raises(ValueError, match="of 1×1×9×9: running_mean should contain 4 elements not 8"):
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
        (nn.Linear(2, 2), 32, "input_size is 32, allowed: whole numbers from 1, batch first"),
        (nn.Linear(2, 2), torch.ones(1, 2), "input_size is a Tensor, allowed"),
        (nn.Linear(2, 2), (1, 3), "cannot take an input of 1×3"),
        ("resnet18", (1, 3, 224, 224), "model is str"),
    ],
)
def test_bad_arguments(model, size, message):
    with pytest.raises(ValueError, match=message):
        cnnlib.summary(model, size)


@pytest.mark.parametrize("look", [lambda model: cnnlib.summary(model, (1, 3, 32, 32)),
                                  joints.find,
                                  lambda model: anatomy.kept_bytes(model, torch.ones(1, 3, 32, 32))])
def test_what_was_looked_at_is_let_go(look):
    """Its weights are freed once the reader drops it; a loop over large networks needs the memory of one."""
    model = models.create_model("resnet20")
    seen, result = weakref.ref(model), look(model)
    del model
    gc.collect()
    assert seen() is None and result is not None


def test_import_needs_neither_torchvision_nor_jupyter():
    code = "import sys, cnnlib; print({'torchvision', 'IPython', 'anywidget', 'sklearn'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
