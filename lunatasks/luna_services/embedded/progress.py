"""How far a long command is: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

_QUIET_SECONDS = 10.0


class Progress:
    """Counts units on stderr with rate and remaining time. Used by `with`."""

    def __init__(self, total: int, unit: str, *, quiet_seconds: float = _QUIET_SECONDS) -> None:
        self._total, self._unit, self._quiet_seconds = total, unit, quiet_seconds
        self._done, self._started = 0, time.monotonic()
        self._told = self._started
        self._bar: Any = tqdm(total=total, unit=unit, file=sys.stderr) if sys.stderr.isatty() else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self, units: int = 1) -> None:
        """So many more units are done."""
        self._done += units
        if self._bar is not None:
            self._bar.update(units)
        elif time.monotonic() - self._told >= self._quiet_seconds:
            self._tell()

    def _tell(self) -> None:
        self._told = time.monotonic()
        rate = self._done / (self._told - self._started)
        left = (self._total - self._done) / rate
        line = f"{self._done} of {self._total} {self._unit}s, {rate:.1f}/s, {left:.0f} s left"
        print(line, file=sys.stderr, flush=True)
