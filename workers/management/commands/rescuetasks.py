"""`manage.py rescuetasks`: find lost work and send it again."""

import logging
import signal
import threading
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import Error as DatabaseError
from django.db import connection

from workers import rescue
from workers.files import leftovers
from workers.orphans import OrphanSweep

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 600


class Command(BaseCommand):
    help = "Give lost parts to other workers, send lost messages again, sweep files that no row names."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--loop", action="store_true", help="go on until SIGTERM")

    def handle(self, *args: Any, loop: bool, **options: Any) -> None:
        if not loop:
            report = rescue.rescue_once()
            self.stdout.write(f"{report}, files swept: {rescue.sweep_files()}")
            return
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        self._loop(stop)

    def _loop(self, stop: threading.Event) -> None:
        next_sweep = next_release = time.monotonic()
        images = OrphanSweep()
        while not stop.is_set():
            try:
                rescue.rescue_once(release=time.monotonic() >= next_release)
                if time.monotonic() >= next_sweep:
                    next_sweep = time.monotonic() + SWEEP_SECONDS
                    rescue.sweep_files()
                    leftovers.sweep()
                images.step()
            except DatabaseError as error:
                logger.warning("the database does not answer (%s)", type(error).__name__)
                connection.close()
                # Healthy workers could not write their beats either: first they have a lease's time for it.
                next_release = time.monotonic() + settings.LUNATASKS_LEASE_SECONDS
            except OSError as error:
                logger.warning("the storage does not answer (%s)", type(error).__name__)
            stop.wait(settings.LUNATASKS_RESCUE_SECONDS)
