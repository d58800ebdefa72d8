"""Named points at which a test may kill, stop or fail a process; nothing happens unless switched on.

`LUNATASKS_FAULTS_DIR` names a folder of orders: an empty file `<point>.<action>` (with anything behind a further
dot) is carried out by the first process that comes to the point, and taken away by it. `<point>.poison.<subject>`
stays: it kills every process that comes to the point with that subject.
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
    "part.statement",
    "task.statement",
    "count.statement",
    "transaction.statement",
    "dispatch.send",
)
"""The last five are set by `workers.torture.hooks`: inside a transaction before an update of parts, of tasks, of the
count of done parts, and before every write, and after its commit."""
ACTIONS = ("kill", "killtree", "stop", "nospace", "poison")


def point(name: str, subject: str = "") -> None:
    """A place where a fault may be ordered; `subject` tells poison whom it is meant for."""
    folder = settings.LUNATASKS_FAULTS_DIR
    if folder:
        _carry_out(Path(folder), name, subject)


def _carry_out(folder: Path, name: str, subject: str) -> None:
    if name not in POINTS:
        raise ValueError(f"unknown fault point {name!r}")
    for order in sorted(folder.glob(f"{name}.*")):
        action, _, rest = order.name[len(name) + 1 :].partition(".")
        if action not in ACTIONS:
            raise ValueError(f"unknown fault {action!r}")
        if action == "poison":
            if rest == subject:
                _do("kill")
            continue
        if action == "killtree" and settings.LUNATASKS_ROLE == "web":
            continue  # its parent is not the supervisor
        try:
            order.unlink()
        except FileNotFoundError:  # another process took this order
            continue
        _do(action)


def _do(action: str) -> None:
    if action == "nospace":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if action == "killtree":
        os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGSTOP if action == "stop" else signal.SIGKILL)
