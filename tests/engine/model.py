"""The simple model of tasks and parts: what their rows must be, and who may write, at every moment."""

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import strategies
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant

from tasks_app import dispatch
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
    errors: list[int | None] = field(default_factory=list)
    """Of each stored error its part, None for one of the task itself."""
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
            self.errors.append(None)
            self.end(Status.FAILED)
        elif self.last:
            self.open(Step.MERGE)
            self.status = Status.COLLECT_RESULTS
        else:
            self.phase += 1
            self.open(Step.SPLIT)

    # -- the first step of a rerun, in the transactions that it has

    def keep_parts(self, kept: Callable[[PartModel], bool]) -> None:
        """Those that go take their errors with them."""
        self.parts = {pk: part for pk, part in self.parts.items() if kept(part)}
        self.errors = [pk for pk in self.errors if pk is None or pk in self.parts]

    def broken(self) -> int | None:
        """The first phase of which parts are to be done again."""
        return min((part.phase for part in self.parts.values() if part.status != Status.DONE), default=None)

    def resume(self, most: int) -> None:
        """At most so many of what a resume does before it opens the next step."""
        self.do(most, [lambda: self.keep_parts(lambda part: part.phase < self.planned), self.forget_own_errors])
        broken = self.broken()
        if broken is not None:
            redo = [lambda: self.keep_parts(lambda part: part.phase <= broken), self.forget_errors_of_unfinished]
            self.do(most - 2, [*redo, self.put_back])

    def restart(self, most: int) -> None:
        self.do(most, [self.errors.clear, self.parts.clear])

    def do(self, most: int, steps: list[Callable[[], None]]) -> None:
        for step in steps[: max(0, most)]:
            step()

    def forget_own_errors(self) -> None:
        self.errors = [pk for pk in self.errors if pk is not None]

    def forget_errors_of_unfinished(self) -> None:
        self.errors = [pk for pk in self.errors if pk is None or self.parts[pk].status == Status.DONE]

    def put_back(self) -> None:
        for part in self.parts.values():
            if part.status != Status.DONE:
                part.run, part.status, part.lost, part.lease = self.run, Status.PENDING, 0, None

    def open_resumed(self) -> None:
        broken = self.broken()
        if broken is not None:
            self.last = self.last and broken + 1 == self.planned
            self.phase, self.planned = broken, broken + 1
            self.open(Step.PARTS)
        elif self.planned and self.last:
            self.open(Step.MERGE)
            self.status = Status.COLLECT_RESULTS
        else:
            self.phase = self.planned
            self.open(Step.SPLIT)

    def open_restarted(self) -> None:
        self.phase, self.planned, self.last = 0, 0, False
        self.open(Step.SPLIT)


class Modelled(RuleBasedStateMachine):
    """`steps` and `works` are claims that some worker believes to hold, stale ones among them.

    `sent` has the messages that were sent; the test puts a list there.
    """

    steps = Bundle("steps")
    works = Bundle("works")
    sent: list[dispatch.Message]

    def __init__(self):
        super().__init__()
        self.model: dict[int, TaskModel] = {}
        self.paths = itertools.count()
        self.claims: list[TaskFence | PartFence] = []

    def teardown(self):
        Task.objects.all().delete()
        self.sent.clear()

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
            assert Counter(row.errors.values_list("subtask_id", flat=True)) == Counter(task.errors)

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

    @invariant()
    def what_may_be_claimed_has_been_sent(self):
        names = {message.name for message in self.sent}
        for row in Task.objects.filter(task_status__in=ACTIVE, lease_until=None):
            if row.step != Step.PARTS:
                assert dispatch.task_message(row).name in names
            elif row.task_status == Status.IN_PROGRESS:
                for part in row.subtasks.filter(subtask_status=Status.PENDING, phase=row.phase):
                    assert dispatch.part_message(part, row).name in names
