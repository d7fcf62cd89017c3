"""Other people's machines: Windows' encodings, blanks and accents in paths, a checkout that cannot be written to."""

import ast
import os
import shutil
import subprocess
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import torch
from PIL import Image

from cnnlib import files

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("time", ["first", "second"])
def test_a_test_draws_the_same_numbers_whatever_ran_before(time, request):
    if request.config.getoption("--hypothesis-profile") == "new":
        pytest.skip("test-luck draws new ones")
    assert torch.equal(torch.rand(9), torch.rand(9, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("time", ["first", "second"])
def test_a_test_asks_the_proxy_that_it_sets_whatever_ran_before(time, monkeypatch):
    """Each time another; one that was kept would be gone."""

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.path.encode())

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Proxy) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{running.server_port}")
        assert urllib.request.urlopen("http://book.invalid/").read() == b"http://book.invalid/"
        assert urllib.request.urlopen(f"http://127.0.0.1:{running.server_port}/here").read() == b"/here"
        running.shutdown()


def silent(tree):
    """Lines that read or write text in whatever encoding the machine prefers: not UTF-8 on Windows."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and not any(keyword.arg == "encoding" for keyword in node.keywords):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            constants = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
            binary = any(isinstance(mode, str) and "b" in mode for mode in constants)
            of_images = ast.unparse(node.func) == "Image.open"
            of_widgets = ast.unparse(node) in ("self.open()", "super().open()", "self.layout.open()")   # a connection
            if name == "write_text" or name == "open" and not (binary or of_images or of_widgets) or \
                    name == "read_text" and not constants:
                yield node.lineno


@pytest.mark.skipif(files.CHECKOUT is None, reason="an installed package has no checkout around it")
@pytest.mark.parametrize("folder", ["cnnlib", "tools"])
def test_text_files_are_in_utf8_on_every_machine(folder):
    assert not {f"{path}:{line}" for path in (ROOT / folder).rglob("*.py") if "node_modules" not in path.parts
                for line in silent(ast.parse(path.read_text(encoding="utf-8")))}


@pytest.mark.parametrize("code, found", [
    ("path.read_text()", [1]), ("path.write_text(x)", [1]), ("open(path)", [1]), ("path.open('w')", [1]),
    ("path.read_text(encoding='utf-8')", []), ("open(path, 'rb')", []), ("Image.open(path)", []),
    ("super().open()", []), ("self.path.open()", [1]),
    ("path.open('w', encoding='utf-8')", []), ("path.read_text('utf-8-sig')", []),
])
def test_a_silent_encoding_is_found(code, found):
    assert list(silent(ast.parse(code))) == found


@pytest.mark.skipif(os.name != "posix", reason="how a file was opened is asked in Unix's way")
def test_what_goes_to_the_disk_was_opened_for_writing(tmp_path, monkeypatch):
    """Windows refuses to flush a file that is open for reading."""
    import fcntl

    flushed = []
    monkeypatch.setattr(os, "fsync", lambda file: flushed.append(fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE))
    with files.whole(tmp_path / "file") as scratch:
        scratch.write_text("content", encoding="utf-8")
    assert flushed == [os.O_RDWR] and (tmp_path / "file").read_text(encoding="utf-8") == "content"


SEEN = """
import cnnlib, pathlib
from cnnlib.course import assignments, chapters, claims
from cnnlib.records import runs
from tools import notebooks
print(len(runs.load("digits-se")), claims.show("lenet").rows[0][0] != "", len(chapters.notebooks("lenet")))
print(cnnlib.data.load("folder", root=pathlib.Path.home() / "Bilder für später", size=16))
assignments.assign(["lenet"], pathlib.Path.home() / "Übung 1.ipynb")
"""


@pytest.fixture
def far(tmp_path):
    """A checkout, a home with pictures, and a way to run programs there: all paths have blanks and accents."""
    checkout, home = tmp_path / "my bøøk, 2nd copy" / "cnn book", tmp_path / "Zoë Ünal"
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z", "--", ".", ":!tests/site"], capture_output=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, checkout / name)
    for name, shade in (("Käfer", 40), ("Löwe", 200)):
        folder = home / "Bilder für später" / name
        folder.mkdir(parents=True)
        for i in range(20):
            Image.new("RGB", (16, 16), (shade, i, i)).save(folder / f"ein Bild {i}.png")
    environment = {**os.environ, "HOME": str(home), "USERPROFILE": str(home), "PYTHONPATH": str(checkout),
                   "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNDEFAULTENCODING": "1"}
    environment.pop("CNNLIB_CACHE", None)

    def run(*command):
        return subprocess.run([sys.executable, *command], cwd=checkout, env=environment, text=True, encoding="utf-8",
                              capture_output=True)

    return checkout, home, run


@pytest.mark.skipif(files.CHECKOUT is None, reason="an installed package has no checkout around it")
def test_a_checkout_with_blanks_and_accents_works_and_stays_as_it_is(far):
    checkout, home, run = far
    before = {path: path.stat().st_mtime_ns for path in checkout.rglob("*")}
    seen = run("-c", SEEN)
    assert seen.returncode == 0, seen.stderr
    assert seen.stdout.startswith("12 True 6\nDataSet('folder', 36 + 4 images") and "Käfer, Löwe" in seen.stdout
    assert not [line for line in seen.stderr.splitlines() if "EncodingWarning" in line and str(checkout) in line]
    assert (home / "Übung 1.ipynb").is_file()
    trained = run("-m", "cnnlib", "train", "lenet5_modern", "--size", "28", "--epochs", "1", "--limit", "100",
                  "--device", "cpu", "--save", str(home / "größtes Netz.safetensors"))
    assert trained.returncode == 0 and (home / "größtes Netz.safetensors").is_file(), trained.stderr
    checked = run("tools/notebooks.py", "check")
    assert checked.returncode == 0, checked.stdout
    assert {path: path.stat().st_mtime_ns for path in checkout.rglob("*")} == before
