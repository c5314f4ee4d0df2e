"""A unit of the bucket sink and who looks at it, as the tests of its slots need it."""

from __future__ import annotations

import pyarrow as pa
from local_files_kit import land_in, target
from s3_servers import S3Server, fresh_prefix, s3_server
from test_s3_sink import rows_of

from headrace.endpoint import Target
from headrace.endpoints.sinks.s3 import S3Sink

REPLACING = target(disposition="replace")


class Lake:
    """A prefix of a server, with the product's sink and a stranger's eyes."""

    def __init__(self, name: str = "seaweedfs") -> None:
        self.server: S3Server = s3_server(name)
        self.prefix = fresh_prefix()
        self.unit = f"{self.prefix}/public.orders"

    def sink(self) -> S3Sink:
        return S3Sink(self.server.parameters(self.prefix))

    def land(self, where: Target, *tables: pa.Table, epoch: int = 1, complete: bool = True) -> None:
        land_in(self.sink(), where, *tables, epoch=epoch, complete=complete)

    def ids(self) -> list[int]:
        return sorted(row["id"] for _, _, row in rows_of(self.server, self.unit))

    def listed(self) -> list[str]:
        return self.server.keys(self.unit)

    def parts(self) -> list[str]:
        return [key for key in self.listed() if key.endswith(".parquet")]

    def write(self, key: str, content: bytes) -> None:
        self.server.write(f"{self.unit}/{key}", content)

    def delete(self, key: str) -> None:
        self.server.delete(f"{self.unit}/{key}")
