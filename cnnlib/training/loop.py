"""Training in one readable loop: `fit` and `evaluate`.

Weights on disk and checkpoints are in `checkpoints.py`, several processes in `distributed.py`.
"""

import hashlib
import math
import time
from contextlib import nullcontext
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

from ..checks import above_zero, at_least, from_zero, one_of, share
from ..models.inception import AUX_WEIGHT
from . import distributed
from .checkpoints import Checkpoint, load_weights, save_weights
from .devices import best_device, device_of
from .evaluation import evaluating

__all__ = ["History", "best_device", "evaluate", "fit", "load_weights", "save_weights", "tensorboard"]


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
        """The last epoch, whether it was the best or not: the honest result of a run."""
        if not self:
            raise ValueError("the history is empty: no epoch was finished.")
        return self[-1]


def make_optimizer(model, optimizer, lr, momentum, weight_decay):
    """SGD with Nesterov momentum, or Adam, by name."""
    if optimizer == "adam":
        return torch.optim.Adam(model.parameters(), lr=lr, weight_decay=weight_decay)
    return torch.optim.SGD(
        model.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=momentum > 0
    )


def one_cycle(step, steps):
    """Share of the highest learning rate: from 1/25 up to 1 in three tenths of the steps, then down to almost 0.

    Half waves of a cosine, as in PyTorch's OneCycleLR. L. Smith, N. Topin, "Super-convergence", 2018.
    """
    low, lowest, top = 1 / 25, 1 / 25e4, 0.3 * steps - 1

    def wave(a, b, share):
        return b + (a - b) * (1 + math.cos(math.pi * share)) / 2

    return wave(low, 1, step / top) if step <= top else wave(1, lowest, (step - top) / (steps - 1 - top))


# (number of the step, number of steps) -> share of the highest learning rate.
SCHEDULES = {
    "one-cycle": one_cycle,
    "step": lambda step, steps: 0.1 ** ((2 * step >= steps) + (4 * step >= 3 * steps)),    # He et al., section 4.2
    "constant": lambda step, steps: 1.0,
}


def check_recipe(epochs, batch_size, optimizer, lr, momentum, weight_decay, schedule, label_smoothing, clip,
                 accumulate, precision, checkpoint, checkpoint_seconds):
    """Raise ValueError unless these arguments of `fit` are what it allows."""
    at_least("epochs", epochs, 1)
    at_least("batch_size", batch_size, 1)
    at_least("accumulate", accumulate, 1)
    one_of("optimizer", optimizer, ("sgd", "adam"))
    one_of("schedule", schedule, tuple(SCHEDULES))
    one_of("precision", precision, ("auto", "float32", "bfloat16"))
    share("label_smoothing", label_smoothing)
    share("momentum", momentum)
    above_zero("lr", lr)
    from_zero("weight_decay", weight_decay)
    if clip is not None:
        above_zero("clip", clip)
    if checkpoint_seconds is not None:
        from_zero("checkpoint_seconds", checkpoint_seconds)
        if checkpoint is None:
            raise ValueError(f"checkpoint_seconds is {checkpoint_seconds!r}, allowed without a checkpoint: None.")


