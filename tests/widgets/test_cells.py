"""How long widgets of a notebook live, in IPython's own shell: cells that run again, and an interrupted kernel."""

import signal
import threading
from types import SimpleNamespace

import pytest
import traitlets as t
from IPython.core.interactiveshell import InteractiveShell

from cnnlib.widgets import Explorer, cells
from cnnlib.widgets.base import BookWidget


class Double(BookWidget):
    """Answers with the double, until the reader interrupts it."""

    inputs = {"x": [1, 2]}
    x = t.Int(1).tag(sync=True)

    def compute(self, x):
        if x == 13:
            raise KeyboardInterrupt
        return {"double": 2 * x}


@pytest.fixture
def notebook(monkeypatch):
    """`notebook(cell, code)` runs code in the cell of that name, and returns what it shows."""
    InteractiveShell.clear_instance()
    shell, parent = InteractiveShell.instance(), {}
    shell.get_parent = lambda: parent
    shell.kernel = SimpleNamespace(saved_sigint_handler=signal.SIG_IGN)       # as ipykernel's between two messages
    for name in ("_widgets", "_running"):
        monkeypatch.setattr(cells, name, type(getattr(cells, name))())

    def run(cell, code):
        parent["metadata"] = {"cellId": cell}
        result = shell.run_cell(code)
        parent["metadata"] = {}
        return result.result

    run.shell = shell
    shell.user_ns.update(Double=Double, Explorer=Explorer)
    yield run
    InteractiveShell.clear_instance()


def lives(widget):
    return widget.comm is not None


def test_a_cell_that_runs_again_closes_what_it_left(notebook):
    first = notebook("a", "Double()")
    beside = notebook("b", "Double()")
    second = notebook("a", "Double()")
    assert (lives(first), lives(second), lives(beside)) == (False, True, True)
    notebook("a", "'no widget any more'")
    assert not lives(second) and lives(beside)


def test_what_another_cell_shows_stays(notebook):
    first = notebook("a", "double = Double(); double")
    notebook("b", "double")
    second = notebook("a", "double = Double(); double")
    assert lives(first) and lives(second), "the view in b is that of the first"
    notebook("b", "double")
    assert not lives(first) and lives(second)


def test_a_widget_that_was_made_elsewhere_is_not_closed_by_showing_it_again(notebook):
    double = notebook("a", "double = Double(); None") or notebook("b", "double")
    notebook("b", "double")
    assert lives(double)
    notebook("b", "'gone'")
    assert lives(double), "cell a made it"


def test_what_the_reader_has_kept_goes_on_and_is_shown_again(notebook):
    kept = notebook("a", "doubles = [Double()]; doubles[0]")
    notebook("a", "Double()")
    assert not lives(kept)
    kept.x = 3
    assert kept.answer["double"] == 6, "it goes on answering"
    data, _ = kept._repr_mimebundle_()
    assert lives(kept) and data["application/vnd.jupyter.widget-view+json"]["model_id"] == kept.comm.comm_id
    assert notebook("b", "doubles[0]") is kept and lives(kept)


def test_a_notebook_that_does_not_name_its_cells_closes_nothing(notebook):
    first, second = (notebook.shell.run_cell("Double()").result for _ in range(2))
    assert lives(first) and lives(second)


TRAINS = 'Explorer("resnet-cifar", {"depth": [8]}, width=2, size=8, train_epochs=100)'


def test_the_training_of_a_cell_that_runs_again_ends(notebook):
    first = notebook("a", TRAINS)
    thread = first.train()
    again = notebook("a", TRAINS)
    thread.join(60)
    assert not thread.is_alive() and first.training["message"] == "stopped" and lives(again)


def begun(widget):
    """Train, and wait until the first epoch is done."""
    done = threading.Event()
    widget.observe(lambda change: change["new"]["curve"] and done.set(), "training")
    thread = widget.train()
    assert done.wait(60)
    return thread


def test_an_interrupted_cell_stops_the_training(notebook):
    widget = notebook("a", TRAINS)
    thread = begun(widget)
    notebook("b", "raise ValueError('an error is no interrupt')")
    assert thread.is_alive()
    notebook("b", "raise KeyboardInterrupt")
    thread.join(60)
    assert not thread.is_alive()
    assert (widget.training["running"], widget.training["message"]) == (False, "stopped")
    assert [row["epoch"] for row in widget.training["curve"]] == list(range(1, len(widget.training["curve"]) + 1))


def test_an_interrupt_between_cells_stops_the_training(notebook):
    widget = notebook("a", TRAINS)
    thread = begun(widget)
    notebook.shell.kernel.saved_sigint_handler(signal.SIGINT, None)           # what the kernel sets after a message
    thread.join(60)
    assert not thread.is_alive() and widget.training["message"] == "stopped"
    assert begun(widget).is_alive(), "and it can be trained again"
    widget.close()


def test_an_answer_that_was_interrupted_is_none():
    widget = Double()
    with pytest.raises(KeyboardInterrupt):
        widget.x = 13
    assert (widget.answer, widget.answered) == ({"double": 2}, {"x": 1}) and "Interrupted" in widget.error
    widget.x = 2
    assert (widget.answer, widget.answered, widget.error) == ({"double": 4}, {"x": 2}, "")


def test_who_is_asked_says_so():
    widget, said = Double(), []
    widget.send = said.append
    widget._handle_custom_msg({"do": "answer"}, [])
    widget._handle_custom_msg({"do": "something else"}, [])
    assert said == [{"here": True}]


def test_the_kernel_lends_its_trainer():
    widget, said = Explorer("resnet-cifar", {"depth": [8, 14]}, width=2, size=8), []
    widget.send = said.append
    widget._handle_custom_msg({"do": "lend the trainer"}, [])
    plan, scripts = said[0]["trainer"]["plan"], said[0]["trainer"]["scripts"]
    assert list(plan["networks"])[:2] == ["8", "14"] and len(scripts) == 2
    assert widget._esm.count("trainer") < 100 and len(widget._esm) < 400_000, "not in what every widget has"
