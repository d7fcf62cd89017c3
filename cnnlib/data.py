"""Data sets by name, held on the device as one uint8 tensor.

    >>> digits = cnnlib.data.load("digits", size=28)      # scikit-learn's 1,797 digits: always there
    >>> for x, y in digits.train.batches(128, shuffle=True, seed=0): ...

Order of search: `root`, the environment variable CNNLIB_DATA, the folder `data/`, then a download.
"""

import hashlib
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from .images import Images, balanced, split_per_class
from .models.checks import at_least, one_of
from .paths import CHECKOUT

# File -> (bytes, md5) of the four unpacked files of MNIST, http://yann.lecun.com/exdb/mnist.
_MNIST = {
    "train-images-idx3-ubyte": (47040016, "6bbc9ace898e44ae57da46a324031adb"),
    "train-labels-idx1-ubyte": (60008, "a25bea736e30d166cdddb491f175f624"),
    "t10k-images-idx3-ubyte": (7840016, "2646ac647ad5339dbf082846283269ea"),
    "t10k-labels-idx1-ubyte": (10008, "27ae3e4e09519cfbb04c329615203637"),
}


class DataNotFound(FileNotFoundError):
    """A data set is in none of the places searched and cannot be downloaded."""


@dataclass
class DataSet:
    """A training and a test split. Unpacks: `train, test = load("digits")`."""

    name: str
    variant: str
    classes: list
    train: Images
    test: Images

    def __iter__(self):
        return iter((self.train, self.test))

    @property
    def mean(self):
        return self.train.mean

    @property
    def std(self):
        return self.train.std

    def to(self, device):
        return replace(self, train=self.train.to(device), test=self.test.to(device))


def load(name, root=None, *, size=None, pad=0, channels=None, crop=0, flip=False, limit=None, test_fraction=None,
         device="cpu"):
    """Load a data set whole.

    Args:
        name: "digits" (8x8, embedded), "mnist" (28x28), or "folder" (any folder of images, one folder a class).
        root: where to look first; for "folder" the folder itself, with `train/` and `test/` in it or without
            (then `test_fraction` of each class, rounded down, is set aside).
        size: resize to size x size (photos: the shorter side, then the centre is cut out). None: as it is.
        pad: pixels of value 0 added on every side, after resizing.
        channels: 3 repeats grey images to RGB. None: as it is.
        crop, flip: augmentation of the training split, see `Images`.
        limit: train on this many images only, a fixed choice with equal parts of each class; the test split is whole.
        test_fraction: share of each class in the test split, where the data set has none of its own.
        device: where the tensors live.

    Raises:
        ValueError: unknown name, bad argument, a truncated or corrupted file, images of different sizes.
        DataNotFound: no copy in the places searched and no network.
    """
    one_of("data set", name, tuple(_LOADERS))
    one_of("channels", channels, (None, 3))
    one_of("flip", flip, (False, True))
    at_least("pad", pad, 0)
    at_least("crop", crop, 0)
    for argument, value in (("size", size), ("limit", limit)):
        if value is not None:
            at_least(argument, value, 1)
    if test_fraction is not None and not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction is {test_fraction!r}, allowed: numbers between 0 and 1.")

    variant, classes, *splits = _LOADERS[name](root, size, test_fraction)
    (images, labels), test = splits
    if limit is not None and limit < len(labels):
        chosen = balanced(labels, limit)
        images, labels = images[chosen], labels[chosen]
        variant += f", {limit:,} of them for training, chosen evenly"
    images, test_images = (_prepare(each, size, pad, channels) for each in (images, test[0]))
    if (size, pad) != (None, 0):
        variant += f", resized and padded to {images.shape[2]}x{images.shape[3]}"
    statistics = mean_std(images)
    train = Images(images, labels, *statistics, crop, flip)
    return DataSet(name, variant, classes, train, Images(test_images, test[1], *statistics)).to(device)


def mean_std(images):
    """Mean and standard deviation of each channel of uint8 (N, C, H, W), levels from 0 to 1, as two tuples.

    Sums of whole numbers: exact, and no float copy of the whole set. A channel of one level has deviation 1.
    """
    counts = torch.stack([torch.bincount(c.flatten().int(), minlength=256) for c in images.unbind(1)]).double()
    levels = torch.arange(256).double() / 255
    mean = (counts * levels).sum(1) / counts.sum(1)
    std = ((counts * (levels - mean[:, None]) ** 2).sum(1) / counts.sum(1)).sqrt()
    return tuple(mean.tolist()), tuple(s or 1.0 for s in std.tolist())


def _prepare(images, size, pad, channels):
    """Resize, pad, grey to RGB: uint8 (N, C, H, W) to the same, a thousand at a time for the memory's sake."""
    def resize(some):
        some = F.interpolate(some.float(), (size, size), mode="bilinear", antialias=True)
        return some.round().clamp(0, 255).to(torch.uint8)

    if size is not None and tuple(images.shape[2:]) != (size, size):
        images = torch.cat([resize(some) for some in images.split(1000)])
    if pad:
        images = F.pad(images, (pad,) * 4)
    return images.expand(-1, channels or -1, -1, -1).contiguous()


# -- one loader a data set: (root, size, test_fraction) -> variant, classes, (images, labels) twice --------


