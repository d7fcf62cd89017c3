"""Judges of the exercises of the transfer chapter. The questions and the solutions are in the chapter itself."""

import copy
import math
from collections import OrderedDict

import torch
from torch import nn

from ...data import split_per_class
from ...models.transfer import head_size, new_head, report_match
from ...training.evaluation import wilson
from ..exercises import Numbers, Part, Wrong, as_tensor, call, call_for_number, call_for_numbers, exercise, tensor

# ---------------------------------------------------------------- riddle


def _networks():
    """Two small networks with BatchNorm, of which some tensors have the same names and shapes."""
    build = {True: (4, 8), False: (4, 6)}
    return [nn.Sequential(OrderedDict(
        conv1=nn.Conv2d(1, a, 3), bn1=nn.BatchNorm2d(a), conv2=nn.Conv2d(a, b, 3), bn2=nn.BatchNorm2d(b),
        **{"fc" if wide else "head": nn.Linear(b, 3)})) for wide, (a, b) in build.items()]


@exercise("filled")
def filled(answer):
    """filled(model, state) -> the share of the model's parameters that the state dict would fill"""
    model, other = _networks()
    state = other.state_dict()
    before = copy.deepcopy(model.state_dict())
    given = call_for_number(answer, model, state)
    match = report_match(model, state)
    sizes = {name: p.numel() for name, p in model.named_parameters()}
    all_names = {name: tensor.numel() for name, tensor in model.state_dict().items()}
    right = sum(sizes.get(name, 0) for name in match["loaded"]) / sum(sizes.values())
    mistakes = {
        "that is the share of the tensors; count the numbers in them.": len(match["loaded"]) / len(before),
        "that is the share of the parameters' tensors; count the numbers in them.":
            len([name for name in match["loaded"] if name in sizes]) / len(sizes),
        "averages and counters are counted, too; they are no parameters.":
            sum(all_names[name] for name in match["loaded"]) / sum(all_names.values()),
        "a name is not enough: compare the shapes, too.":
            sum(n for name, n in sizes.items() if name in state) / sum(sizes.values()),
    }
    for mistake, wrong in mistakes.items():
        if math.isclose(given, wrong, abs_tol=1e-6) and not math.isclose(wrong, right, abs_tol=1e-6):
            raise Wrong(mistake)
    if not math.isclose(given, right, abs_tol=1e-6):
        raise Wrong(f"{given:.4f} is too {'much' if given > right else 'little'}. Add up the numbers in parameters "
                    "whose name and shape the state dict has, and divide by those in all parameters.")
    if any(not torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items()):
        raise Wrong("the model has changed: look only, load nothing.")
    if call_for_number(answer, model, model.state_dict()) != 1:
        raise Wrong("the network's own state dict fills it, 1.0; yours says something else. Divide by the numbers of "
                    "its parameters, not by those of the state dict.")
    return "In the six runs it was 0.1 % of the DenseNet's frozen part."


@exercise("unwrapped")
def unwrapped(answer):
    """unwrapped(state) -> the state dict without the `module.` that begins its names"""
    bare = {"conv1.weight": torch.ones(1), "block.module.bias": torch.ones(2), "fc.weight": torch.ones(3)}
    wrapped = {f"module.{name}": tensor for name, tensor in bare.items()}
    given = call(answer, dict(wrapped))
    if not isinstance(given, dict):
        raise Wrong(f"a state dict is wanted, name -> tensor; this is {type(given).__name__}.")
    if "block.bias" in given:
        raise Wrong("block.module.bias lost a `module.` within its name; only the one at the beginning goes.")
    if set(given) != set(bare):
        raise Wrong(f"the names are {', '.join(sorted(given))}; wanted: {', '.join(sorted(bare))}.")
    if any(given[name] is not tensor and not torch.equal(given[name], tensor) for name, tensor in bare.items()):
        raise Wrong("a tensor is not the one that had this name: change the names only, and keep each with its tensor.")
    if set(call(answer, dict(bare))) != set(bare):
        raise Wrong("names without the prefix must stay as they are.")
    return "One translation, and then a strict loader, which tells if it was the right one."


