"""The form of a page: every chapter is in sections and has it. And what a page takes is counted right."""

import ast
import base64
import copy
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from cnnlib.course import chapters, reading

MOST_WORDS, MOST_MINUTES = 1800, 20
WIDEST = 590                # pixels of a figure: a phone shows it at 342, and its letters of 10 points at 9 pixels
MOST_COLUMNS = 56           # of a printed line: what a phone shows (book/assets/book.css)
PAGES = [path for chapter in reading.in_sections() for path in chapters.notebooks(chapter)]
SECTIONS = [path for chapter in reading.in_sections() for path in reading.sections(chapter)]


def test_every_chapter_is_in_sections():
    assert reading.in_sections() == [*chapters.CHAPTERS]


# ------------------------------------------------------------------ the form


def form(nb, name):
    """What is wrong with the form of a page, a list; `name` such as "lenet/watch"."""
    chapter, _, page = name.partition("/")
    ids, problems = [cell.id for cell in nb.cells], []
    if ids[:3] != ["colab", "title", "setup"]:
        problems.append(f"begins with {', '.join(ids[:3])}; allowed: colab, title, setup")
    opening = next((cell.source for cell in nb.cells if cell.id == "title"), "")
    if not re.search(r":class: cost\n\*\*You will be able to\*\*", opening):
        problems.append("does not open with what the reader will be able to do")
    if len(re.findall(r"^# ", opening, re.M)) != 1:
        problems.append("has not one title")
    words = sum(len(cell.source.split()) for cell in nb.cells
                if cell.cell_type == "markdown" and not cell.id.startswith("solution-"))
    if words > MOST_WORDS:
        problems.append(f"has {words} words; allowed: {MOST_WORDS}")
    if page == "index":
        linked = re.findall(r"\]\((\w+)\.ipynb\)", "\n".join(cell.source for cell in nb.cells))
        behind = [path.stem for path in chapters.notebooks(chapter) if path.stem != "index"]
        if linked != behind:
            problems.append(f"leads to {', '.join(linked)}, not to {', '.join(behind)}")
    elif page not in ("bugs", "sources"):
        problems += exercises(ids, {cell.id: cell.source for cell in nb.cells})
    problems += [f"{id}: a figure is {width} pixels wide; allowed: {WIDEST}" for id, width in figures(nb)
                 if width > WIDEST]
    problems += [f"{id}: {line!r} is printed, {len(line)} columns; allowed: {MOST_COLUMNS}"
                 for id, line in printed(nb) if len(line) > MOST_COLUMNS]
    return problems + [f"a visible cell uses {name!r}, which a hidden one makes" for name in hidden_names(nb)]


def exercises(ids, sources):
    """What is wrong with the exercises at the end of a section."""
    count = sum(id.startswith("exercise-") for id in ids)
    wanted = ["exercises"] + [f"{part}-{n}" for n in range(1, count + 1) for part in ("exercise", "answer", "solution")]
    problems = [] if 2 <= count <= 4 else [f"has {count} exercises; allowed: 2 to 4"]
    if ids[-len(wanted):] != wanted:
        problems.append("does not end with its exercises, each with its answer and its solution")
    if any(reading.GLUED.search(sources[id]) for id in ids if id.startswith("exercise-")):
        problems.append("an exercise has a glued number, which nobody would see who gets it alone")
    return problems


def figures(nb):
    """(cell id, width in pixels) of every picture."""
    pngs = [(cell.id, output.data["image/png"]) for cell in nb.cells for output in cell.get("outputs", [])
            if "image/png" in output.get("data", {})]
    return [(id, int.from_bytes(base64.b64decode(png)[16:20], "big")) for id, png in pngs]


def printed(nb):
    """(cell id, line) of all that cells print on the page."""
    return [(cell.id, line) for cell in nb.cells
            if cell.cell_type == "code" and not {"remove-cell", "remove-output"} & set(cell.metadata.get("tags", ()))
            for output in cell.outputs if output.output_type == "stream" for line in output.text.splitlines()]


def hidden_names(nb):
    """Names that visible code uses and only code that is not on the page makes."""
    made, used = {True: set(), False: set()}, set()
    for cell in nb.cells:
        if cell.cell_type != "code" or cell.id == "colab":
            continue
        shown = not {"remove-cell", "remove-input"} & set(cell.metadata.get("tags", ()))
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                made[shown].add(node.id)
            elif isinstance(node, ast.Name) and shown:
                used.add(node.id)
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                made[shown].add(node.name)
            elif isinstance(node, ast.alias):
                made[shown].add((node.asname or node.name).partition(".")[0])
    return sorted(used & made[False] - made[True])


@pytest.mark.parametrize("path", PAGES, ids=chapters.page)
def test_every_page_has_the_form(path):
    assert form(nbformat.read(path, 4), chapters.page(path)) == []


@pytest.mark.parametrize("path", SECTIONS, ids=chapters.page)
def test_a_section_is_a_sitting(path):
    assert 1 <= reading.read(path).minutes <= MOST_MINUTES


