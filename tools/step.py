"""Run one step of `make`: say its name, run it, say how long it took, pass on its exit code.

    python tools/step.py NAME COMMAND [ARGUMENT ...]    a step; its line is added to the file $STEPS, if that is set
    python tools/step.py --table                        all steps in $STEPS so far, and what the tests counted

The table's last line is the sum over all steps, `1234 passed, 0 failed`; it exits with 1 if a step or a test failed.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

COLOUR = re.compile(r"\x1b\[[\d;]*m")


def run(name, command):
    """Run `command`, whose output is passed on line by line; returns its exit code."""
    print(f"==> {name}", flush=True)
    start, counted = time.perf_counter(), Counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            counted += counts(line)
    code, seconds = process.returncode, time.perf_counter() - start
    print(f"==> {name}: {result(code)}, {seconds:.0f} s", flush=True)
    if "STEPS" in os.environ:
        with Path(os.environ["STEPS"]).open("a", encoding="utf-8") as file:
            print(json.dumps({"name": name, "code": code, "seconds": seconds, **counted}), file=file)
    return code


def counts(line):
    """What pytest's last line counts, `1 failed, 3 passed in 0.2s`: Counter(passed=3, failed=1); empty for another."""
    line = COLOUR.sub("", line).strip("= \n")
    if not re.fullmatch(r"\d+ \w+(, \d+ \w+)* in [\d.]+s( \([\d:]+\))?", line):
        return Counter()
    return Counter({what: int(number) for number, what in re.findall(r"(\d+) (passed|failed|error|skipped)", line)})


def result(code):
    return "done" if code == 0 else f"FAILED (exit code {code})"


def table(steps):
    """The steps and their times as text, whose last line counts the tests, and the number of those that failed. A step
    that failed is one failure, too, where no test of it did."""
    width = max(len(step["name"]) for step in steps)
    lines = [f"{step['name']:{width}}  {step['seconds']:6.0f} s  {result(step['code'])}" for step in steps]
    seconds = sum(step["seconds"] for step in steps)
    failed = sum(step.get("failed", 0) + step.get("error", 0) or step["code"] != 0 for step in steps)
    last = f"{sum(step.get('passed', 0) for step in steps)} passed, {failed} failed"
    if skipped := sum(step.get("skipped", 0) for step in steps):
        last += f", {skipped} skipped"
    return "\n".join([*lines, f"{'all steps':{width}}  {seconds:6.0f} s", "", last]), failed


def main(arguments):
    if arguments == ["--table"]:
        steps = Path(os.environ["STEPS"]).read_text(encoding="utf-8").splitlines()
        text, failed = table([json.loads(step) for step in steps])
        print(f"\n{text}")
        return int(failed > 0)
    name, *command = arguments
    return run(name, command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
