"""The ledger: every entry is well formed, every computation still gives what is printed."""

import html
import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from cnnlib.course import claims

LEDGER = claims.load()
COMPUTED = [claim for claim in LEDGER.values() if claim.computation]
FOLDERS = Path(claims.__file__).parent
BIBLIOGRAPHY = Path(__file__).resolve().parents[2] / "book" / "references.bib"

ENTRY = {
    "id": "two-and-two",
    "claim": "Two and two are five.",
    "seen_in": "a novel",
    "verdict": "false",
    "statement": "They are {sum}.",
    "settled_by": {"computation": '{"sum": 2 + 2}', "expected": {"sum": 4}},
}


def ledger(tmp_path, *entries):
    path = tmp_path / "poetry" / "claims.yml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(list(entries)), encoding="utf-8")
    return claims.load([path])


@pytest.mark.parametrize("claim", COMPUTED, ids=lambda claim: claim.id)
def test_computation_gives_what_the_ledger_expects(claim):
    assert claim.confirm() == claim.settled_by["expected"]


@pytest.mark.parametrize("claim", COMPUTED, ids=lambda claim: claim.id)
def test_a_wrong_expected_value_is_noticed(claim, monkeypatch):
    expected = claim.settled_by["expected"]
    monkeypatch.setattr(claims, "run", lambda source: expected)     # what it measures is tested above
    for name, value in expected.items():
        mutant = replace(claim, settled_by={**claim.settled_by, "expected": {**expected, name: [value, "changed"]}})
        with pytest.raises(ValueError, match=f"claim {claim.id}: measured"):
            mutant.confirm()


@pytest.mark.parametrize("claim", COMPUTED, ids=lambda claim: claim.id)
def test_every_measured_value_is_shown(claim):
    printed = set(re.findall(r"{(\w+)", claim.statement))
    assert printed == set(claim.settled_by["expected"]), "a value is measured and never shown, or the reverse"


@pytest.mark.parametrize("chapter", dict.fromkeys(claim.chapter for claim in LEDGER.values()))
def test_every_claim_of_a_chapter_is_there_and_the_table_says_verdict_sentence_and_grounds(chapter):
    """Every computation of the chapter runs a second time here: it must be repeatable."""
    shown = claims.show(chapter)
    written = yaml.load((FOLDERS / chapter / "claims.yml").read_text(encoding="utf-8"), claims.SAFE)
    assert [claim.id for claim, _ in shown.rows] == [f"{chapter}/{entry['id']}" for entry in written]
    page, text = shown._repr_html_(), repr(shown).replace("\n     ", " ")
    assert page.count('<th scope="row">') == page.count('class="verdict verdict-') == len(shown.rows)
    assert page.count("<details>") == len(shown.rows)
    for claim, values in shown.rows:
        assert f"</span> {claim.verdict}</span></th>" in page
        assert html.escape(claim.sentence(values)) in page
        assert claim.sentence(values) in text
    assert "{" not in text


def test_files_are_read_in_their_order_and_one_name_may_be_in_two_chapters(tmp_path):
    files = [tmp_path / chapter / "claims.yml" for chapter in ("b", "a")]
    for file in files:
        file.parent.mkdir()
        file.write_text(yaml.safe_dump([ENTRY]), encoding="utf-8")
    assert list(claims.load(files)) == ["b/two-and-two", "a/two-and-two"]
    with pytest.raises(ValueError, match=r"\.yml: entry 1 \(two-and-two\): id 'two-and-two' is given twice"):
        claims.load(2 * files)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"verdict": "maybe"}, "verdict is 'maybe', allowed: true, false, imprecise, unverified"),
        ({"claim": " "}, "claim is ' '"),
        ({"id": "Two & two"}, "id is 'Two & two', allowed: a few words"),
        ({"id": "lenet/first-maps"}, "id is 'lenet/first-maps', allowed: a few words"),
        ({"colour": "red"}, "field 'colour' is not known"),
        ({"settled_by": {}}, "settled_by is empty"),
        ({"settled_by": {"computation": "{}"}}, "belong together"),
        ({"settled_by": {"paper": {"key": "x"}}}, "field 'where' is missing"),
        ({"settled_by": "a friend"}, "found 'a friend' where a mapping"),
        ({"statement": "They are {product}."}, "statement names 'product'"),
    ],
)
def test_a_malformed_entry_is_refused(tmp_path, change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ledger(tmp_path, {**ENTRY, **change})


@pytest.mark.parametrize("field", claims.FIELDS)
def test_a_missing_field_is_named(tmp_path, field):
    entry = {name: value for name, value in ENTRY.items() if name != field}
    with pytest.raises(ValueError, match=f"field '{field}' is missing"):
        ledger(tmp_path, entry)


def test_an_id_given_twice_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"entry 2 \(two-and-two\): id 'two-and-two' is given twice"):
        ledger(tmp_path, ENTRY, ENTRY)


def test_a_bare_yaml_boolean_is_a_verdict(tmp_path):
    assert ledger(tmp_path, {**ENTRY, "verdict": False})["poetry/two-and-two"].verdict == "false"


@pytest.mark.parametrize("source", ["x = 1", "3"])
def test_a_computation_ends_in_a_dict(source):
    with pytest.raises(ValueError, match="a computation must end in"):
        claims.run(source)


def test_check_measures_again_and_names_what_it_does_not_know():
    assert claims.check("lenet/first-maps") == {"size": 28, "parameters": 156}
    with pytest.raises(ValueError, match="claim 'lenet/nothing' is not known, allowed: anatomy/.*, lenet/first-maps,"):
        claims.check("lenet/nothing")
    with pytest.raises(ValueError, match="lenet/accuracy-on-mnist has no computation, it is settled by paper"):
        claims.check("lenet/accuracy-on-mnist")
    with pytest.raises(ValueError, match="chapter 'poetry' has no claims, allowed: anatomy, lenet, alexnet"):
        claims.show("poetry")


@pytest.mark.parametrize(
    "claim", [c for c in LEDGER.values() if "paper" in c.settled_by], ids=lambda claim: claim.id
)
def test_papers_are_in_the_bibliography(claim):
    keys = re.findall(r"^@\w+{([^,]+),", BIBLIOGRAPHY.read_text(encoding="utf-8"), re.MULTILINE)
    assert claim.settled_by["paper"]["key"] in keys
