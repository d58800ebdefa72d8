"""Cross matching from request to result, in this process, against all pairs one after the other."""

from uuid import UUID

import numpy as np
import orjson
import pytest

from errors_app.models import TaskError
from lunatasks.luna_services import registry
from lunatasks.luna_services.descriptors import BODY, SFACE, normalise, score_above, similarity
from lunatasks.luna_services.ports import NewEvent, NewFace
from tasks_app import artefacts, services
from tasks_app.states import Status, TaskType
from tests.engine.conftest import people
from tests.engine.types import ended, stored


@pytest.fixture
def match(transactional_db, account, sent, work):
    """Run a cross matching; the ended task."""

    def run(
        *, reference_type="faces", candidate_type="faces", reference=None, candidate=None, descriptor="face", **more
    ):
        filters = {
            "reference_type": reference_type,
            "candidate_type": candidate_type,
            "reference_filters": reference or {},
            "candidate_filters": candidate or {},
            "descriptor": {"type": descriptor},
        }
        task = services.create_task(
            account_id=account, task_type=TaskType.CROSS_MATCH, content={"filters": filters, **more}
        )
        work()
        task.refresh_from_db()
        return task

    return run


@pytest.fixture
def make_events(transactional_db, account):
    """Events with the given descriptors of a version, under given ids."""

    def make(ids, vectors, *, version=SFACE):
        kind = f"{version.kind}_descriptors"
        events = [
            NewEvent(event_id=event_id, **{kind: {version.number: vector}})
            for event_id, vector in zip(ids, vectors, strict=True)
        ]
        registry.events().add_events(account, events)
        return ids

    return make


def result_of(task) -> list[dict]:
    with services.open_result(task_id=task.pk).stream as stream:
        return orjson.loads(stream.read())


def obvious_result(references, candidates, *, least, limit, version=SFACE, same_kind=True) -> list[dict]:
    """Every pair's score, sorted in plain Python; sides are (ids, vectors)."""
    found = []
    for reference, vector in sorted(zip(*references, strict=True), key=lambda side: side[0]):
        scored = [
            (-float(vector.astype(np.float64) @ other.astype(np.float64)), candidate)
            for candidate, other in zip(*candidates, strict=True)
            if not (same_kind and candidate == reference)
        ]
        best = sorted(entry for entry in scored if -entry[0] >= least)[:limit]
        if best:
            entries = [{"candidate_id": str(name), "similarity": similarity(-score, version)} for score, name in best]
            found.append({"reference_id": str(reference), "candidates": entries})
    return found


def ids_of(values) -> list[str]:
    return [str(value) for value in values]


