"""What a teacher keeps and hands back: a table of all marks, and a page for each student."""

import csv
import html
import os
from pathlib import Path

from ..files import save_text, whole
from ..markup import html_table
from . import assignments
from .exercises import Verdict

SIGNS = {**Verdict.SIGNS, "error": "✗", "missing": "–"}


def students(paths):
    """{path: name}: what the paths do not share, without `.ipynb`; `ada/homework` where each student has a folder."""
    around = os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in paths])
    return {path: Path(os.path.relpath(os.path.abspath(path), around)).as_posix().removesuffix(".ipynb")
            for path in paths}


def points(marks):
    """One for each correct answer."""
    return sum(mark.status == "correct" for mark in marks)


def problem(marks):
    """The one message that stands for all marks of a file that is no notebook, or None."""
    messages = {mark.message for mark in marks}
    return marks[0].message if len(messages) == 1 and marks[0].message.startswith("not a notebook") else None


def write_csv(book, path):
    """Write {student: marks} as a table: a row a student, a column an exercise; its first bytes say UTF-8.

    Every list of marks has the same exercises. `remarks` say what is wrong with the answers that are not correct.
    """
    with whole(path) as scratch, scratch.open("w", newline="", encoding="utf-8-sig") as file:
        table = csv.writer(file)
        keys = [mark.key for mark in next(iter(book.values()))]
        table.writerow(["student", *keys, "points", "total", "remarks"])
        for student, marks in book.items():
            each = [int(mark.status == "correct") for mark in marks]
            remarks = problem(marks) or "; ".join(
                f"{mark.key} {mark.status}: {mark.message}" for mark in marks if mark.status != "correct")
            table.writerow([_harmless(student), *each, sum(each), len(each), _harmless(remarks)])


def _harmless(text):
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def write_feedback(book, folder):
    """Write a page for each student of {student: marks} into a folder, to hand back. Returns how many."""
    try:
        headings = {key: exercise.heading for key, exercise in assignments.load().items()}
    except FileNotFoundError:           # an installed package, without the chapters
        headings = {}
    taken = set()
    for student, marks in book.items():
        name = "".join(sign if sign.isalnum() or sign in "-_. " else "-" for sign in student)
        name, number = name.lstrip(".")[:60] or "student", 1
        path = Path(folder) / f"{name}.html"
        while path.name.casefold() in taken:        # `a/b`, `a-b` and `A-B` are three students
            number += 1
            path = Path(folder) / f"{name}-{number}.html"
        save_text(path, _page(student, marks, headings))
        taken.add(path.name.casefold())
    return len(taken)


def _page(student, marks, headings):
    rows = [(mark.key, headings.get(mark.key, ""), f"{SIGNS[mark.status]} {mark.status}", mark.message)
            for mark in marks]
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>{html.escape(student)}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; }}
table {{ border-collapse: collapse; }}
tr {{ border-bottom: 1px solid #8888; }}
caption, th, td {{ text-align: left; vertical-align: top; padding: .3em .8em .3em 0; }}
td:last-child {{ overflow-wrap: anywhere; }}
td:nth-last-child(2) {{ white-space: nowrap; }}
@media (max-width: 40em) {{ thead {{ display: none; }} tr, th, td {{ display: block; padding: .1em 0; }} }}
</style></head><body><h1>{html.escape(student)}</h1>
{html_table(f"{points(marks)} of {len(marks)} correct", ("key", "exercise", "verdict", "what was said"), rows)}
</body></html>
"""
