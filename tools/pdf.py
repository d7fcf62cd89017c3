"""Print built pages as one PDF, with contents, page numbers and bookmarks: a section, a chapter, or the whole book.

    python tools/pdf.py [NAME]      lenet/watch, lenet, or no name for all pages; written to _build/pdf/

Chromium prints each page as a reader would; the prints are joined. Links between the pages stay inside the file.
"""

import html
import io
import os
import shutil
import sys
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import yaml
from playwright.sync_api import sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, DictionaryObject, FloatObject, NameObject, NullObject

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from cnnlib.course import chapters  # noqa: E402

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update"]
PAPER = {"format": "A4", "print_background": True,
         "margin": {"top": "18mm", "bottom": "22mm", "left": "18mm", "right": "18mm"}}
# Every widget is drawn, also one further down that waits for its reader.
DRAWN = """async () => {
    globalThis.cnnlib?.mountAll?.();
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    return document.querySelectorAll('.cnnlib-widget:not([data-mounted])').length === 0;
}"""
TITLES = """() => [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map((heading) => {
    const bare = heading.cloneNode(true);
    bare.querySelector('.headerlink')?.remove();
    return bare.textContent.trim().replace(/\\s+/g, ' ');
})"""
STYLE = """<style>@page { size: A4; margin: 18mm 18mm 22mm } @page foot { margin: 0 }
body { font: 11pt/1.5 sans-serif; margin: 0 } h1 { font-size: 22pt } h2 { font-size: 14pt }
li { display: flex; gap: 1em; break-inside: avoid; list-style: none }
ol { padding: 0 } .inner { padding-left: 1.5em } .number { margin-left: auto }
.sheet { page: foot; height: 290mm; break-inside: avoid } .foot { display: flex; justify-content: space-between;
font-size: 9pt; color: #444; padding: 280mm 18mm 0 }</style>"""


class Heading(NamedTuple):
    """A heading in the whole file: its depth (0 a page, or the landing page of a chapter), and its page from 0."""

    depth: int
    title: str
    page: int


class Print(NamedTuple):
    """A printed page of the book: its name in the site, what Chromium made of it, and the headings in it."""

    name: str
    pdf: PdfReader
    headings: list


