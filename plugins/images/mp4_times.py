"""Give every picture of an MP4 its own duration (ISO 14496-12): encoders write a fixed rate."""

from __future__ import annotations

import struct
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

UNITS = 90_000  # a second, of all times in the file: divides the usual rates
FOLDERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts")  # boxes that hold only boxes


def retimed(movie: bytes, durations: Sequence[float]) -> bytes:
    """The movie with these durations, ms, one a picture; its index must come after its pictures.

    Raises ValueError if there is no such index.
    """
    start = next((place for place, kind, _ in _boxes(movie) if kind == b"moov"), None)
    if start is None or start + len(_body(movie, start)) + 8 != len(movie):
        raise ValueError("the movie has no index at its end")
    ends = [round(sum(durations[:n]) * UNITS / 1000) for n in range(len(durations) + 1)]
    ticks = [end - begin for begin, end in pairwise(ends)]
    return movie[:start] + _rewritten(movie[start:], ticks)


def _rewritten(boxes: bytes, ticks: Sequence[int]) -> bytes:
    parts = []
    for place, kind, _ in _boxes(boxes):
        body = _body(boxes, place)
        if kind in FOLDERS:
            body = _rewritten(body, ticks)
        elif kind in REWRITERS:
            body = REWRITERS[kind](body, ticks)
        parts.append(struct.pack(">I4s", len(body) + 8, kind) + body)
    return b"".join(parts)


def _boxes(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Place, kind and length of each box."""
    place = 0
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        if length == 1:  # a 64-bit length follows
            length = struct.unpack_from(">Q", data, place + 8)[0]
        if length < 8:
            return
        yield place, kind, length
        place += length


def _body(data: bytes, place: int) -> bytes:
    return data[place + 8 : place + struct.unpack_from(">I", data, place)[0]]


def _times(body: bytes, ticks: Sequence[int]) -> bytes:
    """stts: runs of equal durations."""
    runs = [(len(list(group)), tick) for tick, group in groupby(ticks)]
    return struct.pack(">II", 0, len(runs)) + b"".join(struct.pack(">II", *run) for run in runs)


def _clock(body: bytes, ticks: Sequence[int]) -> bytes:
    """mvhd and mdhd, version 0: units a second and duration after two dates."""
    return body[:12] + struct.pack(">II", UNITS, sum(ticks)) + body[20:]


def _track(body: bytes, ticks: Sequence[int]) -> bytes:
    """tkhd, version 0: the duration after two dates, the track's number and a reserve."""
    return body[:20] + struct.pack(">I", sum(ticks)) + body[24:]


def _edit(body: bytes, ticks: Sequence[int]) -> bytes:
    """elst: one edit, all of the media from its start."""
    return struct.pack(">IIIiI", 0, 1, sum(ticks), 0, 0x10000)


REWRITERS: dict[bytes, Callable[[bytes, Sequence[int]], bytes]] = {
    b"stts": _times,
    b"mvhd": _clock,
    b"mdhd": _clock,
    b"tkhd": _track,
    b"elst": _edit,
}
