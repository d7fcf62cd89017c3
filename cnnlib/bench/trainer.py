"""The in-page trainer's engine, in Node and, with Playwright, in Chromium, against PyTorch on one thread."""

import importlib.util
import json
import shutil
import subprocess
from contextlib import contextmanager
from statistics import median

import torch
from torch.nn import functional as F

from ..models import create_model
from ..widgets.trainer import describe
from ..widgets.trainer.compile import script
from . import Result, once

BATCH = 64
RESNET = {"variant": "cifar", "width": 8, "in_channels": 1}
# what: (name and options of the network, side of the pictures, goal for the ratio)
NETWORKS = {
    "ResNet-56, width 8": (("resnet56", RESNET), 8, 1.3),
    "DenseNet-BC-40, k = 8": (("densenet_cifar", {"depth": 40, "growth_rate": 8, "in_channels": 1}), 8, 1.0),
    "LeNet-5 on 28x28": (("lenet5_modern", {}), 28, 0.0),
}
WIDE = ("vgg", {"variant": "cifar", "configuration": "64 64 64 64", "in_channels": 1})
GOAL = 10                               # GMAC/s of layers with 64 channels

# Seconds of a step on random pictures, the median of `steps`.
MEASURE = """
const measure = ({ description, side, batch, steps }) => {
  const bytes = Uint8Array.from(atob(KERNELS), (letter) => letter.charCodeAt(0)), random = randomFrom(1);
  const net = new Network(description, { bytes, batch }),
    x = Float32Array.from({ length: batch * side * side }, random);
  net.begin(random);
  const labels = Array.from({ length: batch }, (_, n) => n % 10), numbers = labels.map((_, n) => n);
  const pictures = { count: batch, labels, value: (n, j, P) => x[n * P + j] }, times = [];
  for (let step = 0; step < steps + 2; step++) {
    const begun = performance.now();
    net.step(pictures, numbers, { optimizer: "sgd" }, 0.001, step);
    times.push(performance.now() - begun);
  }
  return times.slice(2).sort((a, b) => a - b)[steps >> 1] / 1000;
};
"""


def run(*, quick=False, device="cpu"):
    """Steps of training in milliseconds; layers of 64 channels in GMAC/s."""
    steps, turns, results = (2, 1, []) if quick else (15, 5, [])
    for place, engine in engines():
        with engine() as ask:
            for what, (network, side, goal) in NETWORKS.items():
                results.append(against_pytorch(f"{what}, {place}", ask, network, side, goal, steps, turns))
            description = described(WIDE, 8)
            seconds = median(ask(job(description, 8, steps)) for _ in range(turns))
            speed = 3 * BATCH * description["macs"] / seconds / 1e9
            results.append(Result(f"64 channels, {place}", speed, None, speed / GOAL, ">= 1", speed >= GOAL, "GMAC/s"))
    return results


def engines():
    """(where, context manager -> function of a job) of what is at hand; a browser needs Playwright."""
    if shutil.which("node"):
        yield "Node", in_node
    if importlib.util.find_spec("playwright") and shutil.which("chromium"):
        yield "Chromium", in_chromium


@contextmanager
def in_node():
    ending = '\nconsole.log(measure(JSON.parse(require("fs").readFileSync(0, "utf8"))));'

    def ask(job):
        done = subprocess.run(["node", "-e", script() + MEASURE + ending], input=json.dumps(job), text=True,
                              capture_output=True, check=True)
        return float(done.stdout)

    yield ask


@contextmanager
def in_chromium():
    driver = importlib.import_module("playwright.sync_api")             # the book's tests need it, the library does not
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        try:
            yield lambda job: page.evaluate(f"(job) => {{ {script()}\n{MEASURE}\n return measure(job); }}", job)
        finally:
            browser.close()


def described(network, side):
    name, options = network
    return describe(create_model(name, **options), (1, side, side))


def job(description, side, steps):
    """What `measure` is asked; every parameter begins at random."""
    begun = [{**step, **{key: ["normal", 1] for key in ("w", "b") if key in step}} for step in description["steps"]]
    return {"description": {**description, "steps": begun}, "side": side, "batch": BATCH, "steps": steps}


def against_pytorch(what, ask, network, side, goal, steps, turns):
    """A step of training, in turns."""
    description, ratios, ours, peers = described(network, side), [], [], []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        step = pytorch_step(network, side)
        for _ in range(turns):
            ours.append(ask(job(description, side, steps)))
            peers.append(median(once(step) for _ in range(steps)))
            ratios.append(peers[-1] / ours[-1])
    finally:
        torch.set_num_threads(threads)
    ratio = median(ratios)
    bound = f">= {goal}" if goal else ""
    return Result(what, 1000 * median(ours), 1000 * median(peers), ratio, bound, ratio >= goal, "ms")


def pytorch_step(network, side):
    """A function that trains one batch."""
    name, options = network
    model, x, y = create_model(name, **options), torch.rand(BATCH, 1, side, side), torch.arange(BATCH) % 10
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9, nesterov=True)

    def step():
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    step()
    return step
