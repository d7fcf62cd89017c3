"""Make what the trainer loads: kernels.js from kernels.c, digits.js from the embedded digits. `make trainer` runs it.

It needs clang and wasm-ld (lld) for WebAssembly and wasm-opt (binaryen), in Debian the packages clang, lld, binaryen.
"""

import base64
import gzip
import hashlib
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from ... import data

HERE = Path(__file__).parent
CLANG = ["clang", "--target=wasm32", "-O3", "-msimd128", "-ffp-contract=off", "-fno-vectorize", "-fno-builtin",
         "-nostdlib", "-c"]
LINK = ["wasm-ld", "--no-entry", "--import-memory", "-z", "stack-size=16384", "--strip-all", "--export=__heap_base"]
OPTIMIZE = ["wasm-opt", "-O3", "--enable-simd", "--enable-mutable-globals", "--enable-bulk-memory", "--enable-sign-ext",
            "--enable-nontrapping-float-to-int"]


def source_hash():
    """Of all that the kernels are made from."""
    return hashlib.sha256((HERE / "kernels.c").read_bytes() + repr((CLANG, LINK, OPTIMIZE)).encode()).hexdigest()


def compiler():
    """The first line of what the compiler says of itself; FileNotFoundError if there is none."""
    return subprocess.run(["clang", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


def compiled():
    """kernels.c as WebAssembly, bytes."""
    with tempfile.TemporaryDirectory() as folder:
        steps = [[*CLANG, HERE / "kernels.c", "-o", "kernels.o"], [*LINK, "kernels.o", "-o", "linked.wasm"],
                 [*OPTIMIZE, "linked.wasm", "-o", "kernels.wasm"]]
        for step in steps:
            subprocess.run(step, cwd=folder, check=True)
        return (Path(folder) / "kernels.wasm").read_bytes()


def script(*more):
    """Kernels and engine, and further files, as one script without modules: for a browser's console, or `node -e`."""
    files = [*(HERE / name for name in ("kernels.js", "engine.js", "run.js")), *more]
    return "\n".join(re.sub("^export ", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE) for path in files)


def packed_digits():
    """All digits, first the training split: pixels as levels 0 to 16, then labels; gzipped."""
    digits = data.load("digits")
    pixels, labels = (np.concatenate([getattr(split, part).numpy() for split in digits])
                      for part in ("images", "labels"))
    levels = (pixels * (16 / 255)).round().astype(np.uint8)
    return gzip.compress(levels.tobytes() + labels.astype(np.uint8).tobytes(), 9, mtime=0)


def main():
    wasm, digits = (base64.b64encode(what()).decode() for what in (compiled, packed_digits))
    (HERE / "kernels.js").write_text(f"// Written by `make trainer` with {compiler()}; sources sha256:{source_hash()}\n"
                                     f'export const KERNELS = "{wasm}";\n', encoding="utf-8")
    (HERE / "digits.js").write_text("// Written by `make trainer`: scikit-learn's digits, gzipped, see compile.py\n"
                                    f'export const DIGITS = "{digits}";\n', encoding="utf-8")
    for name in ("kernels.js", "digits.js"):
        print(f"{name}  {(HERE / name).stat().st_size / 1000:.1f} kB")


if __name__ == "__main__":
    main()
