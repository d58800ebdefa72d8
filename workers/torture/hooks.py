"""What torture changes inside the processes of its stack: more fault points, wrong clocks, slow parts, bugs.

The engine knows nothing of this; `workers.apps` loads it when a switch for tests is set.
"""

import os
import resource
import signal
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
COUNT = '"count_task_parts_done" = ("'
"""The update by which the end of a part is counted: between it and the part's own update bugs of the fan-in hide."""
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
        shift_clock(settings.LUNATASKS_CLOCK_OFFSET * _direction(os.getpid()))
    if settings.LUNATASKS_ROLE == "worker":
        _slow_down()
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
            if COUNT in sql:
                faults.point("count.statement")
            faults.point("task.statement")
        faults.point("transaction.statement")
    return execute(sql, parameters, many, context)


def _after_commit(send: Callable[..., bool]) -> Callable[..., bool]:
    @wraps(send)
    def watched(messages: Any) -> bool:
        faults.point("dispatch.send")
        return send(messages)

    return watched


# -- slow steps, deadly parts ------------------------------------------------------------------------


def _slow_down() -> None:
    for number, kind in TYPES.items():
        TYPES[number] = replace(
            kind,
            split=_slowly("split", kind.split),
            process=_slowly("parts", _deadly(kind.process)),
            merge=_slowly("merge", kind.merge),
        )


def _slowly(step: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def slow(context: Context, *arguments: Any) -> Any:
        _dawdle(context, step)
        return function(context, *arguments)

    return slow


def _dawdle(context: Context, step: str) -> None:
    """Be busy for as long as `slow.<task>`, of parts only, or `slow.<step>` says.

    The moment of a stop is left in `stopped.<task>.<pid>`.
    """
    folder = Path(settings.LUNATASKS_FAULTS_DIR)
    names = [f"slow.{context.task_id}"] if step == "parts" else []
    give_up = time.monotonic() + _seconds(*(folder / name for name in [*names, f"slow.{step}"]))
    try:
        while time.monotonic() < give_up:
            time.sleep(SLEEP_SECONDS)
            context.check()
    except Stopped:
        # The clock that was not shifted: the harness compares it with its own.
        now = time.clock_gettime(time.CLOCK_REALTIME)
        temporary = folder / f"stopping.{os.getpid()}"
        temporary.write_text(repr(now))
        temporary.rename(folder / f"stopped.{context.task_id}.{os.getpid()}")
        raise


def _deadly(process: Callable[[Context, Any], Artefact | None]) -> Callable[[Context, Any], Artefact | None]:
    """A part that `crash.<task>-<phase>-<number>` names ends its process as a fault of its machine code would."""

    @wraps(process)
    def deadly(context: Context, content: Any) -> Artefact | None:
        part = context.prefix.rpartition("/")[2].rpartition("-")[0]
        if (Path(settings.LUNATASKS_FAULTS_DIR) / f"crash.{context.task_id}-{part}").exists():
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.kill(os.getpid(), signal.SIGSEGV)
        return process(context, content)

    return deadly


def _seconds(*paths: Path) -> float:
    for path in paths:
        with suppress(FileNotFoundError, ValueError):
            return float(path.read_text())
    return 0.0


# -- clocks ------------------------------------------------------------------------------------------


def _direction(pid: int) -> int:
    """Fast or slow, by chance; of the web server fast: it says what "created until now" means to a task's filters."""
    return 1 if settings.LUNATASKS_ROLE == "web" or pid % 2 else -1


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
