"""Photos too large to be held in memory: files, opened in worker processes and transformed by torchvision's v2."""

import os
from dataclasses import dataclass, replace
from functools import partial

import torch

from .. import randomness
from .cache import open_rgb
from .images import Plan, Split, normalise, on

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)      # mean and deviation that pretrained weights expect


@dataclass(repr=False)
class Photos(Split):
    """One split as `paths` and `labels` int64 (N,); its `batches` are like those of `Images`, size x size pixels.

    Args:
        crop: in a shuffled pass, a margin in pixels: the shorter side becomes size + 2 * crop, and a size x size part
            is cut out at a random place (AlexNet, section 4.1: 256 and 224, thus crop=16). Or "resized": a random part
            of 8 to 100 % of the area, sides 3:4 to 4:3, resized (GoogLeNet, section 6).
            Other passes cut out the centre; after crop="resized", of the photo with shorter side 8/7 * size.
        flip: in a shuffled pass, mirrored with probability 1/2.
        workers: processes that open and transform; None takes one a core, at most 8. The pixels do not depend on it.
    """

    paths: list
    labels: torch.Tensor
    size: int
    crop: int | str = 0
    flip: bool = False
    mean: tuple = IMAGENET[0]
    std: tuple = IMAGENET[1]
    workers: int | None = None
    device: str = "cpu"

    @property
    def shape(self):
        """(C, H, W) of every image of a batch."""
        return 3, self.size, self.size

    def to(self, device):
        return replace(self, labels=self.labels.to(device), device=device)

    def batches(self, batch_size, *, shuffle=False, seed=None, rank=0, world_size=1):
        """Yield (x, y): x float32 (n, 3, size, size) normalised, y int64 (n,); arguments as in `Images.batches`."""
        from torch.utils.data import DataLoader

        plan = Plan(len(self), batch_size, shuffle, seed, rank, world_size)
        seeds = plan.draws[:, 0] * 2**31 + plan.draws[:, 1]
        workers = min(os.cpu_count(), 8) if self.workers is None else self.workers
        cuda = torch.device(self.device).type == "cuda"
        loader = DataLoader(
            _Opened(self.paths, self._transform(shuffle)), num_workers=workers, pin_memory=cuda,
            batch_sampler=[list(zip(plan.order[b].tolist(), seeds[b].tolist(), strict=True)) for b in plan.batches],
            collate_fn=partial(_stack, self.shape),
            generator=torch.Generator(),                                   # torch's own random state is left alone
        )
        mean, std = on(self.device, self.mean, self.std)
        for places, images in zip(plan.batches, loader, strict=True):
            images = images.to(self.device, non_blocking=cuda)
            yield normalise(images, mean, std), self.labels[plan.order[places].to(self.device)]

    def _transform(self, shuffle):
        from torchvision.transforms import v2

        if self.crop == "resized":
            cut = [v2.RandomResizedCrop(self.size)] if shuffle else [v2.Resize(self.size * 8 // 7),
                                                                    v2.CenterCrop(self.size)]
        else:
            place = v2.RandomCrop if shuffle and self.crop else v2.CenterCrop
            cut = [v2.Resize(self.size + 2 * self.crop), place(self.size)]
        return v2.Compose([v2.PILToTensor(), *cut, v2.RandomHorizontalFlip(0.5 if shuffle and self.flip else 0)])


def _stack(shape, images):
    return torch.stack(images) if images else torch.empty((0, *shape), dtype=torch.uint8)


class _Opened(torch.utils.data.Dataset):
    """(index, seed) -> the photo, transformed under that seed, so that it matters not which process does it."""

    def __init__(self, paths, transform):
        self.paths, self.transform = paths, transform

    def __getitem__(self, index_and_seed):
        index, seed = index_and_seed
        picture = open_rgb(self.paths[index])
        with randomness.seeded(seed, gpus=False):       # for every photo: no time for generators that draw nothing
            return self.transform(picture)
