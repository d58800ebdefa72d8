"""What a task type is: three functions and two facts."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks_app.states import TaskType
from tasks_app.transitions import Artefact
from workers.context import Context, Part


@dataclass(frozen=True, slots=True)
class Plan:
    """The parts of a phase: small JSON values, planned from content and settings, never from the workers' number.

    `inputs` is what parts and merge find under those names: JSON values, or artefacts of the split.
    `last`: the merge follows; else the next phase is split when these parts have ended.
    """

    parts: Iterable[Any]
    inputs: Mapping[str, Any] = field(default_factory=dict)
    last: bool = True


@dataclass(frozen=True, slots=True)
class TaskKind:
    """A task type as the engine runs it.

    split(context, phase) plans; process(context, content) runs one part and may leave a file;
    merge(context, parts) writes the result. `needs_all_parts`: a result without a failed part would be wrong.
    """

    number: TaskType
    split: Callable[[Context, int], Plan]
    process: Callable[[Context, Any], Artefact | None]
    merge: Callable[[Context, Iterator[Part]], Artefact]
    needs_all_parts: bool
