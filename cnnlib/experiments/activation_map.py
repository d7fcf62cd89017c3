"""Class activation maps: where in the picture the score of a class comes from.

B. Zhou, A. Khosla, A. Lapedriza, A. Oliva, A. Torralba, "Learning deep features for discriminative localization",
CVPR 2016, section 2.
"""

import torch


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
