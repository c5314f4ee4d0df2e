"""Has the sink of Parquet write the corpus into a folder, for readers in other languages.

``python -m fidelity.write_parquet FOLDER`` prints what it wrote as JSON: by name
the files, and what each column means there and held before.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fidelity.arrow_files import ParquetOrigin
from fidelity.carrying_types import carried
from fidelity.contract import Origin
from fidelity.parquet_files import ParquetPlace
from fidelity.postgres_tables import DuckDBOrigin

from headrace.endpoints.sinks.local_files import LocalFilesSink
from headrace.stagings.in_memory import InMemoryStaging

COMPRESSIONS = ("snappy", "zstd", "gzip", "none")


class CompressedPlace(ParquetPlace):
    def __init__(self, base: Path, compression: str) -> None:
        super().__init__(base)
        self.compression = compression

    def open(self) -> LocalFilesSink:
        return LocalFilesSink({"base_path": str(self.base), "compression": self.compression})


def written(origin: Origin, base: Path, compression: str) -> Mapping[str, Any]:
    count = itertools.count()
    found = carried(origin, lambda: CompressedPlace(base / str(next(count)), compression), InMemoryStaging())
    place: Any = found.place
    columns = [name for name, outcome in found.outcomes.items() if outcome.how != "refused"]
    told, there = origin.told(columns), place.found()
    return {
        "files": [str(path) for path in place.files()],
        "columns": {name: {"meaning": there[name].meaning, "values": list(told[name])} for name in columns},
    }


def main(folder: Path) -> None:
    origin = ParquetOrigin(folder / "origin")
    everything = {each: written(origin, folder / each, each) for each in COMPRESSIONS}
    everything["duckdb"] = written(DuckDBOrigin.made(), folder / "duckdb", "zstd")
    print(json.dumps(everything))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
