"""Tasks and parts against a simple model: several workers, transitions in any order."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings, strategies
from hypothesis.stateful import (
    initialize,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lunatasks import errors
from tasks_app import dispatch, transitions
from tasks_app.models import Subtask, Task
from tasks_app.states import ACTIVE, TERMINAL, Status, Step, TaskType
from tasks_app.transitions import FenceLost, PartFence, TaskFence
from tests.conftest import ACCOUNT
from tests.engine.model import ALIVE, BEHIND, EXPIRED, LEASES, MAX_LOST, TASKS, PartModel, TaskModel
from tests.engine.model_reruns import Reruns

pytestmark = pytest.mark.django_db(transaction=True)


class Engine(Reruns):
    """Transitions by clients, workers and rescue."""

    steps, works = Reruns.steps, Reruns.works

    # -- clients

    @precondition(lambda self: len(self.model) < 2)
    @rule()
    def create(self):
        task = transitions.create(account_id=ACCOUNT, task_type=TaskType.CLUSTERING, content={})
        self.model[task.pk] = TaskModel()

    @rule(task_id=TASKS, how=strategies.sampled_from(["cancel", "rerun", "rerun", "again", "delete"]))
    def disturb(self, task_id, how):
        getattr(self, how)(task_id)

    def cancel(self, task_id):
        task = self.model.get(task_id)
        if task is None:
            with pytest.raises(errors.TaskNotFound):
                transitions.cancel(task_id)
        elif task.status in TERMINAL:
            with pytest.raises(errors.NotCancellable):
                transitions.cancel(task_id)
        else:
            transitions.cancel(task_id)
            task.errors.append(None)
            task.end(Status.CANCELLED)
            task.settle()

    def again(self, task_id):
        """Right after a claim, which looks like what waits then, but for its run."""
        self.try_step(task_id, 0, ALIVE)
        self.cancel(task_id)
        self.rerun(task_id)

    def delete(self, task_id):
        ended = task_id not in self.model or self.model[task_id].status in TERMINAL

        assert transitions.delete(task_id) == ended

        if ended:
            self.model.pop(task_id, None)

    # -- claims

    @rule(target=steps, task_id=TASKS, behind=BEHIND, lease=LEASES)
    def claim_step(self, task_id, behind, lease):
        """By a message for the attempt the row stands at, or for one before."""
        claimed = self.try_step(task_id, behind, lease)
        return multiple() if claimed is None else claimed

    def try_step(self, task_id, behind, lease):
        row = Task.objects.filter(pk=task_id).first()
        if row is None or row.attempt < behind:
            return None
        fence = TaskFence(row.pk, row.run, Step(row.step), row.phase, row.attempt - behind)
        free = self.holds_step(fence)
        expected = free is not None and free.lease is None and not (behind and free.attempt != fence.attempt)
        if row.step == Step.PARTS:
            return None  # no message names this step

        claimed = transitions.claim_task(fence, worker="w", lease=lease)

        assert (claimed is not None) == expected
        if claimed is None:
            return None
        self.claims.append(claimed)
        task = self.model[task_id]
        task.attempt, task.lease = task.attempt + 1, lease
        if task.status == Status.PENDING:
            task.status = Status.IN_PROGRESS
        return claimed

    @rule(
        target=works,
        task_id=TASKS,
        which=strategies.integers(0, 3),
        behind=BEHIND,
        lease=LEASES,
    )
    def claim_part(self, task_id, which, behind, lease):
        rows = list(Subtask.objects.filter(task_id=task_id).order_by("pk"))
        if not rows or rows[which % len(rows)].attempt < behind:
            return multiple()
        claimed = self.try_part(rows[which % len(rows)], behind, lease)
        return multiple() if claimed is None else claimed

    def try_part(self, row, behind, lease):
        task_id = row.task_id
        task, part = self.model[task_id], self.model[task_id].parts[row.pk]
        ready = (task.status, task.step, task.phase) == (Status.IN_PROGRESS, Step.PARTS, part.phase)
        expected = not behind and part.status == Status.PENDING and ready and part.run == task.run

        claimed = transitions.claim_part(
            PartFence(task_id, row.pk, row.run, row.attempt - behind), worker="w", lease=lease
        )

        assert (claimed is not None) == expected
        if claimed is None:
            return None
        self.claims.append(claimed)
        part.attempt, part.status, part.lease = part.attempt + 1, Status.IN_PROGRESS, lease
        return claimed

    # -- work on steps

    @rule(fence=steps, count=strategies.integers(0, 3), last=strategies.booleans())
    def work(self, fence, count, last):
        self.work_on_step(fence, count, last)

    def work_on_step(self, fence, count, last):
        if fence.step == Step.SPLIT:
            self.split(fence, count, last)
        elif fence.step == Step.MERGE:
            self.finish_task(fence)
        else:
            self.reopen(fence)

    def split(self, fence, count, last):
        task = self.holds_step(fence)
        if task is None:
            with pytest.raises(FenceLost):
                transitions.start_parts(fence, count=count, last=last, inputs={})
            return
        last = last or fence.phase == 2
        self.write_parts(task, fence, count + 1)  # by an earlier try, which planned more
        self.write_parts(task, fence, count)
        transitions.start_parts(fence, count=count, last=last, inputs={})
        transitions.dispatch_parts(fence.task_id, fence.run, fence.phase)
        task.step, task.lease, task.planned, task.last = Step.PARTS, None, fence.phase + 1, last
        if not count:
            task.end_phase()

    def write_parts(self, task, fence, count):
        transitions.clear_unplanned_parts(fence)
        transitions.add_parts(fence, range(count), first=0)
        task.parts = {pk: part for pk, part in task.parts.items() if part.phase < fence.phase}
        for row in Subtask.objects.filter(task_id=fence.task_id, phase=fence.phase):
            task.parts[row.pk] = PartModel(fence.run, fence.phase, row.number)
        assert sum(part.phase == fence.phase for part in task.parts.values()) == count

    @rule(fence=steps, count=strategies.sampled_from([1, 3, 3]))
    def die_in_split(self, fence, count):
        """Parts are written, and the worker is gone before the split has ended."""
        task = self.holds_step(fence)
        if fence.step != Step.SPLIT:
            return
        if task is None:
            with pytest.raises(FenceLost):
                transitions.add_parts(fence, range(count), first=0)
            return
        self.write_parts(task, fence, count)
        transitions.extend_lease(fence, lease=EXPIRED, done=0, total=0)
        task.lease = EXPIRED if task.lease is not None else None

    def finish_task(self, fence):
        task, artefact = self.holds_step(fence), self.path()
        if task is None:
            with pytest.raises(FenceLost):
                transitions.finish_task(fence, artefact)
            return
        transitions.finish_task(fence, artefact, [errors.InternalError()])
        task.errors.append(None)
        task.end(Status.DONE, artefact.path)

    @rule(fence=steps)
    def fail_task(self, fence):
        task = self.holds_step(fence)
        if task is None:
            with pytest.raises(FenceLost):
                transitions.fail_task(fence, [errors.InternalError()])
            return
        transitions.fail_task(fence, [errors.InternalError()])
        task.errors.append(None)
        task.end(Status.FAILED)

    # -- work on parts

    @rule(fence=works, ends_well=strategies.sampled_from([True, True, False]), found=strategies.integers(0, 1))
    def end_part(self, fence, ends_well, found):
        """`found` errors of single objects, stored with the end whatever it is."""
        self.end_this_part(fence, ends_well, found)

    def end_this_part(self, fence, ends_well, found):
        part, artefact = self.holds_part(fence), self.path()
        count = found + (not ends_well)

        def call():
            if ends_well:
                transitions.finish_part(fence, artefact, [errors.InternalError()] * count)
            else:
                transitions.fail_part(fence, [errors.InternalError()] * count)

        if part is None:
            with pytest.raises(FenceLost):
                call()
            return
        call()
        task = self.model[fence.task_id]
        part.status, part.lease = (Status.DONE if ends_well else Status.FAILED), None
        part.path = artefact.path if ends_well else part.path
        task.errors += [fence.part_id] * count
        task.end_phase()

    # -- what a worker does that nothing disturbs

    @rule(
        target=works,
        task_id=TASKS,
        count=strategies.sampled_from([0, 1, 2, 3, 3]),
        last=strategies.booleans(),
        lease=LEASES,
        ends=strategies.sampled_from([0, 1, 2, 3, 3]),
        found=strategies.integers(0, 1),
    )
    def go_on(self, task_id, count, last, lease, ends, found):
        """The task's next step from claim to end, of parts only some; all the claims stay behind."""
        task = self.model.get(task_id)
        if task is not None and task.step == Step.PARTS:
            fences = self.claim_parts(task_id, lease)
            for fence in fences[:ends]:
                self.end_this_part(fence, True, found)
            return multiple(*fences)
        self.do_step(task_id, count, last, lease)
        return multiple()

    def claim_parts(self, task_id, lease):
        waiting = Subtask.objects.filter(task_id=task_id, subtask_status=Status.PENDING).order_by("pk")
        return [fence for row in waiting if (fence := self.try_part(row, 0, lease))]

    def do_step(self, task_id, count, last, lease):
        fence = self.try_step(task_id, 0, lease)
        if fence is not None:
            self.work_on_step(fence, count, last)

    @rule(task_id=TASKS, broken=strategies.booleans(), deaths=strategies.integers(0, 5))
    def come_far_and_begin_again(self, task_id, broken, deaths):
        """To the merge, every part with an error; then done, or broken and cancelled; its rerun begins with a death."""
        for _ in range(8 if (task := self.model.get(task_id)) else 0):
            if task.step == Step.MERGE or task.status in TERMINAL:
                break
            if task.step == Step.PARTS:
                for number, fence in enumerate(self.claim_parts(task_id, ALIVE)):
                    self.end_this_part(fence, number > 0 or not broken, 1)
            else:
                self.do_step(task_id, 2, True, ALIVE)
        if broken:
            self.cancel(task_id)
        else:
            self.do_step(task_id, 0, True, ALIVE)
        self.rerun(task_id)
        self.begin_again(task_id, deaths)

    def begin_again(self, task_id, deaths):
        fence = self.try_step(task_id, 0, ALIVE)
        if fence is not None and fence.step in (Step.RESUME, Step.RESTART):
            self.die_in_this_reopen(fence, deaths)
            self.rescue_step(task_id)
            self.do_step(task_id, 0, True, ALIVE)

    # -- both

    @rule(fence=steps | works, lease=LEASES)
    def heartbeat(self, fence, lease):
        row = self.holds_step(fence) if isinstance(fence, TaskFence) else self.holds_part(fence)
        expected = row is not None and row.lease is not None

        assert transitions.extend_lease(fence, lease=lease, done=1, total=2) == expected

        if expected:
            row.lease = lease

    @rule(fence=steps | works)
    def hand_back(self, fence):
        row = self.holds_step(fence) if isinstance(fence, TaskFence) else self.holds_part(fence)

        assert transitions.hand_back(fence) == (row is not None)

        if row is not None:
            row.lease = None
            if isinstance(row, PartModel):
                row.status = Status.PENDING
            self.refuse_old_message(fence)

    def refuse_old_message(self, fence):
        """The message that this claim came by may arrive twice."""
        old = replace(fence, attempt=fence.attempt - 1)
        claim = transitions.claim_task if isinstance(fence, TaskFence) else transitions.claim_part

        assert claim(old, worker="late", lease=ALIVE) is None

    @rule(task_id=TASKS)
    def rescue(self, task_id):
        self.rescue_step(task_id)
        for row in Subtask.objects.filter(task_id=task_id).order_by("pk"):
            self.rescue_part(row)

    def rescue_step(self, task_id):
        row, task = Task.objects.filter(pk=task_id).first(), self.model.get(task_id)
        if row is None:
            return
        expected = task.lease == EXPIRED and task.status in ACTIVE
        if task.lost + 1 >= MAX_LOST:
            assert transitions.quarantine_task(row, errors.InternalError()) == expected
            if expected:
                task.errors.append(None)
                task.lost += 1
                task.end(Status.FAILED)
            return
        assert transitions.release_lost_task(row) == expected
        if expected:
            task.lost, task.lease = task.lost + 1, None
            dispatch.send([dispatch.task_message(row)])

    def rescue_part(self, row):
        task, part = self.model[row.task_id], self.model[row.task_id].parts[row.pk]
        expected = part.lease == EXPIRED and part.status == Status.IN_PROGRESS
        if part.lost + 1 >= MAX_LOST:
            assert transitions.quarantine_part(row, errors.InternalError()) == expected
            if expected:
                part.status, part.lease, part.lost = Status.FAILED, None, part.lost + 1
                task.errors.append(row.pk)
                task.end_phase()
            return
        assert transitions.release_lost_part(row) == expected
        if expected:
            part.status, part.lease, part.lost = Status.PENDING, None, part.lost + 1
            dispatch.send([dispatch.part_message(row, row.task)])

    @rule(target=works, fence=works)
    def take_over_part(self, fence):
        """The lease runs out, and another worker has the part before the first one wakes up."""
        part = self.holds_part(fence)
        if part is None:
            return multiple()
        assert transitions.extend_lease(fence, lease=EXPIRED, done=0, total=0)
        part.lease = EXPIRED
        self.rescue_part(Subtask.objects.get(pk=fence.part_id))
        claimed = self.try_part(Subtask.objects.get(pk=fence.part_id), 0, ALIVE)
        assert not fence.rows().exists()
        return multiple() if claimed is None else claimed

    @rule(target=steps, fence=steps)
    def take_over_step(self, fence):
        task = self.holds_step(fence)
        if task is None or task.lease is None:
            return multiple()
        assert transitions.extend_lease(fence, lease=EXPIRED, done=0, total=0)
        task.lease = EXPIRED
        self.rescue_step(fence.task_id)
        claimed = self.try_step(fence.task_id, 0, ALIVE)
        assert not fence.rows().exists()
        return multiple() if claimed is None else claimed

    @initialize()
    def first_task(self):
        self.create()


def test_any_order_of_transitions_by_several_workers_follows_the_model(transactional_db, sent, monkeypatch):
    monkeypatch.setattr(Engine, "sent", sent, raising=False)

    run_state_machine_as_test(
        Engine,
        settings=settings(
            max_examples=24,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
