"""Typed readers of environment variables: each refuses nonsense and names the variable.

Every read is kept in `DECLARED`, from which the table of the README is made and checked.
"""

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable that the settings read."""

    name: str
    default: str
    help: str


DECLARED: dict[str, Variable] = {}


def _read(name: str, default: object, help: str, shown: str | None = None) -> str | None:
    DECLARED[name] = Variable(name, str(default) if shown is None else shown, help)
    value = os.environ.get(name, "").strip()
    return value or None


def text(name: str, default: str, *, help: str, shown: str | None = None) -> str:
    """The variable as it stands, or the default when it is unset or blank."""
    value = _read(name, default, help, shown)
    return default if value is None else value


def integer(name: str, default: int, *, low: int, high: int, help: str) -> int:
    """A whole number in low..high."""
    value = _read(name, default, help)
    if value is None:
        return default
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name}: {value!r} is not a whole number") from None
    if not low <= number <= high:
        raise ImproperlyConfigured(f"{name}: {number} is not in {low}..{high}")
    return number


def seconds(name: str, default: float, *, low: float, high: float, help: str) -> float:
    """A duration in seconds in low..high, fractions allowed."""
    value = _read(name, f"{default:g}", help)
    if value is None:
        return default
    try:
        number = float(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name}: {value!r} is not a number of seconds") from None
    if not low <= number <= high:
        raise ImproperlyConfigured(f"{name}: {number:g} is not in {low:g}..{high:g}")
    return number


def boolean(name: str, default: bool, *, help: str) -> bool:
    """0/1, true/false, yes/no, on/off in any case."""
    value = _read(name, int(default), help)
    if value is None:
        return default
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    try:
        return words[value.lower()]
    except KeyError:
        raise ImproperlyConfigured(f"{name}: {value!r} is not one of {', '.join(words)}") from None


def choice(name: str, default: str, *, choices: Sequence[str], help: str, shown: str | None = None) -> str:
    """One of the given words."""
    value = _read(name, default, help, shown)
    if value is None:
        return default
    if value not in choices:
        raise ImproperlyConfigured(f"{name}: {value!r} is not one of {', '.join(choices)}")
    return value


def names(name: str, default: Sequence[str], *, help: str) -> list[str]:
    """A comma-separated list; blanks are dropped."""
    value = _read(name, ",".join(default), help)
    if value is None:
        return list(default)
    return [word for word in (part.strip() for part in value.split(",")) if word]


def uuid(name: str, default: str, *, help: str) -> UUID:
    """A uuid in the 8-4-4-4-12 form."""
    value = _read(name, default, help)
    try:
        return UUID(value or default)
    except ValueError:
        raise ImproperlyConfigured(f"{name}: {value!r} is not a uuid") from None


def path(name: str, default: Path, *, help: str, shown: str) -> Path:
    """A folder or file, made absolute; `~` is expanded."""
    value = _read(name, default, help, shown)
    return (Path(value).expanduser() if value else default).absolute()


def table() -> str:
    """The variables that were read, as the table of the README."""
    rows = ["| variable | default | what it is |", "|---|---|---|"]
    for variable in sorted(DECLARED.values(), key=lambda each: each.name):
        default = f"`{variable.default}`" if variable.default else ""
        rows.append(f"| `{variable.name}` | {default} | {variable.help} |")
    return "\n".join(rows)


def is_public_address(host: str) -> bool:
    """Whether strangers may reach a server that listens there; a name that is not localhost may be anything."""
    if host == "localhost":
        return False
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return True
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_unspecified or not (address.is_loopback or address.is_private or address.is_link_local)
