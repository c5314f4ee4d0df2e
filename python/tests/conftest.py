"""Every test knows the endpoints that need no system and the one that misbehaves, as a worker of the tests does."""

from __future__ import annotations

import os

from hypothesis import settings

os.environ["HEADRACE_PLUGINS"] = "headrace.testing.endpoints:ENDPOINTS,misbehaving:ENDPOINTS"

pytest_plugins = ["headrace.testing.plugin"]

settings.register_profile("headrace", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("headrace")
