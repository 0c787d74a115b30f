"""Write a run made from another in the form of its source, by the plugin that reads that form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inference import registry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from inference.series import Array, Series


def write_run(
    stem: Path,
    series: Series,
    frames: Array,
    times: Sequence[float] | None,
    synthetic: Sequence[bool] | None = None,
    confidence: Sequence[float] | None = None,
    model: str = "",
) -> Path:
    """`frames` (t, y, x) made from `series`, `times` in ms: what was written; raises UserError.

    `<stem>.dcm` where the source is DICOM, else the folder `<stem>` with frame_0000.png …
    """
    path = stem.with_name(f"{stem.name}.dcm") if series.identity.series_uid else stem
    command = "limn-dicom.write_run" if series.identity.series_uid else "limn-images.write_frames"
    write: Any = registry.command(command)
    write(path, series, frames, times, synthetic, confidence, model)
    return path
