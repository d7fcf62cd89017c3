"""Every control of every widget on the pages, moved to both ends and the middle; what it then says is what
Python's `compute` says about the same inputs."""

import json
import re
from functools import cache

import pytest
import torch
from safetensors import safe_open

from cnnlib import create_model, data, widgets
from cnnlib.site.extension import WIDGET_MARK
from tests.widgets.test_kernel_lab import map_of
from tests.widgets.test_widgets import unpack

from .conftest import BUILD, TWO_FRAMES, drawn, pages, spec_of, unfold

SEVERAL = "book/anatomy/questions.html"         # two explorers

# What a test asks of the page it asks at once: each question is a journey to the browser.
ABOUT = """control => ({
    kind: control.tagName === 'SELECT' ? 'select' : control.type, name: control.dataset.input,
    named: control.labels.length > 0 || Boolean(control.ariaLabel), options: control.options?.length,
    low: Number(control.min || 0), high: Number(control.max || 100), step: Number(control.step || 1),
})"""
SET_VALUE = """(control, value) => {
    control.focus();
    if (control.type === 'checkbox') { if (control.checked !== value) control.click(); return; }
    if (control.tagName === 'SELECT') control.selectedIndex = value; else control.value = value;
    control.dispatchEvent(new Event('input', {bubbles: true}));
    control.dispatchEvent(new Event('change', {bubbles: true}));
}"""


def hosts(page):
    return page.locator(".cnnlib-widget").all()


