"""Photos: the same pixels whatever the number of workers and processes, and torchvision's where nothing is drawn."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from cnnlib import data
from cnnlib.data.images import Plan
from cnnlib.data.photos import IMAGENET, Photos
from tests.pictures import nowhere, write_pictures  # noqa: F401 (nowhere is a fixture)


@pytest.fixture
def photos(tmp_path):
    folder = write_pictures(tmp_path / "photos", {"a": 7, "b": 6}, (40, 52), growing=True)
    paths = sorted(str(path) for path in folder.rglob("*.png"))
    return Photos(paths, torch.tensor([0] * 7 + [1] * 6), 32, workers=0)


def joined(batches):
    x, y = zip(*batches, strict=True)
    return torch.cat(x), torch.cat(y)


def test_a_plain_pass_is_torchvisions(photos):
    x, y = joined(photos.batches(5))
    transform = v2.Compose([v2.PILToTensor(), v2.Resize(32), v2.CenterCrop(32)])
    oracle = torch.stack([transform(Image.open(path)) for path in photos.paths])
    oracle = v2.functional.normalize(oracle / 255, *IMAGENET)
    assert torch.equal(x, oracle) and torch.equal(y, photos.labels)
    assert [len(y) for _, y in photos.batches(5)] == [5, 5, 3] and x.shape[1:] == photos.shape


@pytest.mark.parametrize("crop", [0, 4, "resized"])
def test_workers_do_not_matter(photos, crop):
    photos.crop, photos.flip = crop, True
    torch.manual_seed(1)
    state = torch.get_rng_state()
    x, y = joined(photos.batches(4, shuffle=True, seed=3))
    for photos.workers in (1, 2):
        again = joined(photos.batches(4, shuffle=True, seed=3))
        assert torch.equal(again[0], x) and torch.equal(again[1], y)
    assert torch.equal(torch.get_rng_state(), state), "torch's own random state is left alone"
    assert y.tolist() != photos.labels.tolist()
    if crop:
        again = joined(photos.batches(4, shuffle=True, seed=4))[0]
        assert {hash(image.numpy().tobytes()) for image in x}.isdisjoint(hash(i.numpy().tobytes()) for i in again)


def test_ranks_together_see_what_one_process_sees(photos):
    photos.crop, photos.flip = "resized", True
    alone = list(photos.batches(6, shuffle=True, seed=0))
    shares = [list(photos.batches(6, shuffle=True, seed=0, rank=rank, world_size=4)) for rank in range(4)]
    assert {len(share) for share in shares} == {len(alone)} == {3}
    for step, (x, y) in enumerate(alone):
        together, labels = torch.zeros_like(x), torch.full_like(y, -1)
        for rank, share in enumerate(shares):
            together[rank::4], labels[rank::4] = share[step]
        assert torch.equal(together, x) and torch.equal(labels, y)


def test_crops_are_parts_of_the_resized_photo(photos):
    """Mirrored or not, each is found in the photo with shorter side size + 2 * crop; the two places differ."""
    photos.crop, photos.flip = 3, True
    x, _ = joined(photos.batches(13, shuffle=True, seed=0))
    plan, mirrored, places = Plan(13, 13, True, 0), 0, set()
    for image, index in zip(x, plan.order.tolist(), strict=True):
        whole = v2.functional.resize(v2.functional.pil_to_tensor(Image.open(photos.paths[index])), 38)
        whole = photos.normalise(whole[None])[0]
        windows = whole.unfold(1, 32, 1).unfold(2, 32, 1).permute(1, 2, 0, 3, 4)
        for side in (image, image.flip(-1)):
            for place in (windows == side).flatten(2).all(2).nonzero().tolist():
                places.add(tuple(place))
                mirrored += side is not image
    assert len(places) > 6 and 0 < mirrored < 13


def test_a_broken_photo_is_named(photos):
    with open(photos.paths[2], "r+b") as file:
        file.truncate(70)
    for photos.workers in (0, 1):
        with pytest.raises(ValueError, match="0002.png cannot be read as a picture"):
            list(photos.batches(5))


def test_folders_of_photos_stay_in_their_files(tmp_path):
    folder = write_pictures(tmp_path / "photos", {"a": 10, "b": 20}, (70, 80))
    loaded = data.load("folder", folder, size=68, crop=2, flip=True, limit=4)
    assert isinstance(loaded.train, Photos) and (len(loaded.train), len(loaded.test)) == (4, 3)
    assert loaded.train.labels.bincount().tolist() == [2, 2] and loaded.train.flip and not loaded.test.flip
    assert loaded.variant.startswith("folder photos, 27 + 3 photos, files' sha256 ")
    assert loaded.variant.endswith("4 of them for training, chosen evenly, at 68x68")
    loaded.test.workers = loaded.train.workers = 0
    x, y = next(loaded.train.batches(4, shuffle=True, seed=0))
    assert x.shape == (4, 3, 68, 68) and loaded.to("cpu").mean == IMAGENET[0] and sorted(y.tolist()) == [0, 0, 1, 1]
    held = data.load("folder", folder, size=64)
    with Image.open(folder / "a" / "0000.png") as picture:
        resized = picture.resize((73, 64)).crop((4, 0, 68, 64))
    everything = torch.cat((held.train.images, held.test.images)).permute(0, 2, 3, 1).numpy()
    assert any(np.array_equal(np.array(resized), image) for image in everything)
