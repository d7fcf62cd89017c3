"""`explore`: what travels with the page is what the function returns, for every combination; and what is refused."""

import base64
import io
import itertools
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cnnlib.widgets import chart, explore, number, picture, table
from cnnlib.widgets.explore import items
from tests.widgets.test_widgets import Page, unpack


def weights(kernel, channels):
    return kernel ** 2 * channels ** 2


def answers_of(widget):
    """(inputs, items or the reason why there are none) for every combination that the page can show."""
    spec = json.loads(json.dumps(widget.static_spec()))
    for values in itertools.product(*spec["grid"].values()):
        inputs = dict(zip(spec["grid"], values, strict=True))
        found = unpack(spec, inputs)
        yield inputs, found if isinstance(found, str) else found["items"]


numbers_offered = st.lists(st.integers(-50, 50), min_size=1, max_size=5, unique=True)


@given(numbers_offered, st.lists(st.text(max_size=3), min_size=1, max_size=4, unique=True), st.integers(2, 5))
@settings(max_examples=30, deadline=None)
def test_the_page_has_the_functions_own_answer_to_every_combination(kernels, names, divisor):
    def answer(kernel, name, flag):
        if kernel % divisor == 0:
            raise ValueError(f"{kernel} is refused")
        return {"one": kernel if flag else -kernel, "two": [name, [{"kernel": kernel, "name": name}]]}

    if kernels[0] % divisor == 0 or min(kernels) % divisor == 0:
        return                                           # the opening choices must have an answer
    widget = explore(answer, title="T", kernel=kernels, name=names, flag=[False, True])
    seen = 0
    for inputs, found in answers_of(widget):
        seen += 1
        if inputs["kernel"] % divisor == 0:
            assert found == f"{inputs['kernel']} is refused"
        else:
            said = str(inputs["kernel"] if inputs["flag"] else -inputs["kernel"])
            assert found == [["number", "one", said, ""], ["text", "two", inputs["name"]],
                             ["table", "two", ["kernel", "name"], [True, False],
                              [[str(inputs["kernel"]), inputs["name"]]]]]
    assert seen == len(kernels) * len(names) * 2


def test_the_example_of_the_manual_runs_and_is_short():
    manual = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text()
    code = re.search(r"```python\n(.*?explore\(.*?)```", manual, re.S)[1]
    assert len(code.strip().splitlines()) <= 15
    names = {}
    exec(code.replace("explore(", "widget = explore(", 1), names)
    answers = list(answers_of(names["widget"]))
    assert len(answers) > 10
    assert {item[0] for _, found in answers for item in found} >= {"number", "chart"}


def test_a_choice_may_stand_for_any_value():
    widget = explore(lambda f: f(4.0), title="T", f={"root": math.sqrt, "half": lambda x: x / 2 + 1})
    assert widget.inputs == {"f": ["root", "half"]}
    assert [found for _, found in answers_of(widget)] == [[["number", "", "2", ""]], [["number", "", "3", ""]]]


def test_it_opens_with_the_functions_defaults():
    def f(depth, growth_rate=24, act=max, flag=True):
        return depth

    widget = explore(f, title="T", depth=[40, 100], growth_rate=range(12, 37, 12), act={"min": min, "max": max},
                     flag=bool)
    assert explore(f, title="T", depth=np.arange(3)).inputs == {"depth": [0, 1, 2]}
    assert widget.current() == {"depth": 40, "growth_rate": 24, "act": "max", "flag": True}
    assert widget.labels == {"depth": "depth", "growth_rate": "growth rate", "act": "act", "flag": "flag"}
    assert explore(f, title="T", labels={"depth": "layers"}, depth=[1]).labels == {"depth": "layers"}


@pytest.mark.parametrize("value, expected", [
    (1234567, [["number", "", "1,234,567", ""]]),
    (0.1 + 0.2, [["number", "", "0.3", ""]]),
    (1234567.891, [["number", "", "1,234,570", ""]]),
    (1.5e-7, [["number", "", "1.5e-07", ""]]),
    (float("nan"), [["number", "", "not a number", ""]]),
    (-math.inf, [["number", "", "−∞", ""]]),
    (True, [["number", "", "yes", ""]]),
    (np.float32(0.5), [["number", "", "0.5", ""]]),
    (torch.tensor(7), [["number", "", "7", ""]]),
    (number(25_557_032 / 1e6, "million", digits=1), [["number", "", "25.6", "million"]]),
    ("a < b", [["text", "", "a < b"]]),
    ([{"a": 1, "b": "x"}, {"a": 2.5}], [["table", "", ["a", "b"], [True, False], [["1", "x"], ["2.5", ""]]]]),
    ((["a", "b"], [[1, None], [2000, 3]]), [["table", "", ["a", "b"], [True, True], [["1", ""], ["2,000", "3"]]]]),
    (table([[1]], ["a"], caption="C"), [["table", "C", ["a"], [True], [["1"]]]]),
    ([1, "two"], [["number", "", "1", ""], ["text", "", "two"]]),
    ({"x": {"y": 1}, "z": number(2, label="own")}, [["number", "y", "1", ""], ["number", "own", "2", ""]]),
])
def test_how_an_answer_is_shown(value, expected):
    assert items(value) == expected


