"""The stages of a torture: what they insist on, what they blame, in worlds that are made up."""

from random import Random
from types import SimpleNamespace

import pytest

from tasks_app.states import Status
from workers.torture import cancels, deaths, harness
from workers.torture.acts import Acts
from workers.torture.bugs import BUGS
from workers.torture.cancels import Cancels
from workers.torture.checker import Violation
from workers.torture.deaths import Deaths
from workers.torture.harness import Options, Torture
from workers.torture.history import Event
from workers.torture.plan import KILLS, TREE_POINTS
from workers.torture.poison import CRASHING, KILLING, Poison
from workers.torture.promises import SECONDS, Table

TASK = 5


# -- kills -------------------------------------------------------------------------------------------


class EasyActs(Acts):
    """Everything succeeds at once, but for what `fails` says."""

    def __init__(self, table, fails=lambda fault: False):
        ledger = SimpleNamespace(reruns=1, wait_for_operators=set)
        super().__init__(None, ledger, table)
        self.fails, self.faults = fails, []

    def carry_out(self, fault):
        self.faults.append(fault)
        if self.fails(fault):
            return ""
        self.carried_out.add(fault.kind)
        self.kills += fault.kind in KILLS
        if fault.kind == "tree_at":
            self.tree_points.add(fault.point)
        return "done"

    def feed(self):
        pass


@pytest.fixture
def torture(monkeypatch):
    """A torture whose stage of kills meets no stack."""

    def make(kills, fails=lambda fault: False, **options):
        made = Torture(Options(kills, 1, **options), show=lambda text: None)
        made._started = 0.0
        made.acts = EasyActs(made.table, fails)
        made.ledger = made.acts.ledger
        made.world = SimpleNamespace(slow=lambda seconds: None, broken_files=list)
        made.looks = []
        made._drain = lambda: None
        made._check_all = lambda: made.looks.append(made.kills)
        return made

    monkeypatch.setattr(harness.time, "monotonic", iter(range(10**7)).__next__)
    monkeypatch.setattr(harness.time, "sleep", lambda seconds: None)
    return make


def test_what_is_no_kill_runs_even_when_there_were_enough_kills_before(torture):
    made = torture(60, fails=lambda fault: False)
    made.acts.kills = 60

    made._kills()

    kinds = {fault.kind for fault in made.acts.faults}
    assert {"file_limit", "database", "stop", "full_disk", "flush", "cancel", "delete", "rerun"} <= kinds
    assert made.table.missed == []


def test_kills_that_were_not_possible_are_made_up_for(torture):
    made = torture(60, fails=lambda fault: fault.kind == "point")

    made._kills()

    assert made.kills >= 60


@pytest.mark.parametrize("kind", ["queue", "web", "stop", "database", "file_limit"])
def test_a_kind_of_fault_that_never_came_about_fails_the_torture(torture, kind):
    made = torture(60, fails=lambda fault: fault.kind == kind)

    made._kills()

    assert [text.partition(" ")[0] for text in made.table.missed] == [kind]
    assert made.table.missed[0] in made.table.untried


def test_from_five_hundred_kills_on_the_tree_must_have_died_at_every_point(torture):
    made = torture(500, fails=lambda fault: fault.kind == "tree_at" and fault.point == "merge.computed")

    made._kills()

    assert made.table.missed == ["tree_at at merge.computed"]
    assert made.acts.tree_points == set(TREE_POINTS) - {"merge.computed"}


def test_a_deliberate_bug_is_found_only_by_a_promise_that_it_breaks():
    made = Torture(Options(9, 1, bug="ack_before_commit"), show=lambda text: None)
    made.table.time("P4", 99.0)
    made.table.blame([Violation("P12", "slow")])
    assert made.found == []

    made.table.blame([Violation("P1", "lost")])
    assert [violation.promise for violation in made.found] == ["P1"]


def test_no_bug_breaks_a_promise_of_time_but_by_what_the_history_shows():
    assert all(bug.breaks and not bug.breaks & (set(SECONDS) - {"P5"}) for bug in BUGS.values())


def test_with_a_deliberate_bug_every_five_kills_are_looked_at_and_the_first_find_ends_it(torture):
    made = torture(100, bug="early_rename")
    made._check_all = lambda: (
        made.looks.append(made.kills),
        made.kills >= 15 and made.table.blame([Violation("P6", "half a file")]),
    )

    made._kills()

    assert made.looks == [5, 10, 15]
    assert made.kills == 15


def test_an_event_that_turns_up_behind_later_ones_is_checked(torture):
    made = torture(1)
    late = Event(1, 0.0, "part", 1, 1, status=Status.PENDING, lost=2, old_lost=0, old_status=Status.IN_PROGRESS)
    made.world.events = iter([[Event(2, 0.0, "task", 1, 1)], [late, Event(2, 0.0, "task", 1, 1)]]).__next__

    made._check_history(3)
    assert made.table.violations == []
    made._check_history(3)
    assert [violation.promise for violation in made.table.violations] == ["P10"]


