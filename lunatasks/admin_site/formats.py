"""Times, durations and numbers as pages show them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.utils.html import format_html
from django.utils.safestring import SafeString

NOTHING = "–"  # noqa: RUF001  the dash of an empty cell


def moment(value: datetime | None) -> SafeString | str:
    """A time in UTC, to the second; the exact one as its title."""
    if value is None:
        return NOTHING
    utc = value.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        utc.isoformat(),
        f"{utc:%Y-%m-%d %H:%M:%S.%f} UTC",
        f"{utc:%Y-%m-%d %H:%M:%S}",
    )


def duration(value: timedelta | None) -> str:
    """`0.42 s`, `12.3 s`, `3 min 20 s`, `2 h 05 min`, `3 d 4 h`."""
    if value is None:
        return NOTHING
    seconds = max(0.0, value.total_seconds())
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min"
    return f"{hours // 24} d {hours % 24} h"


def number(value: int) -> str:
    """Digits in groups of three, by narrow spaces."""
    return f"{value:,}".replace(",", "\u202f")


def count(value: int, noun: str, plural: str = "") -> str:
    """`1 task`, `1 200 tasks`."""
    return f"{number(value)} {noun if value == 1 else plural or noun + 's'}"


def short_id(value: UUID | None) -> SafeString | str:
    """The first eight digits; the whole id as title."""
    if value is None:
        return NOTHING
    return format_html('<code title="{}">{}…</code>', value, str(value)[:8])


def similarity(value: float) -> str:
    """A number 0..1 with four digits, rounded down: what is below a threshold never looks like it."""
    return f"{int(value * 10_000) / 10_000:.4f}"
