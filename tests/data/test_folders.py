"""Folders of pictures as people have them: understood and said, or refused in a sentence; never wrong in silence."""

import os
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder
from torchvision.datasets.folder import IMG_EXTENSIONS

from cnnlib import data
from cnnlib.data import cache, folders
from cnnlib.data.cache import open_rgb
from tests.pictures import DOT, nowhere, write_pictures  # noqa: F401 (nowhere is a fixture)

PETS = {"cat": 10, "dog": 20}


@pytest.fixture
def pets(tmp_path):
    return write_pictures(tmp_path / "pets", PETS, (6, 6))


def load(root, size=6):
    return data.load("folder", root, size=size)


def counts(dataset):
    """{class: (images for training, images for testing)}."""
    train, test = (split.labels.bincount(minlength=len(dataset.classes)).tolist() for split in dataset)
    return dict(zip(dataset.classes, zip(train, test, strict=True), strict=True))


def test_clean_folders_are_torchvisions(pets):
    shutil.copytree(pets / "cat", pets / "cat" / "more" / "in" / "it")
    assert folders.ENDINGS == IMG_EXTENSIONS
    found, oracle = folders.classes(pets), ImageFolder(str(pets))
    assert list(found) == oracle.classes
    assert [path for paths in found.values() for path in paths] == [path for path, _ in oracle.samples]


def exchange(one, other):
    """Two files of one length and date change places, as archives, git and clouds leave them."""
    a, b, date = one.read_bytes(), other.read_bytes(), one.stat().st_mtime_ns
    assert len(a) == len(b)
    for path, content in ((one, b), (other, a)):
        path.write_bytes(content)
        os.utime(path, ns=(date, date))


@pytest.mark.parametrize("size", [6, 65])
def test_exchanged_files_are_noticed(tmp_path, size):
    """The pixels, and the variant by which a checkpoint knows its data."""
    for name, colour in (("dark", 0), ("light", 255)):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(4):
            Image.new("RGB", (6, 6), (colour, 0, i)).save(path := tmp_path / "pets" / name / f"{i}.bmp")
            os.utime(path, ns=(10**18, 10**18))
    before = load(tmp_path / "pets", size)
    for i in range(4):
        exchange(tmp_path / "pets" / "dark" / f"{i}.bmp", tmp_path / "pets" / "light" / f"{i}.bmp")
    after = load(tmp_path / "pets", size)
    assert after.variant != before.variant
    if size == 6:
        dark = [split.images[split.labels == 0][:, 0].max().item() for split in (before.train, after.train)]
        assert dark == [0, 255]


@pytest.mark.parametrize("train, test", [("train", "val"), ("train", "valid"), ("train", "validation"),
                                         ("Train", "Test"), ("Training", "Testing"), ("train", "test")])
@pytest.mark.parametrize("around", ["", "unpacked/again"])
def test_splits_by_any_usual_name(pets, tmp_path, capsys, train, test, around):
    root = tmp_path / "root"
    shutil.copytree(pets, root / around / train)
    write_pictures(root / around / test, {"cat": 2, "dog": 3}, (6, 6))
    loaded = load(root)
    assert loaded.classes == ["cat", "dog"] and counts(loaded) == {"cat": (10, 2), "dog": (20, 3)}
    said = capsys.readouterr().out
    assert f"{train} is for training, {test} for testing." in said or (train, test, around) == ("train", "test", "")


def test_three_splits_and_one_alone(pets, tmp_path, capsys):
    for name in ("train", "val", "test"):
        shutil.copytree(pets, tmp_path / "three" / name)
    assert counts(load(tmp_path / "three")) == {"cat": (10, 10), "dog": (20, 20)}
    assert "train is for training, test for testing; left out: val." in capsys.readouterr().out
    shutil.copytree(pets, tmp_path / "alone" / "train")
    assert counts(load(tmp_path / "alone")) == {"cat": (9, 1), "dog": (18, 2)}
    shutil.copytree(pets / "cat", tmp_path / "alone" / "test")          # as in competitions: no labels
    assert counts(load(tmp_path / "alone")) == {"cat": (9, 1), "dog": (18, 2)}
    assert "train is for training; left out: test." in capsys.readouterr().out
    shutil.copytree(pets, tmp_path / "outer" / "inner" / "pictures")
    assert counts(load(tmp_path / "outer")) == {"cat": (9, 1), "dog": (18, 2)}
    assert f"the classes are the folders in {tmp_path / 'outer' / 'inner' / 'pictures'}" in capsys.readouterr().out