# -- cancels -----------------------------------------------------------------------------------------


@pytest.fixture
def cancelled(monkeypatch, tmp_path):
    """What a cancel leaves of a task that workers 7 and 8 hold, when some of them let go so long after it."""

    def cancel(*, stops, status=204):
        table = Table()
        for path in tmp_path.glob("stopped.*"):
            path.unlink()

        def ask(job):
            for pid, seconds in stops.items():
                (tmp_path / f"stopped.{TASK}.{pid}").write_text(repr(1000.0 + seconds))
            return status

        world = SimpleNamespace(orders=tmp_path, slow=lambda *given: None, rows=lambda sql: [("host:7",), ("host:8",)])
        ledger = SimpleNamespace(post=lambda *given, **named: SimpleNamespace(task_id=TASK), cancel=ask)
        monkeypatch.setattr(cancels.time, "time", lambda: 1000.0)
        monkeypatch.setattr(cancels.time, "sleep", lambda seconds: None)
        monkeypatch.setattr(cancels, "wait_for", lambda ready, within: bool(ready()))
        Cancels(world, ledger, table, Random(1)).run(1)
        return table

    return cancel


def test_the_time_of_every_worker_that_lets_go_is_taken(cancelled):
    table = cancelled(stops={7: 0.25, 8: 0.5})

    assert sorted(table.rows["P5"].times) == [0.25, 0.5]
    assert table.violations == []


def test_a_worker_that_lets_go_late_or_never_is_a_violation(cancelled):
    late, never = (cancelled(stops=stops).violations for stops in ({7: 0.25, 8: 4.5}, {7: 0.25}))

    assert [violation.promise for violation in late] == ["P5"]
    assert [violation.promise for violation in never] == ["P5"]
    assert "1 of 2 workers" in str(never)


def test_a_cancel_that_is_refused_on_a_quiet_stack_is_a_violation(cancelled):
    assert "400" in str(cancelled(stops={}, status=400).violations)


def test_cancels_meet_every_phase_and_steps_take_longer_than_twice_the_promise():
    assert {"split", "parts", "merge", "waiting"} == set(cancels.PHASES)
    assert min(cancels.SLOW_SECONDS) > 2 * SECONDS["P5"]
    assert 2 * SECONDS["P5"] < cancels.LET_GO_WITHIN


# -- poison ------------------------------------------------------------------------------------------


def judged(parts, codes, ended=True):
    table = Table()
    world = SimpleNamespace(rows=lambda sql: list(parts.items()))
    poison = Poison(world, SimpleNamespace(codes=lambda job: codes), table)
    poison._judge(SimpleNamespace(task_id=TASK), ended)
    return [violation.promise for violation in table.violations]


def test_both_poisonous_parts_must_fail_all_others_finish_and_the_errors_be_stored():
    good = dict.fromkeys(range(7), Status.DONE) | {KILLING: Status.FAILED, CRASHING: Status.FAILED}

    assert judged(good, [28110, 28110]) == []
    assert judged(good, [28110]) == ["P10"]
    assert judged(good | {CRASHING: Status.DONE}, [28110, 28110]) == ["P10"]
    assert judged(good | {0: Status.FAILED}, [28110, 28110]) == ["P10"]
    assert judged(good | {0: Status.PENDING}, [28110, 28110]) == ["P10"]
    assert judged(good, [28110, 28110], ended=False) == ["P10"]


# -- deaths ------------------------------------------------------------------------------------------


@pytest.fixture
def death(monkeypatch, tmp_path):
    """The death of a tree while a part of the new task was held."""

    def die(*, met=True, noticed=True):
        (tmp_path / "order").touch()
        tasks, table = iter([(TASK - 1,), (TASK,)]), Table()

        def post(scenario):
            if met:
                (tmp_path / "order").unlink()

        release = Event(9, 0.0, "part", 3, TASK, lost=1, old_lost=0, status=0, old_status=1)
        world = SimpleNamespace(
            orders=tmp_path,
            slow=lambda seconds: None,
            order=lambda point, action: tmp_path / "order",
            rows=lambda sql: [next(tasks)],
            last_event=lambda: 8,
            claims_of_task=lambda task_id: {("part", 3)},
            events=lambda last: [release] if noticed else [],
        )
        monkeypatch.setattr(deaths, "wait_for", lambda ready, within: bool(ready()))
        drained = []
        seconds = Deaths(world, SimpleNamespace(post=post), table, lambda: drained.append(1)).die_at("part.claimed")
        assert drained  # what ran before would meet the fault instead
        return seconds, table

    return die


def test_a_death_is_timed_until_every_claim_of_the_dead_is_released(death):
    seconds, table = death()

    assert seconds < 5
    assert table.rows["P4"].counts == {"deaths by default settings": 1}


def test_a_death_that_is_not_noticed_is_a_violation_and_one_that_was_not_met_is_no_trial(death):
    assert [violation.promise for violation in death(noticed=False)[1].violations] == ["P4"]

    seconds, table = death(met=False)
    assert seconds is None
    assert table.rows["P4"].counts == {}
