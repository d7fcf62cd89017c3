"""Wrong answers to the exercises on Inception: (exercise, answer, what it is told)."""

import torch
from torch import nn
from torch.nn import functional as F

from cnnlib.models import Inception, NaiveInception


def conv(cin, cout, size, last=True):
    layers = [nn.Conv2d(cin, cout, size, padding=size // 2), nn.ReLU()]
    return nn.Sequential(*layers[: 2 if last else 1])


def module(order=(0, 1, 2, 3), large=5, pool_layer=None, last=True, bias=True, project=True):
    """A reader's module with one thing changed."""
    class Module(nn.Module):
        def __init__(self, cin, c1, r3, c3, r5, c5, pool):
            super().__init__()
            pooling = pool_layer or nn.MaxPool2d(3, stride=1, padding=1)
            self.branches = nn.ModuleList([
                conv(cin, c1, 1, last),
                nn.Sequential(conv(cin, r3, 1), conv(r3, c3, 3, last)),
                nn.Sequential(conv(cin, r5, 1), conv(r5, c5, large, last)),
                nn.Sequential(pooling, conv(cin, pool, 1, last) if project else nn.Identity()),
            ])
            if not bias:
                self.branches[0][0].bias = None

        def forward(self, x):
            parts = [branch(x) for branch in self.branches]
            return torch.cat([parts[i] for i in order], 1)

    return Module


def heads(combine):
    """A reader's loss: `combine(last, aux2, aux1)` of the three cross-entropies."""
    def loss(outputs, labels):
        if isinstance(outputs, torch.Tensor):
            return F.cross_entropy(outputs, labels)
        return combine(*(F.cross_entropy(part, labels) for part in outputs))
    return loss


def agreement(share=lambda same: same.float().mean().item(), axis=3, sign=1, evaluate=True):
    def agree(model, images, pixels):
        if evaluate:
            model.eval()
        return share(model(images).argmax(1) == model(images.roll(sign * pixels, axis)).argmax(1))
    return agree


def svd(combine):
    return lambda kernel: combine(*torch.linalg.svd(kernel))


MUTANTS = [
    ("reductions", (1566720, 375552), "wrong order"),
    ("reductions", (376176, 1567168), "biases are not counted"),
    ("reductions", (344832, 1566720), "the pooling branch has a 1×1 convolution"),
    ("reductions", (375552, 1597440), "no convolution there"),
    ("reductions", (363264, 1566720), "windows of 5×5"),
    ("reductions", (729600, 1566720), "the large window what the 1×1 makes"),
    ("growth", (256, 480), "the published form"),
    ("growth", (224, 416), "the pooling is a branch as well"),
    ("growth", (416, 608), "not what entered it"),
    ("growth", (416, 672), "what leaves the naive 3a"),
    ("stem", (2688, 30016, 21), "every kernel has 49 weights"),
    ("stem", (9472, 30016, 21), "biases are not weights"),
    ("stem", (9408, 2688, 21), "the 1×7 reads the 64 maps"),
    ("stem", (9408, 1407, 21), "not 3"),
    ("stem", (9408, 30016, 7), "one colour"),
    ("stem", (9408, 30016, 64), "fewer will do"),
    ("stem", (9408, 30016), "3 numbers are wanted"),
    ("break-even", (336, 144), "wrong order"),
    ("break-even", (96, 224), "64 maps before and 64 after"),
    ("break-even", (143, 335), "still no more"),
    ("break-even", (192, 448), "add both halves"),
    ("rank", (2, 2, 1), "a diagonal line is not one product"),
    ("rank", (2, 5, 1), "rows that are equal"),
    ("rank", (1, 3, 1), "plus: two bars"),
    ("rank", (2, 3, 2), "minus another"),
    ("rank", (5, 5, 5), "how few"),
    ("head", (25088000, 512000, 100352000), "one bias for each class"),
    ("head", (25089000, 25089000, 100353000), "one number a map"),
    ("head", (25089000, 513000, 25089000), "every place has its weights"),
    ("head", (25089000, 513000, 50177000), "four times as many places"),
    ("head", (3585000, 513000, 7169000), "49 places"),
    ("change-of-basis", lambda x, m: torch.einsum("ck,nchw->nkhw", m, x), "transposed"),
    ("change-of-basis", lambda x, m: x * m.diagonal()[:, None, None], "map by map"),
    ("change-of-basis", lambda x, m: torch.einsum("kc,nchw->nhwk", m, x), "(2, 4, 3, 5) is wanted"),
    ("change-of-basis", lambda x, m: torch.einsum("kc,nchw->knhw", m, x), "axes are out of order"),
    ("module", module(order=(0, 2, 1, 3)), "another order"),
    ("module", module(order=(3, 0, 1, 2)), "the pooling comes first"),
    ("module", module(large=3), "like torchvision's"),
    ("module", module(last=False), "has no ReLU"),
    ("module", module(pool_layer=nn.AvgPool2d(3, stride=1, padding=1)), "averages"),
    ("module", module(pool_layer=nn.Identity()), "differs from ours"),
    ("module", module(project=False), "missing after the pooling"),
    ("module", module(bias=False), "no biases"),
    ("module", lambda cin, c1, r3, c3, r5, c5, pool: NaiveInception(cin, c1, c3, c5), "no reductions"),
    ("module", lambda *widths: Inception(*widths, batch_norm=True), "no BatchNorm"),
    ("module", lambda *widths: Inception(*widths[:4], 2, *widths[5:]), "its convolutions (in, out, window) are"),
    ("module", lambda *widths: sum(widths), "a torch.nn.Module is wanted"),
    ("separate", svd(lambda u, s, v: (u[:, 0], v[0])), "the singular value is missing"),
    ("separate", svd(lambda u, s, v: (s[0] * u[:, 0], s[0] * v[0])), "in both vectors"),
    ("separate", svd(lambda u, s, v: (s[0] * v[0], u[:, 0])), "exchanged"),
    ("separate", svd(lambda u, s, v: (s[0] * u[:, 0], v[:, 0])), "you took its first column"),
    ("separate", lambda kernel: (kernel.mean(1), kernel.mean(0)), "differs from ours"),
    ("separate", lambda kernel: kernel, "a pair of vectors"),
    ("activation-map", lambda m, w, c: torch.einsum("k,khw->hw", w[c], m) / len(m), "averages over the maps"),
    ("activation-map", lambda m, w, c: torch.einsum("k,khw->hw", w[c], m) / m[0].numel(), "here the mean is wanted"),
    ("activation-map", lambda m, w, c: torch.einsum("k,khw->hw", w[c], m).relu(), "cut off"),
    ("activation-map", lambda m, w, c: torch.einsum("ck,khw->chw", w, m), "of all classes"),
    ("activation-map", lambda m, w, c: m.sum(0), "weights of the class are missing"),
    ("loss", heads(lambda last, aux2, aux1: last), "the heads are missing"),
    ("loss", heads(lambda last, aux2, aux1: last + aux1 + aux2), "their weight is 0.3"),
    ("loss", heads(lambda last, aux2, aux1: last + 0.3 * aux2), "only one head"),
    ("loss", heads(lambda last, aux2, aux1: 0.3 * (last + aux1 + aux2)), "everything is multiplied"),
    ("loss", heads(lambda last, aux2, aux1: last + 0.15 * (aux1 + aux2)), "each of them does"),
    ("loss", heads(lambda aux1, aux2, last: last + 0.3 * (aux1 + aux2)), "comes first"),
    ("loss", heads(lambda last, aux2, aux1: (last + 0.3 * (aux1 + aux2)).item()), "a tensor is wanted"),
    ("loss", lambda outputs, labels: outputs[0].sum(), "differs from ours"),
    ("head-size", (9414632, 57), "the 1×1 convolution comes before flattening"),
    ("head-size", (3186688, 31), "each of the three layers has biases"),
    ("head-size", (1222760, 15), "4×4 places"),
    ("head-size", (4368488, 38), "at 0, 3, 6 and 9"),
    ("head-size", (3188840, 46), "the head itself included"),
    ("agreement", agreement(lambda same: (~same).float().mean().item()), "answers that change"),
    ("agreement", agreement(lambda same: same.sum().item()), "a number of pictures"),
    ("agreement", agreement(lambda same: 100 * same.float().mean().item()), "in per cent"),
    ("agreement", agreement(axis=2), "(axis 3)"),
    ("agreement", agreement(evaluate=False), "evaluation mode"),
    ("agreement", agreement(lambda same: same), "a number is wanted, this is [True, True"),
    ("agreement", lambda model, images, pixels: model.nothing, "stops with AttributeError"),
]
