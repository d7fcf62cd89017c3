"""Where each data set comes from: found on disk, checked, or fetched; one function a data set."""

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ..files import CHECKOUT
from . import folders
from .cache import decoded, files_sha256
from .images import split_per_class

# File -> (bytes, md5) of the four unpacked files of MNIST, http://yann.lecun.com/exdb/mnist.
_MNIST = {
    "train-images-idx3-ubyte": (47040016, "6bbc9ace898e44ae57da46a324031adb"),
    "train-labels-idx1-ubyte": (60008, "a25bea736e30d166cdddb491f175f624"),
    "t10k-images-idx3-ubyte": (7840016, "2646ac647ad5339dbf082846283269ea"),
    "t10k-labels-idx1-ubyte": (10008, "27ae3e4e09519cfbb04c329615203637"),
}
_CIFAR10 = dict.fromkeys("airplane automobile bird cat deer dog frog horse ship truck".split(), 6000)

# https://www.tensorflow.org/datasets/catalog/tf_flowers: address, sha256 of the archive, pictures a class.
_FLOWERS_URL = "https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz"
_FLOWERS_SHA256 = "4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c"
_FLOWERS = {"daisy": 633, "dandelion": 898, "roses": 641, "sunflowers": 699, "tulips": 799}
_BREEDS = 37


class DataNotFound(FileNotFoundError):
    """A data set is in none of the places searched and cannot be downloaded."""


class Pictures(NamedTuple):
    """Facts about a data set whose images are all loaded in one shape."""

    title: str
    shape: tuple        # (C, H, W), before anything is done to them
    train: int          # images of the training split


PICTURES = {
    "digits": Pictures("digits", (1, 8, 8), 1442),
    "mnist": Pictures("MNIST", (1, 28, 28), 60_000),
    "cifar10": Pictures("CIFAR-10", (3, 32, 32), 50_000),
    "flowers": Pictures("flowers", (3, 224, 224), 3306),        # as they are loaded, if not told otherwise
}


def shape_of(name, size=None, pad=0, channels=None, **_others):
    """(C, H, W) of the images that `load` gives for these arguments, without loading them.

    Raises:
        KeyError: a data set that is not in PICTURES.
    """
    own, height, width = PICTURES[name].shape
    return channels or own, (size or height) + 2 * pad, (size or width) + 2 * pad


@dataclass
class Source:
    """A data set as it was found: `pictures` are uint8 (N, C, H, W), or paths of files under `folder`; `labels` are
    int64 (N,); `train` and `test` are indices of both. `sha256` is that of the files, where pictures are files."""

    variant: str
    classes: list
    pictures: torch.Tensor | list
    labels: torch.Tensor
    train: torch.Tensor
    test: torch.Tensor
    folder: Path | None = None
    sha256: str = ""

    def described(self, what):
        """Itself, its files' checksum noted, and what it is, how many, and of which copy, said in `variant`."""
        self.sha256 = files_sha256(self.folder, self.pictures)
        self.variant = f"{what}, {len(self.train):,} + {len(self.test):,} photos, files' sha256 {self.sha256[:12]}"
        return self


def digits(root, test_fraction, seed=0):
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = torch.from_numpy((bunch.images * (255 / 16)).round().astype(np.uint8))[:, None]
    labels = torch.from_numpy(bunch.target.astype(np.int64))
    train, test = split_per_class(labels, test_fraction or 0.2, seed)
    variant = f"scikit-learn digits, {len(train):,} + {len(test):,}, 8x8"
    return Source(variant, [str(d) for d in range(10)], images, labels, train, test)


def mnist(root, test_fraction, seed=0):
    from torchvision.datasets import MNIST

    def check(place):
        raw = place / "MNIST" / "raw"
        if (raw / "train-images-idx3-ubyte").exists():
            for file, (length, md5) in _MNIST.items():
                _check_file(raw / file, md5, length)
            return place

    place = _find("mnist", root, check, lambda place: MNIST(str(place), download=True), "MNIST")
    splits = [MNIST(str(place), train=train) for train in (True, False)]
    return _two("MNIST, 60,000 + 10,000, 28x28", [str(d) for d in range(10)],
                *((s.data[:, None], s.targets) for s in splits))


