"""Time and place of a photo by its EXIF data, as far as they make sense."""

import io
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from PIL import Image

from lunatasks.luna_services.embedded.images import FORMATS

_EXIF, _GPS = 0x8769, 0x8825
_TAKEN, _OFFSET = 0x9003, 0x9011
_LATITUDE_REF, _LATITUDE, _LONGITUDE_REF, _LONGITUDE = 1, 2, 3, 4


@dataclass(frozen=True, slots=True)
class ExifInfo:
    """When and where a photo was taken; None is unknown."""

    time: datetime | None = None
    longitude: float | None = None
    latitude: float | None = None


def read_exif(data: bytes) -> ExifInfo:
    """What the EXIF data say; a time without an offset is taken as UTC. Nonsense is unknown, never an error."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            exif = image.getexif()
            taken, place = exif.get_ifd(_EXIF), exif.get_ifd(_GPS)
    except Exception:  # noqa: BLE001  Pillow's readers raise anything on hostile tags, and none of it matters here
        return ExifInfo()
    longitude = _degrees(place, _LONGITUDE, _LONGITUDE_REF, "W", 180)
    latitude = _degrees(place, _LATITUDE, _LATITUDE_REF, "S", 90)
    if longitude is None or latitude is None:
        longitude = latitude = None
    return ExifInfo(_time(taken), longitude, latitude)


def _time(tags: Mapping[int, Any]) -> datetime | None:
    try:
        taken = datetime.strptime(_text(tags[_TAKEN]), "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    except (KeyError, ValueError):
        return None
    with suppress(KeyError, ValueError, OverflowError):
        taken = datetime.fromisoformat(f"{taken:%Y-%m-%dT%H:%M:%S}{_text(tags[_OFFSET])}").astimezone(UTC)
    return taken if taken.year >= 1900 else None


def _text(value: Any) -> str:
    return str(value).strip("\0 ")


def _degrees(tags: Mapping[int, Any], tag: int, reference: int, negative: str, most: int) -> float | None:
    try:
        hours, minutes, seconds = (float(part) for part in tags[tag])
        degrees = hours + minutes / 60 + seconds / 3600
    except (KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    if not math.isfinite(degrees) or not 0 <= degrees <= most:
        return None
    return -degrees if _text(tags.get(reference)) == negative else degrees
