"""The augmentation bench: where a picture is cut, whether it is mirrored, and how its colours are shifted.

The picture stands in the page once. Every answer is a few numbers computed here, the corner of the crop and the shift
of the three colours, and the browser draws with them.
"""

import base64
import io

from ..experiments.augmentation import colour_components, colour_shift
from .explore import explore

SIDE, CROP = 256, 224


class Markup:
    """HTML or SVG to be shown as it is."""

    def __init__(self, text):
        self.text = text

    def _repr_html_(self):
        return self.text


def jpeg(picture, quality=60):
    """uint8 (3, H, W) as an address of its own bytes, for `href`."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def store(content):
    """What later drawings refer to by its id; itself it shows nothing and takes no room."""
    return Markup(f'<svg class="explore-store" width="0" height="0" aria-hidden="true"><defs>{content}</defs></svg>')


def colours(shift):
    """The filter that adds `shift` to red, green and blue, and cuts off below 0 and above 1."""
    rows = " ".join(" ".join("1" if i == j else "0" for j in range(4)) + f" {shift[i]:.4f}" for i in range(3))
    return store(f'<filter id="bench-colour" x="0" y="0" width="1" height="1" color-interpolation-filters="sRGB">'
                 f'<feColorMatrix values="{rows} 0 0 0 1 0"/></filter>')


def drawn(name, top, left, mirrored):
    """The whole picture with the frame of the crop, and the crop as the network gets it."""
    turn = f' transform="matrix(-1 0 0 1 {2 * left + CROP} 0)"' if mirrored else ""
    frame = "".join(f'<rect x="{left + 1}" y="{top + 1}" width="{CROP - 2}" height="{CROP - 2}" fill="none" '
                    f'stroke="{colour}" stroke-width="{width}"/>' for colour, width in (("#fff", 4), ("#D55E00", 2)))
    return Markup(
        f'<svg viewBox="0 0 {SIDE + 12 + CROP} {SIDE}" width="640" role="img" aria-label="Left: the picture, with a '
        f'frame around the part that is cut out. Right: that part, as the network gets it."><use href="#bench-{name}"/>'
        f'{frame}<clipPath id="bench-crop"><rect x="{left}" y="{top}" width="{CROP}" height="{CROP}"/></clipPath>'
        f'<g transform="translate({SIDE + 12 - left} {(SIDE - CROP) // 2 - top})"><g clip-path="url(#bench-crop)">'
        f'<g{turn}><use href="#bench-{name}" filter="url(#bench-colour)"/></g></g></g></svg>')


def augmentation_bench(pictures):
    """A widget for `pictures`, name -> uint8 (3, 256, 256); the colour components are those of all of them."""
    values, vectors = colour_components(*pictures.values())
    photographs = store("".join(
        f'<image id="bench-{name}" width="{SIDE}" height="{SIDE}" href="{jpeg(picture)}"/>'
        for name, picture in pictures.items()))

    def bench(picture, left=16, top=16, mirrored=False, first=0.0, second=0.0):
        shift = colour_shift(values, vectors, [first, second, 0.0])     # the third component changes next to nothing
        words = ", ".join(f"{name} {value:+.3f}".replace("-", "−")
                          for name, value in zip(("red", "green", "blue"), shift.tolist(), strict=True))
        return [photographs, colours(shift.tolist()), drawn(picture, top, left, mirrored),
                {"added to every pixel (1 is full brightness)": words}]

    noise = [-0.3, -0.1, 0.0, 0.1, 0.3]
    return explore(
        bench, title="What is done to a picture before the network sees it",
        labels={"left": "left edge of the crop", "top": "top edge of the crop", "first": "draw for the first component",
                "second": "draw for the second"},
        picture=list(pictures), left=range(0, 33, 8), top=[0, 16, 32], mirrored=[False, True],
        first=noise, second=[-0.3, 0.0, 0.3])
