"""The thread that keeps a claim alive while the main thread works."""

import logging
import os
import threading
import time
from types import TracebackType
from typing import Self

from django.conf import settings
from django.db import Error, connection

from tasks_app import transitions
from workers import faults
from workers.context import Signals

logger = logging.getLogger(__name__)

EXIT_DEADLINE = 75


class Heartbeat:
    """Extends the lease, writes progress, and tells the main thread when the claim is lost.

    The thread has a database connection of its own, opened by its first beat: short work never pays for it.
    Past the deadline the process ends, the lease runs out, and rescue counts the loss.
    """

    def __init__(self, fence: transitions.Fence, signals: Signals) -> None:
        self._fence = fence
        self._signals = signals
        self._ended = threading.Event()
        self._deadline = time.monotonic() + settings.LUNATASKS_DEADLINE_SECONDS
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._ended.wait(settings.LUNATASKS_BEAT_SECONDS) and not self._signals.lost.is_set():
                self._beat()
        finally:
            connection.close()

    def _beat(self) -> None:
        if time.monotonic() > self._deadline:
            logger.error("%s is past its deadline; this process ends", self._fence)
            os._exit(EXIT_DEADLINE)
        faults.point("heartbeat.beat")
        try:
            kept = transitions.extend_lease(
                self._fence,
                lease=settings.LUNATASKS_LEASE_SECONDS,
                done=self._signals.done,
                total=self._signals.total,
            )
        except Error as error:  # the database may come back before the lease runs out
            logger.warning("a heartbeat failed: %s", type(error).__name__)
            connection.close()
            return
        if not kept:
            self._signals.lost.set()
