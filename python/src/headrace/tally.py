"""What a run counts: the flat statistics clients see. Counts are integers, durations milliseconds, sizes bytes."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from headrace.exporting import Exported
from headrace.protocol import Json

SAMPLES = 20


@dataclass
class Tally:
    staging_provider_id: str
    data_engine: str
    began: float = field(default_factory=time.monotonic)
    location: str | None = None
    counts: Counter[str] = field(default_factory=Counter[str])
    reasons: Counter[str] = field(default_factory=Counter[str])
    samples: list[Json] = field(default_factory=list[Json])
    discarded: Counter[str] = field(default_factory=Counter[str])

    def exported(self, exported: Exported, slice_seq: int) -> None:
        """Count a slice that was read and sealed."""
        self.counts["exported_rows"] += exported.read
        self.counts["rejected_rows"] += len(exported.rejected)
        self.counts["filtered_rows"] += exported.filtered
        self.counts["exported_bytes"] += exported.seal.bytes
        self.counts["export_ms"] += exported.duration_ms
        self.discarded.update(exported.discarded)
        for row in exported.rejected:
            self.reasons[row.code] += 1
            if len(self.samples) < SAMPLES:
                said = {"slice": slice_seq, "position": row.position, "code": row.code, "column": row.column}
                self.samples.append({**said, "reason": row.reason})

    def applied(self, rows: int, size: int, location: str | None, duration_ms: int, *, deleted: int = 0) -> None:
        """Count a slice that is committed. ``deleted``: how many of its rows say that they were."""
        self.counts["slices"] += 1
        self.counts["applied_rows"] += rows
        self.counts["deleted_rows"] += deleted
        self.counts["applied_bytes"] += size
        self.counts["import_ms"] += duration_ms
        self.location = location or self.location

    @property
    def is_empty(self) -> bool:
        """No slice was committed."""
        return self.counts["slices"] == 0

    def stats(self, delivery: Json) -> dict[str, Json]:
        """The statistics of the run so far."""
        stats: dict[str, Json] = {key: self.counts[key] for key in _KEYS}
        stats["duration_ms"] = round((time.monotonic() - self.began) * 1000)
        stats["stagingProviderId"] = self.staging_provider_id
        stats["dataEngine"] = self.data_engine
        stats["location"] = self.location
        stats["delivery"] = delivery
        if self.reasons:
            stats["rejected"] = {"by_reason": dict(self.reasons), "samples": self.samples, "location": None}
        if self.discarded:
            stats["discarded"] = {"values": self.discarded.total(), "by_column": dict(self.discarded)}
        return stats


_KEYS = (
    "exported_rows", "applied_rows", "deleted_rows", "rejected_rows", "filtered_rows", "exported_bytes",
    "applied_bytes", "slices", "export_ms", "import_ms",
)  # fmt: skip
