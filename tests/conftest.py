"""For all of meshtest's own tests."""

from hypothesis import settings

# No test asserts a time: how long an example takes says how busy the machine is.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
