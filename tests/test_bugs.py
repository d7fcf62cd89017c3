"""The bug museum: a faulty program fails exactly its checks, its repair passes all, wrong repairs are told why."""

import html
import re
import time

import pytest
import torch
from torch import nn

from cnnlib import bugs
from cnnlib.bugs import anatomy_repaired, lenet_faulty, lenet_repaired
from cnnlib.bugs.lenet import trained_on_digits

IDS = bugs.list_exhibits()


def test_all_exhibits_are_there():
    assert IDS == ["A01", "A02", "A03", "D51", "D52", "D55", "D56", "D57", "D58", "D59"]


@pytest.mark.parametrize("exhibit_id", IDS)
def test_the_faulty_program_fails_exactly_the_checks_that_expose_it(exhibit_id):
    exhibit = bugs.get(exhibit_id)
    report = bugs.check(exhibit_id, exhibit.faulty)
    assert tuple(report.failures) == exhibit.exposed_by
    assert not report.passed
    assert "it stops with" not in repr(report), "it must fail by its fault, not by breaking the check"


@pytest.mark.parametrize("exhibit_id", IDS)
def test_the_repair_passes_every_check(exhibit_id):
    report = bugs.check(exhibit_id, bugs.get(exhibit_id).repaired)
    assert report.passed, report


@pytest.mark.parametrize("exhibit_id", IDS)
def test_nothing_handed_in_is_not_a_failure(exhibit_id):
    for nothing in (None, ...):
        report = bugs.check(exhibit_id, nothing)
        assert not report.passed
        assert repr(report) == f"… {exhibit_id}: no repair yet; hand in your own version of the program."


@pytest.mark.parametrize("exhibit_id", IDS)
def test_a_program_that_breaks_is_reported_not_raised(exhibit_id):
    def broken(*args, **kwargs):
        raise RuntimeError("oh dear")

    program = "raise RuntimeError('oh dear')" if exhibit_id == "D52" else broken
    assert "it stops with RuntimeError: oh dear" in repr(bugs.check(exhibit_id, program))


@pytest.mark.parametrize("exhibit_id", IDS)
def test_the_page_shows_fault_and_symptom_and_folds_the_rest(exhibit_id):
    exhibit = bugs.show(exhibit_id)
    page = exhibit._repr_html_()
    open_part, *folded = page.split("<details>")
    assert len(folded) == 2
    assert html.escape(exhibit.seen()) in open_part and "class=\"bug-symptom\"" in open_part
    assert exhibit.explanation[:20] not in open_part and exhibit.explanation[:20] not in repr(exhibit)
    assert re.search(r"style=|color:", page) is None
    assert page == bugs.show(exhibit_id)._repr_html_()


@pytest.mark.parametrize("exhibit_id", IDS)
def test_programs_are_short_and_checks_fast_and_leave_the_random_state(exhibit_id):
    exhibit = bugs.get(exhibit_id)
    assert len(bugs._source(exhibit.faulty).splitlines()) <= 20
    trained_on_digits()     # shared by several exhibits, trained once
    before = torch.random.get_rng_state()
    start = time.process_time()
    bugs.check(exhibit_id, exhibit.repaired)
    exhibit.seen()
    assert time.process_time() - start < 2
    assert torch.equal(before, torch.random.get_rng_state())


def test_an_unknown_exhibit_is_named():
    with pytest.raises(ValueError, match="exhibit 'D99' is not known, allowed: A01, .*D51, D52"):
        bugs.show("D99")


