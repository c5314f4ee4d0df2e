"""What may be deleted of a unit in a bucket, by what is known and never by its age.

A generation that is neither read nor the newest can come to be read by nobody
any more. A file in a slot that is taken, and that its record does not name, is
of an attempt that has lost. A file in a slot that nobody took may yet count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from headrace.endpoints.systems.files_layout import COMMIT_FILE, GENERATION, numbered
from headrace.endpoints.systems.files_record import SlotFile
from headrace.endpoints.systems.s3_layout import Current, attempt_of, generation_key, slot_key, slot_of
from headrace.objects.bucket import Bucket


def unreadable(bucket: Bucket, unit: str, current: Current) -> Iterator[str]:
    """Keys of the generations that were replaced or given up."""
    for generation, name in numbered(bucket.folder(unit)[0], GENERATION):
        if generation < current.newest and generation not in current.generations:
            yield from (found.key for found in bucket.list(f"{unit}/{name}"))


def orphans(bucket: Bucket, unit: str, generation: int, files: Callable[[int, int], list[SlotFile]]) -> Iterator[str]:
    """Keys of files that lost their slot. Only where more than one attempt wrote is a record looked at."""
    base = f"{generation_key(unit, generation)}/"
    names: dict[int, list[str]] = defaultdict(list)
    for found in bucket.list(base.rstrip("/")):
        slot = slot_of(found.key.removeprefix(base))
        if slot is not None:
            names[slot[0]].append(slot[1])
    last = max((seq for seq in names if COMMIT_FILE in names[seq]), default=-1)
    for seq, present in names.items():
        attempts = {attempt for attempt in map(attempt_of, present) if attempt is not None}
        if COMMIT_FILE in present and (len(attempts) > 1 or (seq == last and attempts)):
            named = {file.name for file in files(generation, seq)}
            lost = [name for name in present if attempt_of(name) is not None and name not in named]
            yield from (f"{slot_key(unit, generation, seq)}/{name}" for name in lost)
