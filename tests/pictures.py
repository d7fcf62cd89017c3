"""What tests of data sets share: pictures of random pixels, and a machine without any data set."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from cnnlib.data import sources

Image.new("L", (1, 1)).save(file := BytesIO(), "JPEG")
DOT = file.getvalue()           # a picture of one pixel


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """No data set of the machine at hand is seen, none is downloaded, nothing is kept outside `tmp_path`."""
    monkeypatch.delenv("CNNLIB_DATA", raising=False)
    monkeypatch.delenv("CNNLIB_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sources, "CHECKOUT", tmp_path / "checkout")
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", ["file:///nowhere/"])


def write_pictures(folder, counts, size, growing=False):
    """<folder>/<class>/0000.png, ... of (height, width) `size`; `growing`: each is a pixel higher than the last."""
    rng = np.random.default_rng(0)
    for name, n in counts.items():
        (folder / name).mkdir(parents=True)
        for i in range(n):
            shape = (size[0] + i * growing, size[1], 3)
            Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(folder / name / f"{i:04d}.png")
    return folder
