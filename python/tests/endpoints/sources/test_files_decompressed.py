"""Places in compressed text are those of the plain text, and reaching them costs few passages through the file."""

from __future__ import annotations

import gzip

from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.endpoints.sources.files_decompressed import decompressed
from headrace.endpoints.sources.files_jsonl import JsonLinesPart
from headrace.endpoints.sources.files_parts import Want

MIB = 1024 * 1024


class Held:
    """A file in memory, which counts what is read of it."""

    def __init__(self, shown: str, content: bytes) -> None:
        self.shown, self.size = shown, len(content)
        self._content = content
        self.taken = 0

    def read(self, at: int, count: int) -> bytes:
        self.taken += count
        return self._content[at : at + count]

    def likely_size(self) -> int:
        return self.size

    def fingerprint(self, upto: int) -> str:
        return str(upto)

    def refuse_damaged(self) -> None: ...

    def close(self) -> None: ...


def test_planning_json_lines_passes_twice_through_the_file_however_many_slices_there_are() -> None:
    line = b'{"n": "%s"}\n' % (b"x" * 10_000)
    file = Held("x.jsonl.gz", gzip.compress(line * 3000, 1))
    part = JsonLinesPart(decompressed(file, 20_000), {}, 20_000)

    mark, slices = part.begin(is_growing=False), 0
    while (cut := part.cut(mark, Want(rows=10**6, size=5 * MIB, is_growing=False))) is not None:
        mark, slices = cut.end, slices + 1

    assert slices >= 5
    assert file.taken <= 2 * file.size + 10


@settings(max_examples=25, deadline=None)
@given(places=st.lists(st.tuples(st.integers(0, 6 * MIB), st.integers(0, 2 * MIB)), max_size=8))
def test_any_place_is_read_after_any_other(places: list[tuple[int, int]]) -> None:
    text = decompressed(Held("x.jsonl.gz", PACKED), 10)

    assert [text.read(at, count) == LONG[at : at + count] for at, count in places] == [True] * len(places)


LONG = b"".join(b"%d\n" % (n * 7919 % 1_000_003) for n in range(750_000))
PACKED = gzip.compress(LONG, 1)
