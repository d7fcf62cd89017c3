"""The answer box under an exercise of a page: without a kernel it says what `check` says.

Whether there is one is for the judge to say (`cnnlib.course.exercises.asked`): where data judges, the page gets the
data; where a program does, the page says so.
"""

import base64
import html
import json
import re
from itertools import cycle
from pathlib import Path

from docutils import nodes

from ..course import exercises

COURSE = Path(exercises.__file__).parent
SCRIPT = Path(__file__).with_name("answers.js")
MARK = " data-answer="
CHECK = re.compile(r'^check\("([^"]+)"', re.MULTILINE)
PROGRAM = "A program checks this answer: run the cell in Colab, or with a kernel."


def encoded(key):
    """The data of an exercise's judge as a page has it: the answer does not stand there in plain sight. It is no
    secret, since the solution is folded under the exercise."""
    data = json.dumps(exercises.asked(key).data(), ensure_ascii=False).encode()
    return base64.b64encode(bytes(a ^ b for a, b in zip(data, cycle(key.encode()), strict=False))).decode()


def box(key):
    """HTML: the answer box of an exercise, or the line that says why there is none."""
    if exercises.asked(key) is None:
        return f'<p class="answer-program">{PROGRAM}</p>'
    return (f'<div class="cnn answer-box"{MARK}"{html.escape(key)}"><script type="text/plain">{encoded(key)}</script>'
            "<p>Your answer can be checked here where JavaScript is on.</p></div>")


def add_boxes(app, doctree):
    """Put the boxes behind the cells that check an answer."""
    for cell in list(doctree.findall(lambda node: isinstance(node, nodes.container) and "cell" in node["classes"])):
        code = "\n".join(part.astext() for part in cell.findall(nodes.literal_block))
        for key in CHECK.findall(code):
            cell.parent.insert(cell.parent.index(cell) + 1, nodes.raw("", box(key), format="html"))
            app.env.note_dependency(str(COURSE / key.split("/")[0] / "exercises.py"))


def setup(app):
    app.connect("doctree-read", add_boxes)
