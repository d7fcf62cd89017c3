"""The bug museum: a faulty program fails exactly its checks, its repair passes all, wrong repairs are told why."""

import argparse
import html
import math
import re
import statistics

import pytest
import torch
from torch import nn

from cnnlib import models
from cnnlib.course import bugs, chapters, claims, exercises
from cnnlib.course.alexnet import faulty as alexnet_faulty
from cnnlib.course.alexnet import repaired as alexnet_repaired
from cnnlib.course.anatomy import repaired as anatomy_repaired
from cnnlib.course.comparison import repaired as comparison_repaired
from cnnlib.course.densenet import faulty as densenet_faulty
from cnnlib.course.lenet import faulty as lenet_faulty
from cnnlib.course.lenet import repaired as lenet_repaired
from cnnlib.course.resnet import faulty as resnet_faulty
from cnnlib.course.resnet import repaired as resnet_repaired
from cnnlib.course.tools import on_meta, parameters, ran
from cnnlib.course.transfer import repaired as transfer_repaired
from cnnlib.course.vgg import faulty as vgg_faulty
from cnnlib.course.vgg import repaired as vgg_repaired

IDS = bugs.list_exhibits()


def test_names_are_unique_and_stand_behind_their_chapter():
    for chapter, module in chapters.parts("bugs").items():
        assert bugs.list_exhibits(chapter) == [f"{chapter}/{exhibit.id}" for exhibit in module.EXHIBITS]
    names = [*IDS, *claims.load(), *exercises.list_exercises()]
    assert len(names) == len(set(names)), "one name for two things"
    for name in names:
        assert re.fullmatch(r"[a-z]+/[a-z0-9]+(-[a-z0-9]+)*", name), name
    with pytest.raises(ValueError, match="chapter is 'poetry', allowed: 'anatomy', 'lenet'"):
        bugs.list_exhibits("poetry")


@pytest.mark.parametrize("exhibit_id, said", [
    ("vgg/hundred-and-twelve", "Exposed by the check “right for any picture”."),
    ("vgg/talking-network", "Exposed by the checks “nothing is printed”, “types and shapes are returned”."),
])
def test_one_check_or_several_checks_are_named(exhibit_id, said):
    assert said in bugs.get(exhibit_id)._repr_html_()


@pytest.mark.parametrize("exhibit_id", IDS)
def test_the_faulty_program_fails_exactly_the_checks_that_expose_it(exhibit_id):
    exhibit = bugs.get(exhibit_id)
    report = bugs.check(exhibit_id, exhibit.faulty)
    assert tuple(report.failures) == exhibit.exposed_by
    assert not report.passed
    assert "it stops with" not in repr(report), "it must fail by its fault, not by breaking the check"


@pytest.mark.parametrize("exhibit_id", IDS)
def test_nothing_handed_in_is_not_a_failure(exhibit_id):
    for nothing in (None, ...):
        report = bugs.check(exhibit_id, nothing)
        assert not report.passed
        assert repr(report) == f"… {exhibit_id}: no repair yet.\n  Hand in your own version of the program."


@pytest.mark.parametrize("exhibit_id", IDS)
def test_a_program_that_breaks_is_reported_not_raised(exhibit_id):
    def broken(*args, **kwargs):
        raise RuntimeError("oh dear")

    program = "raise RuntimeError('oh dear')" if isinstance(bugs.get(exhibit_id).faulty, str) else broken
    assert "it stops with RuntimeError: oh dear" in repr(bugs.check(exhibit_id, program))


@pytest.mark.parametrize("exhibit_id", IDS)
def test_the_page_shows_fault_and_symptom_and_folds_the_rest(exhibit_id):
    exhibit = bugs.show(exhibit_id)
    page = exhibit._repr_html_()
    open_part, *folded = page.split("<details>")
    assert len(folded) == len(exhibit.hints) + 2 and (exhibit.hints or exhibit_id in bugs.list_exhibits("lenet"))
    assert all(html.escape(hint) in fold for hint, fold in zip(exhibit.hints, folded, strict=False))
    assert html.escape(exhibit.seen()) in open_part and "class=\"bug-symptom\"" in open_part
    assert html.escape(exhibit.explanation[:20]) not in open_part and re.search(r"style=|color:", page) is None


