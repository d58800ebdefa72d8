"""`manage.py runworker`: one worker process."""

import logging
import signal
import time
from argparse import ArgumentParser
from typing import Any

import django_rq
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from redis import RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry
from threadpoolctl import threadpool_limits

from workers.context import SIGNALS_OF_PROCESS
from workers.processes import refuse_without_models
from workers.queue import TaskJob, TaskWorker

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Run one worker process until SIGTERM: the current block ends, the part is handed back."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--burst", action="store_true", help="end when the queues are empty")
        parser.add_argument("--queues", nargs="+", metavar="NAME", help="task queues to serve (default: all)")

    def handle(self, *args: Any, burst: bool, queues: list[str] | None, **options: Any) -> None:
        _stop_on_signals()
        refuse_without_models()
        threadpool_limits(limits=1)  # the number of workers is the parallelism
        names = self._names(queues)
        while not SIGNALS_OF_PROCESS.shutdown.is_set():
            try:
                _worker(names).work(burst=burst, logging_level=None)
            except RedisError as error:
                logger.warning("the queue does not answer (%s)", type(error).__name__)
            if burst:
                return
            _pause()

    def _names(self, queues: list[str] | None) -> list[str]:
        unknown = set(queues or ()) - set(settings.LUNATASKS_TASK_QUEUES)
        if unknown:
            raise CommandError(f"no such queue: {', '.join(sorted(unknown))}")
        wanted = ("control", *(queues or settings.LUNATASKS_TASK_QUEUES))
        return [f"{settings.LUNATASKS_QUEUE_PREFIX}{name}" for name in wanted]


def _stop_on_signals() -> None:
    """Until a worker listens to them itself, and between two workers."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: SIGNALS_OF_PROCESS.shutdown.set())


def _pause() -> None:
    """A second, or less when a stop is asked for; no wait for the event: its lock is the signal handler's too."""
    give_up = time.monotonic() + 1
    while time.monotonic() < give_up and not SIGNALS_OF_PROCESS.shutdown.is_set():
        time.sleep(0.1)


def _worker(names: list[str]) -> TaskWorker:
    queues = [django_rq.get_queue(name) for name in names]
    # The loop around it tries again; a stop must not wait for the client's ten times.
    queues[0].connection.set_retry(Retry(NoBackoff(), 0))
    return TaskWorker(
        queues,
        connection=queues[0].connection,
        job_class=TaskJob,
        serializer="rq.serializers.JSONSerializer",
        worker_ttl=30,
    )
