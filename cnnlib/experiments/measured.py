"""What is measured on one machine and read on all: a JSON file that says where, when and by which command.

Most files have their module: `python -m cnnlib.experiments.step_times` measures again and writes.
"""

import json

from ..checks import one_of
from ..files import save_text
from ..records import runs
from .layer_times import one_thread


def about(command, threads=None):
    """Where, when and with what something is measured, and the command that does it.

    Args:
        command: what stands behind `python -m cnnlib.experiments.`, such as "gates cifar16-se_resnet20_r4".
        threads: 1 where the work is timed on one thread; None takes those that PyTorch uses.
    """
    if threads == 1:
        with one_thread():
            environment = runs.environment("cpu")
    else:
        environment = runs.environment("cpu")
    return {**environment, "command": f"python -m cnnlib.experiments.{command}"}


def write(file, content):
    """Write a measurement, whole or not at all."""
    save_text(file, json.dumps(content, indent=0) + "\n")


def read(file):
    """What was written; FileNotFoundError if nothing was."""
    return json.loads(file.read_text(encoding="utf-8"))


def of_network(folder, network):
    """What was written of a network, a file each.

    Raises:
        ValueError: nothing was; the networks that have a file are named.
    """
    one_of("network", network, sorted(path.stem for path in folder.glob("*.json")))
    return read(folder / f"{network}.json")