def cifar10(root, test_fraction, seed=0):
    """The published batches, or a copy as images in cifar10/{train,test}/<class>/."""
    from torchvision.datasets import CIFAR10

    def check(place):
        batches = place / CIFAR10.base_folder
        if batches.is_dir():
            # The batches are pickles, and unpickling a file lets it run code. Only the published bytes get there.
            published = [*CIFAR10.train_list, *CIFAR10.test_list, (CIFAR10.meta["filename"], CIFAR10.meta["md5"])]
            for file, md5 in published:
                _check_file(batches / file, md5)
            return batches
        copy = place / "cifar10"
        return copy if (copy / "train").is_dir() and (copy / "test").is_dir() else None

    found = _find("cifar10", root, check, lambda place: CIFAR10(str(place), download=True), CIFAR10.base_folder)
    if found.name == CIFAR10.base_folder:
        splits = [CIFAR10(str(found.parent), train=train) for train in (True, False)]
        images = [torch.from_numpy(s.data).permute(0, 3, 1, 2) for s in splits]
        return _two("CIFAR-10, 50,000 + 10,000, 32x32", list(_CIFAR10),
                    *((i, torch.tensor(s.targets)) for i, s in zip(images, splits, strict=True)))
    source = _complete(found, _listed(found), _CIFAR10)
    kind = "/".join(sorted({path.rsplit(".", 1)[-1].upper().replace("JPG", "JPEG") for path in source.pictures}))
    source.pictures, sha256 = decoded(found, source.pictures)
    h, w = source.pictures.shape[2:]
    source.variant = (f"CIFAR-10, {kind} copy in ImageFolder layout, {len(source.train):,} + {len(source.test):,}, "
                      f"{h}x{w}, pixels' sha256 {sha256[:12]}")
    return source


def flowers(root, test_fraction, seed=0):
    from torchvision.datasets.utils import download_url, extract_archive

    def check(place):
        return place / "flower_photos" if (place / "flower_photos").is_dir() else None

    def download(place):
        archive = place / "flower_photos.tgz"
        download_url(_FLOWERS_URL, str(place), archive.name)
        if hashlib.sha256(archive.read_bytes()).hexdigest() != _FLOWERS_SHA256:
            raise OSError(f"what {_FLOWERS_URL} sent is not the published archive: its checksum differs")
        extract_archive(str(archive), str(place), remove_finished=True)

    found = _find("flowers", root, check, download, "flower_photos")
    return _complete(found, _listed(found, test_fraction, seed), _FLOWERS).described("TensorFlow flowers")


def pets(root, test_fraction, seed=0):
    """Oxford-IIIT Pet: the published split, or `test_fraction` of every picture there is."""
    source = _pets(root)
    if test_fraction is None:
        place = {Path(path).stem: i for i, path in enumerate(source.pictures)}
        lists = [(source.folder / "annotations" / file).read_text(encoding="utf-8").splitlines()
                 for file in ("trainval.txt", "test.txt")]
        lists = [[line.split()[0] for line in lines] for lines in lists]
        if absent := [name for names in lists for name in names if name not in place]:
            raise ValueError(f"{source.folder / 'images' / absent[0]}.jpg is missing, although its neighbours are "
                             f"there. Delete {source.folder} and load again.")
        source.train, source.test = (torch.tensor([place[name] for name in names]) for names in lists)
    else:
        source.train, source.test = split_per_class(source.labels, test_fraction, seed)
    return source.described(f"Oxford-IIIT Pet, {_BREEDS} breeds")


def pets30(root, test_fraction, seed=0):
    """The first 30 breeds of the alphabet, as many a tutorial has them, and a tenth of each for testing."""
    source = _pets(root, 30)
    source.train, source.test = split_per_class(source.labels, test_fraction or 0.1, seed)
    return source.described("Oxford-IIIT Pet, first 30 of 37 breeds")


def _pets(root, breeds=_BREEDS):
    """The pictures of the first so many breeds, not split yet."""
    from torchvision.datasets import OxfordIIITPet

    def check(place):
        found = place / "oxford-iiit-pet"
        if not found.is_dir():
            return None
        for part in ("images", "annotations/trainval.txt", "annotations/test.txt"):
            if not (found / part).exists():
                raise ValueError(f"{found / part} is missing. Delete {found} and load again.")
        return found

    def download(place):
        OxfordIIITPet(str(place), download=True)
        for archive in (place / "oxford-iiit-pet").glob("*.tar.gz"):
            archive.unlink()

    found = _find("pets", root, check, download, "oxford-iiit-pet")
    pictures = [(str(path), path.stem.rsplit("_", 1)[0]) for path in sorted((found / "images").glob("*.jpg"))]
    classes = sorted({breed for _, breed in pictures}, key=str.casefold)        # cats are capitalised, dogs are not
    if len(classes) != _BREEDS:
        raise ValueError(f"{found / 'images'} has {len(classes)} breeds of {_BREEDS}. Delete {found} and load again.")
    number = {breed: i for i, breed in enumerate(classes[:breeds])}
    paths, labels = zip(*((path, number[breed]) for path, breed in pictures if breed in number), strict=True)
    names = [breed.replace("_", " ").title() for breed in number]
    none = torch.empty(0, dtype=torch.int64)
    return Source("", names, list(paths), torch.tensor(labels), none, none, found)


