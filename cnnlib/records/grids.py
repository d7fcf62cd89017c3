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


@dataclass(frozen=True)
class Size:
    """What the grids of one size share: data, recipe, and the words about the data that end their descriptions."""

    data: dict
    recipe: dict
    words: str = ""

    def __call__(self, about, cases, data=None, recipe=None, **more):
        """A grid of this size; `data` and `recipe` are its changes."""
        return Grid(about + self.words, cases, {**self.data, **(data or {})}, {**self.recipe, **(recipe or {})}, **more)


# -- the comparisons, each at any size ------------------------------------------------------------------------------


def named(names, **options):
    """Networks that `create_model` knows by these names."""
    return [Case(name, name, options) for name in names]


def forms(model, options, **size):
    """One network in several forms, {name of the case: its options}."""
    return [Case(name, model, {**form, **size}) for name, form in options.items()]


def combined(*choices):
    """Every combination of one of each of the choices, {name: options}: their names joined, their options together."""
    return {"-".join(filter(None, (name for name, _ in chosen))): {k: v for _, form in chosen for k, v in form.items()}
            for chosen in product(*(choice.items() for choice in choices))}


def degradation(depths=(20, 32, 44, 56, 110), **size):
    return named([f"{kind}{depth}" for depth, kind in product(depths, ("plain", "resnet"))], **size)


def squeeze_excite(**size):
    return named([f"{kind}{depth}" for depth, kind in product((20, 56), ("resnet", "se_resnet"))], **size)


def shortcuts(**size):
    return forms("resnet56", {
        "resnet56-A": {}, "resnet56-B": {"shortcut": "B"}, "resnet56-C": {"shortcut": "C"},
        "resnet56-preactivation": {"preactivation": True}, "resnet56-stochastic-depth": {"stochastic_depth": 0.5},
    }, **size)


def reductions(**size):
    """SE-ResNet-20 by how much narrower the hidden layer of its gates is; 16 and none are cases of `squeeze_excite`."""
    return forms("resnet20", {f"r{ratio}": {"se_reduction": ratio} for ratio in (2, 4, 8)}, **size)


def positions(**size):
    """SE-ResNet-20 by where its gates stand."""
    places = {"standard": {}, **{place: {"se_position": place} for place in ("pre", "post", "identity")}}
    return forms("resnet20", {name: {"se_reduction": 4, **size, **place} for name, place in places.items()})


