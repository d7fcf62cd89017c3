"""How a network gets its arguments: as a spec, a frozen dataclass that checks itself. Constructors only build."""

import functools
import inspect

from ..checks import at_least, below_one, eighths, one_of


def built_from(spec):
    """Decorates a network class whose constructor takes one `spec`: it may then be called with the spec's fields.

    `ResNet(depth=20)` is what `ResNet.__init__(self, ResNetSpec(depth=20))` builds. A bad argument is refused by the
    spec, before any layer is made.
    """
    def decorate(network):
        build = network.__init__

        @functools.wraps(build)
        def __init__(self, *args, **fields):
            build(self, spec(*args, **fields))

        network.__init__, network.__signature__ = __init__, inspect.signature(spec)
        return network

    return decorate


def fill(spec, values):
    """Set those fields of a spec, frozen as it is, that are None or not there yet; for its `__post_init__`."""
    for name, value in values.items():
        if getattr(spec, name, None) is None:
            object.__setattr__(spec, name, value)


def check_common(spec, variants):
    """Fill in what the variant has, and check the fields that AlexNet, VGG and the Inceptions share."""
    fill(spec, variants[one_of("variant", spec.variant, tuple(variants))])
    at_least("num_classes", spec.num_classes, 1)
    at_least("in_channels", spec.in_channels, 1)
    below_one("dropout", spec.dropout)
    eighths("width", spec.width)


def named(network, **fixed):
    """The network class or function with some arguments fixed; what remains is the signature, a name has no others."""
    def build(**options):
        return network(**fixed, **options)

    free = [p for p in inspect.signature(network).parameters.values() if p.name not in fixed]
    build.__signature__ = inspect.Signature(free)
    return build
