"""The small library stands alone: imports point one way, and what is not needed is not loaded."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import cnnlib

ROOT = Path(cnnlib.__file__).parent
LIBRARY = ("models", "anatomy", "data", "training", "records")
BASE = {"checks", "files", "caching", "randomness"}
SITE_TOOLS = {"IPython", "ipywidgets", "anywidget", "traitlets", "nbformat", "nbclient", "sphinx", "docutils",
              "latex2mathml"}


def imports(package):
    """(file, the parts of the name, whether it stands within a function) of every import in a package of cnnlib."""
    for path in sorted((ROOT / package).rglob("*.py")):
        tree, place = ast.parse(path.read_text()), ("cnnlib", *path.relative_to(ROOT).parent.parts)
        within = {id(node) for function in ast.walk(tree) if isinstance(function, ast.FunctionDef)
                  for node in ast.walk(function)}
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
            if isinstance(node, ast.ImportFrom):
                above = ".".join(place[:len(place) - node.level + 1]) if node.level else ""
                module = ".".join(filter(None, (above, node.module)))
                names = [f"{module}.{name}" for name in names] if module == "cnnlib" else [module]
            yield from ((path, tuple(name.split(".")), id(node) in within) for name in names)


def used(package):
    """The packages and modules of cnnlib that a package imports, itself left out."""
    return {name[1] for _, name, _ in imports(package) if name[0] == "cnnlib" and len(name) > 1} - {package}


@pytest.mark.parametrize("package", LIBRARY)
def test_the_library_imports_nothing_of_what_stands_on_it(package):
    assert used(package) <= {*LIBRARY, *BASE, "__version__"}


def test_models_import_torch_only():
    outside = {name[0] for _, name, _ in imports("models")} - set(sys.stdlib_module_names)
    assert outside == {"torch", "cnnlib"} and used("models") <= BASE


def test_only_widgets_and_site_import_jupyter_and_sphinx():
    for package in {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"widgets", "site"}:
        found = {(path.name, name[0]) for path, name, within in imports(package)
                 if name[0] in SITE_TOOLS and not (package == "course" and within)}
        assert not found, package


def test_packages_of_the_library_have_no_cycle():
    needs = {package: used(package) & set(LIBRARY) for package in LIBRARY}
    while free := [package for package in needs if not needs[package]]:
        for package in free:
            del needs[package]
        needs = {package: others - set(free) for package, others in needs.items()}
    assert not needs


@pytest.mark.parametrize("work", ["", "from cnnlib.course.exercises import check; check('vgg/stack', (5, 45, 121))"])
def test_import_loads_what_torch_loads_and_little_more(work):
    """Nor does a check, before which all exercises are loaded: a reader waits for it, and every submission."""
    heavy = ("matplotlib", "sklearn", "scipy", "ipywidgets", "IPython", "torchvision", "pandas")
    code = f"import cnnlib, sys; {work}\nprint([name for name in {heavy} if name in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.splitlines()[-1] == "[]"


def test_the_library_is_small():
    lines = {package: sum(len(path.read_text().splitlines()) for path in (ROOT / package).rglob("*.py"))
             for package in LIBRARY}
    print(lines, sum(lines.values()))
    assert sum(lines.values()) < 7350
