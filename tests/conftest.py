"""What every test may use."""

from hypothesis import settings

pytest_plugins = ["tests.support.broker", "tests.support.postgres"]

# How long an example takes says how busy the machine is.
settings.register_profile("city", deadline=None)
settings.load_profile("city")
