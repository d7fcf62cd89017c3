"""Training on several processes at once, started by `torchrun`: each works on its part of every batch.

    torchrun --nproc-per-node=4 -m cnnlib train resnet56 --data cifar10 ...

Gradients are averaged by PyTorch's DistributedDataParallel, over gloo between CPUs and nccl between GPUs.
"""

import os
from contextlib import contextmanager

import torch
from torch import distributed, nn


@contextmanager
def processes(device):
    """Inside, the processes that torchrun started know each other. Yields the torch.device of this one.

    Started without torchrun there is one process, and nothing happens.

    Raises:
        ValueError: more processes than GPUs.
    """
    if "LOCAL_RANK" not in os.environ:
        yield device
        return
    if device.type == "cuda":
        number, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if number >= there:
            raise ValueError(f"nproc-per-node is {number + 1} or more, allowed: up to {there}, the GPUs here.")
        device = torch.device("cuda", number)
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield device
    finally:
        distributed.destroy_process_group()


def place():
    """(rank, world_size): which process this is, of how many."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def averaging(model):
    """The model with gradients that are averaged over all processes; the model itself if there is only one."""
    if place()[1] == 1:
        return model
    # What stochastic depth or drop-path skips has no gradient in that step; the other processes would wait for it.
    skips = any(getattr(module, "survival", 1) < 1 or getattr(module, "drop_path", "none") != "none"
                for module in model.modules())
    return nn.parallel.DistributedDataParallel(model, find_unused_parameters=skips)


def share_buffers(model):
    """Give all processes the BatchNorm averages of process 0, so that they test the network that is saved."""
    if place()[1] > 1:
        for buffer in model.buffers():
            distributed.broadcast(buffer, 0)


def total(numbers, device):
    """The sums of these numbers over all processes."""
    if place()[1] == 1:
        return numbers
    sums = torch.tensor(numbers, dtype=torch.float64, device=device)
    distributed.all_reduce(sums)
    return sums.tolist()


def agreed(flag, device):
    """What process 0 says, in all of them."""
    return total([bool(flag) and place()[0] == 0], device)[0] > 0