def decoded(item):
    """Pixels (H, W) or (H, W, 3) of a picture that :func:`picture` packed."""
    kind, _, address, _, size = item
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(address.removeprefix("data:image/png;base64,")))))
    assert kind == "picture" and list(pixels.shape[:2]) == size
    return pixels


@given(st.integers(1, 9), st.integers(1, 9), st.booleans(), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_a_picture_holds_the_pixels_given(height, width, colour, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (3, height, width) if colour else (height, width), np.uint8)
    expected = pixels.transpose(1, 2, 0) if colour else pixels
    assert (decoded(picture(pixels, alt="x")) == expected).all()
    assert (decoded(picture(torch.tensor(pixels) / 255, alt="x")) == expected).all()
    assert (decoded(picture(pixels / 255 * 3 - 1, alt="x")) == (255 * (pixels / 255 * 3 - 1).clip(0, 1)).round()
            .reshape(pixels.shape).transpose(*((1, 2, 0) if colour else (0, 1)))).all(), "cut off at black and white"


def test_a_signed_picture_is_white_at_zero_and_says_the_sign_by_colour():
    (least, zero, half, most), = decoded(picture([[-2, 0, 2, 4]], alt="x", signed=True)).tolist()
    assert zero == [255, 255, 255] and most == [0, 114, 178] and half == [128, 184, 216]
    assert least == [234, 174, 128], "half way to the orange: the scale is the same on both sides"
    assert (decoded(picture(np.zeros((2, 2)), alt="x", signed=True)) == 255).all()


@pytest.mark.parametrize("values, options, told", [
    (np.zeros((2, 2, 3)), {}, r"shape \(2, 2, 3\), allowed: \(H, W\)"),
    (np.zeros((3, 2, 2)), {"signed": True}, "if it is not signed"),
    (np.zeros((0, 2)), {}, "shape"),
    (np.array([[np.nan]]), {}, "no numbers"),
    (np.zeros((2, 2)), {"alt": " "}, "alt is empty"),
])
def test_what_is_no_picture(values, options, told):
    with pytest.raises(ValueError, match=told):
        picture(values, **{"alt": "x"} | options)


def test_without_javascript_pixels_are_an_image_with_its_text():
    page = explore(lambda n: picture(np.zeros((n, 2 * n)), alt="all <black>", title="T"), title="P", n=[8]).to_html()
    assert re.search(r'<img src="data:image/png;base64,[^"]+" alt="all &lt;black&gt;" width="240"><figcaption>T<', page)


def test_markup_is_taken_from_objects_only():
    class Drawing:
        def _repr_svg_(self):
            return "<svg></svg>"

    assert items({"a": Drawing(), "b": "<svg>"}) == [["html", "a", "<svg></svg>"], ["text", "b", "<svg>"]]


def test_what_gives_its_rows_as_a_data_frame_does_is_a_table():
    class Frame:
        columns = ["n"]

        def to_dict(self, orient):
            assert orient == "records"
            return [{"n": np.int64(1)}, {"n": 2}]

        def _repr_html_(self):
            return "<table></table>"

    assert items(Frame()) == [["table", "", ["n"], [True], [["1"], ["2"]]]]


def test_a_chart_keeps_its_numbers_and_leaves_gaps():
    kind, title, spec = chart("lines", np.arange(3), {"a": [1, np.nan, 1 / 3], "b": [None, 2, 3]}, title="T",
                              y_range=(0, 4), log_x=True)
    assert (kind, title, spec["x"]) == ("chart", "T", [0, 1, 2])
    assert spec["series"] == [["a", [1, None, 0.333333]], ["b", [None, 2, 3]]]
    assert (spec["ranges"], spec["logs"]) == ([[], [0, 4]], [True, False])
    assert chart("bars", [1, "b"], [2, 3])[2]["x"] == ["1", "b"]
    assert "marked" not in spec and chart("lines", [1], {"a": [1]}, marked=("a",))[2]["marked"] == ["a"]


def many_bytes(a, b):
    return [f"{a} {b} {i}" for i in range(200)]


@pytest.mark.parametrize("make, says", [
    (lambda: explore(weights, title=" ", kernel=[1], channels=[1]), "title is ' '"),
    (lambda: explore(weights, title="T", kernel=[1]), "no choices for channels"),
    (lambda: explore(weights, title="T", kernel=[1], channels=[1], depth=[1]), "no argument depth; it has kernel, "),
    (lambda: explore(weights, title="T", kernel=[], channels=[1]), r"choices for kernel are \[\], allowed"),
    (lambda: explore(weights, title="T", kernel=[1, "a"], channels=[1]), "choices for kernel are"),
    (lambda: explore(weights, title="T", kernel=[[1]], channels=[1]), "choices for kernel are"),
    (lambda: explore(weights, title="T", kernel=[math.nan], channels=[1]), "choices for kernel are"),
    (lambda: explore(weights, title="T", labels={"k": "K"}, kernel=[1], channels=[1]), "labels has k, allowed: kernel"),
    (lambda: explore(lambda close: 1, title="T", close=[1]), "choice close: a widget has an attribute of that name"),
    (lambda: explore(lambda **_: 1, title="T", a=range(200), b=range(200)), "40,000 combinations, allowed: 20,000"),
    (lambda: explore(many_bytes, title="T", a=range(20), b=range(20)), r"400 combinations with [\d,]{7,} bytes"),
    (lambda: chart("pie", [1], [1]), "kind is 'pie', allowed: 'lines'"),
    (lambda: explore(lambda a: a, title="T", a=3), "choices for a are 3, allowed: a list, a range, or a dict"),
    (lambda: chart("dots", [1, 2], {"a": [1]}), "series 'a' has 1 values for 2 places"),
    (lambda: chart("lines", [1], {"a": [1]}, marked=["b"]), "marked has b, allowed: series of a chart of lines"),
    (lambda: chart("bars", [1], {"a": [1]}, marked=["a"]), "marked has a, allowed: series of a chart of lines"),
    (lambda: table([[1, 2]], ["a"]), "a row has 2 cells, the table has 1 columns"),
])
def test_refusals_say_why(make, says):
    with pytest.raises(ValueError, match=says):
        make()


@pytest.mark.parametrize("value", [None, object(), [None]])
def test_what_cannot_be_shown_is_an_error_of_the_author(value):
    with pytest.raises(TypeError, match="which explore cannot show"):
        explore(lambda a: value, title="T", a=[1])


def only_six(depth):
    if depth % 6 != 2:
        raise ValueError(f"depth is {depth}, allowed: 6n + 2.")
    return depth * 1000


def test_a_kernel_answers_between_the_recorded_choices_and_refuses_beyond_them():
    widget = explore(only_six, title="T", depth=range(8, 57, 12))
    assert (widget.inputs["depth"], widget.answer) == ([8, 20, 32, 44, 56], {"items": [["number", "", "8,000", ""]]})
    widget.set_state({"depth": 26})
    assert (widget.answer["items"][0][2], widget.error) == ("26,000", "")
    for depth, says in ((27, "depth is 27, allowed: 6n + 2."), (62, "depth is 62, allowed: 8 to 56.")):
        widget.set_state({"depth": depth})
        assert widget.error == says
        assert (widget.answer["items"][0][2], widget.answered) == ("26,000", {"depth": 26})


def test_every_answer_is_computed_once():
    asked = []
    widget = explore(lambda a: asked.append(a) or a, title="T", a=range(5))
    widget.to_html()
    widget.a = 3
    assert sorted(asked) == [0, 1, 2, 3, 4]


def test_without_javascript_there_is_a_table_of_the_opening_answer():
    widget = explore(lambda a: {"sum": a + 1000, "rows": [{"k": a}], "c": chart("bars", ["x<y"], [a])}, title="A <T>",
                     a=[7])
    fallback = widget.fallback_html()
    page = Page(widget.to_html())
    assert page.tags.count("table") == 3 and "t" not in page.tags
    assert all(text in fallback for text in ("A &lt;T&gt;", "1,007", "x&lt;y", '<th scope="row">7</th>'))
    assert widget.to_html() == explore(widget._fn, title="A <T>", a=[7]).to_html()
    assert repr(widget) == "explore('A <T>': a=7)"


@pytest.mark.parametrize("recorded, origin", [(False, "computed"), (True, "recorded")])
def test_a_page_says_whether_its_answers_were_recorded(recorded, origin):
    widget = explore(lambda n: n, title="n", n=[1, 2], recorded=recorded)
    assert widget.static_spec()["state"]["origin"] == origin and widget.origin == "kernel"
