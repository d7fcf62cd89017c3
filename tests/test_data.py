"""Data sets: where they are looked for, what is refused, and batches that mean what they say."""

import gzip
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from cnnlib import data


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """No data set of the machine at hand is seen by these tests, and none is downloaded."""
    monkeypatch.delenv("CNNLIB_DATA", raising=False)
    monkeypatch.setattr(data, "CHECKOUT", tmp_path / "checkout")
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", ["file:///nowhere/"])


def test_digits_are_scikit_learns():
    digits = data.load("digits")
    bunch = load_digits()
    assert len(digits.train) + len(digits.test) == 1797
    assert digits.train.images.shape[1:] == (1, 8, 8) and digits.train.images.dtype == torch.uint8
    all_images = torch.cat([digits.train.images, digits.test.images]).flatten(1).sort(0).values
    oracle = torch.from_numpy((bunch.images * 255 / 16).round().astype(np.uint8)).flatten(1).sort(0).values
    assert torch.equal(all_images, oracle)
    assert all((digits.test.labels == d).sum() == int((bunch.target == d).sum() * 0.2) for d in range(10))


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


# -- MNIST: a tiny set in its layout, with its own lengths and checksums -----------------------------------


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    import hashlib

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
    monkeypatch.setattr(data, "_MNIST", table)
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


def test_download_arrives_whole_or_not_at_all(mnist, tmp_path, monkeypatch):
    """torchvision fetches from a server on this machine; then one file of the server is damaged."""
    import hashlib
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    mirror, resources = tmp_path / "mirror", []
    mirror.mkdir()
    for path in sorted((mnist / "MNIST" / "raw").iterdir()):
        packed = mirror / (path.name + ".gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        resources.append((packed.name, hashlib.md5(packed.read_bytes()).hexdigest()))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=mirror))
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", [f"http://127.0.0.1:{server.server_port}/"])
    monkeypatch.setattr("torchvision.datasets.MNIST.resources", resources)
    try:
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
    finally:
        server.shutdown()


# -- folders of images -------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for c in ("cat", "dog"):
        for i in range(20):
            path = tmp_path / "pets" / c / f"{i:02d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (10 + i, 14, 3), dtype=np.uint8)).save(path)
    return tmp_path / "pets"


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
    broken = folder / "dog" / "05.png"
    broken.write_bytes(broken.read_bytes()[:60])
    with pytest.raises(ValueError, match="05.png is truncated or not an image"):
        data.load("folder", folder, size=8)
    (tmp_path / "void").mkdir()
    with pytest.raises(ValueError, match="not a folder of classes"):
        data.load("folder", tmp_path / "void")


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"name": "mnists"}, "data set is 'mnists', allowed: 'digits', 'mnist'"),
        ({"name": "digits", "size": 0}, "size is 0"),
        ({"name": "digits", "pad": -1}, "pad is -1"),
        ({"name": "digits", "test_fraction": 1.5}, "test_fraction is 1.5"),
        ({"name": "digits", "channels": 1}, "channels is 1, allowed: None, 3"),
        ({"name": "digits", "crop": -1}, "crop is -1"),
        ({"name": "digits", "flip": "yes"}, "flip is 'yes', allowed: False, True"),
        ({"name": "digits", "limit": 0}, "limit is 0"),
        ({"name": "folder"}, "root is None"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        data.load(**arguments)
