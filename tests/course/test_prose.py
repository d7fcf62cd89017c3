"""Glue: what a cell hands to the text is what MyST-NB finds there, and what a reader of the notebook sees."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from cnnlib.course.prose import glue
from tools import notebooks

# what reads it on a page; a reader of the notebooks need not have it
variables = pytest.importorskip("myst_nb.core.variables")
myst_glue = pytest.importorskip("myst_nb.ext.glue")

GLUED = {"error": "0.96%", "total": "60,000", "name": "it's", "seconds": "1.50"}
SAID = {**GLUED, "error": "0.96\N{NO-BREAK SPACE}%"}


@pytest.fixture(scope="session")
def ran(tmp_path_factory):
    """A notebook that glues and shows, executed and stripped as those of the book."""
    shown = " ".join(f"{{glue:text}}`{name}`" for name in GLUED)
    nb = new_notebook(cells=[new_markdown_cell(f"# Title\n\n{shown}", id="title"),
                             new_code_cell(f"from cnnlib.course.prose import glue\n\nglue(**{GLUED!r})", id="numbers")])
    notebooks.stamp(nb, "")
    notebooks.execute(nb, tmp_path_factory.mktemp("prose"))
    notebooks.strip(nb)
    return nb


def test_the_text_gets_every_value_as_it_is_to_be_read(ran):
    found = dict(myst_glue.extract_glue_data_cell(nbformat.from_dict(ran.cells[2])))
    texts = {name: output["data"]["text/plain"] for name, output in found.items()}
    assert {name: variables.format_plain_text(text, "") for name, text in texts.items()} == SAID


def test_a_notebook_shows_names_and_values_and_passes_the_check(ran):
    seen = [output for output in ran.cells[2].outputs if "scrapbook" not in output.get("metadata", {})]
    assert [output.text for output in seen] == ["".join(f"{name}: {value}\n" for name, value in SAID.items())]
    assert all(kind.startswith("application/papermill.record/") for output in ran.cells[2].outputs
               for kind in output.get("data", {}))             # kinds that JupyterLab and Colab leave out
    assert notebooks.check(ran) == []


def test_numbers_must_be_written_as_they_are_to_be_read(capsys):
    with pytest.raises(ValueError, match='error is 0.96, allowed: text, .* f"{error:.1%}"'):
        glue(total="1", error=0.96)
    assert capsys.readouterr().out == ""
