"""RQ, reduced to what a message may do here: name one of three entry points, with plain arguments.

RQ's own machinery around a job (pickles, callbacks, webhooks, repeats, dependents, results, registries) never runs: a
message is checked, taken off, and its entry point is called. What became of the work stands in our rows.
"""

import logging
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import Error as DatabaseError
from django.db import close_old_connections, connection
from redis import Redis, RedisError
from redis import exceptions as redis_errors
from rq import Queue, SimpleWorker
from rq.exceptions import DequeueTimeout, NoSuchJobError, StopRequested
from rq.job import Job
from rq.worker import WorkerStatus

from lunatasks.api.request_id import bound
from workers import faults, jobs
from workers.context import SIGNALS_OF_PROCESS

logger = logging.getLogger(__name__)

QUEUE_GONE = (redis_errors.ConnectionError, redis_errors.TimeoutError)
POLL_SECONDS = 1
PAUSE_SECONDS = 1.0

ENTRY_POINTS: dict[str, Callable[..., None]] = {
    "workers.jobs.split": jobs.split,
    "workers.jobs.process": jobs.process,
    "workers.jobs.merge": jobs.merge,
}


class TaskJob(Job):
    """A message as it was found; one that cannot be read counts as gone."""

    @classmethod
    def fetch(cls, id: str, connection: Redis, serializer: Any = None, **named: Any) -> "TaskJob":
        try:
            return super().fetch(id, connection=connection, serializer=serializer, **named)
        except (NoSuchJobError, RedisError):
            raise
        except Exception as error:  # whatever strangers put into the queue must not end a worker
            logger.warning("a message that cannot be read was dropped (%s)", type(error).__name__)
            raise NoSuchJobError from error


def entry_of(job: Job) -> Callable[..., None] | None:
    """The entry point that a message names, when it is one of ours with arguments by name; else None."""
    try:
        name, instance, positional, named = job.func_name, job.instance, job.args, job.kwargs
    except Exception as error:  # noqa: BLE001  as above
        logger.warning("a message that cannot be read was dropped (%s)", type(error).__name__)
        return None
    known = isinstance(name, str) and name in ENTRY_POINTS
    if not known or instance or positional or not isinstance(named, dict):
        logger.warning("a message that names none of our entry points was dropped")
        return None
    return ENTRY_POINTS[name]


class TaskWorker(SimpleWorker):
    """One process, one message at a time; SIGTERM hands the running part back."""

    log_result_lifespan = False
    dequeue_timeout = POLL_SECONDS
    connection_timeout = POLL_SECONDS + 2
    """Of RQ's socket: a server that is silent for longer counts as gone."""
    _ordered_queues: list[Queue]

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """The next message; None when a burst is over.

        A stop never interrupts the queue server's answer, which would lose a message: it is asked anew each second.
        """
        while not self._stop_requested:
            try:
                self.set_state(WorkerStatus.IDLE)
                self.heartbeat()
                found = self._next_message(timeout and POLL_SECONDS)
            except DequeueTimeout:
                continue
            except QUEUE_GONE as error:
                logger.warning("the queue does not answer (%s)", type(error).__name__)
                time.sleep(PAUSE_SECONDS)
                continue
            if found:
                self.reorder_queues(reference_queue=found[1])
            return found
        raise StopRequested

    def _next_message(self, timeout: int | None) -> tuple[Job, Queue] | None:
        while True:
            try:
                found: tuple[Job, Queue] | None = self.queue_class.dequeue_any(
                    self._ordered_queues,
                    timeout,
                    connection=self.connection,
                    job_class=self.job_class,
                    serializer=self.serializer,
                    death_penalty_class=self.death_penalty_class,
                )
            except UnicodeDecodeError:
                logger.warning("a message whose name is no text was dropped")
                continue
            return found

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Call the message's entry point; the message is taken off whatever happens, our rows say what is left."""
        if self._stop_requested:
            queue.push_job_id(job.id, at_front=True)  # nothing was begun: another worker has it at once
            return
        self._show(WorkerStatus.BUSY)
        try:
            faults.point("job.received")
            self._call(job)
        finally:
            close_old_connections()
            self._take_off(job)
            self._show(WorkerStatus.IDLE)

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """For people who look, like the status: a queue that is gone is met at the next message."""
        with suppress(RedisError):
            super().heartbeat(timeout, pipeline)

    def _show(self, status: WorkerStatus) -> None:
        with suppress(RedisError):  # for people who look; the message is ours all the same
            self.set_state(status)

    def _call(self, job: Job) -> None:
        entry = entry_of(job)
        if entry is None:
            return
        close_old_connections()
        with bound(str(job.kwargs.get("request_id", ""))):
            try:
                entry(**job.kwargs)
            except DatabaseError as error:
                # The claim was not to be had; rescue sends the message again when the database is back.
                logger.warning("the database does not answer (%s)", type(error).__name__)
                connection.close()
                time.sleep(0.5)
            except ObjectDoesNotExist:
                logger.info("the task was deleted between its claim and the work")
            except (TypeError, ValueError) as error:
                logger.warning("a message with wrong arguments was dropped (%s)", type(error).__name__)

    def _take_off(self, job: Job) -> None:
        try:
            self.connection.delete(job.key)
        except RedisError as error:
            logger.warning("a message stays until it expires (%s)", type(error).__name__)

    def reorder_queues(self, reference_queue: Queue) -> None:
        """Control messages first, then one queue after the other, so that no type starves another one."""
        first, *others = self._ordered_queues
        if reference_queue in others:
            at = others.index(reference_queue) + 1
            self._ordered_queues = [first, *others[at:], *others[:at]]

    def _install_signal_handlers(self) -> None:
        signal.signal(signal.SIGINT, self.request_stop)
        signal.signal(signal.SIGTERM, self.request_stop)
        self._stop_requested = SIGNALS_OF_PROCESS.shutdown.is_set()  # by one that came before

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Stop at the next check of the running part, within a second when idle."""
        SIGNALS_OF_PROCESS.shutdown.set()
        self._stop_requested = True

    def subscribe(self) -> None:
        """No commands by channel: who can write to the queue must not be able to stop workers."""

    def unsubscribe(self) -> None:
        """Nothing was subscribed."""

    def check_for_suspension(self, burst: bool) -> None:
        """Nobody suspends us: `rq suspend` of another application on the same server would stop every task."""

    def run_maintenance_tasks(self) -> None:
        """RQ's registries are not used."""