def _digits(root, size, test_fraction):
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = torch.from_numpy((bunch.images * (255 / 16)).round().astype(np.uint8))[:, None]
    labels = torch.from_numpy(bunch.target.astype(np.int64))
    train, test = split_per_class(labels, test_fraction or 0.2)
    variant = f"scikit-learn digits, {len(train):,} + {len(test):,}, 8x8"
    return variant, [str(d) for d in range(10)], (images[train], labels[train]), (images[test], labels[test])


def _mnist(root, size, test_fraction):
    from torchvision.datasets import MNIST

    def check(place):
        raw = place / "MNIST" / "raw"
        if not (raw / "train-images-idx3-ubyte").exists():
            return False
        for file, (length, md5) in _MNIST.items():
            _check_file(raw / file, length, md5)
        return True

    def download(place):
        MNIST(str(place), train=True, download=True)

    place = _find("mnist", root, check, download, "MNIST")
    splits = [MNIST(str(place), train=train) for train in (True, False)]
    (train, test) = [(s.data[:, None].clone(), s.targets.clone()) for s in splits]
    return "MNIST, 60,000 + 10,000, 28x28", [str(d) for d in range(10)], train, test


def _folder(root, size, test_fraction):
    from PIL import Image, UnidentifiedImageError
    from torchvision.datasets import ImageFolder

    if root is None or not Path(root).is_dir():
        raise ValueError(f"root is {root!r}, allowed for 'folder': a folder with one folder of images a class.")
    root = Path(root)

    def read(folder):
        try:
            listing = ImageFolder(str(folder))
        except FileNotFoundError as error:
            raise ValueError(f"{folder} is not a folder of classes with images in them: {error}") from error
        pictures = []
        for path, _ in listing.samples:
            try:
                with Image.open(path) as picture:
                    pictures.append(_centre(picture.convert("RGB"), size))
            except (UnidentifiedImageError, OSError, SyntaxError) as error:
                raise ValueError(f"{path} is truncated or not an image: {error}. Nothing was kept from it.") from error
            if pictures[-1].shape != pictures[0].shape:
                raise ValueError(f"{path} has another size than {listing.samples[0][0]}; give size=, e.g. size=64.")
        return listing.classes, torch.stack(pictures), torch.tensor([label for _, label in listing.samples])

    if (root / "train").is_dir() and (root / "test").is_dir():
        classes, *train = read(root / "train")
        test_classes, *test = read(root / "test")
        if test_classes != classes:
            raise ValueError(f"train/ and test/ of {root} have different classes: {classes} and {test_classes}.")
    else:
        classes, images, labels = read(root)
        a, b = split_per_class(labels, test_fraction or 0.1)
        if len(b) == 0:
            raise ValueError(f"{root} has too few images a class to set aside test_fraction={test_fraction or 0.1}.")
        train, test = (images[a], labels[a]), (images[b], labels[b])
    return f"folder {root.name}, {len(train[1]):,} + {len(test[1]):,} images", classes, train, test


def _centre(picture, size):
    """A photo as uint8 (3, H, W): the shorter side becomes `size`, the centre is cut out."""
    if size is not None:
        scale = size / min(picture.size)
        w, h = (max(size, round(n * scale)) for n in picture.size)
        left, top = (w - size) // 2, (h - size) // 2
        picture = picture.resize((w, h)).crop((left, top, left + size, top + size))
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)


_LOADERS = {"digits": _digits, "mnist": _mnist, "folder": _folder}


# -- finding, checking, fetching ---------------------------------------------------------------------------


def _places(root):
    places = [root, os.environ.get("CNNLIB_DATA"), (CHECKOUT or Path.cwd()) / "data"]
    return [Path(p).expanduser() for p in places if p]


def _find(name, root, check, download, folder):
    """The first place where `check` finds the data set; else download it there and move it in whole."""
    places = _places(root)
    for place in places:
        if check(place):
            return place
    target = places[0]
    print(f"{name}: not found in {', '.join(map(str, places))}; downloading to {target}.")
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target) as scratch:
            download(Path(scratch))
            check(Path(scratch))
            for path in sorted((Path(scratch) / folder).rglob("*")):     # whole files, beside what is there
                if path.is_file():
                    place = target / path.relative_to(scratch)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    os.replace(path, place)
    except (RuntimeError, OSError) as error:
        raise DataNotFound(
            f"Data set {name!r} was not found in {', '.join(map(str, places))}, and downloading it failed ({error}). "
            f"Two ways out: connect to the network and run again, or point root= or the environment variable "
            f"CNNLIB_DATA at a folder that holds {folder}/ in torchvision's layout."
        ) from error
    return target


def _check_file(path, length, md5):
    """Raise ValueError, naming the file, unless it is whole."""
    if not path.exists():
        raise ValueError(f"{path} is missing, although its neighbours are there. Delete {path.parent} and load again.")
    if path.stat().st_size != length:
        raise ValueError(f"{path} is truncated or not the right file: {path.stat().st_size:,} of {length:,} bytes. "
                         "Delete it and load again.")
    if hashlib.md5(path.read_bytes()).hexdigest() != md5:
        raise ValueError(f"{path} is corrupted: its checksum is not that of the published file. "
                         "Delete it and load again.")
