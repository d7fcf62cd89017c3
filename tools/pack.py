"""Pack the book for a class without network: built pages, notebooks and the wheel of cnnlib, in one archive in dist/.

    python tools/pack.py        after `make book`
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from cnnlib import __version__  # noqa: E402
from cnnlib.course import chapters  # noqa: E402
from cnnlib.site.links import broken  # noqa: E402

README = """Convolutional networks, block by block: the book, for a class without network

Read:     open pages/index.html in a browser. Nothing has to be installed; no page asks for a network.
Run:      a computer with Python 3.11 or newer, torch, torchvision and JupyterLab (install these where there is a
          network). Then, in this folder:
              python -m pip install --no-deps wheel/{wheel}
              jupyter lab notebooks
          What else the library uses is on its list: python -m pip show cnnlib. Digits to train on, recorded runs and
          small trained weights come with the wheel.
Licences: LICENSE. Code MIT, text and figures CC BY 4.0: copy, cut, translate. To cite it: CITATION.cff.
"""


def wheel(folder):
    """Build the wheel of cnnlib into a folder; returns its path."""
    made = subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps",
                           "--wheel-dir", str(folder), str(ROOT)], capture_output=True, text=True, encoding="utf-8")
    if made.returncode:
        raise ValueError(f"the wheel cannot be built: {made.stderr.strip()}")
    return next(Path(folder).glob("*.whl"))


def contents(site, wheel):
    """{name in the archive: file}."""
    files = {f"pages/{path.relative_to(site).as_posix()}": path for path in site.rglob("*") if path.is_file()}
    files |= {f"notebooks/{path.relative_to(ROOT / 'book').as_posix()}": path for path in chapters.notebooks(root=ROOT)}
    return files | {f"wheel/{wheel.name}": wheel, "LICENSE": ROOT / "LICENSE", "CITATION.cff": ROOT / "CITATION.cff"}


def pack(site, archive, wheel):
    """Write the archive; ValueError if the pages are not built or not whole."""
    if not (site / "index.html").is_file():
        raise ValueError(f"the book is not built ({site} has no index.html): run `make book` first.")
    if problems := broken(site):
        raise ValueError("pages may not be handed out so:\n" + "\n".join(problems))
    archive.parent.mkdir(parents=True, exist_ok=True)
    top, files = archive.stem, sorted(contents(site, wheel).items())
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(f"{top}/README.txt", README.format(wheel=wheel.name))
        for name, path in files:
            packed.write(path, f"{top}/{name}")


def main():
    archive = ROOT / "dist" / f"cnn-book-{__version__}.zip"
    try:
        with tempfile.TemporaryDirectory() as folder:
            pack(ROOT / "_build" / "html", archive, wheel(folder))
    except ValueError as error:
        sys.exit(f"pack.py: {error}")
    print(f"{archive.stat().st_size / 1e6:.0f} MB: {archive}")


if __name__ == "__main__":
    main()
