"""Residual networks: counts of the papers, stage by stage, options that do what their source says."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from torchinfo import summary as torchinfo_summary

import cnnlib
from cnnlib.models import residual, resnet, senet

from . import count, meta


@pytest.mark.parametrize(
    "name, options, expected",
    [
        # He et al. 2015, table 6 (0.27M, 0.46M, 0.66M, 0.85M, 1.7M, 19.4M), option A
        ("resnet20", {}, 269_722),
        ("resnet32", {}, 464_154),
        ("resnet44", {}, 658_586),
        ("resnet56", {}, 853_018),
        ("resnet110", {}, 1_727_962),
        ("resnet1202", {}, 19_421_274),
        ("plain20", {}, 269_722),                       # identity shortcuts have no parameters
        ("plain56", {}, 853_018),
        ("resnet20", {"shortcut": "B"}, 272_474),
        ("resnet50", {"variant": "cifar"}, 755_802),    # 6n+2 with n = 8
        # ImageNet
        ("resnet18", {}, 11_689_512),
        ("resnet34", {"shortcut": "A"}, 21_623_848),
        ("resnet34", {"shortcut": "B"}, 21_797_672),
        ("resnet34", {"shortcut": "C"}, 21_797_672 + 919_168),
        ("resnet34", {"num_classes": 10}, 21_289_802),
        ("plain34", {}, 21_623_848),
        ("resnet50", {}, 25_557_032),
        ("resnet50", {"num_classes": 10}, 23_528_522),
        ("resnet50", {"variant": "torchvision"}, 25_557_032),
        ("resnet18", {"num_classes": 10}, 11_181_642),
        ("resnet101", {"num_classes": 10}, 42_520_650),
        ("resnet152", {"num_classes": 10}, 58_164_298),
        ("resnext50_32x4d", {"num_classes": 10}, 23_000_394),
        ("resnet101", {}, 44_549_160),
        ("resnet152", {}, 60_192_808),
        ("resnext50_32x4d", {}, 25_028_904),
        ("resnext101_32x8d", {}, 88_791_336),
        ("resnext101_64x4d", {}, 83_455_272),
        ("wide_resnet50_2", {}, 68_883_240),
        ("wide_resnet101_2", {}, 126_886_696),
        ("se_resnet50", {}, 28_088_024),
    ],
)
def test_published_parameter_counts(name, options, expected):
    assert count(meta(name, **options)) == expected


@pytest.mark.parametrize(
    "name, options, size, expected",
    [
        ("resnet50", {}, 224, 3_857_973_248),           # table 1: 3.8e9, stride in the 1x1
        ("resnet50", {"variant": "torchvision"}, 224, 4_089_184_256),
        ("resnet18", {}, 224, 1_814_073_344),           # 1.8e9
        ("resnet34", {}, 224, 3_663_761_408),           # 3.6e9, and the projections
        ("resnet101", {}, 224, 7_570_194_432),          # 7.6e9
        ("resnet152", {}, 224, 11_282_415_616),         # 11.3e9
        ("resnext50_32x4d", {}, 224, 4_230_479_872),
        ("resnet20", {}, 32, 40_551_040),
        ("resnet56", {}, 32, 125_485_696),
        ("resnet110", {}, 32, 252_887_680),
    ],
)
def test_multiply_accumulates(name, options, size, expected):
    assert cnnlib.summary(meta(name, **options), (1, 3, size, size)).total_macs == expected


def test_resnet50_stage_by_stage():
    model = meta("resnet50", num_classes=10)
    stages = {name: count(stage) for name, stage in model.named_children()}
    assert stages["conv1"] + stages["bn1"] == 9_536
    assert [stages[f"layer{i}"] for i in (1, 2, 3, 4)] == [215_808, 1_219_584, 7_098_368, 14_964_736]
    assert stages["fc"] == 20_490
    rows = cnnlib.summary(model, (1, 3, 224, 224)).rows
    shapes = {row.name: row.output_shape for row in rows}
    assert [shapes[f"layer{i}.2.conv3"] for i in (1, 2, 3, 4)] == [
        (1, 256, 56, 56), (1, 512, 28, 28), (1, 1024, 14, 14), (1, 2048, 7, 7)]
    types = [row.type for row in rows]
    assert (types.count("Conv2d"), types.count("BatchNorm2d"), types.count("ReLU")) == (53, 53, 49)
    assert sum(row.params for row in rows if row.type == "Conv2d") == 23_454_912
    assert sum(row.params for row in rows if row.type == "BatchNorm2d") == 53_120


def test_the_four_megabyte_figures_of_resnet50():
    """The totals that a common table printer gives (megabytes of 2**20, everything doubled but the input)."""
    model, outputs = meta("resnet50", num_classes=10, variant="torchvision"), []
    for module in model.modules():
        if module is not model and not isinstance(module, torch.nn.Sequential):
            module.register_forward_hook(lambda m, i, o: outputs.append(o.numel()))
    model.eval()(torch.empty(1, 3, 224, 224, device="meta"))
    figures = [3 * 224 * 224 * 4, 2 * sum(outputs) * 4, count(model) * 4]
    assert len(outputs) == 174
    assert [round(f / 2**20, 2) for f in (*figures, sum(figures))] == [0.57, 286.55, 89.75, 376.88]


def test_bottleneck_is_cheap():
    """Section 4.1: at 256 channels 69,632 weights instead of 1,179,648 for two 3x3."""
    def convs(block):
        return sum(m.weight.numel() for m in block.modules() if isinstance(m, torch.nn.Conv2d))

    assert convs(residual.Bottleneck(256, 64)) == 69_632
    assert convs(residual.BasicBlock(256, 256)) == 1_179_648


def test_option_a_samples_and_pads():
    x = torch.randn(2, 3, 5, 5)
    y = residual.ZeroPadShortcut(3, 7, 2)(x)
    assert y.shape == (2, 7, 3, 3)
    assert torch.equal(y[:, :3], x[:, :, ::2, ::2]) and not y[:, 3:].any()


@pytest.mark.parametrize("block", [residual.BasicBlock, residual.Bottleneck])
def test_a_branch_of_zeros_leaves_the_identity(block):
    """Figure 2: where F is zero, y = relu(x); before activation (2016) y = x exactly."""
    x = torch.randn(2, 8 * block.expansion, 6, 6)
    for preactivation, expected in ((False, x.relu()), (True, x)):
        b = block(8 * block.expansion, 8, preactivation=preactivation).eval()
        last = [m for m in b.modules() if isinstance(m, torch.nn.Conv2d)][-1]
        torch.nn.init.zeros_(last.weight)
        assert torch.equal(b(x), expected)


def test_plain_is_the_branch_alone():
    b = residual.BasicBlock(4, 8, 2, shortcut="none").eval()
    x = torch.randn(2, 4, 6, 6)
    assert torch.equal(b(x), b.branch(x).relu()) and b.downsample is None


def test_preactivation_is_figure_1b_of_the_second_paper():
    """Written out by hand: x + conv2(relu(bn2(conv1(relu(bn1(x)))))), the projection taking what is activated."""
    torch.manual_seed(0)
    same, wider = (residual.BasicBlock(4, c, s, preactivation=True) for c, s in ((4, 1), (8, 2)))
    x = torch.randn(3, 4, 6, 6)
    active = same.bn1(x).relu()
    torch.testing.assert_close(same(x), x + same.conv2(same.bn2(same.conv1(active)).relu()))
    active = wider.bn1(x).relu()
    branch = wider.conv2(wider.bn2(wider.conv1(active)).relu())
    torch.testing.assert_close(wider(x), wider.downsample(active) + branch)
    model = resnet.ResNet(20, preactivation=True)
    assert isinstance(model.layer1[0].bn1, torch.nn.Identity)       # the stem has activated already
    assert [type(m).__name__ for m in model.last] == ["BatchNorm2d", "ReLU"]
    assert count(meta("resnet110", preactivation=True)) == 1_727_962


@pytest.mark.parametrize("preactivation", [False, True])
def test_stochastic_depth(preactivation):
    torch.manual_seed(0)
    model = resnet.ResNet(20, stochastic_depth=0.5, preactivation=preactivation)
    blocks = [*model.layer1, *model.layer2, *model.layer3]
    assert [round(b.survival * 18) for b in blocks] == list(range(17, 8, -1))   # 1 - l/L * 0.5, L = 9
    block, x = blocks[4], torch.rand(2, 32, 8, 8)
    skipped, tries = 0, 400
    for _ in range(tries):
        skipped += torch.equal(block(x), x)
    assert abs(skipped / tries - (1 - block.survival)) < 0.1
    block.eval()                                                    # at test: the expectation
    twin = residual.BasicBlock(32, 32, shortcut="A", preactivation=preactivation).eval()
    twin.load_state_dict(block.state_dict())
    ready = twin.bn1(x).relu() if preactivation else x
    expected = x + block.survival * twin.branch(ready)
    torch.testing.assert_close(block(x), expected if preactivation else expected.relu())


def test_residual_scale_multiplies_the_branch():
    block = residual.BasicBlock(4, 4, residual_scale=0.1).eval()
    x = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(block(x), (x + 0.1 * block.branch(x)).relu())


def test_squeeze_and_excitation():
    se = senet.SqueezeExcite(32, 16)
    assert count(se) == 2 * 32 * 2 + 2 + 32
    x = torch.randn(2, 32, 5, 5)
    hidden = F.relu(x.mean((2, 3)) @ se.fc1.weight.T + se.fc1.bias)
    gates = torch.sigmoid(hidden @ se.fc2.weight.T + se.fc2.bias)
    torch.testing.assert_close(se.gates(x), gates)
    torch.testing.assert_close(se(x), x * gates[:, :, None, None])
    block = residual.BasicBlock(32, 32, se_reduction=16).eval()     # figure 3: before the sum
    torch.testing.assert_close(block(x), (x + block.se(block.branch(x))).relu())


@pytest.mark.parametrize("block", [residual.BasicBlock, residual.Bottleneck])
def test_where_the_gates_stand(block):
    """Before F, at its end, after the sum, on the shortcut: each as a formula of the block's own parts."""
    x = torch.randn(2, 16, 6, 6)
    expected = {
        "standard": lambda b: (x + b.se(b.branch(x))).relu(),
        "pre": lambda b: (x + b.branch(b.se(x))).relu(),
        "post": lambda b: b.se((x + b.branch(x)).relu()),
        "identity": lambda b: (b.se(x) + b.branch(x)).relu(),
    }
    for position, formula in expected.items():
        made = block(16, 16 // block.expansion, se_reduction=4, se_position=position).eval()
        torch.testing.assert_close(made(x), formula(made))
    wider = block(8, 16 // block.expansion, 2, se_reduction=4, se_position="pre")
    assert wider.se.fc1.in_features == 8 and wider(torch.randn(2, 8, 6, 6)).shape == (2, 16, 3, 3)


@pytest.mark.parametrize("r, millions", [(2, 45.7), (4, 35.7), (8, 30.7), (16, 28.1), (32, 26.9)])
def test_table_10_of_squeeze_and_excitation(r, millions):
    """Two dense layers of 2 C^2/r weights in all of the 16 blocks; the paper's millions to 0.1."""
    widths = [256] * 3 + [512] * 4 + [1024] * 6 + [2048] * 3
    expected = 25_557_032 + sum(2 * c * (c // r) + c // r + c for c in widths)
    assert count(meta("resnet50", se_reduction=r)) == expected
    assert abs(expected / 1e6 - millions) < 0.11


def test_every_depth_of_the_rule_has_a_name():
    for n in (1, 2, 4, 27):
        model = cnnlib.create_model(f"resnet{6 * n + 2}", num_classes=7)
        convs = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
        assert len(convs) + 1 == 6 * n + 2 and model.fc.out_features == 7
        assert len(model.layer1) == len(model.layer2) == len(model.layer3) == n and not model.layer4
    assert cnnlib.create_model("plain14").layer2[0].plain
    assert cnnlib.create_model("se_resnet14").layer2[0].se.fc1.out_features == 2
    assert not any(map(resnet.find, ("resnet", "resnet18d", "xresnet18", "se_plain20", "densenet121")))


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("resnet21", {}, r"depth is 21, allowed with variant 'paper': \[18, 34, 50, 101, 152\] or 6n\+2"),
        ("resnet2", {}, "depth is 2, "),
        ("resnet18", {"variant": "cifar"}, r"depth is 18, allowed with variant 'cifar': 6n\+2 \(8, 14, 20"),
        ("plain34", {"variant": "cifar"}, r"depth is 34, allowed with variant 'cifar': 6n\+2 \(8, 14, 20"),
        ("resnet20", {"variant": "torchvision"}, r"depth is 20, allowed with variant 'torchvision': \[18, 34"),
        ("plain101", {}, r"depth is 101, allowed with variant 'paper': \[18, 34\] or 6n\+2"),
        ("resnet50", {"variant": "timm"}, "variant is 'timm', allowed: 'paper', 'torchvision', 'cifar'"),
        ("resnet50", {"shortcut": "D"}, "shortcut is 'D', allowed: 'A', 'B', 'C', 'none'"),
        ("resnet50", {"stride_in": "2x2"}, "stride_in is '2x2', allowed: '1x1', '3x3'"),
        ("resnet18", {"stride_in": "3x3"}, "stride_in of basic blocks is '3x3', allowed: None"),
        ("resnet18", {"groups": 2}, "groups of basic blocks is 2, allowed: 1"),
        ("resnet50", {"groups": 0}, "groups is 0, allowed: whole numbers from 1"),
        ("resnet50", {"width_per_group": 0}, "width_per_group is 0"),
        ("resnet50", {"width": 8, "width_per_group": 4}, "width_per_group is 4, allowed with width 8"),
        ("resnet50", {"num_classes": 0}, "num_classes is 0"),
        ("resnet50", {"in_channels": 0}, "in_channels is 0"),
        ("resnet20", {"width": 0}, "width is 0"),
        ("resnet20", {"se_reduction": -1}, "se_reduction is -1"),
        ("resnet20", {"se_position": "end"}, "se_position is 'end', allowed: 'standard', 'pre', 'post', 'identity'"),
        ("plain20", {"se_position": "identity"}, "se_position without shortcuts is 'identity'"),
        ("resnet20", {"stochastic_depth": 1.0}, "stochastic_depth is 1.0"),
        ("resnet20", {"residual_scale": 0}, "residual_scale is 0"),
        ("resnet20", {"preactivation": "yes"}, "preactivation is 'yes'"),
        ("plain20", {"shortcut": "A"}, "plain20 has no option 'shortcut'"),
        ("resnet20", {"shortcut": "none", "stochastic_depth": 0.5}, "stochastic_depth without shortcuts is 0.5"),
        ("resnext50_32x4d", {"variant": "cifar"}, "variant is 'cifar', allowed: 'paper', 'torchvision'"),
        ("resnext50_32x4d", {"groups": 4}, "no option 'groups'"),
    ],
)
def test_bad_arguments_are_named(name, options, message):
    with pytest.raises(ValueError, match=message):
        meta(name, **options)


def test_wrong_images_are_named():
    with pytest.raises(ValueError, match=r"\(N, 3, H, W\) with H and W from 1, got \(2, 1, 32, 32\)"):
        cnnlib.create_model("resnet20")(torch.zeros(2, 1, 32, 32))
    assert cnnlib.create_model("resnet18").eval()(torch.zeros(1, 3, 1, 1)).shape == (1, 1000)


def closed_formula(n, width, classes):
    """Parameters of the CIFAR network with option A: 3x3 convolutions, two numbers a BatchNorm channel, fc."""
    total, channels = 27 * width + 2 * width, width
    for planes in (width, 2 * width, 4 * width):
        total += 9 * planes * (channels + (2 * n - 1) * planes) + 4 * n * planes
        channels = planes
    return total + channels * classes + classes


@settings(max_examples=12, deadline=None)
@given(
    n=st.integers(1, 3), width=st.integers(1, 6), classes=st.integers(1, 5), size=st.integers(4, 13),
    shortcut=st.sampled_from("ABC"), preactivation=st.booleans(), se=st.sampled_from([0, 2]),
)
def test_random_cifar_networks(n, width, classes, size, shortcut, preactivation, se):
    model = resnet.ResNet(
        6 * n + 2, classes, width=width, shortcut=shortcut, preactivation=preactivation, se_reduction=se)
    check_random(model, size, classes)
    assert count(resnet.ResNet(6 * n + 2, classes, width=width)) == closed_formula(n, width, classes)


@settings(max_examples=6, deadline=None)
@given(
    groups=st.sampled_from([1, 2, 4]), per_group=st.sampled_from([8, 16, 64]), width=st.sampled_from([8, 16]),
    stride_in=st.sampled_from(["1x1", "3x3"]), preactivation=st.booleans(), size=st.integers(33, 50),
)
def test_random_bottleneck_networks(groups, per_group, width, stride_in, preactivation, size):
    model = resnet.ResNet(
        50, 3, width=width, groups=groups, width_per_group=per_group, stride_in=stride_in, preactivation=preactivation)
    check_random(model, size, 3)


def check_random(model, size, classes):
    x = torch.randn(3, 3, size, size, requires_grad=True)
    logits = model(x)
    assert logits.shape == (3, classes)
    (logits * torch.randn_like(logits)).sum().backward()
    for name, parameter in (*model.named_parameters(), ("input", x)):
        assert parameter.grad is not None, name
    ours = cnnlib.summary(model, (3, 3, size, size))
    theirs = torchinfo_summary(model, (3, 3, size, size), verbose=0)
    assert ours.total_params == theirs.total_params == count(model)
