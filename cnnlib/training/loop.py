"""Training in one readable loop: `fit` trains epochs, an epoch is steps, a step is what is in every textbook.

The recipe is in `recipe.py`, weights on disk and checkpoints in `checkpoints.py`, several processes in
`distributed.py`, testing in `evaluation.py`.
"""

import hashlib
import math
import time
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

from .. import randomness
from ..models.inception import AUX_WEIGHT
from . import distributed
from .checkpoints import Checkpoint, check_interval
from .devices import device_of
from .evaluation import outputs, score
from .recipe import Recipe, make_optimizer


class History(list):
    """What happened, one dict an epoch: epoch, seconds, lr, train_loss, train_error, test_loss, test_error,
    images_per_second, peak_memory_bytes.

    `seconds` is training time since the start, evaluation not included; `lr` is that of the epoch's last step.
    Errors are fractions of 1. The training columns are means over the epoch while the weights were moving; the test
    columns are measured after it. Memory is that of the GPU, None elsewhere.

    `interrupted` says that the run was stopped before its last epoch, `precision` in which numbers the network was
    computed, `wall_seconds` how long all took, with evaluation, in however many sittings.
    """

    interrupted = False
    precision = "float32"
    wall_seconds = 0.0

    def column(self, key):
        """The values of one key over the epochs."""
        return [epoch[key] for epoch in self]

    @property
    def final(self):
        """The last epoch, which is the honest result of a run, whether it was the best or not."""
        if not self:
            raise ValueError("the history is empty: no epoch was finished.")
        return self[-1]


def fit(model, data, recipe=None, *, device=None, compile=False, checkpoint=None, checkpoint_seconds=None,
        callback=None, progress=True, **changes):
    """Train `model` on `data.train`, test it on `data.test` after every epoch: fit(model, digits, epochs=6, lr=0.1).

    The order of the images, their augmentation, dropout masks and the learning rate follow from the seed and the
    number of the step, from nothing else: a run repeats itself on the same device, also when it was stopped between.

    Args:
        model: network that maps (N, C, H, W) to logits (N, classes), or in training to a tuple of logits and those of
            auxiliary heads, whose losses count 0.3; it is trained in place.
        data: a `cnnlib.data.DataSet`.
        recipe, changes: a `Recipe`, with its defaults if None, and fields of it to change: epochs, lr, seed, ...
        device: None takes the fastest. The network is trained there, and afterwards is back where it was.
        compile: let torch.compile translate the network first; takes a minute, pays on a GPU in long runs.
        checkpoint: file to go on from if it exists, written after every epoch: the run ends bit for bit as if it had
            not been stopped. On a GPU, cuDNN then uses its deterministic kernels only.
        checkpoint_seconds: write it within epochs, too, when so much time has passed.
        callback: called with the dict of each finished epoch, in process 0; if it returns True, training stops there.
        progress: show a bar with the time left.

    Returns:
        a `History`. Ctrl-C (KeyboardInterrupt) ends training early and keeps what was done.

    Raises:
        ValueError: an argument outside what is allowed, a network with fewer answers than the data have classes, a
            checkpoint of another network, data set or recipe.
        OSError: the checkpoint cannot be written.
        FloatingPointError: the loss is no longer a number.
    """
    check(model, data, recipe)
    recipe = replace(recipe or Recipe(), **changes)
    check_interval(checkpoint, checkpoint_seconds)
    history, device, home = History(), device_of(device), next(model.parameters(), torch.empty(0)).device
    try:
        training = Training(model, data, recipe, device, compile, history)
        training.resume(checkpoint, checkpoint_seconds)
        with deterministic(checkpoint is not None), training.bar(progress) as bar:
            for epoch in range(len(history) + 1, recipe.epochs + 1):
                history.append(training.epoch(epoch, bar))
                training.save()
                if distributed.agreed(callback and training.rank == 0 and callback(history[-1]), device):
                    history.interrupted = epoch < recipe.epochs
                    break
    except KeyboardInterrupt:
        history.interrupted = True
    finally:
        model.to(home)
    return history


