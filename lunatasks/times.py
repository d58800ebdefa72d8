"""Times as clients write and read them: RFC 3339 in, UTC with six digits and `Z` out."""

import re
from datetime import UTC, datetime, timedelta

_RFC_3339 = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[Tt ](?P<time>\d\d:\d\d:\d\d)(?P<fraction>\.\d+)?"
    r"(?P<zone>[Zz]|[+\- ](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)


def format_time(moment: datetime | None) -> str | None:
    """The moment as every answer writes it; None stays None."""
    if moment is None:
        return None
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def parse_time(text: str) -> datetime:
    """A moment in UTC. Raises ValueError for anything but RFC 3339 with an offset.

    A `+` that arrived as a space in a query string is forgiven; digits beyond microseconds are cut off. A leap second
    is the one after it, as on most clocks.
    """
    match = _RFC_3339.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 time with an offset")
    zone = "+00:00" if match["zone"] in "Zz" else match["zone"].replace(" ", "+")
    fraction = (match["fraction"] or ".0")[:7]
    minute, _, second = match["time"].rpartition(":")
    leap = second == "60"
    try:
        moment = datetime.fromisoformat(f"{match['date']}T{minute}:{'59' if leap else second}{fraction:0<7}{zone}")
        moment = moment.astimezone(UTC)
        if leap and (moment.hour, moment.minute) != (23, 59):
            raise ValueError("no leap second")
        return moment + timedelta(seconds=leap)
    except OverflowError as error:
        raise ValueError("outside of the years 1 to 9999") from error
