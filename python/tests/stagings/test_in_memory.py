"""In-memory staging keeps the contract."""

from __future__ import annotations

import gc

import pyarrow as pa

from headrace.stagings.in_memory import InMemoryStaging
from headrace.testing.staging_suite import StagingProviderSuite


class TestInMemoryStaging(StagingProviderSuite):
    def provider(self) -> InMemoryStaging:
        return InMemoryStaging()

    def leftovers(self) -> int:
        gc.collect()
        return pa.total_allocated_bytes()
