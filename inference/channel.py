"""Messages over a pipe; large arrays are handed over as they lie in memory."""

from __future__ import annotations

import io
import pickle
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.handover import Memory, lent

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from inference.series import Array

PIECE = 1 << 22  # bytes; unpickling 300 MB at once would freeze the window for a quarter second


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        if type(value).__module__.partition(".")[0] == "torch":  # the window would import torch
            raise TypeError("A task gives back numpy arrays, never objects of torch.")
        if isinstance(value, np.ndarray) and not value.flags.forc:
            return np.ascontiguousarray(value).__reduce_ex__(pickle.HIGHEST_PROTOCOL)
        return NotImplemented


class Channel:
    """One end of the pipe; any thread may send, one thread receives."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()

    def send(self, message: object) -> None:
        """Raise OSError if the other end is gone, and before sending if it does not pickle."""
        stream, buffers = io.BytesIO(), list[pickle.PickleBuffer]()
        _Pickler(stream, pickle.HIGHEST_PROTOCOL, buffer_callback=buffers.append).dump(message)
        views = [buffer.raw() for buffer in buffers]
        blocks = [lent(view) for view in views]
        places = [_place(view, block) for view, block in zip(views, blocks, strict=True)]
        head = pickle.dumps((stream.getvalue(), places))
        with self._sending:
            self._connection.send_bytes(head)
            for view, block in zip(views, blocks, strict=True):
                if block is None:
                    self._send_pieces(view)
                else:
                    block[0].send(self._connection)

    def _send_pieces(self, view: memoryview) -> None:
        for start in range(0, view.nbytes, PIECE):
            self._connection.send_bytes(view[start : start + PIECE])

    def receive(self) -> Any:
        """The next message; raises EOFError or OSError if the other end is gone."""
        body, places = pickle.loads(self._connection.recv_bytes())
        return pickle.loads(body, buffers=[self._receive_buffer(*place) for place in places])

    def _receive_buffer(self, size: int, whole: int, start: int) -> Array:
        if whole:
            block = Memory.received(self._connection, whole)
            return np.frombuffer(block, np.uint8, size, start)
        buffer = np.empty(size, np.uint8)
        for start in range(0, size, PIECE):
            self._connection.recv_bytes_into(buffer.data[start : start + PIECE])
        return buffer


def _place(view: memoryview, block: tuple[Memory, int] | None) -> tuple[int, int, int]:
    """Bytes of an array, bytes of the block in which it lies (0: none) and where it starts."""
    return (view.nbytes, 0, 0) if block is None else (view.nbytes, len(block[0]), block[1])
