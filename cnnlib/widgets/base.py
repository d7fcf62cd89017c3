"""Widgets with two lives: against a kernel (anywidget), and replayed on a page that has none.

A widget names its `inputs` and answers every combination of them with the pure function `compute`.
With a kernel a change of an input reaches `compute`. For the page `compute` is run for the whole grid when the
widget is displayed, and the answers travel with the page, where `static_runtime.js` replays them to the very
same JavaScript. Without JavaScript (GitHub, print) a table of the current answer stands in the widget's place.
"""

import itertools
import json
import re
import sys
from collections import Counter
from pathlib import Path

import anywidget
import traitlets as t

from ..markup import html_table
from . import cells

HERE = Path(__file__).parent
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"   # of the index, see pack_column
LAST_NUMBER = re.compile(r"(0|[1-9][0-9]{0,8})(?=[^0-9]*$)")                 # of a name, see progressions
PLAIN = {int, bool, str, type(None)}
SHORTEST = json.JSONEncoder(separators=(",", ":"))
KINDS = {t.Int: "whole numbers", t.Float: "numbers", t.Bool: "False, True", t.Unicode: "text", t.List: "lists",
         t.Dict: "dicts"}


class BookWidget(anywidget.AnyWidget):
    """Base class of the book's widgets.

    A subclass has one synced trait per input, `inputs` (trait name -> values answered on the page) and
    `compute(**inputs)`, which returns a dict of plain JSON values with always the same keys, or raises ValueError
    for inputs that have no answer. The result is the trait `answer`. Further synced traits hold what needs no
    computing (the choice of an axis, constant data). The bounds of an input are those of its trait; `inputs` only
    bounds what a page without a kernel can show.

    Attributes:
        answer: what `compute` said about the inputs `answered`: the current ones, unless `error` says why there is
            no answer to those (a value out of bounds, an exception in `compute`). The two change together.
        origin: "kernel", or on a page `page_origin`: "computed", or "recorded" where the answers are recorded runs.
    """

    _esm = HERE / "dist" / "live.mjs"
    _css = HERE / "widgets.css"
    _ipython_display_ = None          # ipywidgets 7 defines it, and it would bypass _repr_mimebundle_

    inputs: dict[str, list] = {}
    page_origin = "computed"
    page_marks = ""                   # further attributes of its element on a page

    widget_name = t.Unicode(help="which renderer of the bundle draws it").tag(sync=True)
    grid = t.Dict(help="the values of every input that a page answers").tag(sync=True)
    answer = t.Dict().tag(sync=True)
    answered = t.Dict(help="the inputs that `answer` belongs to").tag(sync=True)
    error = t.Unicode().tag(sync=True)
    origin = t.Unicode("kernel").tag(sync=True)

    def __init__(self, **values):
        """Open with the given inputs; ValueError for an unknown name or a value that its trait refuses."""
        if unknown := sorted(set(values) - set(self.trait_names())):
            raise ValueError(f"{type(self).__name__} has no {', '.join(unknown)}; its inputs are {list(self.inputs)}")
        try:
            super().__init__(widget_name=type(self).__name__, grid=self.inputs, **values)
        except t.TraitError as problem:
            raise ValueError(self._refusal(values, problem)) from None
        self._asked = self._told = 0                  # number of the last question, and of the last one answered
        self.answered = self.current()
        self.answer = self.compute(**self.answered)
        self.observe(self._follow, list(self.inputs))
        self.on_msg(self._on_message)
        cells.note(self)

    def compute(self, **inputs):
        """The answer to one combination of inputs: a pure function, the one source of live and page."""
        raise NotImplementedError

    def current(self):
        """The current inputs, as a dict."""
        return {name: getattr(self, name) for name in self.inputs}

    def _follow(self, _change):
        """Answer a changed input. All that is said travels in one message, so that no view mixes old and new, and
        an answer that was overtaken by that to a later question (two threads) is dropped."""
        self._asked += 1
        number, asked = self._asked, self.current()
        try:
            said = {"answer": self.compute(**asked), "answered": asked, "error": ""}
        except ValueError as refusal:
            said = {"error": str(refusal)}
        except Exception as problem:                  # whatever it is, the reader sees it in the widget
            said = {"error": f"{type(problem).__name__}: {problem}"}
        except KeyboardInterrupt:                     # the reader has interrupted the kernel
            self._say({"error": "Interrupted: there is no answer yet; choose again."})
            raise
        if number > self._told:
            self._told = number
            self._say(said)

    def _say(self, said):
        with self.hold_sync():
            for name, value in said.items():
                setattr(self, name, value)

    def _on_message(self, _widget, content, _buffers):
        """Messages of the page: `ui.js` asks whether anybody is here before it says that nobody is."""
        if content.get("do") == "answer":
            self.send({"here": True})

    def set_state(self, sync_data):
        """Take values from the page; one that a trait refuses is shown as `error`, and the page gets the old one."""
        try:
            super().set_state(sync_data)
        except t.TraitError as problem:
            self.send_state(list(self.inputs))
            self._say({"error": self._refusal(sync_data, problem)})

    def _refusal(self, values, problem):
        """The value that its trait refuses, and what is allowed; traitlets' words if there is none."""
        for name in filter(self.has_trait, values):
            trait = self.traits()[name]
            try:
                trait._validate(self, values[name])
            except t.TraitError:
                return f"{name} is {values[name]!r}, allowed: {allowed(trait)}."
        return str(problem)

    def open(self):
        """Connect to the page, if there is no connection yet."""
        self.layout.open()
        super().open()

    def leave(self):
        """Give up the connection to the page, and the views there; shown again, the widget gets a new one."""
        super().close()
        self.layout.close()                           # a widget of its own, which holds the view on the page
        for widget in (self, self.layout):
            vars(widget).pop("_repr_mimebundle_", None)             # ipywidgets hides it with None

    def close(self):
        """Stop answering and release the view; safe to repeat."""
        self.unobserve_all()
        self.leave()

    # ---------------------------------------------------------------- the page

    def static_spec(self):
        """All that the page needs: the state as it is now, and the answers to the whole grid (a JSON value).

        A current value outside the grid is added to it, so that the page opens as the widget stands. Inputs that
        `compute` refuses have the reason, a string, in the place of their answer.
        """
        grid = {name: values if getattr(self, name) in values else sorted([*values, getattr(self, name)])
                for name, values in self.inputs.items()}
        base = set(anywidget.AnyWidget.class_traits()) | {"_esm", "_css", "_anywidget_id", "grid", "answered"}
        state = {name: getattr(self, name) for name in self.traits(sync=True) if name not in base}
        answers = []
        for values in itertools.product(*grid.values()):
            try:
                answers.append(self.compute(**dict(zip(grid, values, strict=True))))
            except ValueError as refusal:
                answers.append(str(refusal))
        return {"widget": self.widget_name, "inputs": list(grid), "state": {**state, "origin": self.page_origin},
                "grid": grid, "answers": pack_answers(answers)}

    def fallback_html(self):
        """What stands there without JavaScript: a table of the inputs and of the plain values of the answer."""
        rows = [(name.replace("_", " "), value) for name, value in [*self.current().items(), *self.answer.items()]
                if not isinstance(value, (list, tuple, dict)) and value != ""]
        return html_table(type(self).__name__, ["quantity", "value"], rows)

    def to_html(self):
        """The widget as a piece of a page: its spec as JSON, and the table that the script replaces."""
        spec = json.dumps(self.static_spec(), separators=(",", ":"), sort_keys=True).replace("</", "<\\/")
        return (f'<div class="cnnlib-widget" data-kind="{self.widget_name}"{self.page_marks}>'
                f'<script type="application/json">{spec}</script>'
                f'<div class="cnnlib-fallback">{self.fallback_html()}</div></div>')

    def __repr__(self):
        """Deterministic, because committed outputs are compared."""
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.current().items())})"

    def _repr_mimebundle_(self, **kwargs):
        cells.note(self)
        self.open()
        data, metadata = super()._repr_mimebundle_(**kwargs)
        if "google.colab" in sys.modules:             # there is always a kernel there: offer the live view alone
            return data, metadata
        return {**data, "text/plain": repr(self), "text/html": self.to_html()}, metadata


