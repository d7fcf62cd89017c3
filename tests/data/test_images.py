"""Augmentation is what PIL and torchvision would do, and many processes see what one would see."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from torchvision.transforms import functional as tv

from cnnlib import data
from cnnlib.data.images import Images, Plan, balanced, crop, mirror, normalise, on

quick = settings(max_examples=40, deadline=None)


def random_images(n, c=3, h=9, w=7, seed=0):
    return torch.randint(0, 256, (n, c, h, w), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def numbered(n, **augmentation):
    """n images that are their own number, so that a batch says which images it shows."""
    return Images(torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1), torch.arange(n), (0.0,), (1 / 255,),
                  **augmentation)


@quick
@given(st.integers(0, 6), st.sampled_from([1, 3]), st.integers(1, 12), st.integers(1, 12), st.integers(1, 5),
       st.integers(0, 99))
def test_crop_and_mirror_are_pils(n, c, h, w, margin, seed):
    """Pad with black, cut, mirror: the same bytes as PIL's for the same offsets."""
    images, generator = random_images(n, c, h, w, seed), torch.Generator().manual_seed(seed)
    corners = torch.randint(2 * margin + 1, (n, 2), generator=generator)
    which = torch.rand(n, generator=generator) < 0.5
    ours = mirror(crop(images, margin, corners), which)
    assert ours.shape == images.shape and ours.dtype == torch.uint8 and ours.is_contiguous()
    for image, result, (top, left), flipped in zip(images, ours, corners.tolist(), which, strict=True):
        picture = tv.to_pil_image(image)
        picture = ImageOps.expand(picture, margin, 0).crop((left, top, left + w, top + h))
        picture = ImageOps.mirror(picture) if flipped else picture
        assert np.array_equal(np.array(picture).reshape(h, w, c), result.permute(1, 2, 0).numpy())


def test_batches_are_torchvisions_for_the_drawn_offsets():
    """A whole augmented pass against pad, crop, hflip, to_tensor and normalize of torchvision, bit for bit."""
    mean, std, margin, n = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3), 4, 50
    split = Images(random_images(n, 3, 8, 6), torch.arange(n), mean, std, margin, True)
    plan = Plan(n, 16, True, 3)
    xs, ys = zip(*split.batches(16, shuffle=True, seed=3), strict=True)
    assert torch.equal(torch.cat(ys), plan.order) and [len(y) for y in ys] == [16, 16, 16, 2]
    corners = plan.corners(slice(None), margin)
    assert plan.mirrored.any() and not plan.mirrored.all() and len(corners.unique(dim=0)) > 20
    for x, index, (top, left), flipped in zip(torch.cat(xs), plan.order, corners.tolist(), plan.mirrored, strict=True):
        picture = Image.fromarray(split.images[index].permute(1, 2, 0).numpy())
        picture = tv.crop(tv.pad(picture, margin), top, left, 8, 6)
        picture = tv.hflip(picture) if flipped else picture
        assert torch.equal(x, tv.normalize(tv.to_tensor(picture), mean, std))


def test_only_the_shuffled_pass_is_augmented():
    split = data.load("digits", crop=2, flip=True).train
    plain = data.load("digits").train
    for ours, oracle in zip(split.batches(100), plain.batches(100), strict=True):
        assert torch.equal(ours[0], oracle[0]) and torch.equal(ours[1], oracle[1])
    for ours, oracle in zip(split.batches(100, shuffle=True, seed=1), plain.batches(100, shuffle=True, seed=1),
                            strict=True):
        assert torch.equal(ours[1], oracle[1]) and not torch.equal(ours[0], oracle[0])
    assert data.load("digits", crop=2).test.crop == 0, "the test split is never augmented"


def test_every_corner_and_side_is_equally_likely():
    plan, margin = Plan(40_500, 1, True, 0), 4
    places = plan.corners(slice(None), margin) @ torch.tensor([9, 1])
    counts = places.bincount(minlength=81).double()
    assert len(counts) == 81 and ((counts - 500) ** 2 / 500).sum() < 125      # chi-squared, 80 degrees: p > 0.001
    assert abs(plan.mirrored.float().mean() - 0.5) < 0.01


