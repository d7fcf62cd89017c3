"""The faulty programs of the chapter on reading networks; `repaired.py` has the same names in their order."""

from torch import nn


def count_parameters(model):
    return sum(tensor.numel() for tensor in model.state_dict().values())


def count_macs(model, x):
    total = 0

    def count(layer, inputs, output):
        nonlocal total
        height, width = layer.kernel_size
        total += output.numel() * layer.in_channels * height * width

    convs = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    handles = [layer.register_forward_hook(count) for layer in convs]
    model(x)
    for handle in handles:
        handle.remove()
    return total


def receptive_field(layers):
    field, jump = 1, 1
    for kernel, stride in layers:
        jump *= stride
        field += (kernel - 1) * jump
    return field
