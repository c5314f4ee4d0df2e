"""The driver that hands PostgreSQL's rows over as Arrow, and nothing that it would load besides.

It loads polars wherever that is installed, for answers that nobody here asks
for: 25 MiB in each worker and a tenth of a second in each start.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def _without(module: str) -> Generator[None]:
    """Within, an import of ``module`` says that it is not installed, unless it was loaded before."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]  # what the import system takes for "not installed"
    try:
        yield
    finally:
        del sys.modules[module]


with _without("polars"):
    import adbc_driver_postgresql.dbapi as adbc

__all__ = ["adbc"]
