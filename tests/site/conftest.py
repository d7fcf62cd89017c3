"""The built book in headless Chromium, from files, with every request that leaves the machine refused.

Nothing here skips: without Chromium or without a build these tests fail and say what to do.
"""

import json
import os
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import sync_playwright

from cnnlib.site import extension as sphinx_ext
from tools import pdf

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("CNNLIB_SITE", ROOT / "_build" / "html"))
CHROMIUM_FLAGS = pdf.FLAGS
LEFT_BEHIND = "net::ERR_ABORTED"      # of what was being loaded when an address led on to another page
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}


def chromium():
    """Path of the browser."""
    try:
        return pdf.chromium()
    except FileNotFoundError as error:
        pytest.fail(str(error), pytrace=False)


def pages():
    """All pages of the build but the redirect at its root, as paths relative to it."""
    found = sorted(path.relative_to(BUILD).as_posix() for path in BUILD.rglob("*.html")
                   if not {"_static", "_sources"} & set(path.relative_to(BUILD).parts))
    return [page for page in found if page != "index.html"]


def pytest_generate_tests(metafunc):
    """A test with the argument `page_path` runs once for each page, with `widget_page` for each that has a widget;
    without a build it runs once and fails."""
    if "page_path" in metafunc.fixturenames:
        metafunc.parametrize("page_path", pages() or ["NO BUILD"])
    if "widget_page" in metafunc.fixturenames:
        metafunc.parametrize("widget_page", [path for path in pages() if "data-kind=" in (BUILD / path).read_text()]
                             or ["NO BUILD"])


@pytest.fixture(scope="session")
def build():
    """Folder of the built pages."""
    if not (BUILD / "index.html").is_file():
        pytest.fail(f"the book is not built ({BUILD} has no index.html): run `make book` first", pytrace=False)
    return BUILD


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


def stay_here(page):
    """Let the page reach this machine only; what else it asks for is listed in `page.refused`."""
    page.refused = []

    def decide(route):
        if is_local(route.request.url):
            route.continue_()
        else:
            page.refused.append(route.request.url)
            route.abort()

    page.route("**/*", decide)


def is_local(url):
    return urlsplit(url).scheme in {"file", "data", "blob"} or urlsplit(url).hostname in {"127.0.0.1", "localhost"}


def watch(page):
    """Keep the page on this machine, and list in its attributes what happens to it: see `visit`."""
    stay_here(page)
    page.on("console", lambda message: message.type == "error" and page.errors.append(message.text))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("requestfailed", lambda request: request.failure != LEFT_BEHIND
            and page.errors.append(f"not loaded: {request.url}"))
    page.on("request", lambda request: page.files.append(request.url))
    page.on("request", lambda request: request.resource_type == "script" and page.scripts.append(request.url))
    return page


def leave(page, javascript):
    """Empty a tab for whoever comes next: a picture stands in it, no page that could still keep something."""
    page.mouse.move(0, 0)
    page.goto((BUILD / "_static" / "favicon.svg").as_uri())
    if javascript:
        page.evaluate("localStorage.clear(), sessionStorage.clear()")


@pytest.fixture(scope="session")
def visit(browser, build):
    """Open a page: `with visit("book/intro.html", theme="dark") as page`; `fragment` follows the # of its address,
    and further media (forced_colors="active") are named as in Playwright. `lazy` leaves it to the page when it mounts
    its widgets, `site` is an address where the build is served. The page has more attributes: `refused` (addresses
    outside), `errors` (of console and scripts), `files` (addresses of all that was loaded), `scripts` among these.

    A visit has a browser profile and a process of its own. With `shared` it has the tab of the visit before, emptied,
    in half the time: for tests that look at pages and move what is on them, and leave the browser itself as it is.
    """
    tabs = {}                                           # {whether scripts run in it: an empty one}

    @contextmanager
    def opened(path, theme="light", viewport=DESK, javascript=True, fragment="", lazy=False,
               site=None, shared=False, **media):
        media = {"color_scheme": theme, "reduced_motion": "reduce", **media}
        if shared and javascript in tabs:
            page = tabs.pop(javascript)
            page.set_viewport_size(viewport)
            page.emulate_media(**{"media": "null", "forced_colors": "null", **media})
        else:
            page = watch(browser.new_context(viewport=viewport, java_script_enabled=javascript, **media).new_page())
        page.errors, page.files, page.scripts, page.refused = [], [], [], []
        try:
            page.goto((f"{site}/{path}" if site else (build / path).as_uri()) + (fragment and f"#{fragment}"),
                      wait_until="load")
            if javascript and not lazy:
                settle(page)
            yield page
            if shared:
                leave(page, javascript)
                tabs.setdefault(javascript, page)
        finally:
            if page not in tabs.values():
                page.context.close()

    return opened


TWO_FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def settle(page):
    """Mount all widgets, also those that are far away, and wait until they are drawn."""
    page.evaluate("globalThis.cnnlib?.mountAll()")
    page.wait_for_function("document.querySelectorAll('.cnnlib-widget:not([data-mounted])').length === 0")
    drawn(page)


def drawn(page):
    """Wait for two frames: what was asked for before is drawn in the first, and what that brought about in the next."""
    page.evaluate(TWO_FRAMES)


def unfold(host):
    """Open the folds around the widget, with the mouse and from outside in, as a reader does."""
    for fold in host.locator("xpath=ancestor::details").all():
        if fold.get_attribute("open") is None:
            fold.locator("> summary").click()


def stage(folder, *shown, theme="light"):
    """A page of its own with widgets, as a notebook's outputs stand in the book; returns its path for `visit`."""
    body = "".join(widget.to_html() for widget in shown)
    scripts = "".join(f'<script defer src="{(sphinx_ext.WIDGET_SCRIPTS / name).as_uri()}"></script>'
                      for name in sphinx_ext.widget_scripts(body))
    path = folder / "stage.html"
    path.write_text(f'''<!DOCTYPE html><html lang="en" data-theme="{theme}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Stage</title><style>:root {{ --pst-color-text-base: #222 }}
html[data-theme=dark] {{ --pst-color-text-base: #eee; color: #eee; background: #121212 }}</style>
<link rel="stylesheet" href="{sphinx_ext.WIDGET_STYLE.as_uri()}">{scripts}</head>
<body><main><h1>Stage</h1>{body}</main></body></html>''', encoding="utf-8")
    return path


@pytest.fixture
def staged(visit, tmp_path):
    """Open a page with the given widgets."""
    return lambda *shown, theme="light", **options: visit(
        stage(tmp_path, *shown, theme=theme), theme, shared=True, **options)


def spec_of(host):
    """The JSON that a widget on a page carries."""
    return json.loads(host.locator("script[type='application/json']").first.text_content())
