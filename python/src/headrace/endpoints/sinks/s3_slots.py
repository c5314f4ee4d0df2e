"""The slot log of one unit in a bucket: the commit record is the slot, and a condition on its write takes it once.

``systems.s3_layout`` draws it. What a listing proposes a read decides. Which
generations count is one small object that is only ever replaced as the one that
was read, so readers see a replacement whole or not at all.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import BinaryIO, TypeVar

import msgspec

from headrace.endpoint import Target
from headrace.endpoints.sinks.files_slots import lost, refuse_if_left
from headrace.endpoints.sinks.s3_attempt import ObjectAttempt, RowsReader
from headrace.endpoints.sinks.s3_reading import reading_file
from headrace.endpoints.sinks.s3_sweep import orphans, unreadable
from headrace.endpoints.systems.files_layout import COMMIT_FILE, UNIT_FILE, path_segment
from headrace.endpoints.systems.files_record import SlotFile, decode_files, decode_record
from headrace.endpoints.systems.s3_layout import (
    CURRENT_FILE,
    Current,
    commit_key,
    generation_key,
    read_current,
    slot_key,
    slot_of,
)
from headrace.errors import CheckpointAheadOfSink, ConfigInvalid, SinkAmbiguous
from headrace.objects.bucket import Bucket, Taken
from headrace.protocol import CommitRecord

_TURNS = 50
_Decoded = TypeVar("_Decoded")


class UnitObjects:
    """The ``SlotLog`` of one unit, ``unit`` being the injective path that owns it."""

    def __init__(self, bucket: Bucket, unit: str, unit_id: str) -> None:
        self._bucket = bucket
        self.unit = unit
        self.key = path_segment(unit_id)
        self.shown = bucket.address.shown(self.key)
        self.advice = f"move what is below {self.shown} away"

    def is_claimed(self) -> bool:
        found = self._bucket.get(f"{self.key}/{UNIT_FILE}")
        if found is None:
            if next(self._bucket.list(self.key), None) is None:
                return False
            raise self._foreign("it holds objects that Headrace did not write")
        try:
            owner = msgspec.json.decode(found[0], type=dict[str, str])["unit"]
        except (msgspec.MsgspecError, KeyError):
            raise self._foreign(f"its {UNIT_FILE} cannot be read") from None
        if owner != self.unit:
            raise self._foreign(f"it belongs to {owner}, and this is {self.unit}")
        return True

    def claim(self, run_id: str) -> None:
        if self.is_claimed():
            return
        try:
            self._bucket.create(f"{self.key}/{UNIT_FILE}", msgspec.json.encode({"unit": self.unit}))
        except Taken:
            self.is_claimed()

    def generations(self) -> list[int]:
        current = self._current()
        return sorted({*current.generations, current.newest} - {0})

    def shown_generations(self) -> list[int]:
        return sorted(self._current().generations)

    def slots(self, generation: int) -> list[int]:
        base = f"{generation_key(self.key, generation)}/"
        placed = [slot_of(found.key.removeprefix(base)) for found in self._bucket.list(base.rstrip("/"))]
        listed = {seq for seq, name in filter(None, placed) if name == COMMIT_FILE}
        while listed and min(listed) > 0 and self._content(generation, min(listed) - 1) is not None:
            listed.add(min(listed) - 1)
        missing = [seq for seq in range(min(listed, default=0), max(listed, default=0)) if seq not in listed]
        listed |= {seq for seq in missing if self._content(generation, seq) is not None}
        while self._content(generation, max(listed, default=-1) + 1) is not None:
            listed.add(max(listed, default=-1) + 1)
        return sorted(listed)

    def record(self, generation: int, seq: int) -> CommitRecord | None:
        content = self._content(generation, seq)
        return None if content is None else self._decoded(decode_record, content, generation, seq)

    def slot_shown(self, generation: int, seq: int) -> str:
        return self._bucket.address.shown(slot_key(self.key, generation, seq))

    def newest_part(self, generation: int, seq: int) -> tuple[BinaryIO, str] | None:
        files = self._files(generation, seq)
        if not files:
            return None
        key = f"{slot_key(self.key, generation, seq)}/{files[-1].name}"
        found = self._bucket.head(key)
        shown = self._bucket.address.shown(key)
        if found is None:
            raise lost(self, f"{shown} is gone.", shown)
        return io.BufferedReader(RowsReader(self._bucket, found), RowsReader.AT_ONCE), shown

    def bytes_in(self, generation: int, seq: int) -> int:
        content = self._content(generation, seq) or b""
        return len(content) + sum(file.bytes for file in self._files(generation, seq))

    def open_generation(self, generation: int, *, is_pending: bool) -> None:
        def opened(current: Current) -> Current:
            shown = {*current.generations} if is_pending else {*current.generations, generation}
            return Current(newest=max(current.newest, generation), generations=sorted(shown))

        self._move(generation, opened)

    def show_generation(self, generation: int, run_id: str) -> None:
        def shown(current: Current) -> Current:
            if generation in current.generations:
                return current
            return Current(newest=generation, generations=[generation])

        self._move(generation, shown)

    def give_up_replacements_before(self, generation: int, run_id: str) -> None:
        """Nobody can show them any more: their generation is not the newest. The next sweep deletes them."""

    @contextmanager
    def attempt(self, run_id: str, generation: int, seq: int) -> Generator[ObjectAttempt]:
        attempt = ObjectAttempt(
            self._bucket, self.key, generation, seq, self.record, lambda: refuse_if_left(self, generation)
        )
        try:
            yield attempt
        finally:
            attempt.drop()

    def explain_reading(self, target: Target) -> None:
        name, content = reading_file(self.shown, target)
        found = self._bucket.get(f"{self.key}/{name}")
        if found is None or found[0] != content:
            self._bucket.put(f"{self.key}/{name}", content)

    def sweep(self, generation: int) -> None:
        current = self._current()
        if current.newest <= generation:
            self._bucket.delete(unreadable(self._bucket, self.key, current))
            for readable in self.generations():
                self._bucket.delete(orphans(self._bucket, self.key, readable, self._files))

    def _move(self, generation: int, change: Callable[[Current], Current]) -> None:
        """Replace ``_current.json`` as it was read; again, when somebody else was faster."""
        key = f"{self.key}/{CURRENT_FILE}"
        for _ in range(_TURNS):
            refuse_if_left(self, generation)
            found = read_current(self._bucket, self.key, "sink")
            before = Current(newest=0, generations=[]) if found is None else found[0]
            after = change(before)
            if after == before:
                return
            try:
                if found is None:
                    self._bucket.create(key, msgspec.json.encode(after))
                else:
                    self._bucket.replace(key, msgspec.json.encode(after), found[1])
            except Taken:
                continue
            refuse_if_left(self, generation)
            return
        raise SinkAmbiguous(
            f"{self._bucket.address.shown(key)} changes as often as it is read. Start again.", role="sink"
        )

    def _current(self) -> Current:
        found = read_current(self._bucket, self.key, "sink")
        return Current(newest=0, generations=[]) if found is None else found[0]

    def _content(self, generation: int, seq: int) -> bytes | None:
        found = self._bucket.get(commit_key(self.key, generation, seq))
        return None if found is None else found[0]

    def _files(self, generation: int, seq: int) -> list[SlotFile]:
        content = self._content(generation, seq)
        return [] if content is None else self._decoded(decode_files, content, generation, seq)

    def _decoded(self, decode: Callable[[bytes], _Decoded], content: bytes, generation: int, seq: int) -> _Decoded:
        try:
            return decode(content)
        except msgspec.MsgspecError as error:
            slot = self.slot_shown(generation, seq)
            raise CheckpointAheadOfSink(
                f"The commit record {slot}/{COMMIT_FILE} is damaged. Restore it from a backup; or, if the slice may be "
                f"read again, {self.advice} and reset the unit.",
                role="sink",
                details={"path": slot},
            ) from error

    def _foreign(self, why: str) -> ConfigInvalid:
        return ConfigInvalid(
            f"Cannot use {self.shown} for this unit: {why}. "
            "Give this sink another base_prefix, or move what is there away.",
            role="sink",
            details={"field": "base_prefix", "path": self.shown},
        )
