"""Lesions: what a trained network still knows when blocks of it are deleted, swapped or shuffled.

Veit, Wilber, Belongie, "Residual networks behave like ensembles of relatively shallow networks", NeurIPS 2016,
sections 4.1 to 4.3.

What deleting means follows from what a block does with its input; `joints.py` finds the blocks of any nn.Module:
    a residual block    its branch counts nothing, the shortcut stays;
    a dense layer       the channels that it adds are zero;
    a plain block       is left out. Only one that gives the shape that it takes can be; of a bare convolution the
                        normalisation goes with it.
"""

import math
import random
from contextlib import ExitStack, contextmanager
from itertools import combinations

import torch
from tqdm import tqdm

from .. import data
from ..anatomy import joints
from ..checks import at_least
from ..files import DATA
from ..models import create_model
from ..records import runs
from ..training import score
from ..training.checkpoints import load_weights, read
from ..training.evaluation import evaluating

WEIGHTS = DATA / "weights"


def load(name):
    """A trained network of `data/weights`, and its data: (model, DataSet).

    Args:
        name: that of the file, such as "digits-resnet56", "digits-plain20", "digits-vgg16_bn".

    Raises:
        ValueError: no such file of a recorded run; those that are there are named.
        OSError: the data set is not found.
    """
    about = _about(name)
    model = create_model(about["model"]["name"], **about["model"]["options"])
    load_weights(model, WEIGHTS / f"{name}.safetensors")
    run = runs.read(runs.path_of(*about["run"].split("/")))
    return model.eval(), data.load(**run.load_options)


def recorded_error(name):
    """The test error, a share of 1, in the header of such a file: what the network had when it was written."""
    return _about(name)["test_error"]


def _about(name):
    known = sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))
    if name not in known:
        raise ValueError(f"name is {name!r}, allowed: {', '.join(known)}.")
    return read(WEIGHTS / f"{name}.safetensors")[1]


def blocks(model, x=None):
    """The names of the blocks that can be deleted, in the order in which the network runs them.

    Args:
        x: pictures (N, C, H, W) that the network takes, to watch it at work; None: made up from its first convolution.

    Raises:
        ValueError: the network has nothing that can be deleted.
    """
    return [block.name for block in _blocks(model, x)]


def _blocks(model, x=None):
    found = joints.find(model, x)
    if not found:
        raise ValueError(f"model is a {type(model).__name__} in which nothing can be deleted, allowed: networks with "
                         "residual blocks, dense layers, or convolutions that keep the shape.")
    return found


@contextmanager
def lesioned(model, delete=(), swap=(), order=None, x=None):
    """While open, `model` lacks some blocks, and others stand in each other's places.

        with lesioned(net, delete=["layer1.3"]):
            evaluate(net, dataset.test)

    Args:
        delete: names of `blocks`, or one: nothing is done at these places.
        swap: pairs of names; each pair exchanges places, one pair after the other.
        order: a list of all names: which block runs at the first place, at the second, and so on.
        x: as in `blocks`.

    Raises:
        ValueError: unknown names, or a block that does not fit its place: residual and plain blocks must take and give
            the same shapes.
    """
    with _lesion(model, _blocks(model, x), delete, swap, order):
        yield model


@contextmanager
def _lesion(model, known, delete=(), swap=(), order=None):
    at = _places(known, swap, order)
    deleted = joints.named(known, delete, "delete")
    changes = {place: _deletion for block in deleted for place in block.places}
    with ExitStack() as stack:
        modules = dict(model.named_modules())
        forward = {}
        for place, block in at.items():
            for here, there in zip(place.modules, block.modules, strict=True):
                forward[here] = modules[there].forward
        for block in deleted:
            if block.kind == "plain":
                forward |= dict.fromkeys(block.modules, _untouched)
        stack.enter_context(_forwards({modules[name]: run for name, run in forward.items()}))
        if changes:
            stack.enter_context(joints.joining(model, changes))
        yield


def _deletion(new, old):
    return torch.zeros_like(new), old


def _untouched(x):
    return x


