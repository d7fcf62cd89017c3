"""What `tools/notebooks.py check` must find, each failure in a notebook of its own; strip, stamp and execute."""

import copy

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import notebooks

URL = "https://github.com/someone/somebook"


@pytest.fixture
def good():
    """A notebook that may be committed."""
    nb = new_notebook(cells=[
        new_markdown_cell("# Title", id="title"),
        new_code_cell("1 + 1", id="sum", execution_count=2,
                      outputs=[new_output("execute_result", {"text/plain": "2"}, execution_count=2)]),
        new_code_cell("plot()", id="plot", execution_count=3, metadata={"mystnb": {"image": {"alt": "a rising line"}}},
                      outputs=[new_output("display_data", {"image/png": "AAAA", "text/plain": "<Figure>"})]),
    ])
    nb.metadata["cnnlib"] = dict(executed="2026-01-01", seconds=1.0, python="3.12", torch="2.9", device="CPU")
    notebooks.stamp(nb, "")
    nb.cells[0].execution_count = 1
    return nb


def test_a_good_notebook_passes(good):
    assert notebooks.check(good) == []


def forget_execution(nb):
    nb.cells[2].execution_count = None


def swap_order(nb):
    nb.cells[2].execution_count, nb.cells[3].execution_count = 3, 2


def start_late(nb):
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.execution_count += 4


def clear_all(nb):
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.execution_count, cell.outputs = None, []


def store_error(nb):
    nb.cells[2].outputs = [new_output("error", ename="ValueError", evalue="no", traceback=[])]


def save_widget_state(nb):
    nb.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {}}


def show_live_view(nb):
    nb.cells[2].outputs[0].data[notebooks.WIDGET_VIEW] = {"model_id": "1"}


def repeat_id(nb):
    nb.cells[3].id = nb.cells[2].id


def lose_id(nb):
    del nb.cells[3]["id"]
    del nb.cells[2]["id"]


def number_ids(nb):
    for number, cell in enumerate(nb.cells):
        cell.id = str(number)
    nb.cells[0].id = notebooks.COLAB_ID


def number_ids_from_one(nb):
    for number, cell in enumerate(nb.cells[1:], 1):
        cell.id = str(number)


def number_the_last(nb):
    nb.cells[-1].id = str(len(nb.cells))


def forget_alt(nb):
    nb.cells[3].metadata = {}


def file_name_as_alt(nb):
    nb.cells[3].metadata["mystnb"]["image"]["alt"] = "figure1.png"


def drop_colab_cell(nb):
    del nb.cells[0]
    nb.cells[1].execution_count, nb.cells[2].execution_count = 1, 2


def edit_colab_cell(nb):
    nb.cells[0].source += "\nprint('hello')"


def show_colab_cell(nb):
    nb.cells[0].metadata = {}


def path_in_output(nb):
    nb.cells[2].outputs = [new_output("stream", text="saved to " + "/" + "home/me/book/data/x.pt\n")]


def path_in_source(nb):
    nb.cells[2].source = "load('" + "/" + "mnt/disk/mnist')"


def forget_provenance(nb):
    del nb.metadata["cnnlib"]["device"]


def glue_nothing(nb):
    nb.cells[1].source += "\n\nThe sum is {glue:text}`sum`."


def show_nothing(nb):
    nb.cells[2].outputs = [new_output("display_data", {"application/papermill.record/text/plain": "'2'"},
                                      metadata={"scrapbook": {"name": "two", "mime_prefix": "x/"}})]


@pytest.mark.parametrize("spoil, complaint", [
    (glue_nothing, "cell 2 (title): shows 'sum', which no cell glues"),
    (show_nothing, "cell 3 (sum): glues 'two', which no text shows"),
    (forget_execution, "cell 3 (sum): was not executed"),
    (swap_order, "executed as number 3, not 2"),
    (start_late, "executed as number 5, not 1"),
    (clear_all, "was not executed"),
    (store_error, "stores the error ValueError: no"),
    (save_widget_state, "saved widget state"),
    (show_live_view, "live widget view"),
    (repeat_id, "used twice"),
    (lose_id, "ids are missing"),
    (number_ids, "were renumbered"),
    (number_ids_from_one, "were renumbered"),
    (number_the_last, "were renumbered"),
    (forget_alt, "image without a text"),
    (file_name_as_alt, "image without a text"),
    (drop_colab_cell, "not the Colab cell"),
    (edit_colab_cell, "not the Colab cell"),
    (show_colab_cell, "not the Colab cell"),
    (path_in_output, "local path: " + "/" + "home/me"),
    (path_in_source, "local path: " + "/" + "mnt/disk"),
    (forget_provenance, "how it was executed (device missing)"),
])
def test_check_finds(good, spoil, complaint):
    spoil(good)
    assert any(complaint in problem for problem in notebooks.check(good)), notebooks.check(good)


@pytest.mark.parametrize("ids", [["12345678", "12345679", "12345680"], ["00000001", "00000002", "00000003"],
                                 ["1e5", "0x1", "2nd"]])
def test_ids_of_digits_are_no_positions(good, ids):
    """What nbformat draws is eight hexadecimal digits, of which one in 43 has no letter."""
    for cell, id in zip(good.cells[1:], ids, strict=True):
        cell.id = id
    assert notebooks.check(good) == []


def test_check_finds_a_notebook_that_is_too_large(good):
    assert "limit" in notebooks.check(good, size=notebooks.LARGEST + 1)[0]


def test_addresses_and_fractions_are_no_local_paths(good):
    good.cells[2].source = "# https://example.org/a/b/c, 1/255, N/C/H/W, <p>a</p></td></tr>, book/data/runs/x.json"
    good.cells[2].outputs[0].data["text/html"] = "<table><tr><td>x</td></tr></table> see data/runs/a/b.json"
    assert notebooks.check(good) == []


