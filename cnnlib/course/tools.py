"""What the checks of several chapters need."""

import contextlib
import copy
import io
from functools import partial

import torch
from torch import nn


def build(program, *args, **options):
    """A network from what the reader hands in: an `nn.Module`, or a class or function that makes one."""
    network = copy.deepcopy(program) if isinstance(program, nn.Module) else program(*args, **options)
    if not isinstance(network, nn.Module):
        raise TypeError(f"a network was expected, this is a {type(network).__name__}")
    return network.eval()


def on_meta(program, *args, **options):
    """A network as `build` makes it, on the meta device: shapes and counts of a large one at no cost."""
    with torch.device("meta"):
        network = build(program, *args, **options).to("meta")
    for norm in layers(network, nn.BatchNorm2d):
        norm.forward = partial(_like, norm)         # without numbers it only asks for its channels, and slowly
    return network


def _like(norm, x):
    if x.shape[1] != norm.num_features:
        raise RuntimeError(f"a BatchNorm for {norm.num_features} maps gets {x.shape[1]}")
    return x


def output_shape(network, *shape):
    """Shape of what a network on the meta device makes of an input of this shape."""
    with torch.device("meta"), torch.no_grad():
        return tuple(network(torch.empty(shape)).shape)


def shape_problem(network, input_shape, expected):
    """None, or that an input of this shape does not give an output of the expected one."""
    got = tuple(network(torch.zeros(input_shape)).shape)
    return None if got == expected else f"an input {input_shape} gives {got}, expected {expected}."


def sizes_problem(program, expected, *shapes, **options):
    """None, or which of several input shapes does not give the expected output shape; nothing is computed."""
    network = on_meta(program, **options)
    for shape in shapes:
        try:
            got = output_shape(network, *shape)
        except (RuntimeError, ValueError) as error:
            return f"an input {shape} is refused: {str(error).splitlines()[0]}"
        if got != expected:
            return f"an input {shape} gives {got}, expected {expected}."
    return None


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def count_problem(program, expected, remark=""):
    """None, or that a network has another number of parameters than expected."""
    count = parameters(on_meta(program))
    return None if count == expected else f"{count:,} parameters, expected {expected:,}{remark}."


def part(network, name):
    """The part of a network that is examined by itself."""
    if not isinstance(getattr(network, name, None), nn.Module):
        raise TypeError(f"keep the name `{name}`, so that this part can be examined")
    return getattr(network, name)


def syntax_error(text):
    """The SyntaxError of a program, None if it has none."""
    try:
        compile(text, "program", "exec")
    except SyntaxError as error:
        return error


def words_problem(text, *words):
    """None, or which of the words is not in a program."""
    absent = [word for word in words if word not in text]
    return f"{absent[0]} is gone: the program must still do its task." if absent else None


def prints_problem(text, printed, **names):
    """None, or that a program does not run or does not print this shape. It can use `names`."""
    if error := syntax_error(text):
        return f"SyntaxError in line {error.lineno}: {error.msg}."
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(text, {"torch": torch, "nn": nn, **names})
    said = output.getvalue().strip()
    return None if printed in said else f"it prints {said!r}, expected the shape {printed}."


def layers(network, *kinds):
    """All layers of these kinds, in the order in which they were made."""
    return [layer for layer in network.modules() if isinstance(layer, kinds)]


def superposition_error(network, *shape):
    """How far f(a) + f(b) is from f(a + b) + f(0) for random a, b of this shape, relative to f(a).

    Zero for a chain of convolutions and linear layers. This is the test to use: f(3x) = 3 f(x) is passed by
    ReLU networks too.
    """
    a, b = torch.randn(2, 2, *shape)
    with torch.no_grad():
        f = network(a)
        difference = f + network(b) - network(a + b) - network(0 * a)
    return (difference.norm() / (f - network(0 * a)).norm()).item()


def only_rounding(error, bound=1e-5):
    """The words "below 1e-5" for an error that is nothing but rounding: its size differs between processors, the
    bound does not. Raises ValueError for an error that is larger."""
    if not error < bound:
        raise ValueError(f"error is {error:.1e}, allowed for rounding: below {bound:.0e}.")
    return f"below {bound:.0e}".replace("e-0", "e-")


def is_affine(network, *shape):
    return superposition_error(network, *shape) < 1e-3


def ran(network, x):
    """Run the network; the layers without children in the order in which they worked, as (layer, output)."""
    trace, handles = [], []
    for layer in network.modules():
        if next(layer.children(), None) is None:
            handles.append(layer.register_forward_hook(lambda layer, _, out: trace.append((layer, out.detach()))))
    try:
        with torch.no_grad():
            network(x)
    finally:
        for handle in handles:
            handle.remove()
    return trace
