"""Bytes of strangers to pixels: every format, mode and orientation in, RGB or BadImage out."""

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from lunatasks.luna_services.ports import BadImage

Pixels = NDArray[np.uint8]
"""(height, width, 3) uint8, RGB."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF")
MAX_PIXELS = 80_000_000
MAX_BYTES = 100 * 2**20

# what Pillow's readers were seen to raise on damaged or hostile bytes
_DECODE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    EOFError,
    MemoryError,
    RuntimeError,
    AssertionError,
    struct.error,
    zlib.error,
    Warning,
    Image.DecompressionBombError,
)


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded photo, upright. `width` and `height` are the file's; a big JPEG may be decoded at 1/2, 1/4 or 1/8."""

    pixels: Pixels
    width: int
    height: int


def decode_photo(data: bytes, *, long_side: int | None = None) -> Photo:
    """Decode the first frame, upright by EXIF.

    `long_side`: pixels the caller needs; lets a JPEG be decoded at a fraction of its size, never below that.
    Raises BadImage for what is no image, is truncated or is larger than MAX_PIXELS or MAX_BYTES.
    """
    if len(data) > MAX_BYTES:
        raise BadImage(f"larger than {MAX_BYTES} bytes")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _refuse_bomb(image.size)
            size = image.size
            if long_side:
                image.draft(None, (long_side, long_side))
            image.load()
            upright = ImageOps.exif_transpose(image)
            turned = _swaps_sides(image)
            pixels = _to_rgb(upright)
    except BadImage:
        raise
    except _DECODE_ERRORS as error:
        # the class only: texts of decoders quote the file
        raise BadImage(f"cannot be decoded ({type(error).__name__})") from None
    width, height = size[::-1] if turned else size
    return Photo(pixels, width, height)


def check_jpeg(data: bytes, *, max_side: int = 4096) -> None:
    """Raises BadImage unless the bytes are a whole JPEG of at most `max_side` pixels a side."""
    if not data.startswith(b"\xff\xd8\xff"):
        raise BadImage("a sample is not a JPEG")
    photo = decode_photo(data)
    if max(photo.width, photo.height) > max_side:
        raise BadImage(f"a sample has more than {max_side} pixels a side")


def encode_jpeg(pixels: Pixels, *, quality: int = 90) -> bytes:
    """A JPEG without metadata."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return out.getvalue()


def _refuse_bomb(size: tuple[int, int]) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise BadImage(f"more than {MAX_PIXELS} pixels")


def _swaps_sides(image: Image.Image) -> bool:
    return image.getexif().get(0x0112) in (5, 6, 7, 8)


def _to_rgb(image: Image.Image) -> Pixels:
    if image.mode.startswith("I"):
        # 16 bit: Pillow's own conversion would clip everything above 255 to white
        wide = np.asarray(image).astype(np.int64)
        grey = np.clip(wide >> 8, 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode == "F":
        raise BadImage("floating point pixels")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return np.asarray(image.convert("RGB"))
