"""The effective settings by group, as `/config` shows them: whatever may be secret is masked, empty or not."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings

MASK = "********"

# The platform's clients look for this group; we send no data to InfluxDB.
INFLUX_MONITORING = {
    "SEND_DATA_FOR_MONITORING": 0,
    "VERSION": 2,
    "ORGANIZATION": "ORGANIZATION_NAME",
    "TOKEN": "",
    "BUCKET": "luna_monitoring",
    "HOST": "127.0.0.1",
    "PORT": 8086,
    "USE_SSL": 0,
    "FLUSHING_PERIOD": 1,
}
GROUPS: dict[str, tuple[str, ...]] = {
    "DATABASE": ("DATABASES", "LUNATASKS_SQLITE"),
    "QUEUE": ("REDIS_URL", "RQ", "LUNATASKS_QUEUE", "LUNATASKS_TASK_QUEUES"),
    "STORAGE": ("STORAGES", "LUNATASKS_BUCKETS", "LUNATASKS_IMPORT"),
    "API": ("LUNATASKS_API", "LUNATASKS_MANUAL", "LUNATASKS_MAX_BODY", "LUNATASKS_DOWNLOADS"),
    "ENGINE": (
        "LUNATASKS_LEASE",
        "LUNATASKS_BEAT",
        "LUNATASKS_RESCUE",
        "LUNATASKS_REDISPATCH",
        "LUNATASKS_MAX_LOST",
        "LUNATASKS_DEADLINE",
        "LUNATASKS_TILE",
        "LUNATASKS_MEMORY",
        "LUNATASKS_CACHE",
    ),
    "LUNA_SERVICES": (
        "LUNATASKS_FACES",
        "LUNATASKS_EVENTS",
        "LUNATASKS_IMAGE_STORE",
        "LUNATASKS_HANDLERS",
        "LUNATASKS_FACE_",
        "LUNATASKS_BODY",
        "LUNATASKS_MODELS",
    ),
    "SERVICE": ("LUNATASKS_", "DEBUG", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "SECRET_KEY", "TIME_ZONE"),
}
"""Groups and the beginnings of the names in them; the first group that fits holds a setting."""

_SECRET_NAME = re.compile(r"PASS|PWD|TOKEN|SECRET|KEY|CREDENTIAL|AUTHORIZATION", re.IGNORECASE)
_URL_CREDENTIALS = re.compile(r"(?<=://)[^/?#\s]*@")
_SECRET_ARGUMENT = re.compile(r"(?i)\b((?:pass\w*|pwd|\w*credential\w*|\w*token|\w*secret\w*|\w*key)=)[^&\s]*")


def effective_settings() -> dict[str, Any]:
    """Every setting of ours in its group, plain JSON values."""
    groups: dict[str, Any] = {"INFLUX_MONITORING": INFLUX_MONITORING}
    for name in sorted(dir(settings)):
        group = _group_of(name)
        if group is not None:
            groups.setdefault(group, {})[name] = getattr(settings, name)
    return {group: masked(values) for group, values in groups.items()}


def _group_of(name: str) -> str | None:
    if not name.isupper():
        return None
    for group, beginnings in GROUPS.items():
        if name.startswith(beginnings):
            return group
    return None


def masked(value: Any, name: str = "") -> Any:
    """The value in JSON types, secrets masked wherever they lie in it."""
    # a flag is no secret, whatever its name; everything else is
    if name and _SECRET_NAME.search(name) and not isinstance(value, bool):
        return MASK
    if isinstance(value, Mapping):
        return {str(key): masked(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [masked(item) for item in value]
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str | Path):
        return _SECRET_ARGUMENT.sub(rf"\1{MASK}", _URL_CREDENTIALS.sub(f"{MASK}@", str(value)))
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def as_text(groups: Mapping[str, Any]) -> str:
    """One line per value: `GROUP.NAME = value`."""
    return "".join(f"{path} = {value}\n" for path, value in _lines(groups))


def _lines(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _lines(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value
