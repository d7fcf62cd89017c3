"""Ask every outside address in the built pages whether it is still there; exits with 1 and names those that are not.

    python tools/links.py

An address that forbids programs (401, 403, 405, 429) is there; one that does not answer is tried three times.
"""

import http.client
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from cnnlib.site.links import outside  # noqa: E402

GUARDED = {401, 403, 405, 429}
TRIES, SECONDS = 3, 30
AGENT = {"User-Agent": "Mozilla/5.0 (link check of a book)"}


def fault(address, pause=5):
    """What is wrong with an address; None if it answers."""
    for attempt in range(TRIES):
        time.sleep(pause * attempt)
        try:
            with urllib.request.urlopen(urllib.request.Request(address, headers=AGENT), timeout=SECONDS):
                return None
        except urllib.error.HTTPError as error:
            if error.code in GUARDED:
                return None
            if error.code < 500:
                return f"answers {error.code}"
            said = f"answers {error.code}"
        except (OSError, ValueError, http.client.HTTPException) as error:
            said = str(error)
    return said


def main(site=ROOT / "_build" / "html"):
    addresses = outside(site)
    with ThreadPoolExecutor(8) as pool:
        faults = {address: said for address, said in zip(addresses, pool.map(fault, addresses), strict=True) if said}
    for address, said in faults.items():
        print(f"{address}: {said}\n  on {', '.join(addresses[address])}")
    print(f"{len(addresses)} outside addresses, {len(faults)} do not answer")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
