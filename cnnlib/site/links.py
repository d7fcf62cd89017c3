"""Every link and anchor inside a built site, checked without a browser or a network."""

import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

LOADED = re.compile(r"""(?:@import\s+|url\(\s*)(?:url\(\s*)?["']?((?:https?:)?//[^"')\s;]+)""")      # by a style sheet


class Page(HTMLParser):
    """The anchors of a page and what it refers to, as (tag, attribute, address)."""

    def __init__(self, text):
        super().__init__()
        self.anchors, self.references = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value)
            elif name in ("href", "src") and value:
                self.references.append((tag, name, value))
            elif tag == "meta" and name == "content" and value and value.lower().startswith("0;"):
                self.references.append((tag, name, value.partition("url=")[2] or value.partition("URL=")[2]))


def read(site):
    """{path: `Page`} of all pages under the folder `site`."""
    files = [path for path in site.rglob("*.html") if not {"_static", "_sources"} & set(path.relative_to(site).parts)]
    return {path: Page(path.read_text(encoding="utf-8")) for path in files}


def outside(site):
    """{address: the pages that lead to it} of all links out of the site, without their anchors, in order."""
    found = {}
    for path, page in read(site).items():
        for _, _, address in page.references:
            if urlsplit(address).scheme in ("http", "https"):
                found.setdefault(address.partition("#")[0], set()).add(path.relative_to(site).as_posix())
    return {address: sorted(found[address]) for address in sorted(found)}


def broken(site):
    """List of "page: what is wrong" for all pages under the folder `site`.

    Wrong is a file or an anchor that is not there, and anything but an `<a>` that points outside the site, in a style
    sheet, too. What scripts ask for, a browser shows: see tests/site/test_pages.py.
    """
    site = site.resolve()
    pages = read(site)
    problems = [f"{path.relative_to(site)}: loads {address}" for path in site.rglob("*.css")
                for address in LOADED.findall(path.read_text(encoding="utf-8"))]
    for path, page in pages.items():
        for tag, attribute, address in page.references:
            parts = urlsplit(address)
            if parts.scheme in ("data", "mailto", "javascript"):
                continue
            if parts.scheme or parts.netloc:
                if tag != "a":
                    problems.append(f"{path.relative_to(site)}: <{tag} {attribute}> loads {address}")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                problems.append(f"{path.relative_to(site)}: {address} is missing")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                problems.append(f"{path.relative_to(site)}: {address} has no such anchor")
    return problems
