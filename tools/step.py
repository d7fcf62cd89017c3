"""Run one step of `make`: say its name, run it, say how long it took, pass on its exit code:

    python tools/step.py NAME COMMAND [ARGUMENT ...]
"""

import subprocess
import sys
import time

name, *command = sys.argv[1:]
print(f"==> {name}", flush=True)
start = time.perf_counter()
code = subprocess.run(command).returncode
result = "done" if code == 0 else f"FAILED (exit code {code})"
print(f"==> {name}: {result}, {time.perf_counter() - start:.0f} s", flush=True)
sys.exit(code)
