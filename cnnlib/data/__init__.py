"""Data sets by name: small images whole on the device, photos from their files.

    >>> digits = cnnlib.data.load("digits", size=28)      # scikit-learn's 1,797 digits: always there
    >>> for x, y in digits.train.batches(128, shuffle=True, seed=0): ...

Order of search: `root`, the environment variable CNNLIB_DATA, the folder `data/`, then a download.
"""

from dataclasses import dataclass, replace

import torch
from torch.nn import functional as F

from ..checks import at_least, one_of, or_none
from ..training.devices import device_of
from .cache import decoded, pixels_of, readable
from .images import Images, Split, balanced, saved_as_jpeg, split_per_class
from .photos import Photos
from .sources import PICTURES, SOURCES, DataNotFound, shape_of

__all__ = ["NAMES", "PICTURES", "DataNotFound", "DataSet", "Images", "Photos", "Split", "like_test", "load",
           "mean_std", "shape_of", "split_per_class"]

NAMES = tuple(SOURCES)
PHOTOS = ("flowers", "pets", "pets30")
HELD = 64       # photos up to this many pixels wide are decoded once and held whole


@dataclass
class DataSet:
    """A training and a test split. Unpacks: `train, test = load("digits")`."""

    name: str
    variant: str
    classes: list
    train: Images | Photos
    test: Images | Photos

    def __iter__(self):
        return iter((self.train, self.test))

    def __repr__(self):
        return (f"DataSet({self.name!r}, {len(self.train):,} + {len(self.test):,} images of shape {self.train.shape}, "
                f"{len(self.classes)} classes: {shortened(self.classes)}; {self.variant})")

    @property
    def mean(self):
        return self.train.mean

    @property
    def std(self):
        return self.train.std

    def to(self, device):
        return replace(self, train=self.train.to(device), test=self.test.to(device))


def load(name, root=None, *, size=None, pad=0, channels=None, crop=0, flip=False, limit=None, test_fraction=None,
         split_seed=0, validation=None, jpeg=None, device="cpu"):
    """Load a data set.

    Args:
        name: one of
            "digits": scikit-learn's handwritten digits, 1,797 of 8x8 pixels, embedded; a fifth of each is for testing;
            "mnist": 60,000 + 10,000 handwritten digits, 28x28;
            "cifar10": 50,000 + 10,000 small colour pictures of ten classes, 32x32;
            "flowers": TensorFlow's 3,670 photos of five flowers; a tenth of each is for testing;
            "pets": Oxford-IIIT Pet, 37 breeds, the published halves 3,680 + 3,669;
            "pets30": its first 30 breeds, a tenth of each for testing;
            "folder": any folder of images, one folder a class.
        root: where to look first; for "folder" the folder itself, with `train/` and `test/` in it or without
            (then a tenth of each class is for testing); `folders` says what else is understood.
        size: resize to size x size (photos: the shorter side, then a part is cut out). None: as it is; flowers and
            pets: 224. Photos of more than 64 pixels stay in their files, see `Photos`.
        pad: pixels of value 0 added on every side, after resizing.
        channels: 3 repeats grey images to RGB. None: as it is.
        crop, flip: augmentation of the training split, see `Images` and `Photos`.
        limit: train on this many images only, a fixed choice with equal parts of each class; the test split is whole.
        test_fraction: another fraction of each class for testing, rounded down but one image at least, where the data
            set has no split of its own (pets: in place of it).
        split_seed: another choice of the pictures for testing, where the data set has no split of its own.
        validation: hold back this fraction of each class of the training images and test on these; the images for
            testing are then not used. For choosing a learning rate, say.
        jpeg: save and read every picture once more as JPEG of this quality, 1 to 100: see `images.saved_as_jpeg`.
        device: where the batches are. None takes the fastest.

    Raises:
        ValueError: unknown name, bad argument, a file that cannot be read, a class without images for both splits,
            images of different sizes.
        DataNotFound: no copy in the places searched and no network.
    """
    device = device_of(device)
    size, from_files = _kind(name, size)
    _check(name, from_files, size, pad, channels, crop, flip, limit, test_fraction, validation, jpeg)
    source = SOURCES[name](root, test_fraction, at_least("split_seed", split_seed, 0))
    if split_seed:
        source.variant += f", split by seed {split_seed}"
    if limit is not None and limit < len(source.train):
        source.train = source.train[balanced(source.labels[source.train], limit)]
        source.variant += f", {limit:,} of them for training, chosen evenly"
    if validation is not None:
        kept, held = split_per_class(source.labels[source.train], validation)
        source.train, source.test = source.train[kept], source.train[held]
        source.variant += f", {len(held):,} of the training images held back to test on"
    if from_files:
        source.variant += f", at {size}x{size}"
        train, test = _photos(source, size, crop, flip)
    else:
        train, test = _images(source, size, pad, channels, crop, flip, jpeg)
        if jpeg:
            source.variant += f", saved once more as JPEG of quality {jpeg}"
        if (size, pad) != (None, 0):
            source.variant += f", resized and padded to {train.shape[1]}x{train.shape[2]}"
    return DataSet(name, source.variant, source.classes, train, test).to(device)


