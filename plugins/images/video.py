"""8-bit pictures as MP4 or GIF at their true times.

MP4 holds MPEG-4 part 2, which players and presentation programs open on every system. OpenCV writes
it with FFmpeg built under the LGPL: H.264 would need x264, which is GPL.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from inference.errors import UserError
from inference.writing import atomic
from plugins.images.mp4_times import retimed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from PIL import Image

    from inference.series import Array

UNKNOWN_STEP = 100.0  # ms, where a run states no times
SHORTEST_GIF = 20  # ms: browsers slow shorter ones down to 100
RATE = 30.0  # what the encoder is told, for its bit rate: the true times are written afterwards


def write_video(path: Path, pictures: Iterable[Array], times: Sequence[float]) -> None:
    """uint8 (y, x) or (y, x, 3) pictures, `times` in ms, as .mp4 or .gif; raises UserError.

    `pictures` may be a generator: one picture is held at a time.
    """
    writers = {".mp4": _write_mp4, ".gif": _write_gif}
    if path.suffix.lower() not in writers:
        raise UserError(f"{path.name} is no kind of video that Limn writes: choose .mp4 or .gif.")
    if not times:
        raise UserError(f"There are no frames to write to {path.name}.")
    with atomic(path) as part:
        writers[path.suffix.lower()](part, pictures, _durations(times))


def _durations(times: Sequence[float]) -> list[float]:
    """ms that each picture stays; the last as long as is usual in the run."""
    steps = [later - earlier for earlier, later in pairwise(times)]
    return [*steps, float(np.median(steps)) if steps else UNKNOWN_STEP]


def _write_mp4(path: Path, pictures: Iterable[Array], durations: Sequence[float]) -> None:
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    writer, count = None, 0
    try:
        for picture in pictures:
            frame = _even(_coloured(picture))[..., ::-1]  # as OpenCV orders colours
            if writer is None:
                code, size = cv2.VideoWriter.fourcc(*"mp4v"), (frame.shape[1], frame.shape[0])
                writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, RATE, size)
            writer.write(np.ascontiguousarray(frame))
            count += 1
    finally:
        if writer is not None:
            writer.release()
    _require(path, count, durations)
    try:
        movie = retimed(path.read_bytes(), durations)
    except ValueError as error:  # the encoder gave up, for it tells nothing
        raise OSError(None, "the video encoder failed") from error
    path.write_bytes(movie)


def _write_gif(path: Path, pictures: Iterable[Array], durations: Sequence[float]) -> None:
    count = 0

    def images() -> Iterator[Image.Image]:
        nonlocal count
        for picture in pictures:
            count += 1
            yield _with_palette(picture)

    found = images()
    first = next(found, None)
    if first is not None:
        times = _hundredths(durations)
        first.save(path, "GIF", save_all=True, append_images=found, duration=times, loop=0)
    _require(path, count, durations)


def _require(path: Path, count: int, durations: Sequence[float]) -> None:
    if count != len(durations):
        raise UserError(
            f"{path.name.removeprefix('.part-')} was to get {len(durations)} pictures, "
            f"but {count} came: they were not saved."
        )


def _hundredths(durations: Sequence[float]) -> list[int]:
    """ms in steps of 10, the unit of GIF, whose rounding does not add up."""
    ends = np.round(np.cumsum(durations) / 10) * 10
    steps = np.diff(ends, prepend=0)
    return [max(SHORTEST_GIF, int(step)) for step in steps]


def _coloured(picture: Array) -> Array:
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=-1)


def _even(picture: Array) -> Array:
    """With an even number of rows and columns, which the encoder needs: the last is repeated."""
    rows, columns = picture.shape[:2]
    return np.pad(picture, ((0, rows % 2), (0, columns % 2), (0, 0)), mode="edge")


def _with_palette(picture: Array) -> Image.Image:
    """Grey stays exact; colour gets the 256 colours that suit it best."""
    from PIL import Image

    if picture.ndim == 2 or bool((picture == picture[..., :1]).all()):
        grey = picture if picture.ndim == 2 else picture[..., 0]
        return Image.fromarray(np.ascontiguousarray(grey))
    coloured = Image.fromarray(np.ascontiguousarray(picture))
    return coloured.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
