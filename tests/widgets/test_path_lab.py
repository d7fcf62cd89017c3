"""Path lab and lesion bench without a browser: what they answer, and what a page gets."""

import math
import re
from itertools import product

import pytest
from scipy.stats import binom

from cnnlib.experiments import lesion, lesion_records
from cnnlib.widgets import LesionBench, PathLab, lesion_bench
from tests.widgets.test_widgets import PAGE_BUDGET, unpack

# -- path lab ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", PathLab.inputs["n"])
@pytest.mark.parametrize("ratio", [0.05, 0.256, 1.0])
def test_a_path_lab_counts_as_the_binomial_does(n, ratio):
    answer = PathLab(n=n, ratio=ratio).answer
    assert [int(count) for count in answer["counts"]] == [math.comb(n, k) for k in range(n + 1)]
    assert answer["paths"] == f"{2**n:,}"
    expected = binom.pmf(range(n + 1), n, ratio / (1 + ratio))
    assert answer["gradient"] == pytest.approx(expected, rel=1e-5, abs=1e-12)
    assert sum(expected[answer["from_length"]:answer["to_length"] + 1]) == pytest.approx(answer["held"], abs=1e-6)
    assert answer["held"] >= 0.95
    assert len(answer["terms"]) == (2**n if n <= 6 else 0) and bool(answer["expansion"]) == (n <= 6)


def test_a_measured_ratio_is_added_to_those_of_the_page():
    lab = PathLab(n=27, ratio=0.328, low=3, high=11)
    spec = lab.static_spec()
    assert 0.328 in spec["grid"]["ratio"] and unpack(spec, {"n": 27, "ratio": 0.328}) == lab.answer
    assert (spec["state"]["low"], spec["state"]["high"]) == (3, 11)
    lab.n = 100                                         # with a kernel: any number
    assert lab.answer["paths"] == f"{2**100:,}" and lab.error == ""


def test_a_path_lab_refuses_what_it_cannot_show():
    for values, why in (({"n": 0}, "n is 0, allowed: 1 to 200"), ({"n": 201}, "n is 201, allowed: 1 to 200"),
                        ({"ratio": 0}, "ratio is 0, allowed: 0.001 to 10"), ({"low": -1}, "low is -1, allowed: from 0"),
                        ({"n": "many"}, "n is 'many', allowed: 1 to 200"),
                        ({"n": 3, "path": 99}, "path is 99, allowed with n = 3: 0 to 7"), ({"blocks": 3}, "no blocks")):
        with pytest.raises(ValueError, match=why):
            PathLab(**values)


# -- lesion bench -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page():
    return LesionBench().static_spec()


