"""Both ends of the socket must reach the same verdict on the same bytes."""

from __future__ import annotations

import io
import json
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace import frames

GOLDENS = json.loads((Path(__file__).parents[2] / "packages/core/protocol/frames.json").read_text())

_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden["name"])
def test_a_frame_gets_the_verdict_both_ends_agreed_on(golden: dict[str, str]) -> None:
    stream = io.BytesIO(bytes.fromhex(golden["hex"]))

    try:
        frames.read(stream)
        verdict = "ok"
    except frames.FrameRefused as refusal:
        verdict = refusal.verdict

    assert verdict == golden["verdict"]


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(), _values, max_size=4))
def test_a_message_comes_back_as_it_was_sent(message: dict[str, Any]) -> None:
    assert frames.read(io.BytesIO(frames.encode(message))) == message


@given(st.binary(max_size=200))
def test_no_bytes_whatever_do_more_than_be_refused(body: bytes) -> None:
    stream = io.BytesIO(struct.pack(">I", len(body)) + body)

    try:
        found = frames.read(stream)
    except frames.FrameRefused:
        return

    assert msgspec.msgpack.decode(body) == found


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(), _values, max_size=4), st.data())
def test_a_frame_that_is_cut_anywhere_is_the_end_of_the_conversation(message: dict[str, Any], data: Any) -> None:
    whole = frames.encode(message)
    cut = data.draw(st.integers(0, len(whole) - 1))

    with pytest.raises(EOFError):
        frames.read(io.BytesIO(whole[:cut]))


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (b"\x81\xa1a\xdd\xff\xff\xff\xff", "too-many-entries"),
        (b"\x81\xa1a" + b"\x91" * 1_000_000, "too-deep"),
        (b"\x81\xa1a\xdf\xff\xff\xff\xff", "too-many-entries"),
        (b"\x81\xa1a\xc6\xff\xff\xff\xff", "body-truncated"),
    ],
    ids=["an array of 4 G elements", "a million levels", "a map of 4 G pairs", "4 GiB of bytes"],
)
def test_a_bomb_is_refused_before_anything_it_announces_is_allocated(body: bytes, verdict: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(frames.FrameRefused) as refusal:
            frames.decode(body)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert refusal.value.verdict == verdict
    assert most < 256 * 1024


def test_a_length_above_the_limit_is_refused_before_a_byte_is_read() -> None:
    stream = io.BytesIO(struct.pack(">I", frames.MAXIMUM_FRAME_BYTES + 1) + b"the rest")

    with pytest.raises(frames.FrameRefused, match="frame-too-large"):
        frames.read(stream)

    assert stream.read() == b"the rest"


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return {"value": value}


@pytest.mark.parametrize(
    ("message", "verdict"),
    [
        ({"text": "x" * (frames.MAXIMUM_FRAME_BYTES + 1)}, "frame-too-large"),
        (_nested(32), "too-deep"),
        ({"many": [0] * frames.MAXIMUM_ENTRIES}, "too-many-entries"),
    ],
    ids=["larger than a frame", "33 levels", "a million entries and one"],
)
def test_a_message_the_peer_would_refuse_is_not_sent(message: Any, verdict: str) -> None:
    with pytest.raises(frames.FrameRefused, match=verdict):
        frames.encode(message)


def test_a_message_of_32_levels_is_sent() -> None:
    assert frames.read(io.BytesIO(frames.encode(_nested(31)))) == _nested(31)


_awkward: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(st.characters()) | st.binary() | st.datetimes() | st.decimals(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner)
        | st.dictionaries(st.text() | st.integers(), inner)
        | inner.map(lambda value: _nested(16) | {"more": value})
    ),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text() | st.integers(-5, 5), _awkward, max_size=4))
def test_what_is_sent_is_never_refused(message: dict[Any, Any]) -> None:
    try:
        frame = frames.encode(message)
    except (TypeError, OverflowError, ValueError):
        return

    frames.read(io.BytesIO(frame))
