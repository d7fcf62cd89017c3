"""What gets recorded: every experiment as a list of cases that share a data set and a recipe.

An experiment such as `degradation` is declared at full size, on CIFAR-10 for a GPU. `digits-degradation` is its
small form: the same comparison with narrow networks on the embedded digits, seconds a run on one CPU core.
`cifar16-degradation` lies between: real pictures, few and reduced to 16x16, minutes a run.
`recording.py` trains what stands here.
"""

from dataclasses import dataclass, field
from itertools import product


@dataclass(frozen=True)
class Case:
    """One network: `options` are those of `create_model` that differ from its defaults, `recipe` what of the grid's.

    With `transfer` it gets a new head: options of `models.transfer.Transfer`, and "weights", the file of data/weights
    with which it begins; without that it begins at random.
    """

    name: str
    model: str
    options: dict = field(default_factory=dict)
    recipe: dict = field(default_factory=dict)
    transfer: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Grid:
    about: str
    cases: list
    data: dict          # arguments of cnnlib.data.load
    recipe: dict        # fields of a cnnlib.training.Recipe; the others have their defaults
    keep: dict = field(default_factory=dict)    # case -> file in data/weights that keeps its network of seed 0
    target: dict = field(default_factory=dict)  # case -> final test error to be expected, stated before recording
    seeds: int = 3                              # to be recorded of each case

    def recipe_of(self, case):
        return {**self.recipe, **case.recipe}


# -- the comparisons, each at any size ------------------------------------------------------------------------------


def degradation(depths=(20, 32, 44, 56, 110), **size):
    names = [f"{kind}{depth}" for depth, kind in product(depths, ("plain", "resnet"))]
    return [Case(name, name, size) for name in names]


def shortcuts(**size):
    forms = {
        "A": {}, "B": {"shortcut": "B"}, "C": {"shortcut": "C"},
        "preactivation": {"preactivation": True}, "stochastic-depth": {"stochastic_depth": 0.5},
    }
    return [Case(f"resnet56-{name}", "resnet56", {**form, **size}) for name, form in forms.items()]


def squeeze_excite(**size):
    names = [f"{kind}{depth}" for depth, kind in product((20, 56), ("resnet", "se_resnet"))]
    return [Case(name, name, size) for name in names]


def reductions(ratios, **size):
    """SE-ResNet-20 by how much narrower the hidden layer of its gates is; 16 and none are cases of `squeeze_excite`."""
    return [Case(f"r{ratio}", "resnet20", {"se_reduction": ratio, **size}) for ratio in ratios]


def positions(**size):
    """SE-ResNet-20 by where its gates stand."""
    return [Case(position, "resnet20", {"se_reduction": 4, **size, **form})
            for position, form in (("standard", {}), *((p, {"se_position": p}) for p in ("pre", "post", "identity")))]