def test_text_shows_fault_and_symptom_without_cause_hint_or_repair():
    exhibit = bugs.get("densenet/narrow-layers")
    text = repr(exhibit)
    assert exhibit.seen() in text and "class DenseBlock" in text
    assert exhibit.explanation[:20] not in text and exhibit.hints[0] not in text and "models." not in text


@pytest.mark.parametrize("exhibit_id", IDS)
def test_the_repair_passes_every_check_and_leaves_the_random_state(exhibit_id, gpu_seeds):
    exhibit = bugs.get(exhibit_id)
    assert len(bugs._source(exhibit.faulty).splitlines()) <= 20
    before = torch.random.get_rng_state()
    report = bugs.check(exhibit_id, exhibit.repaired)
    assert report.passed, report
    exhibit.seen()
    assert torch.equal(before, torch.random.get_rng_state()) and gpu_seeds == []


@pytest.mark.parametrize("exhibit_id", IDS)
def test_what_is_no_number_passes_nowhere(exhibit_id):
    """It is neither near to the right one nor far from it."""
    for value in (math.nan, torch.tensor(math.nan), (math.nan, math.nan)):
        assert not bugs.check(exhibit_id, lambda *given, value=value, **options: value).passed


def test_an_unknown_exhibit_is_named():
    with pytest.raises(ValueError, match="exhibit 'lenet/nothing' is not known, allowed: anatomy/.*, lenet/smoke"):
        bugs.show("lenet/nothing")


