"""Kernel lab: paint a 3×3 kernel over a picture and watch the map, or find the kernel that made a given one."""

import base64

import torch
import traitlets as t

from ..markup import html_table
from .base import BookWidget

SIDE, EDGE = 84, 240                    # of the photograph: pixels shown, and pixels of the original they come from
CORNER = 60, 190                        # top and left of that part
LARGEST = 9                             # weights are whole numbers up to it

# name -> (weights row by row, divided by their sum?)
PRESETS = {
    "as it is": ("0 0 0 0 1 0 0 0 0", False),
    "edge": ("-1 0 1 -1 0 1 -1 0 1", False),
    "outline": ("-1 -1 -1 -1 8 -1 -1 -1 -1", False),
    "blur": ("1 1 1 1 1 1 1 1 1", True),
    "sharpen": ("-1 -1 -1 -1 9 -1 -1 -1 -1", False),
}
HIDDEN = {                              # from easy to hard
    "1": ("0 0 0 0 0 1 0 0 0", False),
    "2": ("-1 -1 -1 0 0 0 1 1 1", False),
    "3": ("0 1 0 1 -4 1 0 1 0", False),
    "4": ("-2 -1 0 -1 1 1 0 1 2", False),
    "5": ("1 2 1 2 4 2 1 2 1", True),
}


class Weights(t.Unicode):
    """Nine whole numbers from -9 to 9 as text, row by row."""

    info_text = f"nine whole numbers from -{LARGEST} to {LARGEST}, such as '0 0 0 0 1 0 0 0 0'"

    def validate(self, obj, value):
        try:
            weights = [int(part) for part in value.split()]
        except (AttributeError, ValueError):
            self.error(obj, value)
        if len(weights) != 9 or max(map(abs, weights)) > LARGEST:
            self.error(obj, value)
        return " ".join(map(str, weights))


class KernelLab(BookWidget):
    """A picture, a kernel to paint, and its map; the browser convolves, with a kernel of Jupyter as without.

    Args:
        kernel: the nine weights, text such as "-1 0 1 -1 0 1 -1 0 1", each from -9 to 9.
        divide: divide by the sum of the weights, unless that is 0.
        picture: "photograph" or "digit", which can be drawn.
        game: "paint", or the number "1" to "5" of a hidden kernel, whose map is to be found.

    Raises:
        ValueError: a value that is not allowed.
    """

    inputs = {"picture": ["photograph", "digit"], "game": ["paint", *HIDDEN]}
    kernel = Weights(PRESETS["edge"][0]).tag(sync=True)
    divide = t.Bool(False).tag(sync=True)
    picture = t.Enum(["photograph", "digit"], "photograph").tag(sync=True)
    game = t.Enum(["paint", *HIDDEN], "paint").tag(sync=True)
    photo = t.Dict(help="side, and the grey levels 0 to 255 row by row in base64").tag(sync=True)
    presets = t.List(help="[name, weights, divide] of each").tag(sync=True)

    def __init__(self, **values):
        pixels = base64.b64encode(photograph().numpy().tobytes()).decode()
        presets = [[name, *preset] for name, preset in PRESETS.items()]
        super().__init__(photo={"side": SIDE, "pixels": pixels}, presets=presets, **values)

    def compute(self, picture, game):
        """`task`: what is asked; `hidden` and `hidden_divide`: the kernel to be found, empty where one only paints."""
        if game == "paint":
            return {"task": "Paint a kernel.", "hidden": "", "hidden_divide": False}
        weights, divide = HIDDEN[game]
        return {"task": f"Find hidden kernel {game} of {len(HIDDEN)}.", "hidden": weights, "hidden_divide": divide}

    def fallback_html(self):
        """The presets, for readers without JavaScript."""
        rows = [(name, *(" ".join(weights.split()[row:row + 3]) for row in (0, 3, 6)), "yes" if divide else "no")
                for name, (weights, divide) in PRESETS.items()]
        return html_table("Kernels to try. In the book, with JavaScript, you paint one and watch its map.",
                          ["kernel", "first row", "second row", "third row", "divided by the sum of the weights"], rows)

    def __repr__(self):
        return f"KernelLab(kernel={self.kernel!r}, picture={self.picture!r}, game={self.game!r})"


def photograph():
    """A part of scikit-learn's `china.jpg`, grey, as uint8 (SIDE, SIDE)."""
    from sklearn.datasets import load_sample_image

    top, left = CORNER
    part = torch.from_numpy(load_sample_image("china.jpg").copy())[top:top + EDGE, left:left + EDGE].double().mean(2)
    small = torch.nn.functional.interpolate(part[None, None], (SIDE, SIDE), mode="area")[0, 0]
    return small.round().to(torch.uint8)
