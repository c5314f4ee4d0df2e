"""Every test knows the endpoints that need no system and the one that misbehaves, as a worker of the tests does."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings
from left_behind import end_in_order

os.environ["HEADRACE_PLUGINS"] = "headrace.testing.endpoints:ENDPOINTS,misbehaving:ENDPOINTS"

pytest_plugins = ["headrace.testing.plugin"]

settings.register_profile("headrace", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("headrace")

end_in_order()


@pytest.fixture
def kept_within(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No session of PostgreSQL is kept before and after a test, and within it what is kept stays."""
    from headrace.endpoints.systems import postgres_kept  # not for the tests that need no system

    monkeypatch.setattr(postgres_kept, "IDLE_SECONDS", 3600)
    postgres_kept.KEPT.close()
    yield
    postgres_kept.KEPT.close()
