"""What a worker loads with PostgreSQL's driver."""

from __future__ import annotations

import json
import os
import subprocess
import sys

LOOK = """
import json, sys
from headrace.endpoints.systems.postgres_adbc import adbc
unasked = "polars" in sys.modules
import polars
print(json.dumps([unasked, polars.DataFrame({"a": [1]}).height, adbc.apilevel]))
"""


def test_the_driver_does_not_bring_polars_into_the_worker_and_whoever_wants_it_has_it() -> None:
    told = subprocess.run(
        [sys.executable, "-c", LOOK],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert json.loads(told.stdout) == [False, 1, "2.0"]
