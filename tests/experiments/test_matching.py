"""What a loader would take: against PyTorch's own, and the case of the sources by its counts."""

from itertools import product

import pytest
import torch

from cnnlib import create_model
from cnnlib.experiments import matching
from cnnlib.models.transfer import report_match


def test_the_case_of_the_sources():
    """8 of 727 entries match: the stem's convolution, its BatchNorm, and the classifier, which is replaced."""
    model, match = matching.compare("densenet121", "densenet121", "layer1.0.features.0")
    assert len(model.state_dict()) == 727 and len(match["missing"]) == len(match["unexpected"]) == 719
    assert {name.rpartition(".")[0] for name in match["loaded"]} == {"features.conv0", "features.norm0", "classifier"}
    sizes = {name: p.numel() for name, p in model.named_parameters() if not name.startswith("classifier")}
    assert sum(sizes.get(name, 0) for name in match["loaded"]) == 9_536 and sum(sizes.values()) == 6_953_856
    convolutions = [name for name, p in model.named_parameters() if p.ndim == 4]
    assert len(convolutions) == 120 and len(set(convolutions) & set(match["loaded"])) == 1
    _, older = matching.compare("densenet121", "densenet121", "norm.1 for norm1")
    assert len(older["loaded"]) == 727 - 58 * 2 * 6     # 58 layers with two BatchNorms (5 entries) and convolutions
    _, residual = matching.compare("resnet50", "resnet50", "layer1.0.features.0")
    assert len(residual["loaded"]) == 320 and matching.verdict(residual, strict=False) == "loads everything"


@pytest.mark.parametrize("network, file, spelling", [*product(
    ("resnet20", "densenet_bc10_k4", "densenet_bc16_k4"), ("resnet20", "densenet_bc10_k4"), matching.SPELLINGS)])
def test_the_verdict_is_pytorchs(network, file, spelling):
    """Without `strict`, PyTorch returns the names that it did not use, and refuses other shapes."""
    torch.manual_seed(0)
    model = create_model(network)
    state = matching.spelled(create_model(file).state_dict(), spelling)
    match = report_match(model, state)
    for strict in (True, False):
        said = matching.verdict(match, strict)
        try:
            left = model.load_state_dict(dict(state), strict)
        except RuntimeError:
            assert said.startswith("refuses")
        else:
            assert not said.startswith("refuses")
            counters = {name for name in match["missing"] if name.endswith("num_batches_tracked")}
            assert set(left.missing_keys) | counters == set(match["missing"])   # old files may be without counters
            assert set(left.unexpected_keys) == set(match["unexpected"])
    assert sum(map(sum, matching.by_part(match).values())) == len(model.state_dict())
    assert 0 <= matching.filled(model, match) <= 1
