"""Networks as people write them: nothing of what they compute is lost without a word, and nothing of theirs changes."""

import dataclasses
import functools
import threading
from collections import OrderedDict, UserDict

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

import cnnlib
from cnnlib.models.sketch import sketching
from tests.anatomy.test_summary import Calls

CONV = 4 * 3 * 9 * 36                                   # multiply-accumulates of a 3x3 convolution, 3 to 4 maps of 8x8


class Net(nn.Module):
    """A convolution, a function of (module, maps), a 1x1 convolution."""

    def __init__(self, function=lambda self, x: x, before=lambda self, x: x, **buffers):
        super().__init__()
        self.a, self.b, self.function, self.before = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1), function, before
        for name, buffer in buffers.items():
            self.register_buffer(name, buffer)

    def forward(self, x):
        return self.b(self.function(self, self.a(self.before(self, x))))


def test_threads_may_share_a_blueprint():
    net, seen = cnnlib.blueprint("resnet18"), []

    def ask():
        for _ in range(3):
            seen.append(cnnlib.summary(net, (1, 3, 64, 64)).to_dict())

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 9 and all(each == cnnlib.summary(net, (1, 3, 64, 64)).to_dict() for each in seen)
    assert not any("forward" in vars(module) for module in net.modules())


@dataclasses.dataclass
class Output:
    logits: torch.Tensor


@pytest.mark.parametrize("container, content", [
    (lambda y: OrderedDict(logits=y), lambda out: out["logits"]), (Output, lambda out: out.logits),
    (lambda y: UserDict(logits=y), lambda out: out["logits"]), (lambda y: [None, {"x": (y,)}], lambda o: o[1]["x"][0]),
])
def test_outputs_in_any_container(container, content):
    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(6, 5))

        def forward(self, x):
            return container(F.linear(x, self.weight))

    result = cnnlib.summary(Calls(lambda x, a, b: b(content(a(x))), Layer(), nn.Linear(6, 2)), (1, 5))
    assert [row.macs for row in result.rows] == [30, 12] and result.idle_params == 0


@pytest.mark.parametrize("new", [
    lambda y: torch.zeros(y.shape, device=y.device), lambda y: torch.empty(*y.shape), lambda y: y.new_zeros(y.shape),
    lambda y: torch.zeros_like(y)])
def test_maps_written_into_new_tensors_are_followed(new):
    def into(self, y):
        out = new(y)
        out[:, :2] = y[:, :2]
        return out

    rows = cnnlib.summary(Net(into), (1, 3, 8, 8)).rows
    assert [(row.name, row.macs) for row in rows] == [("a", CONV), ("b", 288)]
    assert rows[1].receptive_field in (3, None)


