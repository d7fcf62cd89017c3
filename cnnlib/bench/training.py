"""The data pipeline against PIL and DataLoader, and `fit` against a bare loop.

The pictures are random: no data set is needed, and none would be faster.
"""

import numpy as np
import torch
from torch.nn import functional as F

from .. import create_model
from ..data import DataSet, Images
from ..training import fit
from . import Result, compare, once

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)       # of CIFAR-10


def run(*, quick=False, device="cpu"):
    """Pipeline and training step on the CPU; on a GPU, training there as well. Speeds are in images/s."""
    results = [pipeline(workers, n=128 if quick else 10_000, repeats=1 if quick else 5) for workers in (0, 2)]
    results.append(step(batch_size=8 if quick else 128, steps=1 if quick else 5, repeats=1 if quick else 7))
    if torch.device(device).type == "cuda":
        results += [gpu(depth, n=1024 if quick else 50_000) for depth in (20, 56)]
    return results


def pipeline(workers, n, repeats):
    """Crop, mirror and normalise n images of 32x32: our batches on one thread, or on as many as there are workers."""
    from torch.utils.data import DataLoader
    from torchvision import transforms
    from torchvision.datasets import CIFAR10

    images = pictures(n)

    class Peer(CIFAR10):
        """torchvision's own way to an image, from an array that need not be downloaded."""

        def __init__(self):
            self.data, self.targets, self.target_transform = images.permute(0, 2, 3, 1).numpy(), [0] * n, None
            self.transform = transforms.Compose([
                transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ])

    ours = Images(images, torch.zeros(n, dtype=torch.int64), MEAN, STD, crop=4, flip=True)
    peer = DataLoader(Peer(), 128, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, workers))
    try:
        a, b, ratio = compare(lambda: exhaust(ours.batches(128, shuffle=True)), lambda: exhaust(peer), repeats=repeats)
    finally:
        torch.set_num_threads(threads)
    what = f"augmented batches, against PIL with {workers} workers"
    return faster(what, n / a, n / b, 1 / ratio, 5 if workers else 9)


def step(batch_size, steps, repeats):
    """An epoch of ResNet-20 in `fit`, with augmentation, against the bare loop on images that are ready to use."""
    n = batch_size * steps
    data = random_data(n)
    model, bare = create_model("resnet20"), create_model("resnet20")
    ready, labels = data.train.normalise(data.train.images), data.train.labels
    optimizer = torch.optim.SGD(bare.parameters(), lr=0.01, momentum=0.9, nesterov=True)

    def loop():
        bare.train()
        for index in torch.randperm(n).split(batch_size):
            optimizer.zero_grad()
            F.cross_entropy(bare(ready[index]), labels[index]).backward()
            optimizer.step()
        bare.eval()
        with torch.no_grad():
            bare(ready[:len(data.test)])

    def ours():
        fit(model, data, epochs=1, batch_size=batch_size, lr=0.01, device="cpu", progress=False)

    a, b, ratio = compare(ours, loop, repeats=repeats)
    return Result("ResNet-20 in fit on the CPU, against a bare loop", n / a, n / b, ratio, "<= 1.03", ratio <= 1.03,
                  "images/s")


def gpu(depth, n, batch_size=512):
    """A CIFAR ResNet in `fit` against compiled forward and backward passes over one batch that stays on the GPU."""
    data = random_data(n).to("cuda")
    history = fit(create_model(f"resnet{depth}"), data, epochs=3, batch_size=batch_size, lr=0.01, device="cuda",
                  compile=True, progress=False)
    _, before, after = history.column("seconds")            # the first epoch compiles
    autocast = history.precision == "bfloat16"

    model = create_model(f"resnet{depth}").to("cuda", memory_format=torch.channels_last)
    compiled, y = torch.compile(model), data.train.labels[:batch_size]
    x = data.train.normalise(data.train.images[:batch_size]).contiguous(memory_format=torch.channels_last)

    def passes():
        for _ in range(n // batch_size):
            with torch.autocast("cuda", torch.bfloat16, enabled=autocast):
                loss = F.cross_entropy(compiled(x), y)
            loss.backward()
            model.zero_grad()

    passes()
    ours, peer = n / (after - before), n // batch_size * batch_size / once(passes, torch.cuda.synchronize)
    return faster(f"ResNet-{depth} in fit on the GPU, against bare passes", ours, peer, ours / peer, 0.6)


def faster(what, ours, peer, ratio, goal):
    return Result(what, ours, peer, ratio, f">= {goal}", ratio >= goal, "images/s")


def pictures(n):
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (n, 3, 32, 32), dtype=np.uint8))


def random_data(n):
    """A DataSet of n random training images and two for testing."""
    train = Images(pictures(n), torch.randint(10, (n,)), MEAN, STD, crop=4, flip=True)
    return DataSet("random", "random", list(range(10)), train, Images(train.images[:2], train.labels[:2], MEAN, STD))


def exhaust(batches):
    for _ in batches:
        pass
