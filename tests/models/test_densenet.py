"""DenseNets: counts of the paper, widths of every layer, and recomputation that changes nothing but memory."""

import copy

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torchinfo import summary as torchinfo_summary

import cnnlib
from cnnlib.models import dense, densenet

from . import count, meta


@pytest.mark.parametrize(
    "name, options, expected",
    [
        ("densenet121", {}, 7_978_856),
        ("densenet121", {"num_classes": 10}, 6_964_106),
        ("densenet121", {"compression": 1.0}, 13_908_584),                      # DenseNet-B
        ("densenet121", {"bottleneck": False}, 10_869_096),                     # DenseNet-C
        ("densenet121", {"bottleneck": False, "compression": 1.0}, 20_812_904),
        ("densenet169", {}, 14_149_480),
        ("densenet169", {"num_classes": 10}, 12_501_130),
        ("densenet201", {}, 20_013_928),
        ("densenet161", {}, 28_681_000),
        ("densenet201", {"num_classes": 10}, 18_112_138),
        ("densenet161", {"num_classes": 10}, 26_494_090),
        ("densenet264", {}, 33_337_704),
        ("densenet264", {"growth_rate": 48}, 72_686_632),                       # Pleiss et al.: 73M
        # Huang et al., table 2: 1.0M, 7.0M, 27.2M, 0.8M, 15.3M, 25.6M
        ("densenet40_k12", {}, 1_019_722),
        ("densenet100_k12", {}, 6_979_642),
        ("densenet100_k24", {}, 27_249_082),
        ("densenet_bc100_k12", {}, 769_162),
        ("densenet_bc250_k24", {}, 15_324_406),
        ("densenet_bc190_k40", {}, 25_624_430),
        ("densenet_bc40_k12", {}, 176_122),                                     # by the rule
        ("densenet_cifar", {}, 769_162),
        ("densenet_cifar", {"depth": 40, "bottleneck": False, "compression": 1.0}, 1_019_722),
        ("densenet_cifar", {"depth": 250, "growth_rate": 24}, 15_324_406),
    ],
)
def test_published_parameter_counts(name, options, expected):
    assert count(meta(name, **options)) == expected


@pytest.mark.parametrize(
    "name, size, expected",
    [
        ("densenet121", 224, 2_834_161_664),
        ("densenet169", 224, 3_359_843_328),
        ("densenet201", 224, 4_291_365_888),
        ("densenet161", 224, 7_727_907_072),
        ("densenet_bc100_k12", 32, 287_929_692),
    ],
)
def test_multiply_accumulates(name, size, expected):
    assert cnnlib.summary(meta(name), (1, 3, size, size)).total_macs == expected


def test_densenet121_stage_by_stage():
    features = meta("densenet121", num_classes=10).features
    counts = {name: count(stage) for name, stage in features.named_children()}
    assert counts["conv0"] + counts["norm0"] == 9_536
    assert [counts[f"denseblock{i}"] for i in (1, 2, 3, 4)] == [335_040, 919_680, 2_837_760, 2_158_080]
    assert [counts[f"transition{i}"] for i in (1, 2, 3)] == [33_280, 132_096, 526_336]
    assert counts["norm5"] == 2_048
    for block in (getattr(features, f"denseblock{i}") for i in (1, 2, 3, 4)):
        first = block["denselayer1"].norm1.num_features
        for i, layer in enumerate(block.values()):
            assert layer.norm1.num_features == layer.conv1.in_channels == first + 32 * i    # k0 + k (l - 1)
            assert (layer.conv1.weight.numel(), layer.conv2.weight.numel()) == (128 * (first + 32 * i), 36_864)
    convs = [m for m in features.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in features.modules() if isinstance(m, nn.BatchNorm2d)]
    assert (len(convs), sum(m.weight.numel() for m in convs)) == (120, 6_870_208)
    assert (len(norms), sum(map(count, norms))) == (121, 83_648)


def test_the_four_megabyte_figures_of_densenet121():
    """The totals that a common table printer gives (megabytes of 2**20, outputs doubled). Of the printed network a
    dense layer gives back old maps and new ones together, ours the new ones alone."""
    model, outputs = meta("densenet121", num_classes=10), []

    def write(module, inputs, output):
        old = sum(maps.numel() for maps in inputs) if isinstance(module, dense.DenseLayer) else 0
        outputs.append(old + output.numel())

    for module in model.modules():
        if module is not model and not isinstance(module, (nn.Sequential, nn.ModuleDict)):
            module.register_forward_hook(write)
    model.eval()(torch.empty(1, 3, 224, 224, device="meta"))
    figures = [3 * 224 * 224 * 4, 2 * sum(outputs) * 4, count(model) * 4]
    assert len(outputs) == 424
    assert [round(f / 2**20, 2) for f in (*figures, sum(figures))] == [0.57, 371.81, 26.57, 398.95]


