"""Slices to write and directories to look at, as the tests of the local-files sink need them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.commit import commit_record, first_hash, record_hash
from headrace.endpoint import Applied, DatasetSchema, SinkEndpoint, Target, WriteDisposition
from headrace.endpoints.sinks.local_files import LocalFilesSink
from headrace.protocol import CommitRecord
from headrace.staging import IngestionContext, NativeFile, Slice, StagingProvider
from headrace.stagings.in_memory import InMemoryStaging

UNIT = "dev/shop/public.orders/lake"
RUN = "ingestion-shop-public.orders-3f0e3c4a-6f0a-4c37-9d4f-0d6f6b0a9a10"


def sink(base: Path, **parameters: str) -> LocalFilesSink:
    return LocalFilesSink({"base_path": str(base), **parameters})


def target(
    generation: int = 1,
    *,
    disposition: WriteDisposition = "append",
    unit_id: str = "public.orders",
    unit: str = UNIT,
    run_id: str = RUN,
    key: tuple[str, ...] = ("id",),
) -> Target:
    return Target(
        unit=unit, unit_id=unit_id, run_id=run_id, generation=generation, disposition=disposition, primary_key=key
    )


def rows(*ids: int) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.int64()), "name": pa.array([f"row {n}" for n in ids], pa.string())})


def described(table: pa.Table) -> DatasetSchema:
    return DatasetSchema(columns=(), arrow=table.schema, primary_key=("id",))


def slice_of(seq: int) -> Slice:
    return Slice(seq=seq, bounds=None, from_checkpoint=seq or None, to_checkpoint=seq + 1)


def context_of(where: Target, slice_: Slice, epoch: int) -> IngestionContext:
    return IngestionContext(
        tenant="dev", endpoint_id="shop", unit_id=where.unit_id, sink_id="lake", run_id=where.run_id, epoch=epoch,
        generation=where.generation, slice_seq=slice_.seq, slice=slice_, prev_hash="",
    )  # fmt: skip


def write(
    into: SinkEndpoint,
    where: Target,
    seq: int,
    table: pa.Table | None,
    *,
    epoch: int = 1,
    prev_hash: str | None = None,
) -> Applied:
    """Stage ``table`` and write it as slice ``seq``, whose checkpoint moves from ``seq`` to ``seq + 1``."""
    slice_ = slice_of(seq)
    with closing(InMemoryStaging().allocate_session(context_of(where, slice_, epoch))) as session:
        for batch in table.to_batches() if table is not None else ():
            session.writer().write_arrow(batch)
        if table is not None and table.num_rows == 0:
            session.writer().write_arrow(pa.record_batch([[] for _ in table.schema], schema=table.schema))
        record = commit_record(
            unit=where.unit, generation=where.generation, epoch=epoch, slice_=slice_, seal=session.seal(),
            prev_hash=prev_hash if prev_hash is not None else first_hash(where.unit, where.generation),
        )  # fmt: skip
        return into.write(where, slice_, session.reader(), record)


def land(base: Path, where: Target, *tables: pa.Table, epoch: int = 1) -> list[Applied]:
    """A whole run of one slice a table, going on after what is there."""
    return land_in(sink(base), where, *tables, epoch=epoch)


def land_in(
    into: SinkEndpoint, where: Target, *tables: pa.Table, epoch: int = 1, complete: bool = True
) -> list[Applied]:
    """The same into any sink of files, which is closed afterwards."""
    high = into.high_water(where, epoch)
    into.prepare(where, described(tables[0] if tables else rows()), {})
    start, last = (0, None) if high is None else (high.record.slice_seq + 1, high.hash)
    applied: list[Applied] = []
    for seq, table in enumerate(tables, start):
        applied.append(write(into, where, seq, table, epoch=epoch, prev_hash=last))
        last = record_hash(applied[-1].record)
    if complete:
        into.complete(where, {})
    into.close()
    return applied


def land_file_in(into: SinkEndpoint, staging: StagingProvider, table: pa.Table) -> Applied:
    """One slice after what is there, staged as a Parquet file; the sink is closed afterwards."""
    where = target()
    high = into.high_water(where, 1)
    assert high is not None
    into.prepare(where, described(table), {})
    slice_ = slice_of(high.record.slice_seq + 1)
    with closing(into), closing(staging.allocate_session(context_of(where, slice_, 1))) as session:
        path = session.native_path()
        assert path is not None
        pq.write_table(table, path)
        file = NativeFile(format="parquet", path=path, rows=table.num_rows, schema=table.schema)
        session.writer().write_native_file(file)
        record = commit_record(
            unit=where.unit, generation=1, epoch=1, slice_=slice_, seal=session.seal(), prev_hash=high.hash
        )
        return into.write(where, slice_, session.reader(), record)


def visible(base: Path) -> list[Path]:
    """Every Parquet file a reader would find, in order of slot."""
    return sorted(path for path in base.glob("*/gen=*/slice=*/*.parquet") if not path.parts[-4].startswith("_"))


def ids(base: Path) -> list[int]:
    """The ids a reader sees, read one file after the other."""
    return [value for path in visible(base) for value in pq.read_table(path, use_threads=False)["id"].to_pylist()]


def record_of(slot: Path) -> dict[str, Any]:
    return json.loads((slot / "_commit.json").read_bytes())


def leftovers(base: Path) -> Sequence[Path]:
    return sorted(path for path in (base / "_tmp").rglob("*")) if (base / "_tmp").exists() else []


__all__ = [
    "RUN", "UNIT", "CommitRecord", "described", "ids", "land", "land_file_in", "land_in", "leftovers", "record_of",
    "rows", "sink", "target", "visible", "write",
]  # fmt: skip
