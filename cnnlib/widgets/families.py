"""What the Explorer lets the reader turn: the knobs of every family, as a table.

A knob bears the name of the option of `create_model` that it sets, except `batch` (pictures at a time), `size`
(height and width of the picture) and those that choose the network itself (`depth`, `network`, `version`).
"""

from dataclasses import dataclass, field

from ..checks import one_of


@dataclass(frozen=True)
class Knob:
    """One thing to vary.

    Attributes:
        label: what the reader sees.
        values: what the page has answers for; a list of True and False is shown as a box to tick.
        live: (lowest, highest) number that a kernel answers, whole where these are; None: only `values`.
        default: the value to open with; the first one if None.
    """

    label: str
    values: tuple
    live: tuple | None = None
    default: object = None

    @property
    def start(self):
        return self.values[0] if self.default is None else self.default

    def check(self, name, value):
        """ValueError unless the network may be asked for this value."""
        if self.live is None:
            return one_of(name, value, self.values)
        low, high = self.live
        kind = int if type(low) is int else (int, float)
        if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
            whole = "whole " if kind is int else ""
            raise ValueError(f"{name} is {value!r}, allowed: {whole}numbers from {low} to {high}.")
        return value


@dataclass(frozen=True)
class Family:
    """A family of networks and its knobs.

    Attributes:
        title: what it is called.
        colour: which of the family colours of widgets.css.
        knobs: name -> Knob, in the order shown; all but `batch` and `size` reach `network`.
        network: function of the knobs -> (name, options) of `create_model`.
        standard: what those options are when they are not given, which is how runs are recorded.
    """

    title: str
    colour: str
    knobs: dict
    network: callable
    standard: dict = field(default_factory=dict)


def batch(*values, default=None):
    return Knob("pictures in a batch", values, (1, 4096), default)


def size(*values, live, default=None):
    return Knob("height and width of the picture", values, live, default or values[-1])


def named(name, **fixed):
    """The network of one name, every knob an option of it."""
    return lambda **options: (name, {**fixed, **options})


def _vgg(depth, batch_norm, **options):
    return f"vgg{depth}" + "_bn" * batch_norm, options


def _resnet(depth, shortcut, **options):
    """A residual network without shortcuts goes by the name of a plain one."""
    if shortcut == "none":
        return f"plain{depth}", options
    return f"resnet{depth}", {"shortcut": shortcut, **options}


def _imagenet(depth, form, shortcut, **options):
    if shortcut == "none" and depth > 34:
        raise ValueError(f"shortcut is 'none', allowed with depth {depth}: 'B'; plain networks have depth 18 or 34.")
    return _resnet(depth, shortcut, **FORMS[form], **options)


SHARE = Knob("share of the channels", (0.125, 0.25, 0.5, 1.0), default=1.0)
PUBLISHED = (
    "lenet5", "alexnet", "vgg11", "vgg16", "vgg19", "googlenet", "inception_v3", "resnet18", "resnet34", "resnet50",
    "resnet101", "resnet152", "plain34", "wide_resnet50_2", "resnext50_32x4d", "se_resnet50", "densenet121",
    "densenet161", "densenet169", "densenet201", "densenet264", "mobilenet_v1", "mobilenet_v2", "resnet20", "resnet56",
    "resnet110", "densenet40_k12", "densenet_bc100_k12",
)
HEADED = ("googlenet", "inception_v3")              # whose auxiliary heads only train, and are left out
COLOURS = (("lenet", "lenet"), ("alexnet", "alexnet"), ("vgg", "vgg"), ("googlenet", "inception"),
           ("inception", "inception"), ("densenet", "densenet"), ("mobilenet", "mobilenet"))
FORMS = {
    "residual": {},
    "wide, twice": {"width_per_group": 128},
    "ResNeXt, 32 groups of 4": {"groups": 32, "width_per_group": 4},
    "squeeze and excitation": {"se_reduction": 16},
}


def colour_of(network):
    """The family colour of a network's name; residual networks have many names."""
    return next((colour for start, colour in COLOURS if network.startswith(start)), "resnet")


