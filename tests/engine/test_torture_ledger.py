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
        self.stack = None

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


class MadeUpOperators:
    """Operators of whom a test says whether they are heard."""

    def __init__(self, *, heard=True):
        self.heard, self.asked, self.all = heard, set(), []

    def rerun(self, ids):
        self.asked = set(ids)
        self.all.append(sorted(self.asked))

    def wait(self):
        accepted, self.asked = self.asked if self.heard else set(), set()
        return accepted


def ledger_of(world, table=None, *, scenario=None, digests=None, heard=True, **job):
    """A ledger with the one task of that world."""
    ledger = Ledger(world, table or Table(), seed=1, digests=digests or {})
    ledger.operators = MadeUpOperators(heard=heard)
    ledger.jobs[TASK] = Job(TASK, scenario or Scenario("any", "/any", {}), TURN, **job)
    return ledger


def promises(table):
    return {violation.promise for violation in table.violations}


def found(world, scenario=None, digests=None, **job):
    """Violations of the task, by promise."""
    table = Table()
    ledger_of(world, table, scenario=scenario, digests=digests, **job).check_ended()
    return promises(table)


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
    assert found(MadeUpWorld(Status.FAILED, errors=[28111]), met_full_disk=True) == set()
    assert found(MadeUpWorld(Status.FAILED, errors=[28111])) == {"P1"}
    assert found(MadeUpWorld(Status.FAILED, errors=[28111, 1]), met_full_disk=True) == {"P1"}
    assert found(MadeUpWorld(Status.FAILED), met_full_disk=True) == {"P1"}


def test_a_full_disk_is_an_excuse_once():
    world, table = MadeUpWorld(Status.FAILED, errors=[28111]), Table()
    ledger = ledger_of(world, table, met_full_disk=True)

    assert ledger.check_ended() == 1
    assert ledger.operators.all == [[TASK]]
    assert promises(table) == set()

    assert ledger.check_ended() == 0
    assert promises(table) == {"P1"}


def test_an_excuse_stays_while_no_operator_was_heard():
    table = Table()
    ledger = ledger_of(MadeUpWorld(Status.FAILED, errors=[28111]), table, met_full_disk=True, heard=False)

    assert ledger.check_ended() == ledger.check_ended() == 1
    assert promises(table) == set()
    assert ledger.reruns == 0


@pytest.mark.parametrize(("status", "excused"), [(Status.IN_PROGRESS, True), (Status.DONE, False)])
def test_a_full_disk_excuses_only_what_was_active_then(status, excused):
    ledger = ledger_of(MadeUpWorld(status))

    with ledger.full_disk():
        pass

    assert ledger.jobs[TASK].met_full_disk == excused


def test_a_full_disk_excuses_what_was_posted_or_run_again_meanwhile():
    class Posting(MadeUpWorld):
        def ask(self, method, path, body=None):
            return 202, orjson.dumps({"task_id": TASK + 1})

    ledger = ledger_of(Posting())
    with ledger.full_disk():
        posted = ledger.post()
        ledger.rerun([ledger.jobs[TASK]])
    later = ledger.post()

    assert posted.met_full_disk
    assert ledger.jobs[TASK].met_full_disk
    assert not later.met_full_disk


def test_only_reruns_that_were_accepted_count():
    for heard, count in ((True, 1), (False, None)):
        table = Table()
        ledger = ledger_of(MadeUpWorld(), table, heard=heard)

        ledger.rerun([ledger.jobs[TASK]])
        ledger.wait_for_operators()

        assert table.rows["P5"].counts.get("reruns") == count


def test_a_result_that_changes_after_its_check_or_vanishes_is_found():
    for answer, promise in (((200, RESULT), set()), ((200, b"other"), {"P7"}), ((404, b""), {"P6"})):
        world, table = MadeUpWorld(), Table()
        ledger = ledger_of(world, table)
        ledger.check_ended()

        world.result = answer
        ledger.check_again()

        assert promises(table) == promise


def test_a_result_that_has_nothing_to_repeat_is_not_compared():
    empty = Scenario("empty", "/any", {}, essence=lambda result: b"")

    assert found(MadeUpWorld(), empty, digests={"empty": "of other bytes"}) == set()


def test_a_result_must_be_there_be_right_and_repeat():
    picky = Scenario("picky", "/any", {}, check=lambda result: "wrong")
    digest = {"any": "of other bytes"}

    assert found(MadeUpWorld(result=(404, b""))) == {"P6"}
    assert found(MadeUpWorld(), picky) == {"P2"}
    assert found(MadeUpWorld(), Scenario("first", "/any", {}, check_first=lambda result: "wrong")) == {"P2"}
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


def test_each_scenario_counts_its_own_tasks():
    class Accepting(MadeUpWorld):
        bodies = []

        def ask(self, method, path, body=None):
            self.bodies.append(body["content"]["turn"])
            return 202, json.dumps({"task_id": len(self.bodies)}).encode()

    first, second = (
        Scenario(name, f"/{name}", lambda turn: {"turn": turn.number}, weight=1) for name in ("first", "second")
    )
    ledger = Ledger(Accepting(), Table(), seed=1)

    for scenario in (first, second, first, second, second):
        ledger.post(scenario)

    assert Accepting.bodies == [1, 1, 2, 2, 3]
