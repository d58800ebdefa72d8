"""A real stack in a folder of its own: `runall` with its children, on a database and a queue given by URL.

For tests, torture and benchmarks. Every request goes over a real socket on loopback.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis
from django.conf import settings

ACCOUNT = "6d071cca-fda5-4a03-84d5-5bea65904480"
READY_SECONDS = 90.0


class StackError(Exception):
    """The stack did not do what every stack does: start, answer, finish in time."""


@dataclass
class Stack:
    """Start by `with`; the folder, the database and the queue's keys are removed at the end.

    `database` empty: SQLite; else the URL of a PostgreSQL server on which a fresh database is made. `queue` empty: our
    own server; else a Redis URL, used under a prefix of its own.
    """

    database: str = ""
    queue: str = ""
    workers: int = 2
    environment: dict[str, str] = field(default_factory=dict)
    home: Path = field(init=False)
    port: int = field(init=False)
    supervisor: subprocess.Popen[bytes] | None = field(init=False, default=None)

    def __enter__(self) -> Self:
        self.home = Path(tempfile.mkdtemp(prefix="lunatasks-stack-"))
        self.port = free_port()
        self.name = f"stack_{secrets.token_hex(6)}"
        self.log: IO[bytes] = (self.home / "stack.log").open("wb")
        if self.database:
            _administer(self.database, f'CREATE DATABASE "{self.name}"')
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.log.close()
        if self.database:
            _administer(self.database, f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')
        if self.queue:
            forget_queue(self.queue, self.name)
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def database_url(self) -> str:
        """The URL of this stack's own database; empty for SQLite."""
        if not self.database:
            return ""
        parts = urlsplit(self.database)
        return urlunsplit(parts._replace(path=f"/{self.name}"))

    def variables(self) -> dict[str, str]:
        """The environment of every process of the stack; so many start that their bytecode is kept."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LUNATASKS_")}
        for name in ("DATABASE_URL", "REDIS_URL", "PYTHONDONTWRITEBYTECODE"):
            inherited.pop(name, None)
        own = {
            "LUNATASKS_HOME": str(self.home),
            "LUNATASKS_MODELS_DIR": str(settings.LUNATASKS_MODELS_DIR),
            "LUNATASKS_PORT": str(self.port),
            "LUNATASKS_WORKERS": str(self.workers),
        }
        if self.database:
            own["DATABASE_URL"] = self.database_url
        if self.queue:
            own |= {"REDIS_URL": self.queue, "LUNATASKS_QUEUE_PREFIX": f"{self.name}-"}
        return {**inherited, **own, **self.environment}

    def command(self, *arguments: str) -> str:
        """What one of our commands prints, run to its end in the stack's environment."""
        done = subprocess.run(
            [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments],
            env=self.variables(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise StackError(f"{arguments[0]} ended with code {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    def start(self) -> None:
        """Start the tree and wait until it is whole."""
        self.launch()
        self.wait(lambda: len(self.processes("runworker")) >= self.workers, READY_SECONDS, "the start of the stack")

    def launch(self) -> None:
        """Start the tree and wait for nothing."""
        self.supervisor = subprocess.Popen(
            [sys.executable, str(settings.BASE_DIR / "manage.py"), "runall"],
            env=self.variables(),
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def stop(self) -> int | None:
        """SIGTERM to the supervisor; its exit code."""
        if self.supervisor is None:
            return None
        self.supervisor.send_signal(signal.SIGTERM)
        try:
            return self.supervisor.wait(20)
        except subprocess.TimeoutExpired:
            self.supervisor.kill()
            self.supervisor.wait()
            raise StackError(f"the stack did not end by SIGTERM: {self.log_tail()}") from None
        finally:
            self.supervisor = None

    def processes(self, word: str) -> list[int]:
        """Processes of the tree whose command line holds the word."""
        if self.supervisor is None:
            return []
        return [pid for pid in descendants(self.supervisor.pid) if word in command_line(pid)]

    def request(
        self, method: str, path: str, body: object = None, *, timeout: float = 30
    ) -> tuple[int, dict[str, str], bytes]:
        """(status, headers, body) of a request; an error status is an answer like any other."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=data, method=method)
        request.add_header("Content-Type", "application/json")
        request.add_header("Luna-Account-Id", ACCOUNT)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()

    def create_clustering(self, **content: object) -> int:
        """Create a clustering of faces; its task id."""
        body = {"content": {"objects_type": "faces", "filters": {}, **content}}
        status, _, answer = self.request("POST", "/1/tasks/clustering", body)
        if status != 202:
            raise StackError(f"a task was refused with {status}: {answer[:500]!r}")
        return int(json.loads(answer)["task_id"])

    def task(self, task_id: int) -> dict[str, Any]:
        """The task as the API shows it."""
        status, _, answer = self.request("GET", f"/1/tasks/{task_id}")
        if status != 200:
            raise StackError(f"task {task_id}: {status}")
        task: dict[str, Any] = json.loads(answer)
        return task

    def result(self, task_id: int) -> bytes:
        """The result as the API sends it."""
        status, _, answer = self.request("GET", f"/1/tasks/{task_id}/result")
        if status != 200:
            raise StackError(f"result of task {task_id}: {status} {answer[:500]!r}")
        return answer

    def finish(self, task_id: int, *, within: float = 120.0) -> dict[str, Any]:
        """Wait until the task has ended; the task."""
        self.wait(lambda: self.task(task_id)["end_time"] is not None, within, f"the end of task {task_id}")
        return self.task(task_id)

    def wait(self, ready: Any, within: float, what: str) -> None:
        """Poll until ready. Raises StackError with the end of the log."""
        give_up = time.monotonic() + within
        while not ready():
            if self.supervisor is not None and self.supervisor.poll() is not None:
                raise StackError(f"the stack ended while waiting for {what}: {self.log_tail()}")
            if time.monotonic() > give_up:
                raise StackError(f"{what} took more than {within:.0f} s: {self.log_tail()}")
            time.sleep(0.05)

    def log_tail(self) -> str:
        self.log.flush()
        return (self.home / "stack.log").read_text(errors="replace")[-3000:]


def free_port() -> int:
    """A port on loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def descendants(root: int) -> Iterator[int]:
    """Processes below a process, read from /proc."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            children.setdefault(parent, []).append(int(folder.name))
    waiting = list(children.get(root, ()))
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting.extend(children.get(pid, ()))


def command_line(pid: int) -> str:
    """The command line of a process; empty when it has gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def forget_queue(url: str, prefix: str) -> None:
    """Remove the keys of a stack from a shared Redis."""
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter(match=f"*{prefix}*", count=1000):
            client.delete(key)


def _administer(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())