@contextmanager
def _forwards(replaced):
    """While open, modules run other functions: {module: forward}."""
    for module, run in replaced.items():
        vars(module)["forward"] = run
    try:
        yield
    finally:
        for module in replaced:
            vars(module).pop("forward")


def _places(known, swap, order):
    """{place: block that runs there}, where they are two."""
    at = {block.name: block for block in known}
    if order is not None:
        names = [block.name for block in joints.named(known, order, "order")]
        if sorted(names) != sorted(at):
            raise ValueError(f"order has {len(names)} names, allowed: each of the {len(at)} blocks once.")
        at = dict(zip(at, (at[name] for name in names), strict=True))
    for pair in swap:
        if isinstance(pair, str) or len(pair) != 2:
            raise ValueError(f"swap has {pair!r}, allowed: pairs of names.")
        a, b = (block.name for block in joints.named(known, pair, "swap"))
        at[a], at[b] = at[b], at[a]
    moved = {place: at[place.name] for place in known if at[place.name] is not place}
    for place, block in moved.items():
        if not fits(block, place):
            raise ValueError(f"{block.name} does not fit the place of {place.name}, allowed: blocks of its shapes.")
    return moved


def fits(block, place):
    """May `block` run at the place of the block `place`?"""
    return (bool(block.shapes) and block.shapes == place.shapes and block.kind == place.kind
            and len(block.modules) == len(place.modules))


# -- BatchNorm's statistics -------------------------------------------------------------------------------------------


@contextmanager
def reestimated(model, images, batch_size=500):
    """While open, BatchNorm's running averages are those of `images` in the network as it now is; None: as they were.

    Means over all batches, of the activations in training mode without anything random (dropout stays off). Images that
    are cut and mirrored in training are here, too: the averages that this replaces were those of such images.
    """
    kinds = torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, torch.nn.BatchNorm3d
    norms = [m for m in model.modules() if images is not None and isinstance(m, kinds) and m.running_mean is not None]
    kept = [(norm, norm.momentum, {name: value.clone() for name, value in norm.named_buffers()}) for norm in norms]
    try:
        with evaluating(model), torch.no_grad():
            for norm in norms:
                norm.reset_running_stats()
                norm.momentum = None                    # the plain mean over batches
                norm.training = True
            if norms:
                images = images.to(norms[0].running_mean.device)
                for x, _ in images.batches(batch_size, shuffle=bool(images.crop or images.flip), seed=0):
                    model(x)
        yield
    finally:
        for norm, momentum, buffers in kept:
            norm.momentum = momentum
            for name, value in buffers.items():
                getattr(norm, name).copy_(value)


# -- test errors ------------------------------------------------------------------------------------------------------


def test_error(model, split, *, delete=(), swap=(), order=None, restat=None):
    """Test error, a share of 1, of the network with a lesion.

    Args:
        split: Images, such as `dataset.test`.
        delete, swap, order: as in `lesioned`; none of them: the network as it is.
        restat: Images, such as `dataset.train`: BatchNorm's running averages are estimated anew on them with the lesion
            in place, and afterwards are what they were. None: they stay as training left them.
    """
    known = _blocks(model, _first(model, split)) if delete or swap or order else []
    return _error(model, split, restat, known, delete=delete, swap=swap, order=order)


def _first(model, split):
    """A few pictures, to watch the network at work."""
    return next(split.to(next(model.parameters()).device).batches(2))[0]


def _error(model, split, restat, known, **lesion):
    with _lesion(model, known, **lesion), reestimated(model, restat):
        split = split.to(next(model.parameters()).device)
        return 1 - score(model, split)[1] / len(split)


def test_errors(model, split, sets, *, restat=None, progress=True):
    """The test error without each of these sets of blocks (lists of names), a list of shares of 1."""
    known = _blocks(model, _first(model, split))
    return [_error(model, split, restat, known, delete=each)
            for each in tqdm(sets, unit="lesion", disable=not progress)]


test_error.__test__ = test_errors.__test__ = False      # pytest: these are no tests


def singles(model, split, *, restat=None, progress=True):
    """{block: test error without it}, for every block that can be deleted, in the order of the network."""
    names = blocks(model, _first(model, split))
    errors = test_errors(model, split, names, restat=restat, progress=progress)
    return dict(zip(names, errors, strict=True))