FAMILIES = {
    "all": Family("Networks as published", "lenet", {
        "network": Knob("network", PUBLISHED, default="resnet50"),
        "batch": batch(1),
    }, lambda network: (network, {"aux_logits": False} if network in HEADED else {})),

    "lenet": Family("LeNet-5", "lenet", {
        "kernel_size": Knob("first kernel", (3, 5), default=5),
        "activation": Knob("activation", ("sigmoid", "tanh", "relu"), default="relu"),
        "pooling": Knob("pooling", ("avg", "max"), default="max"),
        "batch": batch(1, 32, 128, 512, default=128),
    }, named("lenet5_modern"), {"kernel_size": 5, "activation": "relu", "pooling": "max"}),

    "alexnet": Family("AlexNet", "alexnet", {
        "groups": Knob("towers", (1, 2), default=2),
        "norm": Knob("normalisation", ("lrn", "batch", "none")),
        "pooling": Knob("window of the poolings", (2, 3), default=3),
        "width": SHARE,
        "batch": batch(1, 32, 128, default=128),
    }, named("alexnet"), {"groups": 2, "norm": "lrn", "pooling": 3, "width": 1.0}),

    "alexnet-cifar": Family("AlexNet for 32×32", "alexnet", {
        "activation": Knob("activation", ("relu", "tanh", "sigmoid")),
        "norm": Knob("normalisation", ("lrn", "batch", "none")),
        "pooling": Knob("window of the poolings", (2, 3), default=3),
        "dropout": Knob("dropout", (0.0, 0.5), default=0.5),
        "width": SHARE,
        "batch": batch(1, 128, default=128),
    }, named("alexnet", variant="cifar"),
        {"activation": "relu", "norm": "lrn", "pooling": 3, "dropout": 0.5, "width": 1.0}),

    "vgg": Family("VGG", "vgg", {
        "depth": Knob("depth", (11, 13, 16, 19), default=16),
        "batch_norm": Knob("batch normalisation", (False, True)),
        "width": SHARE,
        "size": size(64, 128, 224, live=(32, 512)),
        "batch": batch(1, 32, default=32),
    }, _vgg, {"width": 1.0}),

    "vgg-cifar": Family("VGG for 32×32", "vgg", {
        "depth": Knob("depth", (11, 13, 16, 19)),
        "batch_norm": Knob("batch normalisation", (False, True)),
        "width": SHARE,
        "size": size(32, 48, 64, live=(32, 512), default=32),
        "batch": batch(1, 32, 128, default=128),
    }, lambda **knobs: _vgg(variant="cifar", **knobs), {"width": 1.0}),

    "inception": Family("GoogLeNet", "inception", {
        "kernel_size": Knob("third branch", (3, 5), default=5),
        "norm": Knob("normalisation", ("lrn", "batch", "none")),
        "width": SHARE,
        "size": size(64, 128, 224, live=(32, 512)),
        "batch": batch(1, 32, default=32),
    }, named("googlenet", aux_logits=False), {"kernel_size": 5, "norm": "lrn", "width": 1.0}),

    "inception-cifar": Family("GoogLeNet for 32×32", "inception", {
        "naive": Knob("naive modules", (False, True)),
        "width": SHARE,
        "size": size(32, 64, live=(32, 512), default=32),
        "batch": batch(1, 32, 128, default=128),
    }, named("googlenet", variant="cifar"), {"naive": False, "width": 1.0}),

    "resnet": Family("ResNet for ImageNet", "resnet", {
        "depth": Knob("depth", (18, 34, 50, 101, 152), default=50),
        "form": Knob("form", tuple(FORMS)),
        "shortcut": Knob("shortcut", ("B", "none")),
        "size": size(112, 224, live=(1, 512)),
        "batch": batch(1, 32, default=32),
    }, _imagenet, {"shortcut": "B"}),

    "resnet-cifar": Family("ResNet of 6n+2 layers", "resnet", {
        "depth": Knob("depth", (8, 14, 20, 32, 44, 56, 110), (8, 1202), 20),
        "width": Knob("channels of the first stage", (8, 16, 32), (1, 256), 16),
        "shortcut": Knob("shortcut", ("A", "B", "none")),
        "size": size(16, 32, live=(1, 256)),
        "batch": batch(1, 128, default=128),
    }, lambda depth, shortcut, **options: _resnet(depth, shortcut, variant="cifar", **options),
        {"variant": "cifar", "width": 16, "shortcut": "A"}),

    "densenet": Family("DenseNet for ImageNet", "densenet", {
        "depth": Knob("depth", (121, 169, 201, 264)),
        "growth_rate": Knob("growth rate", (16, 32, 48), (1, 96), 32),
        "bottleneck": Knob("bottleneck", (True, False)),
        "compression": Knob("compression", (0.5, 1.0), (0.05, 1.0)),
        "batch": batch(1, 32, default=32),
    }, lambda depth, **options: (f"densenet{depth}", options),
        {"growth_rate": 32, "bottleneck": True, "compression": 0.5}),

    "densenet-cifar": Family("DenseNet of three blocks", "densenet", {
        "depth": Knob("depth", (22, 40, 70, 100), (7, 250), 40),
        "growth_rate": Knob("growth rate", (4, 8, 12, 24, 40), (1, 96), 12),
        "bottleneck": Knob("bottleneck", (True, False)),
        "compression": Knob("compression", (0.5, 1.0), (0.05, 1.0)),
        "batch": batch(1, 64, default=64),
    }, named("densenet_cifar"), {"depth": 100, "growth_rate": 12, "bottleneck": True, "compression": 0.5}),

    "mobilenet": Family("MobileNet", "mobilenet", {
        "version": Knob("version", (1, 2)),
        "width_multiplier": Knob("width multiplier", (0.25, 0.5, 0.75, 1.0, 1.4), (0.05, 2.0), 1.0),
        "size": size(128, 192, 224, live=(32, 512)),
        "batch": batch(1, 32, default=32),
    }, lambda version, **options: (f"mobilenet_v{version}", options), {"width_multiplier": 1.0}),
}
