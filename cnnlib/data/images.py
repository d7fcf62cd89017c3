"""Small images, held whole on the device as one uint8 tensor, and augmented there a batch at a time."""

from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
import torch
from torch.nn import functional as F

from ..checks import at_least


class Split:
    """What both kinds of splits have in common: `labels` and, of the training split, `mean` and `std` a channel."""

    def __len__(self):
        return len(self.labels)

    def __repr__(self):
        return f"{type(self).__name__}({len(self):,} of shape {self.shape}, crop={self.crop!r}, flip={self.flip})"

    def normalise(self, images):
        """uint8 (N, C, H, W) -> float32: levels from 0 to 1, less the mean, over the deviation of each channel."""
        return normalise(images, *on(images.device, self.mean, self.std))


@dataclass(repr=False)
class Images(Split):
    """One split: `images` uint8 (N, C, H, W), `labels` int64 (N,), and the statistics that normalise it.

    In a shuffled pass each image is cut at a random place out of itself with `crop` black pixels on every side, and
    if `flip`, mirrored with probability 1/2 (after He et al. 2016, section 4.2). Other passes show it as it is.
    """

    images: torch.Tensor
    labels: torch.Tensor
    mean: tuple
    std: tuple
    crop: int = 0
    flip: bool = False

    @property
    def shape(self):
        """(C, H, W) of every image."""
        return tuple(self.images.shape[1:])

    def to(self, device):
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def batches(self, batch_size, *, shuffle=False, seed=None, rank=0, world_size=1):
        """Yield (x, y): x float32 (n, C, H, W) normalised, y int64 (n,). The last batch may be smaller.

        Args:
            batch_size: images a step, over all processes.
            shuffle: another order and another augmentation for every seed, the same on every device.
            seed: what both follow from; None takes torch's current random state.
            rank, world_size: this process yields its part of each batch, images rank, rank + world_size, ... of it
                (perhaps none), so that all of them together see exactly what one process alone would see.

        Raises:
            ValueError: an argument outside what is allowed.
        """
        plan = Plan(len(self), batch_size, shuffle, seed, rank, world_size).to(self.images.device)
        mean, std = on(self.images.device, self.mean, self.std)
        for places in plan.batches:
            index = plan.order[places]
            images = self.images.index_select(0, index)
            if shuffle and self.crop:
                images = crop(images, self.crop, plan.corners(places, self.crop))
            if shuffle and self.flip:
                images = mirror(images, plan.mirrored[places])
            yield normalise(images, mean, std), self.labels.index_select(0, index)


class Plan:
    """What a pass over n images will show, drawn on the CPU before it begins.

    `order` (n,) are the images; for each place in it, `draws` (n, 2) are random whole numbers, of which crops and
    seeds are made, and `mirrored` (n,) is true or false. `batches` are the places this process takes, step by step.
    """

    def __init__(self, n, batch_size, shuffle, seed, rank=0, world_size=1):
        at_least("batch_size", batch_size, 1)
        at_least("world_size", world_size, 1)
        if at_least("rank", rank, 0) >= world_size:
            raise ValueError(f"rank is {rank}, allowed: whole numbers below world_size = {world_size}.")
        if shuffle and seed is None and world_size > 1:
            raise ValueError("seed is None, allowed with world_size > 1: whole numbers, the same in every process.")
        generator = torch.Generator().manual_seed(seed) if shuffle and seed is not None else None
        self.order = torch.randperm(n, generator=generator) if shuffle else torch.arange(n)
        self.draws = torch.randint(2**31, (n, 2), generator=generator) if shuffle else torch.zeros(n, 2).long()
        self.mirrored = torch.rand(n, generator=generator) < 0.5 if shuffle else torch.zeros(n).bool()
        self.batches = [slice(i + rank, min(i + batch_size, n), world_size) for i in range(0, n, batch_size)]

    def to(self, device):
        self.order, self.draws, self.mirrored = (t.to(device) for t in (self.order, self.draws, self.mirrored))
        return self

    def corners(self, places, margin):
        """Top and left edge of each crop, int64 (n, 2), all values from 0 to 2 * margin equally likely."""
        return self.draws[places] % (2 * margin + 1)


