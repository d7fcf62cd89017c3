"""What leaves the repository: the wheel, its version, how it is cited, what changed."""

import re
import subprocess
import zipfile
from pathlib import Path

import pytest
import yaml

import cnnlib
from cnnlib import files
from tools import pack

pytestmark = pytest.mark.skipif(files.CHECKOUT is None, reason="an installed package has no checkout around it")

ROOT = Path(__file__).resolve().parents[1]
LARGEST = 15_000_000        # bytes
DATA = ("gates", "lesions", "measured", "runs", "times", "weights")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel as `pip` makes it from the checkout."""
    return pack.wheel(tmp_path_factory.mktemp("wheel"))


def committed(*folders):
    names = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z", "--", *folders], capture_output=True, check=True)
    return {name for name in names.stdout.decode().split("\0") if name and (ROOT / name).exists()}


def test_the_wheel_is_the_library_with_what_was_recorded_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    data = {f"cnnlib/_{name}" for name in committed("data/README.md", *(f"data/{folder}" for folder in DATA))}
    assert names == committed("cnnlib") | data | {"cnnlib/_data/timeline.yml"}


def test_the_wheel_is_small_and_has_no_tests_and_no_notebooks(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert not [name for name in names if name.endswith(".ipynb") or {"tests", "node_modules"} & {*Path(name).parts}]
    assert wheel.stat().st_size <= LARGEST


def test_the_wheel_says_what_it_is(wheel):
    with zipfile.ZipFile(wheel) as packed:
        metadata = packed.read(next(name for name in packed.namelist() if name.endswith("/METADATA"))).decode()
    assert f"\nVersion: {cnnlib.__version__}\n" in metadata and "\nRequires-Python: >=3.11\n" in metadata
    assert "\nRequires-Dist: torch>=" in metadata and "\nLicense-File: LICENSE\n" in metadata


def test_the_citation_is_complete_and_of_this_version():
    """The fields that Citation File Format 1.2.0 requires, and those that a reference needs."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["cff-version"] == "1.2.0" and cited["message"] and cited["title"] and cited["type"] == "software"
    assert all({"name"} <= set(author) or {"family-names", "given-names"} <= set(author) for author in cited["authors"])
    assert cited["version"] == cnnlib.__version__ and str(cited["date-released"]) == release()[1]
    assert set(cited["license"]) == {"MIT", "CC-BY-4.0"}


def release():
    """(version, date) of the newest entry of the changelog."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    return re.search(r"^## (\d+\.\d+\.\d+) \((\d{4}-\d\d-\d\d)\)$", text, re.M).groups()


def test_the_changelog_begins_with_this_version():
    assert release()[0] == cnnlib.__version__
