"""The repaired programs of the chapter on reading networks; `faulty.py` has the same names in their order."""

from torch import nn


def count_parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


def count_macs(model, x):
    total = 0

    def count(layer, inputs, output):
        nonlocal total
        height, width = layer.kernel_size
        total += output.numel() * layer.in_channels // layer.groups * height * width

    convs = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    handles = [layer.register_forward_hook(count) for layer in convs]
    model(x)
    for handle in handles:
        handle.remove()
    return total


def receptive_field(layers):
    field, jump = 1, 1
    for kernel, stride in layers:
        field += (kernel - 1) * jump
        jump *= stride
    return field
