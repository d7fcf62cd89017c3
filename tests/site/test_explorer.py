"""The Explorer on pages of its own, in a browser: what it shows is what Python says, whatever the knobs did before."""

import random
import re

import pytest
from playwright.sync_api import expect

from cnnlib.widgets import Explorer
from tests.widgets.test_explorer import counted
from tests.widgets.test_widgets import unpack

from .barriers import barriers
from .conftest import DESK, PHONE, spec_of
from .test_widgets import at, says

# Sets a knob by its position among the values; what the widget then shows is read in the same task, before any frame.
MOVE = """(host, [name, place]) => {
    const control = host.querySelector(`.cnn-controls [data-input="${name}"]`);
    if (control.type === "checkbox") { if (control.checked !== Boolean(place)) control.click(); }
    else if (control.tagName === "SELECT") {
        control.selectedIndex = place;
        control.dispatchEvent(new Event("change", { bubbles: true }));
    } else { control.value = place; control.dispatchEvent(new Event("input", { bubbles: true })); }
}"""
SHOWN = """host => ({
    values: [...host.querySelectorAll(".ex-content [data-value]")].filter((part) => part.checkVisibility())
        .map((part) => [part.dataset.value, part.textContent]),
    error: host.querySelector(".cnn-error").textContent,
    kept: host.querySelector("[data-kept]").dataset.kept,
    diagram: host.querySelector(".ex-figure").getAttribute("aria-label"),
    blocks: [...host.querySelectorAll(".ex-block")].map((block) => block.getAttribute("aria-label")),
    stages: [...host.querySelectorAll(".ex-stage")].map((text) => text.textContent),
    strips: [...host.querySelectorAll(".ex-bar")].map((bar) => bar.getAttribute("aria-label")),
    caption: host.querySelector(".ex-content > .cnn-table caption").textContent,
    curves: host.querySelector("[data-curve=chosen] b")?.textContent ?? "",
    unrecorded: [...host.querySelectorAll(".ex-unrecorded")].some((part) => part.checkVisibility()),
})"""


def move(host, spec, chance):
    """Turn one knob at random; returns all knobs as they then are meant to be."""
    name = chance.choice([name for name in spec["inputs"] if len(spec["grid"][name]) > 1])
    values = spec["grid"][name]
    numbers = all(type(value) in (int, float) for value in values) and len(values) > 2
    place = chance.randrange(len(values))
    value = (sorted(values) if numbers else values)[place]
    host.evaluate(MOVE, [name, int(value) if set(values) <= {True, False} and type(value) is bool else place])
    return name, value


def consistent(host, answer, curves=()):
    """Table, diagram, bars, curves and texts all say what `answer` says."""
    shown = host.evaluate(SHOWN)
    assert shown["error"] == ""
    compared = set()
    for key, text in shown["values"]:
        try:
            value = at(answer, key)
        except KeyError:
            continue
        if "kept" not in key:
            assert says(text, value), f"{key} shows {text!r}, Python says {value!r}"
            compared.add(key)
    stages = len(answer["stage_name"])
    assert {"params", "macs", "layers", "code", *(f"stage_params.{k}" for k in range(stages))} <= compared
    assert int(shown["kept"]) == answer["kept"]
    assert shown["diagram"].startswith(
        f"Diagram of {answer['network']}: {len(answer['unit_name'])} blocks in {stages} stages.")
    assert len(shown["stages"]) == stages + 1
    assert set(shown["blocks"]) <= set(answer["unit_name"]) and shown["blocks"][0] == answer["unit_name"][0]
    for name, said in zip(("params", "macs", "kept"), shown["strips"], strict=True):
        assert said.endswith(": " + ", ".join(f"{stage} {share:g} %" for stage, share in
                                              zip(answer["stage_name"], answer[f"stage_{name}_share"], strict=True)))
    assert f"Stages of {answer['network']};" in shown["caption"]
    if curves:
        found = answer["recorded"][0]
        assert shown["curves"] == (curves[found]["name"] if found >= 0 else "")
        assert shown["unrecorded"] == (found < 0)


@pytest.fixture(scope="module")
def three():
    """Three explorers with small grids, one with recordings."""
    return (Explorer("lenet", recorded="lenet-activation-pooling"),
            Explorer("resnet-cifar", {"depth": [8, 14, 20], "width": [4, 8, 16], "shortcut": None, "size": [16, 32]},
                     width=8, batch=32),
            Explorer("vgg-cifar", {"depth": None, "batch_norm": None, "width": [0.125, 0.25]}, width=0.125))


