"""A widget whose connection to its kernel is closed: what throws is caught, and said in the widget."""

import json

import pytest
from playwright.sync_api import expect

from cnnlib.widgets import Explorer, SizeRule

# The bundle that anywidget loads, on a model whose connection throws.
CLOSED = """async ([source, state]) => {
    const { default: widget } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
    const listeners = {}, el = document.body.appendChild(document.createElement("main"));
    const closed = () => { throw new Error("the connection is closed"); };
    await widget.render({ el, model: {
        get: (name) => state[name],
        set: (values) => {
            Object.assign(state, values);
            Object.keys(values).forEach((name) => (listeners[`change:${name}`] ?? []).forEach((listen) => listen()));
        },
        on: (events, listen) => events.split(" ").forEach((event) => (listeners[event] ??= []).push(listen)),
        off: () => {}, send: closed, save_changes: closed,
    } });
}"""
SILENT = "The kernel does not answer; run this cell again."


@pytest.fixture
def cut_off(browser):
    """Draw a widget that has lost its kernel; the page's `errors` are what nobody has caught."""
    page = browser.new_page()
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))

    def draw(widget):
        state = {name: getattr(widget, name) for name in widget.traits(sync=True) if not name.startswith("_")}
        page.evaluate(CLOSED, [widget._esm, json.loads(json.dumps(state, default=str))])
        return page

    yield draw
    page.close()


def said(page):
    """At once, without waiting for an answer."""
    expect(page.locator("[data-value=error]")).to_have_text(SILENT, timeout=1000)
    expect(page.locator("[data-value=origin]")).to_have_text("no kernel")
    assert page.errors == []


def test_a_knob_whose_change_cannot_be_sent(cut_off):
    widget = SizeRule(size=32, kernel=5)
    page = cut_off(widget)
    page.locator("input[data-input=kernel]").press("ArrowRight")
    said(page)
    expect(page.locator("[data-value=output]")).to_have_text(str(widget.answer["output"]))
    expect(page.locator(".cnn-still")).to_contain_text("Still shown: ")


def test_a_training_that_cannot_be_asked_for(cut_off):
    page = cut_off(Explorer("lenet", {"kernel_size": None}))
    page.get_by_role("button", name="Train here").click()
    said(page)
    expect(page.get_by_role("button", name="Train here")).to_be_visible()
