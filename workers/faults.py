"""Named points at which a test may kill, stop or fail a process; nothing happens unless switched on.

`LUNATASKS_FAULTS_DIR` names a folder of orders: an empty file `<point>.<action>` (with anything behind a further
dot) is carried out by the first process that comes to the point, and taken away by it.
"""

import errno
import os
import signal
from pathlib import Path

from django.conf import settings

POINTS = (
    "job.received",
    "task.claimed",
    "split.planned",
    "split.parts_written",
    "split.before_commit",
    "split.committed",
    "split.dispatched",
    "part.claimed",
    "part.computed",
    "part.before_commit",
    "part.committed",
    "artefact.opened",
    "artefact.half_written",
    "artefact.written",
    "artefact.renamed",
    "merge.claimed",
    "merge.computed",
    "merge.before_commit",
    "merge.committed",
    "rescue.found",
    "rescue.released",
    "heartbeat.beat",
)
ACTIONS = ("kill", "stop", "nospace")


def point(name: str) -> None:
    """A place where a fault may be ordered."""
    folder = settings.LUNATASKS_FAULTS_DIR
    if folder:
        _carry_out(Path(folder), name)


def _carry_out(folder: Path, name: str) -> None:
    if name not in POINTS:
        raise ValueError(f"unknown fault point {name!r}")
    for order in sorted(folder.glob(f"{name}.*")):
        action = order.name[len(name) + 1 :].split(".")[0]
        if action not in ACTIONS:
            raise ValueError(f"unknown fault {action!r}")
        try:
            order.unlink()
        except FileNotFoundError:  # another process took this order
            continue
        _do(action)


def _do(action: str) -> None:
    if action == "nospace":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.kill(os.getpid(), signal.SIGKILL if action == "kill" else signal.SIGSTOP)
