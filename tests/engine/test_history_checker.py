"""The checker finds every kind of violation in made-up histories, and none in a good one."""

import ast
import sqlite3
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest
from django.db import connection, transaction

from tasks_app import transitions
from tasks_app.models import Task
from tasks_app.states import Status, Step
from workers.torture import checker, history
from workers.torture.checker import check
from workers.torture.history import Event

SHA = "0" * 64
PART = "tasks/1/1/0-{}-1.npy"
RESULT = "tasks/1/1/0-result-1.json"


def change(kind, row, *, before, after):
    """An event of task 1 from some values to others."""
    old = {f"old_{name}": value for name, value in before.items()}
    return Event(0, 0.0, kind, row, 1, **after, **old)


def task_states(*states):
    return [change("task", 1, before=before, after=after) for before, after in pairwise(states)]


def part_states(number, *states):
    row = 10 + number
    return [change("part", row, before=old, after=new) for old, new in pairwise(states)]


def task(status, step, attempt, *, leased=0, done=0, total=2, path="", run=1, lost=0):
    sha = SHA if path else ""
    return {"status": status, "step": step, "attempt": attempt, "leased": leased, "run": run, "phase": 0,
            "done": done, "total": total, "path": path, "sha256": sha, "lost": lost}  # fmt: skip


def part(number, status, attempt, *, leased=0, path="", run=1, lost=0):
    return {"status": status, "attempt": attempt, "leased": leased, "run": run, "phase": 0, "number": number,
            "path": path, "sha256": SHA if path else "", "lost": lost}  # fmt: skip


SPLIT = task(Status.PENDING, Step.SPLIT, 0, total=0)
CLAIMED = task(Status.IN_PROGRESS, Step.SPLIT, 1, leased=1, total=0)
PARTS = task(Status.IN_PROGRESS, Step.PARTS, 1)
MERGE = task(Status.COLLECT_RESULTS, Step.MERGE, 1, done=2)
MERGING = task(Status.COLLECT_RESULTS, Step.MERGE, 2, leased=1, done=2)
DONE = task(Status.DONE, Step.MERGE, 2, done=2, path="tasks/1/1/0-result-2.json")


def waiting(number, attempt=0, **named):
    return part(number, Status.PENDING, attempt, **named)


def running(number, attempt=1, **named):
    return part(number, Status.IN_PROGRESS, attempt, leased=1, **named)


def done(number, attempt=1, **named):
    return part(number, Status.DONE, attempt, path=f"tasks/1/1/0-{number}-{attempt}.npy", **named)


def a_good_start():
    return [*task_states({}, SPLIT, CLAIMED), *part_states(0, {}, waiting(0)), *part_states(1, {}, waiting(1)),
            *task_states(CLAIMED, PARTS)]  # fmt: skip


def both_parts():
    return [*part_states(0, waiting(0), running(0), done(0)), *part_states(1, waiting(1), running(1), done(1))]


def a_good_run():
    return [*a_good_start(), *both_parts(), *task_states(PARTS, MERGE, MERGING, DONE)]


NEXT = task(Status.IN_PROGRESS, Step.SPLIT, 1, done=2) | {"phase": 1}
RESUMED = task(Status.PENDING, Step.RESUME, 1, run=2)
REMOVED = change("part", 10, before=done(0), after={})


def later(events, seconds=60.0):
    return [replace(event, at=event.at + seconds) for event in events]


def broken(events):
    return {violation.promise for violation in check(events, max_lost=3)}


def test_a_good_history_is_accepted():
    assert check(a_good_run(), max_lost=3) == []


def test_a_rerun_and_a_deletion_are_accepted():
    rerun = task(Status.PENDING, Step.RESTART, 2, run=2)

    events = [*a_good_run(), *task_states(DONE, rerun), change("part", 10, before=done(0), after={})]

    assert check(events, max_lost=3) == []


def test_a_lost_lease_and_a_second_worker_are_accepted():
    lost = part(0, Status.PENDING, 1, lost=1)
    again = part_states(0, waiting(0), running(0), lost, running(0, 2, lost=1), done(0, 2, lost=1))

    assert check([*a_good_start(), *again], max_lost=3) == []


def test_a_next_phase_after_the_last_part_is_accepted():
    assert check([*a_good_start(), *both_parts(), *task_states(PARTS, NEXT)], max_lost=3) == []


def test_a_claim_that_the_end_of_its_task_overtook_is_accepted():
    ended = task_states(PARTS, PARTS | {"status": Status.CANCELLED})
    settled = part_states(0, waiting(0), running(0), part(0, Status.CANCELLED, 1))

    assert check([*a_good_start(), *ended, *settled], max_lost=3) == []


