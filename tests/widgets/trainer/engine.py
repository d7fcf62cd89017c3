"""The trainer's engine, asked from Python: in Node where that is at hand, else in Chromium, which pages need anyway."""

import base64
import json
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from cnnlib.widgets.trainer.compile import script

ASKED = Path(__file__).with_name("ask.js")      # one job: a network, its weights, pictures, what to do with them


def ask(jobs):
    """The answers to a list of jobs, in Node or in Chromium."""
    if shutil.which("node"):
        return in_node(jobs)
    with chromium_page() as page:
        return in_page(page, jobs)


def in_node(jobs):
    run = 'console.log(JSON.stringify(JSON.parse(require("fs").readFileSync(0, "utf8")).map(answer)));'
    done = subprocess.run(["node", "-e", f"{script(ASKED)}\n{run}"], input=json.dumps(jobs), text=True,
                          capture_output=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def in_page(page, jobs):
    return page.evaluate(f"(jobs) => {{ {script(ASKED)}\n return jobs.map(answer); }}", jobs)


@contextmanager
def chromium_page():
    from playwright.sync_api import sync_playwright

    from tests.site.conftest import CHROMIUM_FLAGS, chromium

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
        try:
            yield browser.new_page()
        finally:
            browser.close()


def packed(array, kind=np.float32):
    """An array, or a tensor, as the jobs have it."""
    return base64.b64encode(np.ascontiguousarray(array, dtype=kind).tobytes()).decode()


def unpacked(text, kind=np.float32):
    return np.frombuffer(base64.b64decode(text), kind)


def in_order(model, description, values=lambda parameter: parameter):
    """`values` of all parameters in a row, float64, in the order of the description."""
    named = dict(model.named_parameters())
    return np.concatenate([values(named[name]).detach().double().numpy().reshape(-1) for name in description["names"]])
