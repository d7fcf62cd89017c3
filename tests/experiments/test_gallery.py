"""The gallery of blocks: its counts against torchinfo and closed formulas, its paths against the blocks themselves."""

import json

import pytest
import torch
import torchinfo
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cnnlib.anatomy import kept_bytes
from cnnlib.experiments import descendants, gallery
from cnnlib.experiments.gallery import COLLECTIONS, build, card, flow
from cnnlib.models.blocks import Skip, list_blocks
from cnnlib.widgets import BlockGallery

BLOCKS = [(collection, block) for collection in COLLECTIONS for block in COLLECTIONS[collection]]
NAMES = [f"{collection}-{block}" for collection, block in BLOCKS]


def channels_of(block, i, o):
    """Channels in and out that the block can have."""
    if block in ("shuffle", *COLLECTIONS["descendants"]):
        return 16 * i, 16 * i
    return 12 * i, 12 * (i + o if block == "dense" else o)


# ---------------------------------------------------------------- counts


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(BLOCKS), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4))
def test_parameters_and_macs_are_torchinfos(which, i, o, half, expansion):
    """Of attention torchinfo counts the convolutions; its two products have C x places x places each."""
    collection, block = which
    (cin, cout), size = channels_of(block, i, o), 2 * half
    options = {name: value for name, value in {"groups": 2, "expansion": expansion}.items()
               if name in COLLECTIONS[collection][block].options}
    found = card(collection, block, cin, cout, size, **options)
    peer = torchinfo.summary(build(collection, block, cin, cout, **options).eval(), (1, cin, size, size), verbose=0)
    layers = [layer for layer in peer.summary_list if isinstance(layer.module, nn.Conv2d | nn.Linear)]
    macs = sum(layer.output_size[-1] * layer.output_size[-2] * layer.module.weight.numel()
               if isinstance(layer.module, nn.Conv2d) else layer.module.weight.numel() for layer in layers)
    if block == "transformer":
        macs += 2 * cin * size**4
    if block == "unet":                             # every pixel of the deep maps makes 2 x 2 of the fine ones
        macs += 2 * cin * cin * size**2
    assert found["params"] == peer.total_params == sum(found["params_of"])
    assert found["macs"] == macs == sum(found["macs_of"])
    assert found["shape"][-1] == [cout, size, size]


@pytest.mark.parametrize("block, channels, weights", [
    ("convolution", (512, 512), 9 * 512 * 512), ("bottleneck", (512, 512), 512 * 128 + 9 * 128 * 128 + 128 * 512),
    ("convolution", (16, 32), 9 * 16 * 32), ("separable", (16, 32), 9 * 16 + 16 * 32),
    ("point_first", (16, 32), 16 * 32 + 9 * 32), ("inverted_residual", (24, 24), 24 * 144 + 9 * 144 + 144 * 24),
])
def test_the_numbers_of_the_sources_are_on_the_page(block, channels, weights):
    """They are 2,359,296 and 278,528, 4,608 and 656, 800 and 8,208."""
    assert weights in (2_359_296, 278_528, 4_608, 656, 800, 8_208)
    given = dict(zip(("in_channels", "out_channels"), channels, strict=True))
    shown = BlockGallery(block=block, **given)
    assert shown.answer[block]["weights"] == weights
    assert all(value in gallery.PAGE["gallery"][name] for name, value in given.items())
    assert f"{weights:,}" in shown.fallback_html()


@pytest.mark.parametrize("collection, block", BLOCKS, ids=NAMES)
def test_bytes_kept_are_those_that_autograd_keeps(collection, block):
    cin, cout = channels_of(block, 1, 1)
    found = card(collection, block, cin, cout, 8, expansion=4)["kept"]
    options = {"expansion": 4} if "expansion" in COLLECTIONS[collection][block].options else {}
    measured = kept_bytes(build(collection, block, cin, cout, **options).train(), torch.randn(1, cin, 8, 8))
    if block == "drop_path":                        # in training its draw comes on top; a card shows a block in use
        assert found < measured
    else:
        assert found == measured


def test_a_stride_is_refused_where_there_is_none_and_divides_elsewhere():
    assert card("gallery", "bottleneck", 16, 32, 9, stride=2)["shape"][-1] == [32, 5, 5]
    with pytest.raises(ValueError, match="stride is 2, allowed for this block: 1"):
        card("gallery", "dense", 16, 32, 8, stride=2)