def test_a_rerun_removes_finished_parts_behind_a_phase_that_it_opens_again():
    behind = waiting(5) | {"phase": 1}
    ended = behind | {"status": Status.DONE}

    events = [*a_good_start(), *task_states(PARTS, RESUMED), change("part", 15, before={}, after=behind)]

    assert check([*events, change("part", 15, before=ended, after={})], max_lost=3) == []


BAD = {
    "a part committed twice": ("P2", [*a_good_start(), *both_parts(),
        change("part", 10, before=done(0), after=done(0) | {"path": "tasks/1/1/0-0-2.npy"})]),
    "a part committed by a stale claim": ("P3", [*a_good_start(),
        *part_states(0, running(0, 2), done(0) | {"attempt": 2})]),
    "a part committed without a claim": ("P3", [*a_good_start(), *part_states(0, waiting(0), done(0))]),
    "a part committed after a cancel": ("P5", [*a_good_start(), *part_states(0, waiting(0), running(0)),
        *task_states(PARTS, PARTS | {"status": Status.CANCELLED}), *part_states(0, running(0), done(0))]),
    "a finished part done again": ("P4", [*a_good_start(), *both_parts(), *part_states(0, done(0), waiting(0))]),
    "a cancelled part that wakes up": ("P5", [*a_good_start(),
        *part_states(0, waiting(0), part(0, Status.CANCELLED, 0), waiting(0))]),
    "a claim of what another worker has": ("P3", [*a_good_start(),
        *part_states(0, waiting(0), running(0), running(0, 2))]),
    "a claim of a part whose lease stands": ("P3", [*a_good_start(),
        *part_states(0, waiting(0, leased=1), running(0))]),
    "a claim of a part that has ended": ("P3", [*a_good_start(),
        change("part", 10, before=part(0, Status.FAILED, 1, run=1), after=running(0, 2, run=2))]),
    "an attempt that jumps": ("P3", [*a_good_start(), *part_states(0, waiting(0), running(0, 2))]),
    "a task that leaves its end": ("P5", [*a_good_run(), *task_states(DONE, MERGE)]),
    "a result that changes after the end": ("P3", [*a_good_run(), *task_states(DONE, DONE | {"path": RESULT})]),
    "an end without a merge": ("P6", [*a_good_start(), *both_parts(), *task_states(PARTS, DONE)]),
    "an end without a result": ("P6", [*a_good_start(), *both_parts(),
        *task_states(PARTS, MERGE, MERGING, DONE | {"path": "", "sha256": ""})]),
    "a result of another claim": ("P3", [*a_good_start(), *both_parts(),
        *task_states(PARTS, MERGE, MERGING, DONE | {"path": RESULT})]),
    "wrong counts": ("P2", [*a_good_start(), *both_parts(),
        *task_states(PARTS, MERGE, MERGING, DONE | {"done": 1})]),
    "two merges": ("P2", [*a_good_start(), *both_parts(), *task_states(PARTS, MERGE), *task_states(PARTS, MERGE)]),
    "a merge before the last part": ("P2", [*a_good_start(), *part_states(0, waiting(0), running(0), done(0)),
        *task_states(PARTS, MERGE)]),
    "a quarantine too early": ("P10", [*a_good_start(),
        *part_states(0, running(0), part(0, Status.FAILED, 1, lost=1))]),
    "a part committed in a phase that is over": ("P2", [*a_good_start(), *part_states(0, waiting(0), running(0)),
        *task_states(PARTS, PARTS | {"phase": 1}), *part_states(0, running(0), done(0))]),
    "a part claimed long after the end of its task": ("P5", [*a_good_start(),
        *task_states(PARTS, PARTS | {"status": Status.CANCELLED}), *later(part_states(0, waiting(0), running(0)))]),
    "a part claimed while its phase is planned": ("P2", [*task_states({}, SPLIT, CLAIMED),
        *part_states(0, {}, waiting(0), running(0))]),
    "a part claimed in another phase than the task's": ("P2", [*a_good_start(),
        *task_states(PARTS, PARTS | {"phase": 1}), *part_states(0, waiting(0), running(0))]),
    "a next phase before the last part": ("P2", [*a_good_start(), *part_states(0, waiting(0), running(0), done(0)),
        *task_states(PARTS, NEXT)]),
    "a finished part removed from a task that runs": ("P4", [*a_good_start(), *both_parts(), REMOVED]),
    "a finished part removed by a rerun that keeps what is done": ("P4", [*a_good_start(), *both_parts(),
        *task_states(PARTS, RESUMED), REMOVED]),
    "losses that jump": ("P10", [*a_good_start(), *part_states(0, running(0), part(0, Status.PENDING, 1, lost=2))]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_the_checker_finds(name):
    promise, events = BAD[name]

    assert promise in broken(events)


class Without(ast.NodeTransformer):
    """The checker's source without one of its findings."""

    def __init__(self, line: int):
        self.line = line

    def visit_Expr(self, node):
        nothing = ast.parse("yield from ()").body[0]
        return nothing if isinstance(node.value, ast.Yield) and node.lineno == self.line else node


SOURCE = Path(checker.__file__).read_text()
FINDINGS = [node.lineno for node in ast.walk(ast.parse(SOURCE)) if isinstance(node, ast.Yield)]


@pytest.mark.parametrize("line", FINDINGS)
def test_a_checker_without_one_of_its_findings_misses_some_bad_history(line, monkeypatch):
    weak = ModuleType("weak_checker")
    monkeypatch.setitem(sys.modules, weak.__name__, weak)
    tree = ast.fix_missing_locations(Without(line).visit(ast.parse(SOURCE)))
    exec(compile(tree, weak.__name__, "exec"), vars(weak))  # noqa: S102  our own source

    missed = [
        name for name, (promise, events) in BAD.items()
        if promise not in {found.promise for found in weak.check(events, max_lost=3)}
    ]  # fmt: skip

    assert missed


# -- the triggers ------------------------------------------------------------------------------------


@pytest.fixture
def recorded(transactional_db):
    """Begins the history of the test database; reads it."""
    vendor = connection.vendor
    with connection.cursor() as cursor:
        for statement in history.statements(vendor):
            cursor.execute(statement.replace("%", "%%") if vendor == "sqlite" else statement)

    def read():
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(history.COLUMNS)} FROM {history.TABLE} ORDER BY id")  # noqa: S608
            return [Event(*row) for row in cursor.fetchall()]

    yield read

    with connection.cursor() as cursor:
        for kind, table, *_ in history.ROWS:
            for verb, _ in history.CHANGES:
                name = f"torture_{kind}_{verb}"
                cursor.execute(f"DROP TRIGGER {name}" + ("" if vendor == "sqlite" else f" ON {table}"))
                if vendor != "sqlite":
                    cursor.execute(f"DROP FUNCTION {name}")
        cursor.execute(f"DROP TABLE {history.TABLE}")


def test_the_triggers_tell_the_story_of_a_real_task(recorded, make_faces, make_clustering, work):
    make_faces()
    made = make_clustering()

    work()
    transitions.delete(made.pk)

    events = recorded()
    statuses = [event.status for event in events if event.kind == "task" and event.status != event.old_status]
    assert statuses == [Status.PENDING, Status.IN_PROGRESS, Status.COLLECT_RESULTS, Status.DONE, None]
    assert [event.is_claim for event in events].count(True) == 3
    assert check(events, max_lost=3) == []
    assert abs(events[0].at - made.create_time.timestamp()) < 60


def test_a_change_that_is_rolled_back_is_not_in_the_history(recorded, make_task):
    task = make_task()
    with transaction.atomic():
        Task.objects.filter(pk=task.pk).update(run=7)
        transaction.set_rollback(True)

    assert [event.run for event in recorded()] == [1]


def test_a_heartbeat_leaves_no_event(recorded, make_task, make_subtask, sent):
    task = make_task(task_status=Status.IN_PROGRESS, step=Step.PARTS)
    row = make_subtask(task)
    fence = transitions.claim_part(transitions.PartFence(task.pk, row.pk, 1, 0), worker="w", lease=60)
    before = len(recorded())

    assert transitions.extend_lease(fence, lease=60, done=1, total=2)

    assert len(recorded()) == before


def test_the_history_is_read_from_an_event_on(tmp_path):
    path = str(tmp_path / "db.sqlite3")
    with history.connected("", path) as plain:
        plain.execute(next(history.statements("sqlite")))
        for number in range(3):
            plain.execute(
                f"INSERT INTO {history.TABLE} (at, kind, row_id, task_id) VALUES (0, 'task', {number}, {number})"  # noqa: S608
            )

        assert [event.row_id for event in history.read(plain, after=1)] == [1, 2]
        assert isinstance(plain, sqlite3.Connection)


def test_events_know_what_they_are():
    claim = change("part", 10, before=waiting(0), after=running(0))

    assert claim.is_claim
    assert not replace(claim, status=None).is_claim
    assert change("part", 10, before={}, after=waiting(0)).is_made
