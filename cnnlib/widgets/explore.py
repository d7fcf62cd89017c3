"""`explore(fn, ...)`: a function under the reader's hand, without JavaScript, on a page as in a notebook.

What `ipywidgets.interact` is where a kernel runs, and true where none does: the answers to all combinations of the
choices are computed when the widget is made, and travel with the page.
"""

import base64
import html
import inspect
import io
import math
import numbers
from collections.abc import Iterable

import numpy as np
import traitlets as t

from .base import BookWidget, compact, html_table

PAGE_BUDGET = 200_000            # bytes of one widget in a page
MOST = 20_000                    # combinations
DIGITS = 6                       # significant digits of floats
BLUE, ORANGE = (0, 114, 178), (213, 94, 0)


def explore(fn, *, title, labels=None, recorded=False, **choices):
    """A widget that shows what `fn` returns for the choices that the reader makes.

        explore(lambda kernel, channels: kernel ** 2 * channels ** 2,
                title="Weights of a convolution", kernel=[1, 3, 5, 7], channels=range(8, 65, 8))

    Args:
        fn: a pure function of the choices: same choices, same answer. It may raise ValueError for choices that have
            none; the message is shown beside the knobs. It returns

            * a number (or :func:`number`, with a unit), or text;
            * a table: a list of dicts, `(header, rows)`, a pandas DataFrame, or :func:`table`;
            * a chart: :func:`chart`; pixels: :func:`picture`;
            * an object with `_repr_html_` or `_repr_svg_`, whose markup is taken as it is (plain text never is markup);
            * a dict of these, label -> value, or a list of these.
        title: what the widget is called: on the page, by screen readers, and in the page's address.
        labels: argument -> what its knob is called; the name without underscores by default.
        recorded: do the answers come from recorded runs? The page then says so where it else says *computed*.
        choices: for each argument of `fn` what may be chosen: numbers (a list or a range: a slider), texts (a list: a
            menu), [False, True] (a box), or label -> any value (a menu of the labels). With a kernel a range takes any
            integer between its ends. The widget opens with the defaults of `fn`, else with the first choices.

    Raises:
        ValueError: choices that do not fit the arguments of `fn`, that are empty, or too many (more than 20,000
            combinations, or 200,000 bytes of answers); or what `fn` raises for the opening choices.
        TypeError: an answer that cannot be shown.
    """
    return Explore(fn, title, labels or {}, choices, "recorded" if recorded else "computed")