def chromium():
    """Path of the browser: the variable CHROMIUM, or what the system has; FileNotFoundError without one."""
    names = [os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    found = next(filter(None, (shutil.which(name) for name in names if name)), None)
    if not found:
        raise FileNotFoundError("no Chromium found: install the package `chromium`, or set CHROMIUM to the browser's "
                                "path")
    return found


def chosen(name=None):
    """The names of the pages to print, in the order of the book; ValueError for one that is not there."""
    names = chapters.documents(ROOT)
    wanted = [page for page in names if name in (None, page.removeprefix("book/"), page.split("/")[1])]
    if not wanted:
        raise ValueError(f"name is {name!r}, allowed: a page such as 'lenet/watch', or a chapter such as 'lenet'.")
    return wanted


def printed(tab, address):
    """The PDF of a page."""
    tab.goto(address, wait_until="load")
    tab.emulate_media(media="print", color_scheme="light", reduced_motion="reduce")
    tab.wait_for_function(DRAWN)
    tab.add_style_tag(content="#jb-print-toc { display: none }")       # the contents of the file take its place
    return PdfReader(io.BytesIO(tab.pdf(outline=True, tagged=True, **PAPER)))


def headings(pdf, titles, items=None, depth=0):
    """(depth, title, page) of Chromium's bookmarks, one for each heading. Where a heading fills two lines, Chromium
    forgets the blank between them: `titles` are the headings as the page has them."""
    whole = {"".join(title.split()): title for title in titles}
    for item in pdf.outline if items is None else items:
        if isinstance(item, list):
            yield from headings(pdf, titles, item, depth + 1)
        else:
            yield depth, whole["".join(item.title.split())], pdf.get_destination_page_number(item)


def own(tab, body):
    """A PDF of our own: contents, or numbers to be laid over the pages."""
    tab.set_content(STYLE + body)
    return PdfReader(io.BytesIO(tab.pdf(prefer_css_page_size=True)))


def contents(title, entries, shift):
    """HTML of the contents: the headings and their pages, after `shift` pages of contents."""
    rows = "".join(f'<li{" class=inner" if entry.depth else ""}><span>{html.escape(entry.title)}</span>'
                   f'<span class="number">{entry.page + shift + 1}</span></li>' for entry in entries)
    return f"<h1>{html.escape(title)}</h1><h2>Contents</h2><ol>{rows}</ol>"


def numbers(title, count):
    """HTML of sheets with nothing but the title and a page number at their foot."""
    return "".join(f'<div class="sheet"><div class="foot"><span>{html.escape(title)}</span><span>{number}</span></div>'
                   "</div>" for number in range(1, count + 1))


def listed(prints):
    """The headings that the contents name: of several pages their titles, of one its own headings."""
    start, found, landings = 0, [], {each.name.removesuffix("index") for each in prints if each.name.endswith("/index")}
    for each in prints:
        inner = not each.name.endswith("/index") and f"{each.name.rpartition('/')[0]}/" in landings
        found += [Heading(depth if len(prints) == 1 else int(inner), title, start + page)
                  for depth, title, page in each.headings if depth < (2 if len(prints) == 1 else 1)]
        start += len(each.pdf.pages)
    return found


def joined(tab, title, prints):
    """All prints as one PDF: contents, pages with numbers, bookmarks, links that lead inside."""
    entries = listed(prints)
    shift = len(own(tab, contents(title, entries, 0)).pages)
    writer = PdfWriter()
    writer.append(own(tab, contents(title, entries, shift)), import_outline=False)
    starts = {}
    for each in prints:
        starts[each.name] = len(writer.pages)
        writer.append(each.pdf, import_outline=False)
    lead_inside(writer, prints, starts)
    for page, number in zip(writer.pages, own(tab, numbers(title, len(writer.pages))).pages, strict=True):
        page.merge_page(number)
    above = None
    for entry in entries:
        mark = writer.add_outline_item(title=entry.title, page_number=entry.page + shift,
                                       parent=above if entry.depth else None)
        above = above if entry.depth else mark
    writer.add_metadata({"/Title": title})
    writer.compress_identical_objects()
    return writer


def lead_inside(writer, prints, starts):
    """Let links lead to places in this file; those to other files of the site, which are not in it, are dropped."""
    for each in prints:
        places = each.pdf.named_destinations
        for number in range(starts[each.name], starts[each.name] + len(each.pdf.pages)):
            page = writer.pages[number]
            links = [link for link in page.get("/Annots", ())
                     if turned(writer, link.get_object(), each, places, starts)]
            if "/Annots" in page:
                page[NameObject("/Annots")] = ArrayObject(links)


def turned(writer, link, each, places, starts):
    """Point a link to a page of this file; False if what it leads to is not here."""
    target, top = None, None
    uri = urlsplit(str(link.get("/A", {}).get("/URI", "")))
    if (name := link.get("/Dest")) is not None and str(name) in places:
        place = places[str(name)]
        target, top = starts[each.name] + each.pdf.get_destination_page_number(place), place.get("/Top")
    elif uri.scheme == "file":
        target = next((start for page, start in starts.items() if unquote(uri.path).endswith(f"/{page}.html")), None)
    else:
        return True
    if target is None:
        return False
    height = FloatObject(top) if isinstance(top, (int, float)) else NullObject()
    link.pop("/Dest", None)
    link[NameObject("/A")] = DictionaryObject({NameObject("/S"): NameObject("/GoTo"), NameObject("/D"): ArrayObject(
        [writer.pages[target].indirect_reference, NameObject("/XYZ"), NullObject(), height, NullObject()])})
    return True


def write(browser, site, names, title, path):
    """Print these pages of the site into one file; returns the number of its pages. A single page, or a chapter, goes
    by its own name before that of the book."""
    prints = []
    for name in names:
        if not (site / f"{name}.html").is_file():
            raise ValueError(f"{name} is not built in {site}: run `make book` first.")
        with browser.new_page() as tab:
            pdf = printed(tab, (site / f"{name}.html").as_uri())
            prints.append(Print(name, pdf, list(headings(pdf, tab.evaluate(TITLES)))))
    if len(names) < len(chapters.documents(ROOT)):
        title = f"{prints[0].headings[0][1]} · {title}"
    with browser.new_page() as tab:
        writer = joined(tab, title, prints)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer.write(path)
    return len(writer.pages)


def main(name=None):
    try:
        names = chosen(name)
        title = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["title"]
        path = ROOT / "_build" / "pdf" / f"{(name or 'book').replace('/', '-')}.pdf"
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
            count = write(browser, ROOT / "_build" / "html", names, title, path)
    except (ValueError, OSError) as error:
        sys.exit(f"pdf.py: {error}")
    print(f"{count} pages: {path}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
