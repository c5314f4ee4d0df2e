"""The pytest plugin that ships with Headrace: the contract suites explain their failures.

Installed by the entry point ``pytest11``. Subclass ``SourceEndpointSuite``,
``SinkEndpointSuite``, ``JudgingSinkSuite`` or ``StagingProviderSuite`` in your own tests; nothing else is needed.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite(
    "headrace.testing.source_suite",
    "headrace.testing.sink_suite",
    "headrace.testing.judging_sink_suite",
    "headrace.testing.sink_writing",
    "headrace.testing.staging_suite",
)


@pytest.fixture
def configured() -> Iterator[object]:
    """The registry, which forgets after the test what was configured in it."""
    from headrace.endpoints import registry

    before = dict(registry.configurations())
    yield registry
    for endpoint_id in set(registry.configurations()) - set(before):
        registry.forget(endpoint_id)
