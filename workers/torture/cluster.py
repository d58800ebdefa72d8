"""A PostgreSQL server of our own in a folder, so that a test may restart it; it never runs as root."""

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from workers.torture.stack import StackError, free_port

BINARIES = "/usr/lib/postgresql"
SERVANTS = ("postgres", "nobody")
"""Accounts that the server may run under when we are root."""


def binaries() -> Path | None:
    """The folder of `initdb` and `pg_ctl`, of the newest version that is installed; None when there is none."""
    found = [path.parent for path in Path(BINARIES).glob("*/bin/pg_ctl")]
    on_path = shutil.which("pg_ctl")
    found += [Path(on_path).parent] if on_path else []
    return max(found, default=None, key=lambda path: str(path.parent.name).zfill(4))


@dataclass
class Cluster:
    """Start by `with`; the folder goes at the end."""

    folder: Path = field(init=False)
    port: int = field(init=False)

    def __enter__(self) -> Self:
        if binaries() is None:
            raise StackError("no PostgreSQL server is installed here")
        self.folder = Path(tempfile.mkdtemp(prefix="lunatasks-cluster-"))
        self.port = free_port()
        password = self.folder / "password"
        self._password = secrets.token_urlsafe(16)
        password.write_text(self._password)
        for path in (self.folder, password):
            path.chmod(0o700 if path.is_dir() else 0o600)
            if os.geteuid() == 0:
                os.chown(path, *_servant())
        self._run(
            "initdb", "-D", str(self.data), "-U", "lunatasks", "-A", "scram-sha-256", "-N", f"--pwfile={password}"
        )
        with (self.data / "postgresql.conf").open("a") as stream:
            stream.write(f"\nlisten_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = ''\n")
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run("pg_ctl", "-D", str(self.data), "-m", "immediate", "-w", "stop", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def url(self) -> str:
        return f"postgresql://lunatasks:{self._password}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self._run("pg_ctl", "-D", str(self.data), "-l", str(self.folder / "log"), "-w", "start")

    def stop(self, mode: str) -> None:
        """End the server: `fast` ends sessions in order, `immediate` is a crash."""
        self._run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "stop")

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        folder = binaries()
        if folder is None:
            raise StackError("no PostgreSQL server is installed here")
        account: dict[str, Any] = {}
        if os.geteuid() == 0:
            user, group = _servant()
            account = {"user": user, "group": group, "extra_groups": []}
        done = subprocess.run(
            [str(folder / program), *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            **account,
        )
        if check and done.returncode:
            raise StackError(f"{program} ended with code {done.returncode}")


def _servant() -> tuple[int, int]:
    for name in SERVANTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise StackError("PostgreSQL does not run as root, and no other account was found")