class Reused(nn.Module):
    """Two layers three times over; `forward` is called by its own name, as beginners do."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(3, 3, 3, padding=1) for _ in range(2))

    def forward(self, x):
        for _ in range(3):
            for layer in self.layers:
                x = layer.forward(x)
        return x


@pytest.mark.parametrize("model, size, macs", [
    (Calls(lambda x, a, b: checkpoint(b, checkpoint(lambda y: a(y).relu(), x, use_reentrant=False),
                                      use_reentrant=False), nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 1)), (1, 3, 8, 8),
     CONV + 288),
    (Reused(), (1, 3, 8, 8), 6 * 81 * 64),
    (nn.Sequential(cnnlib.create_model("lenet5_modern"), nn.Linear(10, 3)), (1, 1, 28, 28),
     cnnlib.summary.of("lenet5_modern").total_macs + 30),
    (Calls(lambda x, a: a.weight.flatten(1) @ F.unfold(x, 3), nn.Conv2d(3, 4, 3, bias=False)), (1, 3, 8, 8), CONV),
    (Calls(lambda x, a: F.conv2d(x, a["w"], a["b"]), nn.ParameterDict({
        "w": nn.Parameter(torch.randn(4, 3, 3, 3)), "b": nn.Parameter(torch.randn(4))})), (1, 3, 8, 8), CONV),
    (Calls(lambda x, a: a(a(x[:, 0]) + x[:, 1]), nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))), (1, 2, 4),
     32),
    (torch.fx.symbolic_trace(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())), (1, 3, 8, 8), CONV),
], ids=["checkpoint", "reused", "nested", "unfold", "ParameterDict", "weight norm twice", "fx"])
def test_work_is_counted_however_it_is_called(model, size, macs):
    result = cnnlib.summary(model, size)
    assert (result.total_macs, result.idle_params) == (macs, 0)
    assert sum(row.params for row in result.rows) == sum(p.numel() for p in model.parameters())


def test_layers_on_constants_count():
    class Styled(nn.Module):
        def __init__(self):
            super().__init__()
            self.const, self.conv = nn.Parameter(torch.randn(1, 4, 4, 4)), nn.Conv2d(4, 8, 3, padding=1)
            self.register_buffer("grid", torch.randn(3, 2))
            self.style, self.bias = nn.Linear(5, 8), nn.Linear(2, 8)

        def forward(self, z):
            return self.conv(self.const) * self.style(z)[:, :, None, None] + self.bias(self.grid).sum()

    result = cnnlib.summary(Styled(), (1, 5))
    assert (result.total_macs, result.idle_params) == (8 * 4 * 9 * 16 + 40 + 48, 0)


class Listed(nn.Module):
    def __init__(self):
        super().__init__()
        self.weights = nn.ParameterList([nn.Parameter(torch.randn(3, 4)), nn.Parameter(torch.randn(7))])

    def forward(self, x):
        return x @ self.weights[0]


class Attentive(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x)[0]


@pytest.mark.parametrize("model, size", [
    (Listed(), (1, 3)), (Attentive(), (1, 5, 8)), (nn.LSTM(4, 8), (5, 1, 4)),
    (nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3))), (1, 3, 8, 8)),
    (torchvision.models.swin_t(num_classes=10), (1, 3, 32, 32)), (Calls(lambda x, a, b: a(x), nn.Linear(3, 3),
                                                                        nn.Linear(3, 3)), (1, 3)),
])
def test_idle_parameters_are_those_without_gradient(model, size):
    """Wherever a parameter is used, it is; it is idle if it reaches no function."""
    result, out = cnnlib.summary(model, size), model.train()(torch.randn(size))
    (out[0] if isinstance(out, tuple) else out).sum().backward()
    assert result.idle_params == sum(p.numel() for p in model.parameters() if p.grad is None)
    assert sum(row.params for row in result.rows) == result.total_params - result.idle_params


@pytest.mark.parametrize("function, macs", [
    (lambda x, y: torch.add(x, other=y), 0), (lambda x, y: torch.add(input=x, other=y, alpha=2), 0),
    (lambda x, y: x.mul(other=y), 0), (lambda x, y: torch.cat(tensors=(x, y), axis=1), 0),
    (lambda x, y: F.conv2d(x, torch.randn(3, 3, 3, 3), stride=(1,), padding=(1,)), 5184),
    (lambda x, y: F.conv2d(weight=torch.randn(3, 3, 3, 3), input=x, padding="same"), 5184),
    (lambda x, y: F.max_pool2d(x, 2, stride=[]), 0), (lambda x, y: F.avg_pool2d(x, [2], [2]), 0),
    (lambda x, y: torch.add(x, y, out=torch.empty(0)), 0), (lambda x, y: F.dropout(x, training=False, p=0.3), 0),
])
def test_every_spelling_of_the_arguments(function, macs):
    layer = nn.Conv2d(3, 3, 1)
    model = Calls(lambda x, a: function(a(x), a(x)), layer)
    assert cnnlib.summary(model, (1, 3, 8, 8)).total_macs == 2 * 576 + macs
    with torch.no_grad():
        model(torch.randn(1, 3, 8, 8))                  # it is legal


def hooked(hook, before=False):
    model = nn.Sequential(nn.Conv2d(3, 4, 3))
    (model.register_forward_pre_hook if before else model.register_forward_hook)(hook)
    return model


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make, macs", [
    (lambda: hooked(lambda module, args: (args[0] / 255,), before=True), CONV),
    (lambda: hooked(lambda module, args, out: out.softmax(1)), CONV),
    (lambda: nn.utils.weight_norm(nn.Conv2d(3, 4, 3)), CONV),
    (lambda: nn.utils.spectral_norm(nn.Conv2d(3, 4, 3)), CONV + 4 * 27 + 4),        # u W v
])
def test_hooks_of_the_network_itself(make, macs):
    model = make()
    result = cnnlib.summary(model, (1, 3, 8, 8))
    assert result.total_macs == macs and result.idle_params == 0
    assert not any("forward" in vars(module) for module in model.modules())


@pytest.mark.parametrize("move", [
    lambda self, x: x.to(self.a.weight.device), lambda self, x: x.to("cpu"), lambda self, x: x.cpu(),
    lambda self, x: x.to(device="cpu", dtype=torch.float32), lambda self, x: x.cuda(), lambda self, x: x.to("cuda:0"),
    lambda self, x: x.to(self.scale) * self.scale, lambda self, x: x * torch.tensor([0.5, 1, 2])[:, None, None]])
def test_everything_is_on_one_device(move):
    result = cnnlib.summary(Net(before=move, scale=torch.ones(1)), (1, 3, 8, 8))
    assert result.total_macs == CONV + 288 and result.rows[-1].receptive_field == 3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_networks_of_every_dtype(dtype):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).to(dtype)
    assert cnnlib.summary(model, (1, 3, 8, 8)).total_kept_bytes == (3 * 64 + 4 * 36) * dtype.itemsize


def test_another_default_dtype_does_not_stay():
    expected = cnnlib.summary.of("lenet5_modern", pooling="avg").total_kept_bytes
    cnnlib.summary.of.cache_clear()
    cnnlib.blueprint.cache_clear()
    torch.set_default_dtype(torch.float64)
    try:
        double = cnnlib.summary.of("lenet5_modern", pooling="avg").total_kept_bytes
    finally:
        torch.set_default_dtype(torch.float32)
    assert double > expected == cnnlib.summary.of("lenet5_modern", pooling="avg").total_kept_bytes


# ---- receptive fields ----

WEIGHTS = torch.rand(32, 32)


def seen_by_gradient(model):
    """(height, width) of what one unit in the middle sees, in a network in which nothing cancels."""
    for parameter in model.parameters():
        parameter.data = torch.rand_like(parameter) + 0.1
    x = torch.rand(1, 4, 32, 32, requires_grad=True)
    out = model(x)
    out[0, :, out.shape[2] // 2, out.shape[3] // 2].sum().backward()
    seen = [x.grad[0].abs().sum((0, axis)).nonzero().flatten() for axis in (2, 1)]
    return tuple(int(each.max() - each.min() + 1) for each in seen)


def permuted(x):
    return x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)


def shuffled(x):
    return x.view(1, 2, 2, *x.shape[2:]).transpose(1, 2).reshape(x.shape)


def partly(x):
    x[:, :2].cumsum_(2)
    return x


def without_a_map(x):
    x[:, 0] = 0
    return x


KNOWN = {
    "transpose": lambda x: x.transpose(2, 3), "there and back": permuted, "channel shuffle": shuffled,
    "F.channel_shuffle": lambda x: F.channel_shuffle(x, 2), "unsqueeze": lambda x: x.unsqueeze(1).squeeze(1),
    "linear over channels": lambda x: F.linear(x.permute(0, 2, 3, 1), torch.rand(4, 4)).permute(0, 3, 1, 2),
    "layer norm": lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (4,)).permute(0, 3, 1, 2),
    "softmax over channels": lambda x: (5 * x).softmax(1), "hardswish": lambda x: F.hardswish(x + 1),
    "transposed in place": lambda x: x.transpose_(2, 3), "every other row": lambda x: x.view(1, 4, 16, 64)[..., :32],
    "rows of the flat map": lambda x: x.flatten(2)[:, :, 64:].view(1, 4, 30, 32), "a half": lambda x: x.chunk(2, 3)[1],
    "steps": lambda x: x[..., ::2], "split": lambda x: torch.cat(x.split(1, 1)[::-1], 1),
    "stack": lambda x: torch.stack([*x.unbind(1)], 1), "zeros": without_a_map,
    "local response": lambda x: F.local_response_norm(x, 2, k=9.0),
}
MIXING = {
    "linear over the width": lambda x: F.linear(x, WEIGHTS), "matrix product": lambda x: x @ WEIGHTS,
    "einsum": lambda x: torch.einsum("nchw,wv->nchv", x, WEIGHTS), "softmax": lambda x: x.softmax(3),
    "cumsum": lambda x: x.cumsum(2), "fft": lambda x: torch.fft.fft2(x).real, "roll": lambda x: x.roll(3, 2),
    "flip": lambda x: x.flip(3), "sort": lambda x: x.sort(2).values, "height on width": lambda x: x + x.mT,
    "other places": lambda x: x.view(1, 4, 16, 64)[:, :, :, 16:48], "two rows in one": lambda x: x.view(1, 4, 16, 64),
    "indices": lambda x: x[:, :, torch.arange(31, -1, -1)],
    "in place, in a part": partly,
    "into another row": lambda x: x.index_copy(2, torch.tensor([0]), x[:, :, 9:10]),
}


def between(function):
    layers = nn.Conv2d(4, 4, (3, 5), padding=(1, 2)), nn.Conv2d(4, 4, (1, 7), padding=(0, 3))
    return Calls(lambda x, a, b: b(function(a(x))), *layers)


@pytest.mark.parametrize("name", KNOWN)
def test_fields_that_are_known(name):
    model = between(KNOWN[name])
    row = cnnlib.summary(model, (1, 4, 32, 32)).rows[-1]
    assert row.receptive_field == seen_by_gradient(model)


@pytest.mark.parametrize("name", MIXING)
def test_fields_that_are_not_known_are_none(name):
    assert cnnlib.summary(between(MIXING[name]), (1, 4, 32, 32)).rows[-1].receptive_field is None


def spread(kernel, stride, dilation=1):
    return nn.ConvTranspose2d(1, 1, kernel, stride, dilation=dilation)


@pytest.mark.parametrize("enlarge, times", [
    (nn.Upsample(scale_factor=2), 2), (nn.Upsample(scale_factor=4), 4),
    (nn.Upsample(scale_factor=2, mode="bilinear"), 2), (spread(2, 2), 2), (spread(3, 2), 2), (spread(4, 2), 2),
    (spread(3, 2, 2), 2), (spread(5, 4), 4), (spread(3, 1), 1)], ids=str)
@pytest.mark.parametrize("kernels", [(1, 1), (2, 1), (3, 3), (5, 2)])
def test_field_after_an_enlargement(enlarge, times, kernels):
    """The widest among neighbouring units, by gradient."""
    after = nn.Sequential(*(nn.Conv2d(1, 1, kernel) for kernel in kernels))
    model = nn.Sequential(nn.Conv2d(1, 1, 8, 8), enlarge, after)
    for parameter in model.parameters():
        nn.init.ones_(parameter)
    row = cnnlib.summary(model, (1, 1, 128, 128)).rows[-1]
    assert (row.receptive_field, row.jump) == (widest_by_gradient(model, 8 * times, times), 8 // times)


def widest_by_gradient(model, start, neighbours):
    """Rows of the picture that one of some neighbouring units sees, the most."""
    x, seen = torch.rand(1, 1, 128, 128, requires_grad=True), []
    out = model(x)
    for i in range(start, start + neighbours):
        rows = torch.autograd.grad(out[0, 0, i, i], x, retain_graph=True)[0][0, 0].abs().sum(1).nonzero().flatten()
        seen.append(int(rows[-1] - rows[0]) + 1 if len(rows) else 0)
    return max(seen)


class HighResolution(nn.Module):
    """Fine and coarse maps side by side, each told of the other, as in HRNet."""

    def __init__(self):
        super().__init__()
        self.fine, self.coarse = nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 3, 2, padding=1)
        self.up = nn.Sequential(nn.Conv2d(1, 1, 1), nn.Upsample(scale_factor=2))
        self.down, self.end = nn.Conv2d(1, 1, 3, 2, padding=1), nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x):
        fine, coarse = self.fine(x), self.coarse(x)
        fine, coarse = fine + self.up(coarse), coarse + self.down(fine)
        return self.end(fine + self.up(coarse))


def test_fields_where_fine_and_coarse_maps_meet():
    model = HighResolution()
    for parameter in model.parameters():
        nn.init.ones_(parameter)
    row = cnnlib.summary(model, (1, 1, 128, 128)).row("end")
    assert (row.receptive_field, row.jump) == (widest_by_gradient(model, 64, 2), 1)


@pytest.mark.parametrize("name", ["shufflenet_v2_x1_0", "convnext_tiny", "mobilenet_v3_large", "deeplabv3_resnet50"])
def test_maps_of_whole_networks_have_a_field(name):
    with sketching():
        model = torchvision.models.get_model(name, **{"weights_backbone": None} if "deeplab" in name else {})
    rows = cnnlib.summary(model, (1, 3, 224, 224)).rows
    assert all(row.receptive_field is not None for row in rows)


def test_what_sees_all_steps_over_all():
    summary = cnnlib.summary.of("resnet18")
    assert (summary.row("layer4.1.conv2").jump, summary.row("avgpool").jump) == (32, 7 * 32)


# ---- products, what is kept ----

v = torch.randn(6)


@pytest.mark.parametrize("function, macs", [
    (lambda x: x @ v, 30), (lambda x: torch.addmv(torch.zeros(5), x, v), 30), (lambda x: torch.dot(x[0], v), 6),
    (lambda x: torch.addbmm(torch.zeros(5, 5), x[None], x.T[None]), 150), (lambda x: torch.mm(x, x.T), 150),
    (lambda x: F.bilinear(x, x, torch.randn(2, 6, 6)), 360), (lambda x: torch.einsum("ij,kj->ik", x, x), 150),
    (lambda x: torch.baddbmm(torch.zeros(1, 5, 5), x[None], x.T[None]), 150), (lambda x: torch.vdot(x[0], v), 6),
])
def test_every_matrix_product_counts(function, macs):
    assert cnnlib.summary(Calls(function), (5, 6)).total_macs == macs


def test_deformable_convolutions_count():
    layers = nn.Conv2d(3, 18, 3, padding=1), torchvision.ops.DeformConv2d(3, 4, 3, padding=1)
    rows = cnnlib.summary(Calls(lambda x, a, b: b(x, a(x)), *layers), (1, 3, 8, 8)).rows
    assert rows[-1].macs == 4 * 27 * 64


class Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sign()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * (ctx.saved_tensors[0].abs() < 1)


def test_functions_of_ones_own_keep_what_they_save():
    model = Net(lambda self, x: Sign.apply(x))
    assert cnnlib.summary(model, (1, 3, 16, 16)).total_kept_bytes == \
        cnnlib.summary.kept_bytes(model, torch.randn(1, 3, 16, 16))


def test_what_is_kept_under_autocast_depends_on_the_device():
    def cast(self, y):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.c(y)

    model = Net(cast)
    model.c = nn.Conv2d(4, 4, 1)
    result = cnnlib.summary(model, (1, 3, 8, 8))
    assert result.total_macs == CONV + 4 * 4 * 36 + 288 and result.total_kept_bytes is None
    assert [row.kept_bytes for row in result.rows] == [768, None, 576]


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_gradients_may_be_off(mode):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.SiLU(), nn.GELU(), nn.Conv2d(4, 4, 3))
    expected = cnnlib.summary(model, (1, 3, 16, 16)).to_dict()
    with mode():
        assert cnnlib.summary(model, (1, 3, 16, 16)).to_dict() == expected
        assert cnnlib.summary(nn.Sequential(*model), (1, 3, 16, 16)).total_kept_bytes == expected["total_kept_bytes"]


def test_kept_bytes_on_meta_of_slices_and_after_an_error():
    network = cnnlib.blueprint("resnet18")
    assert cnnlib.summary.kept_bytes(network, torch.empty(1, 3, 64, 64, device="meta")) == \
        cnnlib.summary(network, (1, 3, 64, 64)).total_kept_bytes
    layer, batch = nn.Conv2d(3, 4, 3), torch.randn(64, 3, 8, 8)
    assert cnnlib.summary.kept_bytes(layer, batch[:2]) == 2 * 3 * 64 * 4
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(5, 2))
    with pytest.raises(RuntimeError):
        cnnlib.summary.kept_bytes(model, torch.randn(2, 3, 4, 4) + 5)
    assert not model[0].running_mean.any() and model[0].num_batches_tracked == 0


# ---- the network afterwards ----

def stores(self, y):
    self.average = 0.9 * self.average + 0.1 * y.mean((0, 2, 3)).detach()
    self.counter += 1
    self.maps, self.cache["y"] = y, y
    self.history.append(y)
    if self.fails:
        raise KeyError("no such thing")
    return y


@pytest.mark.parametrize("fails", [False, True])
def test_a_network_is_left_as_it_was(fails):
    model = Net(stores, average=torch.zeros(4), counter=torch.zeros(()))
    model.maps, model.cache, model.history, model.fails = None, {}, [], fails
    model.hook = functools.partial(print, model)
    model.a.eval()
    before = {name: dict(vars(module)) for name, module in model.named_modules()}
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    if fails:
        with pytest.raises(ValueError, match="KeyError: 'no such thing'"):
            cnnlib.summary(model, (1, 3, 8, 8))
    else:
        assert cnnlib.summary(model, (1, 3, 8, 8)).total_macs == CONV + 288
    assert before == {name: dict(vars(module)) for name, module in model.named_modules()}
    assert model.cache == {} and model.history == []
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in state.items())
    model.fails = False
    model(torch.randn(1, 3, 8, 8))


def test_constants_have_their_numbers_and_keep_them():
    """What does not come from the input may be looked at; what is not the network's own is not written into."""
    steps = torch.tensor([2, 1])

    def strided(self, y):
        return y[:, :, ::steps.mul(2)[0].item(), ::torch.tensor(2).item()]

    assert cnnlib.summary(Net(strided), (1, 3, 8, 8)).rows[-1].output_shape == (1, 2, 2, 3)
    kept = torch.zeros(1, 4, 6, 6)
    model = Net(lambda self, y: kept.copy_(y) + 0)
    assert cnnlib.summary(model, (1, 3, 8, 8)).total_macs == CONV + 288 and not kept.any()


