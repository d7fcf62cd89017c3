"""Draw a digit: the page's LeNet is PyTorch's, its receptive fields are what gradients say, its ink is MNIST's.

The JavaScript is run from its sources in headless Chromium; nothing is skipped when there is no browser.
"""

import base64
import json

import numpy as np
import pytest
import torch
from playwright.sync_api import expect, sync_playwright
from torch.nn import functional as F

import cnnlib
from cnnlib.training import load_weights, save_weights
from cnnlib.widgets import DrawDigit
from cnnlib.widgets.base import HERE
from cnnlib.widgets.draw_digit import WEIGHTS, pack_net
from tests.site.conftest import CHROMIUM_FLAGS, chromium

ORIGIN = "http://widgets.invalid/"          # never asked: every request is answered from the source folder
MEAN, STD = 0.1307, 0.3081
STAGES = ["c1", "s2", "c3", "s4", "c5", "f6", "output"]
UNTOUCHED = {"centre": True, "width": 2.5, "degrees": 0, "dx": 0, "dy": 0, "noise": 0}


@pytest.fixture(scope="module")
def page():
    """A page that has the modules as `forward`, `ink` and `strokes`, and the test `images()`."""
    types = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css"}

    def answer(route):
        name = route.request.url.removeprefix(ORIGIN)
        if not name:
            return route.fulfill(body="<!doctype html><title>test</title><body></body>", content_type="text/html")
        path = HERE / name
        if not path.is_file():          # an answer all the same: a request without one would wait for ever
            return route.fulfill(status=404)
        return route.fulfill(body=path.read_bytes(), content_type=types[path.suffix])

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1000, "height": 1800})
        page.route("**/*", answer)
        page.goto(ORIGIN)
        page.evaluate("""async () => Object.assign(window, {forward: await import('/lenet_forward.js'),
            ink: await import('/ink.js'), strokes: await import('/digit_strokes.js')})""")
        page.evaluate("""bytes => {
            const all = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
            window.images = Array.from({length: all.length / 784}, (_, i) => all.slice(784 * i, 784 * (i + 1)));
        }""", base64.b64encode(images().byte().numpy().tobytes()).decode())
        yield page
        browser.close()


