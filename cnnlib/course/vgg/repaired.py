"""The programs of `faulty.py`, repaired: the same names in the same order.

Where the library has the network, the repair is to use it: its code is in `cnnlib/models/vgg.py`.
"""

from ...models import VGG


def sides(picture=227):
    # side of the maps after each pooling of VGG-16: half, rounded down
    return [picture // 2**number for number in range(1, 6)]


def vgg16(num_classes=1000):
    blocks = ["64 64 M", "128 128 M", "256 256 256 M", "512 512 512 M", "512 512 512 M"]
    return VGG(" ".join(blocks), num_classes)


def trace(network, x):
    shapes = []

    def note(layer, _, output):
        shapes.append((type(layer).__name__, tuple(output.shape)))

    hooks = [layer.register_forward_hook(note) for layer in network]
    network(x)
    for hook in hooks:
        hook.remove()
    return shapes


def VGG16(num_classes=10, dense=4096):
    return VGG("D", num_classes, variant="torchvision", dense=dense)     # starts as He et al. (2015) advise
