"""Widgets with two lives: against a kernel (anywidget), and replayed on a page that has none.

A widget names its `inputs` and answers every combination of them with the pure function `compute`.
With a kernel a change of an input reaches `compute`. For the page `compute` is run for the whole grid when the
widget is displayed, and the answers travel with the page, where `static_runtime.js` replays them to the very
same JavaScript. Without JavaScript (GitHub, print) a table of the current answer stands in the widget's place.
"""

import html
import itertools
import json
import re
import sys
from pathlib import Path

import anywidget
import traitlets as t

HERE = Path(__file__).parent
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"   # of the index, see pack_answers


class BookWidget(anywidget.AnyWidget):
    """Base class of the book's widgets.

    A subclass has one synced trait per input, `inputs` (trait name -> values recorded for the page) and
    `compute(**inputs)`, which returns a dict of plain JSON values with always the same keys. The result is the
    trait `answer`. Further synced traits hold what needs no computing (the choice of an axis, constant data).
    The bounds of an input are those of its trait; `inputs` only bounds what a page without a kernel can show.

    Attributes:
        answer: what `compute` says about the current inputs; empty while `error` is not.
        error: why there is no answer (a value out of bounds, an exception in `compute`); shown in the widget.
        origin: "kernel", or "recorded" on a page that replays.
    """

    _esm = HERE / "dist" / "live.mjs"
    _css = HERE / "widgets.css"
    _ipython_display_ = None          # ipywidgets 7 defines it, and it would bypass _repr_mimebundle_

    inputs: dict[str, list] = {}

    widget_name = t.Unicode(help="which renderer of the bundle draws it").tag(sync=True)
    grid = t.Dict(help="the recorded values of every input").tag(sync=True)
    answer = t.Dict().tag(sync=True)
    error = t.Unicode().tag(sync=True)
    origin = t.Unicode("kernel").tag(sync=True)

    def __init__(self, **values):
        """Open with the given inputs; ValueError for an unknown name or a value that its trait refuses."""
        if unknown := sorted(set(values) - set(self.trait_names())):
            raise ValueError(f"{type(self).__name__} has no {', '.join(unknown)}; its inputs are {list(self.inputs)}")
        try:
            super().__init__(widget_name=type(self).__name__, grid=self.inputs, **values)
        except t.TraitError as problem:
            raise ValueError(str(problem)) from None
        self.answer = self.compute(**self.current())
        self.observe(self._follow, list(self.inputs))

    def compute(self, **inputs):
        """The answer to one combination of inputs: a pure function, the one source of live and page."""
        raise NotImplementedError

    def current(self):
        """The current inputs, as a dict."""
        return {name: getattr(self, name) for name in self.inputs}

    def _follow(self, _change):
        """Answer a changed input; both results travel in one message, so that no view mixes old and new."""
        try:
            answer, error = self.compute(**self.current()), ""
        except Exception as problem:                  # whatever it is, the reader sees it in the widget
            answer, error = {}, f"{type(problem).__name__}: {problem}"
        with self.hold_sync():
            self.answer, self.error = answer, error

    def set_state(self, sync_data):
        """Take values from the page; one that a trait refuses is shown as `error` instead of in a log."""
        try:
            super().set_state(sync_data)
        except t.TraitError as problem:
            with self.hold_sync():
                self.answer, self.error = {}, str(problem)

    def close(self):
        """Stop answering and release the view; safe to repeat."""
        self.unobserve_all()
        super().close()

    # ---------------------------------------------------------------- the page

    def static_spec(self):
        """All that the page needs: the state as it is now, and the answers to the whole grid (a JSON value).

        A current value outside the recorded grid is added to it, so that the page opens as the widget stands.
        """
        grid = {name: values if getattr(self, name) in values else sorted([*values, getattr(self, name)])
                for name, values in self.inputs.items()}
        base = set(anywidget.AnyWidget.class_traits()) | {"_esm", "_css", "_anywidget_id"}
        state = {name: getattr(self, name) for name in self.traits(sync=True) if name not in base}
        combinations = itertools.product(*grid.values())
        answers = [self.compute(**dict(zip(grid, values, strict=True))) for values in combinations]
        return {"widget": self.widget_name, "inputs": list(grid), "state": {**state, "origin": "recorded"},
                "grid": grid, "answers": pack_answers(answers)}

    def fallback_html(self):
        """What stands there without JavaScript: a table of the inputs and of the plain values of the answer."""
        rows = [(name.replace("_", " "), value) for name, value in [*self.current().items(), *self.answer.items()]
                if not isinstance(value, (list, tuple, dict)) and value != ""]
        return html_table(type(self).__name__, ["quantity", "value"], rows)

    def to_html(self):
        """The widget as a piece of a page: its spec as JSON, and the table that the script replaces."""
        spec = json.dumps(self.static_spec(), separators=(",", ":"), sort_keys=True).replace("</", "<\\/")
        return (f'<div class="cnnlib-widget" data-kind="{self.widget_name}">'
                f'<script type="application/json">{spec}</script>'
                f'<div class="cnnlib-fallback">{self.fallback_html()}</div></div>')

    def __repr__(self):
        """Deterministic, because committed outputs are compared."""
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.current().items())})"

    def _repr_mimebundle_(self, **kwargs):
        data, metadata = super()._repr_mimebundle_(**kwargs)
        if "google.colab" in sys.modules:             # there is always a kernel there: offer the live view alone
            return data, metadata
        return {**data, "text/plain": repr(self), "text/html": self.to_html()}, metadata


