"""Degradation: a deeper plain network trains worse, though a solution as good as the shallow one's is among its own.

He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016, sections 1 and 4.1.
"""

import copy
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from .. import data, randomness, training
from ..checks import one_of
from ..models import ResNet, create_model
from ..models.recompute import unchanged_averages
from ..records.grids import grid
from ..training.evaluation import evaluating


class Result(NamedTuple):
    """A network that was trained, its `cnnlib.training.History`, and the DataSet."""

    model: nn.Module
    history: training.History
    data: object


def race(depth=56, *, seed=0, experiment="digits-degradation", epochs=None, lr=None, device=None, callback=None,
         progress=True):
    """Train the plain and the residual network of one depth as `experiment` recorded them, on the same data.

    Args:
        depth: layers with weights, 6n+2.
        seed: of the initial weights and of the order of the images.
        experiment: the grid of `grids.py` whose data, widths and recipe are taken: "digits-degradation", seconds on a
            CPU, or "degradation", CIFAR-10 at full width, for a GPU.
        epochs, lr: instead of the recipe's.
        device, progress: as in `cnnlib.training.fit`.
        callback: called as callback(kind, model, epoch) before training (epoch 0) and after every epoch.

    Returns:
        {"plain": Result, "residual": Result}, trained one after the other.

    Raises:
        ValueError: no such grid, or a depth that is not 6n+2.
        KeyboardInterrupt: Ctrl-C.
    """
    plan = grid(experiment)
    dataset, options = data.load(**plan.data), plan.cases[0].options
    recipe = {**plan.recipe, **({} if epochs is None else {"epochs": epochs}), **({} if lr is None else {"lr": lr})}
    results = {}
    for kind, family in (("plain", "plain"), ("residual", "resnet")):
        torch.manual_seed(seed)
        model = create_model(f"{family}{depth}", variant="cifar", **options)

        def told(epoch, kind=kind, model=model):
            if callback:
                callback(kind, model, epoch["epoch"])

        told({"epoch": 0})
        history = training.fit(model, dataset, **recipe, seed=seed, device=device, callback=told, progress=progress)
        if history.interrupted:
            raise KeyboardInterrupt
        results[kind] = Result(model, history, dataset)
    return results


def gradient_norms(model, images, labels, *, seed=0):
    """Norm of the loss's gradient in the weights of every convolution and linear layer, from the input to the output.

    In training mode, where BatchNorm normalises with the batch; weights, their gradients and running averages stay as
    they were. What the network draws at random (dropout, stochastic depth) follows from the seed.

    Args:
        model: any network for pictures.
        images: float32 (N, C, H, W), normalised. labels: int64 (N,).

    Returns:
        {name of the layer: Euclidean norm of the gradient of its weight}, in the order of `model.named_modules()`; the
        gradient is that of the mean cross-entropy. A layer that took no part in the step has 0.

    Raises:
        ValueError: no convolution and no linear layer.
    """
    layers = {name: module.weight for name, module in model.named_modules()
              if isinstance(module, (nn.Conv2d, nn.Linear)) and module.weight.requires_grad}
    if not layers:
        raise ValueError(f"model is a {type(model).__name__} without convolutions and linear layers to train, allowed: "
                         "networks that have them.")
    device = next(model.parameters()).device
    images, labels = images.to(device), labels.to(device)
    with evaluating(model), unchanged_averages(model), randomness.seeded(seed), torch.enable_grad():
        model.train()                                   # `evaluating` gives every module its mode back
        answer = training.outputs(model(images))[0]
        gradients = torch.autograd.grad(F.cross_entropy(answer, labels), list(layers.values()), allow_unused=True)
    # Squares of 1e-25 are 0 in float32, and not every device has float64.
    return {name: 0.0 if gradient is None else gradient.cpu().double().norm().item()
            for name, gradient in zip(layers, gradients, strict=True)}


def without_norm(model, start="pytorch", *, seed=0):
    """A copy of `model` without any BatchNorm: what `gradient_norms` says of it is what gradients did before.

    Args:
        start: "pytorch", convolutions and linear layers get the small weights with which PyTorch begins; "he": theirs,
            of the scale that keeps the signal's size under ReLU (He et al. 2015).
        seed: decides the weights.
    """
    one_of("start", start, ("pytorch", "he"))
    model = copy.deepcopy(model)
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, nn.Identity())
    with randomness.seeded(seed):
        for layer in model.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                layer.reset_parameters()
                if start == "he":
                    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return model


# -- the solution that exists -----------------------------------------------------------------------------------------


@torch.no_grad()
def identity_solution(shallow, deep, images=None):
    """A copy of the plain network `deep` that computes what the trained plain `shallow` does: a solution that exists.

    In each stage the first blocks get the weights of the shallow ones. The others become identities, which after a ReLU
    is easy: each kernel holds a single 1 and passes its channel on, each BatchNorm changes nothing. In evaluation mode
    the outputs of the two are equal.

    Args:
        shallow, deep: plain networks of `create_model`, such as "plain20" and "plain56", of equal widths.
        images: float32 (N, C, H, W), normalised. With them the BatchNorms of the identities expect the statistics that
            these images have there, and undo the normalisation by scale and shift: equal outputs in evaluation mode, to
            rounding, and about equal ones in training mode, so that training can go on from there. Without them a
            BatchNorm of the identities would normalise in training mode.

    Raises:
        ValueError: networks that are not plain, of different widths or classes, or `deep` is not deeper.
    """
    for name, model in (("shallow", shallow), ("deep", deep)):
        if not isinstance(model, ResNet) or not all(block.plain for _, block in _blocks(model)):
            raise ValueError(f"{name} is a {type(model).__name__} that is not plain, allowed: networks such as "
                             "cnnlib.create_model('plain20').")
    deep = copy.deepcopy(deep)
    own = deep.state_dict()
    for name, value in shallow.state_dict().items():
        if name not in own or own[name].shape != value.shape:
            raise ValueError(f"deep has no {name} of shape {tuple(value.shape)}, allowed: all that shallow has.")
    added = [(name, block) for name, block in _blocks(deep) if f"{name}.conv1.weight" not in shallow.state_dict()]
    if not added:
        raise ValueError("deep has no more blocks than shallow, allowed: a deeper network.")
    deep.load_state_dict({**own, **shallow.state_dict()})
    for _, block in added:
        for conv, norm in ((block.conv1, block.bn1), (block.conv2, block.bn2)):
            nn.init.dirac_(conv.weight)                 # a kernel's centre is 1 where channel goes to the same channel
            norm.reset_parameters()
            norm.running_var.fill_(1 - norm.eps)        # to which BatchNorm adds eps
    if images is not None:
        with _statistics([norm for _, block in added for norm in (block.bn1, block.bn2)]), evaluating(deep):
            deep(images)
    return deep


def _blocks(model):
    """(name, block) of every block of a ResNet."""
    return [(f"layer{stage}.{i}", block) for stage in range(1, 5)
            for i, block in enumerate(getattr(model, f"layer{stage}"))]


class _statistics:
    """While open, each of these BatchNorms is made to expect what it is given, and to undo what it does to it."""

    def __init__(self, norms):
        self.norms = norms

    def __enter__(self):
        self.handles = [norm.register_forward_pre_hook(self.fit) for norm in self.norms]

    def __exit__(self, *_):
        for handle in self.handles:
            handle.remove()

    @staticmethod
    def fit(norm, inputs):
        mean, variance = inputs[0].mean((0, 2, 3)), inputs[0].var((0, 2, 3), correction=0)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(mean)