def folder(root, test_fraction, seed=0):
    if root is None or not Path(root).expanduser().is_dir():
        raise ValueError(f"root is {root!r}, allowed for 'folder': a folder with one folder of images a class.")
    root = Path(os.path.abspath(Path(root).expanduser()))
    return _listed(root, test_fraction, seed).described(f"folder {root.name}")


# -- from files and tensors to a Source ----------------------------------------------------------------------


def _two(variant, classes, train, test, folder=None):
    """A Source of two splits that came as (pictures, labels)."""
    pictures = train[0] + test[0] if folder else torch.cat((train[0], test[0]))
    index = torch.arange(len(pictures)).tensor_split([len(train[0])])
    return Source(variant, classes, pictures, torch.cat((train[1], test[1])), *index, folder)


def _listed(folder, test_fraction=None, seed=0):
    """A Source of the images in <folder>/<class>/, or in <folder>/{train,test}/<class>/; see `folders`."""
    train, test = folders.splits(folder)
    if test and test_fraction is not None:
        raise ValueError(f"test_fraction is {test_fraction!r}, allowed for {folder}, which has {test.name}/: None.")
    names, *training = _labelled(train)
    if len(names) == 1:
        raise ValueError(f"{train} has one class, {names[0]!r}, allowed: two or more, a folder each.")
    if not test:
        paths, labels = training
        if rare := [name for name, n in zip(names, labels.bincount().tolist(), strict=True) if n == 1]:
            raise ValueError(f"{train / rare[0]} has 1 picture, allowed: 2 or more, one of them for testing.")
        return Source("", names, paths, labels, *split_per_class(labels, test_fraction or 0.1, seed), train)
    test_names, *testing = _labelled(test)
    if test_names != names:
        only = [", ".join(sorted({*a} - {*b})) or "none" for a, b in ((names, test_names), (test_names, names))]
        raise ValueError(f"{train} and {test} have different classes. Only in the first: {only[0]}; "
                         f"only in the second: {only[1]}.")
    return _two("", names, training, testing, Path(os.path.commonpath((train, test))))


def _labelled(folder):
    """Names of the classes, paths of all pictures, and their labels."""
    found = folders.classes(folder)
    labels = torch.arange(len(found)).repeat_interleave(torch.tensor([len(paths) for paths in found.values()]))
    return list(found), [path for paths in found.values() for path in paths], labels


def _complete(folder, source, counts):
    """The source; a ValueError unless it has the published counts of each class."""
    found = dict(zip(source.classes, source.labels.bincount().tolist(), strict=True))
    if found != counts:
        raise ValueError(f"{folder} is not complete: it has {found}, published are {counts}. "
                         "Delete it and load again.")
    return source


SOURCES = {source.__name__: source for source in (digits, mnist, cifar10, flowers, pets, pets30, folder)}


# -- finding, checking, fetching -----------------------------------------------------------------------------


def _places(root):
    places = [root, os.environ.get("CNNLIB_DATA"), (CHECKOUT or Path.cwd()) / "data"]
    return list(dict.fromkeys(Path(place).expanduser() for place in places if place))


def _find(name, root, check, download, folder):
    """What `check` finds in the first place that has the data set; else download it there and move it in whole."""
    places = _places(root)
    for place in places:
        if found := check(place):
            return found
    target = places[0]
    print(f"{name}: not found in {', '.join(map(str, places))}; downloading to {target}.")
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target) as scratch:
            download(Path(scratch))
            check(Path(scratch))
            if not (target / folder).exists():
                os.replace(Path(scratch) / folder, target / folder)
            else:               # whole files, beside what is there
                shutil.copytree(Path(scratch) / folder, target / folder, copy_function=os.replace, dirs_exist_ok=True)
    except (RuntimeError, OSError) as error:
        raise DataNotFound(
            f"Data set {name!r} was not found in {', '.join(map(str, places))}, and downloading it failed ({error}). "
            f"Two ways out: connect to the network and run again, or point root= or the environment variable "
            f"CNNLIB_DATA at a folder that holds {folder}/ in torchvision's layout."
        ) from error
    return check(target)


def _check_file(path, md5, length=None):
    """Raise ValueError, naming the file, unless it is whole."""
    if not path.exists():
        raise ValueError(f"{path} is missing, although its neighbours are there. Delete {path.parent} and load again.")
    if length is not None and path.stat().st_size != length:
        raise ValueError(f"{path} is truncated or not the right file: {path.stat().st_size:,} of {length:,} bytes. "
                         "Delete it and load again.")
    if hashlib.md5(path.read_bytes()).hexdigest() != md5:
        raise ValueError(f"{path} is corrupted: its checksum is not that of the published file. "
                         "Delete it and load again.")