def test_every_answer_of_the_page_was_recorded_for_these_very_blocks(page):
    """All of them, from the files, not from the widget's own table; where nothing was recorded there is no number."""
    answered = {"digits": 0, "cifar10-short": 0}
    for pictures, depth in product(page["grid"]["pictures"], page["grid"]["depth"]):
        grid = {"digits": "digits", "CIFAR-10": "cifar10-short"}[pictures]
        names = [f"layer{stage}.{i}" for stage in (1, 2, 3) for i in range((depth - 2) // 6)]
        for restat, deleted in product((False, True), page["grid"]["deleted"]):
            answer = unpack(page, {"pictures": pictures, "depth": depth, "restat": restat, "deleted": deleted})
            places = [int(i) for i in deleted.split()]
            if max(places, default=0) >= len(names):
                assert "numbers of blocks" in answer
                continue
            gone = [names[i] for i in places]
            for kind, family in (("residual", "resnet"), ("plain", "plain")):
                found = lesion_records.recorded(f"{grid}-{family}{depth}")
                if not set(gone) <= set(found.blocks):
                    assert kind == "plain"
                    assert isinstance(answer, str) or answer["plain_error"] == answer["plain_wrong"] == ""
                    assert isinstance(answer, str) or answer["unfit"]
                    continue
                error = found.error(gone, "reestimated" if restat else "kept")
                if isinstance(answer, str):
                    assert error is None or kind == "plain"
                    continue
                assert answer[f"{kind}_error"] == pytest.approx(error, abs=1e-6)
                assert answer[f"{kind}_wrong"] == round(error * (355 if pictures == "digits" else 1000))
                assert answer["evaluated"] == "recorded"
                answered[grid] += 1
    assert answered["digits"] > 2 * 512 + 2 * 128 + 379 + 326
    assert answered["cifar10-short"] == 2 * (130 + 64 + 28 + 26)


def test_small_sets_are_all_on_the_page(page):
    for pictures, depth, most in (("digits", 20, 9), ("digits", 56, 2), ("CIFAR-10", 20, 3), ("CIFAR-10", 56, 1)):
        blocks = (depth - 2) // 2
        sets = [deleted for deleted in page["grid"]["deleted"] if len(deleted.split()) <= most
                and all(int(i) < blocks for i in deleted.split())]
        assert len(sets) == sum(math.comb(blocks, k) for k in range(most + 1))
        asked = [{"pictures": pictures, "depth": depth, "restat": restat, "deleted": deleted}
                 for deleted in sets for restat in (False, True)]
        assert not any(isinstance(unpack(page, each), str) for each in asked)


def test_a_page_stays_small():
    assert len(LesionBench().to_html().encode()) < PAGE_BUDGET
    assert len(PathLab().to_html().encode()) < 40_000


def test_with_a_kernel_any_set_is_evaluated():
    bench = LesionBench(depth=56, deleted="3 12 20 26")
    model, dataset = lesion.load("digits-resnet56")
    error = lesion.test_error(model, dataset.test, delete=["layer1.3", "layer2.3", "layer3.2", "layer3.8"])
    assert bench.answer["residual_error"] == pytest.approx(error, abs=1e-6)
    assert bench.answer["evaluated"] == "now" and bench.answer["residual_paths"] == f"{2**23:,}"
    bench.deleted = "18"
    assert (bench.answer["plain_error"], bench.answer["unfit"]) == ("", "layer3.0")


def test_the_page_never_asks_for_what_was_not_recorded(monkeypatch):
    monkeypatch.setattr(lesion_bench, "evaluated", None)
    spec = LesionBench().static_spec()
    for pictures, deleted in (("digits", "0 1 2"), ("CIFAR-10", "0 1")):
        asked = {"pictures": pictures, "depth": 56, "restat": False, "deleted": deleted}
        assert unpack(spec, asked) == "These blocks together were not evaluated."


def test_on_photographs_a_kernel_has_what_was_recorded():
    bench = LesionBench(pictures="CIFAR-10", depth=20, deleted="2 5 8")
    assert bench.answer["evaluated"] == "recorded" and bench.answer["residual_wrong"] <= 1000
    bench.deleted = "2 5 7 8"
    assert bench.error == "These blocks together were not evaluated." and bench.answered["deleted"] == "2 5 8"


@pytest.mark.parametrize("deleted", ["27", "3 3", "5 1", "03", "a", " 3", "-1", "3,5", [3]])
def test_what_are_no_blocks_is_refused(deleted):
    says = f"deleted is {re.escape(repr(deleted))}, allowed: a text of numbers of blocks, rising from 0 to 26"
    with pytest.raises(ValueError, match=says):
        LesionBench(depth=56, deleted=deleted)


def test_what_has_no_records_is_refused():
    with pytest.raises(ValueError, match="depth is 110, allowed: 20, 56"):
        LesionBench(depth=110)
    with pytest.raises(ValueError, match="pictures is 'flowers', allowed: 'digits', 'CIFAR-10'"):
        LesionBench(pictures="flowers")


def test_without_javascript_a_table_says_it():
    for pictures in ("digits", "CIFAR-10"):
        html = LesionBench(pictures=pictures, depth=20).fallback_html()
        assert html.count("<tr>") == 1 + 1 + 9 and html.count("cannot be deleted") == 2
        assert f"Test error on {pictures} of trained" in html
    assert "length" in PathLab(n=54).fallback_html()
