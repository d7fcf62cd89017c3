"""Frozen networks with a new head: counts, the head rule, strict loading."""

import math

import pytest
import torch
import torchvision
from torch import nn

from cnnlib.models.transfer import feature_extractor, head_size, trainable_share


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
    assert {name.split(".")[0] for name in head} <= {"fc", "classifier"} and len(head) == 4


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
    network.get_submodule(last).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    wanted = reference.get_submodule(last).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        network(x), reference(x)
    wanted.remove()
    torch.testing.assert_close(*seen, rtol=1e-5, atol=1e-6)


def test_the_dense_layers_of_vgg_stay_and_only_the_last_is_replaced():
    with torch.device("meta"):
        network = feature_extractor("vgg16", 5, torchvision.models.vgg16(weights=None).state_dict())
    assert isinstance(network.classifier[6], nn.Sequential)
    assert [layer.weight.requires_grad for layer in (network.features[0], *network.classifier[:4:3])] == [False] * 3


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
        (("vgg11", 5), "name is 'vgg11', allowed: 'vgg16', 'resnet50', 'densenet121'"),
        (("resnet50", 0), "num_classes is 0"),
        (("resnet50", 5, None, 1.0), "dropout is 1.0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        feature_extractor(*arguments)