def test_compiled_and_scripted_networks_are_refused_by_name_and_exported_ones_looked_into():
    x, net = torch.randn(1, 3, 8, 8), nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()
    for model, by in ((torch.compile(net, backend="eager"), "compile"), (torch.jit.trace(net, x), "jit"),
                      (nn.Sequential(torch.jit.trace(net, x)), "jit")):
        with pytest.raises(ValueError, match=f"made by torch.{by}, which hides its layers"):
            cnnlib.summary(model, (1, 3, 8, 8))
    exported = cnnlib.summary(torch.export.export(net, (x,)).module(), (1, 3, 8, 8))
    assert (exported.total_macs, exported.idle_params) == (CONV, 0)
    assert [(row.params, row.receptive_field) for row in exported.rows] == [(112, 3), (0, 3)]


# ---- inputs and errors ----

class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.linear = nn.Conv2d(3, 4, 3), nn.Linear(5, 4)

    def forward(self, picture, vector):
        return self.conv(picture) + self.linear(vector)[:, :, None, None]


def test_several_inputs():
    model = Two()
    result = cnnlib.summary(model, (1, 3, 8, 8), (1, 5))
    assert result.total_macs == CONV + 20 and result.rows[0].receptive_field == 3
    named = cnnlib.summary(model, {"vector": (1, 5), "picture": (1, 3, 8, 8)})
    assert named.rows == result.rows and "1×3×8×8" in str(named) and "1×5" in str(result)
    assert result.to_dict()["input_size"] == [[1, 3, 8, 8], [1, 5]]
    words = nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(28, 2))
    assert cnnlib.summary(words, (1, 7), dtypes=torch.long).total_macs == 56
    double = Two().to(torch.float64)
    assert cnnlib.summary(double, (1, 3, 8, 8), (1, 5), dtypes=[torch.float64, None]).total_macs == CONV + 20


