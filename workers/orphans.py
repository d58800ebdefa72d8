"""Files of the image store that no row names: what a process left that died between a file and a commit."""

import time
from collections.abc import Iterator

from lunatasks.luna_services import registry

PAUSE_SECONDS = 3600.0


class OrphanSweep:
    """Removes them, a folder at a time, so that nobody waits for it.

    A file is there before the row that names it is committed: it goes only when it had no row at two looks with an
    hour between them. A round that an error ended is over; what it did not see waits for the next but one.
    """

    def __init__(self) -> None:
        self._folders: Iterator[list[str]] | None = None
        """Of the round that runs; None between rounds."""
        self._before: set[str] = set()
        self._now: set[str] = set()
        self._next_round = time.monotonic()

    def step(self) -> int:
        """Look into the next folder, when it is time; the number of files that were removed."""
        if self._folders is None:
            if time.monotonic() < self._next_round:
                return 0
            self._before, self._now = self._now, set()
            self._folders = registry.image_store().iterate_orphans()
        found = next(self._folders, None)
        if found is None:
            self._folders, self._next_round = None, time.monotonic() + PAUSE_SECONDS
            return 0
        self._now.update(found)
        return registry.image_store().remove_orphans([name for name in found if name in self._before])
