"""The torture's own parts: plan, table, mix, files. The torture itself is `make torture`."""

import hashlib
import re

import numpy as np
import pytest
from django.core.management import call_command

from workers.faults import POINTS
from workers.torture import ground, mix
from workers.torture.checker import Violation
from workers.torture.plan import KILLS, make_plan
from workers.torture.promises import TEXTS, Table
from workers.torture.world import _is_whole

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


@pytest.mark.parametrize(("seconds", "count"), [(15.1, 0), (29.9, 0), (30.1, 1)])
def test_only_twice_the_promised_time_is_a_violation(seconds, count):
    table = Table()

    table.time("P4", seconds)

    assert len(table.violations) == count


# -- files -------------------------------------------------------------------------------------------


def test_half_a_file_is_told_from_a_whole_one(tmp_path):
    array, text, empty, rows = (tmp_path / name for name in ("a.npy", "a.json", "empty.npy", "rows.jsonl"))
    np.save(array, np.arange(100))
    text.write_bytes(b'[["a"],["b"]]')
    rows.write_bytes(b'{"a":1}\n{"b":2}\n')
    empty.touch()

    assert _is_whole(array)
    assert _is_whole(text)
    assert _is_whole(rows)
    assert _is_whole(tmp_path / "gone.npy")
    assert not _is_whole(empty)
    for path in (array, text, rows):
        path.write_bytes(path.read_bytes()[:-3])
        assert not _is_whole(path)


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
