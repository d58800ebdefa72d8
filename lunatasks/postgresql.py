"""Options of a connection to PostgreSQL: nobody waits for a process or a host that is gone for longer than a lease.

A worker that was frozen or lost its network between a write and the commit holds locks of rows; the server ends such a
session. The other way round, a client notices by TCP that the server's host is gone, and connects again.
"""

import os
from typing import Any

SHORTEST_IDLE_SECONDS = 3.0
LONGEST_SILENCE_SECONDS = 60.0


def options(given: dict[str, Any], *, lease: float) -> dict[str, Any]:
    """What to connect with; `given`, from the URL of the database, and PGOPTIONS go before ours."""
    server = " ".join(f"-c {name}={value}" for name, value in _of_server(lease).items())
    merged = {"connect_timeout": 5, **_of_client(lease), **given}
    theirs = given.get("options") or os.environ.get("PGOPTIONS", "")  # libpq reads it only where nothing is passed
    merged["options"] = f"{server} {theirs}".strip()  # of two settings the later one counts
    return merged


def _of_server(lease: float) -> dict[str, int]:
    seconds = max(SHORTEST_IDLE_SECONDS, 0.6 * lease)
    silence = _silence(lease)
    return {
        "idle_in_transaction_session_timeout": round(seconds * 1000),
        "tcp_keepalives_idle": silence["keepalives_idle"],
        "tcp_keepalives_interval": silence["keepalives_interval"],
        "tcp_keepalives_count": silence["keepalives_count"],
    }


def _of_client(lease: float) -> dict[str, int]:
    silence = _silence(lease)
    # what was sent and is not acknowledged: keepalives say nothing while it is on its way
    patience = silence["keepalives_idle"] + silence["keepalives_interval"] * silence["keepalives_count"]
    return {"keepalives": 1, **silence, "tcp_user_timeout": patience * 1000}


def _silence(lease: float) -> dict[str, int]:
    """Idle + interval x count is nine tenths of a lease, in whole seconds, the least that TCP knows."""
    seconds = min(lease, LONGEST_SILENCE_SECONDS)
    return {
        "keepalives_idle": max(1, int(seconds * 0.3)),
        "keepalives_interval": max(1, int(seconds * 0.2)),
        "keepalives_count": 3 if seconds >= 5 else 1,
    }