@exercise("moved")
def moved(answer):
    """moved(before, after) -> sorted names of the tensors that differ"""
    net, _ = _networks()
    before = copy.deepcopy(net.state_dict())
    with torch.no_grad():
        net.conv2.weight[0, 0, 0, 0] += 1e-3
        net.bn1.running_mean += 1
        net.bn2.num_batches_tracked += 1
    right = ["bn1.running_mean", "bn2.num_batches_tracked", "conv2.weight"]
    given = call(answer, before, net.state_dict())
    if not isinstance(given, (list, tuple)) or not all(isinstance(name, str) for name in given):
        raise Wrong(f"a list of names is wanted, this is {type(given).__name__} {given!r}.")
    given = list(given)
    if set(right) - set(given) >= {"bn1.running_mean", "bn2.num_batches_tracked"}:
        raise Wrong("averages and counters are missing: go through the whole state dict, not the parameters only.")
    if "conv2.weight" not in given:
        raise Wrong("a weight that changed in one place only, by a thousandth, is missing.")
    if set(given) - set(right):
        raise Wrong(f"{sorted(set(given) - set(right))[0]} is named, and it has not changed.")
    if set(given) != set(right):
        raise Wrong(f"{', '.join(sorted(set(right) - set(given)))} is missing.")
    if given != right:
        raise Wrong(f"the names are wanted sorted: {', '.join(given)} are not.")
    again = call(answer, before, before)
    if not isinstance(again, (list, tuple)) or again:
        raise Wrong("two equal state dicts differ nowhere: an empty list is wanted.")
    return "The shortest proof that frozen means frozen."


# ---------------------------------------------------------------- reuse


@exercise("hidden-units")
def hidden_units():
    """(units of the hidden layer, parameters of the head) for 512 features and 12 classes"""
    features, classes = 512, 12
    hidden = head_size(features, classes)
    count = sum(p.numel() for p in new_head(features, classes).parameters())
    small = hidden // 2
    below = "that is the largest power of two *below* the root; the smallest that is not below it is wanted."
    return Numbers(
        Part("units", hidden, {
            small: below, 78: "that is the root of features times classes; a power of two is wanted.",
            2 * hidden: "a smaller power of two is not below the root, either.",
            512: "that is the number of features.",
        }, "The root of features times classes, and then the smallest power of two that is not below it."),
        Part("parameters", count, {
            features * hidden + hidden * classes: "the biases are missing.",
            (features + 1) * small + (small + 1) * classes: "right for half as many units; look at the rule again.",
            (features + 1) * hidden: "that is the first layer; the second leads to the classes.",
            6_156: "that is one linear layer without a hidden one.",
        }, "Two linear layers: features to units, units to classes. Each unit, and each class, has a bias."),
        together={(small, (features + 1) * small + (small + 1) * classes): f"units: {below}"},
        why="A linear head would have 6,156 parameters; this one has eleven times as many, and can bend.")


@exercise("frozen")
def frozen(answer):
    """frozen(net) -> the network, of which no tensor changes any more, whatever mode it is put in"""
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Sequential(nn.ReLU(), nn.BatchNorm2d(4)))
    given = call(answer, net)
    if not isinstance(given, nn.Module):
        raise Wrong(f"a network is wanted, this is {type(given).__name__}.")
    if any(p.requires_grad for p in given.parameters()):
        raise Wrong("a parameter still asks for its gradient.")
    before, x = copy.deepcopy(given.state_dict()), torch.randn(8, 1, 6, 6)
    given(x)
    if any(not torch.equal(tensor, before[name]) for name, tensor in given.state_dict().items()):
        raise Wrong("one pass changed BatchNorm's averages: put the network into evaluation mode.")
    given.train()
    given(x)
    changed = [name for name, tensor in given.state_dict().items() if not torch.equal(tensor, before[name])]
    if changed:
        raise Wrong(f"after net.train() a pass changed {changed[0]}: every training loop calls train(), so that it "
                    "must not reach BatchNorm.")
    if given(x).shape != (8, 4, 4, 4):
        raise Wrong("the network does not answer as it did: freeze it, and leave its layers and their order.")
    return "A frozen part is deaf to train()."


