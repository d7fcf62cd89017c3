"""A small network that learns before the reader's eyes: nothing recorded, only what is trained here."""

from itertools import product

import traitlets as t

from .. import data
from ..anatomy import summary
from ..models import create_model
from .recorded_curves import MEASURES
from .trainer import page_plan
from .training_here import TrainsHere

LENET = {"activation": ["relu", "tanh", "sigmoid"], "pooling": ["max", "avg"]}


class Learning(TrainsHere):
    """Trains a network on digits and, on a page, shows its first kernels, its maps and its gradients while it learns.

    ``Learning("lenet5_modern", {"activation": ["relu", "tanh"]}, size=28)``; a digit that the reader has drawn in a
    `DrawDigit` of the same page, in that size, is the one that is read.

    Args:
        network: name of `create_model`.
        choices: options that the reader chooses: name -> values, the first of which the widget opens with. None takes
            LeNet's activation and pooling.
        size: pixels of the digits.
        recipe: arguments of `cnnlib.training.fit`.
        title: heads the widget.
        values: any trait below.

    Attributes:
        measure, x_axis, log_scale: as in RecordedCurves.
    """

    title = t.Unicode().tag(sync=True)
    measure = t.Enum(list(MEASURES), "test_error").tag(sync=True)
    x_axis = t.Enum(["epochs", "seconds"], "epochs").tag(sync=True)
    log_scale = t.Bool(True).tag(sync=True)

    def __init__(self, network="lenet5_modern", choices=None, *, size=28, recipe=None, title="Watch it learn",
                 **values):
        self.network, self.size = network, size
        self.inputs = {name: list(allowed) for name, allowed in (LENET if choices is None else choices).items()}
        self._recipe = {"epochs": 6, "batch_size": 32, "optimizer": "adam", "lr": 0.003, **(recipe or {})}
        self.add_traits(**{name: t.Enum(allowed, allowed[0]).tag(sync=True) for name, allowed in self.inputs.items()})
        super().__init__(title=title, train_epochs=self._recipe["epochs"], **values)

    def compute(self, **options):
        """The network of these options: its name, how it is made, its parameters and the MACs of a picture."""
        parts = summary(create_model(self.network, **options), (1, 1, self.size, self.size))
        arguments = "".join(f", {name}={value!r}" for name, value in options.items())
        return {"label": ", ".join([self.network, *map(str, options.values())]),
                "code": f'cnnlib.create_model("{self.network}"{arguments})',
                "parameters": parts.total_params, "macs": parts.total_macs}

    def in_page(self):
        networks = [(values, self.network, dict(zip(self.inputs, values, strict=True)), self.size)
                    for values in product(*self.inputs.values())]
        return page_plan(networks, self._recipe, dict.fromkeys(self.inputs, ""), title=self.network)

    def to_train(self):
        return (self.answer["label"], (self.network, self.current()), lambda: data.load("digits", size=self.size),
                self._recipe)
