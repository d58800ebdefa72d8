"""How faults are carried out, and what counts as one, in worlds that are made up."""

import signal
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tasks_app.states import Status
from workers.torture import acts
from workers.torture.acts import Acts
from workers.torture.history import Event
from workers.torture.plan import Fault
from workers.torture.promises import Table
from workers.torture.stack import Stack
from workers.torture.world import Claim, World

PID = 77
CLAIM = Event(5, 0.0, "part", 3, 1, attempt=2, old_attempt=1, status=1, old_status=0)


@pytest.fixture
def signals(monkeypatch):
    """Signals instead of their being sent."""
    sent = []
    monkeypatch.setattr(acts, "kill", lambda pid, number=signal.SIGKILL: sent.append((pid, number)) or pid is not None)
    return sent


@pytest.fixture(autouse=True)
def time_flies(monkeypatch):
    """Nothing is waited for: each look at the clock is a second later."""
    clock = iter(range(10**6))
    monkeypatch.setattr(acts.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(acts.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(acts, "wait_for", lambda ready, within, pause=0.0: bool(ready()))


class Order:
    """An order of a fault, that somebody takes or nobody."""

    def __init__(self, *, taken):
        self.taken = taken

    def exists(self):
        return not self.taken

    def unlink(self):
        if self.taken:
            raise FileNotFoundError


class MadeUpWorld:
    """A stack with one worker that is at hand for every fault."""

    holding = frozenset({PID})
    taken, stopped, held, happened, flushed = True, PID, frozenset({("part", 3)}), (CLAIM,), True

    def __init__(self, **changes):
        vars(self).update(changes)
        self.slowed = []

    def order(self, point, action):
        return Order(taken=self.taken)

    def some_worker(self, chance):
        return PID

    def stopped_process(self):
        return self.stopped

    def claims(self):
        return [Claim(row, 1, PID) for row in self.held] + [Claim(("part", 4), 2, PID + 1)]

    def holders(self):
        return self.holding

    def last_event(self):
        return 4

    def events(self, after):
        return [event for event in self.happened if event.id > after]

    def flush_queue(self):
        return self.flushed

    def slow(self, *given):
        self.slowed.append(given)

    def pids(self, word):
        return [PID, PID + 1]


def acts_on(world, **ledger):
    ledger = SimpleNamespace(active=lambda: [1] * 9, reruns=0, full_disk=nullcontext, **ledger)
    return Acts(world, ledger, Table())


def counts(done, promise):
    return sum(done.table.rows[promise].counts.values())


# -- stale workers -----------------------------------------------------------------------------------


def test_a_stale_worker_counts_when_another_one_has_taken_its_work_before_it_goes_on(signals):
    done = acts_on(MadeUpWorld())

    assert done.carry_out(Fault("stop", "part.computed"))
    assert counts(done, "P3") == 1
    assert signals == [(PID, signal.SIGCONT)]
    assert done.world.slowed == [(acts.LONG_PART, 1), (acts.SHORT_PART, 1)]  # two are at work then


@pytest.mark.parametrize(
    "changes",
    [
        {"happened": ()},
        {"happened": (replace(CLAIM, row_id=4),)},
        {"happened": (replace(CLAIM, id=4),)},
        {"happened": (replace(CLAIM, old_attempt=2, lost=1, old_lost=0),)},
        {"held": frozenset()},
    ],
)
def test_a_worker_that_slept_while_nobody_took_its_work_is_no_trial_and_goes_on_too(signals, changes):
    done = acts_on(MadeUpWorld(**changes))

    assert not done.carry_out(Fault("stop", "part.computed"))
    assert counts(done, "P3") == 0
    assert signals == [(PID, signal.SIGCONT)]


def test_a_worker_goes_on_even_when_the_history_cannot_be_read(signals):
    world = MadeUpWorld()
    world.events = None

    with pytest.raises(TypeError):
        acts_on(world).carry_out(Fault("stop", "part.computed"))

    assert signals == [(PID, signal.SIGCONT)]


@pytest.mark.parametrize(
    ("changes", "ends"),
    [
        ({}, True),
        ({"attempt": 1}, False),
        ({"attempt": 1, "status": int(Status.DONE)}, True),
        ({"status": None}, True),
        ({"attempt": 1, "status": int(Status.DONE), "old_status": int(Status.DONE)}, False),
    ],
)
def test_a_claim_is_ended_by_another_one_or_by_the_end_of_its_row(changes, ends):
    assert replace(CLAIM, **changes).ends_a_claim == ends


# -- what was carried out ----------------------------------------------------------------------------


def test_what_was_not_carried_out_is_known():
    done = acts_on(MadeUpWorld(flushed=False))

    done.carry_out(Fault("flush"))

    assert counts(done, "P8") == 0
    assert done.never(["flush"]) == {"flush"}

    done.world.flushed = True
    done.carry_out(Fault("flush"))
    assert done.never(["flush"]) == set()
    assert counts(done, "P8") == 1


def test_a_rerun_has_come_about_when_an_operators_was_accepted():
    done = acts_on(MadeUpWorld())
    done.carried_out.add("rerun")

    assert done.never(["rerun"]) == {"rerun"}
    done.ledger.reruns = 1
    assert done.never(["rerun"]) == set()


def test_a_cancel_that_was_refused_has_not_come_about():
    for status, missing in ((204, set()), (400, {"cancel"})):
        job = SimpleNamespace(cancel_asked=False)
        done = acts_on(MadeUpWorld(), cancel=lambda job, status=status: status)
        done.ledger.active = lambda job=job: [job]

        done.carry_out(Fault("cancel"))

        assert done.never(["cancel"]) == missing


def test_the_points_of_tree_kills_are_noted_only_when_they_were_reached(signals):
    for taken, points in ((False, set()), (True, {"split.planned"})):
        done = acts_on(MadeUpWorld(taken=taken))

        done.carry_out(Fault("tree_at", "split.planned"))
        done.carry_out(Fault("point", "part.claimed"))

        assert done.tree_points == points


def test_for_a_heartbeat_parts_are_long_for_a_while(signals):
    world = MadeUpWorld()

    acts_on(world).carry_out(Fault("point", "heartbeat.beat"))

    assert world.slowed == [(acts.LONG_PART,), (acts.SHORT_PART,)]


@pytest.mark.parametrize(("holding", "killed"), [({PID, 9}, [PID]), ({9}, []), (set(), [])])
def test_before_rescue_is_met_a_worker_that_holds_something_dies_unless_a_dead_one_does(signals, holding, killed):
    acts_on(MadeUpWorld(holding=frozenset(holding))).carry_out(Fault("point", "rescue.found"))

    assert [pid for pid, _ in signals] == killed


# -- processes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "title", ["redis-server unixsocket:/home/run/queue.sock", "/bin/valkey-server /home/run/queue.conf"]
)
def test_a_queue_server_is_found_whatever_it_writes_over_its_command_line(monkeypatch, tmp_path, title):
    monkeypatch.setattr("workers.torture.stack.descendants", lambda pid: [PID, PID + 1])
    monkeypatch.setattr("workers.torture.stack.command_line", {PID: title, PID + 1: "manage.py runworker"}.get)
    stack = Stack()
    stack.home, stack.supervisor = tmp_path, SimpleNamespace(pid=1)

    assert World(stack).queue_servers() == [PID]


def test_processes_of_a_web_server_that_outlive_it_are_a_violation(signals, monkeypatch):
    for lives, violations in ((True, 1), (False, 0)):
        monkeypatch.setattr(acts, "is_process", lambda pid, lives=lives: lives)
        done = acts_on(MadeUpWorld())

        done.carry_out(Fault("web"))

        assert len(done.table.violations) == violations


def test_claims_are_told_by_process_and_by_task():
    world = object.__new__(World)
    world.rows = lambda sql: [("task", 1, 1, "host:7"), ("part", 3, 1, "host:8"), ("part", 4, 2, "host:8")]

    assert world.holders() == {7, 8}
    assert Claim(("part", 4), 2, 8) in world.claims()
    assert world.claims_of_task(1) == {("task", 1), ("part", 3)}
