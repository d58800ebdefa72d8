"""`manage.py runall`: the whole service as one process tree."""

import fcntl
import os
import secrets
import sys
import time
import urllib.error
import urllib.request
from argparse import ArgumentParser
from pathlib import Path
from typing import IO, Any

import redis
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from lunatasks.secrets import private_folder, write_once
from workers import queue_server, supervisor
from workers.processes import refuse_without_models
from workers.supervisor import Child, Tree, TreeEnded

ADMIN = "admin"


class Command(BaseCommand):
    help = "Run queue server, web server, workers and rescue until SIGTERM or Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=settings.LUNATASKS_HOST)
        parser.add_argument("--port", type=int, default=settings.LUNATASKS_PORT)
        parser.add_argument("--workers", type=int, default=settings.LUNATASKS_WORKERS)

    def handle(self, *args: Any, host: str, port: int, workers: int, **options: Any) -> None:
        refuse_without_models()
        supervisor.raise_on_signals()
        tree = Tree()
        with _only_one(settings.LUNATASKS_HOME):
            try:
                self._start(tree, host, port, workers)
                tree.watch()
            except supervisor.StopAsked:
                self.stderr.write("stopping")
            except TreeEnded as end:
                tree.stop()
                raise CommandError(f"{end}; everything is stopped") from None
            finally:
                tree.stop()

    def _start(self, tree: Tree, host: str, port: int, workers: int) -> None:
        started = time.monotonic()
        call_command("migrate", verbosity=0, interactive=False)
        self._make_admin()
        connections.close_all()
        # the settings of every child are those of the address that is really listened on: they ask for tokens by it
        environment = {"LUNATASKS_HOST": host, "LUNATASKS_PORT": str(port)} | self._start_queue(tree)
        tree.start(_rescue(environment))  # first: what a killed tree has left waits for nobody else
        tree.start(_web(host, port, environment), ready=lambda: _is_healthy(host, port))
        for number in range(1, workers + 1):
            tree.start(_worker(number, environment))
        self.stdout.write(
            f"ready in {time.monotonic() - started:.1f} s: http://{host}:{port}/admin/ with {workers} workers"
        )
        self.stdout.flush()

    def _start_queue(self, tree: Tree) -> dict[str, str]:
        """What it adds to the environment of all other children."""
        given = os.environ.get("REDIS_URL", "").strip()
        if given and settings.LUNATASKS_QUEUE_SERVER != "bundled":
            return {}
        program = queue_server.binary(bundled=settings.LUNATASKS_QUEUE_SERVER == "bundled")
        configuration, url = queue_server.configure(settings.LUNATASKS_HOME)
        child = Child("queue server", [str(program), str(configuration)], {}, vital=True)
        tree.start(child, ready=lambda: _answers(url), within=30)
        return {"REDIS_URL": url}

    def _make_admin(self) -> None:
        """The first administrator: the password goes to a private file, and once to a terminal."""
        users = get_user_model().objects
        if users.filter(is_superuser=True).exists():
            return
        path = settings.LUNATASKS_HOME / "secrets" / "admin_password"
        password = write_once(path, secrets.token_urlsafe(16))
        users.create_superuser(username=ADMIN, password=password)
        self.stdout.write(f"made the administrator {ADMIN!r}; the password is in {path}")
        if sys.stdout.isatty():
            self.stdout.write(f"password: {password}")


def _only_one(home: Path) -> IO[str]:
    handle = (private_folder(home / "run") / "supervisor.lock").open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        raise CommandError(f"another runall uses {home}") from None
    return handle


def _web(host: str, port: int, environment: dict[str, str]) -> Child:
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", host, "--port", str(port)]
    command += ["--blocking-threads", "16", "--workers", "1", "--no-ws", "--http", "1", "--log-level", "error"]
    command += ["--workers-kill-timeout", "5", "lunatasks.wsgi:application"]
    roles = {"LUNATASKS_ROLE": "web", "LUNATASKS_SUPERVISED": "1"}
    return Child("web server", command, {**environment, **roles}, vital=True)


def _worker(number: int, environment: dict[str, str]) -> Child:
    # one BLAS thread a worker: the number of workers is the parallelism
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    roles = {**environment, **threads, "LUNATASKS_ROLE": "worker"}
    return Child(f"worker {number}", supervisor.manage("runworker"), roles, vital=False)


def _rescue(environment: dict[str, str]) -> Child:
    return Child("rescue", supervisor.manage("rescuetasks", "--loop"), environment, vital=False)


def _answers(url: str) -> bool:
    with redis.Redis.from_url(url, socket_timeout=1) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


def _is_healthy(host: str, port: int) -> bool:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104  compared, not bound
    try:
        with urllib.request.urlopen(f"http://{shown}:{port}/healthcheck", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
