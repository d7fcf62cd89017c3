"""A network is trained in Firefox, from a file and over http; spoken to by Marionette, the protocol that it brings.

Playwright has a Firefox of its own only. Where there is none at all, nobody asked for it: these tests are skipped.
"""

import json
import shutil
import socket
import subprocess
import time

import pytest

from cnnlib.widgets import Explorer

from .conftest import stage
from .phone import served

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
SEEN = """const root = document.querySelector(".train-here");
const value = (name) => root.querySelector(`[data-value=${name}]`)?.textContent;
return { state: root.dataset.state, epoch: value("epoch"), error: value("test-error"),
    curve: document.querySelector("[data-curve=live]")?.textContent };"""

pytestmark = pytest.mark.skipif(FIREFOX is None, reason="there is no Firefox")


class Firefox:
    """A page in Firefox: `go(address)`, and `run(script)`, what the body of a function returns there."""

    def __init__(self, port, process):
        self.number, until = 0, time.monotonic() + 60
        while True:
            try:
                self.line = socket.create_connection(("127.0.0.1", port), timeout=120)
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < until, "Firefox did not start"
                time.sleep(0.2)
        self.read()                                     # it says which version of the protocol it speaks
        self.ask("WebDriver:NewSession", {})

    def read(self):
        """A message is its length, a colon, and JSON."""
        length = b""
        while not length.endswith(b":"):
            length += self.line.recv(1)
        text = b""
        while len(text) < int(length[:-1]):
            text += self.line.recv(int(length[:-1]) - len(text))
        return json.loads(text)

    def ask(self, command, arguments):
        self.number += 1
        text = json.dumps([0, self.number, command, arguments]).encode()
        self.line.sendall(str(len(text)).encode() + b":" + text)
        _, _, error, found = self.read()
        assert error is None, error
        return found

    def go(self, address):
        self.ask("WebDriver:Navigate", {"url": address})

    def run(self, script):
        return self.ask("WebDriver:ExecuteScript", {"script": script, "args": []})["value"]


@pytest.fixture(scope="module")
def firefox(tmp_path_factory):
    profile = tmp_path_factory.mktemp("firefox")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (profile / "user.js").write_text(f'user_pref("marionette.port", {port});\n')
    process = subprocess.Popen([FIREFOX, "--headless", "--marionette", "--no-remote", "--profile", str(profile)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield Firefox(port, process)
    finally:
        process.terminate()
        process.wait(20)


def trained(firefox, address):
    """What the page shows once its network is trained."""
    firefox.go(address)
    firefox.run("cnnlib.mountAll()")
    until = time.monotonic() + 180
    while not firefox.run("return Boolean(document.querySelector('.train-here [data-action=train]'))"):
        assert time.monotonic() < until, "the widget is not drawn"
    firefox.run("document.querySelector('.train-here [data-action=train]').click()")
    while (seen := firefox.run(SEEN))["state"] not in ("done", "failed") and time.monotonic() < until:
        time.sleep(0.3)
    return seen


def test_a_network_is_trained_from_a_file(firefox, tmp_path):
    widget = Explorer("resnet-cifar", {"depth": [8, 20], "shortcut": ["A", "none"]}, recorded=["digits-degradation"],
                      width=8, depth=8, shortcut="A", batch=64)
    seen = trained(firefox, stage(tmp_path, widget).as_uri())
    assert (seen["state"], seen["epoch"]) == ("done", "6")
    assert float(seen["error"].removesuffix(" %")) < 20 and "trained in this page, seed 0" in seen["curve"]


def test_a_page_of_the_book_trains_over_http(firefox, build):
    with served(build) as site:
        seen = trained(firefox, f"{site}/book/lenet/today.html")
    assert seen["state"] == "done" and float(seen["error"].removesuffix(" %")) < 90 and seen["curve"]
