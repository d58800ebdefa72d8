"""A stack as the harness meets it: its API, its rows, its files, its processes, its folder of orders."""

import http.client
import json
import os
import random
import signal
import sqlite3
import time
import urllib.error
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import redis

from lunatasks.secrets import embedded_queue_url
from workers.torture import files, history
from workers.torture.stack import Stack, command_line, descendants, forget_queue

NO_ANSWER = (urllib.error.URLError, http.client.HTTPException, OSError)
QUEUE_SERVERS = ("redis-server", "valkey-server")
DATABASE_ERRORS = (sqlite3.Error, psycopg.Error)


class Claim(NamedTuple):
    """Kind and id of a row, its task, and the process that holds it."""

    row: tuple[str, int]
    task_id: int
    pid: int


@dataclass
class World:
    """What a fault, a client or a check needs of a running stack."""

    stack: Stack
    orders: Path = field(init=False)
    _number: int = 0

    def __post_init__(self) -> None:
        self.orders = self.stack.home / "faults"
        self.orders.mkdir()

    # the API

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Status and body; status 0 when nobody answered."""
        try:
            status, _, answer = self.stack.request(method, path, body, timeout=10)
        except NO_ANSWER:
            return 0, b""
        return status, answer

    def ask_until_answered(
        self, method: str, path: str, body: object = None, *, within: float = 60
    ) -> tuple[int, bytes]:
        """The same, again until the web server is there and can reach the database."""
        give_up = time.monotonic() + within
        while True:
            status, answer = self.ask(method, path, body)
            if (status and status < 500) or time.monotonic() > give_up:
                return status, answer
            time.sleep(0.1)

    def task(self, task_id: int) -> dict[str, Any] | None:
        """The task; None when there is none."""
        status, answer = self.ask_until_answered("GET", f"/1/tasks/{task_id}")
        return json.loads(answer) if status == 200 else None

    # the rows

    def rows(self, sql: str) -> list[Any]:
        """What a SELECT answers, again after the database has come back."""
        give_up = time.monotonic() + 60
        while True:
            try:
                with history.connected(self.stack.database_url, str(self.stack.home / "db.sqlite3")) as connection:
                    return list(connection.execute(sql).fetchall())
            except DATABASE_ERRORS:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.2)

    def events(self, after: int = 0) -> list[history.Event]:
        """The history behind an event."""
        with history.connected(self.stack.database_url, str(self.stack.home / "db.sqlite3")) as connection:
            return history.read(connection, after=after)

    def begin_history(self) -> None:
        with history.connected(self.stack.database_url, str(self.stack.home / "db.sqlite3")) as connection:
            history.install(connection)

    def statuses(self) -> dict[int, int]:
        """The status of every task there is."""
        return dict(self.rows("SELECT id, task_status FROM tasks_app_task"))

    def last_event(self) -> int:
        """The newest event of the history."""
        return int(self.rows("SELECT COALESCE(MAX(id), 0) FROM torture_history")[0][0])

    def claims(self) -> list[Claim]:
        """Every claim, those of dead workers among them until rescue has come by."""
        held = (
            "SELECT 'task', id, id, worker FROM tasks_app_task WHERE lease_until IS NOT NULL"
            " UNION ALL SELECT 'part', id, task_id, worker FROM tasks_app_subtask WHERE lease_until IS NOT NULL"
        )
        return [
            Claim((kind, number), task_id, int(worker.rpartition(":")[2]))
            for kind, number, task_id, worker in self.rows(held)
        ]

    def claims_of_task(self, task_id: int) -> set[tuple[str, int]]:
        """Kind and id of the task's rows that any worker holds."""
        return {claim.row for claim in self.claims() if claim.task_id == task_id}

    def holders(self) -> set[int]:
        """Process ids of all workers that hold something."""
        return {claim.pid for claim in self.claims()}

    # the files

    @property
    def results(self) -> Path:
        return self.stack.home / "results"

    def broken_files(self) -> list[str]:
        """Files of tasks that bear their final name and are not whole."""
        return files.half_written(self.results)

    # the processes

    def pids(self, word: str) -> list[int]:
        return sorted(self.stack.processes(word))

    def queue_servers(self) -> list[int]:
        """Servers write a title of their own over their command line; the file they were started with is not in it."""
        return sorted(pid for name in QUEUE_SERVERS for pid in self.stack.processes(name))

    def some_worker(self, chance: float, *, within: float = 30.0) -> int | None:
        """One of the workers, when there is one in time."""
        give_up = time.monotonic() + within
        while not (pids := self.pids("runworker")):
            if time.monotonic() > give_up:
                return None
            time.sleep(0.05)
        return pids[int(chance * len(pids))]

    def stopped_process(self) -> int | None:
        """A process of the tree that stands still by SIGSTOP."""
        supervisor = self.stack.supervisor
        for pid in descendants(supervisor.pid) if supervisor else ():
            with suppress(FileNotFoundError, ProcessLookupError):
                if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T":
                    return pid
        return None

    # the orders

    def order(self, point: str, action: str) -> Path:
        """Order a fault; the file that stays until it is carried out."""
        self._number += 1
        path = self.orders / f"{point}.{action}.{self._number}"
        path.touch()
        return path

    def slow(self, seconds: float, what: int | str = "parts") -> None:
        """Make every part take so long, or the parts of the task of that number, or every `split` or `merge`."""
        (self.orders / f"slow.{what}").write_text(str(seconds))

    # the queue

    def flush_queue(self) -> bool:
        """Lose every message; of a shared Redis those of this stack. False when no server answers."""
        try:
            if self.stack.queue:
                forget_queue(self.stack.queue, self.stack.name)
            else:
                with redis.Redis.from_url(embedded_queue_url(self.stack.home), socket_timeout=5) as client:
                    client.flushall()
        except (redis.RedisError, OSError):
            return False
        return True


def kill(pid: int | None, number: signal.Signals = signal.SIGKILL) -> bool:
    """Send a signal; False when the process has gone."""
    if pid is None:
        return False
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def is_process(pid: int) -> bool:
    """Whether it lives and is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z" and bool(command_line(pid))


def wait_for(ready: Callable[[], object], within: float, *, pause: float = 0.03) -> bool:
    """Poll until ready; False when it took too long."""
    give_up = time.monotonic() + within
    while not ready():
        if time.monotonic() > give_up:
            return False
        time.sleep(pause)
    return True


def chooser(seed: int, purpose: str) -> random.Random:
    """A source of choices of its own for each purpose, so that they do not shift one another."""
    return random.Random(f"{seed} {purpose}")  # noqa: S311  a plan, no secret
