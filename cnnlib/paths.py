"""Where the recorded runs, the ledger and the small weights lie: in a checkout `data/`, installed `cnnlib/_data/`."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parent if (PACKAGE.parent / "data" / "claims").is_dir() else None
DATA = CHECKOUT / "data" if CHECKOUT else PACKAGE / "_data"
