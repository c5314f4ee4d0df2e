"""A prefix that the ``object.s3`` sink wrote, as the parts of a unit: the files that its commit records name, in order.

Only the generations of ``_current.json`` count, so what was replaced, and what
is on its way, is never seen.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import msgspec

from headrace.endpoints.sources.s3_parts import ObjectPart
from headrace.endpoints.systems.files_layout import COMMIT_FILE, LATEST_FILE, UNIT_FILE
from headrace.endpoints.systems.files_record import SlotFile, decode_files
from headrace.endpoints.systems.s3_layout import commit_key, generation_key, read_current, slot_key, slot_of
from headrace.errors import ConfigInvalid, EndpointUnreachable
from headrace.objects.bucket import Bucket, Found

READING = "the committed slices of a prefix that Headrace wrote, in the order of their commits"
MERGED = f"{READING}; every version of a row is read, the newest last, so merge them by their key"

_AT_ONCE = 16


def is_committed(bucket: Bucket, folder: str) -> bool:
    """Whether the sink made this prefix."""
    return bucket.head(_below(folder, UNIT_FILE)) is not None


def reading(bucket: Bucket, folder: str) -> str:
    """What of the prefix is read, for ``stats.delivery``."""
    return READING if bucket.head(_below(folder, LATEST_FILE)) is None else MERGED


def committed_parts(bucket: Bucket, folder: str) -> tuple[ObjectPart, ...]:
    """Files with rows, the oldest first.

    Raises:
        ConfigInvalid: A record or a file is missing or damaged.
        EndpointUnreachable: The sink is filling the prefix for the first time.
    """
    current = read_current(bucket, folder, "source")
    if current is None:
        return ()
    if not current[0].generations:
        raise EndpointUnreachable(
            f"{bucket.address.shown(folder)} is being written at this moment: nothing of it is whole yet. "
            "Start again when that run has ended.",
            role="source",
            details={"path": folder},
        )
    return tuple(
        part for generation in sorted(current[0].generations) for part in _of_generation(bucket, folder, generation)
    )


def refuse_other_rows(bucket: Bucket, part: ObjectPart, rows: int) -> None:
    """Raises ``ConfigInvalid`` when a file has not the rows that its record says."""
    if part.rows is not None and part.rows != rows:
        raise _damaged(bucket, part.found.key, f"its record says {part.rows} rows, and it has {rows}")


def _of_generation(bucket: Bucket, folder: str, generation: int) -> list[ObjectPart]:
    base = f"{generation_key(folder, generation)}/"
    present: dict[str, Found] = {}
    slots: set[int] = set()
    for found in bucket.list(base.rstrip("/")):
        present[found.key] = found
        slot = slot_of(found.key.removeprefix(base))
        if slot is not None and slot[1] == COMMIT_FILE:
            slots.add(slot[0])
    ordered = sorted(slots)

    def files_of(seq: int) -> list[SlotFile]:
        return _files(bucket, commit_key(folder, generation, seq))

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        named = list(threads.map(files_of, ordered))
    return [
        _part(bucket, present, slot_key(folder, generation, seq), folder, file, number)
        for seq, files in zip(ordered, named, strict=True)
        for number, file in enumerate(files)
        if file.rows > 0
    ]


def _part(bucket: Bucket, present: dict[str, Found], slot: str, folder: str, file: SlotFile, number: int) -> ObjectPart:
    key = f"{slot}/{file.name}"
    found = present.get(key) or bucket.head(key)
    if found is None:
        raise _damaged(bucket, key, f"it is missing, and its record says {file.rows} rows")
    return ObjectPart(name=f"{slot.removeprefix(f'{folder}/')}/{number}", found=found, rows=file.rows)


def _files(bucket: Bucket, key: str) -> list[SlotFile]:
    content = bucket.get(key)
    try:
        return [] if content is None else decode_files(content[0])
    except msgspec.MsgspecError:
        raise _damaged(bucket, key, "it cannot be read") from None


def _damaged(bucket: Bucket, key: str, why: str) -> ConfigInvalid:
    shown = bucket.address.shown(key)
    return ConfigInvalid(
        f"{shown} is damaged: {why}. Restore it from a backup, or have the unit written anew.",
        role="source",
        details={"path": shown},
    )


def _below(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