class Explore(BookWidget):
    """The widget of :func:`explore`; its inputs are the choices."""

    title = t.Unicode().tag(sync=True)
    labels = t.Dict().tag(sync=True)
    typed = t.List(help="the inputs that take any integer between their ends, with a kernel").tag(sync=True)

    def __init__(self, fn, title, labels, choices, page_origin="computed"):
        if not isinstance(title, str) or not title.strip():
            raise ValueError(f"title is {title!r}; a widget needs one for those who cannot see what it is.")
        if taken := [name for name in choices if hasattr(Explore, name)]:
            raise ValueError(f"choice {', '.join(taken)}: a widget has an attribute of that name; rename the argument.")
        if strange := sorted(set(labels) - set(choices)):
            raise ValueError(f"labels has {', '.join(strange)}, allowed: {', '.join(choices)}.")
        defaults = fitting(fn, choices)
        self._fn, self._known, self.page_origin = fn, {}, page_origin
        self._values = {name: offered(name, values) for name, values in choices.items()}
        self.inputs = {name: list(values) for name, values in self._values.items()}
        combinations = math.prod(map(len, self.inputs.values()))
        if combinations > MOST:
            raise ValueError(f"{title!r} has {combinations:,} combinations, allowed: {MOST:,}; offer fewer values.")
        typed = [name for name, values in choices.items() if isinstance(values, range)]
        for name, values in self.inputs.items():
            trait = t.Int(values[0]) if name in typed else t.Enum(values, values[0])
            self.add_traits(**{name: trait.tag(sync=True)})
        opening = {name: choice for name, default in defaults.items() for choice, value in self._values[name].items()
                   if type(value) is type(default) and value == default}
        labels = {name: labels.get(name, name.replace("_", " ")) for name in choices}
        super().__init__(title=title, labels=labels, typed=typed, **opening)
        size = len(self.to_html().encode())
        if size > PAGE_BUDGET:
            raise ValueError(f"{title!r} has {combinations:,} combinations with {size:,} bytes of answers, allowed: "
                             f"{PAGE_BUDGET:,}; offer fewer values, or let the function return less.")

    def compute(self, **inputs):
        """What `fn` returns for the inputs as items to be shown, see :func:`items`; each is computed once."""
        key = compact(list(inputs.values()))
        if key not in self._known:
            self._known[key] = self._answer(inputs)
        if isinstance(self._known[key], str):
            raise ValueError(self._known[key])
        return {"items": self._known[key]}

    def _answer(self, inputs):
        """Items, or the reason why there are none."""
        for name in self.typed:
            low, high = min(self.inputs[name]), max(self.inputs[name])
            if not low <= inputs[name] <= high:
                return f"{self.labels[name]} is {inputs[name]}, allowed: {low} to {high}."
        try:
            value = self._fn(**{name: self._values[name].get(choice, choice) for name, choice in inputs.items()})
        except ValueError as refusal:
            return str(refusal) or "There is no answer to these choices."
        return items(value)

    def fallback_html(self):
        """What stands there without JavaScript: the choices, and the answer to them as tables."""
        rows = [(self.labels[name], shown(value) if type(value) in (int, float) else value)
                for name, value in self.current().items()]
        rest = []
        for kind, label, *parts in self.answer["items"]:
            if kind == "html":
                rest.append(parts[0])
            elif kind == "picture":
                address, alt, size = parts
                rest.append(f'<figure><img src="{address}" alt="{html.escape(alt)}" width="{shown_width(size)}">'
                            f"<figcaption>{html.escape(label)}</figcaption></figure>")
            elif kind in ("table", "chart"):
                rest.append(html_table(label, *(chart_table(*parts) if kind == "chart" else (parts[0], parts[2]))))
            else:
                rows.append((label or "answer", " ".join(parts).strip()))
        return html_table(self.title, ["quantity", "value"], rows) + "".join(rest)

    def __repr__(self):
        choices = ", ".join(f"{name}={value!r}" for name, value in self.current().items())
        return f"explore({self.title!r}: {choices})"


def fitting(fn, choices):
    """The defaults of the arguments of `fn` that are choices; ValueError where `fn` and the choices do not fit."""
    parameters = inspect.signature(fn).parameters.values()
    named = {each.name: each.default for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)}
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters)
    strange = [name for name in choices if name not in named and not takes_any]
    missing = [name for name, default in named.items() if default is inspect.Parameter.empty and name not in choices]
    if strange:
        raise ValueError(f"the function has no argument {', '.join(strange)}; it has {', '.join(named) or 'none'}.")
    if missing:
        raise ValueError(f"there are no choices for {', '.join(missing)}; explore needs a list of values for each.")
    return {name: default for name, default in named.items() if name in choices}


def offered(name, values):
    """What an argument may be: choice -> value, the choice being a label or the value itself."""
    if values is not bool and (isinstance(values, str) or not isinstance(values, Iterable)):
        raise ValueError(f"choices for {name} are {values!r}, allowed: a list, a range, or a dict of label -> value.")
    choices = [plain(value) for value in ([False, True] if values is bool else values)]
    kinds = {type(choice) if isinstance(choice, (bool, str)) else float if is_number(choice) and math.isfinite(choice)
             else None for choice in choices}
    if len(kinds) != 1 or None in kinds:
        raise ValueError(f"choices for {name} are {choices!r}, allowed: at least one number, or texts, or False and "
                         "True; for other values a dict of label -> value.")
    if isinstance(values, dict):
        return values
    return {choice: choice for choice in (sorted(choices) if kinds == {float} else choices)}


