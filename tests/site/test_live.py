"""Widgets in a real JupyterLab and Notebook: all cells run, a slider moved by keyboard reaches the kernel, Python sees
it; and what happens when the kernel is restarted or interrupted, a cell run again, a saved notebook opened again."""

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress

import nbformat
import pytest
from playwright.sync_api import TimeoutError as TimedOut
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
TRAINS = EXPLORER.replace("train_epochs=2", "train_epochs=100")
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


OPEN = """\
import gc

from cnnlib.widgets import SizeRule

open_ones = [w for w in gc.get_objects() if isinstance(w, SizeRule) and w.comm]
print("Python sees", len(open_ones), "open")
"""
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
MODEL_GONE = "Error displaying widget"
SILENT = "The kernel does not answer; run this cell again."


@pytest.fixture(scope="module")
def lab(browser, tmp_path_factory):
    """A server of JupyterLab and Notebook: `with lab(cells) as page` has run them, the last of which (or that at
    `wait`) says what Python sees, without an error, and before them those of the chapter unless `chapter=False`. In
    Notebook with `app="notebooks"`; without cells the notebook is opened as it lies there, and not run. `page.refused`
    are the addresses outside asked for, `page.file` is the notebook."""
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
    def opened(cells, chapter=True, app="lab/tree", wait=-1):
        if cells:
            nb = nbformat.read(CHAPTER, as_version=4)
            nb.cells = (nb.cells if chapter else []) + [nbformat.v4.new_code_cell(code) for code in cells]
            nbformat.write(nb, tmp_path / "notebook.ipynb")
        context = browser.new_context(viewport={"width": 1400, "height": 1200})
        page = context.new_page()
        stay_here(page)
        page.file = tmp_path / "notebook.ipynb"
        page.goto(f"http://127.0.0.1:{port}/{app}/notebook.ipynb?token={token}")
        page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
        kernel_is_there(page, app)
        if cells:
            run_all(page, wait)
        try:
            yield page
        finally:
            context.close()
            end_kernels(f"http://127.0.0.1:{port}/api/kernels", token)

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


