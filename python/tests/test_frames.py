"""Both ends of the socket must reach the same verdict on the same bytes."""

from __future__ import annotations

import io
import json
import resource
import struct
import time
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
    "body",
    [b"\x81\xa1a\xdd\xff\xff\xff\xff", b"\x81\xa1a" + b"\x91" * 1_000_000, b"\x81\xa1a\xdf\xff\xff\xff\xff"],
    ids=["an array of 4 G elements", "a million levels", "a map of 4 G pairs"],
)
def test_a_bomb_is_refused_in_an_instant_and_without_memory(body: bytes) -> None:
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()

    with pytest.raises(frames.FrameRefused):
        frames.decode(body)

    assert time.perf_counter() - began < 0.05
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def test_a_message_the_peer_would_refuse_is_not_sent() -> None:
    with pytest.raises(frames.FrameRefused):
        frames.encode({"text": "x" * (frames.MAXIMUM_FRAME_BYTES + 1)})
