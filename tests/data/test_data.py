"""Data sets: where they are looked for, what is refused, and batches that mean what they say."""

import gzip
import hashlib
import io
import pickle
import shutil
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import fft
from sklearn.datasets import load_digits
from torchvision.datasets import CIFAR10, OxfordIIITPet

from cnnlib import data
from cnnlib.data import images, sources
from tests.pictures import DOT, nowhere, write_pictures  # noqa: F401 (nowhere is a fixture)


def test_digits_are_scikit_learns():
    digits = data.load("digits")
    bunch = load_digits()
    assert len(digits.train) + len(digits.test) == 1797
    assert digits.train.images.shape[1:] == (1, 8, 8) and digits.train.images.dtype == torch.uint8
    all_images = torch.cat([digits.train.images, digits.test.images]).flatten(1).sort(0).values
    oracle = torch.from_numpy((bunch.images * 255 / 16).round().astype(np.uint8)).flatten(1).sort(0).values
    assert torch.equal(all_images, oracle)
    assert all((digits.test.labels == d).sum() == int((bunch.target == d).sum() * 0.2) for d in range(10))


def test_what_is_held_back_for_validation_is_of_the_training_set_and_tests_nothing_else():
    whole, held = data.load("digits", test_fraction=0.6), data.load("digits", test_fraction=0.6, validation=0.25)

    def pictures(split):
        return {tuple(image.flatten().tolist()) for image in split.images}

    assert pictures(held.train) | pictures(held.test) == pictures(whole.train)
    assert len(held.train) + len(held.test) == len(whole.train)
    assert all((held.test.labels == d).sum() == int((whole.train.labels == d).sum() * 0.25) for d in range(10))
    assert f"{len(held.test)} of the training images held back" in held.variant


def test_normalisation_is_that_of_the_training_set():
    digits = data.load("digits", size=28, pad=2)
    x = torch.cat([x for x, _ in digits.train.batches(100)])
    assert x.shape[1:] == (1, 32, 32)
    torch.testing.assert_close(x.mean(), torch.tensor(0.0), atol=1e-4, rtol=0)
    torch.testing.assert_close(x.std(), torch.tensor(1.0), atol=1e-3, rtol=0)
    assert digits.train.images[:, :, :2].eq(0).all()


@pytest.mark.parametrize(
    "sizes, fraction, total", [((633, 898, 641, 699, 799), 0.1, 364), ((200,) * 29 + (197,), 0.1, 599)]
)
def test_split_per_class_gives_the_published_splits(sizes, fraction, total):
    """Flowers 3,306/364; a per-class floor of a tenth, no index twice."""
    labels = torch.cat([torch.full((n,), c) for c, n in enumerate(sizes)])
    train, test = data.split_per_class(labels, fraction)
    assert len(test) == total and len(train) == len(labels) - total
    assert sorted(torch.cat([train, test]).tolist()) == list(range(len(labels)))


