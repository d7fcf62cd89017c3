"""Random numbers and examples are the same in every run and in any order of the tests, and examples take the time they
need; `make test-luck` draws new ones."""

import pytest
import torch
from hypothesis import HealthCheck, settings

ANY_MACHINE = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("same", derandomize=True, **ANY_MACHINE)
settings.register_profile("new", **ANY_MACHINE)
settings.load_profile("same")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """PyTorch's numbers; those of a test would otherwise depend on the tests that its worker ran before."""
    if item.config.getoption("--hypothesis-profile") != "new":
        torch.manual_seed(0)
