"""What is asked of arguments before any work is done: a wrong one is a ValueError that says what is allowed."""

import math


def one_of(name, value, allowed):
    """Raise ValueError unless `value` is one of `allowed`; return it.

    1 may stand for 1.0, but 2.0 not for 2, nor 1 for True.
    """
    kinds = (int, float) if type(value) is int else (type(value),)
    if not any(type(choice) in kinds and value == choice for choice in allowed):
        raise ValueError(f"{name} is {value!r}, allowed: {', '.join(map(repr, allowed))}.")
    return value


def at_least(name, value, low, high=math.inf):
    """Raise ValueError unless `value` is a whole number from `low` (to `high`); return it."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        to = "" if high == math.inf else f" to {high:,}"
        raise ValueError(f"{name} is {value!r}, allowed: whole numbers from {low}{to}.")
    return value


def or_none(check):
    """The same check, which lets None pass."""
    return lambda name, value, *bounds: value if value is None else check(name, value, *bounds)


def whole_numbers(name, values):
    """Raise ValueError unless `values` is a list or tuple of whole numbers from 1, one at least; return it."""
    if not isinstance(values, (list, tuple)) or not values:
        raise ValueError(f"{name} is {values!r}, allowed: a list of whole numbers from 1.")
    for value in values:
        at_least(f"a number of {name}", value, 1)
    return values


def odd(name, value):
    """Raise ValueError unless `value` is an odd number from 1, as the size of a kernel with a middle; return it."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1 or value % 2 == 0:
        raise ValueError(f"{name} is {value!r}, allowed: odd sizes from 1, which have a middle.")
    return value


def above_zero(name, value, most=math.inf):
    """Raise ValueError unless `value` is a finite number above 0 and not above `most`; return it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= most or value == math.inf:
        allowed = "numbers above 0" if most == math.inf else f"above 0 up to {most}"
        raise ValueError(f"{name} is {value!r}, allowed: {allowed}.")
    return value


def from_zero(name, value):
    """Raise ValueError unless `value` is 0 or a finite number above; return it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise ValueError(f"{name} is {value!r}, allowed: numbers from 0.")
    return value


def image_of(name, x, channels, height, width):
    """Raise ValueError unless `x` is a batch of images (N, channels, height, width)."""
    if x.ndim != 4 or tuple(x.shape[1:]) != (channels, height, width):
        raise ValueError(
            f"{name} takes images of shape (N, {channels}, {height}, {width}), got {tuple(x.shape)}."
        )


def images(name, x, channels, smallest):
    """Raise ValueError unless `x` is a batch of images (N, channels, H, W), H and W from `smallest`."""
    if x.ndim != 4 or x.shape[1] != channels or min(x.shape[2:]) < smallest:
        raise ValueError(
            f"{name} takes images of shape (N, {channels}, H, W) with H and W from {smallest}, "
            f"got {tuple(x.shape)}."
        )


def below_one(name, value):
    """Raise ValueError unless `value` is a number from 0 to below 1, as a dropout rate is; return it."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise ValueError(f"{name} is {value!r}, allowed: a number from 0 to below 1.")
    return value


def eighths(name, value):
    """Raise ValueError unless `value` is a multiple of 1/8 from 1/8 to 4; return it.

    Published widths are multiples of 8, so that this many times of them is always a whole number of channels.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 4 or value * 8 % 1:
        raise ValueError(f"{name} is {value!r}, allowed: multiples of 1/8, from 0.125 to 4.")
    return value
