"""Which stage of a trained network serves another task: a linear classifier on the maps of each of its stages.

`python -m cnnlib.experiments.stage_probes` writes `data/measured/stage_probes.json`, so that a page can show it for
photographs that it may not carry.
"""

from dataclasses import asdict, dataclass
from functools import lru_cache

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .. import data
from ..checks import one_of
from ..data.images import balanced
from ..files import DATA
from ..models import create_model
from ..training import checkpoints
from ..training.evaluation import evaluating
from . import measured

FILE = DATA / "measured" / "stage_probes.json"
RESIDUAL = ("conv1", "layer1", "layer2", "layer3")
DENSE = tuple(f"features.{part}" for part in ("conv0", "denseblock1", "denseblock2", "denseblock3"))
STAGES = {"resnet20": RESIDUAL, "resnet56": RESIDUAL, "densenet_bc40_k12": DENSE}
SIZES = {32: tuple(STAGES), 64: ("resnet20",)}      # height and width of the flowers: the networks that see them
A_CLASS, SEEDS = (5, 10, 50, "all"), 3


def stage_means(net, split, stages=RESIDUAL):
    """What each stage makes of each picture, its maps averaged over their pixels: a list a stage of (N, maps)."""
    seen = {stage: [] for stage in stages}
    handles = [net.get_submodule(stage).register_forward_hook(
        lambda *call, kept=kept: kept.append(call[-1].mean((2, 3)))) for stage, kept in seen.items()]
    try:
        with evaluating(net), torch.no_grad():
            for images, _ in split.batches(128):
                net(images)
    finally:
        for handle in handles:
            handle.remove()
    return [torch.cat(kept).numpy() for kept in seen.values()]


def by_depth(known, unknown, train, test, chosen):
    """Test accuracy of a linear classifier on each stage, logistic regression on standardised numbers: a list.

    Args:
        known, unknown: the `stage_means` of the splits `train` and `test`.
        chosen: the training pictures to learn from, their positions.
    """
    found = []
    for features, others in zip(known, unknown, strict=True):
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        probe.fit(features[chosen], train.labels[chosen].numpy())
        found.append(float(probe.score(others, test.labels.numpy())))
    return found


def probes(net, train, test, stages=RESIDUAL, a_class=A_CLASS, seeds=(0,)):
    """{pictures a class: a list a seed of accuracies by stage}; the seed draws the pictures, "all" leaves no choice."""
    known, unknown = (stage_means(net, split, stages) for split in (train, test))
    classes = len(train.labels.unique())
    return {number: [by_depth(known, unknown, train, test, balanced(
        train.labels, len(train) if number == "all" else classes * number, seed)) for seed in seeds]
        for number in a_class}


@dataclass
class Probes:
    """What was recorded: `accuracy[network][form][size][pictures a class]` is a list a seed of the accuracies by stage.

    Forms are "trained", the weights of `data/weights` that were trained on CIFAR-10 (one network, three draws of
    pictures), and "random" (three networks, a draw each). `stages`: their names, by network. `data`: the variant, by
    size.
    """

    stages: dict
    data: dict
    environment: dict
    accuracy: dict

    def of(self, network, form, size=32, a_class="all"):
        """The accuracies of one case: a list a seed of the accuracies by stage.

        Raises:
            ValueError: it was not recorded.
        """
        one_of("network", network, tuple(self.accuracy))
        one_of("form", form, ("trained", "random"))
        one_of("size", str(size), tuple(self.accuracy[network][form]))
        return self.accuracy[network][form][str(size)][one_of("a_class", str(a_class), tuple(map(str, A_CLASS)))]


def networks(name):
    """A network as it was trained on CIFAR-10, and three that learned nothing: (form, seeds of the draws, network)."""
    file = DATA / "weights" / f"cifar10-short-{name}.safetensors"
    made = checkpoints.read(file)[1]["model"]

    def fresh(seed):
        torch.manual_seed(seed)
        return create_model(made["name"], **made["options"])

    trained = fresh(0)
    checkpoints.load_weights(trained, file)
    yield "trained", range(SEEDS), trained
    for seed in range(SEEDS):
        yield "random", (seed,), fresh(seed)


def record(file=FILE):
    """Probe every network on flowers of every size, and write the accuracies; returns the Probes."""
    accuracy = {name: {form: {str(size): {str(number): [] for number in A_CLASS}
                              for size, seen in SIZES.items() if name in seen}
                       for form in ("trained", "random")} for name in STAGES}
    variants = {}
    for size, names in SIZES.items():
        flowers = data.load("flowers", size=size)
        variants[str(size)] = flowers.variant
        for name in names:
            for form, seeds, net in networks(name):
                for number, found in probes(net, *flowers, STAGES[name], A_CLASS, seeds).items():
                    accuracy[name][form][str(size)][str(number)] += found
    result = Probes(STAGES, variants, measured.about("stage_probes"), accuracy)
    measured.write(file, asdict(result))
    return result


@lru_cache(maxsize=2)
def recorded(file=FILE):
    """The Probes that were recorded; FileNotFoundError if there are none."""
    return Probes(**measured.read(file))


if __name__ == "__main__":
    record()
