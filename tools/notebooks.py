"""Keep the book's notebooks executed, clean and pointing at the book's address.

    python tools/notebooks.py execute [NOTEBOOK ...]   run in order, write results, then strip
    python tools/notebooks.py strip   [NOTEBOOK ...]   drop widget state, keep results and cell ids
    python tools/notebooks.py check   [NOTEBOOK ...]   say what is wrong; exit 1 if anything is
    python tools/notebooks.py stamp   [URL]            write the address into every first cell (URL: set it, too)

Without names all notebooks of the book are meant. Notebooks are committed executed, and the pages are built from
what is stored in them; `check` therefore looks for all that nbval would let pass.
"""

import argparse
import json
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from cnnlib.course import chapters, reading  # noqa: E402
from cnnlib.site.address import configured_url, github_origin, https_url, repository_url  # noqa: E402

CELL_TIMEOUT = 400                       # seconds; the same limit as nbval's in the Makefile
LARGEST = 1_500_000                      # bytes
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {"name": "python", "pygments_lexer": "ipython3"}
RAN = ("executed", "seconds", "python", "torch", "device")
# The folders in which people keep their files; a looser pattern would find paths in the base64 of weights.
LOCAL_PATH = re.compile(r"(?<![\w.:/<~-])(?:/(?:home|Users|root|tmp|work|mnt|media|opt|srv|var|content)/[\w./-]+"
                        r"|[A-Z]:\\\\?Users\\)")

COLAB_ID = "colab"
COLAB_SOURCE = '''\
# Google Colab only: install this book's library. Everywhere else this cell does nothing.
# A widget in a notebook that you open again needs its kernel: run all cells.
import sys

REPOSITORY = "@URL@"
if "google.colab" in sys.modules:
    if not REPOSITORY:
        raise RuntimeError("This copy of the book has no public address to install cnnlib from: "
                           "set `repository: url:` in _config.yml, then run `make stamp`.")
    %pip install -q "cnnlib @ git+{REPOSITORY}"
'''


def colab_cell(url):
    """Source of the first cell of every notebook for the book's address `url` ("" if it has none)."""
    return COLAB_SOURCE.replace("@URL@", url).rstrip("\n")


def stamp(nb, url):
    """Write the address into the notebook's first cell; insert that cell if there is none yet."""
    if not nb.cells or nb.cells[0].get("id") != COLAB_ID:
        nb.cells.insert(0, nbformat.v4.new_code_cell(id=COLAB_ID))
    nb.cells[0].source = colab_cell(url)
    nb.cells[0].metadata = nbformat.from_dict({"tags": ["remove-cell"]})     # runs, but is not on the page


def stamped_url(nb):
    """The address in the notebook's first cell; None if that cell is missing or was changed by hand."""
    if not nb.cells or nb.cells[0].cell_type != "code" or nb.cells[0].get("id") != COLAB_ID:
        return None
    cell = nb.cells[0]
    found = re.search(r'^REPOSITORY = "(.*)"$', cell.source, re.M)
    untouched = found and cell.source == colab_cell(found[1]) and "remove-cell" in cell.metadata.get("tags", [])
    return found[1] if untouched else None


def set_address(config, url):
    """Write `url` into the `repository:` block of `_config.yml` at path `config`, leaving all else as it is."""
    text = config.read_text(encoding="utf-8")
    new, found = re.subn(r"^(repository:\n(?:[ #].*\n)*?  url: ).*$", rf'\g<1>"{https_url(url)}"', text,
                         count=1, flags=re.M)
    if not found:
        raise ValueError(f"{config.name} has no `url:` under `repository:`")
    config.write_text(new, encoding="utf-8")


def execute(nb, folder):
    """Run all cells of `nb` in order in a fresh kernel, working in `folder`; note when, how long and on what."""
    import torch
    from nbclient import NotebookClient

    from cnnlib.site.status import device

    start = time.perf_counter()
    NotebookClient(nb, timeout=CELL_TIMEOUT, kernel_name="python3", store_widget_state=False, record_timing=False,
                   coalesce_streams=True,       # what a busy machine printed in pieces is one output
                   resources={"metadata": {"path": str(folder)}}).execute()
    nb.metadata["cnnlib"] = {
        "executed": datetime.now(UTC).strftime("%Y-%m-%d"),
        "seconds": round(time.perf_counter() - start, 1),
        "python": ".".join(map(str, sys.version_info[:3])),
        "torch": torch.__version__,
        "device": device(),
    }


def strip(nb):
    """Drop saved widget state and live views (their HTML stays) and whatever differs from machine to machine.

    Raises ValueError for a plain ipywidget: on a page it would look alive and never answer.
    """
    nb.metadata = nbformat.from_dict({"cnnlib": nb.metadata.get("cnnlib", {}),
                                      "kernelspec": KERNEL, "language_info": LANGUAGE})
    for number, cell in enumerate(nb.cells, 1):
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if WIDGET_VIEW in data and "text/html" not in data:
                raise ValueError(f"cell {number} shows a plain ipywidget; chapters show cnnlib.widgets only")
            data.pop(WIDGET_VIEW, None)
        if cell.cell_type == "code":
            cell.metadata.pop("execution", None)


