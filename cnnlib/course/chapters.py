"""The one list of chapters, in the order of the book.

A chapter is a name here, its pages in `book/<chapter>/`, listed in `_toc.yml`, and its folder
`cnnlib/course/<chapter>/` with any of `exercises.py`, `bugs.py` (with `faulty.py` and `repaired.py`) and `claims.yml`.
All that reads the book goes through this module; nothing else has to be told of a new chapter.
"""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import yaml

from ..checks import one_of
from ..files import CHECKOUT

CHAPTERS = ("anatomy", "lenet", "alexnet", "vgg", "inception", "resnet", "densenet", "blocks", "transfer",
            "comparison")


def parts(part, chapter=None):
    """{chapter: its module `part`} of those chapters that have one, in order; or of one chapter only.

    Args:
        part: "exercises", "bugs", "faulty" or "repaired".
        chapter: one of CHAPTERS; None means all.

    Raises:
        ValueError: there is no such chapter.
    """
    names = CHAPTERS if chapter is None else (one_of("chapter", chapter, CHAPTERS),)
    modules = {name: f"{__package__}.{name}.{part}" for name in names}
    return {name: import_module(module) for name, module in modules.items() if find_spec(module)}


def ledgers():
    """Paths of the claims of all chapters, in order."""
    paths = (Path(__file__).parent / name / "claims.yml" for name in CHAPTERS)
    return [path for path in paths if path.exists()]


def notebooks(chapter=None, root=None):
    """Paths of the book's notebooks in the order of `_toc.yml`; or of one chapter.

    Args:
        root: folder of a checkout; None means the one that this package is part of, or else the working folder.

    Raises:
        FileNotFoundError: this is an installed package, and the working folder no checkout, which has the pages.
    """
    root = root or CHECKOUT or Path.cwd()
    if not (Path(root) / "_toc.yml").exists():
        raise FileNotFoundError("the chapters are not here: run this in a checkout of the book, not where only the "
                                "package cnnlib is installed.")
    paths = [Path(root) / f"{name}.ipynb" for name in documents(root)]
    return [path for path in paths if path.exists() and chapter in (None, path.parent.name)]


def documents(root):
    """The names of all pages, `book/lenet/watch`, in the order of the `_toc.yml` of a checkout."""
    return list(_files(yaml.safe_load((Path(root) / "_toc.yml").read_text(encoding="utf-8"))))


def page(path):
    """What a notebook is called: `lenet/index`."""
    return f"{Path(path).parent.name}/{Path(path).stem}"


def _files(entry):
    """The files that a part of `_toc.yml` names, in order."""
    if isinstance(entry, dict):
        yield from [entry[key] for key in ("root", "file") if key in entry]
        for key in ("parts", "chapters", "sections", "entries"):
            yield from _files(entry.get(key, ()))
    else:
        for item in entry:
            yield from _files(item)