def high(self, x):
    assert x.shape[2] == 16, "pictures must be 16 high"
    return x


@pytest.mark.parametrize("model, sizes, message", [
    (Two(), [(1, 3, 8, 8)], r"Two takes the inputs \(picture, vector\) and is given 1.*'vector'"),
    (nn.Linear(3, 3), [(1, 3), (1, 3)], r"Linear takes the inputs \(input\) and is given 2"),
    (Net(lambda self, x: x if x.mean() > 0 else -x), [(1, 3, 8, 8)], "looks at the values of a tensor"),
    (Net(lambda self, x: x[:, :, :int(x.max())]), [(1, 3, 8, 8)], "looks at the values of a tensor"),
    (Net(lambda self, x: x * (x > 0).nonzero().shape[0]), [(1, 3, 8, 8)], "looks at the values of a tensor"),
    (Net(lambda self, x: x + x[x > 0].sum()), [(1, 3, 8, 8)], "without numbers"),
    (Net(lambda self, x: torch.autograd.grad(x.pow(2).sum(), x)[0]), [(1, 3, 8, 8)], "asks for a gradient"),
    (nn.Embedding(10, 4), [(1, 7)], r"wants whole numbers and gets float32.*dtypes=torch.long"),
    (nn.Sequential(nn.LazyLinear(4)), [(1, 7)], r"model.0 is a LazyLinear without weights yet.*after a first call"),
    (Net(before=high), [(1, 3, 8, 8)], "pictures must be 16 high"),
    (torchvision.models.detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None),
     [(1, 3, 320, 320)], "without numbers|looks at the values"),
], ids=lambda value: type(value).__name__)
def test_errors_name_the_cause(model, sizes, message):
    with pytest.raises(ValueError, match=message):
        cnnlib.summary(model, *sizes)


