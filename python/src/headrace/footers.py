"""What a file of rows says of itself in its footer: which slice of which run it is. Nothing in it is secret.

Whoever finds a file without its folder still knows where it belongs; to sinks
the commit record beside it is the truth.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from headrace import __version__


def footer(*, unit: str, run_id: str, generation: int, slice_seq: int) -> Mapping[str, str]:
    """Key and value; ``unit`` is the path of tenant, endpoint, unit and sink."""
    said = {"unit": unit, "run": run_id, "generation": generation, "slice": slice_seq, "version": __version__}
    return {"headrace": json.dumps(said, ensure_ascii=False)}
