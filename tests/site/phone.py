"""The book on a slow phone: `python -m tests.site.phone [PAGE ...]` measures and prints, nothing fails.

390 pixels wide, over http without compression, the processor slowed down six times. Goals: usable after 5 s (the page
is loaded and no task blocks it any more), no task over 1 s, from a knob to the painted frame 100 ms (median); a page
weighs 1.2 MB at most. While a network trains in the page no task should take 50 ms, on a processor four times slower.
`CNNLIB_SITE` names another build, to compare with.
"""

import functools
import http.server
import random
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from playwright.sync_api import sync_playwright

from cnnlib.widgets import Explorer, Learning

from .conftest import BUILD, CHROMIUM_FLAGS, PHONE, chromium, drawn, settle, stage
from .latency import FRAME

SLOWER = 6
MOVES = 20
PAGES = ["book/intro.html", "book/lenet/watch.html", "book/anatomy/questions.html", "book/resnet/networks.html",
         "book/blocks/factor.html", "book/densenet/memory.html"]
WATCH = """globalThis.tasks = [];
new PerformanceObserver((list) => tasks.push(...list.getEntries().map((task) => [task.startTime, task.duration])))
    .observe({ type: 'longtask', buffered: true });"""
# A knob with several values, of the first widget that has one
KNOB = """() => [...document.querySelectorAll('.cnnlib-widget')].findIndex((host) =>
    host.querySelector('.cnn-controls input[type=range]'))"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    policy = ""

    def end_headers(self):
        if self.policy:
            self.send_header("Content-Security-Policy", self.policy)
        super().end_headers()

    def log_message(self, *args):
        pass


@contextmanager
def served(folder, policy=""):
    """The address at which a folder is served, under a Content-Security-Policy if there is one."""
    handler = functools.partial(type("Served", (Quiet,), {"policy": policy}), directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def measure(browser, address):
    """Bytes of a page, seconds until it is usable, its longest task (s), median from a knob to the frame (ms)."""
    page = browser.new_page(viewport=PHONE, is_mobile=True, has_touch=True)
    weight = []
    page.on("response", lambda response: weight.append(int(response.headers.get("content-length", 0))))
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    page.add_init_script(WATCH)
    page.goto(address, wait_until="load")
    page.wait_for_timeout(3000)
    tasks, loaded = page.evaluate("[tasks, performance.getEntriesByType('navigation')[0].loadEventEnd]")
    usable = max([loaded, *(start + length for start, length in tasks)])
    frames = knob(page)
    page.close()
    return sum(weight), usable / 1000, max([length for _, length in tasks], default=0) / 1000, frames


def knob(page):
    """Median time from a moved slider to its frame; None on a page without one."""
    page.evaluate("scrollTo(0, document.body.scrollHeight / 2)")
    drawn(page)
    page.wait_for_timeout(2000)
    at = page.evaluate(KNOB)
    if at < 0:
        return None
    host = page.locator(".cnnlib-widget").nth(at)
    host.scroll_into_view_if_needed()
    slider = host.locator(".cnn-controls input[type=range]").first
    name, steps = slider.get_attribute("data-input"), int(slider.get_attribute("max")) + 1
    return median(host.evaluate(FRAME, [name, random.randrange(steps)])[1] for _ in range(MOVES))


def longest_task(browser, deed):
    """Do it, and return the milliseconds of the longest task of the page's main thread meanwhile."""
    tools, events, ended = browser.new_browser_cdp_session(), [], []
    tools.on("Tracing.dataCollected", lambda said: events.extend(said["value"]))
    tools.on("Tracing.tracingComplete", lambda said: ended.append(said))
    tools.send("Tracing.start", {"transferMode": "ReportEvents", "traceConfig": {
        "includedCategories": ["disabled-by-default-devtools.timeline", "__metadata"]}})
    deed()
    tools.send("Tracing.end")
    while not ended:
        tools.send("Browser.getVersion")                # lets the events in
    main = {(event["pid"], event["tid"]) for event in events
            if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"}
    return max(event.get("dur", 0) for event in events
               if event["name"] == "RunTask" and (event["pid"], event["tid"]) in main) / 1000


def trained(browser, widget, folder, slower):
    """The longest task while a widget trains, from the click to the end, in ms."""
    page = browser.new_page(viewport=PHONE, is_mobile=True, has_touch=True)
    page.goto(stage(folder, widget).as_uri())
    settle(page)
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slower})
    page.wait_for_timeout(1000)
    train = page.locator(".train-here")
    longest = longest_task(browser, lambda: (
        train.locator("[data-action=train]").click(),
        page.wait_for_function("root => root.dataset.state === 'done'", arg=train.element_handle(), timeout=300_000)))
    page.close()
    return longest


def main():
    with served(BUILD) as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
        for path in sys.argv[1:] or PAGES:
            weight, usable, longest, frame = measure(browser, f"{site}/{path}")
            print(f"{path:32} {weight / 1e6:5.2f} MB, usable after {usable:5.1f} s, longest task {longest:5.2f} s, "
                  f"knob to frame {'-' if frame is None else f'{frame:4.0f} ms'}")
        explorer = Explorer("resnet-cifar", {"depth": [20, 56]}, recorded=["digits-degradation"], width=8, depth=20,
                            batch=64)
        watched = Learning("lenet5_modern", {"activation": ["relu"]})
        with tempfile.TemporaryDirectory() as folder:
            for name, widget in {"resnet-20": explorer, "lenet, watched": watched}.items():
                first, slow = (trained(browser, widget, Path(folder), slower) for slower in (1, 4))
                print(f"trained in the page: {name:14} longest task {first:4.0f} ms, four times slower {slow:4.0f} ms")
        browser.close()


if __name__ == "__main__":
    main()
