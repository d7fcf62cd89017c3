"""Class activation maps: where in the picture the score of a class comes from.

B. Zhou, A. Khosla, A. Lapedriza, A. Oliva, A. Torralba, "Learning deep features for discriminative localization",
CVPR 2016, section 2.
"""

import torch

from ..training.evaluation import evaluating, save_figure


def class_activation_map(maps, linear):
    """What each place of the last maps adds to each score.

    Sums over places, plus the biases of `linear`, are the scores: exactly, nothing is approximated.

    Args:
        maps: (N, K, H, W), what goes into the head.
        linear: the `nn.Linear` that ends the head. With K inputs it stands behind global average pooling, with K·H·W
            behind flattening, and then it has weights of its own for every place.

    Returns:
        (N, classes, H, W)

    Raises:
        ValueError: the layer fits neither.
    """
    _, k, height, width = maps.shape
    if linear.in_features == k:
        weight = (linear.weight / (height * width)).view(-1, k, 1, 1).expand(-1, -1, height, width)
    elif linear.in_features == k * height * width:
        weight = linear.weight.view(-1, k, height, width)
    else:
        raise ValueError(f"linear has {linear.in_features:,} inputs, allowed for maps {tuple(maps.shape)}: {k:,} "
                         f"(averaged) or {k * height * width:,} (flattened).")
    return torch.einsum("ckhw,nkhw->nchw", weight, maps)


def activation_map(model, x, label):
    """The class activation map of any network that has maps at all: its last maps times the gradient of the score.

    Behind a linear head this is `class_activation_map`, exactly; a hidden layer with ReLU in the head makes no
    difference but for its biases, which belong to no place.

    Args:
        x: (1, C, H, W), a picture.
        label: whose score.

    Returns:
        (h, w), a number a place of the last maps.

    Raises:
        ValueError: no layer has maps of more than one place.
    """
    kept = []

    def keep(layer, inputs, maps):
        if isinstance(maps, torch.Tensor) and maps.dim() == 4 and maps.shape[2:].numel() > 1:
            kept[:] = [maps]

    hooks = [layer.register_forward_hook(keep) for layer in model.modules()]
    try:
        with evaluating(model), torch.enable_grad():
            score = model(x.detach().clone().requires_grad_())[0, label]        # also where all weights are frozen
    finally:
        for hook in hooks:
            hook.remove()
    if not kept:
        raise ValueError(f"the network has no maps to draw for pictures of shape {tuple(x.shape[1:])}.")
    maps, = kept
    slope, = torch.autograd.grad(score, maps)
    return (maps * slope).sum(1)[0].detach()


def draw_activation_map(picture, found, title, file):
    """Write a picture as the network got it, and beside it the map over it: blue for the class, orange against it.

    Args:
        picture: (C, H, W), levels from 0 to 1.
        found: (h, w), from `activation_map`.
    """
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    pixels = picture.clamp(0, 1).cpu().expand(3, -1, -1).permute(1, 2, 0).numpy()
    height, width = pixels.shape[:2]
    most = found.abs().max().item() or 1.0
    axes = Figure(figsize=(4.8, 2.8), layout="constrained").subplots(1, 2)
    for axis in axes:
        axis.imshow(pixels, extent=(0, width, height, 0))
        axis.set_axis_off()
    signed, share = LinearSegmentedColormap.from_list("signed", ["#D55E00", "white", "#0072B2"]), found.cpu() / most
    axes[1].imshow(share.numpy(), cmap=signed, vmin=-1, vmax=1, alpha=0.8 * share.abs().numpy(),      # 0 is clear
                   extent=(0, width, height, 0), interpolation="nearest")
    axes[0].set_title("as the network got it")
    axes[1].set_title(title)
    save_figure(axes[0].figure, file)