def images(count=208):
    """Grey levels (N, 784): blobs, noise, single dots, nothing and a full page."""
    generator = torch.Generator().manual_seed(1)
    noise = torch.randint(0, 256, (count // 2, 28, 28), generator=generator)
    coarse = torch.rand(count // 2 - 4, 1, 7, 7, generator=generator)
    blobs = F.interpolate(coarse, size=28, mode="bicubic").clamp(0, 1)[:, 0] * 255
    edges = torch.zeros(4, 28, 28)
    edges[1], edges[2, 0, 0], edges[3, 27, 27] = 255, 255, 255
    return torch.cat([noise, blobs.round(), edges]).reshape(-1, 784).int()


def random_net(tmp_path, **options):
    """A network with weights that are exactly float16, large enough to matter, and the page's copy of it."""
    torch.manual_seed(0)
    net = cnnlib.create_model("lenet5_modern", **options).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_((1.5 * parameter).half())
    path = tmp_path / "net.safetensors"
    save_weights(net, path, dtype=torch.float16, metadata={
        "model": {"name": "lenet5_modern", "options": options}, "mean": [MEAN], "std": [STD]})
    return net, pack_net(path)


def normalised(pixels, mean=MEAN, std=STD):
    return (pixels.float().reshape(-1, 1, 28, 28) / 255 - mean) / std


@torch.no_grad()
def stages_of(net, x):
    """What every stage puts out, (N, C, H, W) or (N, C), activation included."""
    act = net.activation
    c1 = act(net.c1(x))
    s2 = net.s2(c1)
    c3 = act(net.c3(s2))
    s4 = net.s4(c3)
    c5 = act(net.c5(s4.flatten(1)))
    f6 = act(net.f6(c5))
    return dict(zip(STAGES, (c1, s2, c3, s4, c5, f6, net(x)), strict=True))


# -------------------------------------------------------------------- the forward pass

def test_every_float16_is_decoded_exactly(page):
    halves = np.arange(65536, dtype="<u2").view("<f2")
    finite = halves[np.isfinite(halves)]
    decoded = page.evaluate("b => [...forward.decodeHalf(b)]", base64.b64encode(finite.tobytes()).decode())
    assert (np.array(decoded) == finite.astype(np.float64)).all()


@pytest.mark.parametrize("kernel_size", [5, 3])
@pytest.mark.parametrize("pooling", ["avg", "max"])
@pytest.mark.parametrize("activation", ["none", "sigmoid", "tanh", "relu"])
def test_logits_and_stages_are_those_of_pytorch(page, tmp_path, kernel_size, pooling, activation):
    net, spec = random_net(tmp_path, kernel_size=kernel_size, pooling=pooling, activation=activation)
    pixels = images()
    assert len(pixels) >= 200
    expected = stages_of(net, normalised(pixels))
    got = page.evaluate("""(spec) => {
        const net = forward.createNet(spec), run = (x) => forward.forward(net, forward.normalise(net, x));
        const arrays = (maps) => Object.fromEntries(Object.entries(maps).map(([k, v]) => [k, [...v]]));
        return {logits: images.map((x) => [...run(x).output]), stages: arrays(run(images[0]))};
    }""", spec)
    torch.testing.assert_close(torch.tensor(got["logits"]), expected["output"], atol=1e-4, rtol=0)
    for name in STAGES:
        torch.testing.assert_close(torch.tensor(got["stages"][name]), expected[name][0].flatten(), atol=1e-4, rtol=0)


def test_probabilities_are_softmax_and_do_not_overflow(page):
    logits = torch.tensor([1000.0, 999.0, -1000.0])
    got = torch.tensor(page.evaluate("z => forward.softmax(z)", logits.tolist()))
    torch.testing.assert_close(got, logits.softmax(0))


def test_weights_of_another_length_are_refused(page, tmp_path):
    _, spec = random_net(tmp_path)
    message = page.evaluate("""spec => {
        try { forward.createNet({...spec, kernel_size: 3}); } catch (error) { return error.message; }
    }""", spec)
    assert message == "LeNet-5 has 61610 weights, got 61706"


# -------------------------------------------------------------------- what a unit sees and adds up

@pytest.mark.parametrize("kernel_size", [5, 3])
def test_receptive_fields_are_where_the_gradient_is(page, tmp_path, kernel_size):
    """With mean pooling, no activation and positive weights every pixel that a unit sees has a gradient."""
    net, spec = random_net(tmp_path, kernel_size=kernel_size, pooling="avg", activation="none")
    for parameter in net.parameters():
        parameter.data.abs_().add_(0.01)
    for name, size in [("c1", 28), ("s2", 14), ("c3", 10), ("s4", 5), ("c5", 1), ("output", 1)]:
        for y, x in {(0, 0), (size // 2, size // 3), (size - 1, size - 1)}:
            image = torch.zeros(1, 1, 28, 28, requires_grad=True)
            stage = image
            for layer in STAGES:
                stage = getattr(net, layer)(stage.flatten(1) if layer in ("c5", "f6", "output") else stage)
                if layer == name:
                    break
            (stage[0, 0, y, x] if stage.ndim == 4 else stage[0, 0]).backward()
            seen = torch.zeros(28, 28, dtype=torch.bool)
            field = page.evaluate("([spec, ...unit]) => forward.receptiveField(forward.createNet(spec), ...unit)",
                                  [spec, name, y, x])
            top, left, span = field["top"], field["left"], field["size"]
            seen[max(0, top):top + span, max(0, left):left + span] = True
            assert ((image.grad[0, 0] != 0) == seen).all(), (name, y, x, field)
            assert span == cnnlib.summary(net, (1, 1, 28, 28)).row(name).receptive_field


@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_the_parts_of_a_unit_add_up_to_it(page, tmp_path, pooling):
    net, spec = random_net(tmp_path, pooling=pooling, activation="tanh")
    pixels = images()[150:151]
    expected = stages_of(net, normalised(pixels))
    state = net.state_dict()
    units = [("c1", 3, 0, 27), ("s2", 5, 13, 0), ("c3", 15, 9, 4), ("s4", 2, 4, 4), ("c5", 119, 0, 0), ("f6", 83, 0, 0),
             ("output", 9, 0, 0)]
    for name, channel, y, x in units:
        how = page.evaluate("""([spec, image, ...unit]) => {
            const net = forward.createNet(spec), maps = forward.forward(net, forward.normalise(net, image));
            const how = forward.explain(net, maps, ...unit);
            const parts = how.parts.map((p) => ({...p, patch: [...p.patch], weights: [...(p.weights || [])]}));
            return {...how, parts};
        }""", [spec, pixels[0].tolist(), name, channel, y, x])
        value = expected[name][0, channel, y, x] if name in ("c1", "s2", "c3", "s4") else expected[name][0, channel]
        assert how["value"] == pytest.approx(value.item(), abs=1e-4)
        patches = torch.tensor([part["patch"] for part in how["parts"]])
        if name in ("s2", "s4"):
            pooled = patches.max() if pooling == "max" else patches.mean()
            assert pooled.item() == pytest.approx(how["value"], abs=1e-5)
            continue
        weights = torch.tensor([part["weights"] for part in how["parts"]])
        assert torch.equal(weights.flatten(), state[f"{name}.weight"][channel].flatten())
        total = (patches * weights).sum() + state[f"{name}.bias"][channel]
        assert how["sum"] == pytest.approx(total.item(), abs=1e-4)
        assert (total if name == "output" else total.tanh()).item() == pytest.approx(how["value"], abs=1e-4)


# -------------------------------------------------------------------- ink

def develop(page, drawing, **settings):
    """Grey levels (28, 28) of a drawing."""
    levels = page.evaluate("([d, s]) => [...ink.develop(d, s)]", [drawing, {**UNTOUCHED, **settings}])
    return np.array(levels).reshape(28, 28)


def sample(page, digit, variant=0):
    return {"strokes": page.evaluate("([d, v]) => strokes.digitStrokes(d, v)", [digit, variant])}


def centre_of_mass(picture):
    rows, columns = np.indices(picture.shape)
    return (picture * rows).sum() / picture.sum(), (picture * columns).sum() / picture.sum()


@pytest.mark.parametrize("digit", range(10))
def test_a_drawing_is_fitted_and_centred_as_mnist_was(page, digit):
    """Longest side 20, centre of mass on pixel (14, 14), aspect kept; wherever and however small it was drawn."""
    drawing = sample(page, digit)
    corner = {"strokes": [[[0.1 + 0.2 * x, 0.7 + 0.2 * y] for x, y in stroke] for stroke in drawing["strokes"]]}
    picture, moved = develop(page, drawing), develop(page, corner)
    assert np.abs(picture - moved).max() <= 1
    assert centre_of_mass(picture) == pytest.approx((14, 14), abs=0.1)
    inked = picture > 64
    height, width = np.ptp(np.nonzero(inked.any(1))) + 1, np.ptp(np.nonzero(inked.any(0))) + 1
    assert 19 <= max(height, width) <= 21
    assert np.abs(develop(page, corner, centre=False) - picture).max() == 255


def test_shift_turn_brush_and_noise_do_what_they_say(page):
    drawing = sample(page, 4)
    picture = develop(page, drawing)
    assert (develop(page, drawing, dx=3, dy=-2) == np.roll(picture, (-2, 3), (0, 1))).all()
    turned = develop(page, drawing, degrees=90)                # clockwise about pixel (14, 14)
    assert np.abs(turned[1:, 1:] - np.rot90(picture[1:, 1:], -1)).max() <= 1
    assert develop(page, drawing, width=4).sum() > 1.3 * picture.sum()
    noisy = develop(page, drawing, noise=0.2)
    assert (noisy == develop(page, drawing, noise=0.2)).all()
    change = (noisy - picture)[(picture == 0) & (noisy > 0)] / 255      # the half above zero of the noise on paper
    assert np.sqrt((change**2).mean()) == pytest.approx(0.2, rel=0.1)


def test_nothing_a_dot_and_a_line_are_drawn_as_they_are(page):
    assert not develop(page, {"strokes": []}).any()
    dot = develop(page, {"strokes": [[[0.2, 0.3]]]})
    assert 0 < (dot > 0).sum() <= 16 and centre_of_mass(dot) == pytest.approx((14, 14), abs=0.1)
    line = develop(page, {"strokes": [[[0.5, 0.0], [0.5, 1.0]]]})
    assert 19 <= (line > 64).any(1).sum() <= 21 and (line > 64).any(0).sum() <= 3


def test_a_picture_from_python_is_taken_as_it_is(page):
    pixels = images()[0].tolist()
    assert develop(page, {"pixels": pixels}).flatten().tolist() == pixels
    moved = develop(page, {"pixels": pixels}, dx=2, dy=1)
    assert (moved[1:, 2:] == np.array(pixels).reshape(28, 28)[:-1, :-2]).all() and not moved[0].any()


# -------------------------------------------------------------------- the widget

def trained():
    about = DrawDigit().net
    net = cnnlib.create_model("lenet5_modern", **{k: about[k] for k in ("kernel_size", "pooling", "activation")}).eval()
    load_weights(net, WEIGHTS)
    return net, lambda pixels: normalised(torch.tensor(pixels), about["mean"], about["std"])


def test_lenet_reads_every_sample(page):
    net, prepare = trained()
    pictures = [develop(page, sample(page, digit, variant)) for digit in range(10) for variant in range(2)]
    with torch.no_grad():
        read = net(prepare(np.stack(pictures).reshape(20, 784))).argmax(1)
    assert read.tolist() == [digit for digit in range(10) for _ in range(2)]


RENDER = """async (state) => {
    const {default: widget} = await import('/dist/live.mjs'), listeners = {}, el = document.createElement('div');
    window.model = {
        get: (name) => state[name], save_changes() { this.saved = JSON.parse(JSON.stringify(state)); },
        set(name, value) { state[name] = value; (listeners[`change:${name}`] || []).forEach((f) => f()); },
        on: (events, f) => events.split(' ').forEach((e) => (listeners[e] ||= []).push(f)), off() {},
    };
    document.body.replaceChildren(el);
    widget.render({model, el});
    await new Promise((done) => setTimeout(done, 200));
}"""


def show(page, **options):
    """Render the committed bundle against a stand-in for anywidget's model."""
    if not page.locator("style").count():
        page.add_style_tag(content=(HERE / "widgets.css").read_text())
    page.evaluate(RENDER, DrawDigit(**options).static_spec()["state"] | {"grid": {}})
    return page.locator("[data-widget=DrawDigit]")


def pixels_of(root):
    return root.evaluate("root => root.cnnPixels()")


def shown(root, key):
    return root.locator(f"[data-value='{key}']").text_content()


def shown_number(root, key):
    return float(shown(root, key).rstrip("% ").replace("−", "-"))


def draw_seven(page, root):
    box = root.locator(".dd-pad").bounding_box()
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"])
              for x, y in [(0.25, 0.2), (0.75, 0.2), (0.45, 0.85)]]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=8)
    page.mouse.up()
    page.wait_for_function("root => `${model.saved?.image}` === `${[...root.cnnPixels()]}`",   # told to Python
                           arg=root.element_handle())


@pytest.mark.parametrize("size", ["full", "small"])
def test_a_digit_drawn_with_the_mouse_is_read_and_told_to_python(page, size):
    root = show(page, size=size)
    draw_seven(page, root)
    net, prepare = trained()
    pixels = pixels_of(root)
    with torch.no_grad():
        logits = net(prepare(pixels))[0]
    assert logits.argmax() == 7
    assert shown(root, "prediction") == "7"
    for digit in range(10):
        percent = 100 * logits.softmax(0)[digit].item()
        assert shown_number(root, f"logit-{digit}") == pytest.approx(logits[digit].item(), abs=0.0051)
        said = shown(root, f"probability-{digit}")
        if said in ("< 0.1 %", "> 99.9 %"):             # never 0 or 100: no network is quite sure
            assert min(percent, 100 - percent) < 0.051 and (said[0] == ">") == (percent > 50)
        else:
            assert shown_number(root, f"probability-{digit}") == pytest.approx(percent, abs=0.051)
    image = DrawDigit(size=size, image=page.evaluate("model.saved.image")).image
    assert sum(image, []) == pixels and any(pixels)


def test_the_unit_pointed_at_or_reached_by_keys_is_that_of_pytorch(page):
    root = show(page)
    net, prepare = trained()
    stages = stages_of(net, prepare(pixels_of(root)))

    def unit():
        name, index = shown(root, "unit").rstrip("]").split("[")
        index = tuple(map(int, index.split(",")))
        assert shown_number(root, "unit-value") == pytest.approx(stages[name][0][index].item(), abs=0.0051)
        return name, *index

    box = root.locator("[data-stage=c3] .dd-map").nth(5).bounding_box()
    page.mouse.move(box["x"] + 0.45 * box["width"], box["y"] + 0.35 * box["height"])
    assert unit() == ("c3", 5, 3, 4)
    assert shown(root, "receptive-field") == "sees 14×14 of the input: rows 4–17, columns 6–19"
    board = root.locator("[data-stage=c3] .dd-maps")
    for keys, place in [("ArrowRight", (5, 3, 5)), ("ArrowUp", (5, 2, 5)), ("PageDown", (6, 2, 5)), ("End", (6, 9, 9)),
                        ("ArrowRight", (7, 9, 0)), ("Home", (7, 0, 0)), ("ArrowUp", (7, 0, 0))]:
        board.press(keys)
        assert unit() == ("c3", *place)
    expect(root.locator("[aria-live=polite]")).to_contain_text(
        f"c3[7, 0, 0] is {shown(root, 'unit-value')}; sees 14×14")
    for stage in ("s4", "c5", "f6"):
        page.keyboard.press("Tab")
        assert unit()[0] == stage
        page.keyboard.press("ArrowRight")
        assert unit()[-1] == 1
    root.locator(".dd-outputs button").first.focus()
    page.keyboard.press("ArrowDown")
    assert unit() == ("output", 1)


def test_a_picture_set_from_python_is_shown_and_the_prediction_announced(page):
    picture = images()[120].reshape(28, 28)
    root = show(page, image=picture)
    assert pixels_of(root) == picture.flatten().tolist()
    blank = [[0] * 28] * 28
    page.evaluate("image => model.set('image', image)", blank)
    expect(root.locator("[aria-live=polite]")).to_contain_text("Nothing drawn. LeNet says ")
    assert not any(pixels_of(root))
    expect(root.locator("[aria-live=polite]")).to_contain_text(f"LeNet says {shown(root, 'prediction')}, ")


def test_the_page_carries_the_weights_bit_for_bit():
    widget = DrawDigit()
    assert len(widget.to_html()) < 200_000
    halves = np.frombuffer(base64.b64decode(widget.net["weights"]), "<f2")
    net, _ = trained()
    tensors = torch.cat([tensor.flatten() for tensor in net.state_dict().values()])
    assert np.array_equal(halves.astype(np.float32), tensors.numpy())
    fallback = widget.fallback_html()
    for row in cnnlib.summary(net, (1, 1, 28, 28)).rows:
        if row.params:
            assert f'<th scope="row">{row.name}</th>' in fallback and f"<td>{row.params:,}</td>" in fallback
    assert repr(widget) == "DrawDigit(size='full')"


# -------------------------------------------------------------------- what is refused

@pytest.mark.parametrize("image, reason", [
    (np.zeros((8, 8)), r"image has shape \(8, 8\), allowed: \(28, 28\)"),
    (np.full((28, 28), 256), "values such as 256, allowed: whole numbers from 0"),
    (np.full((28, 28), 0.5), "allowed: whole numbers"),
    (np.full((28, 28), np.nan), "allowed: whole numbers"),
    (np.full((28, 28), "ink"), "values such as ink"),
])
def test_images_that_are_none_are_refused(image, reason):
    widget = DrawDigit()
    with pytest.raises(ValueError, match=reason):
        widget.image = image
    assert widget.image == []


def test_images_may_be_lists_arrays_and_tensors():
    widget = DrawDigit()
    for image in (torch.full((1, 28, 28), 7, dtype=torch.uint8), np.full((28, 28), 7), [[7] * 28] * 28):
        widget.image = image
        assert widget.image == [[7] * 28] * 28
    json.dumps(widget.static_spec())


def test_a_size_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="size is 'large', allowed: 'full', 'small'"):
        DrawDigit(size="large")


def test_missing_weights_name_the_command_that_makes_them(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="python -m cnnlib train lenet5_modern --save"):
        DrawDigit(weights=tmp_path / "none.safetensors")
    monkeypatch.setattr("cnnlib.widgets.draw_digit.WEIGHTS", tmp_path / "lenet5_modern.safetensors")
    with pytest.raises(FileNotFoundError, match="python -m cnnlib record lenet-activation-pooling"):
        DrawDigit()


def test_weights_of_other_networks_are_refused(tmp_path):
    path = tmp_path / "net.safetensors"
    header = {"model": {"name": "lenet5_modern", "options": {}}, "mean": [0.5], "std": [0.5]}

    def refused(model, metadata, reason):
        save_weights(model, path, metadata=metadata)
        with pytest.raises(ValueError, match=reason):
            DrawDigit(weights=path)

    create = cnnlib.create_model
    refused(create("lenet5_modern", kernel_size=3), header, r"c1.weight has shape \(6, 1, 3, 3\), the model wants")
    refused(create("lenet5_modern"), {"mean": [0.5]}, "the header lacks model, std")
    refused(create("lenet5"), header | {"model": {"name": "lenet5", "options": {}}}, "are of 'lenet5', allowed")
    three = {"name": "lenet5_modern", "options": {"num_classes": 3}}
    refused(create("lenet5_modern", num_classes=3), header | {"model": three}, "3 classes")
    path.write_bytes(b"not a file of weights")
    with pytest.raises(ValueError, match="truncated or not a weights file"):
        DrawDigit(weights=path)