def bottlenecks(width, **size):
    """Sixteen blocks of two 3x3, and sixteen bottlenecks: between blocks of as many maps, and with as many weights."""
    widths = {"two-3x3": width, "same-maps": width // 4, "same-weights": width * 15 // 16}
    return [Case(name, "resnet34" if name == "two-3x3" else "resnet50", {"num_classes": 10, "width": planes, **size})
            for name, planes in widths.items()]


def dense(depth, growth_rates, deep, growth_rate, **size):
    """BC at one depth with several growth rates; one deeper; one without bottleneck and compression."""
    def case(name, depth, k, **form):
        rate = {} if k == 12 else {"growth_rate": k}        # what `densenet_cifar` has by default is left out
        return Case(f"{name}{depth}-k{k}", "densenet_cifar",
                    {**({} if depth == 100 else {"depth": depth}), **rate, **form, **size})

    return [*(case("bc", depth, k) for k in growth_rates), case("bc", deep, growth_rate),
            case("basic", depth, growth_rate, bottleneck=False, compression=1.0)]


def equal_terms(dense_cases, **size):
    """Residual networks beside DenseNets; none is as large as another, but some are by one measure."""
    return [*dense_cases, *named(("resnet20", "resnet32", "resnet56"), **size)]


def vgg(**size):
    return named([f"vgg{depth}{bn}" for depth, bn in product((11, 13, 16, 19), ("", "_bn"))], variant="cifar", **size)


def vgg_letters(**size):
    """The columns of the paper's table 1, and B with one 5x5 for each two 3x3 (its section 4.1)."""
    letters = {"A": "vgg11", "A-LRN": "vgg11_lrn", "B": "vgg13", "B-5x5": "vgg8_5x5", "C": "vgg16_1x1", "D": "vgg16",
               "E": "vgg19"}
    return [Case(letter, name, {"variant": "cifar", **size}) for letter, name in letters.items()]


def alexnet(**size):
    """Every combination of what the paper chose: non-linearity, normalisation, pooling, dropout."""
    return forms("alexnet", combined(
        {"": {"variant": "cifar"}},
        {"relu": {}, "tanh": {"activation": "tanh"}, "sigmoid": {"activation": "sigmoid"}},
        {"lrn": {}, "batch": {"norm": "batch"}, "none": {"norm": "none"}},
        {"overlapping": {}, "plain": {"pooling": 2}},
        {"dropout": {}, "no-dropout": {"dropout": 0.0}},
    ), **size)


def inception(**size):
    return forms("googlenet", combined({"": {"variant": "cifar"}}, {"reduced": {}, "naive": {"naive": True}},
                                       {"": {}, "heads": {"aux_logits": True}}), **size)


def lenet():
    return forms("lenet5_modern", combined({name: {"activation": name} for name in ("sigmoid", "tanh", "relu")},
                                           {name: {"pooling": name} for name in ("avg", "max")}))


def transfers(model, *names):
    """A new head on trained features, frozen or learning on more slowly; on random ones, frozen or learning, too."""
    weights = {"weights": f"cifar10-short-{model}.safetensors"}
    known = {"frozen": weights, "fine-tuned": {**weights, "lr_factor": 0.1}, "scratch": {"lr_factor": 1.0},
             "random": {"lr_factor": 0.0}, "random-moving": {"moving": True}}
    return [Case(f"{model}-{name}", model, transfer=known[name]) for name in names]


def recipes(nets, epochs=(8, 24), **size):
    """Each network by the recipe of the papers of 2015 and by a later one, each for few and for more epochs."""
    changes = {"classic": {"schedule": "step", "weight_decay": 1e-4},               # He et al., section 4.2
               "modern": {"schedule": "one-cycle", "weight_decay": 5e-4, "label_smoothing": 0.1}}
    return [Case(f"{net}-{name}-{count}", net, size, {**change, "epochs": count})
            for net, (name, change), count in product(nets, changes.items(), epochs)]


NARROW_VGG = Case("vgg16_bn-quarter", "vgg16_bn", {"variant": "cifar", "width": 0.25})

# MobileNetV2 beside a ResNet-20, whose 3x3 convolutions are whole, with as long a step of training (found by measuring
# ResNet-20 of several widths on the CPU that the grid is recorded on, one thread, channels last; `python -m
# cnnlib.experiments.step_times` measures the two again). Nets with as many parameters are in `degradation`.
FACTORED = [Case("mobilenet", "mobilenet_v2", {"variant": "cifar", "width_multiplier": 0.32}),
            Case("equal-time", "resnet20", {"width": 20})]


# -- the race ---------------------------------------------------------------------------------------------------------
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


def race(networks, epochs=None, rates=None, **size):
    """The networks of a race, {case: (model, options)}. `epochs`: {family: epochs that take as long as those of
    GoogLeNet}, None leaves the race by time out; `rates`: {case: learning rate}, None leaves that of the recipe."""
    timed = {f"{family}-seconds": {"epochs": count} for family, count in (epochs or {}).items()}
    networks = networks | {name: networks[name.replace("seconds", "parameters")] for name in timed}
    return [Case(name, model, {**options, **size}, {**timed.get(name, {}), **({"lr": rates[name]} if rates else {})})
            for name, (model, options) in networks.items()]


def rate_search(networks, epochs=None, **size):
    """The networks of a race, each with every learning rate."""
    return [Case(f"{case.name}-lr{lr}", case.model, case.options, {**case.recipe, "lr": lr})
            for case, lr in product(race(networks, epochs, **size), (0.01, 0.03, 0.1, 0.3, 1.0))]


# Epochs by time follow from the processor time of a step, `python -m cnnlib.experiments.race` measures it. Rates are
# the best of those tried in the search; of equally good ones the smallest.
CIFAR_16_EPOCHS = {"vgg": 15, "resnet": 13, "densenet": 4}      # GoogLeNet: 7
DIGITS_EPOCHS = {"vgg": 24, "resnet": 20, "densenet": 6}        # GoogLeNet: 11
CIFAR_16_RATES = {
    "googlenet": 0.03, "vgg-parameters": 0.1, "resnet-parameters": 0.3, "densenet-parameters": 0.1, "vgg-macs": 0.3,
    "resnet-macs": 0.1, "densenet-macs": 0.3, "vgg-seconds": 1.0, "resnet-seconds": 1.0, "densenet-seconds": 0.3,
}
DIGITS_RATES = {
    "googlenet": 0.1, "vgg-parameters": 0.3, "resnet-parameters": 0.1, "densenet-parameters": 0.3, "vgg-macs": 0.1,
    "resnet-macs": 0.3, "densenet-macs": 0.1, "vgg-seconds": 0.3, "resnet-seconds": 1.0, "densenet-seconds": 0.3,
}
HELD_BACK = {"validation": 0.25}            # rates are chosen on pictures that neither train nor test
BY_ALL_MEASURES = "Four families at equal parameters, multiply-accumulates or training time"
EACH_RATE = ", each with five learning rates, tested on a part of the training pictures"


# -- data and recipes: one for all cases of a grid -------------------------------------------------------------------

CIFAR = {"name": "cifar10", "crop": 4, "flip": True}
# He et al. train 182 epochs and DenseNet's authors 300; a cycle of 30 comes within about a point of them.
CIFAR_BN = {"epochs": 30, "batch_size": 128, "optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4,
            "schedule": "one-cycle"}
NO_BN = {"lr": 0.02}                        # nothing tames the scale of the signal where BatchNorm is missing
ADAM = {"epochs": 10, "batch_size": 128, "optimizer": "adam", "lr": 1e-3, "schedule": "one-cycle"}
CIFAR_SHORT = {**CIFAR_BN, "epochs": 10}
ON_CPU = {"precision": "bfloat16", "channels_last": True}      # as it would be on a GPU anyway; twice as fast
DIGITS_BN = {"epochs": 6, "batch_size": 64, "optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 1e-4,
             "schedule": "one-cycle"}

WHOLE = Size(CIFAR, CIFAR_BN)
# Networks as published, all pictures, but a third of the epochs: what one CPU core records in an hour a run.
SHORT = Size(CIFAR, {**CIFAR_SHORT, **ON_CPU})
# Real pictures, but small and few, and narrow networks: what a CPU records in minutes a run.
CIFAR_32 = Size({**CIFAR, "limit": 10_000}, CIFAR_SHORT, ", on 10,000 pictures of CIFAR-10")
CIFAR_16 = Size({**CIFAR_32.data, "size": 16, "crop": 2}, CIFAR_SHORT, CIFAR_32.words + " at 16x16")
CIFAR_16_RACE = Size({**CIFAR_16.data, "limit": 4000, "crop": 0, "flip": False},
                     {**CIFAR_BN, "epochs": 7, "batch_size": 64})
FLOWERS_32 = Size({"name": "flowers", "size": 32, "crop": 4, "flip": True},
                  {**ADAM, "epochs": 6, "batch_size": 32, **ON_CPU})
DIGITS = Size({"name": "digits"}, DIGITS_BN)
DIGITS_16 = Size({"name": "digits", "size": 16}, DIGITS_BN)     # AlexNet and GoogLeNet halve the picture too often
DIGITS_32 = Size({"name": "digits", "size": 32}, DIGITS_BN)     # for 8x8, VGG five times
DIGITS_RACE = Size({**DIGITS_16.data, "test_fraction": 0.6}, {**DIGITS_BN, "epochs": 11})
GREY = {"in_channels": 1}
NARROW = {"in_channels": 1, "width": 8}         # a CIFAR ResNet has 16-32-64 planes, these have 8-16-32
EIGHTH = {"in_channels": 1, "width": 0.125}     # an eighth of the channels of VGG, AlexNet and GoogLeNet


def kept(prefix, *nets):
    """The files that keep the networks of these names."""
    return {net: f"{prefix}-{net}.safetensors" for net in nets}


GRIDS = {
    "lenet-activation-pooling": Grid(
        "LeNet-5 with each activation and each pooling, on MNIST", lenet(), {"name": "mnist"}, {**ADAM, "lr": 0.003},
        keep={"relu-max": "lenet5_modern.safetensors"}),
    "lenet-1998": Grid(
        "LeNet-5 as published, on MNIST padded to 32x32", named(["lenet5"]), {"name": "mnist", "pad": 2},
        {"epochs": 10, "batch_size": 128, "optimizer": "sgd", "lr": 0.01, "momentum": 0.9, "schedule": "one-cycle"}),
    "mnist-cnn": Grid(
        "The BatchNorm network of a tutorial, with a correct loop: shuffled, tested in evaluation mode",
        named(["mnist_cnn"]), {"name": "mnist"}, {**ADAM, "epochs": 3, "batch_size": 100, "schedule": "constant"}),

    # At full size. Targets: He et al., table 6; Huang et al., table 2, and the public reimplementations of VGG and
    # GoogLeNet for 32x32; each plus about a point for the shorter schedule and for pictures stored as JPEG.
    "degradation": WHOLE(
        "Plain and residual networks of growing depth", degradation(),
        keep=kept("cifar10", "plain56", "resnet56"),
        target={"resnet20": 0.090, "resnet32": 0.083, "resnet44": 0.080, "resnet56": 0.077, "resnet110": 0.075}),
    "shortcuts": WHOLE("ResNet-56 with each kind of shortcut, pre-activation, stochastic depth", shortcuts(),
                       target={"resnet56-A": 0.077}),
    "densenet": WHOLE(
        "DenseNet by growth rate, depth, and without bottleneck and compression",
        dense(40, (6, 12, 18, 24, 32), 100, 12), recipe={"batch_size": 64},
        keep={"bc40-k12": "cifar10-densenet_bc40_k12.safetensors"}, target={"basic40-k12": 0.063, "bc100-k12": 0.055}),
    "few": WHOLE("DenseNets and ResNets with few pictures: 5,000 to train on",
                 equal_terms(dense(40, (12, 24), 100, 12)), {"limit": 5000}, {"batch_size": 64}),
    "vgg": WHOLE("VGG by depth, with and without BatchNorm; a narrow one as light as ResNet-56", [*vgg(), NARROW_VGG],
                 recipe=NO_BN, keep=kept("cifar10", "vgg16_bn-quarter"),
                 target={"vgg11_bn": 0.085, "vgg16_bn": 0.070}),
    "vgg-letters": WHOLE("VGG by each configuration of its paper, without BatchNorm", vgg_letters(),
                         recipe={"optimizer": "adam", "lr": 5e-4, "weight_decay": 0.0}),
    "alexnet": WHOLE("AlexNet by each of its choices", alexnet(), recipe=NO_BN),
    "inception": WHOLE("GoogLeNet of reduced or naive modules, with and without auxiliary heads", inception(),
                       target={"reduced": 0.075}),
    "se": WHOLE("ResNets with and without squeeze-and-excitation", squeeze_excite(),
                target={"resnet20": 0.090, "resnet56": 0.077}),
    "se-reduction": WHOLE("SE-ResNet-20 by the reduction of its gates (16 and none: se)", reductions()),
    "se-position": WHOLE("SE-ResNet-20 by where its gates stand", positions()),
    "bottleneck": WHOLE("ResNet-34, half as wide, and bottlenecks in the place of its blocks", bottlenecks(32)),
    # With the recipe's rate for all, until `race-rates` has found theirs.
    "race": WHOLE("Four families at equal parameters or multiply-accumulates", race(WIDE_RACE)),
    "race-rates": WHOLE("Four families at equal parameters or multiply-accumulates" + EACH_RATE,
                        rate_search(WIDE_RACE), HELD_BACK, seeds=1),

    # The recipe of the full-size grids where there is no GPU: an hour of one CPU core.
    "cifar10-full": WHOLE("ResNet-20 as published, on all of CIFAR-10 by the whole recipe", named(["resnet20"]),
                          recipe=ON_CPU, target={"resnet20": 0.090}),

    # The targets are those above plus two points for the third of the epochs. The paper on DenseNet has none for BC
    # with 40 layers: no worse than ResNet-20, which has half as many weights again.
    "cifar10-short": SHORT(
        "Networks of 20 to 56 layers as published, a VGG as light as ResNet-56, on all of CIFAR-10 in ten epochs",
        [*degradation(depths=(20, 56)), NARROW_VGG, Case("bc40-k12", "densenet_cifar", {"depth": 40})],
        keep={"bc40-k12": "cifar10-short-densenet_bc40_k12.safetensors",
              **kept("cifar10-short", "plain20", "resnet20", "plain56", "resnet56", "vgg16_bn-quarter")},
        target={"resnet20": 0.110, "resnet56": 0.097, "bc40-k12": 0.110}),
    # What the lossy copy of CIFAR-10 may have cost: the same training on pictures that have lost as much once more.
    "cifar10-jpeg": SHORT("ResNet-20 as published, on all of CIFAR-10 saved once more as JPEG, in ten epochs",
                          named(["resnet20"]), {"jpeg": 75}),

    "cifar16-degradation": CIFAR_16("Plain and residual networks of 20 and 56 layers", degradation(depths=(20, 56))),
    "cifar16-shortcuts": CIFAR_16("ResNet-56, half as wide, with each kind of shortcut, pre-activation, stochastic "
                                  "depth", shortcuts(width=8)),
    "cifar16-recipes": CIFAR_16(
        "A plain and a residual network of 20 layers, half as wide, each by a recipe of 2015 and by a later one, in 8 "
        "and in 24 epochs", recipes(("plain20", "resnet20"), width=8)),
    "cifar16-densenet": CIFAR_16("DenseNet by growth rate, depth, and without bottleneck and compression",
                                 dense(22, (4, 8, 12, 16), 40, 8), recipe={"batch_size": 64}),
    "cifar16-few": Grid(
        "DenseNets and ResNets, half as wide, with few pictures: 5,000 of CIFAR-10 at 16x16 to train on",
        equal_terms(dense(22, (4, 8, 12), 40, 4), width=8), {**CIFAR_16.data, "limit": 5000},
        {**CIFAR_SHORT, "batch_size": 64, "epochs": 20}),
    "cifar32-vgg": CIFAR_32("VGG by depth, with and without BatchNorm, an eighth as wide", vgg(width=0.125),
                            recipe=NO_BN),
    "cifar32-vgg-letters": Grid(
        "VGG by each configuration of its paper, without BatchNorm, an eighth as wide" + CIFAR_32.words,
        vgg_letters(width=0.125), CIFAR_32.data, ADAM),
    "cifar16-alexnet": Grid(
        "AlexNet by each of its choices, an eighth as wide" + CIFAR_16.words, alexnet(width=0.125, image_size=16),
        CIFAR_16.data, {**ADAM, "batch_size": 64}),
    "cifar16-inception": CIFAR_16("GoogLeNet of reduced or naive modules, with and without auxiliary heads, an eighth "
                                  "as wide", inception(width=0.125)),
    "cifar16-se": CIFAR_16("ResNets, half as wide, with and without squeeze-and-excitation", squeeze_excite(width=8)),
    "cifar16-se-reduction": Grid(
        f"SE-ResNet-20, half as wide, by the reduction of its gates{CIFAR_16.words} (16 and none: cifar16-se)",
        reductions(width=8), CIFAR_16.data, CIFAR_SHORT, keep={"r4": "cifar16-se_resnet20_r4.safetensors"}),
    "cifar16-mobilenet": Grid(
        f"MobileNetV2 and a ResNet-20 of equal time{CIFAR_16.words} (of equal parameters: plain20 and resnet20 of "
        "cifar16-degradation)", FACTORED, CIFAR_16.data, {**CIFAR_SHORT, "channels_last": True}),

    # Networks of `cifar10-short`, used again.
    "flowers32-transfer": FLOWERS_32(
        "A new head on networks trained on CIFAR-10 or random, frozen or learning on; on flowers",
        [*transfers("resnet20", "frozen", "random", "random-moving", "scratch", "fine-tuned"),
         *transfers("densenet_bc40_k12", "frozen", "random", "fine-tuned", "scratch"),
         *transfers("resnet56", "frozen", "fine-tuned", "scratch")]),
    "flowers64-transfer": FLOWERS_32(
        "A new head on ResNet-20 trained on CIFAR-10 at 32x32, or random; on flowers at 64x64",
        transfers("resnet20", "frozen", "fine-tuned", "scratch"), {"size": 64, "crop": 8}),
    **{f"flowers32-few{n}": FLOWERS_32(
        f"A new head on ResNet-20 trained on CIFAR-10 or random; on {n} flowers a class",
        transfers("resnet20", "frozen", "fine-tuned", "scratch"), {"limit": 5 * n}, {"epochs": 20, "batch_size": 8},
    ) for n in (5, 10, 50)},

    "cifar16-race": CIFAR_16_RACE(
        f"{BY_ALL_MEASURES}, each with its own learning rate, on 4,000 pictures of CIFAR-10 at 16x16",
        race(NARROW_RACE, CIFAR_16_EPOCHS, CIFAR_16_RATES)),
    "cifar16-race-rates": CIFAR_16_RACE(
        BY_ALL_MEASURES + EACH_RATE, rate_search(NARROW_RACE, CIFAR_16_EPOCHS), HELD_BACK, seeds=1),

    # The small forms.
    "digits-lenet-activation-pooling": Grid(
        "LeNet-5 with each activation and each pooling, on digits enlarged to 28x28", lenet(),
        {"name": "digits", "size": 28}, {"epochs": 10, "batch_size": 32, "optimizer": "adam", "lr": 0.003}),
    "digits-degradation": DIGITS(
        "Plain and residual networks of growing depth, half as wide", degradation(**NARROW),
        keep=kept("digits", "plain20", "resnet20", "plain56", "resnet56")),
    "digits-shortcuts": DIGITS("ResNet-56, half as wide, with each kind of shortcut, pre-activation, stochastic depth",
                               shortcuts(**NARROW)),
    "digits-densenet": DIGITS(
        "DenseNet by growth rate, depth, and without bottleneck and compression: small rates, fewer layers",
        dense(22, (2, 4, 6, 8, 12), 40, 4, **GREY), keep={"bc40-k4": "digits-densenet_bc40_k4.safetensors"}),
    "digits-few": DIGITS(
        "DenseNets and ResNets with few pictures: a fifth of the digits to train on, four fifths to test on",
        equal_terms(dense(22, (4, 8, 12), 40, 4, **GREY), **NARROW), {"test_fraction": 0.8}, {"epochs": 16}),
    "digits-vgg": DIGITS_32("VGG by depth, with and without BatchNorm, an eighth as wide", vgg(**EIGHTH),
                            keep=kept("digits", "vgg16_bn")),
    "digits-vgg-letters": Grid("VGG by each configuration of its paper, without BatchNorm, an eighth as wide",
                               vgg_letters(**EIGHTH), DIGITS_32.data, {**ADAM, "epochs": 8, "batch_size": 64}),
    "digits-alexnet": Grid("AlexNet by each of its choices, an eighth as wide", alexnet(**EIGHTH, image_size=16),
                           DIGITS_16.data, {"epochs": 8, "batch_size": 64, "optimizer": "adam", "lr": 0.003}),
    "digits-inception": DIGITS_16("GoogLeNet of reduced or naive modules, with and without auxiliary heads, an eighth "
                                  "as wide", inception(**EIGHTH)),
    "digits-se": DIGITS("ResNets, half as wide, with and without squeeze-and-excitation", squeeze_excite(**NARROW)),
    "digits-se-position": DIGITS("SE-ResNet-20, half as wide, by where its gates stand", positions(**NARROW)),
    "digits-bottleneck": DIGITS_32(
        "ResNet-34, a quarter as wide, and bottlenecks in the place of its blocks; a fifth of the digits to train on, "
        "four fifths to test on", bottlenecks(16, **GREY), {"test_fraction": 0.8}, {"epochs": 16}),
    "digits-race": DIGITS_RACE(f"{BY_ALL_MEASURES}, each with its own learning rate",
                               race(NARROW_RACE, DIGITS_EPOCHS, DIGITS_RATES, **GREY), seeds=5),
    "digits-race-rates": DIGITS_RACE(
        BY_ALL_MEASURES + EACH_RATE, rate_search(NARROW_RACE, DIGITS_EPOCHS, **GREY), HELD_BACK, seeds=1),
}


def grid(experiment):
    """The declared grid, or a ValueError that lists what there is."""
    if experiment not in GRIDS:
        raise ValueError(f"experiment {experiment!r} is not known. Allowed: {', '.join(GRIDS)}.")
    return GRIDS[experiment]
