"""A whole run from PostgreSQL to PostgreSQL whose rows are not all taken, and what became of them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from carrying import Watching, unit_run
from postgres_server import PostgresServer

from headrace.endpoints.sinks.postgres import PostgresSink
from headrace.endpoints.sources.postgres import PostgresSource
from headrace.events import Finished, Rejected, RejectedRow
from headrace.protocol import Verdict
from headrace.run import run_unit
from headrace.stagings.local_disk import LocalDiskStaging

ALL = {"maxRows": 1000, "maxRatio": 1}
SAME_TABLE = {"writeDisposition": "append"}


class Carrying:
    def __init__(self, server: PostgresServer, root: Path) -> None:
        self._server, self._root = server, root
        self.watching = Watching()

    def run(self, policy: dict[str, Any], verdict: Verdict = "commit", **changes: Any) -> Finished:
        self.watching = Watching(lambda _: verdict)
        run = unit_run("public.orders", sink_id="lake", policy=policy, **changes)
        with (
            closing(PostgresSource(self._server.parameters("shop"))) as source,
            closing(PostgresSink(self._server.parameters("lake"))) as sink,
        ):
            return run_unit(run, source, sink, LocalDiskStaging(self._root), self.watching)

    @property
    def rejected(self) -> list[RejectedRow]:
        return [row for event in self.watching.of(Rejected) for row in event.rows]

    @property
    def staged(self) -> list[tuple[Any, ...]]:
        """Tables in which slices were tried, which nobody should find."""
        return self._server.rows("lake", "select relname::text from pg_class where relname ~ '^_hr_stage'")

    def stored(self, what: str = "id") -> list[tuple[Any, ...]]:
        return self._server.rows("lake", f"select {what} from public.orders order by 1")


def shop(server: PostgresServer, *statements: str) -> None:
    server.database(*statements, name="shop")


def lake(server: PostgresServer, *statements: str) -> None:
    server.database(*statements, name="lake")