def test_what_is_no_folder_of_classes_is_refused(pets, tmp_path):
    shutil.copytree(pets / "cat", tmp_path / "one" / "cat")
    with pytest.raises(ValueError, match="one has one class, 'cat', allowed: two or more"):
        load(tmp_path / "one")
    shutil.copytree(pets, tmp_path / "deep" / "animals")
    shutil.copytree(pets, tmp_path / "deep" / "plants")
    with pytest.raises(ValueError, match="animals holds only folders.* give .*animals as the folder of pictures"):
        load(tmp_path / "deep")
    (pets / "bird").mkdir()
    with pytest.raises(ValueError, match=r"bird has no pictures \(it is empty\)"):
        load(pets)
    (pets / "bird" / "a.HEIC").touch()
    with pytest.raises(ValueError, match=r"bird has no pictures \(.heic 1\)"):
        load(pets)
    with pytest.raises(ValueError, match="not a folder of classes"):
        load(pets / "cat")


def test_what_systems_leave_is_skipped_and_other_kinds_are_counted(pets, capsys):
    clean = load(pets).variant
    for name in (".ipynb_checkpoints", ".git", "__MACOSX", "cat/.thumbnails"):
        shutil.copytree(pets / "dog", pets / name)
    for name in ("cat/._0001.png", "dog/.DS_Store"):
        (pets / name).write_bytes(b"not a picture")
    (pets / "loop").symlink_to(pets, target_is_directory=True)
    (pets / "cat" / "loop").symlink_to(pets / "cat", target_is_directory=True)
    for name in ("a.heic", "b.HEIC", "c.heic", "d.gif", "e.gif"):
        (pets / "cat" / name).touch()
    (pets / "loose.png").write_bytes(DOT)
    loaded = load(pets)
    assert loaded.classes == ["cat", "dog"] and loaded.variant == clean
    said = capsys.readouterr().out
    assert "6 files of other kinds left out: .heic 3, .gif 2, links to folders 1." in said
    assert "1 pictures in no class left out." in said


def test_every_class_is_tested_or_refused(tmp_path):
    few = write_pictures(tmp_path / "few", {"cat": 5, "dog": 100}, (6, 6))
    assert counts(load(few)) == {"cat": (4, 1), "dog": (90, 10)}
    write_pictures(few, {"fox": 1}, (6, 6))
    with pytest.raises(ValueError, match="fox has 1 picture, allowed: 2 or more"):
        load(few)
    both = tmp_path / "both"
    write_pictures(both / "train", PETS, (6, 6))
    write_pictures(both / "test", {"dog": 3, "fox": 2}, (6, 6))
    with pytest.raises(ValueError, match="different classes. Only in the first: cat; only in the second: fox"):
        load(both)


def grey(level, mode, size=(4, 3)):
    return Image.fromarray(np.full(size[::-1], level, {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]))


def test_pictures_are_as_they_are_seen(tmp_path):
    """Turned, scaled from 16 bits, and on white."""
    path, exif = tmp_path / "a.png", Image.Exif()
    exif[0x0112] = 6                                    # turn right by a quarter to see it
    lying = Image.fromarray(np.arange(18, dtype=np.uint8).reshape(2, 3, 3))
    lying.save(path, exif=exif)
    assert np.array_equal(open_rgb(path), np.rot90(lying, -1))
    for level, seen in ((0, 0), (0x8000, 0x80), (0xffff, 0xff)):
        for name in ("a.png", "a.tif"):
            grey(level, "I;16").save(tmp_path / name)
            assert (np.array(open_rgb(tmp_path / name)) == seen).all()
    ink = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    ink.putpixel((0, 0), (0, 0, 0, 255))
    for mode in ("RGBA", "LA", "P"):
        ink.convert(mode).save(path)
        assert [open_rgb(path).getpixel((x, 0)) for x in (0, 1)] == [(0, 0, 0), (255, 255, 255)], mode


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pictures_without_a_white_are_refused(tmp_path, mode):
    grey(1, mode).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match="a.tif cannot be read as a picture: its numbers have 32 bits"):
        open_rgb(tmp_path / "a.tif")


@pytest.mark.parametrize("mode, ending", [("CMYK", "jpg"), ("P", "png"), ("L", "png"), ("1", "png"), ("RGB", "webp"),
                                          ("RGB", "ppm"), ("YCbCr", "jpg")])
def test_other_pictures_stay_readable(tmp_path, mode, ending):
    path = tmp_path / f"Grüße 🐈 {mode}.{ending}"
    Image.new("RGB", (1, 1), (255, 255, 255)).convert(mode).save(path)
    assert np.array(open_rgb(path)).min() > 250 and open_rgb(path).size == (1, 1)


