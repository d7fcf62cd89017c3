"""From a network's name and options to its summary, as when a reader moves a knob of the explorer.

The peer builds the network as everybody does and calls `torchinfo.summary`, which runs it on real tensors.
"""

from .. import create_model, list_models, models
from ..anatomy import of, summary
from ..models import standard_input
from . import Result, compare, once

# Peer time / our time, at least.
GOALS = {
    **dict.fromkeys(("vgg11", "vgg16", "vgg19_bn", "resnet18", "resnet50", "resnet152"), 15),
    **dict.fromkeys(("densenet121", "resnet20", "resnet110", "densenet_bc100_k12"), 3),
}
OWN = "resnet50"                                        # a reader's own network of this size


def forget():
    """As in a fresh process: nothing cached."""
    of.cache_clear()
    models.blueprint.cache_clear()


def run(*, quick=False, device="cpu"):
    """Milliseconds for all networks, ratios for those with a goal."""
    import torchinfo

    names = ["lenet5_modern", "resnet20"] if quick else list_models()
    repeats = 1 if quick else 7
    results = []
    for name in names:
        def ours(name=name):
            forget()
            of(name)

        ours()
        milliseconds = 1e3 * sorted(once(ours) for _ in range(repeats))[repeats // 2]
        limit = 1000 if name == "resnet1202" else 60
        results.append(Result(name, milliseconds, None, milliseconds, f"<= {limit} ms", milliseconds <= limit, "ms"))
    for name, goal in GOALS.items():
        if quick and name not in names:
            continue
        size = (1, *standard_input(name))
        ratios = compare(
            lambda name=name: (forget(), of(name)),
            lambda name=name, size=size: torchinfo.summary(create_model(name).eval(), size, verbose=0),
            repeats=repeats,
        )
        results.append(_faster(f"{name} / torchinfo", ratios, goal))
    if not quick:
        own, size = create_model(OWN), (1, *standard_input(OWN))
        ours, peer, ratio = compare(lambda: summary(own, size), lambda: torchinfo.summary(own, size, verbose=0),
                                    repeats=repeats)
        results.append(Result(f"a module like {OWN}", 1e3 * ours, 1e3 * peer, 1e3 * ours, "<= 20 ms", ours <= 0.02,
                              "ms"))
    of(OWN)
    again = 1e3 * once(lambda: of(OWN))
    results.append(Result(f"{OWN} again", again, None, again, "<= 1 ms", again <= 1, "ms"))
    return results


def _faster(what, ratios, goal):
    ours, peer, ratio = ratios
    return Result(what, 1e3 * ours, 1e3 * peer, 1 / ratio, f">= {goal}x", 1 / ratio >= goal, "ms")
