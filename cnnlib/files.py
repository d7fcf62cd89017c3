"""Where the book's own data lie, and files that are there whole or not at all."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

# Recorded runs and small weights: in a checkout they lie in `data/`, in an installed package in `cnnlib/_data/`.
PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parent if (PACKAGE.parent / "data" / "runs").is_dir() else None
DATA = CHECKOUT / "data" if CHECKOUT else PACKAGE / "_data"


@contextmanager
def whole(path):
    """A scratch file beside `path`: it takes the place of `path` when the block ends well and vanishes when not.

    Killed at any moment, a process leaves the old file or the new one. Several may write at once: the last one wins.
    Missing folders are made.

    Raises:
        OSError: the folder cannot be written to, or the disk is full; a file that was there stays as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    opened, scratch = tempfile.mkstemp(".partial", f"{path.name}.", path.parent)
    os.close(opened)
    scratch = Path(scratch)
    try:
        yield scratch
        with scratch.open("r+b") as file:
            os.fsync(file.fileno())         # the name must not reach the disk before the content; Windows asks to write
        scratch.chmod(0o644)
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def save_text(path, text):
    """Write a text as UTF-8, whole or not at all; return the path."""
    with whole(path) as scratch:
        scratch.write_text(text, encoding="utf-8")
    return path


def save_tensors(path, tensors, metadata):
    """Write tensors and a dict of texts as safetensors, whole or not at all (OSError)."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with whole(path) as scratch:
        try:
            save_file(tensors, scratch, metadata)
        except SafetensorError as error:        # how it reports that the disk is full
            raise OSError(str(error)) from error
