"""What `make` says of its steps: each with its time, and the tests counted on the last line."""

import json
import sys
from collections import Counter

import pytest

from tools import step


@pytest.mark.parametrize("line, counted", [
    ("3584 passed, 13 skipped in 1332.53s (0:22:12)\n", dict(passed=3584, skipped=13)),
    ("=========== 1 failed, 2 passed, 3 warnings, 4 errors in 0.12s ===========\n", dict(failed=1, passed=2, error=4)),
    ("\x1b[32m\x1b[1m2 passed\x1b[0m\x1b[32m in 0.01s\x1b[0m\n", dict(passed=2)),
    ("no tests ran in 0.01s\n", {}),
    ("2 passed this way in vain\n", {}),
    ("12 failed in the paper, 3 passed\n", {}),
])
def test_lines_that_count(line, counted):
    assert step.counts(line) == Counter(counted)


@pytest.fixture
def steps(tmp_path, monkeypatch):
    """The file in which steps are noted."""
    monkeypatch.setenv("STEPS", str(tmp_path / "steps"))
    return tmp_path / "steps"


def test_steps_are_noted_and_summed(steps, capfd):
    """pytest twice in a step, a step without tests, one that fails without counting."""
    twice = "print('2 passed in 0.1s'); print('3 passed, 1 skipped in 0.2s')"
    assert step.main(["library", sys.executable, "-c", twice]) == 0
    assert step.main(["ruff", sys.executable, "-c", ""]) == 0
    assert "2 passed in 0.1s\n" in capfd.readouterr().out
    assert step.main(["--table"]) == 0
    assert capfd.readouterr().out.endswith("\n\n5 passed, 0 failed, 1 skipped\n")
    assert step.main(["book", sys.executable, "-c", "raise SystemExit(3)"]) == 3
    assert step.main(["pages", sys.executable, "-c", "print('1 failed, 7 passed in 1s'); raise SystemExit(1)"]) == 1
    capfd.readouterr()
    assert step.main(["--table"]) == 1
    out = capfd.readouterr().out
    assert [line.split()[0] for line in out.splitlines()[1:6]] == ["library", "ruff", "book", "pages", "all"]
    assert "FAILED (exit code 3)" in out and out.endswith("\n12 passed, 2 failed, 1 skipped\n")
    assert [json.loads(line)["code"] for line in steps.read_text().splitlines()] == [0, 0, 3, 1]