@pytest.mark.parametrize("compression, expected", [(1.0, [256, 640, 1408, 1920]), (0.5, [256, 512, 1024, 1024])])
def test_width_after_each_block(compression, expected):
    features = meta("densenet121", compression=compression).features
    blocks = [features.get_submodule(f"denseblock{i}") for i in (1, 2, 3, 4)]
    assert [list(b.values())[-1].norm1.num_features + 32 for b in blocks] == expected


def test_layers_of_the_named_networks():
    """The name counts the layers with weights; that of DenseNet-264 is off by one: 1 + 2 x 130 + 3 + 1 = 265."""
    for name, depth in (("densenet121", 121), ("densenet161", 161), ("densenet264", 265), ("densenet40_k12", 40),
                        ("densenet_bc100_k12", 100)):
        layers = [m for m in meta(name).modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
        assert len(layers) == depth


def test_old_maps_come_first():
    block = dense.DenseBlock(2, 3, 2).eval()
    x = torch.randn(2, 3, 5, 5)
    y = block(x)
    assert y.shape == (2, 7, 5, 5) and torch.equal(y[:, :3], x)
    one = block["denselayer1"](x)
    assert torch.equal(y[:, 3:5], one) and torch.equal(y[:, 5:], block["denselayer2"](torch.cat([x, one], 1)))


# ---- recomputation ----

def train(model, batches):
    """Logits, gradients and state after each of some training steps."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    record = []
    for x, y in batches:
        optimizer.zero_grad()
        logits = model(x)
        F.cross_entropy(logits, y).backward()
        record += [logits.detach(), *(p.grad.clone() for p in model.parameters())]
        optimizer.step()
        record += [value.clone() for value in model.state_dict().values()]
    return record


def differences(plain, efficient, size=16, steps=3, batch=4, like=None):
    """Names of the buffers that differ after training both alike, and whether all else is equal bit for bit."""
    torch.manual_seed(0)
    batches = [(torch.randn(batch, 3, size, size), torch.randint(5, (batch,))) for _ in range(steps)]
    if like is not None:
        batches = [(x.to(**like), y) for x, y in batches]
    efficient.load_state_dict(copy.deepcopy(plain.state_dict()))
    for model in (plain, efficient):
        torch.manual_seed(1)                        # the same units are dropped
        model.trace = train(model.train(), batches)
    buffers = {name for name, b in plain.named_buffers() if not torch.equal(b, efficient.get_buffer(name))}
    return buffers, all(map(torch.equal, plain.trace, efficient.trace))


MODES = (True, "partly")


def pair(mode, blocks=(3, 3, 3), growth_rate=4, **options):
    torch.manual_seed(0)
    return [densenet.DenseNet(blocks, growth_rate, num_classes=5, stem="cifar", memory_efficient=m, **options)
            for m in (False, mode)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "options",
    [{}, {"bottleneck": False}, {"compression": 1.0}, {"dropout": 0.2}, {"bottleneck": False, "dropout": 0.5}],
)
def test_recomputation_changes_nothing(options, mode):
    assert differences(*pair(mode, **options)) == (set(), True)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("like", [{"dtype": torch.float64}, {"memory_format": torch.channels_last}])
def test_recomputation_in_other_formats(like, mode):
    assert differences(*(m.to(**like) for m in pair(mode)), like=like) == (set(), True)


@settings(max_examples=10, deadline=None)
@given(layers=st.integers(1, 5), k=st.integers(1, 7), size=st.sampled_from([4, 5, 8, 11]), batch=st.integers(2, 5),
       mode=st.sampled_from(MODES), threads=st.integers(1, 3))
def test_recomputation_of_random_networks(layers, k, size, batch, mode, threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        models = pair(mode, (layers, layers, 1), k)
        assert differences(*models, size=size, batch=batch, steps=2) == (set(), True)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("frozen", ["features.conv0", "features", "features.denseblock2.denselayer1.norm1"])
def test_recomputation_with_frozen_layers(frozen, mode):
    """Where nothing needs a gradient, autograd keeps other things; BatchNorm may be in evaluation on its own."""
    plain, efficient = pair(mode)
    efficient.load_state_dict(plain.state_dict())
    x, gradients = torch.randn(4, 3, 8, 8), []
    for model in (plain, efficient):
        model.train().get_submodule(frozen).requires_grad_(False)
        model.features.denseblock1.denselayer2.norm1.eval()
        model(x).square().sum().backward()
        gradients.append([p.grad for p in model.parameters() if p.requires_grad])
    assert len(gradients[0]) >= 2 and all(map(torch.equal, *gradients))
    assert all(map(torch.equal, plain.buffers(), efficient.buffers()))


@pytest.mark.parametrize("mode", MODES)
def test_recomputation_for_two_backward_passes(mode):
    plain, efficient = pair(mode)
    efficient.load_state_dict(plain.state_dict())
    x, gradients = torch.randn(4, 3, 8, 8), []
    for model in (plain, efficient):
        loss = model.train()(x).square().sum()
        loss.backward(retain_graph=True)
        loss.backward()
        gradients.append([p.grad for p in model.parameters()])
    assert all(map(torch.equal, *gradients)) and all(map(torch.equal, plain.buffers(), efficient.buffers()))


@pytest.mark.parametrize("mode", MODES)
def test_recomputation_in_half_precision_regions_and_with_cumulative_averages(mode):
    models = pair(mode)
    for model in models:
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None              # plain mean over all batches: the counter matters
    with torch.autocast("cpu", torch.bfloat16):
        assert differences(*models) == (set(), True)
    assert all(m.momentum is None for m in models[1].modules() if isinstance(m, nn.BatchNorm2d))


def test_torchvision_fails_the_same_test():
    """Its recomputation runs BatchNorm in training mode again: each batch enters the averages twice."""
    plain, efficient = (
        torchvision.models.DenseNet(4, (2, 2), 8, num_classes=5, memory_efficient=m) for m in (False, True))
    buffers, _ = differences(plain, efficient, size=32)
    layers = {f"features.denseblock{b}.denselayer{i}.norm1" for b in (1, 2) for i in (1, 2)}
    assert buffers == {f"{name}.{buffer}" for name in layers
                       for buffer in ("running_mean", "running_var", "num_batches_tracked")}
    counter = "features.denseblock1.denselayer1.norm1.num_batches_tracked"
    assert (plain.get_buffer(counter), efficient.get_buffer(counter)) == (3, 6)
    # Evaluated after training, the two are not the same network.
    x = torch.randn(2, 3, 32, 32)
    assert not torch.allclose(plain.eval()(x), efficient.eval()(x), atol=1e-3)


def saved_bytes(block, x):
    """Bytes that autograd keeps for the backward pass: distinct storages, parameters excluded."""
    own, kept = {p.untyped_storage().data_ptr() for p in block.parameters()}, {}

    def pack(t):
        if t.untyped_storage().data_ptr() not in own:
            kept[t.untyped_storage().data_ptr()] = (t.untyped_storage().nbytes(), t)
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        y = block(x)
    return sum(size for size, _ in kept.values()), y.numel() * y.element_size()


@pytest.mark.parametrize("layers", [8, 16])
def test_memory_of_a_block_is_quadratic_or_linear(layers):
    x = torch.randn(2, 24, 8, 8, requires_grad=True)
    kept = {}
    for efficient in (False, "partly", True):
        kept[efficient], output = saved_bytes(dense.DenseBlock(layers, 24, 12, efficient), x)
    assert kept[True] <= 1.05 * output              # the maps themselves, no more
    assert kept["partly"] == kept[True] + layers * output * 48 // (24 + 12 * layers)
    assert kept[False] > (12 if layers == 8 else 20) * output


def test_what_is_kept_without_bottleneck_is_w_h_k_1_plus_l_l():
    """2 W H k (1 + 2 + ... + L) values for k0 = k: input of BatchNorm and output of ReLU, joined anew by each layer;
    the first layer joins nothing, so that its copy is the only one that could be spared."""
    k, layers, size = 4, 6, 8
    block = dense.DenseBlock(layers, k, k, bottleneck=False)
    bytes_kept, _ = saved_bytes(block, torch.randn(1, k, size, size))
    statistics = 2 * 4 * sum(m.num_features for m in block.modules() if isinstance(m, nn.BatchNorm2d))
    buffers = 2 * statistics                        # BatchNorm keeps mean and deviation, and its running averages
    assert abs(bytes_kept - 4 * size * size * k * (1 + layers) * layers) <= buffers


@pytest.mark.parametrize("memory_efficient", [False, "partly", True])
def test_every_densenet_has_the_mode(memory_efficient):
    names = [name for name in cnnlib.list_models() if name.startswith("densenet")]
    assert len(names) == 12
    for name in names:
        blocks = [m for m in meta(name, memory_efficient=memory_efficient).modules()
                  if isinstance(m, dense.DenseBlock)]
        assert [b.memory_efficient for b in blocks] == [memory_efficient] * len(blocks)


# ---- arguments ----

@pytest.mark.parametrize(
    "name, options, message",
    [
        ("densenet_cifar", {"depth": 41}, r"depth is 41, allowed with bottleneck=True: 6n\+4 \(10, 16, 22"),
        ("densenet_cifar", {"depth": 41, "bottleneck": False},
         r"depth is 41, allowed with bottleneck=False: 3n\+4 \(7, 10, 13"),
        ("densenet_cifar", {"depth": 4}, "depth is 4, "),
        ("densenet_cifar", {"depth": "40"}, "depth is '40'"),
        ("densenet_bc101_k12", {}, "depth is 101"),
        ("densenet_cifar", {"growth_rate": 0}, "growth_rate is 0, allowed: whole numbers from 1"),
        ("densenet_cifar", {"compression": 0}, "compression is 0, allowed: above 0 up to 1"),
        ("densenet_cifar", {"compression": 1.5}, "compression is 1.5"),
        ("densenet_cifar", {"compression": 0.001}, "compression is 0.001, allowed: what leaves a map"),
        ("densenet_cifar", {"bottleneck": 2}, "bottleneck is 2"),
        ("densenet_cifar", {"variant": "torchvision"}, "variant is 'torchvision', allowed: 'paper', 'cifar'"),
        ("densenet121", {"variant": "cifar"}, "variant is 'cifar', allowed: 'paper', 'torchvision'"),
        ("densenet264", {"variant": "torchvision"}, "variant is 'torchvision', allowed: 'paper'"),
        ("densenet121", {"num_classes": 0}, "num_classes is 0"),
        ("densenet121", {"in_channels": 0}, "in_channels is 0"),
        ("densenet121", {"dropout": 1}, "dropout is 1"),
        ("densenet121", {"memory_efficient": "yes"}, "memory_efficient is 'yes'"),
        ("densenet40_k12", {"bottleneck": True}, "no option 'bottleneck'"),
    ],
)
def test_bad_arguments_are_named(name, options, message):
    with pytest.raises(ValueError, match=message):
        meta(name, **options)


def test_bad_blocks_are_named():
    for blocks in ((), (3, 0), 3):
        with pytest.raises(ValueError, match="blocks is "):
            densenet.DenseNet(blocks)


@pytest.mark.parametrize("name, smallest", [("densenet121", 29), ("densenet40_k12", 4)])
def test_smallest_image(name, smallest):
    model = meta(name).eval()
    model(torch.empty(1, 3, smallest, smallest, device="meta"))
    with pytest.raises(ValueError, match=f"H and W from {smallest}, got"):
        model(torch.empty(1, 3, smallest, smallest - 1, device="meta"))


# ---- random networks ----

def closed_formula(blocks, k, bottleneck, compression, stem, classes):
    """Parameters with the stem for CIFAR, from the paper's rules alone."""
    total, c = 27 * stem, stem
    for i, layers in enumerate(blocks):
        for _ in range(layers):
            total += 2 * c + (c * 4 * k + 8 * k + 9 * 4 * k * k if bottleneck else 9 * c * k)
            c += k
        if i < len(blocks) - 1:
            kept = int(c * compression)
            total, c = total + 2 * c + c * kept, kept
    return total + 2 * c + c * classes + classes


@settings(max_examples=15, deadline=None)
@given(
    blocks=st.lists(st.integers(1, 3), min_size=1, max_size=3), k=st.integers(1, 5), bottleneck=st.booleans(),
    compression=st.sampled_from([0.5, 0.7, 1.0]), stem=st.integers(4, 9), size=st.integers(8, 13),
    memory_efficient=st.sampled_from([False, "partly", True]),
)
def test_random_networks(blocks, k, bottleneck, compression, stem, size, memory_efficient):
    model = densenet.DenseNet(
        blocks, k, bottleneck, compression, 3, "cifar", stem, memory_efficient=memory_efficient)
    x = torch.randn(3, 3, size, size, requires_grad=True)
    logits = model(x)
    assert logits.shape == (3, 3)
    (logits * torch.randn_like(logits)).sum().backward()
    for name, parameter in (*model.named_parameters(), ("input", x)):
        assert parameter.grad is not None, name
    ours = cnnlib.summary(model, (3, 3, size, size))
    theirs = torchinfo_summary(model, (3, 3, size, size), verbose=0)
    assert ours.total_params == theirs.total_params == closed_formula(blocks, k, bottleneck, compression, stem, 3)
    twin = densenet.DenseNet(blocks, k, bottleneck, compression, 3, "cifar", stem)
    twin.load_state_dict(model.state_dict())
    assert torch.equal(twin.eval()(x), model.eval()(x))
