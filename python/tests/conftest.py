"""Every test knows the endpoints that need no system, as a worker started for tests does."""

from __future__ import annotations

import os

os.environ["HEADRACE_PLUGINS"] = "headrace.testing.endpoints:ENDPOINTS"

pytest_plugins = ["headrace.testing.plugin"]