def test_a_raising_cell_may_store_its_error_if_it_says_so(good):
    store_error(good)
    good.cells[2].metadata["tags"] = ["raises-exception"]
    assert notebooks.check(good) == []


def test_strip_mends_widget_state_and_keeps_ids_and_results(good):
    ids, results = [cell.id for cell in good.cells], copy.deepcopy(good.cells[2].outputs)
    good.cells[2].outputs[0].data["text/html"] = "<p>widget</p>"
    results[0].data["text/html"] = "<p>widget</p>"
    show_live_view(good)
    save_widget_state(good)
    good.cells[2].metadata["execution"] = {"iopub.execute_input": "now"}
    good.metadata["language_info"] = {"name": "python", "version": "3.99"}
    notebooks.strip(good)
    assert notebooks.check(good) == []
    assert [cell.id for cell in good.cells] == ids
    assert good.cells[2].outputs == results
    assert "execution" not in good.cells[2].metadata
    assert "version" not in good.metadata["language_info"]


def test_strip_refuses_a_plain_ipywidget(good):
    show_live_view(good)
    with pytest.raises(ValueError, match="cell 3 shows a plain ipywidget"):
        notebooks.strip(good)


@pytest.mark.parametrize("url", ["", URL])
def test_stamp_is_the_same_when_repeated_and_read_back(good, url):
    before = len(good.cells)
    notebooks.stamp(good, URL)
    notebooks.stamp(good, url)
    once = copy.deepcopy(good)
    notebooks.stamp(good, url)
    assert good == once and len(good.cells) == before
    assert notebooks.stamped_url(good) == url
    assert good.cells[0].execution_count == 1


def test_stamp_inserts_the_cell_that_is_not_there():
    nb = new_notebook(cells=[new_markdown_cell("# Title")])
    notebooks.stamp(nb, URL)
    assert notebooks.stamped_url(nb) == URL and nb.cells[1].source == "# Title"


@pytest.fixture
def book(tmp_path):
    (tmp_path / "_config.yml").write_text('# top\nrepository:\n  # why\n  url: ""\n  branch: main\ntitle: x\nurl: no\n')
    return tmp_path


def test_set_address_writes_one_line(book):
    before = (book / "_config.yml").read_text()
    notebooks.set_address(book / "_config.yml", URL + "/")
    assert (book / "_config.yml").read_text() == before.replace('url: ""', f'url: "{URL}"')


@pytest.mark.parametrize("setting, stamped, problems", [
    ("", {"a": "", "b": ""}, 0),
    ("", {"a": URL, "b": URL}, 0),
    ("", {"a": URL, "b": ""}, 1),
    (URL, {"a": URL, "b": URL}, 0),
    (URL, {"a": URL, "b": ""}, 1),
    (URL, {"a": "", "b": ""}, 2),
])
def test_first_cells_must_agree_with_the_setting(book, setting, stamped, problems):
    notebooks.set_address(book / "_config.yml", setting)
    assert len(notebooks.check_addresses(stamped, book)) == problems


def run_first_cell(url, modules):
    """Run the Colab cell as a kernel would; returns what it asked pip to install."""
    asked = []
    install = '%pip install -q "cnnlib @ git+{REPOSITORY}"'
    source = notebooks.colab_cell(url).replace(install, "asked.append(REPOSITORY)")
    assert "asked.append" in source
    source = source.replace("in sys.modules", "in modules")
    exec(source, {"asked": asked, "modules": modules})
    return asked


def test_the_first_cell_is_silent_outside_colab(capsys):
    assert run_first_cell("", {}) == run_first_cell(URL, {}) == []
    assert capsys.readouterr() == ("", "")


def test_the_first_cell_installs_on_colab_or_says_what_to_set():
    assert run_first_cell(URL, {"google.colab"}) == [URL]
    with pytest.raises(RuntimeError, match="_config.yml.*make stamp"):
        run_first_cell("", {"google.colab"})


def test_execute_fills_a_notebook_and_says_how(tmp_path):
    nb = new_notebook(cells=[new_markdown_cell("# Title"), new_code_cell("1 + 1"), new_code_cell("print('x')")])
    notebooks.stamp(nb, "")
    notebooks.execute(nb, tmp_path)
    notebooks.strip(nb)
    assert notebooks.check(nb) == []
    assert nb.cells[2].outputs[0].data["text/plain"] == "2"
    assert nb.metadata["cnnlib"]["seconds"] > 0


def test_the_command_line_says_what_is_wrong_and_fails(tmp_path, good, capsys):
    path = tmp_path / "x.ipynb"
    clear_all(good)
    nbformat.write(good, path)
    with pytest.raises(SystemExit) as stopped:
        notebooks.main(["check", str(path)])
    assert stopped.value.code
    assert f"{tmp_path.name}/x: cell 3 (sum): was not executed" in capsys.readouterr().out


@pytest.mark.parametrize("line, said", [
    (["stamp", "foo"], "repository url is 'foo'"),
    (["stamp", "http://example.org/a/b"], "allowed: empty, or https://HOST/OWNER/NAME"),
    (["execute", "nofile.ipynb"], "no such notebook: nofile.ipynb"),
    (["check", __file__], "not appear to be JSON"),
])
def test_a_mistyped_command_line_is_answered_in_one_line(line, said, capsys, monkeypatch, book):
    monkeypatch.setattr(notebooks, "ROOT", book)
    with pytest.raises(SystemExit) as stopped:
        notebooks.main(line)
    shown = capsys.readouterr()
    assert stopped.value.code == 2 and said in shown.err and "Traceback" not in shown.err
