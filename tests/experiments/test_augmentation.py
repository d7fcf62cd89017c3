"""AlexNet's way with pictures, against torchvision and scikit-learn; and the bench that shows it."""

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.transforms.v2 import functional as V

from cnnlib.experiments import augmentation
from cnnlib.widgets.augmentation_bench import augmentation_bench


@pytest.fixture(scope="module")
def photos():
    return {name: augmentation.prepared(augmentation.sample(name)) for name in ("china", "flower")}


def test_a_picture_is_prepared_as_by_torchvision(photos):
    expected = V.center_crop(V.resize(augmentation.sample("china"), 256, antialias=True), 256)
    assert photos["china"].shape == (3, 256, 256) and photos["china"].dtype == torch.uint8
    assert (photos["china"].int() - expected.int()).abs().float().mean() < 0.5


@pytest.mark.parametrize("height, width", [(300, 200), (200, 300), (64, 64), (257, 1000)])
def test_any_shape_becomes_a_square(height, width):
    assert augmentation.prepared(torch.zeros(3, height, width, dtype=torch.uint8), 64).shape == (3, 64, 64)


def test_a_cut_is_that_of_torchvision(photos):
    china = photos["china"]
    assert augmentation.cut(china, 5, 9, 224).equal(V.crop(china, 5, 9, 224, 224))
    assert augmentation.cut(china, 5, 9, 224, mirrored=True).equal(V.horizontal_flip(V.crop(china, 5, 9, 224, 224)))
    with pytest.raises(ValueError, match="top is 33, allowed for a part of 224 out of 256: 0 to 32"):
        augmentation.cut(china, 33, 0, 224)


def test_components_are_those_of_scikit_learn(photos):
    from sklearn.decomposition import PCA

    pixels = torch.cat([photo.flatten(1) for photo in photos.values()], 1).T.double().numpy() / 255
    pca = PCA().fit(pixels)
    values, vectors = augmentation.colour_components(*photos.values())
    np.testing.assert_allclose(values, pca.explained_variance_)
    np.testing.assert_allclose(np.abs(np.sum(vectors.numpy() * pca.components_.T, axis=0)), 1)
    assert (vectors.sum(0) >= 0).all() and values[0] > values[1] > values[2] > 0


def test_a_shift_moves_all_pixels_alike_and_is_cut_off():
    values, vectors = torch.tensor([0.31, 0.03, 0.002]).double(), torch.eye(3).double()
    shift = augmentation.colour_shift(values, vectors, (1, -1, 0))
    torch.testing.assert_close(shift, torch.tensor([0.31, -0.03, 0.0]).double())
    picture = torch.tensor([100, 250, 3], dtype=torch.uint8)[None, None].expand(3, 1, 3)
    assert augmentation.recoloured(picture, shift).tolist() == [[[179, 255, 82]], [[92, 242, 0]], [[100, 250, 3]]]


def test_ten_crops_are_those_of_torchvision():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.LazyLinear(5)).train()
    x = torch.randn(6, 3, 10, 12)
    net(x[..., :8, :8])
    before = [buffer.clone() for buffer in net.buffers()]
    scores = augmentation.crop_scores(net, x, 8)
    assert net.training and all(a.equal(b) for a, b in zip(before, net.buffers(), strict=True))
    net.eval()
    expected = torch.stack([net(crop).softmax(1) for crop in V.ten_crop(x, 8)]).mean(0)
    torch.testing.assert_close(scores, expected)
    five = torch.stack([net(crop).softmax(1) for crop in V.five_crop(x, 8)]).mean(0)
    torch.testing.assert_close(augmentation.crop_scores(net, x, 8, mirrored=(False,)), five)


# ---------------------------------------------------------------- the bench


@pytest.fixture(scope="module")
def bench(photos):
    return augmentation_bench(photos)


def test_the_bench_carries_the_pictures_and_not_each_answer_again(bench, photos):
    page = bench.to_html()
    assert len(page) < 200_000 and page.count("data:image/jpeg") <= 3 * len(photos)
    kind, _, markup = bench.answer["items"][0]
    assert kind == "html"
    for name, photo in photos.items():
        data = re.search(rf'id="bench-{name}"[^>]*base64,([^"]+)"', markup)[1]
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).transpose(2, 0, 1)
        assert shown.shape == (3, 256, 256) and np.abs(shown.astype(int) - photo.numpy()).mean() < 8


def test_the_bench_draws_what_the_library_computes(bench, photos):
    values, vectors = augmentation.colour_components(*photos.values())
    draws = {"first": 0.3, "second": -0.3}
    items = bench.compute(picture="flower", left=32, top=0, mirrored=True, **draws)["items"]
    matrix = [float(n) for n in re.search(r'values="([^"]+)"', items[1][2])[1].split()]
    shift = augmentation.colour_shift(values, vectors, [*draws.values(), 0.0])
    assert np.reshape(matrix, (4, 5))[:3, 4] == pytest.approx(shift.tolist(), abs=1e-4)
    assert np.reshape(matrix, (4, 5))[:, :4].tolist() == np.eye(4).tolist()
    drawing = items[2][2]
    assert '<rect x="32" y="0" width="224" height="224"/></clipPath>' in drawing and '#bench-flower"' in drawing
    assert 'translate(236 16)' in drawing       # the corner (32, 0) comes to (268, 16), right of the picture
    a, b, c, d, x, y = map(float, re.search(r"matrix\(([^)]*)\)", drawing)[1].split())
    assert (a, b, c, d, y) == (-1, 0, 0, 1, 0) and a * 32 + x == 32 + 224       # the left edge goes to the right one
