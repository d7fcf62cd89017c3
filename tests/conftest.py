"""Random numbers and examples are the same in every run and in any order of the tests, and examples take the time they
need; `make test-luck` draws new ones. A server that a test starts is asked directly, whatever proxy the machine has."""

import gc
import os
import urllib.request

import pytest
from hypothesis import HealthCheck, settings

# PyTorch is imported where it is needed: the process that only hands out the tests would wait for it.

ANY_MACHINE = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("same", derandomize=True, **ANY_MACHINE)
settings.register_profile("new", **ANY_MACHINE)
settings.load_profile("same")

os.environ["no_proxy"] = ",".join(filter(None, [os.environ.get("no_proxy", os.environ.get("NO_PROXY")), "127.0.0.1"]))


def pytest_collection_finish():
    """Thousands of tests and what they import stay to the end: the garbage collector need not walk through them again
    and again, which took a tenth of the time; nor so often through what the tests keep."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(2_000, 20, 50)


def pytest_unconfigure():
    """What is left when all is over need not be searched, as IPython and Python do for seconds."""
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Nothing is left over from the tests that the worker ran before: PyTorch's numbers, and the proxies of urllib,
    which keeps those of its first question."""
    import torch

    from cnnlib import randomness

    if item.config.getoption("--hypothesis-profile") != "new":
        randomness.seed(0, "cuda" if torch.cuda.is_initialized() else "cpu")
    urllib.request.install_opener(None)


@pytest.fixture
def offline(monkeypatch):
    """No network, for the test and the processes that it starts: nobody answers where the proxy should be."""
    for proxy in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")


@pytest.fixture
def gpu_seeds(monkeypatch):
    """The seeds that the generators of GPUs get during the test, whether there is one or not."""
    import torch

    seeds = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeds.append)
    return seeds
