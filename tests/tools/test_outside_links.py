"""Outside links, tried on a server of our own."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from cnnlib.site.links import outside
from tools import links


@pytest.fixture
def server():
    """(its address, the paths that were asked for); a path such as /404 is answered so, /once with 503 at first."""
    asked = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            once = 503 if asked.count("/once") == 1 else 200
            self.send_response(once if self.path == "/once" else int(self.path[1:]))
            self.send_header("Location", "/200")
            self.end_headers()

        def log_message(self, *_):
            pass

    running = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}", asked
    running.shutdown()
    running.server_close()


@pytest.mark.parametrize("path, said, times", [
    ("/200", None, 1), ("/302", None, 2), ("/403", None, 1), ("/404", "answers 404", 1), ("/500", "answers 500", 3),
    ("/once", None, 2)])
def test_an_address_that_is_gone_is_named_and_one_that_stumbles_is_asked_again(server, path, said, times):
    address, asked = server
    assert links.fault(f"{address}{path}", pause=0) == said
    assert len(asked) == times


def test_nobody_there_is_a_fault():
    assert links.fault("http://127.0.0.1:9/", pause=0) and links.fault("http://no host/", pause=0)


def test_every_link_out_of_the_pages_is_asked_once(server, tmp_path, capsys):
    address, asked = server
    (tmp_path / "a.html").write_text(f'<a href="{address}/404#part">x</a><a href="b.html">y</a><a href="mailto:x@y">')
    (tmp_path / "b.html").write_text(f'<a href="{address}/404">x</a><a href="{address}/200">')
    assert outside(tmp_path) == {f"{address}/200": ["b.html"], f"{address}/404": ["a.html", "b.html"]}
    assert links.main(tmp_path) is True
    assert sorted(asked) == ["/200", "/404"]
    assert capsys.readouterr().out.endswith("  on a.html, b.html\n2 outside addresses, 1 do not answer\n")
    (tmp_path / "a.html").unlink()
    (tmp_path / "b.html").write_text("")
    assert links.main(tmp_path) is False
