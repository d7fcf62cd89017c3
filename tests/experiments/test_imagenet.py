"""ImageNet's weights, without ImageNet and without a network: state dicts of torchvision's own models at random."""

import re
from types import SimpleNamespace

import pytest
import torch
import torchvision

from cnnlib.experiments import imagenet
from cnnlib.models.transfer import report_match


def their_state(name):
    torch.manual_seed(0)
    return torchvision.models.get_model(name, weights=None).state_dict()


def test_every_network_has_torchvisions_names_and_shapes():
    known = imagenet.published()
    assert {"resnet50", "densenet121", "vgg16", "alexnet", "mobilenet_v2"} <= set(known)
    for name in known:
        with torch.device("meta"):
            state = torchvision.models.get_model(name, weights=None).state_dict()
            match = report_match(imagenet.create_model(name, variant="torchvision"), state)
        assert len(match["loaded"]) == len(state) and not match["missing"] and not match["misshapen"], name


def older(state):
    """As torchvision's file of a DenseNet has it: norm.1 for norm1, and no counters."""
    return {re.sub(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", key): tensor for key, tensor in state.items()
            if not key.endswith("num_batches_tracked")}


@pytest.mark.parametrize("name, spelled", [("resnet18", dict), ("densenet121", dict), ("densenet121", older)])
def test_answers_are_those_of_torchvisions_network(name, spelled):
    state = their_state(name)
    theirs = torchvision.models.get_model(name, weights=None)
    theirs.load_state_dict(state)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(imagenet.with_weights(name, spelled(state)).eval()(x), theirs.eval()(x),
                                   rtol=1e-4, atol=1e-5)


def test_a_file_with_other_names_is_refused():
    state = their_state("resnet18")
    state["stem.weight"] = state.pop("conv1.weight")
    with pytest.raises(RuntimeError, match=r"(?s)Missing key.*conv1\.weight.*Unexpected key.*stem\.weight"):
        imagenet.with_weights("resnet18", state)


def test_without_a_network_it_says_what_it_would_download(monkeypatch, tmp_path, offline):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    said = []
    with pytest.raises(OSError, match=r"no weights of resnet18 at .*resnet18-\w+\.pth.*resnet18.*, 47 MB\)"):
        imagenet.pretrained("resnet18", said.append)
    assert "downloading https://" in said[0] and "47 MB" in said[0] and str(tmp_path) in said[0]
    with pytest.raises(ValueError, match="name is 'lenet5', allowed: 'alexnet', "):
        imagenet.pretrained("lenet5")


def test_the_download_is_torchvisions_checked_and_not_unpickled(monkeypatch):
    asked = {}

    def get_state_dict(**options):
        asked.update(options)
        return their_state("resnet18")

    weights = SimpleNamespace(url="https://example.org/resnet18-0.pth", meta={"num_params": 1},
                              get_state_dict=get_state_dict)
    monkeypatch.setattr(imagenet, "published", lambda: {"resnet18": weights})
    state = imagenet.pretrained("resnet18", lambda text: None).state_dict()
    assert all(torch.equal(tensor, state[key]) for key, tensor in their_state("resnet18").items())
    assert asked["check_hash"] and asked["weights_only"]