def check(model, data, recipe):
    """Raise ValueError unless these are what `fit` takes."""
    if not isinstance(model, nn.Module):
        raise ValueError(f"model is {type(model).__name__}, allowed: a torch.nn.Module, as create_model returns it.")
    if not all(hasattr(data, part) for part in ("train", "test", "classes")):
        raise ValueError(f"data is {type(data).__name__}, allowed: a DataSet, as cnnlib.data.load returns it.")
    if not isinstance(recipe, Recipe | None):
        raise ValueError(f"recipe is {type(recipe).__name__}, allowed: a Recipe, or its fields one by one (**recipe).")


@contextmanager
def deterministic(wanted):
    """Let cuDNN use its deterministic kernels only for a while, if wanted."""
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = before or wanted
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic = before


class Training:
    """A training run under way: what a step needs, and how far the run has come.

    The epoch it is in has the number len(history) + 1. Of that epoch `done` steps are done, with the `sums` of their
    losses and wrong answers; `seconds` is the time spent in training since the start, without tests.
    """

    def __init__(self, model, data, recipe, device, compile, history):
        self.rank, self.processes = distributed.place()
        self.recipe, self.device = recipe.on(device), device
        self.images = len(data.train)
        self.steps = math.ceil(self.images / recipe.batch_size)         # of an epoch
        last = self.images - (self.steps - 1) * recipe.batch_size
        if last < self.processes:
            raise ValueError(f"batch_size is {recipe.batch_size}, allowed with {self.processes} processes and "
                             f"{self.images:,} images: what leaves each of them one of the last batch, which has "
                             f"{last}.")
        self.data = data.to(device)
        self.layout = torch.channels_last if self.recipe.channels_last else torch.contiguous_format
        self.autocast = nullcontext
        if self.recipe.precision == "bfloat16":
            self.autocast = partial(torch.autocast, device.type, torch.bfloat16)
        self.model = model.to(device, memory_format=self.layout)
        self.optimizer = make_optimizer(model, recipe)
        self.network, self.compile = distributed.averaging(model), compile      # the model, wrapped
        if compile:
            self.network = torch.compile(self.network)
        self.done, self.seconds, self.sums = 0, 0.0, torch.zeros(2, device=device)
        self.history, history.precision = history, self.recipe.precision

    def epoch(self, number, bar):
        """Train on all images once, from the step after the last one done, and test; what `History` says of it."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        start = time.perf_counter() - self.seconds
        self.model.train()
        batches = self.data.train.batches(self.recipe.batch_size, shuffle=True, seed=self.recipe.seed * 10_000 + number,
                                          rank=self.rank, world_size=self.processes)
        for step, (x, y) in enumerate(batches, 1):
            if step > self.done:
                self.step(number, step, x, y)
                self.done, self.seconds = step, time.perf_counter() - start
                self.save(self.interval)
                bar.update()
        loss, wrong = distributed.total(self.sums.tolist(), self.device)    # waits for the device: the clock stops
        self.done, self.seconds, self.sums = 0, time.perf_counter() - start, torch.zeros(2, device=self.device)
        facts = self.report(number, loss, wrong)
        bar.set_postfix(test_error=f"{facts['test_error']:.2%}")
        return facts

    def step(self, epoch, number, x, y):
        """One step of the optimizer with this process's part of a batch: images (n, C, H, W), labels (n,)."""
        recipe, steps = self.recipe, self.steps
        randomness.seed(seed_of(recipe.seed, epoch, number, self.rank), self.device)    # for what the network draws
        for group in self.optimizer.param_groups:
            factor = group.get("lr_factor", 1.0)        # of a part that learns more slowly than the rest
            group["lr"] = factor * recipe.lr_at((epoch - 1) * steps + number - 1, recipe.epochs * steps)
        self.optimizer.zero_grad()
        # The loss is the mean over the batch of all processes, whose gradients are going to be averaged.
        size = min(recipe.batch_size, self.images - (number - 1) * recipe.batch_size)
        weight, parts = self.processes / size, min(recipe.accumulate, size // self.processes)  # as many in each process
        x = x.contiguous(memory_format=self.layout)
        for x_part, y_part in zip(x.tensor_split(parts), y.tensor_split(parts), strict=True):
            loss, wrong = self.loss(x_part, y_part)
            (loss * weight).backward()
            self.sums += torch.stack((loss.detach(), wrong))
        if recipe.clip:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip)
        self.optimizer.step()

    def loss(self, x, y):
        """Images (n, C, H, W), labels (n,) -> sum of their losses, with those of auxiliary heads, and number of wrong
        answers: two tensors of shape ()."""
        with self.autocast():
            logits, *heads = outputs(self.network(x))               # (n, classes) each
            if logits.ndim != 2 or logits.shape[1] < len(self.data.classes):
                raise ValueError(f"model answers {tuple(logits.shape)}, allowed for these data: logits (N, classes) "
                                 f"of {len(self.data.classes)} classes or more.")
            loss, *more = (F.cross_entropy(answer, y, reduction="sum", label_smoothing=self.recipe.label_smoothing)
                           for answer in (logits, *heads))
            loss = loss + AUX_WEIGHT * sum(more)
        return loss, (logits.argmax(1) != y).sum()

    def report(self, epoch, loss, wrong):
        """Test the network; what `History` says of an epoch with this sum of losses and so many wrong answers."""
        peak = torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else None     # of training
        distributed.share_buffers(self.model)
        test_loss, correct = distributed.total(score(self.model, self.data.test, self.rank, self.processes)[:2],
                                               self.device)
        for name, value in (("training", loss), ("test", test_loss)):
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"the {name} loss became {value} in epoch {epoch}; try a lower lr than {self.recipe.lr}."
                )
        recipe, steps = self.recipe, self.steps
        before = self.history[-1] if self.history else {"seconds": 0.0, "peak_memory_bytes": 0}
        return {
            "epoch": epoch, "seconds": self.seconds, "lr": recipe.lr_at(epoch * steps - 1, recipe.epochs * steps),
            "train_loss": loss / self.images, "train_error": wrong / self.images,
            "test_loss": test_loss / len(self.data.test), "test_error": 1 - correct / len(self.data.test),
            "images_per_second": self.images / (self.seconds - before["seconds"]),
            "peak_memory_bytes": max(peak, before["peak_memory_bytes"]) if peak else peak,
        }

    def resume(self, checkpoint, seconds):
        """Go on where the file `checkpoint` ends, if there is one; `seconds` lie between two writes within an epoch."""
        self.checkpoint = None if checkpoint is None else Checkpoint(checkpoint, self.model, self.optimizer, {
            "data": self.data.variant, "images": self.images, "mean": self.data.mean, "std": self.data.std,
            "crop": self.data.train.crop, "flip": self.data.train.flip, **asdict(self.recipe),
            "processes": self.processes, "device": self.device.type, "compile": self.compile,
        })
        saved = self.checkpoint and self.checkpoint.load()
        if saved:
            position, self.sums = saved[0], saved[1].to(self.device)
            self.history.extend(position["history"])
            self.done, self.seconds = position["step"], position["seconds"]
            self.history.wall_seconds = position["wall_seconds"]
        self.begun = time.perf_counter() - self.history.wall_seconds
        self.saved, self.interval = time.perf_counter(), math.inf if seconds is None else seconds
        if not saved:
            self.save()         # a folder that cannot be written is found before any work

    def save(self, interval=0.0):
        """Note the time, and write the checkpoint if there is one and so many seconds have passed since the last."""
        now = time.perf_counter()
        self.history.wall_seconds = now - self.begun
        if self.checkpoint and self.rank == 0 and now - self.saved >= interval:
            self.checkpoint.save({"epoch": len(self.history) + 1, "step": self.done, "seconds": self.seconds,
                                  "wall_seconds": self.history.wall_seconds, "history": self.history}, self.sums)
            self.saved = time.perf_counter()

    def bar(self, shown):
        """A progress bar of the whole run, in steps."""
        return tqdm(total=self.recipe.epochs * self.steps, initial=len(self.history) * self.steps + self.done,
                    unit="batch", disable=not shown or self.rank > 0)


def seed_of(*numbers):
    """One seed from several numbers, so that no two steps share it."""
    return int.from_bytes(hashlib.blake2b(repr(numbers).encode(), digest_size=4).digest(), "big")


def tensorboard(folder):
    """A callback for `fit` that writes every number of every epoch for TensorBoard.

    Raises:
        ImportError: the package tensorboard, which only this needs, is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ImportError("TensorBoard logs need the package tensorboard: python -m pip install tensorboard") from error
    writer = SummaryWriter(folder)

    def log(epoch):
        for key, value in epoch.items():
            if key != "epoch" and value is not None:
                writer.add_scalar(key, value, epoch["epoch"])
        writer.flush()

    return log
