"""Which public names of the library a page's code calls: the pages made from it are tested in tests/site."""

import inspect
from importlib import import_module

import pytest

from cnnlib.site import reference


@pytest.mark.parametrize("code, found", [
    ("from cnnlib import create_model\ncreate_model('lenet5')", {"cnnlib.models.create_model": "create_model"}),
    ("import cnnlib\ncnnlib.create_model('lenet5')", {"cnnlib.models.create_model": "cnnlib.create_model"}),
    ("import cnnlib\nfor x in cnnlib.data.load('digits').train: pass", {"cnnlib.data.load": "cnnlib.data.load"}),
    ("from cnnlib import data as sets\nsets.load()", {"cnnlib.data.load": "sets.load"}),
    ("from cnnlib.records import runs\nruns.load('x')", {"cnnlib.records.load": "runs.load"}),
    ("from cnnlib.models import lenet\nlenet.LeNet5()", {"cnnlib.models.LeNet5": "lenet.LeNet5"}),
    ("from cnnlib import training\ntraining.fit(of())\nfrom cnnlib.anatomy import of",
     {"cnnlib.training.fit": "training.fit", "cnnlib.anatomy.of": "of"}),
    ("def f():\n    %pip install x\nfrom cnnlib import summary\nsummary(f())", {"cnnlib.anatomy.summary": "summary"}),
    ("import json\njson.load(open('x'))", {}),
    ("from cnnlib import data\nprint(data.load)", {}),
    ("from cnnlib.widgets import explore\nexplore(f)", {}),
    ("def load(): pass\nload()", {}),
])
def test_calls_are_found_however_they_are_written(code, found):
    assert reference.calls(code) == found


def test_the_calls_stand_in_the_order_of_the_code():
    code = "from cnnlib import create_model, summary\nsummary(x)\ncreate_model(summary(x))"
    assert list(reference.calls(code)) == ["cnnlib.anatomy.summary", "cnnlib.models.create_model"]


def test_hidden_code_is_no_use(tmp_path):
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    code = "from cnnlib import create_model\ncreate_model('lenet5')"
    for tags, count in ([], 1), (["remove-cell"], 0), (["hide-input"], 1):
        nbformat.write(new_notebook(cells=[new_code_cell(code, metadata={"tags": tags})]), tmp_path / f"{count}{tags}")
        assert len(reference.on_page(tmp_path / f"{count}{tags}")) == count


@pytest.mark.parametrize("package", reference.PACKAGES)
def test_every_public_function_and_class_has_a_docstring(package):
    module = import_module(f"cnnlib.{package}")
    public = {name: getattr(module, name) for name in module.__all__}
    assert [name for name, value in public.items() if (inspect.isclass(value) or inspect.isfunction(value))
            and not (value.__dict__.get("__doc__") or value.__doc__)] == []
