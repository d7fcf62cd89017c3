"""The file of decoded pixels: made once, made again when anything changed, never believed when damaged."""

import os
from multiprocessing import get_context

import numpy as np
import pytest
import torch
from PIL import Image

from cnnlib.data import cache as module
from cnnlib.data.cache import decoded
from tests.pictures import nowhere, write_pictures  # noqa: F401 (nowhere is a fixture)


@pytest.fixture
def folder(tmp_path):
    return write_pictures(tmp_path / "store" / "small", {"a": 6, "b": 4}, (5, 7))


@pytest.fixture
def decodings(monkeypatch):
    """How often pixels were really decoded."""
    counter, decode = [], module.pixels_of
    monkeypatch.setattr(module, "pixels_of", lambda *args: counter.append(1) or decode(*args))
    return counter


def exchange(one, other):
    """Swap the contents of two files of one length in place; dates stay as they were."""
    contents, states = [path.read_bytes() for path in (other, one)], [path.stat() for path in (one, other)]
    assert len(contents[0]) == len(contents[1])
    for path, content, state in zip((one, other), contents, states, strict=True):
        path.write_bytes(content)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def paths_of(folder):
    return sorted(str(path) for path in folder.rglob("*.png"))


def test_pixels_are_pils_and_decoded_once(folder, decodings):
    images, sha256 = decoded(folder, paths_of(folder))
    oracle = torch.from_numpy(np.stack([np.array(Image.open(path)) for path in paths_of(folder)])).permute(0, 3, 1, 2)
    assert torch.equal(images, oracle)
    again, same = decoded(folder, paths_of(folder))
    assert torch.equal(again, images) and same == sha256 and len(decodings) == 1
    assert [path.name for path in folder.parent.iterdir() if path.is_file()] == ["small.decoded.safetensors"]


def test_every_size_has_its_file(folder, decodings):
    assert decoded(folder, paths_of(folder), 4)[0].shape == (10, 3, 4, 4)
    assert decoded(folder, paths_of(folder), 3)[0].shape == (10, 3, 3, 3)
    assert decoded(folder, paths_of(folder), 4)[0].shape == (10, 3, 4, 4) and len(decodings) == 2


@pytest.mark.parametrize("change", ["pixels", "exchanged", "new", "gone"])
def test_changed_images_are_decoded_again(folder, decodings, capsys, change):
    decoded(folder, paths_of(folder))
    path = folder / "a" / "0003.png"
    if change == "pixels":
        Image.fromarray(np.zeros((5, 7, 3), dtype=np.uint8)).save(path)
    elif change == "exchanged":         # with another class, same lengths and dates, as archives and clouds leave them
        exchange(path, folder / "b" / "0003.png")
    elif change == "new":
        (folder / "b" / "0009.png").write_bytes(path.read_bytes())
    else:
        path.unlink()
    images, _ = decoded(folder, paths_of(folder))
    assert len(decodings) == 2 and "out of date" in capsys.readouterr().out and len(images) == len(paths_of(folder))
    assert decoded(folder, paths_of(folder))[0].equal(images) and len(decodings) == 2


@pytest.mark.parametrize("harm", ["flip", "truncate", "empty"])
def test_damaged_file_is_noticed_and_made_again(folder, decodings, capsys, harm):
    images, _ = decoded(folder, paths_of(folder))
    name = folder.parent / "small.decoded.safetensors"
    content = bytearray(name.read_bytes())
    content[-20] ^= 1
    name.write_bytes({"flip": content, "truncate": content[:-9], "empty": b""}[harm])
    assert decoded(folder, paths_of(folder))[0].equal(images) and len(decodings) == 2
    assert ("corrupted" if harm == "flip" else "cannot be read") in capsys.readouterr().out
    assert decoded(folder, paths_of(folder))[0].equal(images) and len(decodings) == 2


def test_unwritable_place_falls_back_to_the_users_cache(folder, decodings, monkeypatch, tmp_path):
    """Replaces os.replace, since a test run as administrator may write everywhere."""
    replace = os.replace

    def refuse(source, target):
        if target.parent == folder.parent:
            raise PermissionError(13, "read-only", str(target))
        replace(source, target)

    monkeypatch.setattr(module.os, "replace", refuse)
    images, _ = decoded(folder, paths_of(folder))
    assert decoded(folder, paths_of(folder))[0].equal(images) and len(decodings) == 1
    assert [path.name for path in folder.parent.iterdir()] == ["small"], "no half-written file beside the images"
    assert len(list((tmp_path / "home" / "cnnlib").rglob("*.safetensors"))) == 1
    monkeypatch.setattr(module.os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    assert decoded(folder, paths_of(folder), 4)[0].shape == (10, 3, 4, 4), "nowhere to write is no error"


def test_the_environment_decides(folder, decodings, monkeypatch, tmp_path):
    monkeypatch.setenv("CNNLIB_CACHE", "off")
    images, sha256 = decoded(folder, paths_of(folder))
    assert decoded(folder, paths_of(folder))[1] == sha256 and len(decodings) == 2
    assert [path.name for path in folder.parent.iterdir()] == ["small"]
    monkeypatch.setenv("CNNLIB_CACHE", str(tmp_path / "mine"))
    for _ in range(2):
        assert decoded(folder, paths_of(folder))[0].equal(images)
    assert len(decodings) == 3 and len(list((tmp_path / "mine").rglob("*.safetensors"))) == 1


def test_a_moved_folder_keeps_its_file(folder, decodings, tmp_path):
    images, _ = decoded(folder, paths_of(folder))
    folder.parent.rename(tmp_path / "moved")
    moved = tmp_path / "moved" / "small"
    assert decoded(moved, paths_of(moved))[0].equal(images) and len(decodings) == 1


def _sum(folder):
    return int(decoded(folder, paths_of(folder))[0].sum())


def test_many_processes_at_once(folder):
    with get_context("fork").Pool(3) as pool:
        assert len(set(pool.map(_sum, [folder] * 6))) == 1
    assert [path.name for path in folder.parent.iterdir() if path.is_file()] == ["small.decoded.safetensors"]