@exercise("two-rates")
def two_rates(answer):
    """groups(net, lr) -> an optimizer's parameter groups: the last layer at lr, all else at a tenth of it"""
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 3))
    given = call(answer, net, 0.5)
    if not isinstance(given, (list, tuple)) or not all(isinstance(each, dict) and "params" in each for each in given):
        raise Wrong('a list of dicts is wanted, each with "params" and "lr".')
    rates = {}
    for group in given:
        for parameter in group["params"]:
            if id(parameter) in rates:
                raise Wrong("a parameter is in two groups; an optimizer refuses that.")
            rates[id(parameter)] = group.get("lr")
    for name, parameter in net.named_parameters():
        wanted = 0.5 if name.startswith("3.") else 0.05
        rate = rates.get(id(parameter), 0)
        if rate == 0:
            raise Wrong(f"{name} is in no group, and would never learn.")
        if rate is None or not math.isclose(rate, wanted):
            raise Wrong(f"{name} learns at {rate}; {'lr' if wanted == 0.5 else 'a tenth of lr'} is wanted.")
    return "The new head runs, what was learned before walks."


# ---------------------------------------------------------------- data


CLASS_SIZES = (137, 205, 66)


@exercise("split-counts")
def split_counts():
    """(pictures for training, for testing) where 15 % of each of three classes, rounded down, are for testing"""
    sizes = torch.tensor(CLASS_SIZES)
    train, test = map(len, split_per_class(torch.arange(3).repeat_interleave(sizes), 0.15))
    total = int(sizes.sum())
    rounded = sum(round(0.15 * size) for size in CLASS_SIZES)
    whole = int(0.15 * total)
    together, nearest = "that is 15 % of all pictures together; take them of each class.", \
        "that is rounded to the nearest; round down in each class."
    return Numbers(
        Part("training", train, {total - whole: together, total - rounded: nearest,
                                 total: "those are all pictures; a part of them is for testing."},
             "What is not for testing is for training: find the other number first."),
        Part("testing", test, {whole: together, rounded: nearest,
                               test + 1: "round down in each class, before you add."},
             "Take 15 % of 137, of 205 and of 66, round each down, and add."),
        why=f"Of all together it would have been {whole}: rounding down in each class costs up to one picture a class.")


@exercise("stratified")
def stratified(answer):
    """split(labels, fraction, seed) -> indices (train, test), of each class the fraction, rounded down, for testing"""
    labels = torch.arange(4).repeat_interleave(torch.tensor([41, 29, 60, 33]))[torch.randperm(163)]
    splits = [call(answer, labels.clone(), 0.1, seed) for seed in (0, 0, 1)]
    for split in splits:
        if not isinstance(split, (tuple, list)) or len(split) != 2:
            raise Wrong("two things are wanted, (train, test).")
    (train, test), again, other = [[as_tensor(part).long() for part in split] for split in splits]
    if any(part.ndim != 1 or len(part) and not 0 <= part.min() <= part.max() < len(labels)
           for part in (train, test, *again, *other)):
        raise Wrong(f"two lists of indices are wanted, from 0 to {len(labels) - 1}.")
    both = torch.cat([train, test])
    if len(both.unique()) < len(both):
        twice = len(both) - len(both.unique())
        raise Wrong(f"{twice} pictures are there twice: a test picture must not be among the training pictures.")
    if len(both) < len(labels):
        raise Wrong(f"{len(labels) - len(both)} pictures are in neither part.")
    found = labels[test].bincount(minlength=4).tolist()
    wanted = labels[split_per_class(labels, 0.1)[1]].bincount(minlength=4).tolist()
    if sum(found) > len(labels) / 2:
        raise Wrong("the larger part comes first: (train, test).")
    if found != wanted:
        raise Wrong(f"of classes with 41, 29, 60 and 33 pictures {found} are for testing; a tenth of each, rounded "
                    "down, is wanted, whatever the order of the pictures.")
    if not torch.equal(test.sort().values, again[1].sort().values):
        raise Wrong("the same seed gives another split the second time: use a generator with this seed.")
    if torch.equal(test.sort().values, other[1].sort().values):
        raise Wrong("every seed gives the same split; choose at random within each class.")
    return "Every class has its share, and the seed says which pictures."