def square_kernels_only(model, x):
    layers = [layer for layer in model if isinstance(layer, nn.Conv2d)]
    return sum(layer(x).numel() * layer.in_channels // layer.groups * layer.kernel_size[0] ** 2 for layer in layers)


def only_dense_activations():
    network = lenet_repaired.LeNet28()
    network.features = nn.Sequential(*(m for m in network.features if not isinstance(m, nn.ReLU)))
    return network


def eval_for_good(model, batches):
    model.eval()
    return lenet_faulty.evaluate(model, batches)


def mean_of_batches(model, batches):
    accuracies = [(model(x).argmax(1) == y).float().mean().item() for x, y in batches]
    return sum(accuracies) / len(accuracies)


def shuffled_once(images, labels, batch_size):
    order = torch.randperm(len(images))
    return lenet_faulty.training_batches(images[order], labels[order], batch_size)


def shuffled_apart(images, labels, batch_size):
    return lenet_repaired.training_batches(images, labels[torch.randperm(len(labels))], batch_size)


def drawn_in_percent(axes, history):
    for name in ("train", "test"):
        axes.plot([100 * epoch[f"{name}_accuracy"] for epoch in history], label=f"{name} accuracy")
    axes.legend()


def drawn_as_losses(axes, history):
    for name in ("train", "test"):
        axes.plot([epoch[f"{name}_loss"] for epoch in history], label=name)
    axes.set_ylabel("loss")
    axes.legend()


def with_dropout():
    return nn.Sequential(nn.Linear(1024, 128), nn.Dropout(), nn.Linear(128, 10))


def bent_at_the_end():
    return nn.Sequential(nn.Linear(1024, 128), nn.Linear(128, 10), nn.ReLU())


@pytest.mark.parametrize(
    ("exhibit_id", "attempt", "failing", "told"),
    [
        ("A01", lambda m: sum(p.numel() for p in m.parameters() if p.requires_grad), "a frozen parameter counts",
         "expected 110"),
        ("A01", lambda m: sum(p.numel() for n in m.modules() for p in n.parameters()), "a network without", "expected"),
        ("A02", lambda m, x: anatomy_repaired.count_macs(m, x[:1]), "a plain convolution", "two pictures"),
        ("A02", square_kernels_only, "a kernel that is not square", "expected"),
        ("A03", lambda layers: sum(kernel - 1 for kernel, _ in layers) + 1, "layers with stride", "expected 11"),
        ("D51", only_dense_activations, "the convolutional part is more than", "averages are linear too"),
        ("D51", nn.Identity(), "ten scores for a picture of 28×28", "expected (2, 10)"),
        ("D52", "print('[1, 10]')", "the test is still a test", "LeNet28() is gone"),
        ("D52", lenet_repaired.SMOKE_TEST.replace(".shape", ""), "it runs and prints", "expected the shape of ten"),
        ("D55", eval_for_good, "the network is in the same mode", "put it back"),
        ("D56", mean_of_batches, "right for any batch size", "small last batch"),
        ("D56", lambda m, b: 100 * lenet_repaired.epoch_accuracy(m, b), "right for any batch size", "per cent"),
        ("D57", shuffled_once, "the order is new in every epoch", "one shuffled order"),
        ("D57", shuffled_apart, "each picture keeps its label", "shuffle both together"),
        ("D57", lambda x, y, batch_size: iter(lenet_repaired.training_batches(x, y, batch_size)),
         "every picture comes once in an epoch", "epoch 2 has 0 pictures"),
        ("D58", nn.Linear(1024, 10), "the hidden layer is still there", "keep both layers"),
        ("D58", bent_at_the_end, "in use it is more than one linear map", "must stand between"),
        ("D58", with_dropout, "in use it is more than one linear map", "Dropout does not bend it"),
        ("D59", drawn_in_percent, "the curves show the recorded values", "line 1 is no column"),
    ],
)
def test_a_wrong_repair_is_told_what_is_wrong(exhibit_id, attempt, failing, told):
    failures = bugs.check(exhibit_id, attempt).failures
    name = next((name for name in failures if name.startswith(failing)), None)
    assert name is not None, failures
    assert told in failures[name]


def test_another_good_repair_is_welcome():
    assert bugs.check("D59", drawn_as_losses).passed
    assert bugs.check("D51", lenet_repaired.LeNet28()).passed