@pytest.mark.parametrize("size", [32, 96])
def test_one_bad_picture_is_named_before_training(tmp_path, monkeypatch, size):
    root = write_pictures(tmp_path / "photos", PETS, (40, 40))
    bad = root / "dog" / "0013.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(bad)
    bad.write_bytes(bad.read_bytes()[:-200])
    with pytest.raises(ValueError, match="^[^\n]*0013.jpg cannot be read as a picture: [^\n]*truncated[^\n]*$"):
        load(root, size)
    bad.unlink()
    Image.new("L", (900, 900)).save(root / "cat" / "huge.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 400_000)
    with pytest.raises(ValueError, match="huge.png has more than 800,000 pixels; make it smaller.$"):
        load(root, size)


def test_photos_are_opened_once_for_each_set_of_files(tmp_path, monkeypatch):
    root = write_pictures(tmp_path / "photos", PETS, (40, 40))
    opened = []
    monkeypatch.setattr(cache, "open_rgb", lambda path: opened.append(path) or open_rgb(path))
    load(root, 96)
    assert len(opened) == 30
    load(root, 96), load(root, 70)
    assert len(opened) == 30
    bad = root / "dog" / "0013.png"
    bad.write_bytes(bad.read_bytes()[:-40])
    for _ in range(2):                              # a failure is not remembered
        with pytest.raises(ValueError, match="0013.png cannot be read"):
            load(root, 96)
    bad.unlink()
    opened.clear()
    monkeypatch.setenv("CNNLIB_CACHE", "off")
    load(root, 96), load(root, 96)
    assert len(opened) == 58


# -- random folders: loaded with the right labels, or refused in a sentence ------------------------------------


NAMES = ("cat", "dog", "train", "Test", "val", "kätzchen", "🐈", "a b", ".git", "__MACOSX", "x.jpg", "new\nline", "-r")
MODES = ("RGB", "L", "1", "P", "RGBA", "LA", "CMYK", "I;16", "I", "F")


def random_file(draw, path):
    """A picture of a random kind, or bytes that once were one."""
    ending = draw.choice((".jpg", ".png", ".tif", ".webp", ".JPG", ".bmp") * 4 + (".gif", ".heic", "", ".txt"))
    path = path.with_name(path.name + ending)
    width, height = (draw.choice((1, 2, 7, 40)) for _ in range(2))
    mode = draw.choice(MODES) if draw.random() < 0.03 else draw.choice(MODES[:-3])
    picture = grey(7, mode, (width, height)) if mode in ("I;16", "I", "F") else \
        Image.new("RGB", (width, height), draw.randrange(2**24)).convert(mode)
    form = draw.choice(("PNG", "TIFF", "JPEG", "WEBP"))
    try:
        picture.save(path, form)
    except OSError:                     # a mode that the form does not have
        picture.save(path, "TIFF")
    if draw.random() < 0.01:
        content = bytearray(path.read_bytes())
        for _ in range(draw.randrange(1, 30)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        path.write_bytes(content[:draw.randrange(len(content) + 1)])


def random_folder(draw, place, depth):
    """A folder with folders, pictures, links and rubbish in it."""
    place.mkdir()
    for i in range(draw.choice((0, 0, 0, 1, 3)) if depth else draw.choice((1, 4, 6, 9, 12))):
        random_file(draw, place / f"{draw.choice(('', '._', 'ä', '0'))}{i}")
    if draw.random() < 0.05:
        (place / "link").symlink_to(draw.choice((place, place.parent, place / "nowhere")))
    if depth:
        usual = (("cat", "dog"),) if depth == 1 else (("train", "val"), ("Train", "Test", "Val"), ("pets",), ("train",))
        names = draw.choice(usual) if draw.random() < 0.8 else draw.sample(NAMES, draw.randrange(5))
        for name in names:
            random_folder(draw, place / name, 0 if draw.random() < 0.05 else depth - 1)


def check_random_folder(seed, place):
    """"loaded" or the refusal; whatever is loaded has the class of its folder, and both splits have every class."""
    draw = random.Random(seed)
    random_folder(draw, place / "root", draw.choice((1, 1, 2, 3)))
    try:
        loaded = load(place / "root", draw.choice((5, 70)))
    except (ValueError, OSError) as error:
        assert str(place) in str(error), error
        return str(error)
    assert len(loaded.classes) > 1 and all(train and test for train, test in counts(loaded).values())
    if isinstance(loaded.train, data.Photos):
        for split in loaded:
            split.workers = 0
            for path, label in zip(split.paths, split.labels.tolist(), strict=True):
                parts = Path(path).relative_to(place).parts
                assert loaded.classes[label] in parts[:-1] and not any(part.startswith(".") for part in parts)
            assert torch.cat([x for x, _ in split.batches(50)]).isfinite().all()
        assert not set(loaded.train.paths) & set(loaded.test.paths)
    return "loaded"


@pytest.mark.parametrize("seeds", [range(40), pytest.param(range(40, 240), marks=pytest.mark.slow)], ids=len)
def test_random_folders(tmp_path, seeds):
    outcomes = []
    for seed in seeds:
        (tmp_path / str(seed)).mkdir()
        outcomes.append(check_random_folder(seed, tmp_path / str(seed)))
    loaded = outcomes.count("loaded")
    print(f"{loaded} loaded, {len(outcomes) - loaded} refused")
    assert loaded > 3 and len(outcomes) - loaded > 3, "it tries both"