def _check(name, from_files, size, pad, channels, crop, flip, limit, test_fraction, validation, jpeg):
    """Raise ValueError unless these arguments of `load` are what it allows."""
    one_of("data set", name, NAMES)
    one_of("channels", channels, (None, 3))
    one_of("flip", flip, (False, True))
    at_least("pad", pad, 0)
    or_none(at_least)("size", size, 1)
    or_none(at_least)("limit", limit, 1)
    for argument, value in (("test_fraction", test_fraction), ("validation", validation)):
        if value is not None and not 0 < value < 1:
            raise ValueError(f"{argument} is {value!r}, allowed: numbers between 0 and 1.")
    if test_fraction is not None and name in ("mnist", "cifar10"):
        raise ValueError(f"test_fraction is {test_fraction!r}, allowed for {name}, which has a test split: None.")
    if not (from_files and crop == "resized") and (type(crop) is not int or crop < 0):
        raise ValueError(f"crop is {crop!r}, allowed: whole numbers from 0, and 'resized' for photos of more than "
                         f"{HELD} pixels.")
    if from_files and pad:
        raise ValueError(f"pad is {pad!r}, allowed for photos of more than {HELD} pixels: 0.")
    if jpeg is not None and (from_files or at_least("jpeg", jpeg, 1) > 100):
        raise ValueError(f"jpeg is {jpeg!r}, allowed: whole numbers from 1 to 100, for photos of more than {HELD} "
                         "pixels None.")


def shortened(names):
    """The first three of a list and the last: "0, 1, 2, ..., 9"; a list of four is shown whole."""
    shown = names if len(names) <= 4 else [*names[:3], "...", names[-1]]
    return ", ".join(map(str, shown))


def like_test(paths, *, name, mean, std, size=None, pad=0, channels=None, crop=0, jpeg=None):
    """Files of pictures as a split, prepared like the test split of `load` with these arguments; its labels are 0.

    Args:
        paths: files; of a folder without `size` they have one size, and that of its images is the caller's to check.
        mean, std: of the training split.
    """
    labels = torch.zeros(len(paths), dtype=torch.int64)
    size, from_files = _kind(name, size)
    if from_files:
        return Photos(paths, labels, size, crop, mean=mean, std=std, workers=0)
    channels_there, height, _ = PICTURES[name].shape if name in PICTURES and name not in PHOTOS else (3, size, size)
    pixels = pixels_of(paths, height)
    if channels_there == 1:
        weights = torch.tensor([19595, 38470, 7471]).view(1, 3, 1, 1)          # ITU-R 601, rounded as Pillow does
        pixels = ((pixels * weights).sum(1, keepdim=True) + 2**15 >> 16).to(torch.uint8)
    return Images(_prepare(pixels, size, pad, channels, jpeg), labels, mean, std)


def _kind(name, size):
    """(the size of the images, whether they stay in their files)."""
    size = 224 if size is None and name in PHOTOS else size
    return size, name in (*PHOTOS, "folder") and isinstance(size, int) and size > HELD


def _photos(source, size, crop, flip):
    """Both splits as Photos."""
    readable(source.folder, source.pictures, source.sha256)
    return [Photos([source.pictures[i] for i in index.tolist()], source.labels[index], size, crop, mirrored)
            for index, mirrored in ((source.train, flip), (source.test, False))]


def _images(source, size, pad, channels, crop, flip, jpeg):
    """Both splits as Images, normalised by the statistics of the training split."""
    pictures = source.pictures
    if isinstance(pictures, list):
        pictures, _ = decoded(source.folder, pictures, size)
    splits = [(_prepare(pictures.index_select(0, index), size, pad, channels, jpeg), source.labels[index])
              for index in (source.train, source.test)]
    statistics = mean_std(splits[0][0])
    return Images(*splits[0], *statistics, crop, flip), Images(*splits[1], *statistics)


def mean_std(images):
    """Mean and standard deviation of each channel of uint8 (N, C, H, W), levels from 0 to 1, as two tuples.

    Sums of whole numbers: exact, and no float copy of the whole set. A channel of one level has deviation 1.
    """
    counts = torch.stack([torch.bincount(c.flatten().int(), minlength=256) for c in images.unbind(1)]).double()
    levels = torch.arange(256).double() / 255
    mean = (counts * levels).sum(1) / counts.sum(1)
    std = ((counts * (levels - mean[:, None]) ** 2).sum(1) / counts.sum(1)).sqrt()
    return tuple(mean.tolist()), tuple(s or 1.0 for s in std.tolist())


def _prepare(images, size, pad, channels, jpeg):
    """JPEG, resize, pad, grey to RGB: uint8 (N, C, H, W) to the same, a thousand at a time for the memory's sake."""
    def resize(some):
        some = F.interpolate(some.float(), (size, size), mode="bilinear", antialias=True)
        return some.round().clamp(0, 255).to(torch.uint8)

    if jpeg:
        images = saved_as_jpeg(images, jpeg)
    if size is not None and tuple(images.shape[2:]) != (size, size):
        images = torch.cat([resize(some) for some in images.split(1000)])
    if pad:
        images = F.pad(images, (pad,) * 4)
    return images.expand(-1, channels or -1, -1, -1).contiguous()
