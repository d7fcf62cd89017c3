"""How long from a knob to the painted frame: `python -m tests.site.latency` measures and prints, nothing fails.

On an idle machine the goal is a median of 16 ms and no frame later than 50 ms; a page with three explorers takes at
most 1.5 s from the file. The first line says how late a frame is that has nothing to draw.
"""

import random
import tempfile
from pathlib import Path
from statistics import median

from playwright.sync_api import sync_playwright

from cnnlib.widgets import Explorer

from .conftest import CHROMIUM_FLAGS, DESK, chromium, settle, stage

MOVES = 100
FRAME = """async (host, [name, place]) => {
    const control = name && host.querySelector(`.cnn-controls [data-input="${name}"]`);
    await new Promise((go) => setTimeout(go, 40 * Math.random()));          // at any time within a frame
    const start = performance.now();
    if (control?.type === "checkbox") control.click();
    else if (control) {
        if (control.tagName === "SELECT") control.selectedIndex = place; else control.value = place;
        control.dispatchEvent(new Event(control.tagName === "SELECT" ? "change" : "input", { bubbles: true }));
    }
    const script = performance.now() - start, painted = new MessageChannel();
    return new Promise((done) => requestAnimationFrame(() => {
        painted.port1.onmessage = () => done([script, performance.now() - start]);
        painted.port2.postMessage(0);
    }));
}"""


def main():
    three = [Explorer("resnet-cifar"), Explorer("lenet", recorded="lenet-activation-pooling"),
             Explorer("densenet-cifar")]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport=DESK)
        page.goto(stage(Path(folder), *three).as_uri())
        settle(page)
        loaded = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
        print(f"three explorers on a page: loaded after {loaded:.0f} ms")
        for widget, host in zip(three, page.locator(".cnnlib-widget").all(), strict=True):
            chance = random.Random(1)
            names = [name for name, values in widget.inputs.items() if len(values) > 1]
            knobs = [(name, chance.randrange(len(widget.inputs[name]))) for name in chance.choices(names, k=MOVES)]
            for what, moves in (("nothing", [("", 0)] * MOVES), ("a knob", knobs)):
                times = [host.evaluate(FRAME, list(move)) for move in moves]
                frames = [frame for _, frame in times]
                script = median(script for script, _ in times)
                print(f"{widget.title:28} {what:8} script {script:5.1f} ms, painted after "
                      f"{median(frames):5.1f} ms, at worst {max(frames):5.1f} ms")
        browser.close()


if __name__ == "__main__":
    main()