def end_kernels(address, token):
    """The next notebook of the same name would get the kernel of this one."""
    def ask(path="", method="GET"):
        headers = {"Authorization": f"token {token}"}
        request = urllib.request.Request(address + path, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.read()

    for kernel in json.loads(ask()):
        ask(f"/{kernel['id']}", "DELETE")


def menu(page, name, entry):
    page.get_by_role("menuitem", name=name, exact=True).click()
    page.locator(".lm-Menu-itemLabel").get_by_text(entry, exact=True).click()


def kernel_is_there(page, app):
    """Cells sent before that are lost. JupyterLab says it in words, Notebook with a mark."""
    sign = page.get_by_text("| Idle") if app == "lab/tree" else page.locator("[data-status=idle]")
    sign.first.wait_for(state="attached", timeout=60_000)


def run_all(page, wait):
    """Run all cells, until the cell at `wait` says what Python sees; fails if one of them raises. Cells that were sent
    before the kernel listened are lost, whatever its sign says: they are sent again, as a reader does."""
    ran = page.locator(".jp-Notebook .jp-CodeCell").nth(wait).locator(".jp-OutputArea-output", has_text="Python sees")
    ended = ran.or_(page.locator(ERROR)).first
    for seconds in (60, 120, 220):
        menu(page, "Run", "Run All Cells")
        with suppress(TimedOut):
            ended.wait_for(timeout=1000 * seconds)
            break
    expect(ended).to_be_attached()
    assert page.locator(ERROR).all_inner_texts() == []


def restart(page):
    menu(page, "Kernel", "Restart Kernel…")
    page.locator(".jp-Dialog .jp-mod-accept").click()


def start(page, cell):
    """Run a cell, by its number."""
    page.locator(".jp-Notebook .jp-CodeCell").nth(cell).locator(".jp-InputArea-editor").click()
    page.keyboard.press("Control+Enter")


def run(page, cell):
    """Run a cell again, and wait until it has run."""
    prompt = page.locator(".jp-Notebook .jp-CodeCell").nth(cell).locator(".jp-InputPrompt")
    before = prompt.inner_text()
    start(page, cell)
    page.wait_for_function("([prompt, before]) => ![before, '[*]:'].includes(prompt.innerText)",
                           arg=[prompt.element_handle(), before], timeout=60_000)


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


def test_a_kernel_that_was_restarted_is_said(lab):
    """Knobs, the badge and *Train here* tell it without a word from the kernel; running the cell again mends it."""
    with lab([SIZES, TRAINS, READ_BACK], chapter=False) as page:
        sizes, explorer = (page.locator(f".jp-OutputArea [data-widget={name}]") for name in ("SizeRule", "Explorer"))
        shown = sizes.locator("[data-value=output]").inner_text()
        explorer.get_by_role("button", name="Train here").click()
        expect(explorer.get_by_role("button", name="Stop")).to_be_visible(timeout=20_000)
        restart(page)
        expect(explorer.get_by_role("button", name="Train here")).to_be_visible(timeout=30_000)
        sizes.locator("input[data-input=kernel]").press("ArrowRight")
        expect(sizes.locator("[data-value=error]")).to_have_text(SILENT, timeout=30_000)
        expect(sizes.locator("[data-value=origin]")).to_have_text("no kernel")
        expect(sizes.locator(".cnn-still")).to_contain_text("Still shown: ")
        assert sizes.locator("[data-value=output]").inner_text() == shown
        start(page, 0)
        expect(sizes.locator("[data-value=origin]")).to_have_text("kernel", timeout=60_000)
        sizes.locator("input[data-input=kernel]").press("ArrowRight")
        expect(sizes.locator("[data-value=output]")).to_have_text(str(int(shown) - 1), timeout=20_000)
        expect(sizes.locator("[data-value=error]")).to_have_text("")


def test_a_kernel_that_is_busy_is_not_called_dead(lab):
    busy = "import time\n\ntime.sleep(12)"
    with lab([SIZES, READ_BACK, busy], chapter=False, wait=1) as page:
        sizes = page.locator(".jp-OutputArea [data-widget=SizeRule]")
        shown = sizes.locator("[data-value=output]").inner_text()
        sizes.locator("input[data-input=kernel]").press("ArrowRight")
        expect(sizes.locator("[data-value=error]")).to_contain_text("The kernel is busy", timeout=10_000)
        expect(sizes.locator("[data-value=output]")).to_have_text(str(int(shown) - 1), timeout=60_000)
        expect(sizes.locator("[data-value=error]")).to_have_text("")


def test_an_interrupted_kernel_stops_the_training(lab):
    with lab([TRAINS, READ_BACK], chapter=False) as page:
        explorer = page.locator(".jp-OutputArea [data-widget=Explorer]")
        explorer.get_by_role("button", name="Train here").click()
        expect(explorer.locator("[data-value=training]")).to_contain_text(re.compile(r"epoch [1-9]"), timeout=60_000)
        menu(page, "Kernel", "Interrupt Kernel")
        expect(explorer.locator("[data-value=training]")).to_contain_text("stopped", timeout=30_000)
        expect(explorer.get_by_role("button", name="Train here")).to_be_visible()


DETACHED = """function () {
    const old = (node) => {
        try { return node.dataset.widget === "SizeRule" && !node.isConnected; } catch { return false; }
    };
    return this.filter(old).length;
}"""


def detached(page):
    """How many roots of SizeRule the browser still holds that are on no page."""
    tools = page.context.new_cdp_session(page)
    tools.send("HeapProfiler.collectGarbage")
    prototype = tools.send("Runtime.evaluate", {"expression": "HTMLElement.prototype"})["result"]["objectId"]
    found = tools.send("Runtime.queryObjects", {"prototypeObjectId": prototype})["objects"]["objectId"]
    return tools.send("Runtime.callFunctionOn", {"objectId": found, "functionDeclaration": DETACHED,
                                                 "returnByValue": True})["result"]["value"]


def test_a_cell_that_runs_again_leaves_nothing(lab):
    with lab([SIZES, OPEN], chapter=False) as page:
        for _ in range(5):
            run(page, 0)
            page.locator(".jp-OutputArea [data-widget=SizeRule]").wait_for()
        run(page, 1)
        expect(page.locator(".jp-OutputArea-output", has_text="Python sees 1 open")).to_be_visible()
        assert detached(page) <= 1


def test_where_there_is_a_kernel_the_page_may_train_as_well(lab):
    with lab([EXPLORER, READ_BACK], chapter=False) as page:
        explorer = page.locator(".jp-OutputArea [data-widget=Explorer]")
        explorer.locator("[data-train=where]").select_option(label="in this page")
        root = explorer.locator(".train-here")
        root.locator("[data-action=train]").click(timeout=60_000)
        expect(root).to_have_attribute("data-state", "done", timeout=120_000)
        expect(explorer.locator("[data-curve=live]")).to_contain_text("trained in this page, seed 0")
        explorer.locator("[data-train=where]").select_option(label="in the kernel")
        expect(root).to_have_count(0)
        expect(explorer.locator("[data-value=training]")).to_contain_text("Trains the chosen network on digits")
        assert page.refused == []


def test_a_notebook_that_was_saved_and_stripped_shows_its_tables(lab):
    with lab([SIZES, READ_BACK], chapter=False) as page:
        menu(page, "File", "Save Notebook")
        file, until = page.file, time.monotonic() + 60
        while WIDGET_VIEW not in file.read_text() and time.monotonic() < until:
            page.wait_for_timeout(300)
        assert WIDGET_VIEW in file.read_text(), "not saved"
    with lab([]) as page:
        expect(page.locator(".jp-OutputArea").first).to_contain_text(MODEL_GONE, timeout=60_000)
    subprocess.run([sys.executable, ROOT / "tools" / "notebooks.py", "strip", file], check=True)
    with lab([]) as page:
        expect(page.locator(".cnnlib-fallback td").first).to_be_visible(timeout=60_000)
        expect(page.locator(".jp-OutputArea").first).not_to_contain_text(MODEL_GONE)


def test_notebook_7(lab):
    with lab([SIZES, READ_BACK], chapter=False, app="notebooks") as page:
        sizes = page.locator(".jp-OutputArea [data-widget=SizeRule]")
        shown = sizes.locator("[data-value=output]").inner_text()
        sizes.locator("input[data-input=kernel]").press("ArrowRight")
        expect(sizes.locator("[data-value=output]")).to_have_text(str(int(shown) - 1), timeout=20_000)
        run(page, 1)
        expect(page.locator(".jp-OutputArea-output", has_text="Python sees [6]")).to_be_visible()
        assert page.refused == []
