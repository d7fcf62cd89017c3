"""Formulas as MathML, made while the book is built: browsers draw them without a script, screen readers read them.

The sources stay TeX; a notebook's own front end sets that. `latex2mathml` converts, and what browsers would not draw
from its answer as TeX does is mended here.
"""

import re
from xml.etree import ElementTree

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.errors import ExtensionError
from sphinx.util.math import get_node_equation_number

XMLNS = ' xmlns="http://www.w3.org/1998/Math/MathML"'           # HTML needs none
ENVIRONMENTS = {"aligned", "bmatrix", "cases", "matrix", "pmatrix", "split", "vmatrix"}
CHILDREN = {"mfrac": 2, "mover": 2, "mroot": 2, "msub": 2, "msubsup": 3, "msup": 2, "munder": 2, "munderover": 3}
OPENING, CLOSING, BARS = "([{⌊⌈", ")]}⌋⌉", "|‖"
SPACES = {"|": "0", "‖": "0", "/": "0", "·": "0.222em"}         # around a sign, where browsers leave another
THIN_SPACE = "0.167em"


def mathml(tex, display="inline"):
    """The formula `tex` as a `<math>` element (text); ValueError names one that would not be drawn as TeX draws it."""
    formula = f"formula {' '.join(tex.split())!r}"
    if unknown := set(re.findall(r"\\begin\{(.*?)\}", tex)) - ENVIRONMENTS:
        raise ValueError(f"{formula} has the environment {', '.join(unknown)}; allowed: {sorted(ENVIRONMENTS)}")
    if len(re.findall(r"(?<!\\)\{", tex)) != len(re.findall(r"(?<!\\)\}", tex)):
        raise ValueError(f"{formula} opens a brace that it does not close, or the other way round")
    try:
        converted = convert(tex.strip().replace("{aligned}", "{split}"), display=display)
        math = ElementTree.fromstring(converted.replace(XMLNS, ""))
    except Exception as problem:                        # its classes have no base of their own
        raise ValueError(f"{formula} is not understood: {type(problem).__name__} {problem}") from problem
    for element in math.iter():
        if element.tag != "mtext" and "\\" in (element.text or ""):
            raise ValueError(f"{formula} has {element.text}, which latex2mathml does not know")
        if len(element) != CHILDREN.get(element.tag, len(element)):
            raise ValueError(f"{formula} has half of a <{element.tag}>")
    mend(math)
    math.set("alttext", " ".join(tex.split()))
    return ElementTree.tostring(math, encoding="unicode")


def mend(parent):
    """Make of an element, and all in it, what browsers draw as TeX does."""
    for child in parent:
        mend(child)
        text = child.text or ""
        if child.tag == "mi" and text and not any(map(str.isalnum, text)):      # ± is a sign, ⌊ a bracket
            child.tag = "mo"
            if text in OPENING + CLOSING + BARS:
                child.set("stretchy", "false")
        elif child.tag == "mo" and (text.isalpha() or text in "…⋯"):            # max is a name, … stands for names
            child.tag = "mi"
        elif child.tag == "mtext" and len(text) > 1 and text.isalpha():         # a sign beside text has no space
            child.tag = "mi"
    if parent.tag == "mover" and parent.get("accent"):
        parent[1].set("stretchy", "false")                                      # a hat, no roof
    if parent.tag == "msup" and parent[1].text == "′":                          # it stands high by itself
        parent.tag = "mrow"
        parent[1].attrib.update(lspace="0", rspace="0")
    if parent.tag in ("math", "mrow", "mtd", "msqrt", "mstyle"):
        mend_signs(parent)
        parent[:] = joined(spaced(list(parent)))


def mend_signs(row):
    """Say of each sign in a row how it stands there, and so how much space is around it."""
    last = None
    for child in row:
        text = child.text or ""
        leads = last is None or last.tag == "mo" and (last.text or "") not in CLOSING + BARS
        if child.tag == "mo" and (text in OPENING or text in "±−+" and leads):
            child.set("form", "prefix")
        elif child.tag == "mo" and text in CLOSING:
            child.set("form", "postfix")
        elif child.tag == "mo" and text in SPACES:
            child.attrib.update(lspace=SPACES[text], rspace=SPACES[text])
        elif child.get("linethickness") == "0":             # a binomial: its brackets, around it, fit by themselves
            for bracket in (last, row[list(row).index(child) + 1]):
                del bracket.attrib["minsize"], bracket.attrib["maxsize"]
        last = child


def spaced(row):
    """A function's name stands off what it is applied to, and what is before it: 2 ln 10, but tanh(x)."""
    found = []
    for i, child in enumerate(row):
        after = row[i + 1].tag if i + 1 < len(row) else "mo"
        before = found[-1].tag if found else "mo"
        named = is_function(child)
        found += [*[thin_space()] * (named and before != "mo"), child, *[thin_space()] * (named and after != "mo")]
    return found


def thin_space():
    return ElementTree.Element("mspace", width=THIN_SPACE)


def is_function(element):
    """Is it a name of several letters, or such a name with an index?"""
    if element.tag in CHILDREN and element.tag != "mfrac":
        element = element[0]
    return element.tag == "mi" and len(element.text or "") > 1 and not element.get("mathvariant")


def joined(row):
    """1{,}024 is one number; upright letters are one word."""
    found = []
    for child in row:
        if [part.tag for part in (*found[-2:], child)] == ["mn", "mrow", "mn"] and written(found[-1]) == ",":
            found.pop()
            found[-1].text += f",{child.text}"
        elif found and upright(child) and upright(found[-1]):
            found[-1].text += child.text
        else:
            found.append(child)
    return found


def upright(element):
    return element.tag == "mi" and element.get("mathvariant") == "normal"


def written(element):
    return "".join(element.itertext())


# ---- in the pages ----

def keep_signs(app, doctree, docname):
    """A line must not begin with the comma that follows a formula: it becomes a part of it."""
    for formula in doctree.findall(nodes.math):
        follows = formula.next_node(descend=False, siblings=True)
        if isinstance(follows, nodes.Text) and follows.startswith(tuple(",.;:!?)")):
            formula["sign"] = follows[0]
            follows.parent.replace(follows, nodes.Text(follows[1:]))


def visit_inline(translator, node):
    sign = node.get("sign", "")
    translator.body.append(f'<span class="math">{in_page(translator, node, "inline")}{sign}</span>')
    raise nodes.SkipNode


def visit_block(translator, node):
    translator.body.append(translator.starttag(node, "div", CLASS="math"))      # with its anchor
    if node["number"]:
        translator.body.append(f'<span class="eqno">({get_node_equation_number(translator, node)})</span>')
    translator.body.append(f"{in_page(translator, node, 'block')}</div>\n")
    raise nodes.SkipNode


def in_page(translator, node, display):
    """The formula of a node; one that cannot be converted stops the build and is named."""
    try:
        return mathml(node.astext(), display)
    except ValueError as problem:
        raise ExtensionError(f"{translator.builder.current_docname}: {problem}") from problem


def setup(app):
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    app.connect("doctree-resolved", keep_signs)
