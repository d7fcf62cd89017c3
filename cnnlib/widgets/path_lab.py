"""Path lab: a residual network unravelled into its paths, how many have which length, and which carry the gradient."""

import traitlets as t

from ..experiments import paths
from .base import BookWidget, html_table

DRAWN = 6                                               # blocks whose paths are drawn one by one


class PathLab(BookWidget):
    """Shows the paths through n blocks: as a graph up to six blocks, as a distribution of lengths for any number.

    ``PathLab(n=54, ratio=0.256, low=5, high=17)`` opens with the numbers of Veit et al. The arguments of the model are
    those of :func:`cnnlib.experiments.paths.modelled`; a measured ratio may be given, it is added to those of the page.

    Attributes:
        n: blocks. With a kernel any number up to 200.
        ratio: what the gradient's norm is multiplied by in each branch on its way.
        path: the path that is shown, its bits read as a binary number, the first block first.
        low, high: the lengths between which paths are counted.
    """

    inputs = {
        "n": [1, 2, 3, 4, 5, 6, 9, 18, 27, 54],
        "ratio": [0.05, 0.1, 0.15, 0.2, 0.256, 0.3, 0.35, 0.4, 0.5, 0.6, 0.8, 1.0],
    }
    n = t.Int(3, min=1, max=200).tag(sync=True)
    ratio = t.Float(0.3, min=0.001, max=10).tag(sync=True)
    path = t.Int(0, min=0).tag(sync=True)
    low = t.Int(0, min=0).tag(sync=True)
    high = t.Int(200, min=0).tag(sync=True)

    def __init__(self, **values):
        super().__init__(**values)
        if self.path >= 2**self.n:
            raise ValueError(f"path is {self.path}, allowed with n = {self.n}: 0 to {2**self.n - 1}.")

    def compute(self, n, ratio):
        """`counts` are the exact numbers of paths of each length, as texts; `gradient` the share of each length in the
        gradient, if every branch scales it by `ratio`, rounded to six digits, and `from_length` to `to_length` the
        shortest stretch that holds 95 % of it. `terms` and `expansion` are empty for more than six blocks.
        """
        shares = paths.modelled(n, ratio)
        held = paths.effective(shares)
        return {
            "paths": f"{2**n:,}", "counts": [str(count) for count in paths.length_distribution(n)],
            "gradient": [float(f"{share:.6g}") for share in shares],
            "from_length": held.low, "to_length": held.high, "held": round(held.share, 6),
            "held_paths": float(f"{held.paths:.6g}"),
            "terms": [term.text for term in paths.terms(n)] if n <= DRAWN else [],
            "expansion": paths.expansion(n) if n <= DRAWN else "",
        }

    def fallback_html(self):
        """The lengths as a table."""
        rows = [(length, f"{int(count):,}", f"{share:.2%}") for length, (count, share)
                in enumerate(zip(self.answer["counts"], self.answer["gradient"], strict=True))]
        return html_table(f"The {self.answer['paths']} paths through {self.n} blocks, by length",
                          ["length", "paths", f"share of the gradient if a branch passes on {self.ratio}"], rows)
