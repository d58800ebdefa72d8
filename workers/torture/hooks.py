"""What torture changes inside the processes of its stack: more fault points, wrong clocks, slow parts, bugs.

The engine knows nothing of this; `workers.apps` loads it when a switch for tests is set.
"""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.utils import timezone

from tasks_app import dispatch
from tasks_app.transitions import Artefact
from workers import faults
from workers.context import Context, Stopped
from workers.task_types import TYPES
from workers.torture import bugs

WRITES = ("UPDATE", "INSERT", "DELETE")
PART_UPDATE, TASK_UPDATE = 'UPDATE "tasks_app_subtask"', 'UPDATE "tasks_app_task"'
SLEEP_SECONDS = 0.02


def install() -> None:
    """Switch on what the environment asks for. Raises ImproperlyConfigured outside of a stack made for tests."""
    folder, home = Path(settings.LUNATASKS_FAULTS_DIR), Path(settings.LUNATASKS_HOME)
    if not settings.LUNATASKS_FAULTS_DIR or home not in folder.absolute().parents:
        raise ImproperlyConfigured(
            "LUNATASKS_BUG, LUNATASKS_CLOCK_OFFSET and LUNATASKS_FAULTS_DIR are for tests: "
            "the folder of faults must lie within LUNATASKS_HOME"
        )
    if settings.LUNATASKS_ROLE != "command" or "rescuetasks" in sys.argv:
        connection_created.connect(_watch, dispatch_uid="torture")
        dispatch.send = _after_commit(dispatch.send)
    if settings.LUNATASKS_ROLE == "worker":
        _slow_down()
        shift_clock(settings.LUNATASKS_CLOCK_OFFSET * (1 if os.getpid() % 2 else -1))
        bugs.install(settings.LUNATASKS_BUG)


# -- fault points that the engine need not know ------------------------------------------------------


def _watch(sender: object, connection: BaseDatabaseWrapper, **_: Any) -> None:
    if _before_statement not in connection.execute_wrappers:
        connection.execute_wrappers.append(_before_statement)


def _before_statement(
    execute: Callable[..., Any], sql: str, parameters: Any, many: bool, context: dict[str, Any]
) -> Any:
    if context["connection"].in_atomic_block and sql.startswith(WRITES):
        if sql.startswith(PART_UPDATE):
            faults.point("part.statement")
        elif sql.startswith(TASK_UPDATE):
            faults.point("task.statement")
        faults.point("transaction.statement")
    return execute(sql, parameters, many, context)


def _after_commit(send: Callable[..., bool]) -> Callable[..., bool]:
    @wraps(send)
    def watched(messages: Any) -> bool:
        faults.point("dispatch.send")
        return send(messages)

    return watched


# -- slow parts --------------------------------------------------------------------------------------


def _slow_down() -> None:
    for number, kind in TYPES.items():
        TYPES[number] = replace(kind, process=_slowly(kind.process))


def _slowly(process: Callable[[Context, Any], Artefact | None]) -> Callable[[Context, Any], Artefact | None]:
    @wraps(process)
    def slow(context: Context, content: Any) -> Artefact | None:
        _dawdle(context)
        return process(context, content)

    return slow


def _dawdle(context: Context) -> None:
    """Be busy for as long as `slow.<task>` or `slow.all` says; leave the moment of a stop in `stopped.<task>.<pid>`."""
    folder = Path(settings.LUNATASKS_FAULTS_DIR)
    give_up = time.monotonic() + _seconds(folder / f"slow.{context.task_id}", folder / "slow.all")
    try:
        while time.monotonic() < give_up:
            time.sleep(SLEEP_SECONDS)
            context.check()
    except Stopped:
        # The clock that was not shifted: the harness compares it with its own.
        now = time.clock_gettime(time.CLOCK_REALTIME)
        (folder / f"stopped.{context.task_id}.{os.getpid()}").write_text(repr(now))
        raise


def _seconds(*paths: Path) -> float:
    for path in paths:
        with suppress(FileNotFoundError, ValueError):
            return float(path.read_text())
    return 0.0


# -- clocks ------------------------------------------------------------------------------------------


def shift_clock(seconds: float) -> None:
    """Make this process's Python believe in another time: `time.time`, `timezone.now`, defaults of columns."""
    if not seconds:
        return
    true_time, true_now = time.time, timezone.now

    def wrong_now() -> datetime:
        return true_now() + timedelta(seconds=seconds)

    time.time = lambda: true_time() + seconds
    timezone.now = wrong_now
    for model in apps.get_models():
        for field in model._meta.concrete_fields:  # noqa: SLF001  Django's public way to the columns
            if field.default is true_now:
                field.default = wrong_now
                field.__dict__.pop("_get_default", None)
