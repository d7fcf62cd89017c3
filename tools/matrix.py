"""Run pytest as other machines would, and say at the end which tests and cells differ:

    python tools/matrix.py [PYTEST ARGUMENT ...]

Processors and numbers of threads add up in another order, so results differ in their last digits; after a training in
more than those. What the book compares and asserts must hold on all of them. Exit code 1 if a test fails anywhere.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

SSE4 = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"}
MACHINES = {
    "this machine, 1 thread": {"OMP_NUM_THREADS": "1"},
    "this machine, 2 threads": {"OMP_NUM_THREADS": "2"},
    "SSE4 only, 1 thread": {"OMP_NUM_THREADS": "1", **SSE4},
}


def failures(report):
    """(names of the tests that failed, number of all tests) in a JUnit report."""
    cases = list(ElementTree.parse(report).iter("testcase"))
    bad = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    return [f"{case.get('classname')} {case.get('name')}" for case in bad], len(cases)


def run(settings, arguments):
    """Run pytest under these settings: (names of the tests that failed, number of all tests)."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", *arguments, f"--junitxml={report}"]
        code = subprocess.run(command, env={**os.environ, **settings}).returncode
        if not report.is_file():
            sys.exit(f"pytest stopped with exit code {code} before a test ran")
        failed, count = failures(report)
    if code and not failed:
        sys.exit(f"pytest stopped with exit code {code}, though no test failed")
    return failed, count


def main():
    found = {}
    for machine, settings in MACHINES.items():
        print(f"==> {machine}: {' '.join(f'{name}={value}' for name, value in settings.items())}", flush=True)
        found[machine] = run(settings, sys.argv[1:])
    print("\n==> what failed where")
    for machine, (failed, count) in found.items():
        print(f"{machine}: {len(failed)} of {count}")
    for name in sorted({name for failed, _ in found.values() for name in failed}):
        print(f"  {name}: {'; '.join(machine for machine, (failed, _) in found.items() if name in failed)}")
    sys.exit(any(failed for failed, _ in found.values()))


if __name__ == "__main__":
    main()
