"""Random examples are the same in every run, and take the time they need; `make test-luck` draws new ones."""

from hypothesis import HealthCheck, settings

ANY_MACHINE = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("same", derandomize=True, **ANY_MACHINE)
settings.register_profile("new", **ANY_MACHINE)
settings.load_profile("same")
