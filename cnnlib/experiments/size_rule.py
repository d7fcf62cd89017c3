"""The size rule: how many windows of a convolution or a pooling fit, and which cells they never read.

Everything here is about **one axis**; a square kernel on an image does the same on both. No torch is needed:
the rule is arithmetic, and the tests hold it against PyTorch.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor


def output_size(size, kernel, stride=1, padding=0, dilation=1, ceil_mode=False):
    """Number of output cells along one axis, exactly as PyTorch counts them.

    The kernel spans ``dilation * (kernel - 1) + 1`` cells, so there is ``room = size + 2 * padding - span``
    to move in, and ``floor(room / stride) + 1`` positions (Dumoulin and Visin, *A guide to convolution
    arithmetic for deep learning*, 2016, section 2.4). Convolution always floors. ``ceil_mode=True`` is the
    option of the pooling layers: round up, then drop the last window if it would start in the far padding.

    Args:
        size: input cells, at least 1.
        kernel: cells read by one window, at least 1.
        stride: cells from one window to the next, at least 1.
        padding: cells added on each side, at least 0; in a pooling at most half the kernel.
        dilation: cells from one tap of the kernel to the next, at least 1.
        ceil_mode: count as a pooling layer with ``ceil_mode=True`` does.

    Raises:
        ValueError: an argument is out of its range, or no window fits; the message says why.
    """
    for name, value, least in (("size", size, 1), ("kernel", kernel, 1), ("stride", stride, 1),
                               ("padding", padding, 0), ("dilation", dilation, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")
    if ceil_mode and padding > kernel // 2:
        raise ValueError(f"padding {padding} is more than half of kernel {kernel}: a pooling layer refuses "
                         "that, because a window could then lie in the padding alone")
    room = size + 2 * padding - span(kernel, dilation)
    steps = Fraction(room, stride)
    output = (ceil(steps) if ceil_mode else floor(steps)) + 1
    if ceil_mode and (output - 1) * stride >= size + padding:
        output -= 1
    # A convolution refuses a kernel larger than its padded input; a pooling in ceil mode may let it overhang.
    if output < 1 or (room < 0 and not ceil_mode):
        raise ValueError(f"the kernel spans {span(kernel, dilation)} cells, the padded input has only "
                         f"{size + 2 * padding}: no window fits")
    return output


def span(kernel, dilation=1):
    """Cells from the first to the last tap of a kernel, both counted."""
    return dilation * (kernel - 1) + 1


@dataclass(frozen=True)
class Coverage:
    """What the windows of one axis read and leave out. Input cells are counted from 0; padding lies outside.

    Attributes:
        output: number of windows.
        span: cells from the first to the last tap of a window.
        room: cells in which the first window can move, ``size + 2 * padding - span``.
        starts: first cell of every window.
        dropped: input cells after the last window: the remainder of ``room / stride`` exceeds the padding.
        between_windows: input cells that a stride larger than the span jumps over.
        between_taps: input cells that lie under some window, but only in the holes that dilation leaves.
        unused_padding: padding cells on the far side that no window reaches.
        overhang: cells by which the last window sticks out behind the far padding (only in ceil mode).
    """

    output: int
    span: int
    room: int
    starts: range
    dropped: tuple[int, ...]
    between_windows: tuple[int, ...]
    between_taps: tuple[int, ...]
    unused_padding: int
    overhang: int


def coverage(size, kernel, stride=1, padding=0, dilation=1, ceil_mode=False):
    """Follow every window along one axis, as a Coverage; arguments and errors as in :func:`output_size`."""
    output = output_size(size, kernel, stride, padding, dilation, ceil_mode)
    width = span(kernel, dilation)
    starts = range(-padding, -padding + output * stride, stride)
    end = starts[-1] + width                              # first cell behind the last window
    read = {start + tap * dilation for start in starts for tap in range(kernel)}
    unread = [cell for cell in range(size) if cell not in read]
    jumped_over = {cell for cell in unread if cell < end and (cell + padding) % stride >= width}
    return Coverage(
        output=output,
        span=width,
        room=size + 2 * padding - width,
        starts=starts,
        dropped=tuple(cell for cell in unread if cell >= end),
        between_windows=tuple(cell for cell in unread if cell in jumped_over),
        between_taps=tuple(cell for cell in unread if cell < end and cell not in jumped_over),
        unused_padding=min(padding, max(0, size + padding - end)),
        overhang=max(0, end - (size + padding)),
    )