def square_kernels_only(model, x):
    layers = [layer for layer in model if isinstance(layer, nn.Conv2d)]
    return sum(layer(x).numel() * layer.in_channels // layer.groups * layer.kernel_size[0] ** 2 for layer in layers)


def test_the_programs_have_the_counts_of_the_published_ones():
    def count(program, *args, averages=False, **options):
        network = on_meta(program, *args, **options)
        running = [b.numel() for name, b in network.named_buffers() if "running" in name]
        return parameters(network) + averages * sum(running)

    assert count(alexnet_faulty.OneTower) == count(alexnet_repaired.OneTower) == 58_322_314
    assert count(alexnet_faulty.for_one_gpu) == 26_826_115
    assert count(alexnet_faulty.Compact) == 45_510_474
    assert count(vgg_faulty.vgg16) == 165_096_232
    assert count(vgg_repaired.VGG16) == 134_301_514
    assert count(resnet_faulty.ResNet34, last=resnet_faulty.stage) == 16_822_410
    assert count(resnet_faulty.ResNet34) == 21_544_074
    assert count(resnet_repaired.ResNet34) == 21_289_802 == 21_544_074 - 8_512 - (250_890 - 5_130)
    # Keras counts BatchNorm's running averages as parameters.
    assert count(resnet_faulty.resnet101, averages=True) == 13_792_835
    assert count(densenet_faulty.densenet121, averages=True) == 4_763_203


def test_the_faulty_densenet_has_the_maps_of_the_published_one():
    with torch.device("meta"):
        trace = ran(densenet_faulty.densenet121(), torch.empty(1, 3, 224, 224))
    transitions = [layer.in_channels for layer, _ in trace if getattr(layer, "out_channels", 0) == 64]
    assert transitions == [224, 448, 832]
    assert densenet_faulty.densenet121()[-1].in_features == 576


def in_training_mode(model, optimizer, train, test):
    _, on_test = comparison_repaired.train_and_report(model, optimizer, train, test)
    model.train()
    right = sum((model(x).argmax(1) == y).sum().item() for x, y in train)
    return right / sum(len(y) for _, y in train), on_test


def best_of_last_epochs(curves):
    return sorted(curves, key=lambda name: min(errors[-1] for errors in curves[name]))


def mean_of_best_epochs(curves):
    return sorted(curves, key=lambda name: statistics.fmean(min(errors) for errors in curves[name]))


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


def activations_in_the_dense_part(num_classes=10, dense=4096):
    network = alexnet_faulty.OneTower(num_classes, dense)
    network.classifier.insert(1, nn.ReLU())
    network.classifier.insert(3, nn.ReLU())
    return network


def started_at_zero(seconds):
    squares = sum(duration**2 for duration in seconds) / len(seconds)
    mean = sum(seconds) / len(seconds)
    return mean, math.sqrt(squares - mean**2)


def all_alike(network):
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.constant_(layer.weight, 0.01)
            nn.init.zeros_(layer.bias)


def without_waiting(step, synchronise, fetch, clock, steps=10):
    start = clock()
    for _ in range(steps):
        step()
    return (clock() - start) / steps


def listening_for_ever(network, x):
    shapes = []
    for layer in network:
        layer.register_forward_hook(lambda layer, _, out: shapes.append((type(layer).__name__, out.shape)))
    network(x)
    return shapes


def without_the_start(num_classes=10, dense=4096):
    class VGG16(vgg_faulty.VGG16):
        def _initialize_weights(self):
            pass

    return VGG16(num_classes, dense)


def rounded_up(side):
    return 9408, -(-(side + 2 * 3 - 7) // 2) + 1, -(-(-(-(side + 2 * 3 - 7) // 2) + 1 + 2 - 3) // 2) + 1


def without_its_heads(network):
    for head in ("aux1", "aux2", "AuxLogits"):
        network._modules.pop(head, None)
    return parameters(network)


def one_number_a_block(blocks, cin=256, cout=512, stride=2):
    again = models.BasicBlock(cout, cout)
    return nn.Sequential(models.BasicBlock(cin, cout, stride), *(blocks - 1) * [again])


def without_any_bend(maps):
    block = models.InvertedResidual(maps, maps)
    block.conv[0][2] = block.conv[1][2] = nn.Identity()
    return block


def bent_after_the_sum(maps):
    return nn.Sequential(models.InvertedResidual(maps, maps), nn.ReLU())


def one_gate_for_all(channels, reduction):
    class OneGate(nn.Module):
        def __init__(self):
            super().__init__()
            self.gate = nn.Linear(channels, 1)

        def forward(self, x):
            return x * torch.sigmoid(self.gate(x.mean((2, 3))))[:, :, None, None]

    return OneGate()


def padded_by_the_field():
    stack = models.DilatedStack(16)
    for layer, rate in zip(list(stack)[::3], (1, 2, 4), strict=True):
        layer.padding = (2 * rate, 2 * rate)
    return stack


def without_averages(channels, growth_rate=32):
    return nn.Sequential(
        nn.ReLU(), nn.Conv2d(channels, 4 * growth_rate, 1),
        nn.ReLU(), nn.Conv2d(4 * growth_rate, growth_rate, 3, padding=1),
    )


def only_missing_names_count(network, weights):
    missing, _ = network.load_state_dict(weights, strict=False)
    if missing:
        raise ValueError(missing)
    return network.requires_grad_(False)


def evaluating_until_told_otherwise(network):
    return network.eval().requires_grad_(False)


class SlowAverages(nn.Module):
    """Averages that do not move, and pictures that are still normalised by their batch."""

    def __init__(self, network):
        super().__init__()
        self.network = network.requires_grad_(False)

    def forward(self, x):
        state = {name: value.clone() for name, value in self.network.state_dict().items()}
        features = self.network(x)
        self.network.load_state_dict(state)
        return features


def squeezed(picture, size):
    return nn.functional.interpolate(picture[None].float(), (size, size))[0].to(torch.uint8)


def the_middle_only(picture, size):
    top, left = (picture.shape[1] - size) // 2, (picture.shape[2] - size) // 2
    return picture[:, top:top + size, left:left + size]


def mean_over_batches(model, batches):
    return sum(nn.functional.cross_entropy(model(x), y).item() for x, y in batches) / len(batches)


def with_labels_of_axes_exchanged(axes, labels, answers, classes):
    transfer_repaired.draw_confusion(axes, labels, answers, classes)
    axes.set(xlabel=axes.get_ylabel(), ylabel=axes.get_xlabel())


def without_labels_of_axes(axes, labels, answers, classes):
    transfer_repaired.draw_confusion(axes, labels, answers, classes)
    axes.set(xlabel="", ylabel="")


def true_word_only(words):
    return argparse.Namespace(pretrained="True" in words or not words)


@pytest.mark.parametrize(
    ("exhibit_id", "attempt", "failing", "told"),
    [
        ("anatomy/heavier-than-itself",
         lambda m: sum(p.numel() for p in m.parameters() if p.requires_grad), "a frozen parameter counts",
         "expected 110"),
        ("anatomy/heavier-than-itself",
         lambda m: sum(p.numel() for n in m.modules() for p in n.parameters()), "a network without", "expected"),
        ("anatomy/small-but-costly",
         lambda m, x: anatomy_repaired.count_macs(m, x[:1]), "a plain convolution", "two pictures"),
        ("anatomy/small-but-costly", square_kernels_only, "a kernel that is not square", "expected"),
        ("anatomy/beyond-the-picture",
         lambda layers: sum(kernel - 1 for kernel, _ in layers) + 1, "layers with stride", "expected 11"),
        ("alexnet/eight-layers",
         activations_in_the_dense_part, "convolutions 3 to 5", "three layers with the power of one"),
        ("alexnet/eight-layers", models.AlexNet, "as many parameters", "60,965,224"),
        ("alexnet/one-picture-size",
         lambda dense=4096: nn.Sequential(nn.AdaptiveAvgPool2d(6), alexnet_faulty.DenseHead(dense=dense)),
         "dropout in training", "nothing is dropped"),
        ("alexnet/weak-normalisation",
         lambda: nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2), "it is the formula", "differs from"),
        ("alexnet/second-layer", "print('Conv2d 96 256')", "it runs and prints", "expected the shape [1, 256, 27, 27]"),
        ("alexnet/half-for-each", lambda: models.AlexNet(3), "58,293,635 parameters", "56,880,515 parameters"),
        ("alexnet/same-spread", started_at_zero, "equal durations", "can fall below 0"),
        ("alexnet/no-negative-opinion",
         lambda: nn.Sequential(nn.Linear(4096, 1000), nn.Softmax(1)), "scores may be negative", "none is"),
        ("alexnet/nine-neighbours",
         lambda maps: alexnet_faulty.neighbours_norm(maps, 4), "it is the formula", "differs from"),
        ("alexnet/first-loss", all_alike, "no two units start alike", "stay alike"),
        ("alexnet/eight-go-in", lambda: alexnet_repaired.named_layers()[:-1], "eight layers", "expected"),
        ("alexnet/stopwatch-reading", without_waiting, "computing alone is timed", "ordered, not done"),
        ("vgg/hundred-and-twelve",
         lambda picture: [-(-picture // 2**n) for n in range(1, 6)], "right for any picture", "it says [114"),
        ("vgg/which-letter", lambda: models.VGG("E"), "13 convolutions", "16 convolutions"),
        ("vgg/talking-network", listening_for_ever, "the network is left as it was", "5 hooks stay"),
        ("vgg/unwritten-start", without_the_start, "the signal reaches", "pictures differ"),
        ("inception/stem-by-hand", rounded_up, "the sizes for any picture", "for a picture of 30 it says"),
        ("inception/fourth-argument",
         lambda: nn.Sequential(nn.Conv2d(3, 64, 1), nn.Flatten()), "64 kernels of 3×3", "(64, 3, 1, 1)"),
        ("inception/module-twin",
         lambda: models.Inception(192, 64, 96, 128, 32, 32, 32), "the weights of table 1", "179,200 weights"),
        ("inception/one-number", without_its_heads, "the network is left as it was", "takes parts away"),
        ("inception/one-number",
         lambda network: 6_998_552, "what answers when it is used", "for InceptionV3; 23,834,568"),
        ("resnet/vanishing-blocks", one_number_a_block, "every block brings", "four more add 0"),
        ("resnet/uncalled-pool", lambda: models.ResNet(34), "224×224", "gives (2, 1000)"),
        ("resnet/idle-parameters",
         lambda cin, cout, stride: models.BasicBlock(cin, cout, stride, shortcut="A"), "no parameter too many",
         "221,696 parameters"),
        ("resnet/right-number", lambda: models.ResNet(101, 3, shortcut="C"), "most shortcuts", "33 of 33"),
        ("resnet/three-times-half",
         lambda cin, cout, stride: models.Bottleneck(cin, cout // 4), "a stride of 2", "gives (2, 128, 56, 56)"),
        ("resnet/which-resnet50", lambda: models.ResNet(34), "the parameters of ResNet-50", "21,797,672"),
        ("densenet/narrow-layers",
         lambda count, channels, k: models.DenseBlock(count, channels, 32), "other numbers", "expected 60"),
        ("densenet/second-network", lambda: models.DenseNet(growth_rate=24), "every layer adds 32", "add [24] maps"),
        ("densenet/foreign-head",
         lambda channels, classes=10: nn.Sequential(nn.Flatten(), nn.Linear(channels * 49, classes)),
         "maps of other sizes", "(2, 1024, 6, 6) is refused"),
        ("densenet/border-not-black", without_averages, "BatchNorm, ReLU, convolution", "it computes ReLU, Conv2d"),
        ("densenet/list-for-layers", lambda layers: nn.Sequential(next(layers)), "three layers", "one after the other"),
        ("densenet/answer-per-place",
         lambda: nn.Sequential(densenet_faulty.densenet121(), nn.Flatten()), "transitions keep", "(224, 64)"),
        ("densenet/all-weights-fit",
         lambda *sizes: models.DenseBlock(*sizes, bottleneck=False), "the names", "do not fit"),
        ("densenet/sixty-four",
         lambda growth_rate: models.DenseNet().features[:4], "growth rates 12", "64 maps, expected 24"),
        ("densenet/same-batch-again",
         lambda layer, x: layer(x), "only the input is kept", "bytes are kept, where the input has"),
        ("blocks/the-light-block",
         lambda maps, new: models.SeparableConv2d(maps, new, order="pointwise"), "the weights", "expected 656"),
        ("blocks/the-light-block",
         lambda maps, new: nn.Sequential(nn.Conv2d(maps, maps, 3, padding=1, groups=2), nn.Conv2d(maps, new, 1)),
         "the first layer keeps maps apart", "changes 3 maps"),
        ("blocks/only-brighter", without_any_bend, "it bends where it is wide", "0 activations"),
        ("blocks/only-brighter", bent_after_the_sum, "the shortcut is the input itself", "hand its input on"),
        ("blocks/thirty-two", one_gate_for_all, "the parameters of the block", "expected 552"),
        ("blocks/thirty-two",
         lambda channels, _: models.SqueezeExcite(channels), "the parameters of the block", "162 parameters"),
        ("blocks/smaller-every-time",
         lambda: models.DilatedStack(16, (1, 1, 1)), "the rates are 1, 2, 4", "rates [1, 1, 1]"),
        ("blocks/smaller-every-time", padded_by_the_field, "maps keep their size", "gives (1, 16, 78, 78)"),
        ("comparison/better-in-the-test", in_training_mode, "the training accuracy", "when it is used"),
        ("comparison/better-in-the-test", lambda *_: (1.0, 0.5), "the test accuracy", "50.0% is reported"),
        ("comparison/leaderboard", best_of_last_epochs, "more seeds", "though both are the same network"),
        ("comparison/leaderboard", mean_of_best_epochs, "the last epoch", "take the last"),
        ("comparison/leaderboard",
         lambda curves: comparison_repaired.leaderboard(curves)[:1], "all names", "the best first"),
        ("lenet/trusted-comments",
         only_dense_activations, "the convolutional part is more than", "averages are linear too"),
        ("lenet/trusted-comments", nn.Identity(), "ten scores for a picture of 28×28", "expected (2, 10)"),
        ("lenet/smoke-test", "print('[1, 10]')", "the test is still a test", "LeNet28() is gone"),
        ("lenet/smoke-test",
         lenet_repaired.SMOKE_TEST.replace(".shape", ""), "it runs and prints", "expected the shape [1, 10]"),
        ("lenet/talking-test-set", eval_for_good, "the network is in the same mode", "put it back"),
        ("lenet/more-than-perfect", mean_of_batches, "right for any batch size", "small last batch"),
        ("lenet/more-than-perfect",
         lambda m, b: 100 * lenet_repaired.epoch_accuracy(m, b), "right for any batch size", "per cent"),
        ("lenet/every-epoch-alike", shuffled_once, "the order is new in every epoch", "one shuffled order"),
        ("lenet/every-epoch-alike", shuffled_apart, "each picture keeps its label", "shuffle both together"),
        ("lenet/every-epoch-alike", lambda x, y, batch_size: iter(lenet_repaired.training_batches(x, y, batch_size)),
         "every picture comes once in an epoch", "epoch 2 has 0 pictures"),
        ("lenet/hidden-layer", nn.Linear(1024, 10), "the hidden layer is still there", "keep both layers"),
        ("lenet/hidden-layer", bent_at_the_end, "in use it is more than one linear map", "must stand between"),
        ("lenet/hidden-layer", with_dropout, "in use it is more than one linear map", "Dropout does not bend it"),
        ("lenet/rising-loss", drawn_in_percent, "the curves show the recorded values", "line 1 is no column"),
        ("transfer/all-in-order", only_missing_names_count, "an unexpected weight", "no place for"),
        ("transfer/all-in-order",
         lambda network, weights: network.load_state_dict(weights) and network, "nothing would be", "would be trained"),
        ("transfer/only-the-head", evaluating_until_told_otherwise, "the network's state", "without a gradient"),
        ("transfer/only-the-head", SlowAverages, "a picture's features", "no fixed features"),
        ("transfer/same-picture-twice", squeezed, "shapes keep", "shapes are squeezed"),
        ("transfer/same-picture-twice", the_middle_only, "nearly all", "only 41% of the shorter side"),
        ("transfer/eleven-twelfths", mean_over_batches, "right where the last", "this says"),
        ("transfer/rows-and-columns", with_labels_of_axes_exchanged, "three classes 0", "Who is the row?"),
        ("transfer/rows-and-columns", without_labels_of_axes, "the axes are labelled", "must say"),
        ("transfer/no-means-yes", true_word_only, "a word that is neither", "perhaps gives False"),
        ("transfer/thirty-three",
         lambda model, batches, classes: transfer_repaired.right_by_class(model, batches[:1], classes),
         "right for full batches", "expected [22, 21, 21]"),
        ("transfer/one-too-many",
         lambda classes: 2 ** math.ceil(math.log2(classes)), "right for few classes", "2 classes get 2 units"),
        ("transfer/one-too-many",
         lambda classes: transfer_repaired.hidden_units(min(classes, 2048)), "right for more classes", "not below"),
    ],
)
def test_a_wrong_repair_is_told_what_is_wrong(exhibit_id, attempt, failing, told):
    failures = bugs.check(exhibit_id, attempt).failures
    name = next((name for name in failures if name.startswith(failing)), None)
    assert name is not None, failures
    assert told in failures[name]


def test_another_good_repair_is_welcome():
    torchvision = pytest.importorskip("torchvision").models
    assert bugs.check("resnet/uncalled-pool", lambda: torchvision.resnet34(num_classes=10)).passed
    assert bugs.check("densenet/answer-per-place", lambda: torchvision.densenet121(num_classes=3)).passed
    assert bugs.check("resnet/right-number", lambda: torchvision.resnet101(num_classes=3)).passed
    assert bugs.check("alexnet/same-spread", lambda times: (statistics.fmean(times), statistics.pstdev(times))).passed
    assert bugs.check("lenet/rising-loss", drawn_as_losses).passed
    assert bugs.check("lenet/trusted-comments", lenet_repaired.LeNet28()).passed