@pytest.mark.parametrize("dtypes", [[torch.long], [torch.long] * 3])
def test_dtypes_are_one_for_each_input(dtypes):
    with pytest.raises(ValueError, match=f"dtypes has {len(dtypes)} entries, allowed: .*each of the 2 inputs"):
        cnnlib.summary(Two(), (1, 3, 8, 8), (1, 5), dtypes=dtypes)


# ---- all of torchvision (slow: pytest -m slow) ----

def published(*packages):
    return [name for package in packages for name in torchvision.models.list_models(module=package)]


PICTURES, VIDEOS = published(torchvision.models, torchvision.models.segmentation), published(torchvision.models.video)


def built(name):
    """(network of torchvision, without numbers, size of an input)"""
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    if name in published(torchvision.models.segmentation):
        options["weights_backbone"] = None
    model = torchvision.models.get_model(name, weights=None, **options).to("meta").eval()
    side = 299 if name == "inception_v3" else 224
    return model, (2, 3, 16, side, side) if name in VIDEOS else (2, 3, side, side)


@pytest.mark.slow
@pytest.mark.parametrize("name", PICTURES + VIDEOS)
def test_torchvision_against_three_oracles(name):
    """Multiply-accumulates, parameters, and what autograd saves, each counted in a way that is not ours."""
    model, size = built(name)
    result = cnnlib.summary(model, size)
    x = torch.empty(size, device="meta")
    with FlopCounterMode(display=False) as flops, torch.no_grad():
        model(x)
    assert 2 * result.total_macs == flops.get_total_flops()
    assert result.total_params == sum(p.numel() for p in model.parameters())
    assert sum(row.params for row in result.rows) == result.total_params - result.idle_params
    if result.total_kept_bytes is not None:
        assert result.total_kept_bytes == saved_by_autograd(model, x)


def saved_by_autograd(model, x):
    """Bytes behind the tensors that autograd saves, each memory once, the network's own not at all; evaluation, but
    dropout and BatchNorm as in training."""
    for module in model.modules():
        if isinstance(module, (nn.Dropout, nn.BatchNorm2d, nn.BatchNorm3d)):
            module.train()
    saved, own = {}, {id(t.untyped_storage()) for t in (*model.parameters(), *model.buffers())}
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.update({id(t.untyped_storage()): t}), lambda t: t):
        model(x)
    return sum(t.untyped_storage().nbytes() for key, t in saved.items() if key not in own)
