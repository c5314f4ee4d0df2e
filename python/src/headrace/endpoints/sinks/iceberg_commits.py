"""One change of a table's metadata at a time, made only where nothing has changed since it was decided.

PyIceberg would try a refused commit again by itself, on top of what another
writer has done meanwhile, and would delete what it wrote after a refusal that
may be the answer to its own success. Here a refusal, and an answer that was
lost, have one consequence: the table is read again, and everything that was
decided of it is decided anew.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from concurrent.futures import wait
from dataclasses import dataclass
from typing import Any, TypeVar

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table, Transaction
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.update import TableRequirement, TableUpdate
from pyiceberg.utils.concurrent import ExecutorFactory

from headrace.endpoints.sinks.iceberg_files import delete_file, discard
from headrace.endpoints.sinks.iceberg_ledger import Standing, fence_branch, fence_summary
from headrace.endpoints.sinks.iceberg_updates import (
    has_same_branch,
    has_same_schema,
    is_same_table,
    snapshot_removed,
)
from headrace.endpoints.systems.iceberg_catalog import TableName, open_catalog
from headrace.endpoints.systems.iceberg_errors import KNOWN, is_certain, is_passing, translated
from headrace.endpoints.systems.iceberg_parameters import IcebergParameters
from headrace.errors import Bug, EndpointUnreachable, SinkAmbiguous

ATTEMPTS, PAUSE_SECONDS = 6, 0.05
"""How often a change is decided anew when another writer or a broken connection is in the way. The pause doubles."""

_waiting = threading.Lock()
"""Two at once would each hold threads that the other waits for."""

log = logging.getLogger("headrace.iceberg")

Answer = TypeVar("Answer")


class Change(Transaction):
    """What is to become of a table, and what has to be true of it still when it does."""

    def __init__(self, table: Table, standing: Standing) -> None:
        super().__init__(table)
        self.standing = standing
        self.files: list[DataFile] = []
        """Written for this change alone, and nobody's when it is refused."""
        self._superseded: list[str] = []

    @property
    def table(self) -> Table:
        return self._table

    def see_through(self, schema_id: int) -> None:
        """Make snapshots of rows that have the columns of ``schema_id``, which readers may not have yet."""
        before = self._table
        metadata = before.metadata.model_copy(update={"current_schema_id": schema_id})
        self._table = Table(before.name(), metadata, before.metadata_location, before.io, before.catalog, before.config)

    def apply(self, *updates: TableUpdate) -> None:
        self._apply(updates)

    @property
    def is_empty(self) -> bool:
        return not self._updates

    def install_fence(self, epoch: int) -> None:
        """Shut out every lower epoch; nothing where the fence stands there already.

        Raises:
            SinkFenced: A newer epoch has been here.
        """
        self.standing.require_epoch(epoch)
        fence = self.standing.fence
        if fence is not None and self.standing.epoch == epoch:
            return
        if not self._table.metadata.snapshots:
            self.update_snapshot().fast_append().commit()  # a table has branches only beside a main one
        summary = fence_summary(self.standing.unit, epoch)
        self.update_snapshot(
            branch=fence_branch(self.standing.unit), snapshot_properties=summary
        ).fast_append().commit()
        if fence is not None:
            self.apply(snapshot_removed(fence.snapshot_id))
            self._superseded.append(fence.manifest_list)

    def commit_transaction(self) -> Table:
        """Raises what the catalog raised; nothing is retried and nothing deleted."""
        if self.is_empty:
            return self._table
        self._table._do_commit(self._updates, self._assertions())  # pyright: ignore[reportPrivateUsage]
        for path in self._superseded:
            delete_file(self._table.io, path)
        return self._table

    def undo(self) -> None:
        """Delete what was written for a change that the catalog was not told of, or has certainly refused."""
        if self._snapshot_producers:
            _wait_for_writers()
        for producer in self._snapshot_producers:
            producer._clean_all_uncommitted()  # pyright: ignore[reportPrivateUsage]
        discard(self._table.io, self.files)

    def snapshot_ids(self) -> set[int]:
        return {producer.snapshot_id for producer in self._snapshot_producers}

    def _assertions(self) -> tuple[TableRequirement, ...]:
        """Every branch of ours, and the one readers see, is where it was; PyIceberg would assert one of them."""
        metadata = self.standing.metadata
        names = {MAIN_BRANCH} if not metadata.snapshots else self._branches()
        branches = (has_same_branch(metadata, name) for name in sorted(names))
        return (is_same_table(metadata), has_same_schema(metadata), *branches)

    def _branches(self) -> set[str]:
        ours = fence_branch(self.standing.unit)
        touched = {str(name) for update in self._updates if (name := getattr(update, "ref_name", None)) is not None}
        return {MAIN_BRANCH, ours, *touched, *(name for name in self.standing.metadata.refs if name.startswith(ours))}


