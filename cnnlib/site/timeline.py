"""The map of the book: the networks in the order in which they appeared, each with its silhouette.

Names, years and one line of text come from `book/timeline.yml`; shapes and parameter counts from the networks
themselves. In a silhouette a block's height is its resolution and its width its channels.
"""

import html
from math import sqrt
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from ..course.timeline import SOURCE, measure, read
from .minutes import pages, sections_of


class Timeline(Directive):
    """An ordered list of networks; those with a chapter in this book are links, the others are said to be coming."""

    def run(self):
        env = self.state.document.settings.env
        path = Path(env.srcdir, SOURCE)
        env.note_dependency(str(path))
        items = nodes.enumerated_list(classes=["timeline"])
        entries = read(path)
        for entry in entries:
            items += self.item(entry, entry["chapter"] in env.found_docs)
        told = {entry["chapter"] for entry in entries}
        return [items, *self.others([name for name in pages(Path(env.srcdir)) if name.endswith("/index")
                                     and name not in told])]

    def others(self, landings):
        """The chapters on no single network, each with its sections, as paragraphs."""
        box = nodes.Element()
        lines = [line for name in landings for line in (f"{{doc}}`/{name}`: {self.sections(name)}", "")]
        self.state.nested_parse(StringList(lines, SOURCE), self.content_offset, box)
        return box.children

    def sections(self, landing):
        """The sections of a chapter with their minutes."""
        found = sections_of(landing, Path(self.state.document.settings.env.srcdir))
        return " · ".join(f"{{doc}}`{page.title} </{name}>` {page.minutes} min" for name, page in found.items())

    def item(self, entry, written):
        """One network as a list item; `entry` as in the YAML file, `written`: its chapter is in the book."""
        name = f"{{doc}}`{entry['name']} </{entry['chapter']}>`" if written else f"{entry['name']} *(in preparation)*"
        item = nodes.list_item(classes=[f"family-{entry['family']}"])
        sections = self.sections(entry["chapter"]) if written else ""
        for part, text in [("year", entry["year"]), ("name", name), ("new", entry["new"]),
                           ("grew", f"Grew into {entry['grew']}"), *[("sections", sections)] * bool(sections)]:
            box = nodes.Element()
            self.state.nested_parse(StringList([str(text)], SOURCE), self.content_offset, box)
            box[0]["classes"].append(f"timeline-{part}")
            item += box.children
        item += nodes.raw("", silhouette(entry), format="html")
        return item


def stages(entry):
    """The network of an entry: its resolutions with the widest layer at each, [(pixels, channels), ...], and
    its number of parameters."""
    found = measure(entry)
    widest = {}                                     # keyed by resolution, in the order of the forward pass
    for row in found.rows:
        if len(row.output_shape) == 4 and row.type == "Conv2d":
            _, channels, height, _ = row.output_shape
            widest[height] = max(channels, widest.get(height, 0))
    return list(widest.items()), found.total_params


def silhouette(entry):
    """SVG of the stages on a square-root scale, so that 224 pixels and 7 fit one picture."""
    shape, parameters = stages(entry)
    x, blocks, tallest = 0, [], 4 * sqrt(max(pixels for pixels, _ in shape))
    for pixels, channels in shape:
        height, width = 4 * sqrt(pixels), 1.1 * sqrt(channels)
        blocks.append(f'<rect x="{x:.1f}" y="{(tallest - height) / 2:.1f}" '
                      f'width="{width:.1f}" height="{height:.1f}" rx="1"/>')
        x += width + 3
    said = ", ".join(f"{pixels}×{pixels} with {channels} channels" for pixels, channels in shape)
    count = f"{parameters / 1e6:.1f} million" if parameters >= 1e6 else f"{parameters:,}"
    note = html.escape(entry.get("note", ""))
    return (f'<figure class="silhouette"><svg viewBox="0 0 165 {tallest:.1f}" role="img" '
            f'aria-label="{html.escape(entry["name"])}: {said}">{"".join(blocks)}</svg>'
            f"<figcaption>{count} parameters{'; ' + note if note else ''}</figcaption></figure>")
