"""The torture's own parts: plan, table, mix, files. The torture itself is `make torture`."""

import hashlib
import re
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

from workers.faults import POINTS
from workers.torture import ground, mix
from workers.torture.checker import Violation
from workers.torture.harness import Torture
from workers.torture.plan import KILLS, STOP_POINTS, STOP_POINTS_IN_TRANSACTIONS, make_plan
from workers.torture.promises import SECONDS, TEXTS, Table

# -- the plan ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kills", [1, 20, 60, 500])
def test_a_plan_kills_as_often_as_asked(kills):
    plan = make_plan(kills=kills, seed=1, own_queue=True)

    assert sum(fault.is_kill for fault in plan) == kills


def test_the_same_seed_makes_the_same_plan_and_another_seed_another_one():
    first, again, other = (make_plan(kills=60, seed=seed, own_queue=True) for seed in (1, 1, 2))

    assert first == again != other


def test_sixty_kills_reach_every_point_and_every_kind_of_process():
    plan = make_plan(kills=60, seed=5, own_queue=True)

    assert {fault.point for fault in plan if fault.kind == "point"} == set(POINTS)
    assert {fault.kind for fault in plan if fault.is_kill} == set(KILLS)


def test_a_shared_queue_server_is_never_killed():
    assert "queue" not in {fault.kind for fault in make_plan(kills=500, seed=1, own_queue=False)}


def test_workers_are_stopped_inside_transactions_only_where_that_does_not_stop_everybody():
    sqlite, postgresql = (
        {fault.point for fault in make_plan(kills=500, seed=1, own_queue=True, sqlite=sqlite) if fault.kind == "stop"}
        for sqlite in (True, False)
    )

    assert sqlite == set(STOP_POINTS)
    assert postgresql == set(STOP_POINTS) | set(STOP_POINTS_IN_TRANSACTIONS)


def test_the_command_prints_the_plan(capsys):
    call_command("torture", "--plan", "--kills", "3", "--seed", "9")

    assert re.search(r"after \d\.\d\d s", capsys.readouterr().out)


# -- the table ---------------------------------------------------------------------------------------


def test_the_table_shows_counts_times_and_violations_once():
    table = Table()
    table.count("P1", "kills", 3)
    table.time("P5", 0.5)
    table.count("P5", "cancels")
    table.blame([Violation("P2", "twice")] * 2)

    text = table.render()

    assert "3 kills" in text
    assert "median 0.50 s, worst 0.50 s, promised 2 s" in text
    assert text.count("P2: twice") == 1
    assert "BROKEN (1)" in text
    assert set(table.untried) == set(TEXTS) - {"P1", "P2", "P5"}


def test_a_promise_of_time_is_untried_until_a_time_was_taken_and_notes_are_no_trials():
    table = Table()
    table.count("P4", "kills of the whole tree")
    table.count("P9", "commits", 0)
    table.note("P1", "events", 7)

    assert {"P1", "P4", "P9"} <= set(table.untried)
    assert "7 events" in table.render()

    table.time("P4", 3.0)
    assert "P4" not in table.untried


@pytest.mark.parametrize(("seconds", "count"), [(15.1, 0), (29.9, 0), (30.1, 1)])
def test_only_twice_the_promised_time_is_a_violation(seconds, count):
    table = Table()

    table.time("P4", seconds)

    assert len(table.violations) == count


# -- the verdict -------------------------------------------------------------------------------------


@pytest.fixture
def judged(monkeypatch, capsys):
    """What the command says after a torture of 7 kills that left a table."""

    def judge(table, **options):
        def run(torture):
            torture.table, torture.acts = table, SimpleNamespace(kills=7)

        monkeypatch.setattr(Torture, "run", run)
        call_command("torture", kills=7, seed=3, **options)
        return capsys.readouterr().out

    return judge


def full_table():
    table = Table()
    for promise in TEXTS:
        table.count(promise, "trials")
    for promise in SECONDS:
        table.time(promise, 1.0)
    return table


def test_without_violations_every_promise_was_kept(judged):
    assert "7 kills with seed 3: every promise was kept" in judged(full_table())


@pytest.mark.parametrize("promise", TEXTS)
def test_a_violation_of_any_promise_is_a_failure(judged, promise):
    table = full_table()
    table.blame([Violation(promise, "broken")])

    with pytest.raises(CommandError, match="1 violations"):
        judged(table)


@pytest.mark.parametrize("promise", TEXTS)
def test_a_promise_that_was_not_put_to_the_test_is_a_failure(judged, promise):
    table = full_table()
    table.rows[promise].counts.clear()

    with pytest.raises(CommandError, match=rf"not tried: {promise}$"):
        judged(table)


def test_a_deliberate_bug_must_be_found(judged):
    with pytest.raises(CommandError, match="the bug no_fencing was not found by 7 kills"):
        judged(full_table(), bug="no_fencing")

    table = full_table()
    table.blame([Violation("P3", "twice")])
    assert "the bug no_fencing was found by 7 kills: P3: twice" in judged(table, bug="no_fencing")


def test_a_violation_that_has_nothing_to_do_with_a_deliberate_bug_is_not_its_discovery(judged):
    table = full_table()
    table.time("P4", 99.0)

    with pytest.raises(CommandError, match="the bug no_fencing was not found by 7 kills"):
        judged(table, bug="no_fencing")


def test_a_fault_that_never_came_about_is_a_failure(judged):
    table = full_table()
    table.missed.append("queue")

    with pytest.raises(CommandError, match=r"not tried: queue$"):
        judged(table)


# -- the mix -----------------------------------------------------------------------------------------


def test_the_check_of_a_clustering_finds_a_missing_face():
    ids, _ = ground.people()
    people = [sorted(ids[at : at + ground.PHOTOS]) for at in range(0, len(ids), ground.PHOTOS)]
    check = mix.SCENARIOS[0].check

    def answer(clusters):
        return mix.orjson.dumps({"result": clusters, "errors": []})

    assert check(answer(people)) == ""
    assert "faces" in check(answer(people[1:]))
    assert "faces" in check(answer([people[0] + people[1], *people[2:]]))


def test_the_written_digest_is_that_of_the_people_as_clusters():
    ids, _ = ground.people()
    people = [sorted(ids[at : at + ground.PHOTOS]) for at in range(0, len(ids), ground.PHOTOS)]
    people.sort(key=lambda cluster: (-len(cluster), cluster[0]))

    answer = b'{"result": %s, "errors": []}' % mix.orjson.dumps(people)

    assert hashlib.sha256(answer).hexdigest() == mix.CLUSTERS