@pytest.mark.parametrize("arguments, message", [
    (("museum", "dense", 8, 16, 8), "collection is 'museum', allowed: 'gallery', 'descendants'"),
    (("gallery", "unet", 8, 8, 8), "block is 'unet', allowed: 'convolution', 'stack'"),
    (("gallery", "dense", 8, 8, 8), "out_channels of a dense layer is 8, allowed: whole numbers from 9"),
    (("gallery", "convolution", 8, 8, 0), "size is 0"), (("descendants", "csp", 8, 16, 8), "out_channels is 16"),
    (("descendants", "csp", 9, 9, 8), "channels is 9, allowed: even"),
    (("descendants", "unet", 8, 8, 7), "maps are 7×7, allowed: even sizes"),
])
def test_what_cannot_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        card(*arguments)


# ---------------------------------------------------------------- paths


def test_every_block_of_the_library_but_the_dilated_is_in_the_gallery():
    assert set(COLLECTIONS["gallery"]) == set(list_blocks()) - {"skip", "dilated", "aspp"}


@pytest.mark.parametrize("collection, block", BLOCKS, ids=NAMES)
def test_every_step_leads_to_the_end(collection, block):
    cin, cout = channels_of(block, 1, 1)
    found = card(collection, block, cin, cout, 8)
    steps = len(found["takes"])
    assert all(takes and max(takes) < i for i, takes in enumerate(found["takes"]))
    assert {i for takes in found["takes"] for i in takes} == {*range(-1, steps - 1)}
    assert all((len(takes) > 1) == bool(join) for takes, join in zip(found["takes"], found["join"], strict=True))


@pytest.mark.parametrize("block, joins", [
    ("stack", []), ("residual", [("+", [1, -1])]), ("parallel", [("cat", [0, 1, 2])]), ("dense", [("cat", [-1, 2])]),
    ("squeeze_excitation", [("×", [0, 3])]), ("inverted_residual", [("+", [-1, 2])]),
])
def test_paths_meet_where_they_do(block, joins):
    cin, cout = channels_of(block, 1, 1)
    found = card("gallery", block, cin, cout, 8)
    assert [(join, takes) for join, takes in zip(found["join"], found["takes"], strict=True) if join] == joins


def test_a_step_that_two_read_keeps_to_itself():
    """The ReLU goes with the convolution, but not where the convolution's own result is read again."""
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.relu = nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()

        def forward(self, x):
            x = self.conv(x)
            return x + self.relu(x)

    steps = flow(Both(), (4, 8, 8))
    assert [(step.says, step.join, step.takes) for step in steps] == [
        (("3×3",), "", (-1,)), (("ReLU",), "", (0,)), ((), "+", (0, 1))]
    together = flow(Skip(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())), (4, 8, 8))
    assert [step.says for step in together] == [("3×3", "ReLU"), ()]


@pytest.mark.parametrize("collection, block", BLOCKS, ids=NAMES)
def test_a_field_that_is_known_is_that_of_the_gradient(collection, block):
    cin, cout = channels_of(block, 1, 1)
    found = card(collection, block, cin, cout, 20)
    if not found["field"]:
        assert block in ("transformer", "unet")
        return
    torch.manual_seed(0)
    net = build(collection, block, cin, cout).eval().double()
    for weight in net.parameters():                 # positive, so that no ReLU is silent
        nn.init.uniform_(weight, 0.01, 0.1)
    x = torch.rand(1, cin, 20, 20, dtype=torch.double, requires_grad=True)
    net(x)[0, :, 10, 10].square().sum().backward()
    rows = (x.grad[0] != 0).any(0).any(1).nonzero()
    span = int(rows.max() - rows.min()) + 1
    assert span == min(int(found["field"]), 20)


# ---------------------------------------------------------------- blocks that came later


@pytest.mark.parametrize("block", descendants.BLOCKS)
def test_blocks_keep_the_shape_and_their_gradient_reaches_every_parameter(block):
    torch.manual_seed(0)
    net, x = descendants.BLOCKS[block](16), torch.randn(3, 16, 8, 8)
    y = net(x)
    assert y.shape == x.shape
    (y * torch.randn_like(y)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())


