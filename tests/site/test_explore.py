"""`explore` on a page of its own: what it shows is what the function returns, however its knobs are moved."""

import json
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from cnnlib import widgets
from cnnlib.widgets import chart, explore, number, picture
from cnnlib.widgets.explore import items
from cnnlib.widgets.recorded_curves import MEASURES
from tests.widgets.test_widgets import Line

from .barriers import barriers
from .conftest import DESK, PHONE, spec_of, stage
from .test_widgets import at, choices, drive, says, shown_inputs

TITLE = "Blocks & channels"


class Badge:
    """An answer with markup of its own."""

    def __init__(self, text):
        self.text = text

    def _repr_html_(self):
        return f"<p><b>{self.text}</b></p>"


def network(depth, growth_rate=12, block="basic", compressed=True):
    """Answers of every kind; how many there are depends on the choices, too."""
    if depth % 6 != 4:
        raise ValueError(f"depth is {depth}, allowed: 6n + 4, such as 10 or 40.")
    layers = [growth_rate * (i + 1) / (2 if compressed else 1) for i in range(depth // 6)]
    answer = {
        "weights": number(sum(layers) / 7, "thousand"), "block": block, "badge": Badge(f"depth {depth}"),
        "layers": [{"layer": f"conv{i}", "channels": n, "share": n / sum(layers)} for i, n in enumerate(layers)],
        "growth": chart("lines", range(len(layers)), {"channels": layers, "half": [n / 2 for n in layers]},
                        x_label="layer", y_label="channels"),
        "bars": chart("bars", [f"conv{i}" for i in range(len(layers))], layers, y_label="channels"),
    }
    answer["map"] = chart("cells", ["a", "b"], {f"conv{i}": [n, None] for i, n in enumerate(layers)}, x_label="input")
    answer["pixels"] = picture(np.linspace(0, 1, depth * 4).reshape(4, depth), alt=f"a ramp of {depth} columns")
    if block == "bottleneck":
        answer["dots"] = chart("dots", [1, 10, 100], [depth, 2, None], log_x=True, log_y=True)
    return answer


def made():
    return explore(network, title=TITLE, depth=range(10, 41, 3), growth_rate=[4, 12, 24, 32],
                   block=["basic", "bottleneck"], compressed=[False, True], labels={"growth_rate": "growth rate k"})


@pytest.fixture
def staged(visit, tmp_path):
    """Open a page with the given widgets, or with the one above."""

    def opened(*shown, theme="light", **options):
        return visit(stage(tmp_path, *(shown or [made()]), theme=theme), theme, shared=True, **options)

    return opened


# What a widget shows: the state of its knobs, what it says by key, and its charts.
SHOWN = """host => ({
    knobs: Object.fromEntries([...host.querySelectorAll('[data-input]')].map(control => [control.dataset.input,
        control.type === 'checkbox' ? control.checked : control.tagName === 'SELECT' ? control.selectedIndex
        : Number(control.value)])),
    values: [...host.querySelectorAll('[data-value]')].filter(place => !place.closest('[hidden]'))
        .map(place => [place.dataset.value, place.textContent]),
    still: host.querySelector('.cnn-still').textContent,
    busy: host.querySelector('.cnn').getAttribute('aria-busy'),
    pictures: [...host.querySelectorAll('.explore-picture')].map(image => [image.src, image.alt, image.width]),
    charts: [...host.querySelectorAll('.cnn-chart')].map(box => [box.ariaLabel,
        box.querySelectorAll('g:is([aria-label=bar], [aria-label=cell]) rect').length,
        box.querySelectorAll('g[aria-label=dot] :is(path, circle)').length]),
})"""

# Move knobs at random, `steps` times; after each step: which widget was moved, and what it shows then.
SHAKE = f"""([steps, seed]) => {{
    const shown = {SHOWN}, seen = [], hosts = [...document.querySelectorAll('.cnnlib-widget')];
    const random = (n) => {{ seed = (1103515245 * seed + 12345) % 2147483648; return Math.floor(seed / 65536) % n; }};
    for (let step = 0; step < steps; step++) {{
        const which = random(hosts.length);
        const knobs = [...hosts[which].querySelectorAll('[data-input]')].filter(knob => !knob.closest('[hidden]'));
        const knob = knobs[random(knobs.length)];
        if (knob.type === 'checkbox') knob.click();
        else {{
            if (knob.tagName === 'SELECT') knob.selectedIndex = random(knob.options.length);
            else knob.value = Number(knob.min) + random(Number(knob.max) - Number(knob.min) + 1);
            knob.dispatchEvent(new Event('input', {{bubbles: true}}));
            knob.dispatchEvent(new Event('change', {{bubbles: true}}));
        }}
        seen.push([which, shown(hosts[which])]);
    }}
    return seen;
}}"""


# Draw a widget by the bundle that anywidget loads, on a model whose questions go to `kernel`, a Python function.
LIVE = """async ([source, state]) => {
    const { default: widget } = await import(URL.createObjectURL(new Blob([source], {type: 'text/javascript'})));
    const listeners = {}, unsaved = {}, el = document.body.appendChild(document.createElement('main'));
    const take = (values) => {
        const json = JSON.stringify;
        const changed = Object.keys(values).filter(name => json(state[name]) !== json(values[name]));
        Object.assign(state, values);
        changed.forEach(name => (listeners[`change:${name}`] || []).forEach(listener => listener()));
    };
    widget.render({ el, model: {
        get: name => state[name],
        set: (values) => { Object.assign(unsaved, values); take(values); },
        on: (events, listener) => events.split(' ').forEach(event => (listeners[event] ||= []).push(listener)),
        off: () => {},
        save_changes: async () => {
            const asked = { ...unsaved };
            Object.keys(unsaved).forEach(name => delete unsaved[name]);
            (await kernel(asked)).forEach(take);
        },
    } });
}"""


def inputs_of(spec, seen):
    """The inputs that the knobs of a widget show."""
    inputs = {name: spec["state"][name] for name in spec["inputs"]}
    for name, value in seen["knobs"].items():
        if name in inputs:
            inputs[name] = value if isinstance(value, bool) else spec["grid"][name][int(value)]
    return inputs


def expected(inputs):
    """(items, "") that `network` answers, or (None, why not)."""
    try:
        return json.loads(json.dumps(items(network(**inputs)))), ""
    except ValueError as refusal:
        return None, str(refusal)


def check_explore(seen, found):
    """What a widget shows against the items that the function returns; chart numbers by value, all else exactly."""
    values = dict(seen["values"])
    for i, (kind, _, *parts) in enumerate(found):
        if kind in ("number", "text"):
            assert values.pop(f"items.{i}.2") == parts[0]
        elif kind == "table":
            for r, row in enumerate(parts[2]):
                for c, cell in enumerate(row):
                    assert values.pop(f"items.{i}.4.{r}.{c}") == cell
        elif kind == "html":
            assert f"<p><b>{values.pop(f'items.{i}.markup')}</b></p>" == parts[0]
        elif kind == "chart":
            for p, place in enumerate(parts[0]["x"]):
                assert says(values.pop(f"items.{i}.2.x.{p}"), place)
                for s, (_, numbers) in enumerate(parts[0]["series"]):
                    text = values.pop(f"items.{i}.2.series.{s}.1.{p}")
                    assert text == "–" if numbers[p] is None else says(text, numbers[p])
    assert set(values) == {"origin", "error"}, "left over from another answer"
    pictures = [parts for kind, _, *parts in found if kind == "picture"]
    assert [[src, alt] for src, alt, *_ in seen["pictures"]] == [[address, alt] for address, alt, _ in pictures]
    assert all(width % size[1] == 0 for (_, _, size), (_, _, width) in zip(pictures, seen["pictures"], strict=True))
    charts = [parts[0] for kind, _, *parts in found if kind == "chart"]
    assert len(charts) == len(seen["charts"])
    for spec, (label, bars, dots) in zip(charts, seen["charts"], strict=True):
        drawn = sum(value is not None for _, numbers in spec["series"] for value in numbers)
        assert (bars if spec["kind"] in ("bars", "cells") else dots) == drawn
        for name, numbers in spec["series"]:
            assert any(says(text, numbers[0]) for text in re.findall(r"[\d,.]+\d|\d", label)), (label, name)


def test_what_is_shown_is_what_the_function_returns(staged):
    with staged() as page:
        host = page.locator(".cnnlib-widget")
        spec, compared = spec_of(host), 0
        assert list(spec["inputs"]) == ["depth", "growth_rate", "block", "compressed"]
        for control in host.locator("[data-input]").all():
            for value in choices(control):
                drive(control, value)
                seen = host.evaluate(SHOWN)
                found, error = expected(inputs_of(spec, seen))
                assert dict(seen["values"])["error"] == error
                if found:
                    check_explore(seen, found)
                    compared += 1
        assert compared >= 8
        assert page.errors == []


def check_kind(widget, seen, inputs):
    """What a widget of the book shows against its `compute`."""
    answer = widget.compute(**inputs)
    compared = [says(text, at(answer, name)) for name, text in seen["values"] if name in answer]
    assert compared and all(compared), (inputs, seen["values"])
    if "chosen" in answer:
        measure = list(MEASURES)[seen["knobs"]["measure"]]
        mean = widget.curves[answer["chosen"]][measure]["mean"][-1]
        assert says(dict(seen["values"])["chosen-mean"], mean)
        assert seen["charts"][0][0].startswith(f"{MEASURES[measure]} over")


def test_500_random_steps_show_nothing_stale(staged):
    """Widgets of every kind beside each other: after every step all that the moved one shows belongs to its knobs,
    and where those are refused, to the last that were not."""
    product = explore(lambda a, b: a * b, title="Product", a=range(9), b=range(9))
    shown = [made(), product, widgets.SizeRule(), widgets.RecordedCurves()]
    with staged(*shown) as page:
        hosts = page.locator(".cnnlib-widget").all()
        specs = [spec_of(host) for host in hosts]
        last, refused = made().current(), 0
        for which, seen in page.evaluate(SHAKE, [500, 7]):
            inputs, values = inputs_of(specs[which], seen), dict(seen["values"])
            assert seen["busy"] == "false"
            if shown[which] is product:
                assert values["items.0.2"] == str(inputs["a"] * inputs["b"])
            elif which:
                check_kind(shown[which], seen, inputs)
            else:
                found, error = expected(inputs)
                assert values["error"] == error
                refused += bool(error)
                last = last if error else inputs
                assert (f"depth {last['depth']}," in seen["still"]) == bool(error)
                check_explore(seen, found or expected(last)[0])
        assert refused > 30
        told = page.locator("[aria-live]")                              # once things are quiet
        expect(told.nth(1)).to_have_text(hosts[1].locator("[data-value='items.0.2']").text_content())
        expect(told.nth(3)).to_have_text(hosts[3].locator(".cnn-chart").first.get_attribute("aria-label"))
        assert page.errors == []


def test_the_address_keeps_the_knobs_and_opens_the_page_so(staged):
    product = explore(lambda a, b=2: a * b, title="Product", a=range(9), b=range(9))
    with staged(made(), product, product, fragment="product?a=3&b=5") as page:
        results = page.locator("[data-value='items.0.2']").all_text_contents
        assert results()[1:] == ["15", "0"]
        page.locator("input[data-input=a]").nth(1).press("End")
        page.locator("[data-widget] input[data-input=depth]").press("End")
        page.wait_for_function("location.hash.includes('depth=40')")
        kept = page.url.split("#")[1]
        assert kept == ("blocks-channels?depth=40&growth_rate=12&block=basic&compressed=true;"
                        "product-2?a=8&b=2;product?a=3&b=5")
        before = results()
    with staged(made(), product, product, fragment=kept) as page:
        assert page.locator("[data-value='items.0.2']").all_text_contents() == before
        assert page.evaluate("document.querySelector('.cnnlib-widget').getBoundingClientRect().top") < 5
        page.evaluate("location.hash = 'product-2?a=7'")
        page.wait_for_function("document.querySelectorAll(\"[data-value='items.0.2']\")[2].textContent === '14'")
        assert page.errors == []


NOT_OURS = ["", "stage", "%E0%A4%A", "%E0%A4%A?a=3", "other?a=3", "product",
            "product?a=99", "product?a=x&nothing=1", "product?a=%",
            "product?title=<b>&origin=kernel", "product?answer=1&grid=2&error=no;;?"]


@pytest.mark.parametrize("fragment", NOT_OURS)
def test_an_address_that_fits_nothing_leaves_the_widget_whole(staged, fragment):
    with staged(explore(lambda a, b=2: a * b, title="Product", a=range(1, 9), b=range(9)), fragment=fragment) as page:
        assert page.locator("[data-value='items.0.2']").text_content() == "2"
        assert page.locator("[data-value=origin]").text_content() == "computed"
        assert page.locator("[data-input=a]").input_value() == "0"
        refused = "a=" in fragment and fragment.startswith("product")
        assert ("is not on this page" in page.locator("[data-value=error]").text_content()) == refused
        page.locator("[data-input=a]").press("End")
        assert page.locator("[data-value='items.0.2']").text_content() == "16"
        assert page.errors == []


def test_a_refusal_stands_beside_its_knob_and_the_last_picture_stays(staged):
    with staged() as page:
        depth, error = page.locator("[data-input=depth]"), page.locator("[data-value=error]")
        depth.press("ArrowRight")
        assert error.text_content() == "depth is 13, allowed: 6n + 4, such as 10 or 40."
        assert depth.get_attribute("aria-invalid") == "true"
        assert page.locator("[data-input=growth_rate]").get_attribute("aria-invalid") == "false"
        assert page.locator(".cnn-still").text_content() == \
            "Still shown: depth 10, growth rate k 12, block basic, compressed on."
        assert page.locator(".explore-html").text_content() == "depth 10"
        depth.press("ArrowRight")
        assert (error.text_content(), page.locator(".cnn-still").text_content()) == ("", "")
        assert page.locator(".explore-html").text_content() == "depth 16"
        assert depth.get_attribute("aria-invalid") == "false"


def test_focus_and_folding_outlive_an_answer(staged):
    with staged() as page:
        fold = page.locator("details").first
        fold.locator("summary").click()
        page.locator("[data-input=growth_rate]").press("End")
        assert fold.get_attribute("open") is not None
        assert page.evaluate("document.activeElement.dataset.input") == "growth_rate"


def test_with_a_kernel_any_value_between_the_ends_is_answered(browser):
    """The live bundle against a widget in this process: what is typed, refused, and shown meanwhile."""
    widget, line = explore(network, title=TITLE, depth=range(10, 41, 6)), Line()
    widget.comm = line

    def kernel(asked):
        line.sent.clear()
        widget.set_state(asked)
        return list(line.sent)

    state = {name: getattr(widget, name) for name in widget.traits(sync=True) if not name.startswith("_")}
    page = browser.new_page()
    page.expose_function("kernel", kernel)
    page.evaluate(LIVE, [widget._esm, json.loads(json.dumps(state, default=str))])
    error, depth = page.locator("[data-value=error]"), page.locator("[data-input=depth]")
    expect(page.locator("[data-value=origin]")).to_have_text("kernel")
    field = page.locator("input[type=number]")
    for typed, told, refusal in (("22", 22, ""), ("23", 22, "depth is 23, allowed: 6n + 4, such as 10 or 40."),
                                 ("99", 22, "depth is 99, allowed: 10 to 40."), ("40", 40, ""),
                                 ("2.5", 40, " is 2.5, allowed: whole numbers.")):
        field.fill(typed)
        field.press("Enter")
        expect(error).to_contain_text(refusal)
        expect(page.locator(".explore-html")).to_have_text(f"depth {told}")
        still = f"Still shown: depth {told}." if refusal.startswith("depth") else ""
        expect(page.locator(".cnn-still")).to_have_text(still)
        expect(page.locator(".cnn")).to_have_attribute("aria-busy", "false")
    assert field.input_value() == "40" and depth.get_attribute("aria-invalid") == "false"
    page.close()


@pytest.mark.parametrize("theme, viewport", [("light", DESK), ("dark", PHONE)])
def test_everyone_can_read_it(staged, theme, viewport):
    with staged(theme=theme, viewport=viewport) as page:
        page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        for name, control in (("depth", "depth"), ("growth rate k", "growth_rate")):
            assert page.get_by_role("slider", name=name).get_attribute("data-input") == control
        page.locator("[data-input=depth]").press("ArrowRight")           # with a refusal on the page
        assert barriers(page) == []


def test_print_and_forced_colours(staged):
    with staged(forced_colors="active") as page:
        assert page.locator(".cnn-printed").is_hidden()
        page.emulate_media(media="print")
        assert page.locator(".cnn-controls").is_hidden()
        assert page.locator(".cnn-printed").inner_text() == "depth 10, growth rate k 12, block basic, compressed on"
        page.emulate_media(media="screen", forced_colors="active")
        contrast = page.evaluate("""() => {
            const ground = getComputedStyle(document.body).backgroundColor;
            return [...document.querySelectorAll('.cnn-chart path, .cnn-chart rect')].filter(mark => {
                const { fill, stroke } = getComputedStyle(mark);
                return [fill, stroke].every(colour => colour === 'none' || colour === ground);
            }).length;
        }""")
        assert contrast == 0


def test_without_javascript_its_table_stands_there(staged):
    with staged(javascript=False) as page:
        assert page.locator(".cnnlib-fallback table").count() == 5
        assert page.locator(".cnnlib-fallback img").get_attribute("alt").startswith("a ramp")
        assert page.locator(".cnnlib-fallback").inner_text().count("conv0") == 3


def test_inputs_are_shown_as_the_driver_reads_them(staged):
    with staged() as page:
        host = page.locator(".cnnlib-widget")
        assert shown_inputs(spec_of(host), host) == made().current()
