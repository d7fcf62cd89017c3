"""Which weights of a file a network would take: by name and shape, under several ways to spell the names."""

import re

from ..models import blueprint
from ..models.transfer import report_match


def _older(name):
    """torchvision's published files of DenseNets: norm.1 for norm1."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", name)


def _another(name):
    """A program that builds a DenseNet from numbered parts, as one of the sources does; other names stay."""
    place = {"norm1": 0, "conv1": 2, "norm2": 3, "conv2": 5, "norm": 0, "conv": 2}
    name = re.sub(r"features\.denseblock(\d+)\.denselayer(\d+)\.(\w+)",
                  lambda m: f"layer{m[1]}.{int(m[2]) - 1}.features.{place[m[3]]}", name)
    name = re.sub(r"features\.transition(\d+)\.(\w+)", lambda m: f"transition{m[1]}.{place[m[2]]}", name)
    return name.replace("features.norm5", "last.0")


SPELLINGS = {
    "as ours": str,
    "norm.1 for norm1": _older,
    "layer1.0.features.0": _another,
    "module. before each": "module.{}".format,
}


def spelled(state, spelling):
    """A state dict whose names are spelled in one of the ways of SPELLINGS."""
    return {SPELLINGS[spelling](name): tensor for name, tensor in state.items()}


def verdict(match, strict):
    """What PyTorch's `load_state_dict` does with such a state dict; where shapes differ it never loads."""
    wrong = {"missing": len(match["missing"]), "unexpected": len(match["unexpected"]),
             "misshapen": len(match["misshapen"])}
    said = ", ".join(f"{count} {kind}" for kind, count in wrong.items() if count)
    if not said:
        return "loads everything"
    if match["misshapen"] or strict:
        return f"refuses: {said}"
    return f"loads {len(match['loaded'])} tensors, and is silent about the rest: {said}"


def part(name):
    """The part of a network to which a tensor belongs: features.denseblock1, layer1, fc."""
    head, *rest = name.split(".")
    return f"{head}.{rest[0]}" if head == "features" and rest else head


def by_part(match):
    """Part of the network -> [tensors loaded, left at random, misshapen], in the order of the network."""
    counts = {}
    for column, kind in enumerate(("loaded", "missing", "misshapen")):
        for name in match[kind]:
            counts.setdefault(part(name), [0, 0, 0])[column] += 1
    return counts


def filled(model, match):
    """Share of the model's parameters that the state dict would fill."""
    sizes = {name: p.numel() for name, p in model.named_parameters()}
    return sum(sizes.get(name, 0) for name in match["loaded"]) / sum(sizes.values())


def compare(network, file, spelling="as ours", **options):
    """(the network without numbers, its match with the weights of `file`): names and options of `create_model`."""
    model = blueprint(network, **options)
    return model, report_match(model, spelled(blueprint(file, **options).state_dict(), spelling))
