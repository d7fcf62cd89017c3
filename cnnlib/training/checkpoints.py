"""Weights and checkpoints on disk: safetensors with JSON in the header, so that nothing is ever unpickled."""

import hashlib
import json
from pathlib import Path

import torch

from ..checks import from_zero, or_none
from ..files import save_tensors
from ..models.transfer import report_match
from .evaluation import evaluate


def save_weights(model, path, *, dtype=None, metadata=None):
    """Write the state dict as safetensors, whole or not at all.

    Args:
        dtype: store floating-point tensors in this type (float16 halves the file); None keeps theirs.
        metadata: dict of JSON-able values stored in the file's header.

    Raises:
        OSError: the file cannot be written.
    """
    state = model.state_dict()
    if dtype is not None:
        state = {k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()}
    _write(path, state, metadata or {})


def header(model, described, dataset, load):
    """What the file of a trained network says of it, as `save_weights` takes it: the network as `described`, the data
    set, the arguments with which it was loaded, and the test error."""
    return {"model": described, "mean": dataset.mean, "std": dataset.std, "data": dataset.variant,
            "classes": dataset.classes, "load": load, "shape": dataset.test.shape,
            "test_error": evaluate(model, dataset.test)["error"]}


def load_weights(model, path):
    """Fill `model` from a safetensors file, strictly; return the file's metadata.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is not safetensors, or its tensors are not those of this model.
    """
    state, metadata = read(path)
    described = metadata.get("model")
    _check_names(path, model, state, described.get("name") if isinstance(described, dict) else described)
    wanted = model.state_dict()
    model.load_state_dict({k: v.to(wanted[k].dtype) for k, v in state.items()})
    return metadata


def check_interval(checkpoint, seconds):
    """Raise ValueError unless so many seconds may lie between two checkpoints; without a checkpoint only None may."""
    if or_none(from_zero)("checkpoint_seconds", seconds) is not None and checkpoint is None:
        raise ValueError(f"checkpoint_seconds is {seconds!r}, allowed without a checkpoint: None.")


class Checkpoint:
    """The file from which `fit` goes on after it was stopped, at the step after the last one written.

    It holds the weights, what the optimiser remembers, the sums of the unfinished epoch, the position, and the
    history. The order of the images, their augmentation, dropout and the learning rate follow from the seed and the
    number of the step: that number is the state of every random generator.

    Args:
        path: the file.
        model, optimizer: whose state is kept.
        belongs_to: dict of everything that decides the run; a checkpoint of another run is refused.
    """

    def __init__(self, path, model, optimizer, belongs_to):
        self.path, self.model, self.optimizer = Path(path), model, optimizer
        self.belongs_to = json.loads(json.dumps({"network": _fingerprint(model), **belongs_to}))

    def save(self, position, sums):
        """Write the state: `position` is JSON-able, `sums` a tensor.

        Raises:
            OSError: the file cannot be written; the previous checkpoint is still there.
            FloatingPointError: weights that are no numbers any more; the previous checkpoint is still there.
        """
        bad = [name for name, p in self.model.named_parameters() if not p.isfinite().all()]
        if bad:
            raise FloatingPointError(f"the weights {', '.join(bad[:3])} are no longer finite; {self._what_is_left()}")
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        for i, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{k}": v for k, v in state.items() if v is not None}
        try:
            _write(self.path, {**tensors, "sums": sums}, {"belongs_to": self.belongs_to, "position": position})
        except OSError as error:
            raise OSError(f"the checkpoint {self.path} cannot be written ({error}); {self._what_is_left()}") from error

    def load(self):
        """Fill model and optimiser; return (position, sums), or None if there is no file yet.

        Raises:
            ValueError: not a checkpoint, or one of another network, data set or recipe; nothing was filled then.
        """
        if not self.path.exists():
            return None
        tensors, metadata = read(self.path)
        if set(metadata) != {"belongs_to", "position"}:
            raise ValueError(f"{self.path} is not a checkpoint of this library.")
        weights, there = _below("model", tensors), metadata["belongs_to"]
        if there.get("network") != self.belongs_to["network"]:
            _check_names(self.path, self.model, weights, there.get("network", "").partition(" ")[0])
        others = [f"{k} is {self.belongs_to.get(k)!r} here and {there.get(k)!r} there"
                  for k in {**there, **self.belongs_to} if self.belongs_to.get(k) != there.get(k)]
        if others:
            raise ValueError(f"{self.path} belongs to another run: {'; '.join(others)}. "
                             "Name another file, or remove this one to begin anew.")
        self.model.load_state_dict(weights)
        remembered = {}
        for name, tensor in _below("optimizer", tensors).items():
            i, _, key = name.partition(".")
            remembered.setdefault(int(i), {})[key] = tensor
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": remembered})
        for weight, state in self.optimizer.state.items():      # in the same order in memory, as before
            state |= {k: torch.empty_like(weight).copy_(v) for k, v in state.items() if v.shape == weight.shape}
        return metadata["position"], tensors["sums"]

    def _what_is_left(self):
        return "the last good one is kept." if self.path.exists() else "no checkpoint had been written before."


def _below(prefix, tensors):
    """The tensors whose names begin with "prefix.", by the rest of their names."""
    return {k.removeprefix(f"{prefix}."): v for k, v in tensors.items() if k.startswith(f"{prefix}.")}


def _fingerprint(model):
    """The class of a network and a hash of all its layers and their settings."""
    layers = f"{model!r} {[(k, tuple(v.shape), str(v.dtype)) for k, v in model.state_dict().items()]}"
    return f"{type(model).__name__} {hashlib.sha256(layers.encode()).hexdigest()[:12]}"


def _check_names(path, model, state, network):
    """Raise ValueError unless `state`, of `network` as its file says (or not), has the names and shapes of the model's
    state dict: the first three differences, and how many there are."""
    match = report_match(model, state)
    problems = [f"{k} is missing" for k in match["missing"]]
    problems += [f"{k} is not in the model" for k in match["unexpected"]]
    problems += [f"{k} has shape {there}, the model wants {wanted}"
                 for k, (there, wanted) in match["misshapen"].items()]
    if problems:
        holds = f"{path}, which holds {network}," if network else path
        more = f"; {len(problems)} differences in all" if len(problems) > 3 else ""
        raise ValueError(f"{holds} does not fit {type(model).__name__}: {'; '.join(problems[:3])}{more}.")


def _write(path, tensors, metadata):
    save_tensors(path, {k: v.detach().to("cpu", memory_format=torch.contiguous_format) for k, v in tensors.items()},
                 {k: json.dumps(v) for k, v in metadata.items()})


def read(path):
    """(tensors, metadata) of a safetensors file, whose metadata are JSON."""
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"no weights at {path}.")
    try:
        with safe_open(path, framework="pt") as file:
            return ({k: file.get_tensor(k) for k in file.keys()},
                    {k: json.loads(v) for k, v in (file.metadata() or {}).items()})
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is truncated or not a file of this library: {error}") from error
