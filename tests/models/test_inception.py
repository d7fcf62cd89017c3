"""GoogLeNet's table 1 row by row, its options, and Inception-v3."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import cnnlib
from cnnlib.models import BasicConv2d, GoogLeNet, Inception, NaiveInception, inception, inception_v3

from . import count


def on_meta(name="googlenet", **options):
    with torch.device("meta"):
        return cnnlib.create_model(name, **options)


# Table 1 of the paper: output maps and side, "params" and "ops" as printed (K is 1024 in places, 1000 in
# others), then weights without biases and multiply-accumulates as they are.
TABLE_1 = {
    "conv1":       (64, 112, "2.7K", "34M", 9_408, 118_013_952),
    "conv2+3":     (192, 56, "112K", "360M", 114_688, 359_661_568),
    "inception3a": (256, 28, "159K", "128M", 163_328, 128_049_152),
    "inception3b": (480, 28, "380K", "304M", 388_096, 304_267_264),
    "inception4a": (512, 14, "364K", "73M", 375_552, 73_608_192),
    "inception4b": (512, 14, "437K", "88M", 448_512, 87_908_352),
    "inception4c": (512, 14, "463K", "100M", 509_440, 99_850_240),
    "inception4d": (528, 14, "580K", "119M", 604_672, 118_515_712),
    "inception4e": (832, 14, "840K", "170M", 867_328, 169_996_288),
    "inception5a": (832, 7, "1072K", "54M", 1_042_432, 51_079_168),
    "inception5b": (1024, 7, "1388K", "71M", 1_442_816, 70_697_984),
    "fc":          (1000, None, "1000K", "1M", 1_024_000, 1_024_000),
}


@pytest.fixture(scope="module")
def rows():
    """Rows of the summary at 224x224 by row of table 1."""
    found = {}
    for row in cnnlib.summary(on_meta(), (1, 3, 224, 224)).rows:
        part = row.name.split(".")[0]
        part = "conv2+3" if part in ("conv2", "conv3") else part
        found.setdefault(part, []).append(row)
    return found


@pytest.mark.parametrize("part", TABLE_1)
def test_table_1(part, rows):
    maps, side, _, _, weights, macs = TABLE_1[part]
    convs = [row for row in rows[part] if row.type in ("Conv2d", "Linear")]
    biases = sum(row.output_shape[1] for row in convs)
    assert sum(row.params for row in convs) - biases == weights
    assert sum(row.macs for row in convs) == macs
    if side:
        assert {row.output_shape[2] for row in rows[part]} == {side}
        branches = [row for row in convs if row.name.count(".") == 2 or row.name.endswith("1.conv")]
        last = [convs[-1]] if part.startswith("conv") else branches
        assert sum(row.output_shape[1] for row in last) == maps


def test_cells_of_table_1_that_are_wrong():
    """A printed cell is taken as right within one unit, of 1000 or of 1024 for parameters."""
    def wrong(printed, value, units):
        return all(abs(value / unit - float(printed[:-1])) > 1 for unit in units)

    params = [part for part, (_, _, p, _, weights, _) in TABLE_1.items() if wrong(p, weights, (1000, 1024))]
    ops = [part for part, (_, _, _, o, _, macs) in TABLE_1.items() if wrong(o, macs, (1e6,))]
    assert params == ["conv1", "inception4a", "inception4c", "inception4d", "inception4e",
                      "inception5a", "inception5b"]
    assert ops == ["conv1", "inception5a"]


def test_pools_and_depth(rows):
    pools = [row.output_shape[1:3] for name in rows for row in rows[name] if name.startswith("maxpool")]
    assert pools == [(64, 56), (192, 28), (480, 14), (832, 7)]
    net = on_meta()
    deepest = 3 + 2 * 9 + 1                     # the stem, two convolutions deep nine times, the last layer
    assert deepest == 22 and sum(isinstance(m, Inception) for m in net.modules()) == 9


@pytest.mark.parametrize(
    "name, options, side, params, macs",
    [
        ("googlenet", {}, 224, 13_378_280, 1_582_671_872),
        ("googlenet", {"aux_logits": False}, 224, 6_998_552, 1_582_671_872),
        ("googlenet", {"variant": "torchvision"}, 224, 13_004_888, 1_498_376_192),
        ("googlenet", {"variant": "torchvision", "aux_logits": False}, 224, 6_624_904, 1_498_376_192),
        ("googlenet", {"variant": "cifar"}, 32, 5_983_402, 391_620_608),
        ("inception_v3", {}, 299, 27_161_264, 5_713_216_096),
        ("inception_v3", {"aux_logits": False}, 299, 23_834_568, 5_713_216_096),
    ],
)
def test_counts(name, options, side, params, macs):
    found = cnnlib.summary(on_meta(name, **options), (1, 3, side, side))
    assert (found.total_params, found.total_macs) == (params, macs)


def test_table_sums_to_the_network():
    weights, macs = (sum(cells[i] for cells in TABLE_1.values()) for i in (4, 5))
    biases = sum(m.bias.numel() for m in on_meta(aux_logits=False).modules() if isinstance(m, (nn.Conv2d, nn.Linear)))
    assert weights + biases == 6_998_552 and macs == 1_582_671_872


def test_module_3a():
    """163,328 weights with the reductions, 387,072 without; with 32 maps of 3x3 in the place of 16 and 5x5 the
    shape is the same and only the count tells."""
    with torch.device("meta"):
        x = torch.empty(1, 192, 28, 28)
        true, naive = Inception(192, 64, 96, 128, 16, 32, 32), NaiveInception(192, 64, 128, 32)
        wrong = Inception(192, 64, 96, 128, 32, 32, 32, kernel_size=3)

    def weights(module):
        return sum(p.numel() for n, p in module.named_parameters() if n.endswith("weight"))

    assert (weights(true), weights(naive), weights(wrong)) == (163_328, 387_072, 162_816)
    assert true(x).shape == wrong(x).shape == (1, 256, 28, 28)
    assert naive(x).shape == (1, 64 + 128 + 32 + 192, 28, 28)
    with_bn = Inception(192, 64, 96, 128, 16, 32, 32, batch_norm=True)
    assert count(with_bn) == 163_328 + 2 * (64 + 96 + 128 + 16 + 32 + 32)


def test_branches_are_concatenated_in_order():
    torch.manual_seed(0)
    module, x = Inception(4, 3, 2, 5, 2, 6, 7), torch.randn(2, 4, 9, 9)
    y = module(x)
    parts = y.split((3, 5, 6, 7), 1)
    b1, b3 = module.branch1.conv, module.branch3
    torch.testing.assert_close(parts[0], F.relu(F.conv2d(x, b1.weight, b1.bias)))
    reduced = F.relu(F.conv2d(x, b3[0].conv.weight, b3[0].conv.bias))
    torch.testing.assert_close(parts[2], F.relu(F.conv2d(reduced, b3[1].conv.weight, b3[1].conv.bias, padding=2)))
    b4 = module.branch4[1].conv
    pooled = F.max_pool2d(F.pad(x, (1, 1, 1, 1), value=-torch.inf), 3, 1)
    torch.testing.assert_close(parts[3], F.relu(F.conv2d(pooled, b4.weight, b4.bias)))


def test_auxiliary_heads_by_name():
    torch.manual_seed(0)
    net = cnnlib.create_model("googlenet", num_classes=3).train()
    seen = {}
    for name in ("inception4a", "inception4d", "aux1", "aux2"):
        getattr(net, name).register_forward_hook(lambda m, i, o, name=name: seen.update({name: (i[0], o)}))
    found = net(torch.randn(1, 3, 80, 79))
    assert type(found).__name__ == "GoogLeNetOutputs"
    assert found._fields == ("logits", "aux_logits2", "aux_logits1")
    assert seen["aux1"][0] is seen["inception4a"][1] and seen["aux2"][0] is seen["inception4d"][1]
    assert found.aux_logits1 is seen["aux1"][1] and found.aux_logits2 is seen["aux2"][1]
    assert isinstance(net.eval()(torch.randn(1, 3, 31, 32)), torch.Tensor)
    assert inception.AUX_WEIGHT == 0.3 and {net.aux1.dropout.p, net.aux2.dropout.p} == {0.7}
    assert count(net.aux1) == 512 * 128 + 128 + 2048 * 1024 + 1024 + 1024 * 3 + 3
    without = on_meta(aux_logits=False).train()
    assert isinstance(without(torch.empty(1, 3, 64, 64, device="meta")), torch.Tensor)


def test_head_averages_5x5_windows_as_published():
    head, x = inception.InceptionAux(8, 2, False, pool=5), torch.randn(1, 8, 14, 14)
    seen = []
    head.conv.register_forward_pre_hook(lambda m, args: seen.append(args[0]))
    head(x)
    torch.testing.assert_close(seen[0], F.avg_pool2d(x, 5, 3))


def test_sizes_that_training_needs():
    with pytest.raises(ValueError, match="googlenet takes images .* from 79, got"):
        on_meta().train()(torch.empty(1, 3, 78, 79, device="meta"))
    assert on_meta().train()(torch.empty(1, 3, 79, 79, device="meta"))[1].shape == (1, 1000)
    v3 = on_meta("inception_v3").train()
    with pytest.raises(ValueError, match="inception_v3 takes images .* from 299, got"):
        v3(torch.empty(1, 3, 299, 298, device="meta"))
    found = v3(torch.empty(2, 3, 299, 299, device="meta"))
    assert found._fields == ("logits", "aux_logits")
    assert [logits.shape for logits in found] == [(2, 1000)] * 2


def test_forms():
    def kinds(kind, **options):
        return [m for m in on_meta(**options).modules() if isinstance(m, kind)]

    assert len(kinds(nn.LocalResponseNorm)) == 2 and not kinds(nn.BatchNorm2d)
    assert [c.kernel_size for c in kinds(nn.Conv2d)].count((5, 5)) == 9
    assert len(kinds(nn.BatchNorm2d, variant="torchvision")) == 57 + 2
    assert not [c for c in kinds(nn.Conv2d, variant="torchvision") if c.kernel_size == (5, 5)]
    assert not kinds((nn.LocalResponseNorm, nn.BatchNorm2d), norm="none")
    assert kinds(nn.Dropout, dropout=0.1)[-1].p == 0.1
    assert on_meta(variant="torchvision", kernel_size=5, aux_logits=False).inception3a.branch3[1].conv.padding == (2, 2)


def test_stages_at_32():
    rows = cnnlib.summary(on_meta(variant="cifar"), (1, 3, 32, 32)).rows
    sides = {row.name.split(".")[0]: row.output_shape[2] for row in rows if len(row.output_shape) == 4}
    assert [sides[name] for name in ("conv1", "inception3a", "inception4a", "inception5b")] == [32, 16, 8, 4]


def test_factorised_kernels():
    """1x7 then 7x1 keeps 28.6 % of the weights of a 7x7, 1x3 then 3x1 67 %, where all widths are equal; and the
    pair sees the whole square."""
    with torch.device("meta"):
        full, pair = BasicConv2d(8, 8, 7), nn.Sequential(inception_v3.row(8, 8, 7), inception_v3.column(8, 8, 7))
    weights = [sum(p.numel() for p in m.parameters() if p.ndim == 4) for m in (full, pair)]
    assert weights[1] / weights[0] == pytest.approx(2 / 7)
    assert [row.receptive_field for row in cnnlib.summary(pair, (1, 8, 17, 17)).rows][-1] == 7


def test_stages_of_inception_v3():
    """Table 1 of the paper: 35x35x288, 17x17x768, 8x8x1280, 8x8x2048; fewer than 25 million parameters, about 5
    billion multiply-adds."""
    net, seen = on_meta("inception_v3", aux_logits=False).eval(), {}
    for name, module in net.named_children():
        module.register_forward_hook(lambda m, i, o, name=name: seen.update({name: tuple(o.shape[1:3])}))
    net(torch.empty(1, 3, 299, 299, device="meta"))
    assert [seen[f"Mixed_{n}"] for n in ("5d", "6a", "6e", "7a", "7c")] == [
        (288, 35), (768, 17), (768, 17), (1280, 8), (2048, 8)]
    assert seen["maxpool1"] == (64, 73) and seen["maxpool2"] == (192, 35)
    assert count(net) < 25e6


@pytest.mark.parametrize(
    "options, message",
    [
        ({"norm": "layer"}, "norm is 'layer', allowed: 'lrn', 'batch', 'none'"),
        ({"kernel_size": 7}, "kernel_size is 7, allowed: 5, 3"),
        ({"aux_logits": "both"}, "aux_logits is 'both', allowed: False, True"),
        ({"dropout": 1.0}, "dropout is 1.0"),
    ],
)
def test_refused(options, message):
    with pytest.raises(ValueError, match=message):
        GoogLeNet(**options)


@pytest.mark.parametrize("variant", ["paper", "torchvision", "cifar"])
@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
@pytest.mark.parametrize("training", [False, True])
def test_no_smaller_picture_would_do(name, variant, training):
    """The smallest size is a number in the table of variants: without the check, a pixel less fails in a layer."""
    model = on_meta(name, variant=variant, aux_logits=True).train(training)
    size = (model.smallest_training if training else model.smallest) - 1
    model.smallest = model.smallest_training = 1
    with pytest.raises(RuntimeError, match="[Oo]utput size is too small|greater than actual input size|non-zero"):
        model(torch.empty(2, 3, size, size, device="meta"))


def test_other_refusals():
    with pytest.raises(ValueError, match="ch5x5red is 0, allowed: whole numbers from 1"):
        Inception(192, 64, 96, 128, 0, 32, 32)
    with pytest.raises(ValueError, match="ch3x3 is 1.5"):
        NaiveInception(192, 64, 1.5, 32)
    with pytest.raises(ValueError, match="aux_logits is 'yes'"):
        cnnlib.create_model("inception_v3", aux_logits="yes")
