"""The memory experiment: every formula against what autograd is really handed, and torchvision's second update."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlib.experiments import memory
from cnnlib.experiments.memory import MODES
from cnnlib.models import DenseBlock

few = settings(max_examples=25, deadline=None)


@few
@given(layers=st.integers(1, 6), k=st.integers(1, 5), batch=st.integers(1, 3), size=st.integers(2, 7),
       mode=st.sampled_from(list(MODES)), start=st.none() | st.integers(1, 9), bottleneck=st.booleans())
def test_the_formula_is_what_a_block_keeps_to_the_byte(layers, k, batch, size, mode, start, bottleneck):
    bottleneck |= mode == "torchvision"
    case = layers, k, batch, size, mode, start, bottleneck
    assert memory.computed(*case) == memory.kept(*case)


@few
@given(n=st.integers(1, 3), k=st.integers(1, 6), batch=st.integers(1, 2), size=st.sampled_from([8, 12, 20]),
       mode=st.sampled_from(list(MODES)), bottleneck=st.booleans())
def test_the_formula_is_what_a_network_keeps_to_the_byte(n, k, batch, size, mode, bottleneck):
    bottleneck |= mode == "torchvision"
    depth = (6 if bottleneck else 3) * n + 4
    case = depth, k, batch, size, mode, bottleneck
    assert memory.network_computed(*case) == memory.network_kept(*case)
    with torch.device("meta"):
        network = memory.network(depth, k, mode, bottleneck)
    assert memory.network_weights(depth, k, bottleneck) == 4 * sum(p.numel() for p in network.parameters())


def test_torchvisions_blocks_stand_in_the_network_and_compute_the_same():
    torch.manual_seed(0)
    nets = [memory.network(16, 4, mode).eval() for mode in MODES]
    kinds = [type(net.features.denseblock2).__name__ for net in nets]
    assert kinds == ["DenseBlock", "_DenseBlock", "DenseBlock", "DenseBlock"]
    modes = [getattr(net.features.denseblock1, "memory_efficient", None) for net in nets]
    assert modes == [False, None, "partly", True]
    assert all(layer.memory_efficient for layer in nets[1].features.denseblock3.values())
    x = torch.randn(2, 3, 8, 8)
    for net in nets[1:]:
        net.load_state_dict(nets[0].state_dict(), strict=True)
        torch.testing.assert_close(net(x), nets[0](x))


@pytest.mark.parametrize("layers", [1, 2, 5, 24])
def test_the_notes_formula_counts_exactly_the_temporaries(layers):
    assert memory.temporaries(layers, 3, 5, batch=2) == memory.formula(layers, 3, 5, batch=2)


def test_a_parabola_for_naive_and_a_line_for_ours():
    layers = [4, 8, 12, 16]
    fits = {mode: memory.parabola(layers, [memory.kept(n, 4, 2, 6, mode) for n in layers]) for mode in MODES}
    values = 4 * 2 * 6**2                                   # bytes of one map
    a, b, c = fits["naive"]
    assert c == pytest.approx(4 * values + 4 * 4)           # k maps, and two numbers each
    for mode in ("torchvision", "partly", "fully"):
        assert abs(fits[mode][2]) < 1e-6 * c
    assert fits["fully"][1] == pytest.approx(4 * values)    # every layer adds its own k maps and nothing else
    assert fits["fully"][0] == pytest.approx(4 * values)
    assert fits["partly"][1] == pytest.approx(5 * 4 * values)


@pytest.mark.parametrize("layers", [16, 64, 190])
def test_what_ours_keeps_is_less_than_the_blocks_output_and_torchvisions_nine_times_that(layers):
    case = layers, 12, 8, 16
    output = memory.output_bytes(*case)
    x = torch.empty(8, 24, 16, 16, device="meta")
    with torch.device("meta"):
        block = memory.block(layers, 12)
    assert output == 4 * block(x).numel()
    share = {mode: memory.computed(*case, mode) / output for mode in MODES}
    assert share["fully"] < 1 and share["fully"] < share["partly"] < 5 < 8 < share["torchvision"] < 9.1 < share["naive"]
    if layers == 64:
        assert (round(share["torchvision"], 2), round(share["naive"], 1)) == (8.75, 72.8)


def test_weights_against_temporaries_and_where_the_rule_fails():
    for layers, k in ((1, 3), (12, 12), (6, 32)):
        assert memory.convolution_weights(layers, k) == 4 * 9 * k * k * layers * (layers + 1) // 2
    assert memory.convolution_weights(12, 12) == 4 * 101_088
    assert memory.threshold(32) == 144
    for size in (56, 28, 14, 12, 7):
        more = memory.formula(16, 32, size) / memory.convolution_weights(16, 32)
        assert more == pytest.approx(size**2 / memory.threshold(32))
        assert (more >= 1) == (size >= 12)                  # 14 × 14 = 196 pixels, 7 × 7 = 49


@few
@given(limit=st.integers(20, 34), k=st.integers(1, 24), batch=st.integers(1, 64), mode=st.sampled_from(list(MODES)),
       bottleneck=st.booleans())
def test_the_deepest_network_fits_and_the_next_does_not(limit, k, batch, mode, bottleneck):
    limit, step = 2**limit, 6 if bottleneck else 3
    depth = memory.deepest(limit, k, batch, 32, mode, bottleneck)
    rest = k, batch, 32, mode, bottleneck
    assert memory.training_bytes((depth or 4) + step, *rest) > limit
    if depth is not None:
        assert (depth - 4) % step == 0 and memory.training_bytes(depth, *rest) <= limit


def test_the_deepest_network_by_another_measure():
    asked = []

    def needed(depth, growth_rate, *_):
        asked.append(depth)
        return depth * growth_rate

    assert memory.deepest(1000, 10, needed=needed) == 100
    assert len(asked) == len(set(asked)) < 12               # each trains a network
    assert memory.deepest(99, 10, needed=needed) is None


def test_the_meter_shows_measured_points_on_its_curve():
    answers = {mode: memory.meter(22, 4, 2, 8, mode, limit=2**22, points=(10, 16)) for mode in MODES}
    for answer in answers.values():
        assert set(answer["measured"]) == {10, 16}
        assert all(answer["computed"][depth] == nbytes for depth, nbytes in answer["measured"].items())
        assert answer["computed"][22] == answer["bytes"] == answer["kept"] + 3 * answer["weights"]
        assert answer["fits"] == (answer["bytes"] <= 2**22) == (answer["deepest"] >= 22)
        assert answer["deepest"] == max(d for d in answer["computed"] if answer["computed"][d] <= 2**22)
    deepest = [answers[mode]["deepest"] for mode in MODES]
    assert deepest == sorted(deepest) and deepest[0] < deepest[-1]
    small = memory.meter(22, 4, 2, 8, limit=1000, points=(10,), budget=1000)
    assert small["deepest"] is None and not small["fits"] and small["measured"] == {}


@pytest.mark.parametrize("batch, pieces", [(1, [True, True, False, False]), (2, 4 * [False])])
def test_joining_copies(batch, pieces):
    rows = memory.joins(batch)
    assert [row["in one piece"] for row in rows] == pieces and all(row["copied"] for row in rows)
    assert rows[0]["strides in the whole"][0] == 5 * 16 and rows[0]["strides"][0] == 3 * 16
    assert rows[2]["strides in the whole"] == (80, 1, 20, 5)


def test_torchvision_fails_and_ours_pass():
    answers = memory.torchvision_fails()
    theirs = answers.pop("torchvision")
    assert (len(theirs["differ"]), theirs["buffers"], theirs["batches"]) == (18, 45, (3, 6))
    assert all(".norm1." in name for name in theirs["differ"])
    assert theirs["outputs"] and theirs["gradients"] and theirs["weights"]
    for answer in answers.values():
        assert answer == {"buffers": 45, "differ": [], "outputs": True, "gradients": True, "weights": True,
                          "batches": (3, 3)}


def test_the_comparison_tells_every_difference():
    torch.manual_seed(0)
    plain, other = (memory.DenseNet((1, 1), 4, num_classes=5) for _ in range(2))
    other.features.denseblock1.denselayer1.dropout = 0.5
    answer = memory.compared(plain, other, steps=1)
    assert not answer["outputs"] and not answer["gradients"] and not answer["weights"]
    assert answer["batches"] == (1, 1) and len(answer["differ"]) > 0


def test_overhead_is_a_ratio_of_times():
    assert 0.1 < memory.overhead(2, 4, 2, 8, "fully", repeats=3) < 20


def test_arguments_are_named():
    for call in (memory.block, memory.kept, memory.computed):
        with pytest.raises(ValueError, match="mode is 'frugal', allowed: 'naive', 'torchvision', 'partly', 'fully'"):
            call(2, mode="frugal")
    with pytest.raises(ValueError, match="depth is 41"):
        memory.network(41)
    with pytest.raises(ValueError, match="bottleneck is False, allowed: True"):
        memory.block(2, mode="torchvision", bottleneck=False)
    assert isinstance(memory.block(2), DenseBlock)


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what is missing without a GPU")
def test_the_peak_needs_a_gpu():
    with pytest.raises(ValueError, match="peak_bytes needs a GPU"):
        memory.peak_bytes(10)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_peak_on_a_gpu():
    peaks = {mode: memory.peak_bytes(40, 12, 16, 32, mode) for mode in MODES}
    for mode, peak in peaks.items():
        assert peak > memory.network_computed(40, 12, 16, 32, mode)
    assert peaks["fully"] < peaks["partly"] < peaks["torchvision"] < peaks["naive"]
