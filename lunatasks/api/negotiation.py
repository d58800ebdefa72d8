"""Which of several media types a client prefers."""

from collections.abc import Sequence

from django.http import HttpRequest

from lunatasks.errors import UnsupportedMediaType


def preferred(request: HttpRequest, offered: Sequence[str]) -> str:
    """The offered media type with the highest q-value, the first of equals; the first one without the header.

    Raises UnsupportedMediaType.
    """
    accept = request.headers.get("Accept")
    if accept is None or not accept.strip():
        return offered[0]
    ranges = [_read(part) for part in accept.split(",") if part.strip()]
    best = max(offered, key=lambda media_type: _quality(media_type, ranges))
    if _quality(best, ranges) <= 0:
        raise UnsupportedMediaType
    return best


def _quality(media_type: str, ranges: list[tuple[str, float]]) -> float:
    """Of the range that fits most closely; 0 when none does."""
    for pattern in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        for name, quality in ranges:
            if name == pattern:
                return quality
    return 0.0


def _read(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            return name, _number(value.strip())
    return name, 1.0


def _number(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0