@pytest.mark.parametrize("rows", [1, 3, 4096])
@pytest.mark.parametrize("limit", [1, 2, 100])
def test_the_result_equals_all_pairs_sorted_whatever_the_parts(make_faces, match, settings, rows, limit):
    settings.LUNATASKS_TILE_ROWS = rows
    make_faces(4, 3)

    task = match(limit=limit, threshold=0.5)

    sides = people(4, 3)
    assert task.task_status == Status.DONE
    assert task.count_task_parts_all == -(-12 // rows)
    assert result_of(task) == obvious_result(sides, sides, least=score_above(0.5, SFACE), limit=limit)
    assert result_of(task)


def test_defaults_are_five_candidates_above_the_cosine_of_one_false_match_in_ten_thousand(make_faces, match):
    make_faces(2, 8)

    task = match()

    sides = people(2, 8)
    assert result_of(task) == obvious_result(sides, sides, least=SFACE.match_score, limit=5)
    assert {len(row["candidates"]) for row in result_of(task)} == {5}


def test_filters_choose_both_sides(make_faces, match):
    ids, vectors = people(4, 3)
    make_faces(4, 3)

    task = match(
        reference={"face_ids": ids_of(ids[:4])}, candidate={"face_ids": ids_of(ids[2:9])}, threshold=0.0, limit=3
    )

    expected = obvious_result((ids[:4], vectors[:4]), (ids[2:9], vectors[2:9]), least=-2, limit=3)
    assert result_of(task) == expected


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_references_without_a_candidate_are_left_out(make_faces, match, threshold):
    make_faces(3, 1)

    task = match(threshold=threshold)

    assert task.task_status == Status.DONE
    assert len(result_of(task)) == (3 if threshold == 0.0 else 0)


def test_the_only_object_does_not_find_itself(make_faces, match):
    make_faces(1, 1)

    assert result_of(match(threshold=0.0)) == []


def test_equal_scores_are_ordered_by_id(match, account):
    ids, vectors = [UUID(int=number) for number in (9, 256, 3, 2**120)], np.repeat(people(1, 1)[1], 4, axis=0)
    faces = [
        NewFace(face_id=face_id, descriptors={SFACE.number: row}) for face_id, row in zip(ids, vectors, strict=True)
    ]
    registry.faces().add_faces(account, faces)

    found = result_of(match(limit=2))

    assert [row["reference_id"] for row in found] == ids_of(sorted(ids))
    assert [entry["candidate_id"] for entry in found[0]["candidates"]] == ids_of([UUID(int=9), UUID(int=256)])


@pytest.mark.parametrize(("reference_type", "candidate_type"), [("faces", "events"), ("events", "faces")])
def test_a_face_and_an_event_of_the_same_id_are_two_objects(
    make_faces, make_events, match, reference_type, candidate_type
):
    sides = people(3, 2)
    make_faces(3, 2)
    make_events(*sides)

    task = match(reference_type=reference_type, candidate_type=candidate_type, limit=3, threshold=0.5)

    expected = obvious_result(sides, sides, least=score_above(0.5, SFACE), limit=3, same_kind=False)
    assert result_of(task) == expected


def test_bodies_of_events_are_matched_by_their_own_version(make_events, match):
    random = np.random.default_rng(5)
    ids = [UUID(bytes=random.bytes(16)) for _ in range(6)]
    vectors = normalise(random.standard_normal((1, 512)) + 0.5 * random.standard_normal((6, 512)))
    make_events(ids, vectors, version=BODY)

    task = match(reference_type="events", candidate_type="events", descriptor="body")

    sides = (ids, vectors)
    assert result_of(task) == obvious_result(sides, sides, least=BODY.match_score, limit=5, version=BODY)
    assert result_of(task)


@pytest.mark.parametrize("side", ["reference", "candidate"])
def test_an_empty_side_fails_the_task_with_a_stored_28022_that_names_it(make_faces, match, side):
    make_faces(2, 1)

    task = match(**{side: {"external_ids": ["nobody"]}})

    assert task.task_status == Status.FAILED
    error = TaskError.objects.get()
    assert (error.error_code, error.status_code) == (28022, 404)
    assert error.detail == f"{side}s for cross-matching not found (empty set)"


@pytest.mark.parametrize("side", ["reference", "candidate"])
def test_too_many_objects_fail_the_split_with_a_stored_31002(make_faces, match, settings, side):
    settings.LUNATASKS_MATCH_OBJECTS = 3
    ids = ids_of(make_faces(2, 2))
    few = {"face_ids": ids[:3]}

    task = match(**{"reference": few, "candidate": few, side: {}})

    assert task.task_status == Status.FAILED
    assert task.count_task_parts_all == 0
    error = TaskError.objects.get()
    assert (error.error_code, error.status_code) == (31002, 400)
    assert error.detail.endswith("Current general limit - 3")


def test_as_many_objects_as_allowed_are_matched(make_faces, match, settings):
    settings.LUNATASKS_MATCH_OBJECTS = 4
    make_faces(2, 2)

    assert match().task_status == Status.DONE


def test_objects_of_another_account_are_not_seen(make_faces, match, other_account):
    sides = people(2, 2)
    faces = [NewFace(face_id=face_id, descriptors={SFACE.number: row}) for face_id, row in zip(*sides, strict=True)]
    registry.faces().add_faces(other_account, faces)

    assert match().task_status == Status.FAILED


def test_a_tiny_memory_changes_nothing(make_faces, match, settings):
    make_faces(6, 4)
    ample = result_of(match(limit=3, threshold=0.0))
    settings.LUNATASKS_MEMORY_MB = 0
    settings.LUNATASKS_TILE_ROWS = 5

    assert result_of(match(limit=3, threshold=0.0)) == ample


def test_only_the_result_stays(make_faces, match):
    make_faces()

    task = match()

    assert list(artefacts.walk(artefacts.folder_of_task(task.pk))) == [task.result_path]


def test_a_second_task_and_a_rerun_give_the_same_bytes(make_faces, match, settings, work):
    settings.LUNATASKS_TILE_ROWS = 3
    make_faces(4, 3)
    first, second = match(), match()
    before = stored(first)

    services.rerun_task(task_id=first.pk)
    work()

    assert stored(ended(first)) == stored(second) == before
    assert result_of(first)


def test_what_changes_behind_the_split_is_matched_as_it_was(make_faces, match, account, sent, work, settings):
    settings.LUNATASKS_TILE_ROWS = 3
    ids = make_faces(4, 3)
    wanted = result_of(match())
    filters = {"reference_type": "faces", "candidate_type": "faces"}
    task = services.create_task(account_id=account, task_type=TaskType.CROSS_MATCH, content={"filters": filters})
    work(1)
    registry.faces().delete_faces(account, ids[:5])

    work()

    assert result_of(ended(task)) == wanted