def _wait_for_writers() -> None:
    """PyIceberg writes manifests side by side, and does not await the others when one fails."""
    executor: Any = ExecutorFactory.get_or_create()
    workers: int = executor._max_workers
    with _waiting:
        together = threading.Barrier(workers)
        wait([executor.submit(together.wait) for _ in range(workers)])


@dataclass
class Tables:
    """The catalog of one sink, and how it goes on when it is refused or not answered."""

    parameters: IcebergParameters

    def __post_init__(self) -> None:
        self._catalog: Catalog | None = None
        self._closed = threading.Event()
        self.is_unsettled = False
        """Nobody knows whether the last change happened: what was written for it may be in use."""

    def close(self) -> None:
        """A thing that is tried in another thread ends with an error before it commits anything more."""
        self._closed.set()
        catalog, self._catalog = self._catalog, None
        engine: Any = getattr(catalog, "engine", None)
        if engine is not None:
            engine.dispose()

    def tried(self, use: Callable[[Catalog], Answer], where: str) -> Answer:
        """What ``use`` returns. It may be called again, so what it does must be done once however often it is called.

        Raises:
            DataPlaneError: What ``use`` raised, or what the catalog or the store said, translated.
        """
        for attempt in range(1, ATTEMPTS + 1):
            self.require_open(where)
            try:
                return use(self._open())
            except KNOWN as error:
                is_conflict = isinstance(error, CommitFailedException)
                was_open = self._catalog is not None
                if attempt == ATTEMPTS or not was_open or not (is_conflict or is_passing(error)):
                    raise translated(error, role="sink", where=where) from error
                log.info("%s: %s, looking again", where, type(error).__name__)
            self._closed.wait(random.uniform(0.5, 1) * PAUSE_SECONDS * 2**attempt)
        raise Bug("A thing was tried without an end.", role="sink")

    def find(self, name: TableName, where: str) -> Table | None:
        def load(catalog: Catalog) -> Table | None:
            try:
                return catalog.load_table(name.identifier)
            except NoSuchTableError:
                return None

        return self.tried(load, where)

    def change(self, name: TableName, unit: str, decide: Callable[[Change], Answer]) -> Answer:
        """Decide of the newest metadata what is to become of it, and commit that; again from there when refused.

        Raises:
            SinkAmbiguous: The answer was lost, and the catalog cannot be asked what happened.
            SchemaChanged: There is no such table.
        """
        self.is_unsettled = False
        where, is_open = str(name), False

        def attempt(catalog: Catalog) -> Answer:
            nonlocal is_open
            table = catalog.load_table(name.identifier)
            is_open = False
            change = Change(table, Standing.of(table, unit))
            try:
                answer = decide(change)
                self.require_open(where)
            except BaseException:
                change.undo()
                raise
            was_unsettled, self.is_unsettled, is_open = self.is_unsettled, True, True
            try:
                change.commit_transaction()
            except Exception as error:
                if self._has_failed(catalog, name, change, error):
                    self.is_unsettled, is_open = was_unsettled, False
                    change.undo()
                    raise
                if not isinstance(error, CommitFailedException):
                    raise
            self.is_unsettled, is_open = was_unsettled, False
            return answer

        try:
            return self.tried(attempt, where)
        except EndpointUnreachable as error:
            if not is_open:
                raise
            raise SinkAmbiguous(
                f"The answer to a commit into {where} was lost, and the catalog cannot be asked whether it happened. "
                "Start the unit again: the commit record says it.",
                role="sink",
            ) from error

    def require_open(self, where: str) -> None:
        if self._closed.is_set():
            raise EndpointUnreachable(f"The sink was closed while {where} was to be written.", role="sink")

    def _has_failed(self, catalog: Catalog, name: TableName, change: Change, error: Exception) -> bool:
        """Whether a commit that ended in ``error`` certainly has not happened, and never will.

        A refusal may answer a request that was sent again below us, after it had been granted.
        """
        if not isinstance(error, CommitFailedException):
            return is_certain(error)
        metadata = catalog.load_table(name.identifier).metadata
        made = change.snapshot_ids()
        return not made or any(metadata.snapshot_by_id(each) is None for each in made)

    def _open(self) -> Catalog:
        if self._catalog is None:
            self._catalog = open_catalog(self.parameters)
        return self._catalog
