"""The part of an init system: whenever the tree of a stack ends, it is started again."""

import threading
import time
from types import TracebackType
from typing import Self

from workers.torture.stack import Stack

POLL_SECONDS = 0.03
YOUNG_SECONDS = 2.0
PAUSE_SECONDS = 0.5


class Init:
    """Runs beside the harness while the block lasts."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="init", daemon=True)
        self._launched = 0.0

    def __enter__(self) -> Self:
        self._launch()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def deploy(self) -> tuple[float, int | None]:
        """SIGTERM, wait, start again; the seconds until it had ended, and its exit code."""
        with self._lock:
            started = time.monotonic()
            code = self._stack.stop()
            seconds = time.monotonic() - started
            self._launch()
        return seconds, code

    def _run(self) -> None:
        while not self._end.wait(POLL_SECONDS):
            with self._lock:
                supervisor = self._stack.supervisor
                if supervisor is not None and supervisor.poll() is not None:
                    if time.monotonic() - self._launched < YOUNG_SECONDS:
                        time.sleep(PAUSE_SECONDS)
                    self._launch()

    def _launch(self) -> None:
        self._launched = time.monotonic()
        self._stack.launch()
