"""Draw a digit: LeNet-5 with trained weights, running in the page on every stroke."""

import base64
import inspect
import json
from pathlib import Path

import numpy as np
import torch
import traitlets as t

from ..anatomy import summary
from ..files import DATA
from ..models import LeNet5Modern, create_model
from ..training import load_weights
from .base import BookWidget, html_table

WEIGHTS = DATA / "weights" / "lenet5_modern.safetensors"
SIZES = ("full", "small")
OPTIONS = ("kernel_size", "pooling", "activation")      # of lenet5_modern, as far as the page knows them


class Picture(t.TraitType):
    """A grey picture as 28 lists of 28 grey levels, 0 = paper, 255 = ink; takes whatever `numpy.asarray` takes."""

    default_value = []

    def validate(self, obj, value):
        picture = np.asarray(value)
        if picture.size == 0:
            return []
        if picture.shape not in ((28, 28), (1, 28, 28)):
            raise ValueError(f"image has shape {picture.shape}, allowed: (28, 28) or (1, 28, 28).")
        odd = picture[~np.isin(picture, np.arange(256))]
        if odd.size:
            raise ValueError(f"image holds {picture.dtype} values such as {odd[0]}, "
                             "allowed: whole numbers from 0 (paper) to 255 (ink).")
        return picture.reshape(28, 28).astype(int).tolist()


class DrawDigit(BookWidget):
    """A drawing pad and LeNet-5 with every stage shown; point at a unit to see where it looks and what it adds up.

    The network runs in JavaScript (`lenet_forward.js`), with a kernel as without, on weights rounded to float16.

    Args:
        size: "full", or "small" (pad, S2 and S4, outputs) for a front page.
        weights: safetensors file of a trained `lenet5_modern`, as `python -m cnnlib train ... --save FILE` writes
            it (the header tells the options, mean and std); the book's own by default.

    Attributes:
        image: the picture that was last drawn, 28 lists of 28 grey levels (0 = paper, 255 = ink), as the network
            got it; empty before. Set it to any 28x28 array or tensor of whole numbers to see that picture.

    Raises:
        ValueError: a size or an image outside what is allowed, or weights that are not those of `lenet5_modern`
            on one channel and ten classes.
        FileNotFoundError: no such file of weights.
    """

    size = t.Unicode("full").tag(sync=True)
    net = t.Dict(help="the network as `createNet` of lenet_forward.js takes it").tag(sync=True)
    image = Picture().tag(sync=True)

    def __init__(self, size="full", weights=None, **values):
        if size not in SIZES:
            raise ValueError(f"size is {size!r}, allowed: {', '.join(map(repr, SIZES))}.")
        super().__init__(size=size, net=pack_net(weights or WEIGHTS), **values)

    def compute(self):
        """What the network is made of: one row (stage, output shape, parameters, receptive field) per layer."""
        options = {name: self.net[name] for name in OPTIONS}
        parts = summary(create_model("lenet5_modern", **options), (1, 1, 28, 28))
        layers = [row for row in parts.rows if "." not in row.name and row.name != "activation"]
        return {"parameters": parts.total_params,
                "rows": [[row.name, "×".join(map(str, row.output_shape[1:])), row.params, row.receptive_field]
                         for row in layers]}

    def fallback_html(self):
        """The architecture, for readers without JavaScript."""
        head = ["stage", "output", "parameters", "sees of the input (pixels, square)"]
        return html_table(f"LeNet-5, {self.answer['parameters']:,} parameters. In the book, with JavaScript, "
                          "you draw a digit here and watch every stage.", head, self.answer["rows"])

    def __repr__(self):
        return f"DrawDigit(size={self.size!r})"


def pack_net(path):
    """A weights file -> options, normalisation, provenance, and all tensors as float16 in base64 (about 165 KB).

    The tensors stand one after the other in the order of the state dict, little-endian.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        command = "record lenet-activation-pooling" if path == WEIGHTS else f"train lenet5_modern --save {path}"
        raise FileNotFoundError(f"no weights at {path}; `python -m cnnlib {command}` trains and writes them.")
    try:
        with safe_open(path, framework="pt") as file:
            about = {name: json.loads(value) for name, value in (file.metadata() or {}).items()}
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(f"weights {path}: truncated or not a weights file of this library ({error}).") from error
    if missing := [name for name in ("model", "mean", "std") if name not in about]:
        raise ValueError(f"weights {path}: the header lacks {', '.join(missing)}; "
                         "`python -m cnnlib train ... --save FILE` writes them.")
    if about["model"]["name"] != "lenet5_modern":
        raise ValueError(f"weights {path} are of {about['model']['name']!r}, allowed: 'lenet5_modern'.")
    model = create_model("lenet5_modern", **about["model"]["options"])
    if (model.in_channels, model.output.out_features) != (1, 10):
        raise ValueError(f"weights {path} are for {model.in_channels} channels and {model.output.out_features} "
                         "classes, allowed: 1 and 10.")
    load_weights(model, path)
    halves = [tensor.to(torch.float16).numpy().astype("<f2").tobytes() for tensor in model.state_dict().values()]
    defaults = {name: p.default for name, p in inspect.signature(LeNet5Modern).parameters.items()}
    return {
        **{name: about["model"]["options"].get(name, defaults[name]) for name in OPTIONS},
        "mean": float(np.ravel(about["mean"])[0]), "std": float(np.ravel(about["std"])[0]),
        "data": about.get("data", ""), "run": about.get("run", ""), "test_error": about.get("test_error"),
        "weights": base64.b64encode(b"".join(halves)).decode(),
    }
