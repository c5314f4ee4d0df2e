"""In-memory staging keeps the contract."""

from __future__ import annotations

import gc
import os
import sys

import pyarrow as pa

from headrace.stagings.in_memory import InMemoryStaging
from headrace.testing.staging_suite import StagingProviderSuite

IS_LINUX = sys.platform == "linux"


class TestInMemoryStaging(StagingProviderSuite):
    def provider(self) -> InMemoryStaging:
        return InMemoryStaging()

    def leftovers(self) -> int:
        """Bytes of Arrow, and files without a name."""
        gc.collect()
        descriptors = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")] if IS_LINUX else []
        files = [each for each in descriptors if os.path.lexists(each) and "headrace-staging" in os.readlink(each)]
        return pa.total_allocated_bytes() + len(files)