# -- a server on this machine ----------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path):
    """It sends what lies in `server.folder`; `server.archive(folder)` puts a .tar.gz of a folder there."""
    folder = tmp_path / "server"
    folder.mkdir()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder))
    Thread(target=httpd.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{httpd.server_port}/"

    def archive(content):
        """(address, md5)"""
        file = Path(shutil.make_archive(str(folder / content.name), "gztar", content.parent, content.name))
        return address + file.name, hashlib.md5(file.read_bytes()).hexdigest()

    yield SimpleNamespace(folder=folder, address=address, archive=archive)
    httpd.shutdown()


# -- MNIST: a tiny set in its layout, with its own lengths and checksums -----------------------------------


@pytest.fixture
def mnist(tmp_path, monkeypatch):

    raw = tmp_path / "store" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng, table = np.random.default_rng(0), {}
    for split, n in (("train", 50), ("t10k", 20)):
        for kind, shape in (("images-idx3", (n, 28, 28)), ("labels-idx1", (n,))):
            content = rng.integers(0, 10, shape, dtype=np.uint8)
            header = bytes([0, 0, 8, len(shape)]) + b"".join(d.to_bytes(4, "big") for d in shape)
            path = raw / f"{split}-{kind}-ubyte"
            path.write_bytes(header + content.tobytes())
            table[path.name] = (path.stat().st_size, hashlib.md5(path.read_bytes()).hexdigest())
    monkeypatch.setattr(sources, "_MNIST", table)
    return tmp_path / "store"


@pytest.mark.parametrize("way", ["root", "environment", "data folder"])
def test_mnist_is_found(mnist, way, monkeypatch, tmp_path):
    root = None
    if way == "root":
        root = mnist
    elif way == "environment":
        monkeypatch.setenv("CNNLIB_DATA", str(mnist))
    else:
        shutil.move(mnist, tmp_path / "checkout" / "data")
    train, test = data.load("mnist", root)
    assert (len(train), len(test)) == (50, 20)
    assert train.images.shape == (50, 1, 28, 28)


def test_nowhere_and_no_network(tmp_path):
    with pytest.raises(data.DataNotFound) as error:
        data.load("mnist", tmp_path / "empty")
    message = str(error.value)
    assert "'mnist'" in message and str(tmp_path / "empty") in message and str(tmp_path / "checkout") in message
    assert "CNNLIB_DATA" in message and "network" in message
    assert list((tmp_path / "empty").iterdir()) == [], "nothing half-written is left behind"


@pytest.mark.parametrize("harm", ["truncate", "flip", "remove"])
def test_damaged_file_is_named(mnist, harm):
    path = mnist / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
    content = bytearray(path.read_bytes())
    if harm == "truncate":
        path.write_bytes(content[:-5])
    elif harm == "flip":
        content[500] ^= 1
        path.write_bytes(content)
    else:
        path.unlink()
    before = sorted(mnist.rglob("*"))
    with pytest.raises(ValueError, match="t10k-images-idx3-ubyte is (truncated|corrupted|missing)"):
        data.load("mnist", mnist)
    assert sorted(mnist.rglob("*")) == before


def test_download_arrives_whole_or_not_at_all(mnist, server, tmp_path, monkeypatch):
    """torchvision fetches from a server on this machine; then one file of the server is damaged."""
    mirror, resources = server.folder, []
    for path in sorted((mnist / "MNIST" / "raw").iterdir()):
        packed = mirror / (path.name + ".gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        resources.append((packed.name, hashlib.md5(packed.read_bytes()).hexdigest()))
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", [server.address])
    monkeypatch.setattr("torchvision.datasets.MNIST.resources", resources)
    assert len(data.load("mnist", tmp_path / "new").train) == 50
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["MNIST"]

    damaged = tmp_path / "new" / "MNIST" / "raw" / "train-images-idx3-ubyte"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(ValueError, match="truncated.*Delete it and load again"):
        data.load("mnist", tmp_path / "new")
    damaged.unlink()
    assert len(data.load("mnist", tmp_path / "new").train) == 50
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["MNIST"]

    (mirror / resources[-1][0]).write_bytes(b"half a file")
    with pytest.raises(data.DataNotFound):
        data.load("mnist", tmp_path / "other")
    assert list((tmp_path / "other").iterdir()) == []


# -- CIFAR-10: the published batches, or a copy as image files -------------------------------------------------


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """A tiny CIFAR-10 in the published layout, with its own checksums."""
    folder = tmp_path / "store" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    rng, sums = np.random.default_rng(0), {}

    def write(name, content):
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
        sums[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()

    train, test = [f"data_batch_{i}" for i in range(1, 6)], ["test_batch"]
    for name in train + test:
        write(name, {"data": rng.integers(0, 256, (20, 3072), dtype=np.uint8), "labels": list(range(10)) * 2})
    write("batches.meta", {"label_names": list(sources._CIFAR10)})
    monkeypatch.setattr(CIFAR10, "train_list", [[name, sums[name]] for name in train])
    monkeypatch.setattr(CIFAR10, "test_list", [[name, sums[name]] for name in test])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": sums["batches.meta"]})
    return tmp_path / "store"


def test_cifar10_is_torchvisions(cifar):
    loaded = data.load("cifar10", cifar)
    assert loaded.variant == "CIFAR-10, 50,000 + 10,000, 32x32" and loaded.classes[3] == "cat"
    for split, train in ((loaded.train, True), (loaded.test, False)):
        oracle = CIFAR10(str(cifar), train=train)
        assert np.array_equal(split.images.permute(0, 2, 3, 1).numpy(), oracle.data)
        assert split.labels.tolist() == oracle.targets
    assert data.load("cifar10", cifar, size=16).train.shape == (3, 16, 16)


@pytest.mark.parametrize("quality", [30, 75, 95])
def test_saved_once_more_as_jpeg_cosines_are_rounded(quality):
    """Of a grey picture JPEG keeps the cosine transforms of squares of 8x8, rounded to multiples in a table."""
    pictures = torch.randint(0, 256, (200, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    Image.new("L", (8, 8)).save(file := io.BytesIO(), "JPEG", quality=quality)
    table = np.array(Image.open(file).quantization[0]).reshape(8, 8)
    framed = np.pad(pictures[:, 0].numpy(), ((0, 0), (4, 4), (4, 4)), mode="edge") - 128.0
    squares = framed.reshape(-1, 2, 8, 2, 8).swapaxes(2, 3)
    kept = (fft.dctn(squares, axes=(3, 4), norm="ortho") / table).round() * table
    read = fft.idctn(kept, axes=(3, 4), norm="ortho").swapaxes(2, 3).reshape(-1, 16, 16)[:, 4:-4, 4:-4] + 128
    away = np.abs(read.clip(0, 255) - images.saved_as_jpeg(pictures, quality)[:, 0].numpy())
    assert (away < 2).mean() > 0.94 and away.mean() < 0.6       # libjpeg's whole numbers: a few round otherwise


def test_saved_once_more_as_jpeg_colours_lose_more_than_light(cifar):
    """A checkerboard of one pixel survives in grey; in colours of one lightness it is averaged away."""
    board = torch.tensor([[0, 1] * 8, [1, 0] * 8] * 8, dtype=torch.bool)
    grey = torch.where(board, 255, 0).to(torch.uint8).expand(1, 3, 16, 16)
    red, blue = torch.tensor([120, 0, 0]), torch.tensor([0, 0, 255])            # 36 and 29 in grey
    coloured = torch.where(board[..., None], red, blue).to(torch.uint8).permute(2, 0, 1)[None]
    spread = [images.saved_as_jpeg(each, 95)[0, 0].float().std().item() for each in (grey, coloured)]
    assert spread[0] > 120 and spread[1] < 15
    plain, lossy = (data.load("cifar10", cifar, jpeg=jpeg) for jpeg in (None, 75))
    assert lossy.train.images.shape == plain.train.images.shape and lossy.train.images.is_contiguous()
    assert lossy.variant == f"{plain.variant}, saved once more as JPEG of quality 75"
    assert not torch.equal(lossy.train.images, plain.train.images)


def test_only_the_published_batches_are_unpickled(cifar, tmp_path):
    """Unpickling a file lets it run code: one with another checksum is refused before that."""
    class Trap:
        def __reduce__(self):
            return (tmp_path / "sprung").touch, ()

    batch = cifar / "cifar-10-batches-py" / "data_batch_3"
    batch.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ValueError, match="data_batch_3 is corrupted"):
        data.load("cifar10", cifar)
    assert not (tmp_path / "sprung").exists()
    pickle.loads(batch.read_bytes())
    assert (tmp_path / "sprung").exists(), "the trap was a trap"


@pytest.fixture
def cifar_copy(tmp_path, monkeypatch):
    """A tiny CIFAR-10 as image files."""
    monkeypatch.setattr(sources, "_CIFAR10", dict.fromkeys(("cat", "ship"), 5))
    write_pictures(tmp_path / "store" / "cifar10" / "train", {"cat": 3, "ship": 3}, (8, 8))
    write_pictures(tmp_path / "store" / "cifar10" / "test", {"cat": 2, "ship": 2}, (8, 8))
    return tmp_path / "store"


def test_cifar10_as_image_files_says_so(cifar_copy):
    loaded = data.load("cifar10", cifar_copy)
    pixels = torch.cat((loaded.train.images, loaded.test.images))
    digest = hashlib.sha256(pixels.numpy().tobytes()).hexdigest()[:12]
    assert loaded.variant == f"CIFAR-10, PNG copy in ImageFolder layout, 6 + 4, 8x8, pixels' sha256 {digest}"
    assert loaded.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    with Image.open(cifar_copy / "cifar10" / "train" / "ship" / "0000.png") as picture:
        assert np.array_equal(loaded.train.images[3].permute(1, 2, 0), np.array(picture))
    (cifar_copy / "cifar10" / "test" / "cat" / "0001.png").unlink()
    with pytest.raises(ValueError, match="cifar10 is not complete: it has .'cat': 4, 'ship': 5."):
        data.load("cifar10", cifar_copy)


@pytest.mark.parametrize("name, folder", [("cifar10", "cifar-10-batches-py"), ("flowers", "flower_photos"),
                                          ("pets", "oxford-iiit-pet")])
def test_no_copy_and_no_network(tmp_path, monkeypatch, name, folder):
    monkeypatch.setattr(CIFAR10, "url", "file:///nowhere.tgz")
    monkeypatch.setattr(OxfordIIITPet, "_RESOURCES", [("file:///nowhere.tgz", "0")])
    monkeypatch.setattr(sources, "_FLOWERS_URL", "file:///nowhere.tgz")
    with pytest.raises(data.DataNotFound, match=f"'{name}' was not found in {tmp_path}.*network.*holds {folder}/"):
        data.load(name, tmp_path / "empty")
    assert list((tmp_path / "empty").iterdir()) == []


def test_cifar10_is_fetched(cifar, server, tmp_path, monkeypatch):
    url, md5 = server.archive(cifar / "cifar-10-batches-py")
    monkeypatch.setattr(CIFAR10, "url", url)
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5)
    assert len(data.load("cifar10", tmp_path / "new").train) == 100
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["cifar-10-batches-py"]


def test_flowers_are_fetched(server, tmp_path, monkeypatch, capsys):
    folder = write_pictures(tmp_path / "flower_photos", {"daisy": 10, "tulips": 10}, (8, 9))
    monkeypatch.setattr(sources, "_FLOWERS_URL", server.archive(folder)[0])
    with pytest.raises(data.DataNotFound, match="not the published archive: its checksum differs"):
        data.load("flowers", tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []
    sent = (server.folder / "flower_photos.tar.gz").read_bytes()
    monkeypatch.setattr(sources, "_FLOWERS_SHA256", hashlib.sha256(sent).hexdigest())
    monkeypatch.setattr(sources, "_FLOWERS", {"daisy": 10, "tulips": 10})
    assert [len(split) for split in data.load("flowers", tmp_path / "new", size=8)] == [18, 2]
    assert "downloading to" in capsys.readouterr().out
    kept = {"flower_photos", "flower_photos.decoded-8.safetensors"}
    assert {path.name for path in (tmp_path / "new").iterdir()} == kept


# -- flowers and pets: photos, with the class counts of the published sets ---------------------------------------


def test_flowers_are_split_as_published(tmp_path, monkeypatch):
    """3,306 and 364 of 3,670 photos, 10 % of each class rounded down."""
    root = tmp_path / "flower_photos"
    for name, n in sources._FLOWERS.items():
        (root / name).mkdir(parents=True)
        for i in range(n):
            (root / name / f"{i:04d}.jpg").write_bytes(DOT)
    flowers = data.load("flowers", tmp_path)
    assert flowers.test.labels.bincount().tolist() == [63, 89, 64, 69, 79]
    assert (len(flowers.train), len(flowers.test)) == (3306, 364)
    assert flowers.variant.startswith("TensorFlow flowers, 3,306 + 364 photos, files' sha256 ")
    assert flowers.train.shape == (3, 224, 224) and not set(flowers.train.paths) & set(flowers.test.paths)
    other = data.load("flowers", tmp_path, test_fraction=0.2)
    assert len(other.test) == sum(n // 5 for n in sources._FLOWERS.values())
    (root / "roses" / "0007.jpg").write_bytes(DOT + b"another copy")
    assert data.load("flowers", tmp_path).variant != flowers.variant
    (root / "roses" / "0007.jpg").unlink()
    with pytest.raises(ValueError, match="not complete.*'roses': 640"):
        data.load("flowers", tmp_path)


BREEDS = [f"{'Abc'[i % 3]}breed_{chr(97 + i // 6)}{chr(97 + i % 6)}" for i in range(37)]


def make_pets(folder, count):
    """37 breeds of `count` pictures, three fewer of the thirtieth; some listed for training, some for testing."""
    root = folder / "oxford-iiit-pet"
    (root / "annotations").mkdir(parents=True)
    (root / "images").mkdir()
    lists = {"trainval": [], "test": []}
    for c, breed in enumerate(sorted(BREEDS, key=str.casefold), 1):
        for i in range(count - 3 * (c == 30)):
            (root / "images" / f"{breed}_{i}.jpg").write_bytes(DOT)
            lists["trainval" if i % 3 else "test"].append(f"{breed}_{i} {c} 1 1")
    for name, lines in lists.items():
        (root / "annotations" / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return root


def test_pets_are_split_as_published(tmp_path):
    make_pets(tmp_path, 10)
    whole = data.load("pets", tmp_path)
    for split, name in ((whole.train, "trainval"), (whole.test, "test")):
        oracle = OxfordIIITPet(str(tmp_path), split=name)
        assert [str(path) for path in oracle._images] == split.paths and oracle._labels == split.labels.tolist()
        assert whole.classes == oracle.classes
    tenth = data.load("pets", tmp_path, test_fraction=0.1)
    assert (len(tenth.train), len(tenth.test)) == (367 - 37, 37), "one of the 7, too"


def test_the_first_thirty_pets(tmp_path):
    """5,398 and 599 pictures: 20 of each breed for testing, 19 of the one that has fewer than 200."""
    make_pets(tmp_path, 200)
    thirty = data.load("pets30", tmp_path)
    assert (len(thirty.train), len(thirty.test)) == (5398, 599)
    assert thirty.test.labels.bincount().tolist() == [20] * 29 + [19]
    assert thirty.classes == [b.replace("_", " ").title() for b in sorted(BREEDS, key=str.casefold)[:30]]
    assert thirty.variant.startswith("Oxford-IIIT Pet, first 30 of 37 breeds, 5,398 + 599 photos")


def test_incomplete_pets_are_refused(tmp_path):
    root = make_pets(tmp_path, 5)
    (root / "images" / f"{BREEDS[0]}_1.jpg").unlink()
    with pytest.raises(ValueError, match=f"{BREEDS[0]}_1.jpg is missing"):
        data.load("pets", tmp_path)
    for path in (root / "images").glob(f"{BREEDS[0]}_*"):
        path.unlink()
    with pytest.raises(ValueError, match="36 breeds of 37"):
        data.load("pets30", tmp_path)
    (root / "annotations" / "test.txt").unlink()
    with pytest.raises(ValueError, match="test.txt is missing"):
        data.load("pets", tmp_path)


def test_pets_are_fetched(server, tmp_path, monkeypatch):
    root = make_pets(tmp_path, 5)
    resources = [server.archive(root / part) for part in ("images", "annotations")]
    monkeypatch.setattr(OxfordIIITPet, "_RESOURCES", resources)
    pets = data.load("pets", tmp_path / "new")
    assert len(pets.train) + len(pets.test) == 37 * 5 - 3
    assert {path.name for path in (tmp_path / "new" / "oxford-iiit-pet").iterdir()} == {"images", "annotations"}


# -- folders of images -------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    return write_pictures(tmp_path / "pets", {"cat": 20, "dog": 20}, (10, 14), growing=True)


def test_folder_is_split_and_sized(folder):
    pets = data.load("folder", folder, size=8)
    assert pets.classes == ["cat", "dog"] and (len(pets.train), len(pets.test)) == (36, 4)
    assert pets.train.images.shape[1:] == (3, 8, 8)
    assert data.load("folder", folder, size=8, test_fraction=0.5).test.labels.bincount().tolist() == [10, 10]


def test_folder_with_its_own_split(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "both" / "train")
    shutil.copytree(folder, tmp_path / "both" / "test")
    assert [len(s) for s in data.load("folder", tmp_path / "both", size=4)] == [40, 40]
    shutil.rmtree(tmp_path / "both" / "test" / "cat")
    with pytest.raises(ValueError, match="different classes"):
        data.load("folder", tmp_path / "both", size=4)


def test_folder_refusals(folder, tmp_path):
    with pytest.raises(ValueError, match="another size"):
        data.load("folder", folder)
    broken = folder / "dog" / "0005.png"
    broken.write_bytes(broken.read_bytes()[:60])
    with pytest.raises(ValueError, match="0005.png cannot be read as a picture"):
        data.load("folder", folder, size=8)
    (tmp_path / "void").mkdir()
    with pytest.raises(ValueError, match="not a folder of classes"):
        data.load("folder", tmp_path / "void")


def test_a_data_set_says_what_it_is_in_a_line(folder):
    assert repr(data.load("digits", size=16)) == (
        "DataSet('digits', 1,442 + 355 images of shape (1, 16, 16), 10 classes: 0, 1, 2, ..., 9; "
        "scikit-learn digits, 1,442 + 355, 8x8, resized and padded to 16x16)")
    assert repr(data.load("digits", crop=1).train) == "Images(1,442 of shape (1, 8, 8), crop=1, flip=False)"
    photos = data.load("folder", folder, size=65, crop="resized", flip=True).train
    assert repr(photos) == f"Photos({len(photos)} of shape (3, 65, 65), crop='resized', flip=True)"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"name": "mnists"}, "data set is 'mnists', allowed: 'digits', 'mnist'"),
        ({"name": "digits", "size": 0}, "size is 0"),
        ({"name": "digits", "pad": -1}, "pad is -1"),
        ({"name": "digits", "test_fraction": 1.5}, "test_fraction is 1.5"),
        ({"name": "digits", "split_seed": -1}, "split_seed is -1, allowed: whole numbers from 0"),
        ({"name": "digits", "validation": 0}, "validation is 0"),
        ({"name": "digits", "channels": 1}, "channels is 1, allowed: None, 3"),
        ({"name": "digits", "crop": -1}, "crop is -1"),
        ({"name": "digits", "crop": "big"}, "crop is 'big', allowed: whole numbers from 0, and 'resized' for photos"),
        ({"name": "digits", "device": "gpu"}, "device is 'gpu', allowed: 'cuda', 'mps', 'cpu'"),
        ({"name": "digits", "flip": "yes"}, "flip is 'yes', allowed: False, True"),
        ({"name": "digits", "limit": 0}, "limit is 0"),
        ({"name": "digits", "jpeg": 0}, "jpeg is 0, allowed: whole numbers from 1"),
        ({"name": "digits", "jpeg": 101}, "jpeg is 101, allowed: whole numbers from 1 to 100"),
        ({"name": "flowers", "jpeg": 75}, "jpeg is 75, allowed: .* for photos of more than 64 pixels None"),
        ({"name": "folder"}, "root is None"),
        ({"name": "cifar10", "crop": "resized"}, "crop is 'resized', allowed: whole numbers from 0"),
        ({"name": "flowers", "pad": 2}, "pad is 2, allowed for photos of more than 64 pixels: 0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        data.load(**arguments)


def test_the_seed_of_the_split_chooses_other_pictures_and_as_many():
    usual, same, other = (data.load("digits", **how) for how in ({}, {"split_seed": 0}, {"split_seed": 1}))
    assert torch.equal(usual.test.images, same.test.images) and not torch.equal(usual.test.images, other.test.images)
    assert usual.test.labels.bincount().tolist() == other.test.labels.bincount().tolist()
    assert len(torch.cat([other.train.images, other.test.images]).unique(dim=0)) == len(
        torch.cat([usual.train.images, usual.test.images]).unique(dim=0))
    assert other.variant == usual.variant + ", split by seed 1"
