"""Messages to the workers: ids only, sent after the commit.

A message that is lost costs time, never work: rescue sends it again. One that arrives twice loses the claim.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial

import django_rq
from django.conf import settings
from django.db import transaction
from redis import RedisError
from rq import Queue

from tasks_app.models import Subtask, Task
from tasks_app.states import Step, TaskType

logger = logging.getLogger(__name__)

CONTROL = "control"
QUEUE_OF_TYPE = {
    TaskType.LINKER: "linker",
    TaskType.CLUSTERING: "clustering",
    TaskType.GC: "gc",
    TaskType.REPORTER: "reporter",
    TaskType.ADDITIONAL_EXTRACT: "additional_extract",
    TaskType.CROSS_MATCH: "cross_match",
    TaskType.ROC: "roc",
    TaskType.EXPORTER: "exporter",
    TaskType.ESTIMATOR: "estimator",
}
ENTRY_OF_STEP = {Step.SPLIT: "split", Step.RESUME: "split", Step.RESTART: "split", Step.MERGE: "merge"}
MESSAGE_TTL = 7 * 86400
"""Seconds a message may wait; a hash left by a killed worker goes after that."""


@dataclass(frozen=True, slots=True)
class Message:
    """One call of an entry point of `workers.jobs`. `name` is the same for the same claim."""

    queue: str
    entry: str
    name: str
    arguments: dict[str, int | str]


def task_message(task: Task) -> Message:
    """The message that makes a worker do the task's next step, for the attempt the row stands at."""
    entry = ENTRY_OF_STEP[Step(task.step)]
    numbers = {"task_id": task.pk, "run": task.run, "step": task.step, "phase": task.phase, "attempt": task.attempt}
    return Message(
        queue=CONTROL,
        entry=entry,
        name=_name(entry, numbers),
        arguments={**numbers, "request_id": task.request_id},
    )


def _name(entry: str, numbers: dict[str, int]) -> str:
    # Installations that share a Redis share the names of jobs too, but for the prefix.
    return "-".join([f"{settings.LUNATASKS_QUEUE_PREFIX}{entry}", *(str(number) for number in numbers.values())])


def part_message(part: Subtask, task: Task) -> Message:
    """The message that makes a worker run a part, for the attempt the row stands at."""
    numbers = {"task_id": task.pk, "subtask_id": part.pk, "run": part.run, "attempt": part.attempt}
    return Message(
        queue=QUEUE_OF_TYPE[TaskType(task.task_type)],
        entry="process",
        name=_name("process", numbers),
        arguments={**numbers, "request_id": task.request_id},
    )


def send_on_commit(messages: Sequence[Message]) -> None:
    """Send when the current transaction commits, at once outside of one."""
    transaction.on_commit(partial(send, messages), robust=True)


def send(messages: Iterable[Message]) -> bool:
    """Put messages into their queues; False, logged, when the queue does not answer: rescue will send them."""
    by_queue: dict[str, list[Message]] = defaultdict(list)
    for message in messages:
        by_queue[message.queue].append(message)
    try:
        for name, group in by_queue.items():
            _enqueue(queue(name), group)
    except RedisError as error:
        logger.warning("the queue does not answer (%s); rescue will send the messages", type(error).__name__)
        return False
    return True


def _enqueue(target: Queue, messages: Sequence[Message]) -> None:
    target.enqueue_many(
        [
            Queue.prepare_data(
                f"workers.jobs.{message.entry}",
                kwargs=message.arguments,
                job_id=message.name,
                timeout=-1,
                result_ttl=0,
                failure_ttl=0,
                ttl=MESSAGE_TTL,
                description=message.name,
            )
            for message in messages
        ]
    )


def waiting_names(name: str) -> set[str]:
    """Names of the messages in a queue; whatever strangers pushed into it is a name that is nobody's."""
    target = queue(name)
    return {item.decode(errors="replace") for item in target.connection.lrange(target.key, 0, -1)}


@cache
def queue(name: str) -> Queue:
    """The queue of that name; one client and its pool for the life of the process."""
    return django_rq.get_queue(f"{settings.LUNATASKS_QUEUE_PREFIX}{name}")
