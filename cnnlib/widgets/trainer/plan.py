"""What a widget gives its page to train networks there: the recipe, and the descriptions of all networks."""

import base64
import gzip
import json

from ...training.recipe import Recipe
from .describe import described

FIELDS = {"epochs", "batch_size", "optimizer", "lr", "momentum", "weight_decay", "schedule"}     # that the engine knows
PICTURES, TESTED = 1442, 355            # of the digits
MOST_MACS = 1.5e12                      # of a training: three minutes on a common laptop
MOST_NETWORKS = 160                     # of a widget
LARGEST = 32                            # pixels


def page_plan(networks, recipe, knobs, ranges=None, title="", source=-1):
    """The value `in_page` of a widget's state; see train_here.js.

    Args:
        networks: iterable of (values of the knobs, name, options, side of the pictures); the first MOST_NETWORKS count.
        recipe: fields of a `Recipe`.
        knobs: name -> what a value of it is called, in the order of the values.
        ranges: name -> all values that the reader may choose, of knobs that are numbers.
        title: what the network is called if there are no knobs.
        source: position of the recorded experiment that trained with this recipe on these pictures; -1 if none did.

    Returns:
        a JSON value; None if the engine does not know the recipe. `networks` has for every combination of knobs the
        multiply-accumulates of a picture, or why it cannot be trained.
    """
    if set(recipe) - FIELDS:
        return None
    recipe = {name: getattr(Recipe(**recipe), name) for name in sorted(FIELDS)}
    known, descriptions, sides = {}, [], set()
    for values, name, options, side in networks:
        if len(known) == MOST_NETWORKS:
            break
        try:
            description = described(name, (1, _check_side(side), side), **options)
            known[key_of(values)] = _check_macs(description["macs"], recipe)
            descriptions.append(description)
            sides.add(side)
        except ValueError as refusal:
            known[key_of(values)] = f"Not to be trained in a page: {refusal}"
    if not descriptions:
        return None
    packed = bytearray(gzip.compress(json.dumps(descriptions, separators=(",", ":")).encode(), 9, mtime=0))
    packed[9] = 3                       # the operating system, Unix: versions of Python write different ones
    return {"recipe": recipe, "source": source, "title": title, "knobs": list(knobs), "words": dict(knobs),
            "about": f"digits, {', '.join(f'{side}×{side}' for side in sorted(sides))}", "ranges": ranges or {},
            "networks": known, "order": [key for key, macs in known.items() if not isinstance(macs, str)],
            "packed": base64.b64encode(packed).decode()}


def key_of(values):
    """The values of knobs as JavaScript writes them: (56, 0.5, True) -> "56|0.5|true"."""
    return "|".join(str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float)
                    else str(value) for value in values)


def _check_side(side):
    if side > LARGEST:
        raise ValueError(f"the network is made for pictures of {side}×{side}, allowed: up to {LARGEST}×{LARGEST}.")
    return side


def _check_macs(macs, recipe):
    if macs * (3 * PICTURES + TESTED) * recipe["epochs"] > MOST_MACS:
        raise ValueError("the training takes too long.")
    return macs
