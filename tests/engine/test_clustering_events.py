"""Clustering of events equals a flood fill over score and track, whatever the tiles."""

from uuid import UUID

import numpy as np
import orjson
import pytest

from errors_app.models import TaskError
from lunatasks.luna_services import registry
from lunatasks.luna_services.descriptors import BODY, SFACE, normalise, score_above
from lunatasks.luna_services.ports import NewEvent
from tasks_app import services
from tasks_app.models import Task
from tasks_app.states import Status

TRACKS = (None, None, None, None, None, "t1", "t2", "t3")


def scene(count: int, dimension: int, *, seed: int) -> tuple[list[UUID], np.ndarray, list[str | None]]:
    """ids ascending, vectors and tracks of `count` events of a few people."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(9, dimension))
    noisy = centres[random.integers(0, 9, count)] + 0.55 * random.normal(size=(count, dimension))
    ids = sorted(UUID(bytes=random.bytes(16)) for _ in range(count))
    return ids, normalise(noisy), [TRACKS[number] for number in random.integers(0, len(TRACKS), count)]


def obvious_clusters(ids, vectors, tracks, *, limit, by_track, best=None) -> list[list[str]]:
    """Merge the sets of any two objects with an edge, one pair after the other."""
    scores = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    everybody = range(len(ids))
    nearest = {
        at: sorted((other for other in everybody if other != at), key=lambda other: (-scores[at, other], other))[:best]
        for at in everybody
    }
    cluster_of = {at: {at} for at in everybody}
    for left in everybody:
        for right in range(left):
            alike = scores[left, right] >= limit and (left in nearest[right] or right in nearest[left])
            if alike or (by_track and tracks[left] is not None and tracks[left] == tracks[right]):
                joined = cluster_of[left] | cluster_of[right]
                for at in joined:
                    cluster_of[at] = joined
    found = {frozenset(cluster) for cluster in cluster_of.values()}
    named = [sorted(str(ids[at]) for at in cluster) for cluster in found]
    return sorted(named, key=lambda cluster: (-len(cluster), cluster[0]))


@pytest.fixture
def make_events(transactional_db, account):
    """Events of a scene with face or body descriptors; returns the scene."""

    def make(count: int = 24, *, kind: str = "face", seed: int = 1, owner=account, **members):
        version = SFACE if kind == "face" else BODY
        ids, vectors, tracks = scene(count, version.dimension, seed=seed)
        registry.events().add_events(
            owner,
            [
                NewEvent(
                    event_id=event_id, track_id=track, **{f"{kind}_descriptors": {version.number: vector}}, **members
                )
                for event_id, vector, track in zip(ids, vectors, tracks, strict=True)
            ],
        )
        return ids, vectors, tracks

    return make


def result_of(task: Task) -> list[list[str]]:
    with services.open_result(task_id=task.pk).stream as stream:
        return orjson.loads(stream.read())


@pytest.mark.parametrize("rows", [1, 5, 4096])
@pytest.mark.parametrize("by_track", [0, 1])
@pytest.mark.parametrize("best", [None, 2])
@pytest.mark.parametrize("kind", ["face", "body"])
def test_the_result_equals_the_obvious_one(make_events, make_clustering, work, settings, rows, by_track, best, kind):
    settings.LUNATASKS_TILE_ROWS = rows
    ids, vectors, tracks = make_events(12 if rows == 1 else 24, kind=kind)  # of 12, each pair is a part: 78
    version = SFACE if kind == "face" else BODY
    content = {} if best is None else {"limit": best}
    task = make_clustering(
        objects_type="events",
        descriptor={"type": kind},
        params={"use_track_info": by_track},
        threshold=0.8,
        **content,
    )

    work()

    task.refresh_from_db()
    limit = score_above(0.8, version)
    expected = obvious_clusters(ids, vectors, tracks, limit=limit, by_track=by_track, best=best)
    assert task.task_status == Status.DONE
    assert result_of(task) == expected
    assert 1 < len(expected) < len(ids)


def test_tracks_join_events_that_do_not_resemble_each_other(make_events, make_clustering, work):
    ids, _, tracks = make_events(8)
    task = make_clustering(objects_type="events", params={"use_track_info": 1}, threshold=1.0)

    work()

    of_track = [
        {str(event_id) for event_id, track in zip(ids, tracks, strict=True) if track == wanted} for wanted in TRACKS[5:]
    ]
    found = [set(cluster) for cluster in result_of(task)]
    assert all(some in found for some in of_track if some)


def test_filters_choose_the_events_and_other_kinds_of_descriptor_do_not_count(
    make_events, make_clustering, work, other_account
):
    wanted, _, _ = make_events(3, seed=1, source="gate")
    make_events(3, seed=2, source="door")
    make_events(3, seed=3, kind="body", source="gate")
    make_events(3, seed=4, source="gate", owner=other_account)
    task = make_clustering(objects_type="events", filters={"sources": ["gate"]})

    work()

    assert sorted(one for cluster in result_of(task) for one in cluster) == [str(event_id) for event_id in wanted]


def test_events_without_such_a_descriptor_are_an_empty_set(make_events, make_clustering, work):
    make_events(3, kind="face")
    task = make_clustering(objects_type="events", descriptor={"type": "body"})

    work()

    task.refresh_from_db()
    assert task.task_status == Status.FAILED
    assert TaskError.objects.get().error_code == 28010
