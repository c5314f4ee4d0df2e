"""The slot log of one unit in a directory: which slices it holds, and how one more is taken.

``systems.local_files_layout`` draws the directory. A slot is one directory
rename, so a reader sees all of a slice or none. A slot that exists cannot be
taken again, and that is the fence: a generation that was given up has no
directory to take a slot in, one that was left has its next slot closed. A
replacement grows under a name that readers skip, until it is whole.
"""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import msgspec

from headrace.commit import first_hash, record_hash
from headrace.endpoints.sinks.local_files_attempts import open_attempt
from headrace.endpoints.systems.local_files_failures import reported
from headrace.endpoints.systems.local_files_layout import COMMIT_FILE, GENERATION, PENDING, SLOT, UNIT_FILE, numbered
from headrace.endpoints.systems.local_files_record import decode_record, encode_record
from headrace.endpoints.systems.local_files_slot import flush_path, path_segment, take_slot, write_durably
from headrace.errors import CheckpointAheadOfSink, ConfigInvalid, SinkAmbiguous, SinkFenced
from headrace.protocol import CommitRecord

_CLOSED = hashlib.sha256(b"closed").hexdigest()
"""Stands where the hash of a slice's rows would be, in the record that closes a generation."""


class UnitDirectory:
    """The directory of one unit, ``unit`` being the injective path that owns it."""

    def __init__(self, base: Path, unit: str, unit_id: str) -> None:
        self._base = base
        self.unit = unit
        self.path = base / path_segment(unit_id)

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

    def slots(self, generation: int) -> list[int]:
        return _numbers(self.generation_path(generation), SLOT)

    def slots_without_gap(self, generation: int) -> list[int]:
        """The slots of a generation that goes on. Raises ``CheckpointAheadOfSink`` when one before the last is gone."""
        slots = self.slots(generation)
        gone = next((seq for seq, found in enumerate(slots, min(slots, default=0)) if seq != found), None)
        if gone is None and slots and slots[0] > 0:
            first = self.record(generation, slots[0])
            is_first = first is None or first.prev_hash == first_hash(self.unit, generation)
            gone = None if is_first else slots[0] - 1
        if gone is not None:
            slot = self.slot_path(generation, gone)
            raise self.lost(f"{slot} is gone, and the slices after it are there.", slot)
        return slots

    def lost(self, what: str, path: Path) -> CheckpointAheadOfSink:
        """Rows that were committed are not there any more, and nobody would read them again."""
        return CheckpointAheadOfSink(
            f"{what} Restore it from a backup; or, if everything may be read again, move {self.path} away and reset "
            "the unit.",
            role="sink",
            details={"path": str(path)},
        )

    def is_pending(self, generation: int) -> bool:
        """Whether the generation is there and readers do not see it yet."""
        return self._pending_path(generation).is_dir()

    def generation_path(self, generation: int) -> Path:
        return self._pending_path(generation) if self.is_pending(generation) else self._shown_path(generation)

    def _shown_path(self, generation: int) -> Path:
        return self.path / f"{GENERATION}{generation}"

    def _pending_path(self, generation: int) -> Path:
        return self.path / f"{PENDING}{generation}"

    def slot_path(self, generation: int, seq: int) -> Path:
        return self.generation_path(generation) / f"{SLOT}{seq:06d}"

    def record(self, generation: int, seq: int) -> CommitRecord | None:
        """The commit record of a slot, once its name is surely on the disk; None if nobody took it.

        Raises:
            SinkAmbiguous: The slot is there and its record cannot be read.
        """
        slot = self.slot_path(generation, seq)
        with reported("read", slot, "sink"):
            if not slot.exists():
                return None
            try:
                found = decode_record((slot / COMMIT_FILE).read_bytes())
            except (FileNotFoundError, msgspec.MsgspecError) as error:
                raise SinkAmbiguous(
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
            self.refuse_if_left(generation)
            if not self._shown_path(generation).is_dir():
                path = self._pending_path(generation) if is_pending else self._shown_path(generation)
                path.mkdir(exist_ok=True)
            flush_path(self.path)
            self.refuse_if_left(generation)

    def show_generation(self, generation: int, run_id: str) -> None:
        """Let readers see the generation in place of the older ones. Between two renames they see no rows at all.

        Raises:
            SinkFenced: A newer generation is there.
        """
        pending = self._pending_path(generation)
        if not pending.is_dir():
            return
        self.refuse_if_left(generation)
        for older in _numbers(self.path, GENERATION):
            self._remove(self._shown_path(older), run_id)
        with reported("write in", self.path, "sink"):
            os.rename(pending, self._shown_path(generation))
            flush_path(self.path)

    def refuse_if_left(self, generation: int) -> None:
        newest = max(self.generations(), default=generation)
        if newest > generation:
            raise SinkFenced(
                f"{self.path} is at generation {newest}, and this run belongs to generation {generation}: "
                "a newer run has this unit. If the control plane's database was restored from an older copy, "
                "move the directory away and reset the unit.",
                role="sink",
                details={"path": str(self.path)},
            )

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

    def close_generations_before(self, generation: int, epoch: int, run_id: str) -> None:
        """Take the next slot of every older generation readers see, so that a late writer of it finds it taken."""
        for older in _numbers(self.path, GENERATION):
            while older < generation:
                last = self._last(older)
                if last is not None and last.sha256 == _CLOSED:
                    break
                with open_attempt(self._base, run_id) as attempt:
                    self.take(attempt, self._after(older, last, epoch, _CLOSED))

    def take(self, attempt: Path, record: CommitRecord) -> CommitRecord | None:
        """Make everything in ``attempt`` the slot of ``record``, durably. Returns the winner's record if it is taken.

        Raises:
            SinkFenced: The generation was replaced.
            SinkAmbiguous: The slot is visible, and the disk did not confirm it.
        """
        slot = self.slot_path(record.generation, record.slice_seq)
        with reported("write in", self.generation_path(record.generation), "sink"):
            write_durably(attempt / COMMIT_FILE, encode_record(record))
            flush_path(attempt)
            try:
                take_slot(attempt, slot)
            except FileExistsError:
                return self.record(record.generation, record.slice_seq)
            except FileNotFoundError:
                self.refuse_if_left(record.generation)
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

    def record_without_rows(self, generation: int, epoch: int) -> CommitRecord:
        """What follows the generation's last slice when it ends without rows."""
        return self._after(generation, self._last(generation), epoch, hashlib.sha256(b"").hexdigest())

    def _last(self, generation: int) -> CommitRecord | None:
        slots = self.slots(generation)
        return self.record(generation, slots[-1]) if slots else None

    def _after(self, generation: int, last: CommitRecord | None, epoch: int, sha256: str) -> CommitRecord:
        checkpoint = last.to_ckpt if last is not None else None
        return CommitRecord(
            unit=self.unit,
            generation=generation,
            slice_seq=last.slice_seq + 1 if last is not None else 0,
            from_ckpt=checkpoint,
            to_ckpt=checkpoint,
            rows=0,
            sha256=sha256,
            epoch=epoch,
            prev_hash=record_hash(last) if last is not None else first_hash(self.unit, generation),
        )

    def _foreign(self, why: str) -> ConfigInvalid:
        return ConfigInvalid(
            f"Cannot use {self.path} for this unit: {why}. "
            "Give this sink another base_path, or move the directory away.",
            role="sink",
            details={"field": "base_path", "path": str(self.path)},
        )


def _numbers(directory: Path, prefix: str) -> list[int]:
    """The numbers of the directories called ``<prefix><number>``, in order; none if ``directory`` is not there."""
    with reported("read", directory, "sink"):
        try:
            names = os.listdir(directory)
        except FileNotFoundError:
            return []
    return [number for number, _ in numbered(names, prefix)]
