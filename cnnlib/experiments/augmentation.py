"""AlexNet's way with pictures: cut, mirrored and recoloured for training, ten crops for testing.

A. Krizhevsky et al., "ImageNet classification with deep convolutional neural networks", 2012, sections 2 and 4.1.
Pictures are uint8 (3, H, W), or (N, C, H, W) where it says so.
"""

import torch
from torch.nn import functional as F

from ..checks import at_least
from ..training.evaluation import evaluating


def sample(name):
    """One of the two photographs that come with scikit-learn, "china" or "flower": uint8 (3, 427, 640)."""
    from sklearn.datasets import load_sample_image

    return torch.tensor(load_sample_image(f"{name}.jpg")).permute(2, 0, 1)


def prepared(picture, side=256):
    """Section 2: the shorter side becomes `side`, then the central `side` x `side` pixels are cut out."""
    at_least("side", side, 1)
    height, width = picture.shape[1:]
    size = [n * side // min(height, width) for n in (height, width)]
    small = F.interpolate(picture[None].float(), size, mode="bilinear", antialias=True)[0].round().clamp(0, 255)
    top, left = (round((n - side) / 2) for n in size)
    return small[:, top:top + side, left:left + side].to(torch.uint8)


def cut(pictures, top, left, size, mirrored=False):
    """The `size` x `size` part whose corner is (top, left), of (..., H, W); mirrored left and right if asked for."""
    height, width = pictures.shape[-2:]
    for name, value, side in (("top", top, height), ("left", left, width)):
        if not 0 <= value <= side - size:
            raise ValueError(f"{name} is {value}, allowed for a part of {size} out of {side}: 0 to {side - size}.")
    part = pictures[..., top:top + size, left:left + size]
    return part.flip(-1) if mirrored else part


def colour_components(*pictures):
    """The directions in which the colours of all pixels of uint8 (3, H, W) pictures vary, strongest first.

    Returns:
        (values, vectors), float64 (3,) and (3, 3): the eigenvalues of the covariance of red, green and blue (0 to 1),
        and in each column of `vectors` the eigenvector to one of them, of length 1, with a sum that is not negative.
    """
    pixels = torch.cat([picture.flatten(1) for picture in pictures], 1).double() / 255
    values, vectors = torch.linalg.eigh(torch.cov(pixels))
    signs = torch.where(vectors.sum(0) < 0, -1.0, 1.0)          # v and -v are the same direction
    return values.flip(0), (vectors * signs).flip(1)


def colour_shift(values, vectors, draws):
    """Section 4.1: what is added to red, green and blue of every pixel, float64 (3,): the eigenvectors, each times its
    eigenvalue and a random number; `draws` are the three numbers, in training from N(0, 0.1)."""
    return vectors @ (values * torch.as_tensor(draws, dtype=torch.double))


def recoloured(picture, shift):
    """uint8 (3, H, W) with `shift`, in units of 0 to 1, added to the three colours of all pixels."""
    return (picture + 255 * shift[:, None, None]).round().clamp(0, 255).to(torch.uint8)


def places(height, width, size):
    """(top, left) of the five crops: the corners and the centre."""
    bottom, right = height - size, width - size
    return [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]


@torch.no_grad()
def crop_scores(model, x, size, mirrored=(False, True), where=None):
    """Softmax of `model` averaged over crops of `size` x `size`, each as it is and mirrored: ten crops in all.

    Args:
        model: a classifier; run in evaluation mode, left as it was.
        x: pictures (N, C, H, W), normalised.
        mirrored: (False,) leaves the mirror images out.
        where: corners (top, left) of the crops; None: `places`.

    Returns:
        (N, classes), rows that sum to 1.
    """
    where = places(*x.shape[-2:], size) if where is None else where
    with evaluating(model):
        scores = [model(cut(x, top, left, size, flip)).softmax(1) for top, left in where for flip in mirrored]
    return torch.stack(scores).mean(0)
