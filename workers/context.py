"""What a task type sees of the engine while it works."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from numpy.typing import NDArray

from lunatasks.errors import ArtefactDamaged, LunaError
from tasks_app import artefacts
from tasks_app.models import Subtask, Task
from tasks_app.transitions import Artefact
from workers.files import artefacts as files


class Stopped(Exception):
    """Raised by `check`: the claim is lost or the worker is asked to stop. Task types let it pass."""


class Signals:
    """What the heartbeat, the main thread and the worker's signal handler tell each other."""

    def __init__(self) -> None:
        self.lost = threading.Event()
        self.shutdown = threading.Event()
        self.done = 0
        self.total = 0


SIGNALS_OF_PROCESS = Signals()
"""Its `shutdown` is set by SIGTERM and shared by all claims of the process."""


@dataclass
class Context:
    """The task, its inputs, and the way to write files, report progress and store errors.

    `prefix` is the path under which this claim, and no other one, writes.
    """

    task_id: int
    account_id: UUID
    content: dict[str, Any]
    inputs: dict[str, Any]
    prefix: str
    signals: Signals = field(default_factory=Signals)
    errors: list[LunaError] = field(default_factory=list)
    written: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Call at least every half second of work. Raises Stopped."""
        if self.signals.lost.is_set() or SIGNALS_OF_PROCESS.shutdown.is_set():
            raise Stopped

    def progress(self, done: int, total: int) -> None:
        """How much of this part is done, in units of its own; shown by the next heartbeat."""
        self.signals.done, self.signals.total = done, total
        self.check()

    def add_error(self, error: LunaError) -> None:
        """Store an error of one object with the end of the part; the part goes on."""
        self.errors.append(error)

    @contextmanager
    def writing(self, name: str) -> Iterator[files.Writer]:
        """Write a file of this claim."""
        path = f"{self.prefix}{name}"
        self.written.append(path)
        with files.writing(path) as writer:
            yield writer

    def write_array(self, name: str, array: NDArray[Any]) -> Artefact:
        """Write an array of this claim."""
        path = f"{self.prefix}{name}"
        self.written.append(path)
        return files.write_array(path, array)

    def read_input(self, name: str, *, mapped: bool = True) -> NDArray[Any]:
        """The array that the split left under that name, mapped into memory. Raises ArtefactDamaged."""
        return files.read_array(Artefact(**self.inputs[name]), task_id=self.task_id, mapped=mapped)

    def forget_files(self) -> None:
        """Remove what this claim wrote and no row names.

        A commit whose answer was lost counts: the row decides, not what this process believes.
        """
        for path in self.written:
            if not artefacts.is_named(self.task_id, path):
                artefacts.storage().delete(path)


@dataclass(frozen=True, slots=True)
class Part:
    """An ended part as the merge sees it."""

    number: int
    content: Any
    task_id: int
    artefact: Artefact | None

    def read_array(self, *, mapped: bool = False) -> NDArray[Any]:
        """The array it left, or a map of it. Raises ArtefactDamaged."""
        if self.artefact is None:
            raise ArtefactDamaged(self.task_id)
        return files.read_array(self.artefact, task_id=self.task_id, mapped=mapped)


def context_of_step(task: Task, *, run: int, attempt: int, name: str) -> Context:
    """The context of a split or merge."""
    return _context(task, f"{artefacts.folder_of_task(task.pk)}/{run}/{task.phase}-{name}-{attempt}")


def context_of_part(task: Task, part: Subtask) -> Context:
    """The context of a part."""
    return _context(task, f"{artefacts.folder_of_task(task.pk)}/{part.run}/{part.phase}-{part.number}-{part.attempt}")


def _context(task: Task, prefix: str) -> Context:
    return Context(task_id=task.pk, account_id=task.account_id, content=task.content, inputs=task.inputs, prefix=prefix)