def test_sixty_configurations_knob_by_knob_are_what_torchinfo_counts(staged, three):
    with staged(*three) as page:
        for widget, host in zip(three, page.locator(".cnnlib-widget").all(), strict=True):
            spec, chance, state = spec_of(host), random.Random(3), dict(widget.current())
            for _ in range(20):
                state.update([move(host, spec, chance)])
                name, options = widget.plan(**state)
                shown = dict(host.evaluate(SHOWN)["values"])
                answer = widget.compute(**state)
                oracle = counted(name, options, answer["input"])
                number = {key: int(text.replace(",", "")) for key, text in shown.items() if key in ("params", "macs")}
                assert number == {"params": oracle.params, "macs": oracle.macs}, state
                consistent(host, answer, widget.curves)
        assert page.errors == [] and page.refused == []


def test_nothing_is_stale_after_any_of_500_quick_moves(staged, three):
    with staged(*three) as page:
        hosts = page.locator(".cnnlib-widget").all()
        specs, chance = [spec_of(host) for host in hosts], random.Random(5)
        states = [dict(widget.current()) for widget in three]
        for _ in range(500):
            i = chance.randrange(3)
            states[i].update([move(hosts[i], specs[i], chance)])
            consistent(hosts[i], unpack(specs[i], states[i]), three[i].curves)
        for host, spec, state in zip(hosts, specs, states, strict=True):
            answer = unpack(spec, state)
            voice = host.locator(".cnn > .cnn-unseen")                   # announced once things are quiet
            said = f"{answer['label']}: {answer['params']:,} parameters, {answer['macs']:,} MACs"
            expect(voice).to_have_text(re.compile("^" + re.escape(said)))
        assert page.errors == []


def test_every_block_is_reached_by_the_keyboard(staged):
    widget = Explorer("resnet-cifar", {"width": [4]}, depth=200)
    answer = widget.answer
    with staged(widget, viewport=PHONE) as page:
        host = page.locator(".cnnlib-widget")
        assert host.locator(".ex-block[tabindex='0']").count() == 1
        assert host.locator(".ex-block").count() < len(answer["unit_name"]), "long runs are folded on a phone"
        host.locator(".ex-block[tabindex='0']").focus()
        for i, name in enumerate(answer["unit_name"]):
            row = host.locator("[data-value=block]").text_content()
            assert row.startswith(name) and f"parameters {answer['unit_params'][i]:,} " in row
            assert page.evaluate("document.activeElement.getAttribute('aria-label')") == name
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Home")
        page.keyboard.press("PageDown")
        second = answer["unit_name"][answer["stage_units"][0]]
        assert host.locator("[data-value=block]").text_content().startswith(second)
        page.keyboard.press("End")
        assert host.locator("[data-value=block]").text_content().startswith(answer["unit_name"][-1])
        host.locator(".ex-block").first.click()
        assert host.locator("[data-value=block]").text_content().startswith(answer["unit_name"][0])


def test_a_block_is_chosen_from_a_list_where_its_slab_is_too_thin(staged):
    widget = Explorer("resnet-cifar", {"width": [4, 8]}, depth=200)
    with staged(widget, viewport=PHONE) as page:
        host, names = page.locator(".cnnlib-widget"), widget.answer["unit_name"]
        choice = host.get_by_label("block in view")
        assert choice.locator("option").all_text_contents() == names
        choice.select_option(index=70)
        assert host.locator("[data-value=block]").text_content().startswith(names[70])
        assert host.locator(".ex-block[aria-selected=true]").get_attribute("aria-label") == names[70]
        host.locator(".ex-block").first.click()
        assert choice.input_value() == names[0]
        host.locator(".cnn-controls [data-input=width]").select_option("8")
        assert choice.locator("option").all_text_contents() == names and choice.input_value() == names[0]


def test_pin_compare_show_and_clear(staged):
    widget = Explorer("lenet", recorded="lenet-activation-pooling")
    with staged(widget) as page:
        host = page.locator(".cnnlib-widget")
        host.get_by_role("button", name="Pin to compare").click()
        host.evaluate(MOVE, ["activation", 0])
        assert host.locator("[data-curve]").evaluate_all("all => all.map((each) => each.dataset.curve)") == [
            "chosen", "compare"]
        assert host.locator("[data-curve=compare] b").text_content() == widget.answer["label"]
        assert f"pinned: {widget.answer['params']:,}" in host.locator(".ex-facts").text_content()
        assert host.locator(".ex-pinned").text_content() == f"pinned: {widget.answer['label']}, 1×28×28, batch of 128"
        bars = host.locator(".ex-bar").evaluate_all("all => all.map((bar) => bar.getAttribute('aria-label'))")
        assert len(bars) == 6 and bars[1] == "parameters, pinned: " + ", ".join(
            f"{stage} {share:g} %" for stage, share in
            zip(widget.answer["stage_name"], widget.answer["stage_params_share"], strict=True))
        host.get_by_role("button", name="Show", exact=True).click()
        assert host.locator("[data-curve]").count() == 1 and host.locator("[data-value=code]").text_content() == (
            widget.answer["code"])
        host.get_by_role("button", name="Clear").click()
        assert "pinned" not in host.locator(".ex-content").text_content()
        host.locator("summary", has_text="Where the runs come from").click()
        assert "MNIST" in host.locator(".ex-training details").last.text_content()
        assert host.locator("[data-value=recorded-on]").text_content() == "recorded on MNIST, 28×28"
        host.locator("summary", has_text="last value").click()
        rows = host.locator(".ex-training details", has_text="last value").locator("tbody tr")
        rows.first.wait_for()
        finals = rows.all_inner_texts()
        assert len(finals) == len(widget.curves)
        for row, each in zip(finals, widget.curves, strict=True):
            assert row.startswith(each["name"]) and f"{100 * each['test_error']['mean'][-1]:.2f} %" in row


