"""What the gates of a squeeze-and-excitation network do: how far they open, for which class, and what they are worth.

`python -m cnnlib.experiments.gates NAME ...` writes `data/gates/NAME.json` for networks of `data/weights`, so that a
page can show gates for photographs that it may not carry.
"""

import hashlib
import sys
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache

import torch

from ..checks import one_of
from ..data.images import balanced
from ..files import DATA
from ..models.senet import SqueezeExcite
from ..training.evaluation import evaluating, score
from . import lesion, measured

NETWORKS = ("cifar16-se_resnet20_r4",)
PICTURES = 50               # test pictures whose gates are kept one by one, as many of each class
OTHERS = ("mean", "same class", "another class")        # what may stand in the place of a picture's own gates


def blocks(model):
    """{name of the block: its SqueezeExcite}, in the order of the network.

    Raises:
        ValueError: the network has no gates.
    """
    found = {name.removesuffix(".se"): part for name, part in model.named_modules() if isinstance(part, SqueezeExcite)}
    if not found:
        raise ValueError(f"model is a {type(model).__name__} without SqueezeExcite, allowed: networks with gates.")
    return found


def gates(model, images):
    """{block: its gates for every picture, (N, C)}, in evaluation mode; `images` is a split of a data set."""
    seen = {name: [] for name in blocks(model)}
    handles = [part.sigmoid.register_forward_hook(lambda _module, _inputs, out, name=name: seen[name].append(out))
               for name, part in blocks(model).items()]
    try:
        with torch.no_grad():
            score(model, images)
    finally:
        for handle in handles:
            handle.remove()
    return {name: torch.cat(parts) for name, parts in seen.items()}


@contextmanager
def replaced(model, values):
    """The network with other gates for a while.

    Args:
        values: block -> (C,), the same for every picture, or (N, C), in the order in which pictures come; blocks that
            are not named keep their own gates.
    """
    parts, handles = blocks(model), []
    for name in values:
        one_of("block", name, tuple(parts))

    def put(given):
        place = 0

        def hook(_module, _inputs, own):
            nonlocal place
            place += len(own)
            return given.expand_as(own) if given.ndim == 1 else given[place - len(own):place]

        return hook

    try:
        for name, given in values.items():
            handles.append(parts[name].sigmoid.register_forward_hook(put(given)))
        yield model
    finally:
        for handle in handles:
            handle.remove()


def exchanged(labels, same_class, seed=0):
    """For each picture the place of another one, of the same class or of another; drawn from `seed`."""
    draw = torch.Generator().manual_seed(seed)
    partner = torch.empty_like(labels)
    for label in labels.unique():
        inside = (labels == label).nonzero().flatten()
        if same_class:                                  # round the ring, so that none meets itself
            ring = inside[torch.randperm(len(inside), generator=draw)]
            partner[ring] = ring.roll(1)
        else:
            outside = (labels != label).nonzero().flatten()
            partner[inside] = outside[torch.randint(len(outside), inside.shape, generator=draw)]
    return partner


def wrong(model, images, values=None):
    """How many pictures of a split the network answers wrongly, with its own gates or with others."""
    with replaced(model, values or {}), evaluating(model):
        return len(images) - score(model, images)[1]


def lesions(model, train, test):
    """Wrong answers on `test` with other gates: {"own": n, "mean": n, "same class": n, "another class": n, "alone":
    {block: n with only its gates at their mean}}. Means are those of the training pictures."""
    mean = {name: values.mean(0) for name, values in gates(model, train).items()}
    own = gates(model, test)
    partners = {name: exchanged(test.labels, name == "same class") for name in OTHERS[1:]}
    others = {"mean": mean, **{name: {block: values[partner] for block, values in own.items()}
                               for name, partner in partners.items()}}
    return {"own": wrong(model, test), **{name: wrong(model, test, values) for name, values in others.items()},
            "alone": {name: wrong(model, test, {name: values}) for name, values in mean.items()}}


@dataclass
class Gates:
    """What was recorded of one network.

    Attributes:
        network: the name of its weights. weights: their SHA-256. data: the variant. classes: their names.
        images: how many of the test split. environment: where, when and with what it was computed, and the command.
        by_class: block -> a list a class of the mean gates. spread: block -> standard deviation of each gate over the
            pictures of a class, averaged over the classes.
        pictures: positions in the test split of some pictures, labels: their classes, by_picture: block -> their gates.
        wrong: what `lesions` returns.
    """

    network: str
    weights: str
    data: str
    classes: list
    images: int
    environment: dict
    by_class: dict
    spread: dict
    pictures: list
    labels: list
    by_picture: dict
    wrong: dict


@lru_cache(maxsize=4)
def recorded(network, root=None):
    """The Gates of a network of `data/weights`.

    Raises:
        ValueError: none were recorded; those that were are named.
    """
    return Gates(**measured.of_network(root or DATA / "gates", network))


def record(network, root=None):
    """Compute the gates of a network of `data/weights` and its lesions, and write them; returns the Gates."""
    model, dataset = lesion.load(one_of("network", network, NETWORKS))
    test, names = dataset.test, dataset.classes
    found, chosen = gates(model, test), balanced(test.labels, PICTURES)
    members = [test.labels == label for label in range(len(names))]

    def digits(values):
        return [[round(value, 4) for value in row] for row in values.tolist()]

    result = Gates(
        network, hashlib.sha256((lesion.WEIGHTS / f"{network}.safetensors").read_bytes()).hexdigest(), dataset.variant,
        names, len(test), measured.about(f"gates {network}"),
        {name: digits(torch.stack([values[rows].mean(0) for rows in members])) for name, values in found.items()},
        {name: digits(torch.stack([values[rows].std(0) for rows in members]).mean(0)[None])[0]
         for name, values in found.items()},
        chosen.tolist(), test.labels[chosen].tolist(), {name: digits(values[chosen]) for name, values in found.items()},
        lesions(model, dataset.train, test))
    measured.write((root or DATA / "gates") / f"{network}.json", asdict(result))
    return result


if __name__ == "__main__":
    for name in sys.argv[1:] or NETWORKS:
        print(name, record(name).wrong)