@torch.no_grad()
def test_attention_is_pytorchs():
    """With its four 1x1 as the projections of one head."""
    torch.manual_seed(0)
    ours, theirs = descendants.Attention(8), nn.MultiheadAttention(8, 1, batch_first=True)
    parts = ours.query, ours.key, ours.value
    theirs.in_proj_weight.copy_(torch.cat([part.weight.flatten(1) for part in parts]))
    theirs.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
    theirs.out_proj.weight.copy_(ours.project.weight.flatten(1))
    theirs.out_proj.bias.copy_(ours.project.bias)
    x = torch.randn(2, 8, 3, 4)
    tokens = x.flatten(2).transpose(1, 2)
    wanted = theirs(tokens, tokens, tokens)[0].transpose(1, 2).unflatten(2, (3, 4))
    assert torch.allclose(ours(x), wanted, atol=1e-6)


@torch.no_grad()
def test_drop_path_leaves_whole_pictures_out_and_keeps_the_mean():
    torch.manual_seed(0)
    x, drop = torch.ones(4000, 1, 2, 2), descendants.DropPath(0.25)
    y = drop(x)
    picture = y.flatten(1)
    assert torch.equal(picture.amax(1), picture.amin(1)) and torch.equal(picture.unique(), torch.tensor([0, 1 / 0.75]))
    assert abs(y.mean() - 1) < 0.05                 # its deviation is below 0.01
    assert torch.equal(drop.eval()(x), x)
    with pytest.raises(ValueError, match="rate is 1"):
        descendants.DropPath(1)


@torch.no_grad()
def test_convnext_is_torchvisions():
    """Its block keeps the channels last from the normalisation on; weights and results are the same."""
    from torchvision.models.convnext import CNBlock

    torch.manual_seed(0)
    ours, theirs = descendants.convnext(16).eval(), CNBlock(16, 1.0, 0.0).eval()
    theirs.layer_scale.copy_(ours.branch[5].weight.fill_(0.5))
    for mine, its in ((0, 0), (1, 2), (2, 3), (4, 5)):
        theirs.block[its].weight.copy_(ours.branch[mine].weight.reshape_as(theirs.block[its].weight))
        theirs.block[its].bias.copy_(ours.branch[mine].bias)
    x = torch.randn(2, 16, 9, 9)
    assert torch.allclose(ours(x), theirs(x), atol=1e-5)


def test_mbconv_has_the_parameters_of_torchvisions():
    from functools import partial

    from torchvision.models.efficientnet import MBConv, MBConvConfig

    for expansion in (1, 6):
        theirs = MBConv(MBConvConfig(expansion, 3, 1, 16, 16, 1), 0.0, partial(nn.BatchNorm2d))
        ours = descendants.mbconv(16, expansion)
        assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())


# ---------------------------------------------------------------- milliseconds, and the widget


def test_all_that_a_page_shows_was_measured():
    """Every choice that can be built has its time; and nothing else has one."""
    about, wanted = gallery.recorded(), set()
    for collection in COLLECTIONS:
        for choice in gallery.page(collection):
            options = dict(zip(COLLECTIONS[collection][choice[1]].options, choice[5:], strict=True))
            try:
                card(*choice[:5], **options)
            except ValueError:
                continue
            wanted.add(gallery.key(*choice[:5], choice[5:]))
    assert set(about["milliseconds"]) == wanted
    assert about["threads"] == 1 and {"device_name", "torch", "command", "commit", "date"} <= set(about)
    assert min(about["milliseconds"].values()) > 0


def test_the_measurement_is_a_time():
    few, many = (gallery.milliseconds(nn.Conv2d(n, n, 3, padding=1), (n, 28, 28)) for n in (8, 256))
    assert 0 < few < many


def test_the_widget_says_why_a_block_cannot_be():
    shown = BlockGallery(block="dense", beside="", in_channels=24, out_channels=24)
    assert shown.answer["dense"] == {"refused": "out_channels of a dense layer is 24, allowed: whole numbers from 25."}
    assert "allowed: whole numbers from 25" in shown.fallback_html()
    assert json.dumps(shown.answer)
    with pytest.raises(ValueError, match="block is 'unet', allowed: convolution"):
        BlockGallery(block="unet")
    with pytest.raises(ValueError, match="collection is 'museum', allowed: 'gallery', 'descendants'"):
        BlockGallery("museum")


def test_the_descendants_give_what_they_take():
    shown = BlockGallery("descendants", in_channels=64, size=16)
    assert all(card["shape"][-1] == [64, 16, 16] for card in shown.answer.values())
    assert "out_channels" not in shown.inputs
