"""Training from a widget: in the reader's kernel in a thread that reports, stops at once and ends with the widget; on a
page without a kernel in the page itself, see `trainer`."""

import threading
import time

import torch
import traitlets as t

from ..models import create_model
from ..training import fit
from .base import BookWidget

REPORT = 0.2                        # seconds between two messages to the page
_shown = {}                         # cell of a notebook -> the execution that made its widgets, and these widgets


class TrainsHere(BookWidget):
    """A widget with a button *Train here*; a subclass says what `to_train`.

    Attributes:
        train_epochs: how many epochs the next training takes.
        training: the run made here: running, name, epochs, curve (rows of `History`), part (of the current epoch
            that is done, 0 to 1), message.
    """

    train_epochs = t.Int(10, min=1, max=100).tag(sync=True)
    training = t.Dict().tag(sync=True)

    _stop = threading.Event()           # of the training that runs; each has its own

    def __init__(self, **values):
        super().__init__(**values)
        self.on_msg(self._on_message)
        self._take_the_cell()

    def to_train(self):
        """What to train now, None if nothing: (label, name and options of `create_model`, function -> data set,
        recipe of `fit`)."""
        raise NotImplementedError

    def in_page(self):
        """What a page without a kernel can train, see `trainer.page_plan`; None if nothing."""
        return None

    def static_spec(self):
        """And what the page needs to train by itself; the number of epochs is then the recipe's."""
        spec = super().static_spec()
        plan = self.in_page()
        self.page_marks = " data-trains" if plan else ""
        if plan:
            spec["state"] |= {"in_page": plan, "train_epochs": plan["recipe"]["epochs"]}
        return spec

    def train(self):
        """Train in the background; `training` follows epoch by epoch, and `training["message"]` says how it ended.

        Returns the thread, for callers who want to wait; None if one is running or there is nothing to train.
        """
        plan = None if self.training.get("running") else self.to_train()
        if plan is None:
            return None
        self._stop = threading.Event()
        self.training = {"running": True, "name": plan[0], "epochs": self.train_epochs, "curve": [], "part": 0,
                         "message": ""}
        thread = threading.Thread(target=self._train, args=(self._stop, *plan), daemon=True)
        thread.start()
        return thread

    def stop(self):
        """End the training before its next batch."""
        self._stop.set()

    def close(self):
        self.stop()
        super().close()

    def _train(self, stop, label, network, load, recipe):
        def tell(**news):
            if not stop.is_set() or "message" in news:
                self.training = {**self.training, **news}

        def finished(epoch):
            tell(curve=[*self.training["curve"], epoch], part=0)
            return stop.is_set()

        try:
            images = load()
            name, options = network
            torch.manual_seed(0)
            model = create_model(name, **{"num_classes": len(images.classes), **options})
            recipe = {**recipe, "epochs": self.training["epochs"]}
            steps = -(-len(images.train) // recipe["batch_size"])
            model.register_forward_pre_hook(_Watch(stop, steps, tell))
            fit(model, images, **recipe, progress=False, callback=finished)
            message = "stopped" if stop.is_set() else "done"
        except Exception as problem:                      # a thread has no one else to tell
            message = f"{type(problem).__name__}: {problem}"
        tell(running=False, message=message)

    def _on_message(self, _widget, content, _buffers):
        if content.get("do") == "train":
            self.train()
        elif content.get("do") == "stop":
            self.stop()

    def _take_the_cell(self):
        """Close what an earlier run of the same cell has left: its output is gone, its threads should be, too."""
        try:
            parent = get_ipython().get_parent()           # the kernel puts it among the builtins
            cell, execution = parent["metadata"]["cellId"], parent["header"]["msg_id"]
        except (NameError, AttributeError, KeyError, TypeError):
            return                                        # no kernel, or a front end that does not name its cells
        former, widgets = _shown.get(cell, (execution, []))
        if former != execution:
            for widget in widgets:
                widget.close()
            widgets = []
        _shown[cell] = (execution, [*widgets, self])


class _Watch:
    """Called before every batch: reports how far the epoch is, and interrupts `fit` when told to stop."""

    def __init__(self, stop, steps, tell):
        self.stop, self.steps, self.tell = stop, steps, tell
        self.done, self.last = 0, time.monotonic()

    def __call__(self, model, _inputs):
        if self.stop.is_set():
            raise KeyboardInterrupt                       # fit keeps what was done
        self.done = self.done + 1 if model.training else 0
        if model.training and time.monotonic() - self.last > REPORT:
            self.last = time.monotonic()
            self.tell(part=min(1, self.done / self.steps))
