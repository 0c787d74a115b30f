"""Messages over a pipe, their arrays in small pieces so that no thread is held up for long."""

from __future__ import annotations

import io
import pickle
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

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
        head = pickle.dumps((stream.getvalue(), [view.nbytes for view in views]))
        with self._sending:
            self._connection.send_bytes(head)
            for view in views:
                for start in range(0, view.nbytes, PIECE):
                    self._connection.send_bytes(view[start : start + PIECE])

    def receive(self) -> Any:
        """The next message; raises EOFError or OSError if the other end is gone."""
        body, sizes = pickle.loads(self._connection.recv_bytes())
        return pickle.loads(body, buffers=[self._receive_buffer(size) for size in sizes])

    def _receive_buffer(self, size: int) -> Array:
        buffer = np.empty(size, np.uint8)
        for start in range(0, size, PIECE):
            self._connection.recv_bytes_into(buffer.data[start : start + PIECE])
        return buffer