def allowed(trait):
    """What a trait takes, in words."""
    low, high = getattr(trait, "min", None), getattr(trait, "max", None)
    if isinstance(trait, t.Enum):
        return ", ".join(map(repr, trait.values))
    if low is None and high is None:
        return KINDS.get(type(trait), trait.info())
    return f"up to {high}" if low is None else f"from {low}" if high is None else f"{low} to {high}"


def pack_answers(answers):
    """Answers in the order of the grid, packed as columns; raises ValueError for keys that differ between answers.

    `refusals` is a column of the strings that stand in the place of an answer, None for the others. The answers are
    either `rows`, one column of lists in the order of `names`, or `fields`, a column for each key, where most fields
    depend on few of the inputs: whichever is shorter. See `pack_column`.
    """
    names = next((list(answer) for answer in answers if isinstance(answer, dict)), [])
    if any(list(answer) != names for answer in answers if isinstance(answer, dict)):
        raise ValueError("compute must return the same keys for every combination of inputs")
    refusals = pack_column([answer if isinstance(answer, str) else None for answer in answers])
    rows = [None if isinstance(answer, str) else list(answer.values()) for answer in answers]
    whole = {"names": names, "rows": pack_column(rows)}
    fields = {"fields": {name: pack_column([row and row[i] for row in rows]) for i, name in enumerate(names)}}
    return {"refusals": refusals, **min(whole, fields, key=lambda packed: len(compact(packed)))}


