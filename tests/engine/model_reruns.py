"""Reruns in the state model: the first step in its transactions, and deaths between them."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import pytest
from hypothesis import strategies
from hypothesis.stateful import rule

from lunatasks import errors
from tasks_app import transitions
from tasks_app.models import Task
from tasks_app.states import ACTIVE, Status, Step
from tasks_app.transitions import FenceLost, TaskFence, reruns
from tests.engine.model import EXPIRED, Modelled


class Died(Exception):
    """The worker is gone."""


@contextmanager
def death_after(count: int) -> Iterator[None]:
    """The first step of a rerun ends after so many of its parts, at the latest before it opens the next step."""
    left = iter(range(count))

    def mortal(call):
        def do(*arguments):
            if next(left, None) is None:
                raise Died
            call(*arguments)

        return do

    with mock.patch.multiple(
        reruns,
        delete_in_batches=mortal(reruns.delete_in_batches),
        _put_back=mortal(reruns._put_back),
        open_step=mock.Mock(side_effect=Died),
    ):
        yield


class Reruns(Modelled):
    """Reruns by clients, and their first step by workers."""

    steps, works = Modelled.steps, Modelled.works

    def rerun(self, task_id):
        task = self.model.get(task_id)
        if task is None or task.status in ACTIVE:
            with pytest.raises(errors.TaskNotFound if task is None else errors.NotRerunnable):
                transitions.rerun(task_id, request_id="")
            return
        afresh = task.status == Status.DONE or task.step == Step.RESTART
        transitions.rerun(task_id, request_id="")
        task.run += 1
        task.status, task.lost, task.path, task.lease = Status.PENDING, 0, "", None
        task.step = Step.RESTART if afresh else Step.RESUME

    def reopen(self, fence: TaskFence) -> None:
        task = self.holds_step(fence)
        if task is None:
            self.refuse_to_reopen(fence)
            return
        if fence.step == Step.RESTART:
            transitions.restart(fence)
            task.restart(most=2)
            task.open_restarted()
            return
        opened = transitions.resume(fence)
        task.resume(most=5)
        task.open_resumed()
        assert opened == task.step
        if opened == Step.PARTS:
            transitions.dispatch_parts(fence.task_id, fence.run, task.phase)

    def refuse_to_reopen(self, fence: TaskFence) -> None:
        if Task.objects.filter(pk=fence.task_id).exists():
            with pytest.raises(FenceLost):
                work_of(fence)(fence)

    @rule(fence=Modelled.steps, count=strategies.integers(0, 5))
    def die_in_reopen(self, fence, count):
        """The worker is gone after some of it; whoever comes next must end where it would have ended."""
        if fence.step in (Step.RESUME, Step.RESTART):
            self.die_in_this_reopen(fence, count)

    def die_in_this_reopen(self, fence, count):
        task = self.holds_step(fence)
        if task is None:
            self.refuse_to_reopen(fence)
            return
        with death_after(count), pytest.raises(Died):
            work_of(fence)(fence)
        (task.resume if fence.step == Step.RESUME else task.restart)(most=count)
        transitions.extend_lease(fence, lease=EXPIRED, done=0, total=0)
        task.lease = EXPIRED if task.lease is not None else None


def work_of(fence: TaskFence):
    return transitions.resume if fence.step == Step.RESUME else transitions.restart