def crop(images, margin, corners):
    """Pad uint8 (n, C, H, W) with `margin` black pixels, and cut H x W out of each at its corner (top, left).

    Every place where a cut may begin is a window into the same memory, so that one gather of n windows does it.
    """
    n, c, h, w = images.shape
    padded = F.pad(images, (margin,) * 4)
    image, plane, row, _ = padded.stride()
    last = (n - 1) * image + 2 * margin * (row + 1)
    windows = padded.as_strided((last + 1 if n else 0, c, h, w), (1, plane, row, 1))
    begin = torch.arange(n, device=images.device) * image + corners[:, 0] * row + corners[:, 1]
    return windows.index_select(0, begin)


def mirror(images, which):
    """Mirror left and right those of (n, C, H, W) whose entry in `which`, bool (n,), is true."""
    both = torch.cat((images, images.flip(-1)))
    return both.index_select(0, torch.arange(len(images), device=images.device) + len(images) * which)


def saved_as_jpeg(images, quality):
    """uint8 (N, C, H, W) as they are read after JPEG of this quality, colours at half the resolution; C is 1 or 3.

    A frame of four pixels, gone afterwards, moves the squares of 8x8 that JPEG works on: on those of an earlier JPEG,
    next to nothing more would be lost.
    """
    from PIL import Image

    framed = np.pad(images.permute(0, 2, 3, 1).numpy(), ((0, 0), (4, 4), (4, 4), (0, 0)), mode="edge")
    colours = {"subsampling": "4:2:0"} if images.shape[1] == 3 else {}
    read = np.empty_like(framed)
    for i, picture in enumerate(framed):
        file = BytesIO()
        Image.fromarray(picture.squeeze()).save(file, "JPEG", quality=quality, **colours)
        read[i] = np.asarray(Image.open(file)).reshape(picture.shape)
    return torch.from_numpy(read[:, 4:-4, 4:-4]).permute(0, 3, 1, 2).contiguous()


def on(device, *channels):
    """Tuples of one number a channel as tensors (1, C, 1, 1) on the device."""
    return [torch.tensor(values, device=device).view(1, -1, 1, 1) for values in channels]


def normalise(images, mean, std):
    """uint8 (n, C, H, W) -> float32: levels from 0 to 1, less the mean, over the deviation, both (1, C, 1, 1)."""
    return images.float().div_(255).sub_(mean).div_(std)


def split_per_class(labels, test_fraction, seed=0):
    """Indices (train, test): of each class the given fraction, rounded down but one at least, is for testing."""
    generator = torch.Generator().manual_seed(seed)
    test = []
    for label in labels.unique():
        members = (labels == label).nonzero().flatten()
        chosen = torch.randperm(len(members), generator=generator)[: max(1, int(len(members) * test_fraction))]
        test.append(members[chosen])
    test = torch.cat(test).sort().values
    is_train = torch.ones(len(labels), dtype=torch.bool).index_fill(0, test, False)
    return is_train.nonzero().flatten(), test


def balanced(labels, limit, seed=0):
    """Indices, sorted, of `limit` images in equal parts from each class; of a larger limit, a superset.

    Each class is shuffled, then they take turns, in a new order every round, until there are `limit`.
    """
    generator = torch.Generator().manual_seed(seed)
    turn = torch.zeros(len(labels), dtype=torch.double)
    for label in labels.unique():
        members = (labels == label).nonzero().flatten()
        shuffled = members[torch.randperm(len(members), generator=generator)]
        within = torch.rand(len(members), generator=generator, dtype=torch.double)
        turn[shuffled] = torch.arange(len(members)) + within
    return turn.argsort(stable=True)[:limit].sort().values
