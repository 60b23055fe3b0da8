"""How Hypothesis runs here: a loaded machine makes no test fail."""

from hypothesis import HealthCheck, settings

settings.register_profile("belka", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("belka")