def bottlenecks(width, **size):
    """Sixteen blocks of two 3x3, and sixteen bottlenecks: between blocks of as many maps, and with as many weights."""
    widths = {"two-3x3": width, "same-maps": width // 4, "same-weights": width * 15 // 16}
    return [Case(name, "resnet34" if name == "two-3x3" else "resnet50", {"num_classes": 10, "width": planes, **size})
            for name, planes in widths.items()]


def factored():
    """MobileNetV2 beside a ResNet-20, whose 3x3 convolutions are whole, with as long a step of training. Nets with as
    many parameters are in `degradation`: plain20 and resnet20.

    Equal time was found by measuring steps of ResNet-20 of several widths on the CPU that the grid is recorded on, one
    thread, channels last; `python -m cnnlib.experiments.step_times` measures the two again.
    """
    return [Case("mobilenet", "mobilenet_v2", {"variant": "cifar", "width_multiplier": 0.32}),
            Case("equal-time", "resnet20", {"width": 20})]


def dense(depth, growth_rates, deep, growth_rate, **size):
    """BC at one depth with several growth rates; one deeper; one without bottleneck and compression."""
    def case(name, depth, k, **form):
        rate = {} if k == 12 else {"growth_rate": k}        # what `densenet_cifar` has by default is left out
        return Case(f"{name}{depth}-k{k}", "densenet_cifar",
                    {**({} if depth == 100 else {"depth": depth}), **rate, **form, **size})

    return [
        *(case("bc", depth, k) for k in growth_rates),
        case("bc", deep, growth_rate),
        case("basic", depth, growth_rate, bottleneck=False, compression=1.0),
    ]


def equal_terms(dense_cases, depths=(20, 32, 56), **size):
    """Residual networks beside DenseNets; none is as large as another, but some are by one measure."""
    return [*dense_cases, *(Case(f"resnet{depth}", f"resnet{depth}", size) for depth in depths)]


def vgg(**size):
    return [Case(f"vgg{depth}{bn}", f"vgg{depth}{bn}", {"variant": "cifar", **size})
            for depth, bn in product((11, 13, 16, 19), ("", "_bn"))]


def vgg_letters(**size):
    """The columns of the paper's table 1, and B with one 5x5 for each two 3x3 (its section 4.1)."""
    letters = {"A": "vgg11", "A-LRN": "vgg11_lrn", "B": "vgg13", "B-5x5": "vgg8_5x5", "C": "vgg16_1x1", "D": "vgg16",
               "E": "vgg19"}
    return [Case(letter, name, {"variant": "cifar", **size}) for letter, name in letters.items()]


def alexnet(**size):
    """Every combination of what the paper chose: non-linearity, normalisation, pooling, dropout."""
    activations = {"relu": {}, "tanh": {"activation": "tanh"}, "sigmoid": {"activation": "sigmoid"}}
    norms = {"lrn": {}, "batch": {"norm": "batch"}, "none": {"norm": "none"}}
    poolings = {"overlapping": {}, "plain": {"pooling": 2}}
    dropouts = {"dropout": {}, "no-dropout": {"dropout": 0.0}}
    return [
        Case("-".join(names), "alexnet",
             {"variant": "cifar", **activations[names[0]], **norms[names[1]], **poolings[names[2]],
              **dropouts[names[3]], **size})
        for names in product(activations, norms, poolings, dropouts)
    ]


def inception(**size):
    modules = {"reduced": {}, "naive": {"naive": True}}
    heads = {"": {}, "-heads": {"aux_logits": True}}
    return [Case(f"{module}{head}", "googlenet", {"variant": "cifar", **modules[module], **heads[head], **size})
            for module, head in product(modules, heads)]


def lenet():
    return [Case(f"{activation}-{pooling}", "lenet5_modern", {"activation": activation, "pooling": pooling})
            for activation, pooling in product(("sigmoid", "tanh", "relu"), ("avg", "max"))]


def transfers(model, weights, *forms):
    """A new head on trained features, frozen or learning on more slowly; on random ones, frozen or learning, too."""
    known = {"frozen": {"weights": weights}, "fine-tuned": {"weights": weights, "lr_factor": 0.1},
             "scratch": {"lr_factor": 1.0}, "random": {"lr_factor": 0.0}, "random-moving": {"moving": True}}
    return [Case(f"{model}-{form}", model, transfer=known[form]) for form in forms]


def recipes(nets, epochs=(8, 24), **size):
    """Each network by the recipe of the papers of 2015 and by a later one, each for few and for more epochs."""
    changes = {"classic": {"schedule": "step", "weight_decay": 1e-4},               # He et al., section 4.2
               "modern": {"schedule": "one-cycle", "weight_decay": 5e-4, "label_smoothing": 0.1}}
    return [Case(f"{net}-{name}-{count}", net, size, {**change, "epochs": count})
            for net, (name, change), count in product(nets, changes.items(), epochs)]


# Four families made alike by one measure: GoogLeNet, narrower than published, and others that have as many parameters
# (within 5 %) or multiply-accumulates (within 7 %, for the pictures they are trained on). All have BatchNorm, none has
# dropout. The third measure is time: networks of equal parameters, with as many epochs as fit in GoogLeNet's seconds.
def vgg_of(maps):
    """A VGG of three stages of two 3x3 convolutions."""
    a, b, c = maps, 2 * maps, 4 * maps
    return "vgg", {"configuration": f"{a} {a} M {b} {b} M {c} {c}", "variant": "cifar", "batch_norm": True}


def densenet_of(depth, growth_rate):
    return "densenet_cifar", {"depth": depth, "growth_rate": growth_rate}


SLIM = {"variant": "cifar", "dropout": 0.0}
NARROW_RACE = {         # for pictures of 16x16: 96,000 parameters or 1.6 million multiply-accumulates
    "googlenet": ("googlenet", {**SLIM, "width": 0.125}),
    "vgg-parameters": vgg_of(18), "vgg-macs": vgg_of(13),
    "resnet-parameters": ("resnet26", {"width": 8}), "resnet-macs": ("resnet14", {"width": 8}),
    "densenet-parameters": densenet_of(22, 14), "densenet-macs": densenet_of(34, 4),
}
WIDE_RACE = {           # for 32x32: 1.5 million parameters or 98 million multiply-accumulates
    "googlenet": ("googlenet", {**SLIM, "width": 0.5}),
    "vgg-parameters": vgg_of(73), "vgg-macs": vgg_of(52),
    "resnet-parameters": ("resnet26", {"width": 32}), "resnet-macs": ("resnet14", {"width": 32}),
    "densenet-parameters": densenet_of(34, 40), "densenet-macs": densenet_of(34, 16),
}


def race(networks=NARROW_RACE, epochs=None, rates=None, **size):
    """The networks of a race, {case: (model, options)}. `epochs`: {family: epochs that take as long as those of
    GoogLeNet}, None leaves the race by time out; `rates`: {case: learning rate}, None leaves that of the recipe."""
    recipes = {name: {} for name in networks}
    if epochs:
        networks = networks | {f"{family}-seconds": networks[f"{family}-parameters"] for family in epochs}
        recipes |= {f"{family}-seconds": {"epochs": count} for family, count in epochs.items()}
    return [Case(name, model, {**options, **size}, {**recipes[name], **({"lr": rates[name]} if rates else {})})
            for name, (model, options) in networks.items()]


def rate_search(rates, *networks, **size):
    """The networks of a race, each with every learning rate."""
    return [Case(f"{case.name}-lr{lr}", case.model, case.options, {**case.recipe, "lr": lr})
            for case, lr in product(race(*networks, **size), rates)]


# -- data and recipes: one for all cases of a grid -------------------------------------------------------------------

CIFAR = {"name": "cifar10", "crop": 4, "flip": True}
# He et al. train 182 epochs and DenseNet's authors 300; a cycle of 30 comes within about a point of them.
CIFAR_BN = {"epochs": 30, "batch_size": 128, "optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4,
            "schedule": "one-cycle"}
CIFAR_NO_BN = {**CIFAR_BN, "lr": 0.02}          # nothing tames the scale of the signal where BatchNorm is missing

CIFAR_10K = {**CIFAR, "limit": 10_000}
CIFAR_16 = {**CIFAR_10K, "size": 16, "crop": 2}
ON_CPU = {"precision": "bfloat16", "channels_last": True}      # as it would be on a GPU anyway; twice as fast
CIFAR_SHORT = {**CIFAR_BN, "epochs": 10}
CIFAR_ADAM = {"epochs": 10, "batch_size": 64, "optimizer": "adam", "lr": 1e-3, "schedule": "one-cycle"}

FLOWERS_32 = {"name": "flowers", "size": 32, "crop": 4, "flip": True}
FLOWERS_64 = {**FLOWERS_32, "size": 64, "crop": 8}
NEW_HEAD = {"epochs": 6, "batch_size": 32, "optimizer": "adam", "lr": 1e-3, "schedule": "one-cycle", **ON_CPU}
RESNET_20, RESNET_56, DENSENET_40 = (f"cifar10-short-{name}.safetensors"
                                     for name in ("resnet20", "resnet56", "densenet_bc40_k12"))

DIGITS = {"name": "digits"}
DIGITS_16 = {"name": "digits", "size": 16}      # AlexNet and GoogLeNet halve the picture too often for 8x8,
DIGITS_32 = {"name": "digits", "size": 32}      # VGG five times
DIGITS_BN = {"epochs": 6, "batch_size": 64, "optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 1e-4,
             "schedule": "one-cycle"}
GREY = {"in_channels": 1}
NARROW = {"in_channels": 1, "width": 8}         # a CIFAR ResNet has 16-32-64 planes, these have 8-16-32
EIGHTH = {"in_channels": 1, "width": 0.125}     # an eighth of the channels of VGG, AlexNet and GoogLeNet

NARROW_VGG = Case("vgg16_bn-quarter", "vgg16_bn", {"variant": "cifar", "width": 0.25})

# The races. Epochs by time follow from the processor time of a step, `python -m cnnlib.experiments.race` measures it.
RACE_16 = {**CIFAR_10K, "limit": 4000, "size": 16, "crop": 0, "flip": False}
RACE_16_BN = {**CIFAR_BN, "epochs": 7, "batch_size": 64}
RACE_16_EPOCHS = {"vgg": 15, "resnet": 13, "densenet": 4}       # GoogLeNet: 7
RACE_DIGITS = {**DIGITS_16, "test_fraction": 0.6}
RACE_DIGITS_EPOCHS = {"vgg": 24, "resnet": 20, "densenet": 6}   # GoogLeNet: 11
RACE_DIGITS_BN = {**DIGITS_BN, "epochs": 11}
RATES = (0.01, 0.03, 0.1, 0.3, 1.0)
HELD_BACK = {"validation": 0.25}            # rates are chosen on pictures that neither train nor test
# The best of those tried in the search; of equally good ones the smallest.
RACE_16_RATES = {
    "googlenet": 0.03, "vgg-parameters": 0.1, "resnet-parameters": 0.3, "densenet-parameters": 0.1, "vgg-macs": 0.3,
    "resnet-macs": 0.1, "densenet-macs": 0.3, "vgg-seconds": 1.0, "resnet-seconds": 1.0, "densenet-seconds": 0.3,
}
RACE_DIGITS_RATES = {
    "googlenet": 0.1, "vgg-parameters": 0.3, "resnet-parameters": 0.1, "densenet-parameters": 0.3, "vgg-macs": 0.1,
    "resnet-macs": 0.3, "densenet-macs": 0.1, "vgg-seconds": 0.3, "resnet-seconds": 1.0, "densenet-seconds": 0.3,
}


GRIDS = {
    "lenet-activation-pooling": Grid(
        "LeNet-5 with each activation and each pooling, on MNIST", lenet(), {"name": "mnist"},
        {"epochs": 10, "batch_size": 128, "optimizer": "adam", "lr": 0.003, "schedule": "one-cycle"},
        keep={"relu-max": "lenet5_modern.safetensors"},
    ),
    "lenet-1998": Grid(
        "LeNet-5 as published, on MNIST padded to 32x32", [Case("lenet5", "lenet5")], {"name": "mnist", "pad": 2},
        {"epochs": 10, "batch_size": 128, "optimizer": "sgd", "lr": 0.01, "momentum": 0.9, "schedule": "one-cycle"},
    ),
    "mnist-cnn": Grid(
        "The BatchNorm network of a tutorial, with a correct loop: shuffled, tested in evaluation mode",
        [Case("mnist_cnn", "mnist_cnn")], {"name": "mnist"},
        {"epochs": 3, "batch_size": 100, "optimizer": "adam", "lr": 1e-3, "schedule": "constant"},
    ),

    # At full size. Targets: He et al., table 6; Huang et al., table 2, and the public reimplementations of VGG and
    # GoogLeNet for 32x32; each plus about a point for the shorter schedule and for pictures stored as JPEG.
    "degradation": Grid(
        "Plain and residual networks of growing depth", degradation(), CIFAR, CIFAR_BN,
        keep={f"{net}": f"cifar10-{net}.safetensors" for net in ("plain56", "resnet56")},
        target={"resnet20": 0.090, "resnet32": 0.083, "resnet44": 0.080, "resnet56": 0.077, "resnet110": 0.075},
    ),
    "shortcuts": Grid(
        "ResNet-56 with each kind of shortcut, pre-activation, stochastic depth", shortcuts(), CIFAR, CIFAR_BN,
        target={"resnet56-A": 0.077},
    ),
    "densenet": Grid(
        "DenseNet by growth rate, depth, and without bottleneck and compression",
        dense(40, (6, 12, 18, 24, 32), 100, 12), CIFAR, {**CIFAR_BN, "batch_size": 64},
        keep={"bc40-k12": "cifar10-densenet_bc40_k12.safetensors"},
        target={"basic40-k12": 0.063, "bc100-k12": 0.055},
    ),
    "few": Grid(
        "DenseNets and ResNets with few pictures: 5,000 to train on", equal_terms(dense(40, (12, 24), 100, 12)),
        {**CIFAR, "limit": 5000}, {**CIFAR_BN, "batch_size": 64},
    ),
    "vgg": Grid(
        "VGG by depth, with and without BatchNorm; a narrow one as light as ResNet-56",
        [*vgg(), NARROW_VGG], CIFAR, CIFAR_NO_BN,
        keep={"vgg16_bn-quarter": "cifar10-vgg16_bn-quarter.safetensors"},
        target={"vgg11_bn": 0.085, "vgg16_bn": 0.070},
    ),
    "vgg-letters": Grid(
        "VGG by each configuration of its paper, without BatchNorm", vgg_letters(), CIFAR,
        {**CIFAR_BN, "optimizer": "adam", "lr": 5e-4, "weight_decay": 0.0},
    ),
    "alexnet": Grid("AlexNet by each of its choices", alexnet(), CIFAR, CIFAR_NO_BN),
    "inception": Grid(
        "GoogLeNet of reduced or naive modules, with and without auxiliary heads", inception(), CIFAR, CIFAR_BN,
        target={"reduced": 0.075},
    ),
    "se": Grid(
        "ResNets with and without squeeze-and-excitation", squeeze_excite(), CIFAR, CIFAR_BN,
        target={"resnet20": 0.090, "resnet56": 0.077},
    ),
    "se-reduction": Grid(
        "SE-ResNet-20 by the reduction of its gates (16 and none: se)", reductions((2, 4, 8)), CIFAR, CIFAR_BN,
    ),
    "se-position": Grid("SE-ResNet-20 by where its gates stand", positions(), CIFAR, CIFAR_BN),
    "bottleneck": Grid(
        "ResNet-34, half as wide, and bottlenecks in the place of its blocks", bottlenecks(32), CIFAR, CIFAR_BN,
    ),
    "race": Grid(           # with the recipe's rate for all, until `race-rates` has found theirs
        "Four families at equal parameters or multiply-accumulates", race(WIDE_RACE), CIFAR, CIFAR_BN,
    ),
    "race-rates": Grid(
        "Four families at equal parameters or multiply-accumulates, each with five learning rates, tested on a part of "
        "the training pictures", rate_search(RATES, WIDE_RACE), {**CIFAR, **HELD_BACK}, CIFAR_BN, seeds=1,
    ),

    # The recipe of the full-size grids where there is no GPU: an hour of one CPU core.
    "cifar10-full": Grid(
        "ResNet-20 as published, on all of CIFAR-10 by the whole recipe", [Case("resnet20", "resnet20")], CIFAR,
        {**CIFAR_BN, **ON_CPU}, target={"resnet20": 0.090},
    ),

    # Networks as published, all pictures, but a third of the epochs: what one CPU core records in an hour a run. The
    # targets are those above plus two points for that. The paper on DenseNet has none for BC with 40 layers: no worse
    # than ResNet-20, which has half as many weights again.
    "cifar10-short": Grid(
        "Networks of 20 to 56 layers as published, a VGG as light as ResNet-56, on all of CIFAR-10 in ten epochs",
        [*degradation(depths=(20, 56)), NARROW_VGG, Case("bc40-k12", "densenet_cifar", {"depth": 40})], CIFAR,
        {**CIFAR_SHORT, **ON_CPU},
        keep={"bc40-k12": "cifar10-short-densenet_bc40_k12.safetensors",
              **{f"{net}": f"cifar10-short-{net}.safetensors"
                 for net in ("plain20", "resnet20", "plain56", "resnet56", "vgg16_bn-quarter")}},
        target={"resnet20": 0.110, "resnet56": 0.097, "bc40-k12": 0.110},
    ),

    # What the lossy copy of CIFAR-10 may have cost: the same training on pictures that have lost as much once more.
    "cifar10-jpeg": Grid(
        "ResNet-20 as published, on all of CIFAR-10 saved once more as JPEG, in ten epochs",
        [Case("resnet20", "resnet20")], {**CIFAR, "jpeg": 75}, {**CIFAR_SHORT, **ON_CPU},
    ),

    # Real pictures, but small and few, and narrow networks: what a CPU records in minutes a run.
    "cifar16-degradation": Grid(
        "Plain and residual networks of 20 and 56 layers, on 10,000 pictures of CIFAR-10 at 16x16",
        degradation(depths=(20, 56)), CIFAR_16, CIFAR_SHORT,
    ),
    "cifar16-shortcuts": Grid(
        "ResNet-56, half as wide, with each kind of shortcut, pre-activation, stochastic depth, on 10,000 pictures of "
        "CIFAR-10 at 16x16", shortcuts(width=8), CIFAR_16, CIFAR_SHORT,
    ),
    "cifar16-recipes": Grid(
        "A plain and a residual network of 20 layers, half as wide, each by a recipe of 2015 and by a later one, in 8 "
        "and in 24 epochs, on 10,000 pictures of CIFAR-10 at 16x16",
        recipes(("plain20", "resnet20"), width=8), CIFAR_16, CIFAR_SHORT,
    ),
    "cifar16-densenet": Grid(
        "DenseNet by growth rate, depth, and without bottleneck and compression, on 10,000 pictures of CIFAR-10 at "
        "16x16", dense(22, (4, 8, 12, 16), 40, 8), CIFAR_16, {**CIFAR_SHORT, "batch_size": 64},
    ),
    "cifar16-few": Grid(
        "DenseNets and ResNets, half as wide, with few pictures: 5,000 of CIFAR-10 at 16x16 to train on",
        equal_terms(dense(22, (4, 8, 12), 40, 4), width=8), {**CIFAR_16, "limit": 5000},
        {**CIFAR_SHORT, "batch_size": 64, "epochs": 20},
    ),
    "cifar32-vgg": Grid(
        "VGG by depth, with and without BatchNorm, an eighth as wide, on 10,000 pictures of CIFAR-10",
        vgg(width=0.125), CIFAR_10K, {**CIFAR_NO_BN, "epochs": 10},
    ),
    "cifar32-vgg-letters": Grid(
        "VGG by each configuration of its paper, without BatchNorm, an eighth as wide, on 10,000 pictures of CIFAR-10",
        vgg_letters(width=0.125), CIFAR_10K, {**CIFAR_ADAM, "batch_size": 128},
    ),
    "cifar16-alexnet": Grid(
        "AlexNet by each of its choices, an eighth as wide, on 10,000 pictures of CIFAR-10 at 16x16",
        alexnet(width=0.125, image_size=16), CIFAR_16, CIFAR_ADAM,
    ),
    "cifar16-inception": Grid(
        "GoogLeNet of reduced or naive modules, with and without auxiliary heads, an eighth as wide, on 10,000 "
        "pictures of CIFAR-10 at 16x16", inception(width=0.125), CIFAR_16, CIFAR_SHORT,
    ),
    "cifar16-se": Grid(
        "ResNets, half as wide, with and without squeeze-and-excitation, on 10,000 pictures of CIFAR-10 at 16x16",
        squeeze_excite(width=8), CIFAR_16, CIFAR_SHORT,
    ),
    "cifar16-se-reduction": Grid(
        "SE-ResNet-20, half as wide, by the reduction of its gates, on 10,000 pictures of CIFAR-10 at 16x16 (16 and "
        "none: cifar16-se)", reductions((2, 4, 8), width=8), CIFAR_16, CIFAR_SHORT,
        keep={"r4": "cifar16-se_resnet20_r4.safetensors"},
    ),
    "cifar16-mobilenet": Grid(
        "MobileNetV2 and a ResNet-20 of equal time, on 10,000 pictures of CIFAR-10 at 16x16 (of equal parameters: "
        "plain20 and resnet20 of cifar16-degradation)",
        factored(), CIFAR_16, {**CIFAR_SHORT, "channels_last": True},
    ),

    # Networks of `cifar10-short`, used again.
    "flowers32-transfer": Grid(
        "A new head on networks trained on CIFAR-10 or random, frozen or learning on; on flowers",
        [*transfers("resnet20", RESNET_20, "frozen", "random", "random-moving", "scratch", "fine-tuned"),
         *transfers("densenet_bc40_k12", DENSENET_40, "frozen", "random", "fine-tuned", "scratch"),
         *transfers("resnet56", RESNET_56, "frozen", "fine-tuned", "scratch")], FLOWERS_32, NEW_HEAD,
    ),
    "flowers64-transfer": Grid(
        "A new head on ResNet-20 trained on CIFAR-10 at 32x32, or random; on flowers at 64x64",
        transfers("resnet20", RESNET_20, "frozen", "fine-tuned", "scratch"), FLOWERS_64, NEW_HEAD,
    ),
    **{f"flowers32-few{n}": Grid(
        f"A new head on ResNet-20 trained on CIFAR-10 or random; on {n} flowers a class",
        transfers("resnet20", RESNET_20, "frozen", "fine-tuned", "scratch"), {**FLOWERS_32, "limit": 5 * n},
        {**NEW_HEAD, "epochs": 20, "batch_size": 8},
    ) for n in (5, 10, 50)},
    "cifar16-race": Grid(
        "Four families at equal parameters, multiply-accumulates or training time, each with its own learning rate, on "
        "4,000 pictures of CIFAR-10 at 16x16", race(NARROW_RACE, RACE_16_EPOCHS, RACE_16_RATES), RACE_16, RACE_16_BN,
    ),
    "cifar16-race-rates": Grid(
        "Four families at equal parameters, multiply-accumulates or training time, each with five learning rates, "
        "tested on a part of the training pictures", rate_search(RATES, NARROW_RACE, RACE_16_EPOCHS),
        {**RACE_16, **HELD_BACK}, RACE_16_BN, seeds=1,
    ),

    # The small forms.
    "digits-lenet-activation-pooling": Grid(
        "LeNet-5 with each activation and each pooling, on digits enlarged to 28x28", lenet(),
        {"name": "digits", "size": 28}, {"epochs": 10, "batch_size": 32, "optimizer": "adam", "lr": 0.003},
    ),
    "digits-degradation": Grid(
        "Plain and residual networks of growing depth, half as wide", degradation(**NARROW), DIGITS, DIGITS_BN,
        keep={f"{net}": f"digits-{net}.safetensors" for net in ("plain20", "resnet20", "plain56", "resnet56")},
    ),
    "digits-shortcuts": Grid(
        "ResNet-56, half as wide, with each kind of shortcut, pre-activation, stochastic depth",
        shortcuts(**NARROW), DIGITS, DIGITS_BN,
    ),
    "digits-densenet": Grid(
        "DenseNet by growth rate, depth, and without bottleneck and compression: small rates, fewer layers",
        dense(22, (2, 4, 6, 8, 12), 40, 4, **GREY), DIGITS, DIGITS_BN,
        keep={"bc40-k4": "digits-densenet_bc40_k4.safetensors"},
    ),
    "digits-few": Grid(
        "DenseNets and ResNets with few pictures: a fifth of the digits to train on, four fifths to test on",
        equal_terms(dense(22, (4, 8, 12), 40, 4, **GREY), **NARROW),
        {**DIGITS, "test_fraction": 0.8}, {**DIGITS_BN, "epochs": 16},
    ),
    "digits-vgg": Grid(
        "VGG by depth, with and without BatchNorm, an eighth as wide", vgg(**EIGHTH), DIGITS_32, DIGITS_BN,
        keep={"vgg16_bn": "digits-vgg16_bn.safetensors"},
    ),
    "digits-vgg-letters": Grid(
        "VGG by each configuration of its paper, without BatchNorm, an eighth as wide", vgg_letters(**EIGHTH),
        DIGITS_32, {"epochs": 8, "batch_size": 64, "optimizer": "adam", "lr": 0.001, "schedule": "one-cycle"},
    ),
    "digits-alexnet": Grid(
        "AlexNet by each of its choices, an eighth as wide", alexnet(**EIGHTH, image_size=16), DIGITS_16,
        {"epochs": 8, "batch_size": 64, "optimizer": "adam", "lr": 0.003},
    ),
    "digits-inception": Grid(
        "GoogLeNet of reduced or naive modules, with and without auxiliary heads, an eighth as wide",
        inception(**EIGHTH), DIGITS_16, DIGITS_BN,
    ),
    "digits-se": Grid(
        "ResNets, half as wide, with and without squeeze-and-excitation", squeeze_excite(**NARROW), DIGITS, DIGITS_BN,
    ),
    "digits-se-position": Grid(
        "SE-ResNet-20, half as wide, by where its gates stand", positions(**NARROW), DIGITS, DIGITS_BN,
    ),
    "digits-bottleneck": Grid(
        "ResNet-34, a quarter as wide, and bottlenecks in the place of its blocks; a fifth of the digits to train on, "
        "four fifths to test on", bottlenecks(16, **GREY),
        {**DIGITS_32, "test_fraction": 0.8}, {**DIGITS_BN, "epochs": 16},
    ),
    "digits-race": Grid(
        "Four families at equal parameters, multiply-accumulates or training time, each with its own learning rate",
        race(NARROW_RACE, RACE_DIGITS_EPOCHS, RACE_DIGITS_RATES, **GREY), RACE_DIGITS, RACE_DIGITS_BN, seeds=5,
    ),
    "digits-race-rates": Grid(
        "Four families at equal parameters, multiply-accumulates or training time, each with five learning rates, "
        "tested on a part of the training pictures", rate_search(RATES, NARROW_RACE, RACE_DIGITS_EPOCHS, **GREY),
        {**RACE_DIGITS, **HELD_BACK}, RACE_DIGITS_BN, seeds=1,
    ),
}


def grid(experiment):
    """The declared grid, or a ValueError that lists what there is."""
    if experiment not in GRIDS:
        raise ValueError(f"experiment {experiment!r} is not known. Allowed: {', '.join(GRIDS)}.")
    return GRIDS[experiment]