@exercise("always-one")
def always_one():
    """(right answers out of 364 of a network that says dandelion always, mean of its accuracies a class in percent)"""
    counts = torch.tensor([63, 89, 64, 69, 79])
    right = counts.max().item()
    return Numbers(
        Part("right answers", right, {
            73: "364 / 5 would be right if all classes had as many pictures.",
            898: "that is the whole data set; the test split has a tenth of it.",
            364: "those are all pictures; most of them are no dandelions.",
            364 - right: "those are the wrong answers.",
        }, "On which pictures is it right, and how many of them are there?"),
        Part("mean of the classes in percent", 100 // len(counts), {
            round(100 * right / 364): "it is always right about one of them, and never about the others; each class "
                                      "counts the same.",
            100: "that is its accuracy on dandelions; four classes more count as much.",
            0: "it is right about one of the classes.",
        }, "Write down five accuracies, one a class, and take their mean."),
        why=f"{right / 364:.1%} without a look at the picture: compare an accuracy with that, not with 20 %.")


@exercise("leaked")
def leaked(answer):
    """leaked(train, test): uint8 (N, C, H, W), (M, C, H, W) -> bool (M,): is it in train, pixel by pixel?"""
    train = torch.randint(0, 256, (30, 1, 4, 4), dtype=torch.uint8)
    test = torch.randint(0, 256, (8, 1, 4, 4), dtype=torch.uint8)
    test[2], test[5], test[6] = train[11], train[29], train[11]
    test[1] = train[3]
    test[1, 0, 0, 0] += 1
    train[7] = test[7].flip(2)
    right = torch.tensor([i in (2, 5, 6) for i in range(8)])
    given = as_tensor(call(answer, train.clone(), test.clone()))
    if given.shape == (30,):
        raise Wrong("a value for each test picture is wanted; this is one for each training picture.")
    if given.shape != (8,):
        raise Wrong(f"8 values are wanted, one for each test picture; this has shape {tuple(given.shape)}.")
    given = given.bool()
    if given[1] and not right[1]:
        raise Wrong("a picture that differs in one pixel by one level is counted; the same pixels are wanted.")
    if given[7]:
        raise Wrong("a picture is counted whose rows are in another order: compare the pixels, not their sum.")
    if not torch.equal(given, right):
        i = (given != right).nonzero()[0].item()
        wrong = int((given != right).sum())
        raise Wrong(f"{wrong} of 8 test pictures are judged wrongly, among them number {i}: it is "
                    f"{'' if right[i] else 'not '}in train. Compare all of its pixels with each picture there.")
    return "Pixel by pixel is the least that can be asked; copies that were saved anew escape it."


# ---------------------------------------------------------------- tools


@exercise("confusion")
def confusion(answer):
    """confusion(labels, answers, classes) -> (classes, classes), the row is the true class, the column the answer"""
    from sklearn.metrics import confusion_matrix

    labels = torch.tensor([0, 0, 0, 0, 1, 1, 2, 2, 2, 3])
    answers = torch.tensor([1, 1, 1, 0, 1, 1, 2, 2, 0, 2])
    right = torch.as_tensor(confusion_matrix(labels, answers, labels=range(5))).double()
    given = as_tensor(call(answer, labels.clone(), answers.clone(), 5))
    tensor(given, right, "the matrix", {
        "rows and columns are exchanged: three pictures of class 0 were answered with 1, so row 0 has a 3.": right.T,
        "those are shares of the row; counts are wanted.": right / right.sum(1, keepdim=True).clamp(min=1),
        "each pair is counted once at most: an index used twice in `matrix[i, j] += 1` adds only once.":
            right.clamp(max=1),
    })
    return "A row adds up to the pictures of its class; class 4, of which there are none, has a row all the same."


