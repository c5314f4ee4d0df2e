"""How one message becomes bytes on the worker's socket.

An unsigned 32-bit big-endian length, then one MessagePack map. The other end is
``packages/adapters/src/worker/Frames.ts``; ``packages/core/protocol/frames.json``
holds both to the same verdicts. A frame is scanned before it is decoded, so that
nothing a peer announces is allocated before it is known to be there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, BinaryIO, cast

import msgspec

MAXIMUM_FRAME_BYTES = 16 * 1024 * 1024
MAXIMUM_DEPTH = 32
MAXIMUM_ENTRIES = 1024 * 1024

_LENGTH = struct.Struct(">I")
_CONTAINERS = (dict, list, tuple)
_MAP, _ARRAY, _TEXT, _BYTES, _SCALAR = range(5)


class FrameRefused(ValueError):
    """The peer sent what no frame may be. The connection is beyond repair; close it."""

    def __init__(self, verdict: str) -> None:
        super().__init__(f"the frame is refused: {verdict}")
        self.verdict = verdict


def encode(message: Any) -> bytes:
    """A whole frame. Times and the like become text, since no frame may hold an extension type.

    Raises:
        FrameRefused: The peer would refuse it.
        TypeError, OverflowError, ValueError, RecursionError: It holds something no frame can say.
    """
    plain = msgspec.to_builtins(message, builtin_types=(bytes,), str_keys=True)
    _require_bounded(plain)
    body = msgspec.msgpack.encode(plain)
    if len(body) > MAXIMUM_FRAME_BYTES:
        raise FrameRefused("frame-too-large")
    return _LENGTH.pack(len(body)) + body


def _require_bounded(plain: Any) -> None:
    levels: list[tuple[Any, int]] = [(plain, 1)]
    entries = 0
    while levels:
        container, depth = levels.pop()
        if depth > MAXIMUM_DEPTH:
            raise FrameRefused("too-deep")
        entries += len(container)
        if entries > MAXIMUM_ENTRIES:
            raise FrameRefused("too-many-entries")
        values = cast("Iterable[Any]", container.values() if type(container) is dict else container)
        levels.extend((value, depth + 1) for value in values if type(value) in _CONTAINERS)


def read(stream: BinaryIO) -> dict[str, Any]:
    """Read the next message.

    Raises:
        EOFError: The peer has closed the connection, be it inside a frame.
        FrameRefused: The frame breaks a rule of the protocol's README.
    """
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    if length > MAXIMUM_FRAME_BYTES:
        raise FrameRefused("frame-too-large")
    return decode(_exactly(stream, length))


def decode(body: bytes) -> dict[str, Any]:
    """The map that ``body`` holds. Raises ``FrameRefused``."""
    scan(body)
    return msgspec.msgpack.decode(body, type=dict[str, Any])


def scan(body: bytes) -> None:
    """Walk the bytes without decoding them. Raises ``FrameRefused`` with the first violation from left to right."""
    if not body:
        raise FrameRefused("body-truncated")
    if not (0x80 <= body[0] <= 0x8F or body[0] in (0xDE, 0xDF)):
        raise FrameRefused("not-a-map")
    end = _Scan(body).run()
    if end != len(body):
        raise FrameRefused("trailing-bytes")


class _Scan:
    """One walk. A level is ``[values still to come, keys seen]``; the keys are None for an array."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0
        self._entries = 0
        self._levels: list[tuple[int, set[bytes] | None]] = []

    def run(self) -> int:
        self._value()
        while self._levels:
            remaining, keys = self._levels.pop()
            if remaining == 0:
                continue
            self._levels.append((remaining - 1, keys))
            if keys is not None:
                self._key(keys)
            self._value()
        return self._at

    def _key(self, keys: set[bytes]) -> None:
        if self._at < len(self._body) and _kind(self._body[self._at]) != _TEXT:
            raise FrameRefused("key-not-text")
        key = self._text(self._head()[1])
        if key in keys:
            raise FrameRefused("duplicate-key")
        keys.add(key)

    def _value(self) -> None:
        kind, size = self._head()
        if kind == _TEXT:
            self._text(size)
        elif kind in (_MAP, _ARRAY):
            self._open(size, set() if kind == _MAP else None)
        else:
            self._skip(size)

    def _open(self, entries: int, keys: set[bytes] | None) -> None:
        if len(self._levels) >= MAXIMUM_DEPTH:
            raise FrameRefused("too-deep")
        self._entries += entries
        if self._entries > MAXIMUM_ENTRIES:
            raise FrameRefused("too-many-entries")
        self._levels.append((entries, keys))

    def _head(self) -> tuple[int, int]:
        """The kind of what comes next, and its entries or the bytes that follow."""
        start = self._skip(1)
        byte = self._body[start]
        kind = _kind(byte)
        small = _SMALL_MASKS.get(byte >> 4 if byte < 0xC0 else -1)
        if small is not None:
            return kind, byte & small
        if byte <= 0x7F or byte >= 0xE0:
            return kind, 0
        if byte in _EXTENSIONS:
            raise FrameRefused("extension-type")
        if byte == _RESERVED:
            raise FrameRefused("reserved-byte")
        if kind == _SCALAR:
            return kind, _SCALAR_BYTES[byte]
        width = _LENGTH_BYTES[byte]
        begin = self._skip(width)
        return kind, int.from_bytes(self._body[begin : begin + width], "big")

    def _text(self, size: int) -> bytes:
        start = self._skip(size)
        found = self._body[start : start + size]
        try:
            found.decode()
        except UnicodeDecodeError:
            raise FrameRefused("text-not-utf8") from None
        return found

    def _skip(self, size: int) -> int:
        start = self._at
        if size > len(self._body) - start:
            raise FrameRefused("body-truncated")
        self._at = start + size
        return start


_SMALL_MASKS = {0x8: 0x0F, 0x9: 0x0F, 0xA: 0x1F, 0xB: 0x1F}
_LENGTH_BYTES = {
    0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4, 0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4,
}  # fmt: skip
_SCALAR_BYTES = {
    0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8,
}  # fmt: skip
_RESERVED = 0xC1
_EXTENSIONS = {0xC7, 0xC8, 0xC9, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8}


def _kind(byte: int) -> int:
    if 0x80 <= byte <= 0x8F or byte in (0xDE, 0xDF):
        return _MAP
    if 0x90 <= byte <= 0x9F or byte in (0xDC, 0xDD):
        return _ARRAY
    if 0xA0 <= byte <= 0xBF or byte in (0xD9, 0xDA, 0xDB):
        return _TEXT
    if byte in (0xC4, 0xC5, 0xC6):
        return _BYTES
    return _SCALAR


def _exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data
