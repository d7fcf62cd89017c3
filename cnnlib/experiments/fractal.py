"""The graph of a fractal of FractalNet, read off a trace of its own `forward`, and a drawing of it."""

from collections import Counter
from math import log2
from typing import NamedTuple

from torch import fx

from ..models.fractalnet import Fractal, FractalConv

WIDE, HIGH, GAP = 76, 24, 14            # of a convolution, in pixels of the drawing


class Conv(NamedTuple):
    """A convolution of the graph.

    Attributes:
        name: of the module.
        reads: names of the convolutions whose mean it reads; none for those that read the input.
        start, end: how many convolutions lie before it on the longest way from the input; and how many at most on the
            way up to its readers. Beside the others it takes the room from `start` to `end`.
    """

    name: str
    reads: tuple
    start: int
    end: int


class _Tracer(fx.Tracer):
    def is_leaf_module(self, module, name):
        return isinstance(module, FractalConv)


def graph(columns):
    """The convolutions of the fractal with so many columns, in the order in which it runs them, a list of Conv; and
    the names of those whose mean it hands on."""
    hands_on, reads = {}, {}            # of each operation and of each convolution: the convolutions it takes
    for node in _Tracer().trace(Fractal(columns, 1, 1)).nodes:
        taken = tuple(dict.fromkeys(name for each in node.all_input_nodes for name in hands_on[each]))
        hands_on[node] = taken
        if node.op == "call_module":
            reads[node.target], hands_on[node] = taken, (node.target,)
    before, after = {}, dict.fromkeys(reads, 0)
    for name, sources in reads.items():
        before[name] = max((before[source] + 1 for source in sources), default=0)
    for name, sources in reversed(reads.items()):
        for source in sources:
            after[source] = max(after[source], after[name] + 1)
    whole = max(before.values()) + 1
    return [Conv(name, reads[name], before[name], whole - after[name]) for name in reads], taken


def lengths(columns):
    """{convolutions on a path: how many paths}, counted along the graph."""
    convs, ends = graph(columns)
    ways = {}

    def joined(sources):
        return sum((ways[source] for source in sources), Counter()) if sources else Counter({0: 1})

    for conv in convs:
        ways[conv.name] = Counter({length + 1: paths for length, paths in joined(conv.reads).items()})
    return dict(sorted(joined(ends).items()))


class Drawing:
    """A fractal drawn from its graph, from the input above to the output below: boxes are convolutions, bars take the
    mean. The shortest path has a thick border, the longest is filled."""

    def __init__(self, columns):
        self.columns, (self.convs, self.ends) = columns, graph(columns)
        self.whole = max(conv.end for conv in self.convs)

    def _repr_svg_(self):
        """Each convolution stands in the column of those that take as much room as it does, the longest way right."""
        x = {conv.name: GAP + WIDE / 2 + (WIDE + GAP) * int(log2(self.whole // (conv.end - conv.start)))
             for conv in self.convs}
        y = [2 * GAP + level * (HIGH + 2 * GAP) for level in range(self.whole + 1)]
        meeting = {0: [], self.whole: [x[name] for name in self.ends]}      # level -> columns that meet there
        shapes = []
        for conv in self.convs:
            centre, top, bottom = x[conv.name], y[conv.start], y[conv.end]
            place = f'x="{centre - WIDE / 2}" y="{(top + bottom - HIGH) / 2}" width="{WIDE}" height="{HIGH}"'
            shortest, longest = conv.end - conv.start == self.whole, conv.end - conv.start == 1
            shapes += [f'<path d="M{centre} {top}V{bottom}" stroke="currentColor"/>',
                       f'<rect {place} fill="{"#0072B2" if longest else "#777777"}" rx="3" '
                       f'stroke="{"#D55E00" if shortest else "none"}" stroke-width="4"/>',
                       f'<text x="{centre}" y="{(top + bottom) / 2 + 4}" fill="white">3×3</text>']
            meeting.setdefault(conv.start, []).extend([centre, *(x[name] for name in conv.reads)])
        shapes += [f'<path d="M{min(places) - 5} {y[level]}H{max(places) + 5}" stroke="currentColor" stroke-width="6"/>'
                   for level, places in meeting.items() if level in (0, self.whole) or len(set(places)) > 1]
        width, height = max(220, GAP + self.columns * (WIDE + GAP)), y[-1] + 2 * GAP
        label = f'<text x="{GAP}" text-anchor="start" fill="currentColor" y='
        return (f'<svg role="img" aria-label="{self}" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
                'style="max-width: 100%; height: auto" font-size="12" text-anchor="middle">'
                f'{label}"{GAP}">what comes in</text>{"".join(shapes)}'
                f'{label}"{height - 4}">the mean of the columns</text></svg>')

    def __str__(self):
        rows = "; ".join(f"{conv.name} reads {' and '.join(conv.reads) or 'the input'}" for conv in self.convs)
        return f"A fractal of {len(self.convs)} convolutions in {self.columns} columns: {rows}."
