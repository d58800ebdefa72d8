"""The one spelling of uuids that clients may use."""

import re
from uuid import UUID

PATTERN = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"

_FORM = re.compile(PATTERN)


def parse_uuid(text: str) -> UUID:
    """8-4-4-4-12 hexadecimal digits of either case. Raises ValueError for braces, urn: and the like."""
    if not _FORM.fullmatch(text):
        raise ValueError("not a uuid in the 8-4-4-4-12 form")
    return UUID(text)
