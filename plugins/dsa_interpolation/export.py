"""The files of an interpolated run: DICOM for DICOM, else a folder of frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from inference.series import Series

PICTURES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"}


def write(series: Series, result: Mapping[str, Any], stem: Path) -> dict[str, Any]:
    """Write `stem`_interpolated.dcm or the folder `stem`_interpolated; UserError.

    Gives times and which frames are synthetic, for the JSON.
    """
    from inference import registry

    by_dicom = series.path.suffix.lower() not in PICTURES
    command = "limn-dicom.write_run" if by_dicom else "limn-images.write_frames"
    path = stem.with_name(f"{stem.name}_interpolated{'.dcm' if by_dicom else ''}")
    about = tuple(result[key] for key in ("times", "synthetic", "confidence"))
    registry.command(command)(path, series, result["frames"], *about, model=model_name(result))
    return {
        "frames": len(result["frames"]),
        "frame_times_ms": [round(float(t), 3) for t in result["times"]],
        "synthetic": list(result["synthetic"]),
        "confidence": [round(float(c), 3) for c in result["confidence"]],
        "flags": result["flags"],
    }


def model_name(result: Mapping[str, Any]) -> str:
    """Such as "MoSt-DSA fast 1"."""
    model = result["model"]
    return f"MoSt-DSA {model['name']} {model['version']}"
