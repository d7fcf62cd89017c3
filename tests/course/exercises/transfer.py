"""Wrong answers to the exercises on transfer: (exercise, answer, what it is told)."""

import math

import torch
from scipy.stats import binomtest

from cnnlib.data import split_per_class
from cnnlib.training.evaluation import wilson


def of_all_together(labels, fraction, seed):
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    count = int(len(labels) * fraction)
    return order[count:], order[:count]


def first_of_each_class(labels, fraction, seed):
    members = [(labels == label).nonzero().flatten() for label in labels.unique()]
    test = torch.cat([each[: int(len(each) * fraction)] for each in members])
    return torch.tensor([i for i in range(len(labels)) if i not in set(test.tolist())]), test


def without_the_seed(labels, fraction, seed):
    return split_per_class(labels, fraction, int(torch.randint(10**6, ())))


def everything_for_training(labels, fraction, seed):
    return torch.arange(len(labels)), split_per_class(labels, fraction, seed)[1]


def by_sum(train, test):
    return torch.isin(test.flatten(1).sum(1), train.flatten(1).sum(1))


def nearly_the_same(train, test):
    return (torch.cdist(test.flatten(1).float(), train.flatten(1).float()) < 2).any(1)


def the_training_ones(train, test):
    return (torch.cdist(train.flatten(1).double(), test.flatten(1).double()) == 0).any(1)


def counted(row, column):
    """A function that counts with `matrix[row, column]`, both made of (label, answer)."""
    def confusion(labels, answers, classes):
        matrix = torch.zeros(classes, classes)
        for pair in zip(labels, answers, strict=True):
            matrix[pair[row], pair[column]] += 1
        return matrix
    return confusion


def counted_once(labels, answers, classes):
    matrix = torch.zeros(classes, classes)
    matrix[labels, answers] += 1
    return matrix


def normal(right, total):
    p, half = right / total, 1.96 * math.sqrt(right / total * (1 - right / total) / total)
    return p - half, p + half


def one_sided(first, second):
    only_first, only_second = (first & ~second).sum().item(), (second & ~first).sum().item()
    return binomtest(min(only_first, only_second), only_first + only_second, alternative="less").pvalue


def of_all_pictures(first, second):
    return binomtest((first & ~second).sum().item(), len(first)).pvalue


def exactly_this(first, second):
    only_first, only_second = (first & ~second).sum().item(), (second & ~first).sum().item()
    return math.comb(only_first + only_second, only_first) / 2 ** (only_first + only_second)


def by_name(model, state):
    sizes = {name: p.numel() for name, p in model.named_parameters()}
    return sum(n for name, n in sizes.items() if name in state) / sum(sizes.values())


def in_tensors(model, state):
    wanted = model.state_dict()
    return sum(name in state and state[name].shape == tensor.shape for name, tensor in wanted.items()) / len(wanted)


def with_averages(model, state):
    wanted = model.state_dict()
    fits = [t.numel() for name, t in wanted.items() if name in state and state[name].shape == t.shape]
    return sum(fits) / sum(tensor.numel() for tensor in wanted.values())


def by_loading(model, state):
    sizes = {name: p.numel() for name, p in model.named_parameters()}
    fits = {name: state[name] for name, p in model.state_dict().items()
            if name in state and state[name].shape == p.shape}
    model.load_state_dict({**model.state_dict(), **fits})
    return sum(sizes.get(name, 0) for name in fits) / sum(sizes.values())


def frozen_weights(net):
    return net.requires_grad_(False)


def frozen_until_train(net):
    return net.requires_grad_(False).eval()


def in_evaluation_mode_only(net):
    return net.eval()


def without_batchnorm(net):
    return torch.nn.Sequential(net[0], torch.nn.ReLU(), torch.nn.Flatten()).requires_grad_(False).eval()


def rates(*chosen):
    """A function that makes groups of (parts of the network, factor of the learning rate)."""
    def groups(net, lr):
        return [{"params": [p for i in parts for p in net[i].parameters()], "lr": lr * factor}
                for parts, factor in chosen]
    return groups


