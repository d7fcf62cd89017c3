"""The book's public address: one setting, from which buttons, source links and the notebooks' first cells follow."""

import re
import subprocess
from pathlib import Path

import yaml


def configured_url(root):
    """Address written in `_config.yml` under `repository: url:`, or "" where that is empty."""
    settings = yaml.safe_load((Path(root) / "_config.yml").read_text(encoding="utf-8"))
    return https_url(str((settings.get("repository") or {}).get("url") or ""))


def repository_url(root):
    """Public address of the checkout at `root`: the setting, else a GitHub `origin`, else ""."""
    return configured_url(root) or github_origin(root)


def github_origin(root):
    """Address of the git remote `origin` if it is on GitHub, else ""."""
    try:
        found = subprocess.run(["git", "-C", str(root), "remote", "get-url", "origin"],
                               capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
    match = re.search(r"(?:^|[/@])github\.com[:/]([\w.-]+)/([\w.-]+)$", found)
    return https_url(f"https://github.com/{match[1]}/{match[2]}") if match else ""


def https_url(url):
    """`url` without a trailing slash or `.git`; "" stays "".

    Raises ValueError if it is not an https address without user, password or spaces: it is written into
    notebooks and pages, so nothing else may pass.
    """
    url = url.strip().rstrip("/").removesuffix(".git")
    if url and not re.fullmatch(r"https://[\w.-]+(/[\w.~-]+)+", url):
        raise ValueError(f"repository url is {url!r}; allowed: empty, or https://HOST/OWNER/NAME")
    return url
