"""A chapter in a real JupyterLab: all cells run, a slider moved by keyboard reaches the kernel, and Python sees it."""

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import nbformat
import pytest
from playwright.sync_api import expect

from cnnlib.anatomy import of
from cnnlib.widgets import LesionBench

from .conftest import ROOT, stay_here

CHAPTER = ROOT / "book" / "lenet" / "watch.ipynb"
WIDGET, TRAIT = "SizeRule", "kernel"
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},     # all cells in the page, not only those in view
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
ERROR = ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']"
EXPLORED = """\
from cnnlib.widgets import explore

explore(lambda cells: cells * 1000, title="A thousand times", cells=range(8, 57, 12))
"""
EXPLORER = """\
from cnnlib.widgets import Explorer

Explorer("lenet", {"kernel_size": None, "batch": [1, 128]}, train_epochs=2)
"""
LABS = ["from cnnlib.widgets import LesionBench, PathLab", "LesionBench(depth=56)", "PathLab(n=3)",
        'print("Python sees both labs")']
SIZES = """\
from cnnlib.widgets import SizeRule

SizeRule(size=32, kernel=5)
"""
READ_BACK = f"""\
import gc

from cnnlib import widgets

print("Python sees", [widget.{TRAIT} for widget in gc.get_objects() if issubclass(type(widget), widgets.{WIDGET})])
"""


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory):
    """A JupyterLab: `with lab(cells) as page` has run them, the last of which says what Python sees, without an error,
    and before them those of the chapter unless `chapter=False`. `page.refused` are the addresses outside asked for."""
    tmp_path = tmp_path_factory.mktemp("lab")
    for name, values in SETTINGS.items():
        path = tmp_path / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    env = {**os.environ, "HOME": str(tmp_path), "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
           "JUPYTER_DATA_DIR": str(tmp_path / "data"), "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
           "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"), "IPYTHONDIR": str(tmp_path / "ipython")}

    @contextmanager
    def opened(cells, chapter=True):
        nb = nbformat.read(CHAPTER, as_version=4)
        nb.cells = (nb.cells if chapter else []) + [nbformat.v4.new_code_cell(code) for code in cells]
        nbformat.write(nb, tmp_path / "notebook.ipynb")
        context = browser.new_context(viewport={"width": 1400, "height": 1200})
        page = context.new_page()
        stay_here(page)
        page.goto(f"http://127.0.0.1:{port}/lab/tree/notebook.ipynb?token={token}")
        page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
        page.get_by_text("| Idle").first.wait_for(timeout=60_000)      # cells sent before the kernel is there are lost
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        ran = page.locator(".jp-Notebook .jp-CodeCell").last.locator(".jp-OutputArea-output", has_text="Python sees")
        ran.or_(page.locator(ERROR)).first.wait_for(timeout=400_000)
        assert page.locator(ERROR).all_inner_texts() == []
        try:
            yield page
        finally:
            context.close()

    with open(tmp_path / "lab.log", "w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
             f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={tmp_path}",
             "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"],
            env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_for(f"http://127.0.0.1:{port}/api/status?token={token}", server, tmp_path / "lab.log")
        yield opened
    finally:
        server.terminate()
        server.wait(20)


def wait_for(url, server, log, seconds=60):
    """Wait until the server answers; fails with the end of its log."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except OSError:
            time.sleep(0.3)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")


def test_a_widget_moved_by_keyboard_is_answered_by_the_kernel(lab):
    with lab([SIZES, EXPLORED, EXPLORER, READ_BACK]) as page:
        widget = page.locator(f".jp-OutputArea [data-widget={WIDGET}]").first
        assert widget.locator("[data-value=origin]").inner_text() == "kernel"
        slider = widget.locator(f"input[data-input={TRAIT}]")
        before, shown = slider.input_value(), widget.locator("[data-value=output]").inner_text()
        slider.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("([slider, before]) => slider.value !== before", arg=[slider.element_handle(), before])
        output = widget.locator("[data-value=output]")
        page.wait_for_function("([output, shown]) => output.isConnected ? output.textContent !== shown : true",
                               arg=[output.element_handle(), shown], timeout=20_000)
        value = slider.get_attribute("aria-valuetext")
        last = page.locator(".jp-Notebook .jp-CodeCell").last
        last.locator(".jp-InputArea-editor").click()
        page.keyboard.press("Control+Enter")
        seen = re.compile(rf"Python sees .*\b{value}\b")
        last.locator(".jp-OutputArea-output", has_text=seen).wait_for(timeout=20_000)
        assert int(output.inner_text()) == int(shown) - 1          # one cell more under the kernel, one window less

        explored = page.locator(".jp-OutputArea [data-widget=Explore]")      # a value that no page would have
        answer, error = explored.locator("[data-value='items.0.2']"), explored.locator("[data-value=error]")
        for typed, says, refusal in (("9", "9,000", ""), ("99", "9,000", "cells is 99, allowed: 8 to 56.")):
            explored.locator("input[type=number]").fill(typed)
            explored.locator("input[type=number]").press("Enter")
            expect(error).to_have_text(refusal, timeout=20_000)
            expect(answer).to_have_text(says, timeout=20_000)
        expect(explored.locator(".cnn-still")).to_have_text("Still shown: cells 9.")

        explorer = page.locator(".jp-OutputArea [data-widget=Explorer]").last
        params, kept = explorer.locator(".ex-facts [data-value=params]"), explorer.locator(".ex-facts [data-kept]")
        batch = explorer.get_by_label("pictures in a batch, typed")
        for typed, refusal in (("77", ""), ("0", "batch is 0, allowed: whole numbers from 1 to 4096.")):
            batch.fill(typed)
            batch.press("Enter")
            expect(explorer.locator("[data-value=error]")).to_have_text(refusal, timeout=20_000)
            expect(params).to_have_text("61,706", timeout=20_000)
            expect(kept).to_have_attribute("data-kept", str(of("lenet5_modern", (77, 1, 28, 28)).total_kept_bytes))
        batch.fill("32")
        batch.press("Enter")
        explorer.get_by_role("button", name="Train here").click()
        expect(explorer.get_by_role("button", name="Stop")).to_be_visible(timeout=20_000)
        expect(explorer.get_by_role("button", name="Train here")).to_be_visible(timeout=120_000)
        expect(explorer.locator(".cnn-chart[aria-label*='trained here']")).to_be_visible(timeout=20_000)
        assert page.refused == []


def test_the_labs_evaluate_what_no_page_has(lab):
    with lab(LABS, chapter=False) as page:
        bench = page.locator(".jp-OutputArea [data-widget=LesionBench]")
        for block in (3, 12, 20, 26):                          # no page has the error without these four
            bench.locator(f".lesion-picture >> nth=0 >> [data-block='{block}']").click()
        answer = LesionBench(depth=56, deleted="3 12 20 26").answer
        expect(bench.locator("[data-value=residual_wrong]")).to_have_text(str(answer["residual_wrong"]), timeout=60_000)
        expect(bench.locator("[data-value=plain_wrong]")).to_have_text(str(answer["plain_wrong"]), timeout=60_000)

        paths = page.locator(".jp-OutputArea [data-widget=PathLab]")
        typed = paths.locator("input[type=number]")
        for blocks, total, refusal in (("7", "128", ""), ("201", "128", "n is 201, allowed: 1 to 200.")):
            typed.fill(blocks)
            typed.press("Enter")
            expect(paths.locator("[data-value=error]")).to_have_text(refusal, timeout=20_000)
            expect(paths.locator("[data-value=paths]")).to_have_text(total, timeout=20_000)
        assert page.refused == []
