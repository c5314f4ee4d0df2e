"""Which units a bucket holds below its prefix, and what each is made of.

An object is a unit, called by its key. A prefix that the ``object.s3`` sink wrote
is one unit, however many slices it holds. A key whose last name has a ``*``, such
as ``events/*.jsonl``, is one unit too: every object it matches. Names that begin
with ``.`` or ``_`` are nobody's business.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from headrace.endpoints.sources.files_names import Named, ending_of, format_of, refuse_ambiguous
from headrace.endpoints.sources.s3_committed import committed_parts, is_committed
from headrace.endpoints.sources.s3_parts import NamedObject, ObjectPart, ObjectUnit
from headrace.endpoints.systems.files_layout import UNIT_FILE
from headrace.endpoints.systems.files_options import FileFormat
from headrace.errors import DataPlaneError, UnitNotFound
from headrace.objects.bucket import Bucket, Found
from headrace.suggestions import did_you_mean


def units(bucket: Bucket, chosen: FileFormat | None) -> list[Named]:
    """Every unit, prefix by prefix. One with two objects or more of one ending is also a unit of them all."""
    found: list[Named] = []
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        folders, objects = bucket.folder(folder)
        names = [each.key.rpartition("/")[2] for each in objects]
        if UNIT_FILE in names:
            found.append(NamedObject(unit_id=folder or _own_name(bucket), kind="slices", format="parquet"))
            continue
        found += _of_folder(chosen, folder, sorted(names))
        waiting += [_below(folder, name) for name in reversed(folders) if name[0] not in "._"]
    return found


def find(bucket: Bucket, chosen: FileFormat | None, unit_id: str) -> ObjectUnit:
    """The unit with its parts. Raises ``UnitNotFound``, naming near ones."""
    if _is_whole(bucket, unit_id):
        return _slices(bucket, unit_id, "")
    names = unit_id.split("/")
    if any(name == "" or name[0] in "._" or not name.isprintable() for name in names):
        raise _unknown(bucket, chosen, unit_id, "A unit is called by its key below base_prefix, without hidden names.")
    if "*" in names[-1]:
        return _files(bucket, chosen, unit_id)
    found = bucket.head(unit_id)
    if found is not None:
        part = ObjectPart(name="", found=found)
        folder = unit_id.rpartition("/")[0]
        return ObjectUnit(unit_id=unit_id, kind="file", format=format_of(chosen, unit_id), folder=folder, parts=(part,))
    if is_committed(bucket, unit_id):
        return _slices(bucket, unit_id, unit_id)
    raise _unknown(bucket, chosen, unit_id, f"There is no {bucket.address.shown(unit_id)}.")


def kept_at(bucket: Bucket, unit_id: str) -> str:
    """The prefix, below the one of the source, that a unit is where it is one that a sink wrote."""
    return "" if _is_whole(bucket, unit_id) else unit_id


def unmatched(bucket: Bucket, chosen: FileFormat | None, unit_id: str) -> UnitNotFound:
    """Of a pattern that means no object, and never meant one as far as anybody knows."""
    folder, _, pattern = unit_id.rpartition("/")
    return _unknown(bucket, chosen, unit_id, f"No object in {bucket.address.shown(folder)} is called {pattern}.")


def names_below(bucket: Bucket) -> Iterator[str]:
    """Of every object that is not hidden, whatever it holds."""
    for found in bucket.list(""):
        names = found.key.split("/")
        if all(name and name[0] not in "._" for name in names):
            yield names[-1]


def _of_folder(chosen: FileFormat | None, folder: str, names: Sequence[str]) -> Iterator[Named]:
    endings: Counter[tuple[str, FileFormat]] = Counter()
    for name in names:
        ending = ending_of(chosen, name) if name[0] not in "._" else None
        if ending is not None:
            endings[name[-len(ending[0]) :], ending[1]] += 1
            yield NamedObject(unit_id=_below(folder, name), kind="file", format=ending[1])
    for (ending, format_), count in endings.items():
        if count > 1:
            yield NamedObject(unit_id=_below(folder, f"*{ending}"), kind="files", format=format_)


def _files(bucket: Bucket, chosen: FileFormat | None, unit_id: str) -> ObjectUnit:
    folder, _, pattern = unit_id.rpartition("/")
    matches = re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
    named = {found.key.rpartition("/")[2]: found for found in bucket.folder(folder)[1]}
    parts = [ObjectPart(name=name, found=found) for name, found in named.items() if _is_matched(matches, name, found)]
    if not parts and ending_of(chosen, pattern) is None:
        raise unmatched(bucket, chosen, unit_id)
    refuse_ambiguous(unit_id, pattern, [part.name for part in parts])
    ordered = tuple(sorted(parts, key=lambda part: part.order))
    return ObjectUnit(unit_id=unit_id, kind="files", format=format_of(chosen, unit_id), folder=folder, parts=ordered)


def _is_matched(matches: re.Pattern[str], name: str, found: Found) -> bool:
    """Objects without bytes are left out: they stand for folders, or are about to be written again."""
    return name[0] not in "._" and found.size > 0 and matches.fullmatch(name) is not None


def _slices(bucket: Bucket, unit_id: str, folder: str) -> ObjectUnit:
    parts = committed_parts(bucket, folder)
    return ObjectUnit(unit_id=unit_id, kind="slices", format="parquet", folder=folder, parts=parts)


def _unknown(bucket: Bucket, chosen: FileFormat | None, unit_id: str, why: str) -> UnitNotFound:
    try:
        known = [unit.unit_id for unit in units(bucket, chosen)]
    except DataPlaneError:
        known = []
    hint = did_you_mean(unit_id, known) or f" {bucket.address.url} has {len(known)} units."
    return UnitNotFound(f"There is no unit {unit_id!r}. {why}{hint}", role="source", details={"unitId": unit_id})


def _is_whole(bucket: Bucket, unit_id: str) -> bool:
    """Whether a sink wrote the prefix of the source itself, and that is meant."""
    return unit_id == _own_name(bucket) and is_committed(bucket, "")


def _own_name(bucket: Bucket) -> str:
    return bucket.address.prefix.rpartition("/")[2] or bucket.address.bucket


def _below(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
