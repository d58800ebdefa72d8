"""A small client of the REST API, for the demo and the commands: what an integrator's script does."""

import fcntl
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings

POLL_SECONDS = 0.1


class ClientError(Exception):
    """The service refused or did not answer; the text says what."""


class Client:
    """Requests of the default account to one service."""

    def __init__(self, host: str, port: int) -> None:
        self._base = f"http://{host}:{port}"

    def create(self, resource: str, body: dict[str, Any]) -> int:
        """Create a task; its id. Raises ClientError."""
        return int(self._json("POST", f"/1/tasks/{resource}", body)["task_id"])

    def wait(self, task_id: int, watch: Callable[[dict[str, Any]], None] = lambda task: None) -> dict[str, Any]:
        """The task when it has ended. Raises ClientError."""
        while True:
            task = self._json("GET", f"/1/tasks/{task_id}")
            watch(task)
            if task["end_time"] is not None:
                return task
            time.sleep(POLL_SECONDS)

    def result(self, task_id: int) -> dict[str, Any]:
        """The JSON result with its errors. Raises ClientError."""
        return self._json("GET", f"/1/tasks/{task_id}/result")

    def download(self, task_id: int) -> bytes:
        """The bytes of a zip result. Raises ClientError."""
        return self._bytes("GET", f"/1/tasks/{task_id}/result")

    def errors(self, task_id: int) -> list[dict[str, Any]]:
        """The first errors of the task. Raises ClientError."""
        found: list[dict[str, Any]] = self._json("GET", f"/1/tasks/{task_id}/errors")["errors"]
        return found

    def is_healthy(self) -> bool:
        """Whether database, queue and storage of the service answer."""
        try:
            self._json("GET", "/healthcheck")
        except ClientError:
            return False
        return True

    def is_ours(self, home: Path) -> bool:
        """Whether a `runall` of this home is up and answers here."""
        lock = home / "run" / "supervisor.lock"
        return lock.exists() and _is_locked(lock) and self.is_healthy()

    def _json(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._bytes(method, path, body))
        return found

    def _bytes(self, method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, data=data, method=method)
        request.add_header("Content-Type", "application/json")
        request.add_header("Luna-Account-Id", str(settings.LUNATASKS_DEFAULT_ACCOUNT_ID))
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            raise ClientError(_detail(error)) from None
        except OSError as error:
            raise ClientError(f"{self._base} does not answer ({type(error).__name__})") from None


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        body = json.loads(error.read())
        return f"{error.code}: {body['error_code']} {body['detail']}"
    except (ValueError, KeyError):
        return f"the service answered {error.code}"


def _is_locked(path: Path) -> bool:
    with path.open("r+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
