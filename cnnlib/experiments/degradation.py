"""Degradation: a deeper plain network trains worse, though a solution as good as the shallow one's is among its own.

He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016, sections 1 and 4.1.
"""


def race(depth=56, *, seed=0, experiment="digits-degradation", epochs=None, device=None, progress=True):
    """Train the plain and the residual network of one depth, as `experiment` recorded them, on the same data.

    Args:
        depth: layers with weights, 6n+2.
        seed: of the weights and of the order of the images.
        experiment: name of the grid in `grids.py` whose data, widths and recipe are taken ("digits-degradation",
            seconds on a CPU; "degradation", CIFAR-10 at full width for a GPU).
        epochs: instead of the recipe's.
        device, progress: as in `cnnlib.training.fit`.

    Returns:
        {"plain": Result, "residual": Result}: named tuples (model, history, data), `history` a
        `cnnlib.training.History`, `data` the DataSet.

    Raises:
        ValueError: no such grid, or a depth that is not 6n+2.
    """
    raise NotImplementedError


def gradient_norms(model, images, labels, *, seed=0):
    """Norm of the loss's gradient in the weights of every convolution and linear layer, from the input to the output.

    In training mode (BatchNorm normalises with the batch), all weights and running averages stay as they were.
    Deterministic: dropout and stochastic depth draw from `seed`.

    Args:
        model: any network for pictures.
        images: float32 (N, C, H, W), normalised. labels: int64 (N,).

    Returns:
        {name of the layer: Euclidean norm of the gradient of its weight}, in the order of the layers in the model.

    Raises:
        ValueError: no convolution or linear layer.
    """
    raise NotImplementedError


def without_norm(model):
    """A copy of `model` with every BatchNorm replaced by nothing and its weights drawn as PyTorch draws them.

    What a plain network was before BatchNorm and He's start: the comparison for `gradient_norms`.
    """
    raise NotImplementedError


def identity_solution(shallow, deep, images=None):
    """A copy of the plain network `deep` that computes what the trained plain `shallow` does: the solution that exists.

    The blocks of each stage get the weights of the shallow ones; the rest become identities: convolutions whose
    kernels hold a single 1 a channel, each BatchNorm undone by its own scale and shift. In evaluation the outputs of
    the two are equal to rounding.

    Args:
        shallow, deep: plain networks of `cnnlib.create_model` ("plain20", "plain56") of equal widths.
        images: float32 (N, C, H, W), normalised. With them the BatchNorms of the identity layers have their
            statistics, so that the network is the same to rounding in evaluation, and about the same in training, too,
            and can be trained on.

    Raises:
        ValueError: networks with shortcuts, of different widths or classes, or `deep` is not the deeper one.
    """
    raise NotImplementedError
