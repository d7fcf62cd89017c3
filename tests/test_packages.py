"""What the code takes of other packages: public names alone, and each package declared, everywhere with the same bound.

A private name may be gone in the next version, and a package that nobody declared is missing on another machine.
"""

import ast
import functools
import json
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import cnnlib

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = Path(cnnlib.__file__).parent
OWN = {"cnnlib", "tests", "tools"}

# Documented by PyTorch in spite of its name: the one way to see every operation.
ALLOWED = {"torch.utils._python_dispatch"}

# Declared and not imported, because...
WHEEL_WITHOUT_IMPORT = {"ipywidgets"}               # anywidget answers the kernel through it
REPOSITORY_WITHOUT_IMPORT = {
    "ipywidgets", "jupyterlab", "notebook",                         # the notebooks run on them
    "jupyter-book", "sphinxcontrib-bibtex", "ghp-import",       # `make book` and `make publish` call them
    "pytest-xdist", "pytest-random-order", "ruff",              # and `make test` these
}


@functools.cache
def programs():
    """Every file with code of the repository, and its syntax tree."""
    files = [path for folder in (LIBRARY, ROOT / "tests", ROOT / "tools") for path in folder.rglob("*.py")]
    notebooks = [path for path in (ROOT / "book").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts]
    return [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in files] + \
        [(path, ast.parse(notebook_code(json.loads(path.read_text(encoding="utf-8"))))) for path in notebooks]


def notebook_code(notebook):
    """The cells of a notebook as one program. IPython's `%pip` is no Python."""
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return re.sub(r"^(\s*)%pip .*", r"\1pass", "\n".join(cells), flags=re.M)


def imports(tree):
    """(the name that an import binds, the full name behind it) of everything that a program imports from elsewhere."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.split(".")[0], alias.name if alias.asname else alias.name.split(".")[0]
                yield "", alias.name
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def is_third_party(name):
    top = name.split(".")[0]
    return top not in OWN and top not in sys.stdlib_module_names


def private_names(tree):
    """Names of other packages that begin with one underscore, written out: torch._C, torch.nn.Module._call_impl."""
    bound = {short: full for short, full in imports(tree) if is_third_party(full)}
    found = {full for _, full in imports(tree) if is_third_party(full)}
    for node in ast.walk(tree):
        names = []
        while isinstance(node, ast.Attribute):
            names.append(node.attr)
            node = node.value
        if names and isinstance(node, ast.Name) and node.id in bound:
            found.add(".".join([bound[node.id], *reversed(names)]))
    return {name for name in found if re.search(r"\._(?!_)", name)
            and not any(f"{name}.".startswith(f"{allowed}.") for allowed in ALLOWED)}


def test_no_private_names_of_other_packages():
    found = {str(path): names for path, tree in programs() if (names := private_names(tree))}
    assert not found


@pytest.mark.parametrize("code, found", [
    ("import torch\ntorch._C._autograd", {"torch._C", "torch._C._autograd"}),
    ("import torch._dynamo", {"torch._dynamo"}),
    ("import torch._dynamo as d", {"torch._dynamo"}),
    ("from torch import _dynamo as d\nd.reset()", {"torch._dynamo", "torch._dynamo.reset"}),
    ("from torch.nn import functional as F\nF._pad(1)", {"torch.nn.functional._pad"}),
    ("from IPython.core._ui import x", {"IPython.core._ui.x"}),
    ("def f():\n    import torch\n    return torch.Tensor._make_subclass", {"torch.Tensor._make_subclass"}),
    ("import torch\ntorch.__version__", set()),
    ("from torch.utils._python_dispatch import TorchDispatchMode", set()),
    ("from cnnlib.anatomy.report import _by\nfrom . import _x\nself._x", set()),
])
def test_private_names_are_found(code, found):
    assert private_names(ast.parse(code)) == found


# ---- declarations ----

def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


@functools.cache
def distributions():
    """{imported name: the packages that bring it, as pip knows them}: PIL -> pillow."""
    return {top: sorted(map(canonical, names)) for top, names in packages_distributions().items()}


def requirements(lines):
    """{package: what is said of its version} of lines such as `torch>=2.8`."""
    return {canonical(name): bound for name, bound in
            (re.fullmatch(r"([\w.-]+)(.*)", line).groups() for line in lines)}


def repository_requirements():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return requirements(line for line in lines if line and line[0] not in "#-")


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def imported(where=lambda path: True):
    """{package: files that import it} of the programs in a place."""
    found = {}
    for path, tree in programs():
        for top in {full.split(".")[0] for _, full in imports(tree) if is_third_party(full)} if where(path) else ():
            found.setdefault(distributions().get(top, [top])[0], []).append(path)
    return found


def test_the_wheel_declares_what_the_library_and_the_notebooks_import():
    """On Colab a notebook has what comes with the wheel. What only one package needs, and no notebook, is an extra."""
    files = imported(lambda path: path.is_relative_to(LIBRARY) or path.suffix == ".ipynb")
    extras = {name: requirements(lines) for name, lines in project()["optional-dependencies"].items()}
    alone = {package for lines in extras.values() for package in lines}
    assert set(files) - alone == set(requirements(project()["dependencies"])) - WHEEL_WITHOUT_IMPORT
    assert alone <= set(files)
    for packages in extras.values():
        assert len({path.relative_to(LIBRARY).parts[0] for package in packages for path in files[package]}) == 1


def test_requirements_are_what_the_repository_imports():
    assert set(imported()) | REPOSITORY_WITHOUT_IMPORT == set(repository_requirements())
    assert not set(imported()) & REPOSITORY_WITHOUT_IMPORT


def test_both_lists_say_the_same_of_a_package():
    listed, extras = repository_requirements(), project()["optional-dependencies"].values()
    for package, bound in requirements([*project()["dependencies"], *(line for x in extras for line in x)]).items():
        assert listed[package] == bound, package
    assert all(re.match(r">=\d", bound) for bound in listed.values()), "each has a lowest version, which is tested"