def check(nb, size=0):
    """List of what is wrong with a notebook, [] if it may be committed. `size` is that of its file in bytes."""
    problems = []

    def wrong(cell, text):
        problems.append(f"cell {nb.cells.index(cell) + 1} ({cell.get('id', 'no id')}): {text}")

    if size > LARGEST:
        problems.append(f"{size:,} bytes; the limit is {LARGEST:,}")
    if "widgets" in nb.metadata:
        problems.append("holds saved widget state (metadata.widgets)")
    if missing := [key for key in RAN if key not in nb.metadata.get("cnnlib", {})]:
        problems.append(f"does not say how it was executed ({', '.join(missing)} missing): run `make notebooks`")
    if stamped_url(nb) is None:
        problems.append("the first cell is not the Colab cell: run `make stamp`")

    ids = [cell.get("id", "") for cell in nb.cells]
    if len(set(ids)) < len(ids):
        problems.append("cell ids are missing or used twice")
    positions = {str(number) for number in range(len(ids) + 1)}     # a random id may be all digits, but has eight
    if positions & set(ids):
        problems.append("cell ids are positions: they were renumbered and will not stay with their cells")

    code = [cell for cell in nb.cells if cell.cell_type == "code" and cell.source.strip()]
    for expected, cell in enumerate(code, 1):
        if cell.execution_count is None:
            wrong(cell, "was not executed")
        elif cell.execution_count != expected:
            wrong(cell, f"was executed as number {cell.execution_count}, not {expected}: run all in order")
    for cell in nb.cells:
        for output in cell.get("outputs", []):
            check_output(cell, output, wrong)
        if LOCAL_PATH.search(cell.source):
            wrong(cell, f"names a local path: {LOCAL_PATH.search(cell.source)[0]}")
    check_glue(nb, wrong)
    return problems


def check_glue(nb, wrong):
    """Report names in the text that no cell has glued, and glued values that no text shows."""
    shown = {name: cell for cell in nb.cells if cell.cell_type == "markdown"
             for name in reading.GLUED.findall(cell.source)}
    glued = {output.metadata["scrapbook"]["name"]: cell for cell in nb.cells for output in cell.get("outputs", [])
             if "scrapbook" in output.get("metadata", {})}
    for name in shown.keys() - glued.keys():
        wrong(shown[name], f"shows {name!r}, which no cell glues")
    for name in glued.keys() - shown.keys():
        wrong(glued[name], f"glues {name!r}, which no text shows")


def check_output(cell, output, wrong):
    """Report through `wrong(cell, text)` what a stored output must not be."""
    if output.output_type == "error" and "raises-exception" not in cell.metadata.get("tags", []):
        wrong(cell, f"stores the error {output.ename}: {output.evalue}")
    data = output.get("data", {})
    if WIDGET_VIEW in data:
        wrong(cell, "stores a live widget view")
    if any(kind.startswith("image/") for kind in data):
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if not alt.strip() or re.search(r"\.(png|svg|jpe?g)$", alt):
            wrong(cell, "shows an image without a text in metadata mystnb.image.alt")
    text = output.get("text", "") + json.dumps({kind: value for kind, value in data.items()
                                                if not kind.startswith("image/")}, ensure_ascii=False)
    if found := LOCAL_PATH.search(text.replace("<\\\\/", "</")):
        wrong(cell, f"names a local path: {found[0]}")


def check_addresses(stamped, root=ROOT):
    """Problems with the addresses in the first cells: {notebook name: address}."""
    setting, origin = configured_url(root), github_origin(root)
    if setting:
        return [f"{name}: stamped with {url or 'no address'!r}, but _config.yml says {setting!r}: run `make stamp`"
                for name, url in stamped.items() if url != setting]
    if len(set(stamped.values())) > 1:
        return [f"notebooks are stamped with different addresses {sorted(set(stamped.values()))}: run `make stamp`"]
    if origin and set(stamped.values()) - {origin}:
        print(f"note: the notebooks do not install cnnlib from origin, {origin}; `make stamp` makes them")
    return []


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["execute", "strip", "check", "stamp"])
    parser.add_argument("names", nargs="*", metavar="NOTEBOOK | URL")
    args = parser.parse_args(argv)

    try:
        problems = work(args)
    except (OSError, ValueError) as error:          # a mistyped name or address, a file that is no notebook
        parser.exit(2, f"notebooks.py: {error}\n")
    sys.exit(bool(problems))


def work(args):
    """Do what the command line asks for; the problems that `check` found, which it has printed."""
    if args.command == "stamp":
        for url in args.names[:1]:
            set_address(ROOT / "_config.yml", url)
        url = repository_url(ROOT)
        paths = chapters.notebooks(root=ROOT)
        print(f"first cells install cnnlib from {url}" if url else "no address is set; on Colab first cells say so")
    else:
        paths = [Path(name) for name in args.names] or chapters.notebooks(root=ROOT)
    if not paths:
        raise FileNotFoundError("no notebooks found in book/")
    if missing := [str(path) for path in paths if not path.is_file()]:
        raise FileNotFoundError(f"no such notebook: {', '.join(missing)}")

    problems, stamped = [], {}
    for path in paths:
        nb = nbformat.read(path, as_version=4)
        if args.command == "check":
            problems += [f"{chapters.page(path)}: {problem}" for problem in check(nb, path.stat().st_size)]
            stamped[chapters.page(path)] = stamped_url(nb)
            continue
        print(f"{args.command} {chapters.page(path)}", flush=True)
        if args.command == "stamp":
            stamp(nb, url)
        if args.command == "execute":
            execute(nb, path.parent)
        if args.command in ("execute", "strip"):
            strip(nb)
        nbformat.write(nb, path)
    if args.command == "check":
        problems += check_addresses({name: url for name, url in stamped.items() if url is not None})
        print(*problems or [f"{len(paths)} notebooks: executed in order, clean, stamped"], sep="\n")
    return problems


if __name__ == "__main__":
    main()
