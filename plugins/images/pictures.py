"""Single pictures: every bit depth, palette, transparency and rotation that cameras write."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from inference.errors import UserError
from inference.reading import require_memory, require_picture, sha256
from inference.series import Series

if TYPE_CHECKING:
    from pathlib import Path

    from inference.series import Array

ROTATION_TAG = 0x0112
PLAIN_MODES = ("L", "RGB", "I;16", "I;16B", "F")  # arrays that need no conversion
DEEP_COLOUR, DEEP_GREY_ALPHA = (2, 6), 4  # colour types of PNG
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
SIGNATURES = (PNG_SIGNATURE, b"\xff\xd8\xff", b"BM")  # of PNG, JPEG, BMP


def read_picture(path: Path) -> Series:
    """A PNG, JPEG or BMP as (y, x) or (y, x, 3); raises UserError."""
    deep = _deep_png(path)
    stored, shown, notes = _decode_deep_png(path) if deep in DEEP_COLOUR else _decode(path)
    shown, dropped = without_alpha(path, shown)
    if deep == DEEP_GREY_ALPHA:
        notes = (*notes, f"The 16 bits of {path.name} were reduced to 8.")
    return Series(
        shown, "image", "OT", (path,), rgb=shown.ndim == 3,
        sha256=sha256(stored), warnings=(*notes, *dropped),
    )  # fmt: skip


def without_alpha(path: Path, pixels: Array) -> tuple[Array, tuple[str, ...]]:
    """Grey (y, x) or colour (y, x, 3), and a warning where a transparency was dropped."""
    if pixels.ndim == 2 or pixels.shape[-1] == 3:
        return pixels, ()
    colours = pixels.shape[-1] - 1
    kept = pixels[..., 0] if colours == 1 else pixels[..., :colours]
    opaque = bool((pixels[..., -1] == np.iinfo(pixels.dtype).max).all())
    note = f"The transparency of {path.name} was dropped."
    return np.ascontiguousarray(kept), () if opaque else (note,)


def _decode(path: Path) -> tuple[Array, Array, tuple[str, ...]]:
    """Stored values, values to show, warnings."""
    try:
        with warnings.catch_warnings():  # the size is checked here, with a sentence of our own
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = _open(path)
            stored = np.asarray(image)
            turned, notes = _turned(path, image)
            return stored, _plain(turned), notes
    except UnidentifiedImageError as error:
        raise UserError(_unidentified(path)) from error
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{path.name} is damaged or cut off: copy it again ({error}).") from error


def _unidentified(path: Path) -> str:
    """A picture may end before the decoder knows it for one."""
    if not path.stat().st_size:
        return f"{path.name} is empty: nothing was saved in it."
    with path.open("rb") as file:
        begins_well = file.read(8).startswith(SIGNATURES)
    if begins_well:
        return f"{path.name} is damaged or cut off: copy it again."
    return f"{path.name} is not a picture, whatever its name says."


def _open(path: Path) -> Image.Image:
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        image = Image.open(path)
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    require_picture(path, *image.size)
    require_memory(path, (*image.size, len(image.getbands())), np.uint16)
    image.load()
    return image


def _turned(path: Path, image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    if image.getexif().get(ROTATION_TAG, 1) == 1:
        return image, ()
    note = f"{path.name} was turned upright, as the camera's rotation mark says."
    return ImageOps.exif_transpose(image), (note,)


def _plain(image: Image.Image) -> Array:
    """Grey or colour values: palettes looked up, CMYK and black-and-white converted."""
    if image.mode in PLAIN_MODES or image.mode in {"LA", "RGBA"}:
        return np.asarray(image)
    if image.mode == "I":  # Pillow's form of some 16-bit greys
        return np.asarray(image).astype(np.uint16)
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    return np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))


def _deep_png(path: Path) -> int | None:
    """The colour type of a 16-bit PNG with several channels, which Pillow would cut to 8 bit."""
    with path.open("rb") as file:
        head = file.read(26)
    is_deep = head[:8] == PNG_SIGNATURE and len(head) == 26 and head[24] == 16
    return head[25] if is_deep and head[25] in {*DEEP_COLOUR, DEEP_GREY_ALPHA} else None


def _decode_deep_png(path: Path) -> tuple[Array, Array, tuple[str, ...]]:
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        width, height = reader.GetSize()[:2]
        require_picture(path, width, height)
        require_memory(path, (width, height, 4), np.uint16)
        pixels: Any = sitk.GetArrayFromImage(reader.Execute())
    except RuntimeError as error:
        raise UserError(f"{path.name} is damaged or cut off: copy it again.") from error
    return pixels, pixels, ()
