"""Kernels that start at once: pytest -p tests.kernels --nbval-kernel-name copy --nbval book

A kernel of its own imports for three seconds before its first cell, for each of eighty notebooks. Here one process
imports PyTorch and the like once, and every kernel is a copy (fork) of it: a process of its own, with nothing in its
namespace. The library itself is imported by the notebook, so that an import that is missing is missed. On other systems
than Linux a copy of a process that has loaded so much is not safe: there `copy` is an ordinary kernel.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

# Not matplotlib's backend of notebooks: it looks for its kernel when it is imported.
IMPORTED = ("IPython", "anywidget", "ipykernel.kernelapp", "ipywidgets", "matplotlib.pyplot", "numpy", "PIL.Image",
            "scipy.stats", "torch", "torchvision")


def pytest_configure(config):
    """Offer the kernel `copy` to this pytest and its workers."""
    if hasattr(config, "workerinput"):
        return
    folder = tempfile.TemporaryDirectory(prefix="kernels-")
    config.add_cleanup(folder.cleanup)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    if sys.platform == "linux":
        address = str(Path(folder.name, "socket"))
        command = [sys.executable, "-S", __file__, "ask", address, "{connection_file}"]
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(address)
            listener.listen()
            number = listener.fileno()
            server = subprocess.Popen([sys.executable, "-P", __file__, "serve", str(number)], pass_fds=[number],
                                      stdin=subprocess.PIPE)
        config.add_cleanup(server.communicate)
    spec = Path(folder.name, "kernels", "copy", "kernel.json")
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps({"argv": command, "display_name": "copy", "language": "python"}), encoding="utf-8")
    os.environ["JUPYTER_PATH"] = folder.name


def ask(address, connection_file):
    """Stand for a kernel: ask for a copy, pass on interrupts, and end when it ends; it ends when this ends."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
        line.connect(address)
        message = json.dumps({"folder": os.getcwd(), "variables": dict(os.environ), "connection_file": connection_file})
        socket.send_fds(line, [message.encode()], [0, 1, 2])
        signal.signal(signal.SIGINT, lambda *_: line.send(b"interrupt"))
        line.recv(1)


def serve(number):
    """Import once, then answer whoever asks at the socket of this number with a copy, until standard input ends."""
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"      # as ipykernel sets it
    os.environ["JPY_PARENT_PID"] = "1"                                          # no parent to look after
    with socket.socket(fileno=int(number)) as listener:
        for name in IMPORTED:
            __import__(name)
        import_for_shapes()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)                           # nobody waits for a copy
        while listener in select.select([listener, sys.stdin], [], [])[0]:
            line, _ = listener.accept()
            message, streams, *_ = socket.recv_fds(line, 1 << 20, 3)
            if os.fork() == 0:
                listener.close()
                become_kernel(line, streams, **json.loads(message))
            line.close()
            for stream in streams:
                os.close(stream)


def import_for_shapes():
    """PyTorch imports a second's worth more when a layer first runs on the meta device."""
    import torch

    with torch.device("meta"), torch.no_grad():
        torch.nn.Conv2d(1, 1, 1)(torch.empty(1, 1, 1, 1)).relu()


def become_kernel(line, streams, folder, variables, connection_file):
    """Be a kernel, and end with it."""
    from ipykernel.kernelapp import IPKernelApp

    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    threading.Thread(target=obey, args=[line], daemon=True).start()
    sys.argv[1:] = ["-f", connection_file]
    IPKernelApp.launch_instance()
    os._exit(0)


def obey(line):
    while line.recv(16):
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(1)


if __name__ == "__main__":
    {"ask": ask, "serve": serve}[sys.argv[1]](*sys.argv[2:])
