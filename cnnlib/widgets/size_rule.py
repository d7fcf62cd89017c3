"""Size rule: input, kernel, stride, padding, dilation -> output size, with the cells that are left out."""

import traitlets as t

from ..experiments.size_rule import coverage
from .base import BookWidget


class SizeRule(BookWidget):
    """Shows how many windows fit along an axis, where they lie, and which cells no window reads.

    ``SizeRule(size=224, kernel=11, stride=4)``; the arguments are those of
    :func:`cnnlib.experiments.size_rule.output_size`. With a kernel, any input of up to 4096 cells will do.
    """

    inputs = {
        "size": [*range(1, 41), 112, 224, 227],
        "kernel": [1, 2, 3, 4, 5, 6, 7, 11],
        "stride": [1, 2, 3, 4],
        "padding": [0, 1, 2, 3],
        "dilation": [1, 2, 3],
        "ceil_mode": [False, True],
    }
    size = t.Int(32, min=1, max=4096).tag(sync=True)
    kernel = t.Int(5, min=1, max=64).tag(sync=True)
    stride = t.Int(1, min=1, max=64).tag(sync=True)
    padding = t.Int(0, min=0, max=64).tag(sync=True)
    dilation = t.Int(1, min=1, max=64).tag(sync=True)
    ceil_mode = t.Bool(False).tag(sync=True)
    cell = t.Int(0, min=0, help="the output cell whose window is shown, counted row by row").tag(sync=True)

    def compute(self, size, kernel, stride, padding, dilation, ceil_mode):
        """What the size rule says along one axis, in cells; `reason` tells why there is no output, else it is empty.

        `taken_back` is 1 where ceil mode would round up to a window that starts in the padding.
        """
        answer = {"output": 0, "dropped": 0, "between_windows": 0, "between_taps": 0, "overhang": 0,
                  "taken_back": 0, "reason": ""}
        try:
            cover = coverage(size, kernel, stride, padding, dilation, ceil_mode)
        except ValueError as refusal:
            return {**answer, "reason": str(refusal)}
        windows = -(-cover.room // stride) + 1 if ceil_mode else cover.output
        return {**answer, "output": cover.output, "dropped": len(cover.dropped),
                "between_windows": len(cover.between_windows), "between_taps": len(cover.between_taps),
                "overhang": cover.overhang, "taken_back": windows - cover.output}
