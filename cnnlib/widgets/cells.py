"""How long a widget of a notebook lives: as long as a cell that shows or made it.

When a cell runs again its outputs are replaced. Afterwards those widgets leave that an earlier run of it made or
showed, unless this run shows them again or another cell has them: their views on the page are gone, and so is their
part of the kernel. Nothing is lost with that: a widget that is still held in a variable goes on answering, and is
connected anew when a cell shows it. Without a notebook, or in one that does not name its cells, nothing leaves.
"""

from IPython import get_ipython

_widgets = {}               # cell -> the widgets that its last run made or showed
_running = []               # those of the cell that runs now


def note(widget):
    """The cell that runs now makes or shows this widget."""
    shell, cell = _here()
    if cell is None:
        return
    shell.events.register("post_run_cell", _cell_has_run)           # once, however often
    if all(each is not widget for each in _running):
        _running.append(widget)


def of_all_cells():
    """The widgets of all cells, each once."""
    return list({id(widget): widget for widgets in [*_widgets.values(), _running] for widget in widgets}.values())


def _here():
    """The shell of the kernel and the name of the cell that it runs; None where there is none."""
    shell = get_ipython()
    try:
        return shell, shell.get_parent()["metadata"]["cellId"]
    except (AttributeError, KeyError, TypeError):
        return None, None


def _cell_has_run(_result):
    _, cell = _here()
    former = _widgets.pop(cell, [])
    if _running:
        _widgets[cell] = _running.copy()
        _running.clear()
    kept = of_all_cells()
    for widget in former:
        if all(each is not widget for each in kept):
            widget.leave()