@exercise("two-readings")
def two_readings():
    """(percent of class 0's pictures that are answered right, percent of the answers 0 that are right)"""
    matrix = torch.tensor([[45, 9, 6], [30, 20, 0], [15, 5, 70]])
    found, true = (100 * matrix[0, 0] // total.sum() for total in (matrix[0], matrix[:, 0]))
    overall = "that is the accuracy over all classes; class 0 is asked for."
    count = "that is a number of pictures; divide it by the sum of its {}."
    accuracy = (100 * matrix.trace() // matrix.sum()).item()
    return Numbers(
        Part("of the pictures", found.item(), {accuracy: overall, 45: count.format("row"),
                                               25: "those are the wrong ones."},
             "Of the 60 pictures of class 0, how many are called 0? The pictures of a class stand in its row."),
        Part("of the answers", true.item(), {accuracy: overall, 45: count.format("column")},
             "How many pictures of all three classes are called 0, and how many of these are of class 0? Read down the "
             "column."),
        together={
            (true.item(), found.item()): "the right numbers in the wrong order: the pictures of a class stand in its "
                                         "row.",
            (45, 45): "those are numbers of pictures; divide by the sum of the row, and of the column.",
        },
        why="The first is called recall, the second precision. Exchange the axes, and each passes for the other.")


@exercise("printed-loss")
def printed_loss():
    """(batches of 32 in 599 pictures, true mean loss in ten-thousandths), if it was divided by one batch less"""
    batches, printed = -(-599 // 32), 0.455718
    return Numbers(
        Part("batches", batches, {
            batches - 1: "599 pictures fill 18 batches and begin another; the last batch counts.",
            batches + 1: "599 / 32 is between 18 and 19.",
        }, "How many batches of 32 does it take until all 599 pictures are in one?"),
        Part("ten-thousandths", round(1e4 * printed * (batches - 1) / batches), {
            round(1e4 * printed * (batches - 2) / (batches - 1)):
                "599 pictures fill 18 batches and begin another; the last batch counts.",
            round(1e4 * printed * batches / (batches - 1)):
                "it was divided by too little, so the true loss is smaller than the printed one.",
            round(1e4 * printed): "that is the printed loss.",
        }, "The program divided the sum by one batch less than there were: multiply by its number, divide by the right "
           "one, and then by 0.0001."),
        why="One part in nineteen too much: less than with the flowers, because there are more batches.")


# ---------------------------------------------------------------- certainty


@exercise("interval")
def interval(answer):
    """interval(right, total) -> (low, high), Wilson's interval with z = 1.96, fractions"""
    cases = [(328, 364), (9, 10), (10, 10), (0, 40), (6389, 10000)]

    def formula(right, total, z=1.96, centre=True, spread=True):
        p, more = right / total, z * z / total
        middle = (p + more / 2) / (1 + more) if centre else p
        half = z * math.sqrt(p * (1 - p) / total + (more / total / 4 if spread else 0)) / (1 + more if centre else 1)
        return middle - half, middle + half

    given = {case: call_for_numbers(("low", "high"), answer, *case) for case in cases}

    def agrees(other):
        return all(math.isclose(a, b, abs_tol=1e-3) for case in cases
                   for a, b in zip(given[case], other(*case), strict=True))

    if agrees(wilson):
        return f"328 of 364 is {given[cases[0]][0]:.1%} to {given[cases[0]][1]:.1%}, and 10 of 10 is not certainty."
    mistakes = {
        "that is p ± 1.96 √(p (1 − p) / n): for 10 of 10 it has no width at all. Use Wilson's formula.":
            lambda k, n: formula(k, n, centre=False, spread=False),
        "that is z = 1, which covers about two thirds of the cases; take 1.96.": lambda k, n: formula(k, n, z=1),
        "fractions are wanted, not percent.": lambda k, n: tuple(100 * end for end in formula(k, n)),
        "the term z² / 4n² under the root is missing.": lambda k, n: formula(k, n, spread=False),
    }
    for mistake, other in mistakes.items():
        if agrees(other):
            raise Wrong(mistake)
    case = next(case for case in cases if not math.isclose(given[case][0], wilson(*case)[0], abs_tol=1e-3)
                or not math.isclose(given[case][1], wilson(*case)[1], abs_tol=1e-3))
    raise Wrong(f"{case[0]} of {case[1]} gives {given[case][0]:.4f} to {given[case][1]:.4f}; Wilson's interval is "
                "{:.4f} to {:.4f}. Compute its middle and half its width by themselves.".format(*wilson(*case)))


@exercise("paired")
def paired(answer):
    """mcnemar(first, second): bool (N,), were they right? -> the exact two-sided p-value"""
    from scipy.stats import binomtest

    def pair(both, only_first, only_second, neither):
        counts = torch.tensor([both, only_first, only_second, neither])
        return (torch.tensor([True, True, False, False]).repeat_interleave(counts),
                torch.tensor([True, False, True, False]).repeat_interleave(counts))

    cases = [(343, 1, 10, 1), (30, 5, 5, 3), (10, 0, 7, 0), (200, 8, 2, 40)]
    given = [call_for_number(answer, *pair(*case)) for case in cases]

    def p_value(case, alternative="two-sided"):
        _, first, second, _ = case
        return binomtest(min(first, second), first + second, alternative=alternative).pvalue

    def agrees(values):
        return all(math.isclose(a, b, abs_tol=1e-4) for a, b in zip(given, values, strict=True))

    if agrees([p_value(case) for case in cases]):
        return "Pictures that both get right, or both wrong, say nothing about who is better."
    mistakes = {
        "that is one-sided: “as few or fewer” for the one that happened to lose. Double it, 1 at most.":
            [p_value(case, "less") for case in cases],
        "all pictures are counted; those on which both are right or both wrong are to be left out.":
            [binomtest(first, sum(case)).pvalue for case in cases for _, first, _, _ in [case]],
        "that is the chance of exactly this result; add that of all that are no likelier.":
            [math.comb(first + second, first) / 2 ** (first + second) for _, first, second, _ in cases],
    }
    for mistake, values in mistakes.items():
        if agrees(values):
            raise Wrong(mistake)
    i = next(i for i, case in enumerate(cases) if not math.isclose(given[i], p_value(case), abs_tol=1e-4))
    raise Wrong(f"where only the first is right {cases[i][1]} times and only the second {cases[i][2]} times, it gives "
                f"{given[i]:.4f}; the exact p-value is {p_value(cases[i]):.4f}. Of so many pictures, how likely "
                "is a split at least as uneven, if each falls to either side like a coin?")


@exercise("enough-pictures")
def enough_pictures():
    """test pictures for 1.96 √(0.9 · 0.1 / n) of at most 1 point, and of at most half a point"""
    def pictures(half):
        return next(n for n in range(int(0.9 * 0.1 * (1.96 / half) ** 2) - 2, 10**6)
                    if 1.96 * math.sqrt(0.9 * 0.1 / n) <= half)

    one, half = pictures(0.01), pictures(0.005)
    up = "with that many it is just above; round up."
    whole = "that is for the whole width of the interval; here it is the half."
    hint = "Solve 1.96 √(0.9 · 0.1 / n) = {} for n, and round up."
    return Numbers(
        Part("1 point", one, {one - 1: up, pictures(0.02): whole, 900: "1.96 standard errors are wanted, not one."},
             hint.format("0.01")),
        Part("half a point", half, {
            half - 1: up, 2 * one: "half the width takes more than twice the pictures: n stands under a root.",
            one: whole, 3600: "1.96 standard errors are wanted, not one.",
        }, hint.format("0.005")),
        together={(one - 1, half - 1): up},
        why="Half the width costs four times the pictures. The flowers' test split has 364.")
