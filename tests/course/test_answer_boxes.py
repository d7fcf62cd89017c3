"""The answer boxes of the pages: their script says what `check` says, of right answers, known wrong ones and others."""

import json
import random
import re
import shutil
import subprocess

import pytest
from docutils import nodes

from cnnlib.course.answers import Choice, Numbers, Part
from cnnlib.course.exercises import asked, judge, list_exercises
from cnnlib.site import answers
from tests.widgets.trainer.engine import chromium_page

BOXES = [key for key in list_exercises() if asked(key)]
PROGRAMS = [key for key in list_exercises() if not asked(key)]


def judged(jobs):
    """What the script of the pages says: jobs are (data as a page has it, key, texts)."""
    script = f"const module = {{}};\n{answers.SCRIPT.read_text().replace('typeof document', 'typeof nothing')}"
    ask = "({ data, key, texts }) => module.exports.judge(module.exports.decode(data, key), texts)"
    jobs = [{"data": data, "key": key, "texts": texts} for data, key, texts in jobs]
    if not shutil.which("node"):
        with chromium_page() as page:
            return page.evaluate(f"(jobs) => {{ {script}\n return jobs.map({ask}); }}", jobs)
    run = f'console.log(JSON.stringify(JSON.parse(require("fs").readFileSync(0, "utf8")).map({ask})));'
    done = subprocess.run(["node", "-e", f"{script}\n{run}"], input=json.dumps(jobs), text=True, capture_output=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def tried(key):
    """Answers to an exercise: the right one, every known mistake, the right numbers in every rotation, and others."""
    box, draw = asked(key), random.Random(key)
    if isinstance(box, Choice):
        return [*box.options, "another", 7]
    right = tuple(part.right for part in box.parts)
    answers = [right, *box.together, *(right[i:] + right[:i] for i in range(1, len(right)))]
    for place, part in enumerate(box.parts):
        near = [part.right + step for step in (-1000, -2, -1, 1, 2, 10, 12_345, 6_789_012)]
        answers += [(*right[:place], value, *right[place + 1:]) for value in [*part.mistakes, *near, 2.5, "many"]]
    answers += [tuple(draw.choice([value, value + 1, draw.randrange(1000)]) for value in right) for _ in range(20)]
    return answers if len(right) > 1 else [answer[0] for answer in answers]


def test_the_script_says_what_check_says():
    cases = [(key, answer) for key in BOXES for answer in tried(key)]
    said = judged([(answers.encoded(key), key, [str(value) for value in (answer if isinstance(answer, tuple) else
                                                                         [answer])]) for key, answer in cases])
    assert len(cases) > 1000
    for (key, answer), verdict in zip(cases, said, strict=True):
        answer = str(answer) if isinstance(asked(key), Choice) else answer
        expected = judge(key, answer)
        assert (verdict["status"], f"{key}: {verdict['message']}") == (expected.status, expected.message), answer


@pytest.mark.parametrize(("text", "number"), [
    ("448", 448), (" 448 ", 448), ("448.0", 448), ("755,822,656", 755_822_656), ("755 822 656", 755_822_656),
    ("755_822_656", 755_822_656), ("755\u202f822\u202f656", 755_822_656), ("−3", -3), ("-1,024", -1024),
    ("4,5", None), ("1,23", None), ("2.5", None), ("1e3", None), ("12 34", None), ("x", None)])
def test_a_typed_number_is_read_as_people_write_it(text, number):
    data = Numbers(Part("n", 10**12, {}, "Look."), why="so").data()
    [verdict] = judged([(packed(data), "k", [text])])
    expected = f"n: {number:,} is too small. Look." if number is not None else "n: a whole number is wanted, this is "
    assert verdict["message"].startswith(expected)


def packed(data, key="k"):
    return answers.base64.b64encode(bytes(byte ^ ord(key) for byte in json.dumps(data).encode())).decode()


def test_an_empty_field_is_open():
    several = next(key for key in BOXES if isinstance(asked(key), Numbers) and len(asked(key).parts) > 1)
    texts = [str(part.right) for part in asked(several).parts]
    [verdict] = judged([(answers.encoded(several), several, [*texts[:-1], " "])])
    assert verdict == {"status": "open", "message": "not answered yet.", "place": len(texts) - 1}


def test_both_kinds_of_judges_are_there():
    assert len(BOXES) > 45 and len(PROGRAMS) > 60
    assert any(isinstance(asked(key), Choice) for key in BOXES)


@pytest.mark.parametrize("key", BOXES)
def test_the_page_has_no_answer_in_plain_sight(key):
    shown = answers.box(key)
    data = asked(key).data()
    for secret in (data["why"], *data.get("together", {}).values(), *(part["hint"] for part in data.get("parts", []))):
        assert secret not in shown
    assert judged([(answers.encoded(key), key, right(key))])[0]["status"] == "correct"


def right(key):
    box = asked(key)
    return [box.right] if isinstance(box, Choice) else [str(part.right) for part in box.parts]


@pytest.mark.parametrize("key", [key for key in BOXES if isinstance(asked(key), Numbers)])
def test_every_wrong_number_is_told_more_than_too_large_and_no_message_gives_the_right_one_away(key):
    """A hint for every number. A large right number stands in no message; small ones (sizes, counts) may."""
    box = asked(key)
    large = {str(part.right) for part in box.parts if part.right > 1024} | {f"{part.right:,}" for part in box.parts
                                                                           if part.right > 1024}
    for part in box.parts:
        assert re.fullmatch(r"[A-Z0-9].{15,}[.?]", part.hint), part.hint
        said = [part.hint, *part.mistakes.values(), *box.together.values()]
        assert not [text for text in said for number in re.findall(r"\d[\d,]*\d", text) if number in large]
        assert part.right not in part.mistakes or part.told(part.right) == ""
    for values, told in box.together.items():
        assert len(values) == len(box.parts) and told.endswith((".", "?"))


def test_a_cell_that_checks_gets_a_box_or_a_line_that_says_why_not():
    class App:
        class env:
            noted = set()
            note_dependency = noted.add

    def cell(source):
        return nodes.container("", nodes.container("", nodes.literal_block(source, source)), classes=["cell"])

    section = nodes.section("", cell('a = ...\ncheck("vgg/letter-c", a)'), nodes.paragraph("", "text"),
                            cell('def f():\n    ...\n\n\ncheck("vgg/merge", f)'), cell("1 + 1"))
    document = nodes.container("", section)
    answers.add_boxes(App, document)
    kinds = [type(child).__name__ for child in section]
    assert kinds == ["container", "raw", "paragraph", "container", "raw", "container"]
    assert 'data-answer="vgg/letter-c"' in section[1].astext() and answers.PROGRAM in section[4].astext()
    assert App.env.noted == {str(answers.COURSE / "vgg" / "exercises.py")}
