"""Lesions: what a trained network still knows when blocks of it are deleted, swapped or shuffled.

Veit, Wilber, Belongie, "Residual networks behave like ensembles of relatively shallow networks", NeurIPS 2016,
sections 4.1 to 4.3.

What deleting means depends on what the block does with its input, found by itself in any nn.Module:
    a residual block    its branch counts nothing, the shortcut stays;
    a plain layer       a convolution that keeps the shape is left out, with its BatchNorm and ReLU; where blocks of a
                        network without shortcuts are modules (`plain56`), a whole block;
    a dense layer       the channels that it adds are zero.
"""


def load(name):
    """A trained network of `data/weights`, and its data: (model, DataSet).

    Args:
        name: "digits-resnet56", "digits-plain56", "digits-plain20", "digits-vgg16_bn", "digits-densenet_bc40_k4".

    Raises:
        ValueError: no such weights; those that are there are named.
    """
    raise NotImplementedError


def recorded_error(name):
    """The test error that was recorded when those weights were written."""
    raise NotImplementedError


def blocks(model, x=None):
    """The names of the blocks that can be deleted, in the order in which the network runs them.

    Args:
        x: pictures (N, C, H, W) that the network takes, to watch it at work; None: made up from its first layer.

    Raises:
        ValueError: the network has nothing that can be deleted.
    """
    raise NotImplementedError


def lesioned(model, delete=(), swap=(), order=None):
    """Context manager: while open, `model` lacks the blocks `delete`, and others stand in another order.

        with lesioned(net, delete=["layer1.3"]):
            evaluate(net, data.test)

    Args:
        delete: names of `blocks`.
        swap: pairs of names whose places are exchanged; both must take and give the same shapes.
        order: {place: block that runs there}, or a list of all blocks in the new order.

    Raises:
        ValueError: unknown names, shapes that do not fit.
    """
    raise NotImplementedError


def test_error(model, split, *, delete=(), swap=(), order=None, restat=None):
    """Test error, a share of 1, of the network with a lesion.

    Args:
        split: `cnnlib.data` Images, such as `data.test`.
        delete, swap, order: as in `lesioned`.
        restat: Images, such as `data.train`: BatchNorm's running statistics are estimated anew on them, with the lesion
            in place; afterwards they are what they were. None: they stay as training left them.
    """
    raise NotImplementedError


def singles(model, split, *, restat=None, progress=True):
    """{block: test error without it}, for every block that can be deleted."""
    raise NotImplementedError


def pairs(model, split, *, progress=True):
    """{(block, other block): test error without the two}, for every pair, in the order of the network."""
    raise NotImplementedError


def random_deletions(model, split, k=range(1, 21), draws=20, *, seed=0, restat=None, progress=True):
    """{k: list of `draws` test errors without k blocks drawn at random}; a larger `draws` keeps the first ones."""
    raise NotImplementedError


def random_swaps(model, split, swaps=range(1, 21), draws=20, *, seed=0, restat=None, progress=True):
    """Exchange random pairs of blocks of equal shape, one after the other, and test.

    Returns:
        a list of dicts: swaps (how many), tau (Kendall's rank correlation of the order with the trained one, within
        stages), error.
    """
    raise NotImplementedError


def kendall_tau(order):
    """Kendall's rank correlation of a sequence of distinct numbers with its sorted form: 1 sorted, -1 reversed."""
    raise NotImplementedError


def surviving(n, x, k):
    """Share of the paths of length x through n blocks that are left when k blocks are deleted: C(n-k, x) / C(n, x)."""
    raise NotImplementedError


def surviving_between(n, low, high, k):
    """Share of all paths of lengths `low` to `high` that are left: 54 blocks, 5 to 17, k = 10: 0.019."""
    raise NotImplementedError