# -------------------------------------------------------------------- answers: lists of plain values, one an item

class Item(list):
    """One thing to show: its kind, its label, and what that kind needs."""


def number(value, unit="", *, label="", digits=None):
    """A number for :func:`explore` to show, with its unit; `digits` after the point, or six significant ones."""
    return Item(["number", label, shown(value, digits), unit])


def table(rows, columns=None, *, caption=""):
    """A table for :func:`explore` to show.

    Args:
        rows: dicts, or sequences of cells with their names in `columns`. Columns of numbers are aligned as such.
    """
    rows = list(rows)
    if columns is None:
        columns = list(dict.fromkeys(name for row in rows for name in row))
        rows = [[row.get(name, "") for name in columns] for row in rows]
    rows = [[plain(cell) for cell in row] for row in rows]
    if any(len(row) != len(columns) for row in rows):
        raise ValueError(f"a row has {next(len(row) for row in rows if len(row) != len(columns))} cells, "
                         f"the table has {len(columns)} columns.")
    numeric = [any(map(is_number, column)) and all(is_number(cell) or cell in ("", None) for cell in column)
               for column in (zip(*rows, strict=True) if rows else columns)]
    cells = [["" if cell is None else shown(cell) if is_number(cell) else str(cell) for cell in row] for row in rows]
    return Item(["table", caption, [str(name) for name in columns], numeric, cells])


def chart(kind, x, y, *, title="", x_label="", y_label="", x_range=None, y_range=None, log_x=False, log_y=False,
          marked=()):
    """A chart for :func:`explore` to show; a table of its numbers always comes with it.

    Args:
        kind: "lines", "dots", "bars" (lying, one below the other; of several series: stacked), or "cells" (a heat map:
            each series is a row, darker is more).
        x: the places of the points, numbers or (for bars) names.
        y: the values, one a place, or a dict of series: name -> values. None and NaN leave a gap.
        x_range, y_range: the ends (low, high) of the axes; fix them where charts shall be compared.
        marked: of "lines", names of series that are points on the others' lines (measured, say, on computed ones):
            these are drawn as points only, the others as lines only.

    Raises:
        ValueError: an unknown kind, series that are not as long as `x`, or `marked` that are not series of "lines".
    """
    if kind not in ("lines", "dots", "bars", "cells"):
        raise ValueError(f"kind is {kind!r}, allowed: 'lines', 'dots', 'bars', 'cells'.")
    places = [str(place) if kind in ("bars", "cells") else rounded(place) for place in x]
    series = y if isinstance(y, dict) else {"": y}
    series = {str(name): [rounded(value) for value in values] for name, values in series.items()}
    for name, values in series.items():
        if len(values) != len(places):
            raise ValueError(f"series {name!r} has {len(values)} values for {len(places)} places.")
    if strange := [name for name in marked if kind != "lines" or name not in series]:
        raise ValueError(f"marked has {', '.join(strange)}, allowed: series of a chart of lines.")
    return Item(["chart", title, {
        "kind": kind, "x": places, "series": [[name, values] for name, values in series.items()],
        "labels": [x_label, y_label], "ranges": [list(x_range or []), list(y_range or [])], "logs": [log_x, log_y],
        **({"marked": list(marked)} if marked else {})}])


def picture(values, *, alt, title="", signed=False):
    """Pixels for :func:`explore` to show, enlarged without smoothing.

    Args:
        values: (H, W) grey or (3, H, W) colour, floats from 0 (black) to 1 (white), what lies outside is cut off, or
            uint8; with `signed` (H, W) of any sign, from orange (least) over white (0) to blue.
        alt: what is to be seen, for those who cannot see it.

    Raises:
        ValueError: another shape, no pixels, values that are no numbers, or an empty `alt`.
    """
    from PIL import Image

    if not alt.strip():
        raise ValueError("alt is empty; a picture needs a text for those who cannot see it.")
    pixels = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
    colour = pixels.ndim == 3 and len(pixels) == 3 and not signed
    if not (colour or pixels.ndim == 2) or not pixels.size:
        raise ValueError(f"a picture has shape {pixels.shape}, allowed: (H, W), or (3, H, W) if it is not signed.")
    if pixels.dtype != np.uint8 or signed:
        pixels = pixels.astype(float)
        if not np.isfinite(pixels).all():
            raise ValueError("a picture has values that are no numbers.")
        pixels = diverging(pixels) if signed else (255 * pixels.clip(0, 1)).round().astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0) if pixels.ndim == 3 else pixels)).save(
        file, "png", optimize=True)
    url = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    return Item(["picture", title, url, alt, list(pixels.shape[-2:])])