def fit(model, data, *, epochs=10, batch_size=128, optimizer="sgd", lr=0.05, momentum=0.9, weight_decay=0.0,
        schedule="one-cycle", label_smoothing=0.0, clip=None, accumulate=1, precision="auto", channels_last=None,
        compile=False, seed=0, device=None, checkpoint=None, checkpoint_seconds=None, callback=None, progress=True):
    """Train `model` on `data.train`, test it on `data.test` after every epoch.

    The order of the images, their augmentation, dropout masks and the learning rate follow from the seed and the
    number of the step, from nothing else: a run repeats itself on the same device, also when it was stopped between.

    Args:
        model: network that maps (N, C, H, W) to logits (N, classes), or in training to a tuple of logits and those of
            auxiliary heads, whose losses count 0.3; it is trained in place.
        data: a `cnnlib.data.DataSet`.
        epochs, batch_size, optimizer ("sgd" | "adam"), momentum, weight_decay: as usual. `batch_size` is that of a
            step, whatever the number of processes and parts.
        lr: the highest learning rate.
        schedule: "one-cycle" (`lr` is reached after three tenths of the steps, then falls to almost 0; the momentum
            stays as it is), "step" (a tenth of it from half of the steps on, a hundredth from three quarters on) or
            "constant".
        label_smoothing: share of the target that is spread over all classes; train_loss is then the smoothed one.
        clip: largest norm of the gradient; a longer one is shortened to it. None: as it is.
        accumulate: work through each batch in so many parts, one after the other, to save memory. The gradient stays
            that of the whole batch; BatchNorm sees the parts.
        precision: "float32", "bfloat16" (autocast: weights stay float32), or "auto": bfloat16 on GPUs that have it.
        channels_last: order the memory by pixels. None: on a GPU.
        compile: let torch.compile translate the network first; takes a minute, pays on a GPU in long runs.
        seed: decides everything random but the initial weights, which are the caller's.
        device: None takes the fastest. The network is trained there, and afterwards is back where it was.
        checkpoint: file to go on from if it exists, written anew after every epoch. Ends bit for bit as if nothing had
            happened. On a GPU, cuDNN then uses its deterministic kernels only.
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
    if not isinstance(model, nn.Module):
        raise ValueError(f"model is {type(model).__name__}, allowed: a torch.nn.Module, as create_model returns it.")
    if not all(hasattr(data, part) for part in ("train", "test", "classes")):
        raise ValueError(f"data is {type(data).__name__}, allowed: a DataSet, as cnnlib.data.load returns it.")
    check_recipe(epochs, batch_size, optimizer, lr, momentum, weight_decay, schedule, label_smoothing, clip,
                 accumulate, precision, checkpoint, checkpoint_seconds)
    rank, world_size = distributed.place()
    last = len(data.train) % batch_size or batch_size
    if last < world_size:
        raise ValueError(f"batch_size is {batch_size}, allowed with {world_size} processes and {len(data.train):,} "
                         f"images: what leaves each of them one of the last batch, which has {last}.")

    device, home = device_of(device), next(model.parameters(), torch.empty(0)).device
    on_gpu = device.type == "cuda"
    if precision == "auto":
        precision = "bfloat16" if on_gpu and torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    autocast = partial(torch.autocast, device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext
    layout = torch.channels_last if (on_gpu if channels_last is None else channels_last) else torch.contiguous_format
    optim = make_optimizer(model.to(device, memory_format=layout), optimizer, lr, momentum, weight_decay)
    network = distributed.averaging(model)
    if compile:
        network = torch.compile(network)
    data = data.to(device)
    steps = -(-len(data.train) // batch_size)

    saved = None
    if checkpoint is not None:
        checkpoint = Checkpoint(checkpoint, model, optim, {
            "data": data.variant, "images": len(data.train), "mean": data.mean, "std": data.std,
            "crop": data.train.crop, "flip": data.train.flip, "epochs": epochs,
            "batch_size": batch_size, "optimizer": optimizer, "lr": lr, "momentum": momentum,
            "weight_decay": weight_decay, "schedule": schedule, "label_smoothing": label_smoothing, "clip": clip,
            "accumulate": accumulate, "precision": precision, "seed": seed, "processes": world_size,
            "device": device.type, "channels_last": layout == torch.channels_last, "compile": compile,
        })
        saved = checkpoint.load()
    position, sums = saved or ({"epoch": 1, "step": 0, "seconds": 0.0, "wall_seconds": 0.0, "history": []},
                               torch.zeros(2))
    history = History(position["history"])
    history.precision, history.wall_seconds = precision, position["wall_seconds"]
    begun = written = time.perf_counter()

    def save(epoch, step, seconds, sums):
        history.wall_seconds = position["wall_seconds"] + time.perf_counter() - begun
        if checkpoint and rank == 0:
            checkpoint.save({"epoch": epoch, "step": step, "seconds": seconds, "wall_seconds": history.wall_seconds,
                             "history": history}, sums)

    if not saved:
        save(1, 0, 0.0, sums)           # an unwritable folder is found before any work
    deterministic = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = deterministic or checkpoint is not None
    bar = tqdm(total=epochs * steps, initial=len(history) * steps + position["step"], unit="batch",
               disable=not progress or rank > 0)
    try:
        for epoch in range(position["epoch"], epochs + 1):
            done, seconds, sums = position["step"], position["seconds"], sums.to(device)
            if on_gpu:
                torch.cuda.reset_peak_memory_stats(device)
            start = time.perf_counter()
            model.train()
            batches = data.train.batches(batch_size, shuffle=True, seed=seed * 10_000 + epoch, rank=rank,
                                         world_size=world_size)
            for step, (x, y) in enumerate(batches, 1):
                if step <= done:
                    continue
                torch.manual_seed(seed_of(seed, epoch, step, rank))         # for what the network draws itself
                for group in optim.param_groups:
                    group["lr"] = lr * SCHEDULES[schedule]((epoch - 1) * steps + step - 1, epochs * steps)
                optim.zero_grad()
                # The mean over the batch of all processes, whose gradients are going to be averaged.
                size = last if step == steps else batch_size
                weight, parts = world_size / size, min(accumulate, size // world_size)     # as many in each process
                x = x.contiguous(memory_format=layout)
                for x_part, y_part in zip(x.tensor_split(parts), y.tensor_split(parts), strict=True):
                    with autocast():
                        logits, *heads = outputs(network(x_part))
                        if logits.ndim != 2 or logits.shape[1] < len(data.classes):
                            raise ValueError(f"model answers {tuple(logits.shape)}, allowed for these data: logits "
                                             f"(N, classes) of {len(data.classes)} classes or more.")
                        loss, *more = (F.cross_entropy(answer, y_part, reduction="sum", label_smoothing=label_smoothing)
                                       for answer in (logits, *heads))
                        loss = loss + AUX_WEIGHT * sum(more)
                    (loss * weight).backward()
                    sums += torch.stack((loss.detach(), (logits.argmax(1) != y_part).sum()))
                if clip:
                    torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
                optim.step()
                bar.update()
                if checkpoint_seconds is not None and time.perf_counter() - written >= checkpoint_seconds:
                    save(epoch, step, seconds + time.perf_counter() - start, sums)
                    written = time.perf_counter()
            loss_sum, wrong = distributed.total(sums.tolist(), device)      # waits for the device, then the clock stops
            now = seconds + time.perf_counter() - start
            peak = torch.cuda.max_memory_allocated(device) if on_gpu else None      # of training, without the test
            distributed.share_buffers(model)
            test_loss, correct = distributed.total(score(model, data.test, rank, world_size)[:2], device)
            for name, value in (("training", loss_sum), ("test", test_loss)):
                if not math.isfinite(value):
                    raise FloatingPointError(
                        f"the {name} loss became {value} in epoch {epoch}; try a lower lr than {lr}."
                    )
            history.append({
                "epoch": epoch, "seconds": now, "lr": optim.param_groups[0]["lr"],
                "train_loss": loss_sum / len(data.train), "train_error": wrong / len(data.train),
                "test_loss": test_loss / len(data.test), "test_error": 1 - correct / len(data.test),
                "images_per_second": len(data.train) / (now - (history[-1]["seconds"] if history else 0.0)),
                "peak_memory_bytes": max(peak, history[-1]["peak_memory_bytes"]) if peak and history else peak,
            })
            bar.set_postfix(test_error=f"{history.final['test_error']:.2%}")
            sums = torch.zeros(2)
            position |= {"step": 0, "seconds": now}
            save(epoch + 1, 0, now, sums)
            if distributed.agreed(callback and rank == 0 and callback(history[-1]), device):
                history.interrupted = epoch < epochs
                break
    except KeyboardInterrupt:
        history.interrupted = True
    finally:
        bar.close()
        model.to(home)
        torch.backends.cudnn.deterministic = deterministic
    return history


def outputs(answer):
    """What a network answers in training, as a tuple: its logits, then those of its auxiliary heads if it has any."""
    return answer if isinstance(answer, tuple) else (answer,)


def seed_of(*numbers):
    """One seed from several numbers, so that no two steps share it."""
    return int.from_bytes(hashlib.blake2b(repr(numbers).encode(), digest_size=4).digest(), "big")


@torch.no_grad()
def score(model, images, rank=0, world_size=1, batch_size=None):
    """(sum of the losses, number of correct answers, predictions int64 (n,)) of this process's share of a split.

    batch_size: None takes 1000 small images, or as many large ones as have a million pixels together.
    """
    if batch_size is None:
        batch_size = max(world_size, min(1000, 2**20 // math.prod(images.shape[1:])))
    loss, correct, predictions = 0.0, 0, [torch.empty(0, dtype=torch.int64)]
    with evaluating(model):
        for x, y in images.batches(batch_size, rank=rank, world_size=world_size):
            logits = model(x)
            loss += F.cross_entropy(logits, y, reduction="sum").item()
            predictions.append(logits.argmax(1).cpu())
            correct += (predictions[-1] == y.cpu()).sum().item()
    return loss, correct, torch.cat(predictions)


def evaluate(model, images, batch_size=None):
    """Loss and error of `model` on a split, in evaluation mode; every module gets its own mode back afterwards.

    Args:
        batch_size: None takes 1000 small images, or as many large ones as have a million pixels together.

    Returns:
        dict with loss (mean cross-entropy), error and accuracy (fractions), correct and total (counts), and
        predictions (int64 tensor (N,) on the CPU).
    """
    images = images.to(next(model.parameters()).device)
    loss, correct, predictions = score(model, images, batch_size=batch_size)
    total = len(images)
    return {"loss": loss / total, "error": 1 - correct / total, "accuracy": correct / total,
            "correct": correct, "total": total, "predictions": predictions}


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
