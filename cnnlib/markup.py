"""Tables in HTML, for widgets and for what the course shows."""

import html


class Markup(str):
    """Text that is HTML already and is not escaped."""


def cell(value):
    """What stands in a cell: text escaped, numbers with thousands separators, `Markup` as it is."""
    if isinstance(value, Markup):
        return value
    return html.escape(f"{value:,}" if type(value) in (int, float) else str(value))


def table(caption, head, body, first_width=None):
    """A table with a caption and a head; `body` is the HTML of its rows.

    Args:
        first_width: CSS width of the first column. The columns then keep their widths whatever is in them, so that the
            table fits a phone and long lines scroll in blocks of their own.
    """
    fixed = ' style="table-layout: fixed; width: 100%"' if first_width else ""
    columns = f'<colgroup><col style="width: {first_width}"><col></colgroup>' if first_width else ""
    names = "".join(f'<th scope="col">{cell(name)}</th>' for name in head)
    return (f"<table{fixed}><caption>{cell(caption)}</caption>{columns}<thead><tr>{names}</tr></thead>"
            f"<tbody>{body}</tbody></table>")


def html_table(caption, head, rows, first_width=None):
    """A table of rows of cells; the first cell heads its row. See `table`."""
    body = "".join(f'<tr><th scope="row">{cell(first)}</th>{"".join(f"<td>{cell(value)}</td>" for value in rest)}</tr>'
                   for first, *rest in rows)
    return table(caption, head, body, first_width)