def diverging(values):
    """(H, W) -> (3, H, W) uint8: white at 0, the book's orange and blue at the largest size of either sign."""
    share = values / (abs(values).max() or 1)
    ends = np.where(share[None] < 0, np.array(ORANGE)[:, None, None], np.array(BLUE)[:, None, None])
    return (255 + (ends - 255) * abs(share)).round().astype(np.uint8)


def shown_width(size):
    """Pixels of the page for a picture of (H, W) pixels: a whole multiple, about 240."""
    return size[1] * max(1, round(240 / max(size)))


def items(value, label=""):
    """Whatever a function returns -> the items to show, a list of lists; TypeError for what cannot be shown.

    ["number", label, text, unit], ["text", label, text], ["table", label, columns, which are numeric, cells],
    ["chart", label, spec], ["picture", label, address, what is to be seen, [H, W]], ["html", label, markup].
    """
    value = plain(value)
    if isinstance(value, Item):
        return [[value[0], value[1] or label, *value[2:]]]
    if is_number(value) or isinstance(value, bool):
        return [["number", label, shown(value), ""]]
    if isinstance(value, str):
        return [["text", label, value]]
    if isinstance(value, dict):
        return [item for name, part in value.items() for item in items(part, str(name))]
    if hasattr(value, "to_dict") and hasattr(value, "columns"):                     # a pandas DataFrame
        return items(table(value.to_dict("records"), caption=label))
    for method in ("_repr_html_", "_repr_svg_"):
        if markup := getattr(value, method, lambda: None)():
            return [["html", label, markup]]
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(part, (list, tuple)) for part in value):
        return items(table(value[1], value[0], caption=label))
    if isinstance(value, (list, tuple)):
        if value and all(isinstance(part, dict) for part in value):
            return items(table(value, caption=label))
        return [item for part in value for item in items(part, label)]
    raise TypeError(f"the function returned {type(value).__name__}, which explore cannot show; allowed: a number, "
                    "text, a table, a chart, a picture, an object with _repr_html_ or _repr_svg_, or a dict or "
                    "list of these.")


def plain(value):
    """The Python number in a NumPy or PyTorch one; anything else as it is."""
    return value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value


def is_number(value):
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def rounded(value):
    """A number for a chart: a float with six significant digits, None where there is none."""
    value = plain(value)
    if value is None or not math.isfinite(value):
        return None
    return value if isinstance(value, int) else float(f"{value:.{DIGITS}g}")


def shown(value, digits=None):
    """A number as readers read it: 1,234,567 or 0.0123457; with `digits` after the point if given."""
    value = plain(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and digits is None:
        return f"{value:,}"
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "−∞" if value < 0 else "∞"
    if digits is not None:
        return f"{value:,.{digits}f}"
    if value and not 1e-4 <= abs(value) < 1e15:
        return f"{value:.{DIGITS}g}"
    return f"{float(f'{value:.{DIGITS}g}'):,}".removesuffix(".0")


def chart_table(spec):
    """The head and the rows of the table that says what a chart shows."""
    head = [spec["labels"][0] or "x", *(name or spec["labels"][1] or "y" for name, _ in spec["series"])]
    rows = zip(spec["x"], *(values for _, values in spec["series"]), strict=True)
    return head, [["–" if cell is None else cell if isinstance(cell, str) else shown(cell) for cell in row]
                  for row in rows]