def ends_and_middle(values):
    return list(dict.fromkeys([values[0], values[len(values) // 2], values[-1]]))


def choices(control):
    """What to set a control to: its lowest, middle and highest value, or both states of a box."""
    about = control.evaluate(ABOUT)
    if about["kind"] == "checkbox":
        return [True, False]
    if about["kind"] == "select":
        return ends_and_middle(range(about["options"]))
    low, high, step = (float(about[name]) for name in ("low", "high", "step"))
    return [low, low + step * int((high - low) / step / 2), high]


def drive(control, value):
    """Set a control; a slider's ends by the keyboard, as readers without a mouse do."""
    about = control.evaluate(ABOUT)
    if about["kind"] == "range" and value in (about["low"], about["high"]):
        control.press("Home" if value == about["low"] else "End")
    else:
        control.evaluate(SET_VALUE, value)


KNOBS = """host => [...host.querySelectorAll('[data-input]')].map(control => [control.dataset.input,
    control.type, control.type === 'checkbox' ? control.checked : control.selectedIndex ?? Number(control.value)])"""


def shown_inputs(spec, host, knobs=None):
    """The inputs that the controls of a widget show now, as `compute` takes them."""
    inputs = {name: spec["state"][name] for name in spec["inputs"]}
    for name, kind, place in (host.evaluate(KNOBS) if knobs is None else knobs):
        if name in inputs:
            values = sorted(spec["grid"][name]) if kind == "range" else spec["grid"][name]
            inputs[name] = place if kind == "checkbox" else values[int(place)]
    return inputs


def at(answer, key):
    """The value under a dotted key such as "rows.2.parameters"; KeyError if there is none."""
    for part in key.split("."):
        try:
            answer = answer[int(part)] if isinstance(answer, list) else answer[part]
        except (ValueError, IndexError, TypeError):
            raise KeyError(key) from None
    return answer


BYTES = {"kB": 1e-3, "MB": 1e-6, "GB": 1e-9}


def says(text, value):
    """Does the text on the page say `value`? Numbers may be rounded to the digits shown, with separators."""
    if isinstance(value, str):
        return value in text if value else not text.strip()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return text.strip() == str(value)
    number = re.search(r"[-−]?\d[\d,]*(\.\d+)?", text)
    if not number:
        return value == 0 and text.strip() == ""
    digits = len(number[1]) - 1 if number[1] else 0
    shown = float(number[0].replace(",", "").replace("−", "-"))
    unit = next(iter(text[number.end():].split()), "")
    scale = 100 if unit.startswith("%") and isinstance(value, float) else BYTES.get(unit, 1)
    return abs(shown - value * scale) <= 0.5001 * 10 ** -digits


def python_answer(spec, inputs):
    """What Python says about the inputs of a widget; where only its notebook knows the function or the family, what it
    said there: nbval computes that again."""
    if spec["widget"] in ("Explore", "Explorer", "Predict"):
        return unpack(spec, inputs)
    return getattr(widgets, spec["widget"])(**inputs).answer


VALUES = """host => [...host.querySelectorAll('[data-value]')].filter(place => {
    const { width, height } = place.getBoundingClientRect();
    return width && height && place.checkVisibility({ visibilityProperty: true });
}).map(place => [place.dataset.value, place.textContent])"""


DRAWN = f"async host => {{ await {TWO_FRAMES}; return [({KNOBS})(host), ({VALUES})(host)]; }}"


def compare(host, answer, values=None):
    """Number of places where the widget shows a part of `answer`; fails where one says something else."""
    compared = 0
    for key, text in (host.evaluate(VALUES) if values is None else values):
        try:
            value = at(answer, key)
        except KeyError:
            continue
        assert says(text, value), f"{key} shows {text!r}, Python computes {value!r}"
        compared += 1
    return compared


@cache
def digit_network():
    """The network that DrawDigit runs, in PyTorch, and the mean and deviation of its inputs."""
    with safe_open(widgets.draw_digit.WEIGHTS, "pt") as stored:
        about = stored.metadata()
        tensors = {name: stored.get_tensor(name).float() for name in stored.keys()}
    made = json.loads(about["model"])
    net = create_model(made["name"], **made["options"]).eval()
    net.load_state_dict(tensors)
    return net, *json.loads(about["mean"]), *json.loads(about["std"])


def digit_logits(images):
    """PyTorch's logits (N, 10) for grey levels 0..255 (N, 784)."""
    net, mean, std = digit_network()
    with torch.no_grad():
        return net((torch.as_tensor(images, dtype=torch.float32).reshape(-1, 1, 28, 28) / 255 - mean) / std)


def prediction_agrees(host):
    """1 if DrawDigit names the digit that PyTorch finds in the picture it was given; fails otherwise."""
    pixels = host.locator(".cnn").evaluate("root => root.cnnPixels()")
    shown = host.locator("[data-value=prediction]").text_content()
    assert int(shown) == digit_logits([pixels]).argmax().item()
    return 1


def map_agrees(host):
    """1 if the map of the kernel lab is the one that PyTorch computes; fails otherwise."""
    lab = host.locator(".cnn").evaluate("root => root.cnnLab()")
    kernel = " ".join(host.locator("[data-weight]").all_text_contents()).replace("−", "-")
    picture = torch.tensor(lab["pixels"]).view(lab["side"], lab["side"])
    divide = host.locator("[data-input=divide]").is_checked()
    expected = map_of(picture, kernel, divide).flatten()
    assert torch.allclose(torch.tensor(lab["map"], dtype=torch.float64), expected)
    return 1


@cache
def with_widgets():
    """{page: kinds of its widgets} of the pages that have any, read from the built files."""
    kinds = {page: WIDGET_MARK.findall((BUILD / page).read_text(encoding="utf-8")) for page in pages()}
    return {page: found for page, found in kinds.items() if found}


def test_each_kind_of_widget_is_on_a_page():
    kinds = {kind for found in with_widgets().values() for kind in found}
    assert kinds >= {widget.__name__ for widget in widgets.WIDGETS}


@pytest.mark.parametrize("path", with_widgets() or ["NO WIDGETS"])
def test_widgets_are_independent_and_every_control_and_typed_value_is_answered(visit, path):
    """One load for all that is asked of a page; first what needs questions that nobody has answered yet."""
    with visit(path, shared=True) as page:
        assert all(host.get_attribute("data-mounted") == "static" for host in hosts(page))
        tried = independent(page)
        typed_in = sum(typed(host, field) for host in hosts(page)
                       for field in host.locator("input[type=number]").all())
        assert tried >= 2 or path != SEVERAL, "the page has no two widgets to tell apart"
        assert typed_in or "SizeRule" not in with_widgets()[path], "no widget has a field to type in"
        for number, host in enumerate(hosts(page)):
            unfold(host)
            moved, compared = exercise(page, host)
            assert moved, f"widget {number} has no control that can be moved"
            assert compared >= moved / 2, f"widget {number} hardly shows anything of its answer"
            assert page.errors == []


def exercise(page, host):
    """Move all controls of a widget, comparing after each step: (steps, places compared)."""
    spec, moved, compared = spec_of(host), 0, 0
    for control in host.locator("[data-input], select, input").all():
        about = control.evaluate(ABOUT)
        # a field to type in is the twin of a slider, see `typed`
        if not control.is_visible() or about["kind"] == "number":
            continue
        assert about["named"], "a control without a name"
        for value in choices(control):
            drive(control, value)
            moved += 1
            if about["kind"] == "range" and about["name"] in spec["inputs"]:
                assert float(control.input_value()) == value, f"{about['name']} did not move to {value}"
            compared += agrees(page, host, spec)
    for button in host.locator("button").all():
        if button.is_visible() and button.is_enabled():
            button.click()
            moved += 1
            compared += agrees(page, host, spec)
    return moved, compared


def agrees(page, host, spec):
    """Number of places where the widget shows what Python answers to its inputs; fails where it does not."""
    if own := {"DrawDigit": prediction_agrees, "KernelLab": map_agrees}.get(spec["widget"]):
        drawn(page)
        return own(host)
    knobs, values = host.evaluate(DRAWN)
    answer = python_answer(spec, shown_inputs(spec, host, knobs))
    if isinstance(answer, str):
        assert host.locator("[data-value=error]").text_content() == answer
        return 1
    return compare(host, answer, values)


def typed(host, field):
    """Type the ends, the middle and what is not recorded; the number of values tried. What a page cannot know it must
    not show: the old answer stays with the old input, and a reason is said."""
    spec = spec_of(host)
    name = field.locator("xpath=..").locator("[data-input]").get_attribute("data-input")
    values = [*ends_and_middle(sorted(spec["grid"][name])), max(spec["grid"][name]) + 1]
    for value in values:
        field.fill(str(value))
        field.press("Enter")
        inputs = shown_inputs(spec, host)
        recorded = value in spec["grid"][name]
        assert (inputs[name] == value) == recorded
        assert bool(host.locator("[data-value=error]").text_content()) == (not recorded)
        assert field.input_value() == str(inputs[name])
        compare(host, python_answer(spec, inputs))
    return len(values)


def state(host):
    """What a widget shows: its controls and its results."""
    return host.evaluate("""host => [...host.querySelectorAll('input, select, [data-value]')]
        .map(part => part.textContent + (part.value ?? '') + (part.checked ?? ''))""")


def independent(page):
    """Move a knob of each widget and see that no other widget changes; the number of knobs moved."""
    before, tried = [state(host) for host in hosts(page)], 0
    for number, host in enumerate(hosts(page) if len(before) > 1 else []):
        control = host.locator("input[type=range], select").first
        if not control.count() or not control.is_visible():
            continue
        now = control.evaluate("control => control.selectedIndex ?? Number(control.value)")
        far = next(value for value in choices(control) if value != now)
        drive(control, far)
        drawn(page)
        after = [state(host) for host in hosts(page)]
        assert after[:number] + after[number + 1:] == before[:number] + before[number + 1:]
        assert after[number] != before[number]
        before = after
        tried += 1
    return tried


def test_the_page_computes_the_logits_of_pytorch(visit):
    """On real digits at several shifts, on noise, on nothing and on a full page."""
    images = data.load("digits", size=28).test.images[:200].reshape(200, 784)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (40, 784), generator=generator)
    moved = images.reshape(200, 28, 28)[:40].roll((5, -6), (1, 2)).reshape(40, 784)
    inputs = torch.cat([images, moved, noise, torch.zeros(1, 784), torch.full((1, 784), 255)]).int()
    expected = digit_logits(inputs)
    path = next(path for path, kinds in with_widgets().items() if "DrawDigit" in kinds)
    with visit(path) as page:
        logits = page.locator("[data-widget=DrawDigit]").first.evaluate(
            "(root, inputs) => inputs.map(input => root.cnnForward(input).logits)", inputs.tolist())
    torch.testing.assert_close(torch.tensor(logits), expected, atol=1e-4, rtol=0)
