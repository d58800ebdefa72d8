"""What torture does to the steps of tasks inside a worker: slow ones, deadly parts, wrong clocks."""

import os
import signal
from types import SimpleNamespace

import pytest
from django.db import connection

from tasks_app import transitions
from tasks_app.states import Status, Step
from tasks_app.transitions import PartFence
from workers.context import Stopped
from workers.torture import hooks


class Busy:
    """A context that is asked to stop at its third check, or never."""

    task_id, prefix = 5, "tasks/5/1/0-3-2"

    def __init__(self, *, stops=False):
        self.stops, self.checks = stops, 0

    def check(self):
        self.checks += 1
        if self.stops and self.checks == 3:
            raise Stopped


@pytest.fixture
def folder(settings, tmp_path):
    """The folder of orders."""
    settings.LUNATASKS_FAULTS_DIR = str(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("order", "step", "slow"),
    [("slow.split", "split", True), ("slow.split", "parts", False), ("slow.parts", "parts", True),
     ("slow.merge", "merge", True), ("slow.5", "parts", True), ("slow.5", "split", False), ("slow.6", "parts", False)],
)  # fmt: skip
def test_a_step_is_slow_when_an_order_says_so(folder, order, step, slow):
    (folder / order).write_text("0.1")
    context = Busy()

    assert hooks._slowly(step, lambda context, given: given)(context, "done") == "done"

    assert (context.checks > 0) == slow


def test_who_stops_in_a_slow_step_leaves_the_moment_and_its_name(folder):
    (folder / "slow.merge").write_text("60")

    with pytest.raises(Stopped):
        hooks._slowly("merge", lambda context: None)(Busy(stops=True))

    assert float((folder / f"stopped.5.{os.getpid()}").read_text()) > 0
    assert not list(folder.glob("stopping.*"))


@pytest.mark.parametrize(("order", "dies"), [("crash.5-0-3", True), ("crash.5-0-2", False), ("crash.6-0-3", False)])
def test_only_the_part_of_that_name_crashes_its_process(folder, monkeypatch, order, dies):
    signals = []
    monkeypatch.setattr(hooks.os, "kill", lambda pid, number: signals.append((pid, number)))
    monkeypatch.setattr(hooks.resource, "setrlimit", lambda what, limits: None)
    (folder / order).touch()

    hooks._deadly(lambda context, content: None)(Busy(), None)

    assert signals == ([(os.getpid(), signal.SIGSEGV)] if dies else [])


@pytest.mark.django_db
def test_a_process_may_die_before_the_end_of_a_part_is_counted(folder, monkeypatch, make_task, make_subtask, sent):
    task = make_task(
        task_status=Status.IN_PROGRESS, step=Step.PARTS, planned_phases=1, last_phase=True, count_task_parts_all=1
    )
    claimed = transitions.claim_part(PartFence(task.pk, make_subtask(task).pk, 1, 0), worker="w", lease=60)
    met = []
    monkeypatch.setattr(hooks.faults, "point", met.append)

    with connection.execute_wrapper(hooks._before_statement):
        transitions.finish_part(claimed, None)

    assert met.count("count.statement") == 1
    assert met.index("part.statement") < met.index("count.statement")


def test_clocks_of_workers_and_rescue_are_fast_or_slow_and_the_web_servers_is_fast(settings):
    for role, directions in (("worker", {1, -1}), ("command", {1, -1}), ("web", {1})):
        settings.LUNATASKS_ROLE = role

        assert {hooks._direction(pid) for pid in (10, 11)} == directions


@pytest.mark.parametrize(
    ("role", "words", "shifted"),
    [("worker", [], True), ("web", [], True), ("command", ["rescuetasks"], True), ("command", [], False)],
)
def test_every_process_of_the_service_has_a_wrong_clock_and_an_operators_has_not(
    folder, settings, monkeypatch, role, words, shifted
):
    settings.LUNATASKS_HOME, settings.LUNATASKS_ROLE = folder.parent, role
    settings.LUNATASKS_CLOCK_OFFSET = 60
    found = []
    monkeypatch.setattr(hooks, "shift_clock", found.append)
    monkeypatch.setattr(hooks.sys, "argv", words)
    monkeypatch.setattr(hooks, "connection_created", SimpleNamespace(connect=lambda *given, **named: None))
    monkeypatch.setattr(hooks.dispatch, "send", hooks.dispatch.send)
    monkeypatch.setattr(hooks, "_slow_down", lambda: None)

    hooks.install()

    assert [abs(seconds) for seconds in found] == [60] * shifted
