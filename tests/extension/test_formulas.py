"""Formulas become MathML as TeX would set them, or the build stops at them by name."""

import re

import pytest

from cnnlib.site.formulas import mathml


def inside(tex):
    """The MathML of a formula without its frame."""
    return re.fullmatch(r'<math display="inline" alttext="[^"]*"><mrow>(.*)</mrow></math>', mathml(tex))[1]


@pytest.mark.parametrize("tex, drawn", [
    (r"1{,}176", "<mn>1,176</mn>"),                                             # one number, no list
    (r"\mathrm{ReLU}", "<mrow><mi mathvariant=\"normal\">ReLU</mi></mrow>"),    # one word
    (r"\text{features}", "<mi>features</mi>"),
    (r"\ln 10", '<mi>ln</mi><mspace width="0.167em" /><mn>10</mn>'),
    (r"\tanh(x)", '<mi>tanh</mi><mo stretchy="false" form="prefix">(</mo><mi>x</mi>'
                  '<mo stretchy="false" form="postfix">)</mo>'),
    (r"\max x", '<mi>max</mi><mspace width="0.167em" /><mi>x</mi>'),
    (r"C'", '<mrow><mi>C</mi><mo lspace="0" rspace="0">′</mo></mrow>'),
    (r"= \pm 1", '<mo>=</mo><mo form="prefix">±</mo><mn>1</mn>'),               # a sign of the number
    (r"p \pm 1", "<mi>p</mi><mo>±</mo><mn>1</mn>"),                             # between two
    (r"1/n", '<mn>1</mn><mo lspace="0" rspace="0">/</mo><mi>n</mi>'),
    (r"\hat p", '<mover accent="true"><mi>p</mi><mo stretchy="false">^</mo></mover>'),
    (r"\dots", "<mi>…</mi>"),
    (r"\binom{n}{k}", '<mo form="prefix">(</mo><mfrac linethickness="0"><mrow><mi>n</mi></mrow><mrow><mi>k</mi></mrow>'
                      '</mfrac><mo form="postfix">)</mo>'),
])
def test_browsers_are_told_what_tex_knows(tex, drawn):
    assert inside(tex) == drawn


def test_equations_are_aligned_at_their_sign():
    table = mathml(r"\begin{aligned} a &= b \\ c + d &= e \end{aligned}", "block")
    assert re.findall(r'<mtd columnalign="(\w+)">', table) == ["right", "left"] * 2
    assert table.startswith('<math display="block"') and table.count("<mtr>") == 2


def test_the_source_is_said_too():
    assert 'alttext="a &lt; b"' in mathml("a\n  < b")


@pytest.mark.parametrize("tex, said", [
    (r"\alhpa x", r"formula '.*' has \\alhpa"),
    (r"\frac{a}", "half of a <mfrac>"),
    (r"x^", "formula 'x\\^' is not understood: MissingSuperScriptOrSubscriptError"),
    (r"\left( a", "is not understood"),
    (r"{a", "opens a brace"),
    (r"a & b", "is not understood"),
    (r"\begin{tikzpicture} a \end{tikzpicture}", "has the environment tikzpicture; allowed"),
])
def test_what_cannot_be_converted_is_named(tex, said):
    with pytest.raises(ValueError, match=said):
        mathml(tex)
