"""Frozen networks with a new head: counts, the head rule, strict loading."""

import copy
import math

import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from cnnlib import create_model, data, training
from cnnlib.models import _FAMILIES
from cnnlib.models.transfer import Transfer, feature_extractor, head_size, report_match, trainable_share

# A small network of every family that ends with a linear layer, and a picture's size for it.
SMALL = {
    "alexnet": ("alexnet", {"variant": "cifar", "width": 0.125, "norm": "batch"}, 32),
    "lenet": ("lenet5_modern", {}, 28),
    "lenet-batchnorm": ("mnist_cnn", {}, 28),
    "vgg": ("vgg11_bn", {"variant": "cifar", "width": 0.125}, 32),
    "inception": ("googlenet", {"variant": "cifar", "width": 0.125, "aux_logits": True}, 32),
    "inception_v3": ("inception_v3", {"width": 0.125}, 80),
    "resnet": ("resnet8", {"width": 4, "stochastic_depth": 0.5}, 16),
    "preactivation": ("resnet8", {"width": 4, "preactivation": True}, 16),
    "senet": ("se_resnet8", {"width": 16}, 16),
    "fractalnet": ("fractalnet", {"width": 0.125}, 32),
    "densenet": ("densenet_bc10_k4", {"dropout": 0.5}, 16),
    "mobilenet": ("mobilenet_v2", {"width_multiplier": 0.25}, 32),
}


def small(family, num_classes=3, **options):
    """(a Transfer of the family's small network, a batch that fits)."""
    torch.manual_seed(0)
    name, how, size = SMALL[family]
    net = Transfer(create_model(name, **how), num_classes, **options)
    return net, torch.randn(4, net.in_channels, size, size)


def step(net, x, lr=0.1):
    """One step of training, in training mode."""
    optimizer = training.make_optimizer(net.train(), training.Recipe(lr=lr, weight_decay=0.1))
    nn.functional.cross_entropy(net(x), torch.arange(len(x)) % 3).backward()
    optimizer.step()


def changed(net, before):
    """Names of the tensors that are not as they were."""
    return {name for name, tensor in net.state_dict().items() if not torch.equal(tensor, before[name])}


@pytest.mark.parametrize("family", SMALL)
def test_frozen_means_frozen(family):
    """A step of training changes the head and nothing else: no weight, no average of BatchNorm, no counter. And
    nothing random happens before the head."""
    net, x = small(family)
    before = copy.deepcopy(net.state_dict())
    step(net, x)
    assert changed(net, before) == {name for name in before if name.startswith("head.")}
    assert torch.equal(net.features(x), net.features(x)) and net.training and net.head.training
    assert not any(module.training for module in net.backbone.modules())
    assert not any(module.training for module in net.eval().modules())


def test_every_family_is_frozen():
    """`SMALL` forgets none, but for networks without a linear layer at their end."""
    families = {family.__name__.rpartition(".")[2] for family in _FAMILIES if family.MODELS}
    assert families <= {*SMALL} and {"resnet", "densenet", "vgg"} <= families


@pytest.mark.parametrize("family", ["vgg", "preactivation", "densenet", "mobilenet"])
def test_averages_that_are_forgotten_move_and_weights_do_not(family):
    net, x = small(family, moving=True)
    before = copy.deepcopy(net.state_dict())
    step(net, x)
    moved = {name for name in changed(net, before) if not name.startswith("head.")}
    averages = {name for name, _ in net.backbone.named_buffers(prefix="backbone")}
    assert moved == averages and averages


def test_the_rest_learns_more_slowly():
    """With plain SGD a weight moves in proportion to its rate; what is shared by both networks is the gradient."""
    moves = []
    for factor in (1.0, 0.1):
        net, x = small("lenet", lr_factor=factor)
        before = copy.deepcopy(net.state_dict())
        images = data.Images(torch.randint(256, (4, 1, 28, 28), dtype=torch.uint8,
                                           generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 0]),
                             (0.5,), (0.25,))
        dataset = data.DataSet("made up", "", [0, 1, 2], images, images)
        training.fit(net, dataset, epochs=1, lr=0.01, momentum=0.0, schedule="constant", device="cpu", progress=False)
        moves.append({name: tensor - before[name] for name, tensor in net.state_dict().items()})
    for name, fast in moves[0].items():
        factor = 1.0 if name.startswith("head.") else 0.1
        torch.testing.assert_close(moves[1][name], factor * fast, rtol=1e-2, atol=1e-7)