FITS = """host => {
    const seen = (part) => part.getBoundingClientRect();
    const labels = [...host.querySelectorAll(".ex-figure :is(.ex-stage, .ex-shape)")].map(seen);
    const figure = seen(host.querySelector(".ex-figure")).right;
    return {
        bars: [...host.querySelectorAll(".ex-bar")].map((bar) => [bar, ...bar.children]
            .map((part) => seen(part).right - seen(host.querySelector(".ex-strips")).right)).flat()
            .filter((over) => over > 0.5),
        labels: labels.flatMap((a, i) => [a.right - figure, ...labels.slice(i + 1)
            .filter((b) => b.top < a.bottom - 3 && a.top < b.bottom - 3)
            .map((b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) + 5)]).filter((over) => over > 0),
        clipped: [...host.querySelectorAll(".ex-bar span span span, .ex-bar b")].filter((text) => {
            const [a, line, part, bar] = [text, text.parentElement, text.closest(".ex-bar > span"),
                text.closest(".ex-bar")].map(seen);
            return a.top < Math.min(line.bottom, bar.bottom) - 3 && a.right > part.right + 0.5;
        }).map((text) => text.textContent),
    };
}"""


@pytest.mark.parametrize("viewport", [DESK, PHONE])
def test_bars_and_labels_of_every_network_fit(staged, viewport):
    widget = Explorer("all", {"network": None}, network="vgg16")
    with staged(widget, viewport=viewport) as page:
        host = page.locator(".cnnlib-widget")
        host.get_by_role("button", name="Pin to compare").click()
        assert host.locator(".ex-bar").count() == 6
        for place, network in enumerate(widget.inputs["network"]):
            host.evaluate(MOVE, ["network", place])
            assert host.evaluate(FITS) == {"bars": [], "labels": [], "clipped": []}, network


def test_a_logarithmic_axis_goes_on_to_a_labelled_step_and_labels_all(staged):
    widget = Explorer("resnet-cifar", {"depth": [20, 110], "shortcut": ["A", "none"]}, width=8,
                      recorded="digits-degradation")
    highest = 100 * max(value for each in widget.curves for value in each["test_error"]["max"])
    with staged(widget) as page:
        labels = page.locator("[aria-label^='y-axis tick label'] text").all_text_contents()
        steps = [float(label) for label in labels]
        assert steps == sorted(steps) and max(steps) >= highest > 50
        assert {5, 10, 20, 50, 100} <= set(steps)


def test_the_nearest_recording_is_one_click_away(staged):
    widget = Explorer("lenet", recorded="lenet-activation-pooling", kernel_size=3)
    with staged(widget) as page:
        host = page.locator(".cnnlib-widget")
        assert "No run of this configuration is recorded" in host.locator(".ex-unrecorded").text_content()
        assert host.locator("[data-curve=chosen]").count() == 0
        host.get_by_role("button", name="Show it").click()
        nearest = widget.curves[widget.answer["nearest"][0]]
        assert host.locator("[data-curve=chosen] b").text_content() == nearest["name"]
        assert host.locator(".ex-unrecorded").is_hidden()
        consistent(host, widget.compute(**{**widget.current(), **nearest["knobs"]}), widget.curves)


def test_knobs_that_make_no_network_leave_the_picture_and_say_why_beside_the_knob(staged):
    widget = Explorer("resnet", {"depth": [34, 50], "shortcut": None}, depth=34, size=64)
    with staged(widget) as page:
        host = page.locator(".cnnlib-widget")
        host.evaluate(MOVE, ["shortcut", 1])
        host.evaluate(MOVE, ["depth", 1])
        beside = host.locator(".ex-knob", has=page.locator("[data-input=depth]"))
        assert beside.locator(".cnn-error").text_content().startswith("shortcut is 'none'")
        assert host.locator("[data-value=code]").text_content() == widget.compute(depth=34, shortcut="none")["code"]
        assert "34" in host.locator(".cnn-still").text_content()
        host.evaluate(MOVE, ["shortcut", 0])
        consistent(host, widget.compute(depth=50, shortcut="B"))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE])
def test_is_accessible_and_fits(staged, three, theme, viewport):
    with staged(*three, theme=theme, viewport=viewport) as page:
        for summary in page.locator("summary").all():
            summary.click()
        assert barriers(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
