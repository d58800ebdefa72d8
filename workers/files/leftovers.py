"""Temporary files under the home that a killed process left."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from django.conf import settings

NAMES = (("cache", ".copy-*"), ("tmp", "artefact-*"))
"""Folders and patterns of files in the making. The second ones have no names any more; earlier versions left some."""
MARGIN_SECONDS = 3600.0


def sweep() -> int:
    """Remove those that nobody can be writing: not touched for longer than any part may take; how many."""
    newest = time.time() - settings.LUNATASKS_DEADLINE_SECONDS - MARGIN_SECONDS
    count = 0
    for path in _temporary():
        with suppress(FileNotFoundError):  # another rescue was here
            if path.stat().st_mtime < newest:
                path.unlink()
                count += 1
    return count


def _temporary() -> Iterator[Path]:
    for folder, pattern in NAMES:
        yield from (settings.LUNATASKS_HOME / folder).glob(pattern)