MUTANTS = [
    ("filled", by_name, "compare the shapes, too"),
    ("filled", in_tensors, "share of the tensors"),
    ("filled", with_averages, "they are no parameters"),
    ("filled", by_loading, "the model has changed"),
    ("filled", lambda model, state: 1.0, "is too much"),
    ("filled", lambda model, state: "all", "a number is wanted, this is a str."),
    ("unwrapped", lambda state: {name.replace("module.", ""): t for name, t in state.items()}, "only the one at the"),
    ("unwrapped", lambda state: {name[7:]: t for name, t in state.items()}, "must stay as they are"),
    ("unwrapped", lambda state: dict(state), "the names are module.block.module.bias"),
    ("unwrapped", lambda state: [name.removeprefix("module.") for name in state], "this is list"),
    ("unwrapped", lambda state: dict.fromkeys((n.removeprefix("module.") for n in state), torch.zeros(1)),
     "not the one that had this name"),
    ("moved", lambda a, b: sorted(n for n in a if n.endswith(("weight", "bias")) and not torch.equal(a[n], b[n])),
     "go through the whole state dict"),
    ("moved", lambda a, b: sorted(n for n in a if not torch.allclose(a[n].float(), b[n].float(), atol=1e-2)),
     "in one place only"),
    ("moved", lambda a, b: sorted(a), "and it has not changed"),
    ("moved", lambda a, b: [n for n in reversed(list(a)) if not torch.equal(a[n], b[n])], "wanted sorted"),
    ("moved", lambda a, b: len([n for n in a if not torch.equal(a[n], b[n])]), "this is int"),
    ("hidden-units", (64, 513 * 64 + 65 * 12), "largest power of two *below*"),
    ("hidden-units", (128, 512 * 128 + 128 * 12), "the biases are missing"),
    ("hidden-units", (256, 513 * 256 + 257 * 12), "units: a smaller power of two"),
    ("frozen", frozen_weights, "one pass changed BatchNorm's averages"),
    ("frozen", frozen_until_train, "every training loop calls train()"),
    ("frozen", in_evaluation_mode_only, "still asks for its gradient"),
    ("frozen", without_batchnorm, "does not answer as it did"),
    ("two-rates", rates(((0, 1, 3), 1.0)), "a tenth of lr is wanted"),
    ("two-rates", rates(((0, 1), 1.0), ((3,), 0.1)), "a tenth of lr is wanted"),
    ("two-rates", rates(((0,), 0.1), ((3,), 1.0)), "1.weight is in no group"),
    ("two-rates", rates(((0, 1, 3), 0.1), ((3,), 1.0)), "in two groups"),
    ("two-rates", lambda net, lr: list(net.parameters()), "a list of dicts is wanted"),
    ("split-counts", (59, 349), "wanted: training; testing"),
    ("split-counts", (347, 61), "take them of each class"),
    ("split-counts", (346, 62), "round down"),
    ("split-counts", (350, 58), "training: 350 is too large. What is not for testing"),
    ("stratified", of_all_together, "a tenth of each"),
    ("stratified", first_of_each_class, "every seed gives the same split"),
    ("stratified", without_the_seed, "the same seed gives another split"),
    ("stratified", everything_for_training, "are there twice"),
    ("stratified", lambda labels, fraction, seed: split_per_class(labels, fraction, seed)[::-1], "(train, test)"),
    ("stratified", lambda labels, fraction, seed: split_per_class(labels, fraction, seed)[1], "two things are wanted"),
    ("always-one", (89, 24), "each class counts the same"),
    ("always-one", (73, 20), "if all classes had as many"),
    ("always-one", (898, 20), "that is the whole data set"),
    ("leaked", by_sum, "compare the pixels, not their sum"),
    ("leaked", nearly_the_same, "differs in one pixel"),
    ("leaked", the_training_ones, "one for each training picture"),
    ("leaked", lambda train, test: torch.zeros(len(test), dtype=torch.bool), "3 of 8"),
    ("leaked", lambda train, test: 3, "8 values are wanted"),
    ("confusion", counted(1, 0), "rows and columns are exchanged"),
    ("confusion", counted_once, "adds only once"),
    ("confusion", lambda labels, answers, n: torch.nn.functional.normalize(counted(0, 1)(labels, answers, n), 1, 1),
     "shares of the row"),
    ("confusion", lambda labels, answers, n: counted(0, 1)(labels, answers, 4), "(5, 5) is wanted"),
    ("two-readings", (50, 75), "wrong order"),
    ("two-readings", (67, 67), "the accuracy over all classes"),
    ("two-readings", (45, 45), "numbers of pictures"),
    ("printed-loss", (18, 4304), "the last batch counts"),
    ("printed-loss", (19, 4810), "smaller than the printed one"),
    ("printed-loss", (19, 4557), "that is the printed loss"),
    ("interval", normal, "no width at all"),
    ("interval", lambda right, total: tuple(100 * end for end in wilson(right, total)), "not percent"),
    ("interval", lambda right, total: right / total, "2 numbers are wanted (low, high), this is 0.9"),
    ("interval", lambda right, total: (0.0, 1.0), "328 of 364 gives 0.0000 to 1.0000"),
    ("paired", one_sided, "that is one-sided"),
    ("paired", of_all_pictures, "are to be left out"),
    ("paired", exactly_this, "exactly this result"),
    ("paired", lambda first, second: 0.5, "the exact p-value is"),
    ("enough-pictures", (3457, 13829), "round up"),
    ("enough-pictures", (3458, 6916), "under a root"),
    ("enough-pictures", (865, 3458), "the whole width"),
    ("enough-pictures", (13830, 3458), "wrong order"),
]
