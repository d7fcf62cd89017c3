"""Training in one readable loop: `fit`, `evaluate`, and weights on disk (safetensors, nothing is unpickled)."""

import json
import math
import os
import time
from pathlib import Path

import torch
from torch.nn import functional as F
from tqdm import tqdm

from .models.checks import at_least, one_of
from .models.inception import AUX_WEIGHT
from .summary import evaluating


def best_device():
    """"cuda", "mps" or "cpu": the fastest that this machine has."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


class History(list):
    """What happened, one dict an epoch: epoch, seconds, lr, train_loss, train_error, test_loss, test_error,
    images_per_second, peak_memory_bytes.

    `seconds` is training time since the start, evaluation not included; `lr` is that of the epoch's last step.
    Errors are fractions of 1. The
    training columns are means over the epoch while the weights were moving; the test columns are measured
    after it. Memory is that of the GPU, None elsewhere. `interrupted` says that the run was stopped before its last
    epoch, `precision` in which numbers the network was computed.
    """

    interrupted = False
    precision = "float32"

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
    one_of("optimizer", optimizer, ("sgd", "adam"))
    if optimizer == "adam":
        return torch.optim.Adam(model.parameters(), lr=lr, weight_decay=weight_decay)
    return torch.optim.SGD(
        model.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=momentum > 0
    )


def outputs(answer):
    """What a network answers in training, as a tuple: its logits, then those of its auxiliary heads if it has any."""
    return answer if isinstance(answer, tuple) else (answer,)


def fit(model, data, *, epochs=10, batch_size=128, optimizer="sgd", lr=0.05, momentum=0.9, weight_decay=0.0,
        schedule="one-cycle", seed=0, device=None, callback=None, progress=True):
    """Train `model` on `data.train`, test it on `data.test` after every epoch.

    Args:
        model: network that maps (N, C, H, W) to logits (N, classes); it is trained in place.
        data: a `cnnlib.data.DataSet`.
        epochs, batch_size, optimizer ("sgd" | "adam"), momentum, weight_decay: as usual.
        lr: the highest learning rate.
        schedule: "one-cycle" (`lr` is reached after three tenths of the steps, then falls to almost 0; the momentum
            stays as it is) or "constant".
        seed: decides the order of the images and the dropout masks. The initial weights are the caller's.
        device: None takes the fastest.
        callback: called with the dict of each finished epoch; if it returns True, training stops there.
        progress: show a bar with the time left.

    Returns:
        a `History`. Ctrl-C (KeyboardInterrupt) ends training early and keeps what was done.

    Raises:
        ValueError: an argument outside what is allowed.
        FloatingPointError: the loss is no longer a number.
    """
    at_least("epochs", epochs, 1)
    at_least("batch_size", batch_size, 1)
    one_of("schedule", schedule, ("one-cycle", "constant"))
    if not lr > 0:
        raise ValueError(f"lr is {lr!r}, allowed: numbers above 0.")
    device = torch.device(device or best_device())
    model.to(device)
    data = data.to(device)
    optim = make_optimizer(model, optimizer, lr, momentum, weight_decay)
    steps = -(-len(data.train) // batch_size)
    scheduler = None
    if schedule == "one-cycle":
        scheduler = torch.optim.lr_scheduler.OneCycleLR(optim, lr, total_steps=epochs * steps, cycle_momentum=False)
    torch.manual_seed(seed)

    history, seconds = History(), 0.0
    bar = tqdm(total=epochs * steps, disable=not progress, unit="batch")
    try:
        for epoch in range(1, epochs + 1):
            start = time.perf_counter()
            model.train()
            loss_sum = torch.zeros((), device=device)
            wrong = torch.zeros((), device=device)
            for x, y in data.train.batches(batch_size, shuffle=True, seed=seed * 10_000 + epoch):
                logits, *heads = outputs(model(x))
                loss = F.cross_entropy(logits, y) + AUX_WEIGHT * sum(F.cross_entropy(head, y) for head in heads)
                optim.zero_grad()
                loss.backward()
                optim.step()
                last_lr = optim.param_groups[0]["lr"]
                if scheduler:
                    scheduler.step()
                loss_sum += loss.detach() * len(y)
                wrong += (logits.argmax(1) != y).sum()
                bar.update()
            train_loss = loss_sum.item() / len(data.train)      # waits for the device: the clock stops after it
            before, seconds = seconds, seconds + time.perf_counter() - start
            if not math.isfinite(train_loss):
                raise FloatingPointError(
                    f"the training loss became {train_loss} in epoch {epoch}; try a lower lr than {lr}."
                )
            test = evaluate(model, data.test)
            history.append({
                "epoch": epoch, "seconds": seconds, "lr": last_lr,
                "train_loss": train_loss, "train_error": wrong.item() / len(data.train),
                "test_loss": test["loss"], "test_error": test["error"],
                "images_per_second": len(data.train) / (seconds - before),
                "peak_memory_bytes": torch.cuda.max_memory_allocated() if device.type == "cuda" else None,
            })
            bar.set_postfix(test_error=f"{test['error']:.2%}")
            if callback and callback(history[-1]):
                history.interrupted = epoch < epochs
                break
    except KeyboardInterrupt:
        history.interrupted = True
    finally:
        bar.close()
    return history


@torch.no_grad()
def evaluate(model, images, batch_size=1000):
    """Loss and error of `model` on a split, in evaluation mode; every module gets its own mode back afterwards.

    Returns:
        dict with loss (mean cross-entropy), error and accuracy (fractions), correct and total (counts), and
        predictions (int64 tensor (N,) on the CPU).
    """
    images = images.to(next(model.parameters()).device)
    loss, predictions = 0.0, []
    with evaluating(model):
        for x, y in images.batches(batch_size):
            logits = model(x)
            loss += F.cross_entropy(logits, y, reduction="sum").item()
            predictions.append(logits.argmax(1))
    predictions = torch.cat(predictions)
    total = len(images)
    correct = (predictions == images.labels).sum().item()
    return {"loss": loss / total, "error": 1 - correct / total, "accuracy": correct / total,
            "correct": correct, "total": total, "predictions": predictions.cpu()}


def save_weights(model, path, *, dtype=None, metadata=None):
    """Write the state dict as safetensors, whole or not at all.

    Args:
        dtype: store floating-point tensors in this type (float16 halves the file); None keeps theirs.
        metadata: dict of JSON-able values stored in the file's header.
    """
    from safetensors.torch import save_file

    state = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    if dtype is not None:
        state = {k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(path.name + ".partial")
    save_file(state, scratch, metadata={k: json.dumps(v) for k, v in (metadata or {}).items()})
    scratch.chmod(0o644)
    os.replace(scratch, path)


def load_weights(model, path):
    """Fill `model` from a safetensors file, strictly; return the file's metadata.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is not safetensors, or its tensors are not those of this model (all are named).
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"no weights at {path}.")
    try:
        with safe_open(path, framework="pt") as file:
            state = {k: file.get_tensor(k) for k in file.keys()}
            metadata = {k: json.loads(v) for k, v in (file.metadata() or {}).items()}
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is truncated or not a weights file of this library: {error}") from error
    wanted = model.state_dict()
    problems = [f"{k} is missing" for k in wanted if k not in state]
    problems += [f"{k} is not in the model" for k in state if k not in wanted]
    problems += [f"{k} has shape {tuple(state[k].shape)}, the model wants {tuple(wanted[k].shape)}"
                 for k in wanted if k in state and state[k].shape != wanted[k].shape]
    if problems:
        raise ValueError(f"{path} does not fit {type(model).__name__}: {'; '.join(problems)}.")
    model.load_state_dict({k: v.to(wanted[k].dtype) for k, v in state.items()})
    return metadata
