"""The slot log of one unit in a directory: which slices it holds, and how one more is taken.

``systems.files_layout`` draws the directory. A slot is one directory
rename, so a reader sees all of a slice or none. A slot that exists cannot be
taken again, and that is the fence: a generation that was given up has no
directory to take a slot in, one that was left has its next slot closed. A
replacement grows under a name that readers skip, until it is whole.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec
import pyarrow as pa

from headrace.endpoint import Target
from headrace.endpoints.sinks.files_slots import refuse_if_left
from headrace.endpoints.sinks.local_files_attempts import open_attempt, sweep_leftovers
from headrace.endpoints.sinks.local_files_file import write_columns, write_slice
from headrace.endpoints.sinks.local_files_latest import latest_sql
from headrace.endpoints.sinks.local_files_partitions import write_partitioned_columns, write_partitions
from headrace.endpoints.systems.files_layout import (
    COMMIT_FILE,
    GENERATION,
    LATEST_FILE,
    PART_FILE,
    PENDING,
    SLOT,
    UNIT_FILE,
    numbered,
    path_segment,
)
from headrace.endpoints.systems.files_record import SlotFile, decode_record, encode_record, named_files
from headrace.endpoints.systems.local_files_failures import reported
from headrace.endpoints.systems.local_files_slot import flush_path, take_slot, write_durably
from headrace.errors import CheckpointAheadOfSink, ConfigInvalid, SinkAmbiguous
from headrace.protocol import CommitRecord
from headrace.staging import RecordReader


class UnitDirectory:
    """The ``SlotLog`` of one unit, ``unit`` being the injective path that owns it."""

    def __init__(self, base: Path, unit: str, unit_id: str, partition_by: tuple[str, ...] = ()) -> None:
        self.partition_by = partition_by
        self._base = base
        self.unit = unit
        self.path = base / path_segment(unit_id)
        self.shown = str(self.path)
        self.advice = f"move {self.path} away"

    def is_claimed(self) -> bool:
        """Whether the directory is there and ours. Raises ``ConfigInvalid`` if it is another's."""
        with reported("open", self.path, "sink"):
            if self.path.is_symlink():
                raise self._foreign("it is a link, and links are not followed")
            if not self.path.exists():
                return False
            try:
                owner = msgspec.json.decode((self.path / UNIT_FILE).read_bytes(), type=dict[str, str])["unit"]
            except FileNotFoundError:
                if next(os.scandir(self.path), None) is None:
                    return False
                raise self._foreign("it holds files that Headrace did not write") from None
            except (msgspec.MsgspecError, KeyError):
                raise self._foreign(f"its {UNIT_FILE} cannot be read") from None
        if owner != self.unit:
            raise self._foreign(f"it belongs to {owner}, and this is {self.unit}")
        return True

    def claim(self, run_id: str) -> None:
        """Make the directory, with its owner inside, in one step. A second claim by the same unit changes nothing."""
        if self.is_claimed():
            return
        with open_attempt(self._base, run_id) as attempt, reported("write in", self._base, "sink"):
            write_durably(attempt / UNIT_FILE, msgspec.json.encode({"unit": self.unit}))
            flush_path(attempt)
            try:
                os.rename(attempt, self.path)  # replaces an empty directory, refuses any other
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            flush_path(self._base)
        self.is_claimed()

    def generations(self) -> list[int]:
        """Those that readers see and those on their way."""
        return sorted({*_numbers(self.path, GENERATION), *_numbers(self.path, PENDING)})

    def shown_generations(self) -> list[int]:
        return _numbers(self.path, GENERATION)

    def slots(self, generation: int) -> list[int]:
        return _numbers(self.generation_path(generation), SLOT)

    def generation_path(self, generation: int) -> Path:
        pending = self._pending_path(generation)
        return pending if pending.is_dir() else self._shown_path(generation)

    def _shown_path(self, generation: int) -> Path:
        return self.path / f"{GENERATION}{generation}"

    def _pending_path(self, generation: int) -> Path:
        return self.path / f"{PENDING}{generation}"

    def slot_shown(self, generation: int, seq: int) -> str:
        return str(self.slot_path(generation, seq))

    def newest_part(self, generation: int, seq: int) -> tuple[BinaryIO, str] | None:
        part = self.slot_path(generation, seq) / (self.newest_name(generation, seq) or PART_FILE)
        with reported("read", part, "sink"):
            return (part.open("rb"), str(part)) if part.exists() else None

    def newest_name(self, generation: int, seq: int) -> str | None:
        """Of a file of a slot, by its record or its only name; None for a slice without one."""
        slot = self.slot_path(generation, seq)
        with reported("read", slot, "sink"):
            if (slot / PART_FILE).exists():
                return PART_FILE
            files = named_files((slot / COMMIT_FILE).read_bytes()) if (slot / COMMIT_FILE).exists() else []
        return files[-1].name if files else None

    def bytes_in(self, generation: int, seq: int) -> int:
        slot = self.slot_path(generation, seq)
        with reported("read", slot, "sink"):
            return sum(path.stat().st_size for path in slot.rglob("*") if path.is_file())

    def slot_path(self, generation: int, seq: int) -> Path:
        return self.generation_path(generation) / f"{SLOT}{seq:06d}"

    def record(self, generation: int, seq: int) -> CommitRecord | None:
        """The commit record of a slot, once its name is surely on the disk; None if nobody took it.

        Raises:
            CheckpointAheadOfSink: The slot is there and its record is not, or cannot be read.
        """
        slot = self.slot_path(generation, seq)
        with reported("read", slot, "sink"):
            if not slot.exists():
                return None
            try:
                found = decode_record((slot / COMMIT_FILE).read_bytes())
            except (FileNotFoundError, msgspec.MsgspecError) as error:
                raise CheckpointAheadOfSink(
                    f"The commit record {slot / COMMIT_FILE} is missing or damaged. "
                    f"Restore it from a backup; or, if the slice may be read again, move {self.path} away "
                    "and reset the unit.",
                    role="sink",
                    details={"path": str(slot)},
                ) from error
            flush_path(slot.parent)
            return found

    def open_generation(self, generation: int, *, is_pending: bool) -> None:
        """Make the generation's directory, unless a newer one is there. Raises ``SinkFenced``.

        With ``is_pending`` readers see nothing of it before ``show_generation``.
        """
        with reported("write in", self.path, "sink"):
            refuse_if_left(self, generation)
            if not self._shown_path(generation).is_dir():
                path = self._pending_path(generation) if is_pending else self._shown_path(generation)
                path.mkdir(exist_ok=True)
            flush_path(self.path)
            refuse_if_left(self, generation)

    def show_generation(self, generation: int, run_id: str) -> None:
        """Let readers see the generation in place of the older ones. Between two renames they see no rows at all.

        Raises:
            SinkFenced: A newer generation is there.
        """
        pending = self._pending_path(generation)
        if not pending.is_dir():
            return
        refuse_if_left(self, generation)
        for older in self.shown_generations():
            self._remove(self._shown_path(older), run_id)
        with reported("write in", self.path, "sink"):
            os.rename(pending, self._shown_path(generation))
            flush_path(self.path)

    def give_up_replacements_before(self, generation: int, run_id: str) -> None:
        """Remove what older runs did not get to show: their late writers find no directory."""
        for older in _numbers(self.path, PENDING):
            if older < generation:
                self._remove(self._pending_path(older), run_id)

    def _remove(self, path: Path, run_id: str) -> None:
        """Out of sight in one step, then deleted."""
        with open_attempt(self._base, run_id) as attempt, reported("remove", path, "sink"):
            os.rename(path, attempt)
            flush_path(self.path)

    @contextmanager
    def attempt(self, run_id: str, generation: int, seq: int) -> Generator[_Attempt]:
        with open_attempt(self._base, run_id) as directory:
            yield _Attempt(self, directory)

    def sweep(self, generation: int) -> None:
        sweep_leftovers(self._base)

    def explain_reading(self, target: Target) -> None:
        """Under ``merge`` a scan is not enough: leave the query. It changes only with the key or the place."""
        if target.disposition != "merge":
            return
        content = latest_sql(self.path, target.primary_key).encode()
        path = self.path / LATEST_FILE
        with open_attempt(self._base, target.run_id) as attempt, reported("write in", self.path, "sink"):
            if path.exists() and path.read_bytes() == content:
                return
            write_durably(attempt / LATEST_FILE, content)
            (attempt / LATEST_FILE).replace(path)
            flush_path(self.path)

    def take(self, attempt: Path, record: CommitRecord, files: Sequence[SlotFile] | None) -> CommitRecord | None:
        """Make everything in the directory ``attempt`` the slot of ``record``, which names ``files``."""
        slot = self.slot_path(record.generation, record.slice_seq)
        with reported("write in", self.generation_path(record.generation), "sink"):
            write_durably(attempt / COMMIT_FILE, encode_record(record, files))
            flush_path(attempt)
            try:
                take_slot(attempt, slot)
            except FileExistsError:
                return self.record(record.generation, record.slice_seq)
            except FileNotFoundError:
                refuse_if_left(self, record.generation)
                raise
        try:
            flush_path(slot.parent)
        except OSError as error:
            raise SinkAmbiguous(
                f"The slice is at {slot}, but the disk did not confirm it ({error.strerror}). "
                "Look at the disk; the next run finds out whether the slice is there.",
                role="sink",
                details={"path": str(slot)},
            ) from error
        return None

    def _foreign(self, why: str) -> ConfigInvalid:
        return ConfigInvalid(
            f"Cannot use {self.path} for this unit: {why}. "
            "Give this sink another base_path, or move the directory away.",
            role="sink",
            details={"field": "base_path", "path": str(self.path)},
        )


class _Attempt:
    def __init__(self, unit: UnitDirectory, directory: Path) -> None:
        self._unit = unit
        self._directory = directory
        self._files: list[SlotFile] | None = None
        """None where the one file there is needs no list."""

    def write(self, reader: RecordReader, schema: pa.Schema, compression: str) -> int:
        names = self._unit.partition_by
        if not names:
            return write_slice(self._directory / PART_FILE, reader, schema, compression)
        self._files = write_partitions(self._directory, reader, schema, compression, names)
        return sum(file.rows for file in self._files)

    def write_columns(self, schema: pa.Schema, compression: str) -> None:
        names = self._unit.partition_by
        if names:
            self._files = write_partitioned_columns(self._directory, schema, compression, names)
        else:
            write_columns(self._directory / PART_FILE, schema, compression)

    def take(self, record: CommitRecord) -> CommitRecord | None:
        return self._unit.take(self._directory, record, self._files)


def _numbers(directory: Path, prefix: str) -> list[int]:
    """The numbers of the directories called ``<prefix><number>``, in order; none if ``directory`` is not there."""
    with reported("read", directory, "sink"):
        try:
            names = os.listdir(directory)
        except FileNotFoundError:
            return []
    return [number for number, _ in numbered(names, prefix)]