@quick
@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 7), st.integers(0, 3), st.booleans())
def test_ranks_together_see_what_one_process_sees(n, batch_size, world_size, seed, shuffle):
    """Also the same crop of it: images, labels and order of every global batch, and equally many steps."""
    split = Images(random_images(n, 1, 4, 4), torch.arange(n), (0.0,), (1.0,), 1, True)
    alone = list(split.batches(batch_size, shuffle=shuffle, seed=seed))
    shares = [list(split.batches(batch_size, shuffle=shuffle, seed=seed, rank=r, world_size=world_size))
              for r in range(world_size)]
    assert {len(share) for share in shares} == {len(alone)} == {-(-n // batch_size)}
    for step, (x, y) in enumerate(alone):
        together_x, together_y = torch.full_like(x, -1), torch.full_like(y, -1)
        for rank, share in enumerate(shares):
            together_x[rank::world_size], together_y[rank::world_size] = share[step]
        assert torch.equal(together_x, x) and torch.equal(together_y, y)


@quick
@given(st.integers(1, 70), st.integers(1, 30), st.integers(0, 5))
def test_batches_hold_every_image_once(n, batch_size, seed):
    for shuffle in (False, True):
        batches = list(numbered(n).batches(batch_size, shuffle=shuffle, seed=seed))
        labels = torch.cat([y for _, y in batches])
        assert sorted(labels.tolist()) == list(range(n))
        assert all(len(y) <= batch_size for _, y in batches)
        torch.testing.assert_close(torch.cat([x for x, _ in batches]).flatten(), labels.float())


def test_a_pass_follows_its_seed():
    def of(seed, **split):
        x, y = zip(*data.load("digits", crop=1, flip=True).train.batches(50, shuffle=True, seed=seed), strict=True)
        return torch.cat(x), torch.cat(y)

    (x, y), (again, _), (_, other) = of(1), of(1), of(2)
    assert torch.equal(x, again) and not torch.equal(y, other)
    torch.manual_seed(5)
    (x, _), _ = of(None), torch.manual_seed(5)
    assert torch.equal(x, of(None)[0]), "without a seed, torch's own random state decides"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": 2, "rank": 2, "world_size": 2}, "rank is 2, allowed: whole numbers below world_size = 2"),
        ({"batch_size": 2, "world_size": 0}, "world_size is 0"),
        ({"batch_size": 2, "shuffle": True, "world_size": 2}, "seed is None"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        next(numbered(5).batches(**arguments))


@quick
@given(st.lists(st.integers(1, 20), min_size=1, max_size=5), st.integers(1, 120), st.integers(0, 3))
def test_balanced_takes_equal_parts_and_grows(sizes, limit, seed):
    labels = torch.cat([torch.full((n,), c) for c, n in enumerate(sizes)])
    chosen = balanced(labels, limit, seed)
    assert chosen.tolist() == sorted(set(chosen.tolist())) and len(chosen) == min(limit, len(labels))
    counts = labels[chosen].bincount(minlength=len(sizes))
    for a, size_a in zip(counts, sizes, strict=True):       # a class has one less than another only if it is empty
        assert all(a >= b - 1 or a == size_a for b in counts)
    assert set(chosen.tolist()) <= set(balanced(labels, limit + 1, seed).tolist())


def test_limit_and_channels():
    digits = data.load("digits", limit=100, channels=3)
    assert digits.train.labels.bincount().tolist() == [10] * 10 and len(digits.test) == len(data.load("digits").test)
    assert digits.variant.endswith("100 of them for training, chosen evenly")
    assert digits.train.shape == digits.test.shape == (3, 8, 8)
    assert digits.train.images[:, 0].equal(digits.train.images[:, 2]) and len(digits.mean) == 3
    assert len(data.load("digits", limit=10_000).train) == len(data.load("digits").train)


@quick
@given(st.integers(1, 5), st.sampled_from([1, 3]), st.integers(0, 9))
def test_normalise_is_torchvisions(n, c, seed):
    images, mean, std = random_images(n, c, 5, 5, seed), (0.1, 0.5, 0.7)[:c], (0.3, 0.2, 0.1)[:c]
    assert torch.equal(normalise(images, *on("cpu", mean, std)), tv.normalize(images.float() / 255, mean, std))
