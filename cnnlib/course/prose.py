"""Numbers of the text come from the cells: `glue(error="0.96 %")` there, {glue:text}`error` in the prose."""

import re

__all__ = ["glue"]

RECORD = "application/papermill.record/text/plain"      # where MyST-NB looks; notebooks do not show it


def glue(**values):
    """Hand values to the text of this notebook, each under its name and as it is to be read: "0.96%" becomes 0.96 %.

    In a notebook, where the text shows the names, the cell prints what they stand for. Give the cell the tag
    `remove-cell`: on a page the text shows the values. Names are unique in a notebook; `tools/notebooks.py check`
    finds names without a value, and values without a name.

    Raises:
        ValueError: a value is not text, so that its digits would be left to luck.
    """
    from IPython.display import display  # this runs in notebooks only

    for name, value in values.items():
        if not isinstance(value, str):
            raise ValueError(f"{name} is {value!r}, allowed: text, as it is to be read: f\"{{{name}:.1%}}\".")
    values = {name: re.sub(r"(?<=\d)%", "\N{NO-BREAK SPACE}%", value) for name, value in values.items()}
    for name, value in values.items():
        display({RECORD: repr(value)}, raw=True,            # in quotes it is text: 1,024 alone were two numbers
                metadata={"scrapbook": {"name": name, "mime_prefix": RECORD.removesuffix("text/plain")}})
    print(*(f"{name}: {value}" for name, value in values.items()), sep="\n")