def pairs(model, split, *, restat=None, progress=True):
    """{(block, later block): test error without the two}, for all pairs, in the order of the network."""
    names = list(combinations(blocks(model, _first(model, split)), 2))
    errors = test_errors(model, split, names, restat=restat, progress=progress)
    return dict(zip(names, errors, strict=True))


def random_deletions(model, split, k=None, draws=20, *, seed=0, restat=None, progress=True):
    """Test errors without k blocks drawn at random: {k: list of `draws` errors}.

    Args:
        k: a number, or several; None: 1 to 20, or to as many as there are.

    The sets of one k follow from the seed, whatever other k are asked for; more draws add to them.

    Raises:
        ValueError: a k that is more than there are blocks.
    """
    known = _blocks(model, _first(model, split))
    at_least("draws", draws, 1)
    counts = range(1, min(20, len(known)) + 1) if k is None else [k] if isinstance(k, int) else list(k)
    for many in counts:
        at_least("a number of k", many, 0, len(known))
    names, errors = [block.name for block in known], {}
    with tqdm(total=len(counts) * draws, unit="lesion", disable=not progress) as bar:
        for many in counts:
            draw, errors[many] = random.Random(f"{seed} {many}"), []
            for _ in range(draws):
                errors[many].append(_error(model, split, restat, known, delete=draw.sample(names, many)))
                bar.update()
    return errors


def random_swaps(model, split, swaps=range(1, 21), draws=20, *, seed=0, restat=None, progress=True):
    """Exchange random pairs of blocks that fit each other's places, one pair after the other, and test.

    Returns:
        list of dicts: swaps (how many), tau (Kendall's rank correlation of the order with the trained one), error.

    Raises:
        ValueError: no two blocks have the same shapes.
    """
    known = _blocks(model, _first(model, split))
    at_least("draws", draws, 1)
    allowed = [(a.name, b.name) for a, b in combinations(known, 2) if fits(a, b)]
    if not allowed:
        raise ValueError(f"model is a {type(model).__name__} in which no two blocks have the same shapes.")
    counts, rows = [swaps] if isinstance(swaps, int) else list(swaps), []
    names = [block.name for block in known]
    with tqdm(total=len(counts) * draws, unit="lesion", disable=not progress) as bar:
        for many in counts:
            draw = random.Random(f"{seed} {at_least('a number of swaps', many, 0)}")
            for _ in range(draws):
                order = list(range(len(names)))
                for a, b in (draw.choice(allowed) for _ in range(many)):
                    a, b = names.index(a), names.index(b)
                    order[a], order[b] = order[b], order[a]
                error = _error(model, split, restat, known, order=[names[i] for i in order])
                rows.append({"swaps": many, "tau": kendall_tau(order), "error": error})
                bar.update()
    return rows


def kendall_tau(order):
    """Kendall's rank correlation of distinct numbers with their sorted order: 1 sorted, 0 on average, -1 reversed."""
    from scipy.stats import kendalltau

    order = list(order)
    if len(order) < 2 or len(set(order)) < len(order):
        raise ValueError(f"order is {order!r}, allowed: two or more distinct numbers.")
    return float(kendalltau(range(len(order)), order).statistic)


# -- how many paths are left ------------------------------------------------------------------------------------------


def surviving(n, x, k):
    """Share of the paths of length x through n blocks that are left when k blocks are deleted: C(n-k, x) / C(n, x)."""
    at_least("x", x, 0, at_least("n", n, 1))
    at_least("k", k, 0, n)
    return math.comb(n - k, x) / math.comb(n, x)


def surviving_between(n, low, high, k):
    """Share of all paths of lengths `low` to `high` that are left. 54 blocks, 5 to 17: 0.019 for k = 10."""
    at_least("low", low, 0, at_least("n", n, 1))
    at_least("high", high, low, n)
    at_least("k", k, 0, n)
    return sum(math.comb(n - k, x) for x in range(low, high + 1)) / sum(math.comb(n, x) for x in range(low, high + 1))
