"""The three entry points of queue messages, and nothing else."""

from typing import Any

from tasks_app.states import Step
from tasks_app.transitions import PartFence, TaskFence
from workers import engine


def split(*, task_id: int, run: int, step: int, phase: int, attempt: int, **_: Any) -> None:
    """Plan the parts of a phase."""
    engine.run_split(TaskFence(task_id, run, Step(step), phase, attempt))


def process(*, task_id: int, subtask_id: int, run: int, attempt: int, **_: Any) -> None:
    """Run a part."""
    engine.run_part(PartFence(task_id, subtask_id, run, attempt))


def merge(*, task_id: int, run: int, phase: int, attempt: int, **_: Any) -> None:
    """Write the result."""
    engine.run_merge(TaskFence(task_id, run, Step.MERGE, phase, attempt))
