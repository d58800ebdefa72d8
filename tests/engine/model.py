"""The simple model of tasks and parts: what their rows must be, and who may write, at every moment."""

import itertools
from dataclasses import dataclass, field

from hypothesis import strategies
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant

from tasks_app.models import Subtask, Task
from tasks_app.states import ACTIVE, OPEN, TERMINAL, Status, Step
from tasks_app.transitions import Artefact, PartFence, TaskFence

ALIVE, EXPIRED = 15, -1
MAX_LOST = 2
LEASES = strategies.sampled_from([ALIVE, ALIVE, EXPIRED])
TASKS = strategies.runner().flatmap(lambda engine: strategies.sampled_from(sorted(engine.model) or [0]))
"""A task that is there, else none at all."""
LATEST = 4
"""Claims that are looked at after every step."""
BEHIND = strategies.sampled_from([0, 0, 0, 1])


@dataclass
class PartModel:
    run: int
    phase: int
    number: int
    status: Status = Status.PENDING
    attempt: int = 0
    lost: int = 0
    lease: int | None = None
    path: str = ""


@dataclass
class TaskModel:
    status: Status = Status.PENDING
    step: Step = Step.SPLIT
    run: int = 1
    phase: int = 0
    planned: int = 0
    last: bool = False
    attempt: int = 0
    lost: int = 0
    lease: int | None = None
    path: str = ""
    errors: int = 0
    parts: dict[int, PartModel] = field(default_factory=dict)

    def counts(self) -> tuple[int, int]:
        done = sum(part.status == Status.DONE for part in self.parts.values())
        return done, len(self.parts)

    def end(self, status: Status, path: str = "") -> None:
        self.status, self.lease, self.path = status, None, path

    def settle(self) -> None:
        for part in self.parts.values():
            if part.status in OPEN:
                part.status, part.lease = Status.CANCELLED, None

    def open(self, step: Step) -> None:
        self.step, self.lost, self.lease = step, 0, None

    def end_phase(self) -> None:
        parts = [part for part in self.parts.values() if part.phase == self.phase]
        if any(part.status in OPEN for part in parts):
            return
        if parts and not any(part.status == Status.DONE for part in parts):
            self.errors += 1
            self.end(Status.FAILED)
        elif self.last:
            self.open(Step.MERGE)
            self.status = Status.COLLECT_RESULTS
        else:
            self.phase += 1
            self.open(Step.SPLIT)


class Modelled(RuleBasedStateMachine):
    """`steps` and `works` are claims that some worker believes to hold, stale ones among them."""

    steps = Bundle("steps")
    works = Bundle("works")

    def __init__(self):
        super().__init__()
        self.model: dict[int, TaskModel] = {}
        self.paths = itertools.count()
        self.claims: list[TaskFence | PartFence] = []

    def teardown(self):
        Task.objects.all().delete()

    # -- what the model says about a fence

    def holds_step(self, fence: TaskFence) -> TaskModel | None:
        task = self.model.get(fence.task_id)
        if task is None or task.status not in ACTIVE:
            return None
        same = (task.run, task.step, task.phase, task.attempt) == (fence.run, fence.step, fence.phase, fence.attempt)
        return task if same else None

    def holds_part(self, fence: PartFence) -> PartModel | None:
        task = self.model.get(fence.task_id)
        part = task.parts.get(fence.part_id) if task else None
        if part is None or part.status != Status.IN_PROGRESS:
            return None
        return part if (part.run, part.attempt) == (fence.run, fence.attempt) else None

    def path(self) -> Artefact:
        return Artefact(f"tasks/{next(self.paths)}", 1, "0" * 64)

    # -- what holds at every moment

    @invariant()
    def the_rows_are_as_the_model_says(self):
        assert {row.pk for row in Task.objects.all()} == set(self.model)
        for row in Task.objects.all():
            task = self.model[row.pk]
            assert (row.task_status, row.step, row.run, row.phase, row.attempt, row.lost_count) == (
                task.status, task.step, task.run, task.phase, task.attempt, task.lost,
            )  # fmt: skip
            assert (row.lease_until is not None) == (task.lease is not None)
            assert (row.end_time is not None) == (task.status in TERMINAL)
            assert row.result_path == task.path
            assert row.errors.count() == task.errors

    @invariant()
    def the_parts_are_as_the_model_says(self):
        for task_id, task in self.model.items():
            rows = {
                row.pk: (row.run, row.phase, row.number, Status(row.subtask_status), row.attempt, row.lost_count,
                         row.lease_until is not None, row.result_path)
                for row in Subtask.objects.filter(task_id=task_id)
            }  # fmt: skip
            assert rows == {
                pk: (part.run, part.phase, part.number, part.status, part.attempt, part.lost,
                     part.lease is not None, part.path)
                for pk, part in task.parts.items()
            }  # fmt: skip

    @invariant()
    def who_holds_a_claim_and_nobody_else_may_write(self):
        for fence in self.claims[-LATEST:]:
            row = self.holds_step(fence) if isinstance(fence, TaskFence) else self.holds_part(fence)
            assert fence.rows().exists() == (row is not None)

    @invariant()
    def the_counts_of_parts_are_right(self):
        for row in Task.objects.filter(step__in=[Step.PARTS, Step.MERGE]):
            assert (row.count_task_parts_done, row.count_task_parts_all) == self.model[row.pk].counts()
