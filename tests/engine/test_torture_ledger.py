"""What the torture's clients find in worlds that are made up: each wrong outcome is a violation, a right one none."""

import json

import orjson
import pytest

from tasks_app.states import Status
from workers.torture import mix
from workers.torture.ledger import Job, Ledger
from workers.torture.mix import Scenario, Turn
from workers.torture.promises import Table

TASK = 5
RESULT = b'{"result": [], "errors": []}'
TURN = Turn(1, 0)


class MadeUpWorld:
    """A stack of one task that is as the test says."""

    def __init__(self, status=Status.DONE, *, errors=(), result=(200, RESULT), left=(), effect=1):
        self.status, self.errors, self.result, self.left, self.effect = status, errors, result, left, effect

    def statuses(self):
        return {} if self.status is None else {TASK: int(self.status)}

    def task(self, task_id):
        return None if self.status is None else {"task_status": int(self.status)}

    def rows(self, sql):
        if "error_code" in sql:
            return [(code,) for code in self.errors]
        if "LIMIT 1" in sql:
            return [(1,)] if any(table in sql for table in self.left) else []
        return [(self.effect,)]

    def ask_until_answered(self, method, path, body=None):
        return self.result


def found(world, scenario=None, full_disks=0, digests=None, **job):
    """Violations of the task, by promise."""
    table = Table()
    ledger = Ledger(world, table, seed=1, full_disks=full_disks, digests=digests or {})
    ledger.rerun = lambda jobs: ledger.checked.difference_update(one.task_id for one in jobs)
    ledger.jobs[TASK] = Job(TASK, scenario or Scenario("any", "/any", {}), TURN, **job)
    ledger.check_ended()
    return {violation.promise for violation in table.violations}


def test_a_task_that_ended_as_it_must_is_right():
    assert found(MadeUpWorld()) == set()
    assert found(MadeUpWorld(Status.IN_PROGRESS)) == set()  # not ended: the drain is there for that


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED])
def test_another_end_than_asked_for(status):
    assert found(MadeUpWorld(status)) == {"P1"}


def test_a_cancelled_task_must_have_been_cancelled_and_stay_so():
    assert found(MadeUpWorld(Status.CANCELLED), cancel_asked=True) == set()
    assert found(MadeUpWorld(Status.DONE), cancel_asked=True, cancelled=True) == {"P5"}
    assert found(MadeUpWorld(Status.DONE), cancel_asked=True, cancelled=True, rerun_asked=True) == set()


def test_a_task_that_is_gone_must_have_been_deleted():
    assert found(MadeUpWorld(None)) == {"P1"}
    assert found(MadeUpWorld(None), delete_asked=True) == set()


def test_a_deletion_leaves_no_rows_and_no_task():
    assert found(MadeUpWorld(None, left=["tasks_app_subtask"]), delete_asked=True) == {"P1"}
    assert found(MadeUpWorld(None, left=["errors_app_taskerror"]), delete_asked=True) == {"P1"}
    assert found(MadeUpWorld(), delete_asked=True, deleted=True) == {"P1"}


def test_stored_errors_are_exactly_those_of_the_scenario():
    broken = Scenario("broken", "/any", {}, code=28121)

    assert found(MadeUpWorld(errors=[28121]), broken) == set()
    assert found(MadeUpWorld(errors=[28121, 28121]), broken) == {"P1"}
    assert found(MadeUpWorld(), broken) == {"P1"}
    assert found(MadeUpWorld(errors=[1])) == {"P1"}


def test_only_a_full_disk_excuses_and_only_its_errors():
    assert found(MadeUpWorld(Status.FAILED, errors=[28111]), full_disks=1) == set()
    assert found(MadeUpWorld(Status.FAILED, errors=[28111])) == {"P1"}
    assert found(MadeUpWorld(Status.FAILED, errors=[28111, 1]), full_disks=1) == {"P1"}
    assert found(MadeUpWorld(Status.FAILED), full_disks=1) == {"P1"}


def test_an_excused_task_is_run_again():
    table = Table()
    ledger = Ledger(MadeUpWorld(Status.FAILED, errors=[28111]), table, seed=1, full_disks=1)
    job = ledger.jobs[TASK] = Job(TASK, Scenario("any", "/any", {}), TURN)
    again = []
    ledger.rerun = again.extend

    ledger.check_ended()

    assert again == [job]


def test_a_result_must_be_there_be_right_and_repeat():
    picky = Scenario("picky", "/any", {}, check=lambda result: "wrong")
    digest = {"any": "of other bytes"}

    assert found(MadeUpWorld(result=(404, b""))) == {"P6"}
    assert found(MadeUpWorld(), picky) == {"P2"}
    assert found(MadeUpWorld(), digests=digest) == {"P7"}


def test_effects_are_counted():
    once = Scenario("once", "/any", {}, effects=lambda turn: [("SELECT COUNT(*) FROM x", 1)])

    assert found(MadeUpWorld(effect=1), once) == set()
    assert found(MadeUpWorld(effect=2), once) == found(MadeUpWorld(effect=0), once) == {"P2"}


def test_a_second_cancel_must_be_refused_and_change_nothing():
    class Cancelling(MadeUpWorld):
        answer = (400, json.dumps({"error_code": 28019}).encode())
        ends = (1, 1)

        def ask(self, method, path, body=None):
            return 204, b""

        def ask_until_answered(self, method, path, body=None):
            return self.answer

        def task(self, task_id):
            first, *rest = self.ends
            self.ends = (*rest, first)
            return {"task_status": 4, "end_time": first, "result_id": None, "count_task_parts_done": 0}

    def cancelled(**changes):
        world, table = Cancelling(), Table()
        vars(world).update(changes)
        Ledger(world, table, seed=1).cancel(Job(TASK, mix.SCENARIOS[0], TURN))
        return {violation.promise for violation in table.violations}

    assert cancelled() == set()
    assert cancelled(answer=(204, b"")) == {"P5"}
    assert cancelled(answer=(400, orjson.dumps({"error_code": 1}))) == {"P5"}
    assert cancelled(ends=(1, 2)) == {"P5"}


def test_a_number_that_was_given_twice_is_found():
    class Posting(MadeUpWorld):
        def ask(self, method, path, body=None):
            return 202, orjson.dumps({"task_id": TASK})

    table = Table()
    ledger = Ledger(Posting(), table, seed=1)
    ledger.post()
    ledger.post()

    assert [violation.promise for violation in table.violations] == ["P1"]
