"""Publish the book: its address in the notebooks, its pages on the branch gh-pages of `origin`. See `make publish`.

    python tools/publish.py stamp   let the notebooks install cnnlib from this copy's address; commit and push that
    python tools/publish.py         check the built pages, commit them to the branch gh-pages here, say what changed
    python tools/publish.py push    the same, and push that branch

What is pushed is what is committed: a checkout with changes is refused. A push has the files that changed, no others.
"""

import subprocess
import sys
from pathlib import Path

import nbformat
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from cnnlib.course import chapters  # noqa: E402
from cnnlib.site.address import repository_url  # noqa: E402
from cnnlib.site.links import broken  # noqa: E402
from tools import notebooks  # noqa: E402

BRANCH = "gh-pages"


def git(root, *arguments):
    """What git prints; a ValueError with its complaint where it fails."""
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise ValueError(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()


def committed(root):
    """Raise ValueError if the checkout has changes, or is on another branch than the one that the buttons open."""
    if changes := git(root, "status", "--porcelain"):
        raise ValueError(f"the checkout has changes; commit them first:\n{changes}")
    wanted = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))["repository"]["branch"]
    if (branch := git(root, "rev-parse", "--abbrev-ref", "HEAD")) != wanted:
        raise ValueError(f"the branch is {branch!r}, allowed: {wanted!r}, which launch buttons open (see _config.yml).")


def unstamped(root):
    """Notebooks whose first cell installs cnnlib from elsewhere than this copy's address."""
    url = repository_url(root)
    return [path for path in chapters.notebooks(root=root)
            if notebooks.stamped_url(nbformat.read(path, as_version=4)) != url]


def stamp(root):
    """Write this copy's address into the notebooks, commit and push it; nothing if it stands there."""
    committed(root)
    url = repository_url(root)
    for path in (paths := unstamped(root)):
        nb = nbformat.read(path, as_version=4)
        notebooks.stamp(nb, url)
        nbformat.write(nb, path)
    if paths:
        git(root, "commit", "--quiet", "--all", "--message", "The address of this copy")
        git(root, "push", "--quiet", "origin", "HEAD")
    return f"{len(paths)} notebooks stamped with {url or 'no address: they cannot be opened in Colab'}"


def publish(root, site, push=False):
    """Check the pages in the folder `site`, commit them, and say what changed since they were last published."""
    if not (site / "index.html").is_file():
        raise ValueError(f"the book is not built ({site} has no index.html): run `make book` first.")
    if problems := broken(site):
        raise ValueError("pages may not be published so:\n" + "\n".join(problems))
    if push:
        committed(root)
        if paths := unstamped(root):
            raise ValueError(f"{len(paths)} notebooks have another address than {repository_url(root)!r}; run `make "
                             "publish PUSH=1`, which stamps them, or `make stamp`, and commit.")
    there = git(root, "ls-remote", "origin", f"refs/heads/{BRANCH}")
    if there:
        git(root, "fetch", "--quiet", "origin", f"+refs/heads/{BRANCH}:refs/remotes/origin/{BRANCH}")
    subprocess.run([sys.executable, "-m", "ghp_import", "--no-jekyll", "--branch", BRANCH, "--message",
                    f"Pages of {git(root, 'rev-parse', '--short', 'HEAD')}", str(site)], cwd=root, check=True)
    files = git(root, *(("diff", "--name-only", f"origin/{BRANCH}", BRANCH) if there else
                        ("ls-tree", "-r", "--name-only", BRANCH))).splitlines()
    if push and files:
        git(root, "push", "--quiet", "origin", BRANCH)
    return report(files, push, repository_url(root))


def report(files, push, url):
    """What was done, in words: at most ten of the files by name."""
    shown = [*files[:10], f"and {len(files) - 10} more"] if len(files) > 10 else files
    lines = [f"{len(files)} files changed", *(f"  {file}" for file in shown)]
    if url.startswith("https://github.com/"):
        owner, name = url.removeprefix("https://github.com/").split("/")
        lines.append(f"launch buttons open {url}; GitHub shows the branch {BRANCH} as "
                     f"https://{owner}.github.io/{name}/ once it is chosen under Settings, Pages")
    else:
        lines.append("no launch buttons: origin is not on GitHub, and _config.yml has no address")
    pushed = "pushed" if files else "nothing to push"
    return "\n".join([*lines, pushed if push else "not pushed: make publish PUSH=1 does it"])


def main(arguments):
    site = ROOT / "_build" / "html"
    try:
        print(stamp(ROOT) if arguments == ["stamp"] else publish(ROOT, site, push=arguments == ["push"]))
    except ValueError as error:
        sys.exit(f"publish.py: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