def test_a_chapter_in_sections_has_a_clinic_and_sources():
    for chapter in reading.in_sections():
        stems = [path.stem for path in chapters.notebooks(chapter)]
        assert stems[0] == "index" and stems[-2:] == ["bugs", "sources"]


def drop(id):
    return lambda nb: nb.cells.remove(next(cell for cell in nb.cells if cell.id == id))


def append(id, text):
    def spoil(nb):
        next(cell for cell in nb.cells if cell.id == id).source += text
    return spoil


def hide(id):
    def spoil(nb):
        next(cell for cell in nb.cells if cell.id == id).metadata["tags"] = ["remove-cell"]
    return spoil


WIDE = base64.b64encode(bytes(16) + (700).to_bytes(4, "big") * 2).decode()         # where a PNG says its size


@pytest.mark.parametrize("spoil, complaint", [
    (drop("setup"), "begins with colab, title,"),
    (lambda nb: nb.cells.insert(0, nb.cells.pop(1)), "begins with title, colab"),
    (append("title", "\n\n# Again"), "not one title"),
    (append("title", " word" * MOST_WORDS), "words; allowed"),
    (lambda nb: append("title", "")(nb) or nb.cells[1].update(source="# Title"), "does not open with"),
    (drop("solution-1"), "does not end with its exercises"),
    (lambda nb: nb.cells.append(new_markdown_cell("More.", id="more")), "does not end with its exercises"),
    (append("exercise-1", " {glue:text}`error`"), "glued number"),
    (hide("setup"), "a visible cell uses 'cnnlib', which a hidden one makes"),
    (lambda nb: nb.cells[4].update(outputs=[new_output("display_data", {"image/png": WIDE})]), "figure is 700 pixels"),
    (lambda nb: nb.cells[4].update(outputs=[new_output("stream", text="12\n" + 57 * "x")]), "is printed, 57 columns"),
    (lambda nb: [drop(f"{part}-{n}")(nb) for part in ("exercise", "answer", "solution") for n in (2, 3, 4)],
     "has 1 exercises"),
])
def test_the_form_finds(spoil, complaint):
    path = next(path for path in SECTIONS if chapters.page(path) == "lenet/watch")
    nb = copy.deepcopy(nbformat.read(path, 4))
    spoil(nb)
    found = form(nb, chapters.page(path))
    assert any(complaint in problem for problem in found), found


def test_a_landing_page_that_forgets_a_section_is_found():
    path = PAGES[0]
    nb = nbformat.read(path, 4)
    for cell in nb.cells:
        cell.source = cell.source.replace("](bugs.ipynb)", "](bugs)")
    assert any("leads to" in problem for problem in form(nb, chapters.page(path)))


# ------------------------------------------------------------------ what a page takes


def test_minutes_are_those_of_words_cells_and_widgets_without_exercises(tmp_path):
    widget = '<div class="cnnlib-widget" data-kind="{}">'
    shown = [new_output("display_data", {"text/html": widget.format(kind)}) for kind in ("SizeRule", "Predict")]
    nb = new_notebook(cells=[
        new_code_cell("install", id="colab", metadata={"tags": ["remove-cell"]}),
        new_markdown_cell("# A title\n\n" + "word " * 297, id="title"),                   # 300 words: 2 minutes
        new_code_cell("1", id="one"), new_code_cell("2", id="two", outputs=shown[1:]),      # 1
        new_code_cell("3", id="three", outputs=shown[:1]), new_code_cell("4", id="bug-x"),  # 4
        new_markdown_cell("### 1. Think\n\n" + "hard " * 97, id="exercise-1"), new_code_cell("...", id="answer-1"),
        new_markdown_cell("much " * 500, id="solution-1"),
    ], metadata={"cnnlib": {"seconds": 7.6}})
    path = tmp_path / "chapter" / "page.ipynb"
    path.parent.mkdir()
    nbformat.write(nb, path)
    page = reading.read(path)
    assert page == ("chapter/page", "A title", 400, 7, 1, 7.6)
    assert page.takes == "7 minutes, 1 exercise"
    assert page._replace(minutes=1, exercises=0).takes == "1 minute"


def test_sections_are_what_is_neither_landing_page_nor_clinic_nor_sources(tmp_path):
    for name in ("index", "bugs", "one", "sources"):
        (tmp_path / "book" / "lenet").mkdir(parents=True, exist_ok=True)
        (tmp_path / "book" / "lenet" / f"{name}.ipynb").touch()
    listed = "".join(f"\n    - file: book/lenet/{name}" for name in ("one", "two", "bugs", "sources"))
    (tmp_path / "_toc.yml").write_text(f"root: book/intro\nchapters:\n- file: book/lenet/index\n  sections:{listed}\n")
    assert [path.name for path in reading.sections("lenet", tmp_path)] == ["one.ipynb"]      # two is not written yet
    assert reading.in_sections(tmp_path) == ["lenet"]
