"""Training from a widget: in the reader's kernel in a thread that reports, stops at once, ends with the widget and when
the kernel is interrupted; or in the page itself, see `trainer`."""

import json
import signal
import threading
import time

import torch
import traitlets as t
from IPython import get_ipython

from ..models import create_model
from ..training import fit
from .base import HERE, BookWidget

REPORT = 0.2                        # seconds between two messages to the page
_stops = set()                      # of the trainings that run


class TrainsHere(BookWidget):
    """A widget with a button *Train here*; a subclass says what `to_train`.

    Attributes:
        train_epochs: how many epochs the next training takes.
        training: the run made here: running, name, epochs, curve (rows of `History`), part (of the current epoch
            that is done, 0 to 1), message.
    """

    train_epochs = t.Int(10, min=1, max=100).tag(sync=True)
    training = t.Dict().tag(sync=True)

    _thread, _stop = None, threading.Event()          # of the last training; each has its own

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
        plan = None if self._thread and self._thread.is_alive() else self.to_train()
        if plan is None:
            return None
        self._stop = threading.Event()
        _heed_interrupts()
        self._thread = threading.Thread(target=self._train, args=(self._stop, *plan), daemon=True)
        self._thread.start()
        return self._thread

    def stop(self):
        """End the training before its next batch."""
        self._stop.set()

    def leave(self):
        self.stop()
        super().leave()

    def _train(self, stop, label, network, load, recipe):
        def tell(**news):
            if not stop.is_set() or "message" in news:
                self.training = {**self.training, **news}

        def finished(epoch):
            tell(curve=[*self.training["curve"], epoch], part=0)
            return stop.is_set()

        _stops.add(stop)
        try:
            self.training = {"running": True, "name": label, "epochs": self.train_epochs, "curve": [], "part": 0,
                             "message": ""}
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
        _stops.discard(stop)
        tell(running=False, message=message)

    def _on_message(self, widget, content, buffers):
        super()._on_message(widget, content, buffers)
        if content.get("do") == "train":
            self.train()
        elif content.get("do") == "stop":
            self.stop()
        elif content.get("do") == "lend the trainer":
            self.send({"trainer": {"plan": self.in_page(), "scripts": _trainer_scripts()}})


def _trainer_scripts():
    """Text of the scripts that train in the page; a page with a kernel gets them when its reader asks."""
    folder = HERE / "dist" / "page"
    names = json.loads((folder / "scripts.json").read_text(encoding="utf-8"))["data-trains"]
    return [(folder / name).read_text(encoding="utf-8") for name in names]


def _heed_interrupts():
    """An interrupt of the kernel stops all trainings: one that ends a cell, and one between cells, which the kernel
    itself ignores."""
    shell = get_ipython()
    try:
        shell.events.register("post_run_cell", _stop_if_interrupted)
        if shell.kernel.saved_sigint_handler is signal.SIG_IGN:
            shell.kernel.saved_sigint_handler = _stop_all
    except AttributeError:                                # no kernel, or one that has no such handler
        pass


def _stop_if_interrupted(result):
    if isinstance(result.error_in_exec, KeyboardInterrupt):
        _stop_all()


def _stop_all(*_signal):
    for stop in list(_stops):
        stop.set()


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
