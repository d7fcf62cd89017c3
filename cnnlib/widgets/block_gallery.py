"""Gallery of blocks: two blocks side by side, how their paths run, what they cost, and what a CPU needs for them."""

import traitlets as t

from ..experiments import gallery
from .base import BookWidget, html_table

TOTALS = ("weights", "params", "macs", "kept", "field", "ms")
STARTS = {"gallery": ("bottleneck", "convolution"), "descendants": ("transformer", "preactivation")}


class BlockGallery(BookWidget):
    """Shows two blocks of a collection on the same maps: ``BlockGallery(in_channels=512, out_channels=512)``.

    The answer has a card for each block of the collection, see :func:`cnnlib.experiments.gallery.card`; a block that
    cannot be built of these numbers has the reason under `refused` instead. With a kernel any numbers will do.

    Args:
        collection: "gallery" or "descendants", whose blocks give as many channels as they take.
        values: the choices to open with, and any trait below.

    Attributes:
        block, beside: names of the two blocks shown; `beside` may be "" for none.
        titles: block -> what readers call it. sentences: block -> what it buys, and what it costs.
        measured: how the milliseconds were recorded.
    """

    in_channels = t.Int(24, min=1, max=2048).tag(sync=True)
    out_channels = t.Int(24, min=1, max=2048).tag(sync=True)
    size = t.Int(14, min=1, max=512).tag(sync=True)
    stride = t.Int(1, min=1, max=4).tag(sync=True)
    groups = t.Int(2, min=1, max=64).tag(sync=True)
    expansion = t.Int(6, min=1, max=16).tag(sync=True)
    collection = t.Enum(list(gallery.COLLECTIONS), "gallery").tag(sync=True)
    block = t.Unicode().tag(sync=True)
    beside = t.Unicode().tag(sync=True)
    titles = t.Dict().tag(sync=True)
    sentences = t.Dict().tag(sync=True)
    measured = t.Unicode().tag(sync=True)

    def __init__(self, collection="gallery", **values):
        offered = gallery.PAGE.get(collection, {})
        self.inputs = {"collection": [collection], **offered}
        entries = gallery.COLLECTIONS.get(collection, {})
        names = dict(zip(("block", "beside"), STARTS.get(collection, ("", "")), strict=True))
        names |= {name: values.pop(name) for name in names if name in values}
        for name, value in names.items():
            if value not in (*entries, *[""] * (name == "beside")) and entries:
                raise ValueError(f"{name} is {value!r}, allowed: {', '.join(entries)}.")
        start = {name: numbers[0] for name, numbers in offered.items() if getattr(type(self), name).default_value
                 not in numbers}
        super().__init__(
            collection=collection, titles={name: entry.title for name, entry in entries.items()},
            sentences={name: [entry.buys, entry.costs] for name, entry in entries.items()}, measured=measured(),
            **{**start, **names, **values})

    def compute(self, collection, in_channels, size, expansion, out_channels=None, stride=1, groups=2):
        """A card for each block of the collection, by its name."""
        choice = dict(in_channels=in_channels, out_channels=out_channels or in_channels, size=size, stride=stride,
                      groups=groups, expansion=expansion)
        return {name: _card(collection, name, choice) for name in gallery.COLLECTIONS[collection]}

    def fallback_html(self):
        """The totals of all blocks for the numbers that the widget opens with."""
        rows = [(self.titles[name], *(_shown(card.get(total)) for total in TOTALS), card["refused"])
                for name, card in self.answer.items()]
        given = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in self.current().items()
                          if name != "collection")
        head = ["block", "weights", "parameters", "MACs", "bytes kept", "receptive field", "milliseconds", ""]
        return html_table(f"Blocks side by side: {given}", head, rows)


def _card(collection, name, choice):
    try:
        return {"refused": "", **gallery.card(collection, name, **choice)}
    except ValueError as refusal:
        return {"refused": str(refusal)}


def _shown(value):
    return "–" if value is None else value


def measured():
    """How the milliseconds were recorded, in a sentence; empty if they were not."""
    about = gallery.recorded()
    return (f"{about['what'].capitalize()}; recorded on {about['device_name']} with torch {about['torch']}. "
            f"To record again: {about['command']}") if about["milliseconds"] else ""