def pack_column(values):
    """The values of one field -> their distinct ones, and which of them each combination has.

    `index` names the place in `unique` of each combination with `width` digits to the base 64, none if all are equal.
    What several values have in common, such as the row of a table, stands once in `shared`: see `share`. Long lists
    of whole numbers or names are written as `runs` instead: see `progressions`.
    """
    unique, positions = {}, []
    for value in values:                    # hundreds of thousands; a plain one needs no JSON to be known again
        key = (type(value), value) if type(value) in PLAIN else compact(value)
        positions.append(unique.setdefault(key, len(unique)))
    width = 0
    while 64 ** width < len(unique):
        width += 1
    digits = ["".join(DIGITS[position >> 6 * place & 63] for place in reversed(range(width)))
              for position in range(len(unique))]
    index = "".join(digits[position] for position in positions)
    unique = [key[1] if isinstance(key, tuple) else json.loads(key) for key in unique]
    if any(unique) and all(value is None or isinstance(value, list) and {*map(type, value)} <= {int, str}
                           for value in unique):
        runs = [value and progressions(value) for value in unique]
        if len(compact(runs)) < len(compact(unique)):
            return {"runs": runs, "index": index, "width": width}
    unique, shared = deduplicate(unique)
    return {"unique": unique, "shared": shared, "index": index, "width": width}


def deduplicate(values):
    """JSON values -> (the same with {"$": i} for each part that occurs more than once, the list of these parts).

    Lists, dicts and long strings are shared where that is shorter; parts may themselves refer to earlier ones.
    """
    counts = Counter()

    def count(value):
        if isinstance(value, dict) and "$" in value:
            raise ValueError('an answer must have no key "$"')
        if isinstance(value, (list, dict, str)) and len(key := compact(value)) > 10:
            counts[key] += 1
            if counts[key] > 1:
                return
        for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            count(part)

    shared, places = [], {}

    def write(value):
        key = compact(value) if isinstance(value, (list, dict, str)) else ""
        if key in places:
            return {"$": places[key]}
        if isinstance(value, dict):
            value = {name: write(part) for name, part in value.items()}
        elif isinstance(value, list):
            value = [write(part) for part in value]
        if counts[key] < 2:
            return value
        places[key] = len(shared)
        shared.append(value)
        return {"$": places[key]}

    for value in values:
        count(value)
    return [write(value) for value in values], shared


def progressions(values):
    """A list of whole numbers and names as runs: first, step, how many; the step of a name is that of its last number.

    [3, 5, 7, 7, 7] -> [3, 2, 3, 7, 0, 2]; ["a.1", "a.2", "b"] -> ["a.1", 1, 2, "b", 0, 1].
    """
    runs = []
    for value in values:
        if runs:
            first, step, count = runs[-1]
            new = _step(first, value) if count == 1 else step
            if new is not None and _ahead(first, new * count) == value:
                runs[-1] = [first, new, count + 1]
                continue
        runs.append([value, 0, 1])
    return [part for run in runs for part in run]


def _step(first, value):
    """By how much `value` is ahead of `first`, None if it cannot be said."""
    if isinstance(first, int) and isinstance(value, int):
        return value - first
    numbers = [LAST_NUMBER.search(text) for text in (first, value) if isinstance(text, str)]
    if first == value:
        return 0
    return int(numbers[1][0]) - int(numbers[0][0]) if len(numbers) == 2 and all(numbers) else None


def _ahead(first, ahead):
    if isinstance(first, int):
        return first + ahead
    return LAST_NUMBER.sub(lambda number: str(int(number[0]) + ahead), first) if ahead else first


def compact(value):
    """The shortest JSON of a value."""
    return SHORTEST.encode(value)