def test_what_cannot_be_a_backbone_is_refused():
    with pytest.raises(ValueError, match="backbone is LeNet5, allowed: networks that end with a linear layer"):
        Transfer(create_model("lenet5"), 3)
    with pytest.raises(ValueError, match="lr_factor is -1"):
        Transfer(create_model("resnet20"), 3, lr_factor=-1)


NAMES = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3))


@given(NAMES, NAMES)
def test_a_match_parts_all_names(state, model):
    """Every name is in one part; only what is in both with one shape counts as loaded."""
    net = nn.Module()
    for name, size in model.items():
        net.register_buffer(name, torch.zeros(size))
    match = report_match(net, {name: torch.ones(size) for name, size in state.items()})
    assert set(match["loaded"]) == {n for n in state if n in model and state[n] == model[n]}
    assert set(match["missing"]) == set(model) - set(state) and set(match["unexpected"]) == set(state) - set(model)
    assert match["misshapen"] == {n: ((state[n],), (model[n],)) for n in model if n in state and state[n] != model[n]}
    assert not any(tensor.any() for tensor in net.state_dict().values())        # it only looks


@pytest.mark.parametrize(
    ("name", "num_classes", "trainable", "total"),
    [
        ("vgg16", 5, 1_050_117, 135_310_661),
        ("vgg16", 37, 2_116_645, 136_377_189),
        ("resnet50", 5, 262_917, 23_770_949),
        ("resnet50", 10, 527_114, 24_035_146),
        ("resnet50", 30, 532_254, 24_040_286),
        ("densenet121", 5, 131_845, 7_085_701),
        ("densenet121", 10, 132_490, 7_086_346),
        ("densenet121", 30, 270_110, 7_223_966),
    ],
)
def test_only_the_head_trains(name, num_classes, trainable, total):
    with torch.device("meta"):
        network = feature_extractor(name, num_classes)
    assert trainable_share(network) == (trainable, total)
    head = [name for name, p in network.named_parameters() if p.requires_grad]
    assert {name.split(".")[0] for name in head} == {"head"} and len(head) == 4


@pytest.mark.parametrize("features", [2048, 1024])
def test_head_rule(features):
    """The published form, 2^(11 - floor(log2(int(sqrt(2048 / n))))), agrees up to as many classes as features."""
    for n in range(1, features + 1):
        published = features >> int(math.log2(int(math.sqrt(features / n))))
        assert head_size(features, n) == published
    assert head_size(features, 2 * features) >= math.sqrt(2) * features     # where the published form has log2(0)


@pytest.mark.parametrize(("name", "last"), [("resnet50", "fc"), ("densenet121", "classifier")])
def test_published_weights_load_strictly_and_reach_the_head(name, last):
    torch.manual_seed(0)
    reference = getattr(torchvision.models, name)(weights=None).eval()
    network = feature_extractor(name, 5, reference.state_dict()).eval()
    seen = []
    reference.get_submodule(last).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        reference(x)
        torch.testing.assert_close(network.features(x), seen[0], rtol=1e-5, atol=1e-6)


def test_the_dense_layers_of_vgg_stay_and_only_the_last_is_replaced():
    with torch.device("meta"):
        network = feature_extractor("vgg16", 5, torchvision.models.vgg16(weights=None).state_dict())
    assert isinstance(network.backbone.classifier[6], nn.Identity) and network.head[0].in_features == 4096
    assert not any(p.requires_grad for p in network.backbone.parameters())


def test_weights_that_do_not_fit_are_refused():
    with torch.device("meta"):
        state = dict(torchvision.models.densenet121(weights=None).state_dict())
    state["layer1.0.weight"] = state.pop("features.denseblock1.denselayer1.conv1.weight")
    with pytest.raises(RuntimeError, match=r"(?s)Missing key.*denselayer1\.conv1.*Unexpected key.*layer1\.0"):
        with torch.device("meta"):
            feature_extractor("densenet121", 5, state)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("vgg12", 5), "model 'vgg12' is not known"),
        (("densenet264", 5), "variant is 'torchvision', allowed: 'paper'"),
        (("resnet50", 0), "num_classes is 0"),
        (("resnet50", 5, None, 1.0), "dropout is 1.0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        feature_extractor(*arguments)