def pack_answers(answers):
    """Answers in the order of the grid -> their fields, each packed on its own, because each depends on few inputs.

    Of a field `unique` are the distinct values and `index` names the value of each combination with `width` digits
    to the base 64 (none if there is one value only). With `runs` a value is a list of numbers or of words, written as
    progressions: first, step, count, first, ... The step of words is that of their last number: "layer1.0", 1, 3.
    """
    fields = list(answers[0])
    if any(list(answer) != fields for answer in answers):
        raise ValueError("compute must return the same keys for every combination of inputs")
    return {field: _pack_field([answer[field] for answer in answers]) for field in fields}


def _pack_field(values):
    unique, positions = {}, []
    for value in values:
        positions.append(unique.setdefault(json.dumps(value), len(unique)))
    width = 0
    while 64 ** width < len(unique):
        width += 1
    index = "".join(DIGITS[position >> 6 * place & 63]
                    for position in positions for place in reversed(range(width)))
    unique = [json.loads(value) for value in unique]
    packed = {"unique": unique, "index": index, "width": width}
    if all(isinstance(value, list) and {*map(type, value)} <= {int, str} for value in unique):
        runs = [_progressions(value) for value in unique]
        if len(json.dumps(runs)) < len(json.dumps(unique)):
            packed.update(unique=runs, runs=True)
    return packed


def _progressions(values):
    """[3, 5, 7, 7, 7] -> [3, 2, 3, 7, 0, 2]; ["a.1", "a.2", "b"] -> ["a.1", 1, 2, "b", 0, 1]."""
    runs = []
    for value in values:
        if runs:
            first, step, count = runs[-1]
            new = _step(first, value) if count == 1 else step
            if new is not None and _follow(first, new * count) == value:
                runs[-1] = [first, new, count + 1]
                continue
        runs.append([value, 0, 1])
    return [part for run in runs for part in run]


LAST_NUMBER = re.compile(r"(0|[1-9][0-9]{0,8})(?=[^0-9]*$)")


def _step(first, value):
    """By how much `value` is ahead of `first`, None if it cannot be said."""
    if isinstance(first, int) and isinstance(value, int):
        return value - first
    numbers = [LAST_NUMBER.search(text) for text in (first, value) if isinstance(text, str)]
    if first == value:
        return 0
    return int(numbers[1][0]) - int(numbers[0][0]) if len(numbers) == 2 and all(numbers) else None


def _follow(first, ahead):
    if isinstance(first, int):
        return first + ahead
    return LAST_NUMBER.sub(lambda number: str(int(number[0]) + ahead), first) if ahead else first


def html_table(caption, head, rows):
    """A plain table with escaped cells; numbers get thousands separators, the first cell heads its row."""
    def text(value):
        return html.escape(f"{value:,}" if type(value) in (int, float) else str(value))

    columns = "".join(f'<th scope="col">{text(name)}</th>' for name in head)
    body = "".join(f'<tr><th scope="row">{text(first)}</th>{"".join(f"<td>{text(value)}</td>" for value in rest)}</tr>'
                   for first, *rest in rows)
    return (f"<table><caption>{text(caption)}</caption><thead><tr>{columns}</tr></thead>"
            f"<tbody>{body}</tbody></table>")
