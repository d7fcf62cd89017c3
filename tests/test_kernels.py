"""A copy of a process that has imported PyTorch is a kernel like another."""

import contextlib
import os
import sys
import time
from types import SimpleNamespace

import pytest
from nbval.kernel import start_new_kernel

from tests import kernels

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere kernels of the tests are ordinary ones")


@pytest.fixture(scope="module")
def start():
    """Starts a copy: start() is (its manager, a client)."""
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as cleanup:
        patch.setenv("JUPYTER_PATH", "")
        kernels.pytest_configure(SimpleNamespace(add_cleanup=cleanup.callback))

        def started():
            manager, client = start_new_kernel(kernel_name="copy", startup_timeout=120)
            cleanup.callback(client.stop_channels)
            cleanup.callback(manager.shutdown_kernel, now=True)
            return manager, client

        yield started


def run(client, code):
    """Run a cell: (the error's name or None, text and kinds of data that it showed)."""
    text, shown = [], []

    def take(message):
        text.append(message["content"].get("text", ""))
        shown.extend(message["content"].get("data", ()))

    reply = client.execute_interactive(code, timeout=60, output_hook=take)["content"]
    return reply.get("ename"), "".join(text).strip(), shown


def ended(is_alive):
    until = time.monotonic() + 30
    while is_alive() and time.monotonic() < until:
        time.sleep(0.1)
    return not is_alive()


def exists(pid):
    """Whether a process is there, be it a zombie: nobody waits for a copy, so its server must not keep one."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def test_a_copy_starts_with_nothing_but_what_is_imported_and_draws_in_the_notebook(start):
    _, one = start()
    assert run(one, "%who") == (None, "Interactive namespace is empty.", [])
    assert run(one, "import sys\nprint(*(name in sys.modules for name in ('torch', 'cnnlib')))")[1] == "True False"
    assert run(one, "import os, threading\nprint(os.getcwd(), threading.main_thread() is threading.current_thread())"
               ) == (None, f"{os.getcwd()} True", [])
    assert "image/png" in run(one, "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()")[2]
    assert run(one, "import subprocess\nprint(subprocess.run(['false']).returncode)")[1] == "1"
    _, other = start()
    run(one, "seven = 7")
    assert run(other, "seven")[0] == "NameError"


def test_a_copy_can_be_interrupted_and_goes_on(start):
    manager, client = start()
    asked = client.execute("print('here', flush=True)\nwhile True: pass", stop_on_error=False)   # the next cell is run
    while client.get_iopub_msg(timeout=60)["content"].get("text") != "here\n":
        pass
    manager.interrupt_kernel()
    while (reply := client.get_shell_msg(timeout=60))["parent_header"]["msg_id"] != asked:
        pass                                            # it may still answer what it was asked while it started
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    assert run(client, "print('on')")[1] == "on"


def test_a_copy_that_dies_is_dead_and_one_that_is_killed_leaves_nothing(start):
    manager, client = start()
    client.execute("import os\nos.kill(os.getpid(), 9)")
    assert ended(manager.is_alive)
    manager, client = start()
    pid = int(run(client, "import os\nprint(os.getpid())")[1])
    assert exists(pid)
    manager.shutdown_kernel(now=True)
    assert ended(lambda: exists(pid))
