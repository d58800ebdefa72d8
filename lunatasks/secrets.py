"""Keys and addresses that one installation makes once and keeps under `LUNATASKS_HOME`, mode 0600."""

import base64
import os
import secrets
from pathlib import Path
from urllib.parse import quote

from lunatasks import env


def private_folder(path: Path) -> Path:
    """The folder, made when absent, for its owner only."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def write_once(path: Path, value: str) -> str:
    """What the file holds; `value` is written when it does not exist. Two processes agree on one value."""
    private_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as stream:
        stream.write(value)
    try:
        os.link(temporary, path)  # a link never replaces: the first one wins, and it is whole
    except FileExistsError:
        value = path.read_text()
    finally:
        temporary.unlink()
    return value


def secret_key(home: Path) -> str:
    """Django's key: from the environment, else made once."""
    given = env.text("LUNATASKS_SECRET_KEY", "", help="signs sessions; made once under LUNATASKS_HOME when empty")
    path = home / "secrets" / "secret_key"
    if given:
        return given
    return path.read_text() if path.exists() else write_once(path, secrets.token_urlsafe(48))


def encryption_keys(home: Path) -> list[str]:
    """Fernet keys of tasks' passwords, the first one encrypts: from the environment, else one made once."""
    given = env.names(
        "LUNATASKS_ENCRYPTION_KEYS",
        (),
        help="Fernet keys of stored passwords, newest first; made once under LUNATASKS_HOME when empty",
    )
    path = home / "secrets" / "encryption_keys"
    if given:
        return given
    text = path.read_text() if path.exists() else write_once(path, base64.urlsafe_b64encode(os.urandom(32)).decode())
    return text.split()


def embedded_queue_url(home: Path) -> str:
    """Address of the queue server that `runall` starts for this home.

    A unix socket in a private folder; where that path is too long for a socket, `runall` writes
    the loopback address it chose, password included, to the file beside it.
    """
    written = home / "run" / "queue.url"
    if written.exists():
        return written.read_text().strip()
    return f"unix://{quote(str(home / 'run' / 'queue.sock'))}"
