"""A ROC from request to result, in this process, against scikit-learn and all pairs one after the other."""

from collections import Counter
from itertools import combinations
from uuid import UUID

import numpy as np
import orjson
import pytest
from sklearn.metrics import auc, roc_curve

from errors_app.models import TaskError
from lunatasks import errors
from lunatasks.luna_services import registry
from lunatasks.luna_services.descriptors import SFACE, normalise, similarity
from lunatasks.luna_services.ports import NewEvent, NewFace
from tasks_app import artefacts, services
from tasks_app.states import Status, TaskType
from workers.task_types import roc

KEYS = [0.5, 0.1, 0.01, 1e-6]


def look_alikes(people: int, photos: int, *, seed: int = 1) -> tuple[list[UUID], np.ndarray, list[int]]:
    """ids, vectors and labels of people who are hard to tell apart, shuffled."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people) * 7 - 3, photos)
    centres = 0.8 + random.standard_normal((people, 1, SFACE.dimension))
    vectors = normalise((centres + 2.4 * random.standard_normal((people, photos, SFACE.dimension))).reshape(-1, 128))
    order = random.permutation(len(labels))
    return [UUID(bytes=random.bytes(16)) for _ in labels], vectors[order], labels[order].tolist()


def store(account, ids, vectors) -> None:
    faces = [
        NewFace(face_id=face_id, descriptors={SFACE.number: row}) for face_id, row in zip(ids, vectors, strict=True)
    ]
    registry.faces().add_faces(account, faces)


def markup_of(ids, labels, *, name="face_id") -> list[dict]:
    return [{name: str(one), "label": label} for one, label in zip(ids, labels, strict=True)]


@pytest.fixture
def evaluate(transactional_db, account, sent, work):
    """Run a ROC of a markup; the ended task."""

    def run(markup, **content):
        content = {"markup": markup, "key_FPRs": KEYS, **content}
        task = services.create_task(account_id=account, task_type=TaskType.ROC, content=content)
        work()
        task.refresh_from_db()
        return task

    return run


@pytest.fixture
def hard(account, transactional_db):
    """A stored set of people who are hard to tell apart: ids, vectors, labels."""
    found = look_alikes(12, 5)
    store(account, found[0], found[1])
    return found


def bytes_of(task) -> bytes:
    with services.open_result(task_id=task.pk).stream as stream:
        return stream.read()


def result_of(task) -> dict:
    return orjson.loads(bytes_of(task))


def all_pairs(vectors, labels) -> tuple[np.ndarray, np.ndarray]:
    pairs = list(combinations(range(len(labels)), 2))
    wide = vectors.astype(np.float64)
    scores = np.array([float(wide[a] @ wide[b]) for a, b in pairs])
    return scores, np.array([labels[a] == labels[b] for a, b in pairs])


def obvious_hits(ids, vectors, labels, *, limit, threshold=-2.0) -> list[float]:
    """Share of objects with a mate among their N best candidates, by sorting them all."""
    wide, hits, probes = vectors.astype(np.float64), Counter(), 0
    for probe in range(len(ids)):
        others = [other for other in range(len(ids)) if other != probe]
        others.sort(key=lambda other: (-float(wide[probe] @ wide[other]), ids[other]))
        probes += any(labels[other] == labels[probe] for other in others)
        for number in range(1, limit + 1):
            hits[number] += any(
                labels[other] == labels[probe] and similarity(float(wide[probe] @ wide[other]), SFACE) > threshold
                for other in others[:number]
            )
    return [hits[number] / probes for number in range(1, limit + 1)]


def test_curve_area_and_counts_equal_scikit_learn(hard, evaluate):
    ids, vectors, labels = hard
    scores, mated = all_pairs(vectors, labels)
    fpr, tpr, thresholds = roc_curve(mated, scores)

    result = result_of(evaluate(markup_of(ids, labels)))

    assert result["counts"] == {"people": 12, "objects": 60, "mated": 120, "nonmated": 1650, "excluded": 0}
    assert np.abs(np.array(result["roc"]["FPR"]) - fpr).max() <= 1e-12
    assert np.abs(np.array(result["roc"]["TPR"]) - tpr).max() <= 1e-12
    assert result["roc"]["thresholds"] == [1.0, *(similarity(score, SFACE) for score in thresholds[1:])]
    assert abs(result["AUC"] - auc(*roc_curve(mated, scores, drop_intermediate=False)[:2])) <= 1e-12
    assert 0.6 < result["AUC"] < 0.999
    assert result["method"]["AUC_bound"] == 0


def test_key_points_hold_what_a_threshold_gives(hard, evaluate):
    ids, vectors, labels = hard
    scores, mated = all_pairs(vectors, labels)
    similarities = np.array([similarity(score, SFACE) for score in scores])

    points = result_of(evaluate(markup_of(ids, labels)))["key_points"]

    assert [point["FPR"] for point in points] == KEYS
    assert [point["supported"] for point in points] == [True, True, False, False]
    for point in points:
        accepted = similarities >= point["threshold"]
        assert point["realised_FPR"] == np.count_nonzero(accepted & ~mated) / 1650 <= point["FPR"]
        assert point["TPR"] == np.count_nonzero(accepted & mated) / 120
        assert point["TPR"] + point["FNMR"] == pytest.approx(1)
        low, high = point["interval"]
        assert 0 <= low <= point["FNMR"] <= high <= 1
        assert high - low > 0.05


def test_the_equal_error_rate_is_what_its_threshold_gives(hard, evaluate):
    ids, vectors, labels = hard
    scores, mated = all_pairs(vectors, labels)

    found = result_of(evaluate(markup_of(ids, labels)))["EER"]

    accepted = np.array([similarity(score, SFACE) for score in scores]) >= found["threshold"]
    rates = sorted([np.count_nonzero(accepted & ~mated) / 1650, np.count_nonzero(~accepted & mated) / 120])
    assert [found["low"], found["high"]] == rates
    assert found["low"] <= found["rate"] <= found["high"]


@pytest.mark.parametrize("threshold", [0, 0.1])
def test_hits_are_those_of_sorted_lists(hard, evaluate, threshold):
    ids, vectors, labels = hard

    hits = result_of(evaluate(markup_of(ids, labels), limit=7, threshold_hit_top=threshold))["top_hits"]

    expected = obvious_hits(ids, vectors, labels, limit=7, threshold=threshold or -2.0)
    assert [hit["N"] for hit in hits] == [1, 2, 3, 4, 5, 6, 7]
    assert [hit["probability"] for hit in hits] == expected
    assert 0 < expected[0] < expected[-1]


def test_score_histograms_hold_every_pair(hard, evaluate):
    ids, vectors, labels = hard
    scores, mated = all_pairs(vectors, labels)

    found = result_of(evaluate(markup_of(ids, labels)))["scores"]

    for name, chosen in (("mated", mated), ("nonmated", ~mated)):
        assert found[name]["counts"] == np.histogram(scores[chosen], found[name]["cosines"])[0].tolist()
        assert found[name]["edges"] == [similarity(cosine, SFACE) for cosine in found[name]["cosines"]]


@pytest.mark.parametrize("exact", [0, 10**6])
def test_the_bytes_are_the_same_whatever_the_parts(hard, evaluate, settings, monkeypatch, exact):
    settings.LUNATASKS_ROC_EXACT_PAIRS = exact
    markup = markup_of(hard[0], hard[2])
    whole = bytes_of(evaluate(markup))
    settings.LUNATASKS_ROC_TILE_ROWS, settings.LUNATASKS_MEMORY_MB = 7, 0
    monkeypatch.setattr(roc, "MATED_PAIRS_OF_A_PART", 500)

    task = evaluate(markup[::-1])

    assert task.count_task_parts_all > 40
    assert bytes_of(task) == whole


@pytest.mark.parametrize("collected", [0, 3, 10**6])
def test_phases_find_what_all_scores_give(hard, evaluate, settings, monkeypatch, collected):
    markup = markup_of(hard[0], hard[2])
    exact = result_of(evaluate(markup))
    settings.LUNATASKS_ROC_EXACT_PAIRS = 0
    monkeypatch.setattr(roc, "COLLECTED_PAIRS", collected)

    task = evaluate(markup)

    found = result_of(task)
    assert task.phase >= 3
    for same in ("counts", "EER", "key_points", "top_hits", "scores"):
        assert found[same] == exact[same]
    assert abs(found["AUC"] - exact["AUC"]) <= found["method"]["AUC_bound"] <= 1e-6
    known = set(zip(*all_points(hard), strict=True))
    assert set(zip(found["roc"]["FPR"], found["roc"]["TPR"], strict=True)) <= known


def all_points(hard) -> tuple[list[float], list[float]]:
    scores, mated = all_pairs(hard[1], hard[2])
    fpr, tpr, _ = roc_curve(mated, scores, drop_intermediate=False)
    return fpr.tolist(), tpr.tolist()


def test_a_second_run_of_a_done_task_gives_the_same_bytes(hard, evaluate, work):
    task = evaluate(markup_of(hard[0], hard[2]))
    first = bytes_of(task)

    services.rerun_task(task_id=task.pk)
    work()

    task.refresh_from_db()
    assert task.task_status == Status.DONE
    assert bytes_of(task) == first
    assert list(artefacts.walk(artefacts.folder_of_task(task.pk))) == [task.result_path]


# -- markups that are not whole ----------------------------------------------------------------------


def test_objects_without_descriptor_are_stored_errors_and_leave_the_counts(hard, evaluate, account):
    ids, _, labels = hard
    whole = result_of(evaluate(markup_of(ids, labels)))
    gone, bare = UUID(int=5), UUID(int=6)
    registry.faces().add_faces(account, [NewFace(face_id=bare)])

    task = evaluate([*markup_of(ids, labels), *markup_of([gone, bare], [labels[0], 999])])

    assert task.task_status == Status.DONE
    found = list(TaskError.objects.order_by("error_code").values_list("error_code", "status_code", "detail"))
    assert found == [(28023, 404, str(gone)), (28024, 404, str(bare))]
    assert result_of(task)["counts"] == whole["counts"] | {"excluded": 2}
    assert result_of(task)["roc"] == whole["roc"]


def test_faces_of_another_account_are_missing(evaluate, other_account):
    ids, vectors, labels = look_alikes(2, 2)
    store(other_account, ids, vectors)

    task = evaluate(markup_of(ids, labels))

    assert task.task_status == Status.DONE
    assert result_of(task)["counts"] == {"people": 0, "objects": 0, "mated": 0, "nonmated": 0, "excluded": 4}
    assert TaskError.objects.filter(error_code=28023).count() == 4


def test_more_missing_objects_than_a_part_takes(evaluate, monkeypatch):
    monkeypatch.setattr(roc, "MISSING_OF_A_PART", 3)

    evaluate(markup_of([UUID(int=number) for number in range(8)], range(8)))

    details = set(TaskError.objects.values_list("detail", flat=True))
    assert details == {str(UUID(int=number)) for number in range(8)}


def test_equal_entries_are_one(hard, evaluate):
    markup = markup_of(hard[0], hard[2])
    whole = result_of(evaluate(markup))

    result = result_of(evaluate(markup + markup[:4]))

    assert result["method"].pop("duplicates") == 4
    assert whole["method"].pop("duplicates") == 0
    assert result == whole


def test_one_image_of_two_people_is_refused_at_creation(hard, account):
    ids, _, labels = hard
    markup = [*markup_of(ids, labels), {"face_id": str(ids[0]), "label": 12345}]

    with pytest.raises(errors.BadBody):
        services.create_task(account_id=account, task_type=TaskType.ROC, content={"markup": markup})


def test_people_with_one_image_are_named(hard, evaluate):
    ids, _, labels = hard
    singles = [*labels[:50], *range(100, 110)]

    result = result_of(evaluate(markup_of(ids, singles)))

    assert result["method"]["people_with_one_image"] == {"count": 10, "labels": list(range(100, 110))}
    assert result["counts"]["people"] == len(set(singles))


def test_one_person_alone_has_no_curve(hard, evaluate):
    ids, _, _ = hard

    result = result_of(evaluate(markup_of(ids, [4] * len(ids))))

    assert result["counts"] == {"people": 1, "objects": 60, "mated": 1770, "nonmated": 0, "excluded": 0}
    assert (result["roc"], result["AUC"], result["EER"]) == (None, None, None)
    unknown = {"realised_FPR": None, "TPR": None, "FNMR": None, "interval": None, "threshold": None}
    assert result["key_points"][0] == {"FPR": 0.5, **unknown, "supported": False}
    assert {hit["probability"] for hit in result["top_hits"]} == {1.0}
    assert sum(result["scores"]["mated"]["counts"]) == 1770


@pytest.mark.parametrize("exact", [0, 10**6])
def test_strangers_alone_have_no_curve_and_no_hits(hard, evaluate, settings, exact):
    settings.LUNATASKS_ROC_EXACT_PAIRS = exact
    ids, _, _ = hard

    result = result_of(evaluate(markup_of(ids, range(len(ids)))))

    assert (result["roc"], result["AUC"], result["EER"]) == (None, None, None)
    assert {hit["probability"] for hit in result["top_hits"]} == {None}
    assert sum(result["scores"]["nonmated"]["counts"]) == 1770


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_descriptors_have_no_pair(evaluate, account, count):
    ids, vectors, labels = look_alikes(1, 2)
    store(account, ids[:count], vectors[:count])

    task = evaluate(markup_of(ids, labels))

    assert task.task_status == Status.DONE
    assert result_of(task)["counts"] == {
        "people": count, "objects": count, "mated": 0, "nonmated": 0, "excluded": 2 - count
    }  # fmt: skip
    assert result_of(task)["top_hits"][0] == {"N": 1, "probability": None}


def test_faces_and_events_can_be_marked_together(hard, evaluate, account):
    ids, vectors, labels = hard
    whole = result_of(evaluate(markup_of(ids, labels)))
    events = [NewEvent(event_id=ids[at], face_descriptors={SFACE.number: vectors[at]}) for at in range(30)]
    registry.events().add_events(account, events)

    task = evaluate([*markup_of(ids[:30], labels[:30], name="event_id"), *markup_of(ids[30:], labels[30:])])

    assert result_of(task) == whole


def test_without_key_points_there_are_none(hard, evaluate):
    result = result_of(evaluate(markup_of(hard[0], hard[2]), key_FPRs=[]))

    assert result["key_points"] == []
    assert result["AUC"] is not None


# -- cropped lists -----------------------------------------------------------------------------------


def test_cropped_lists_give_the_area_that_they_always_gave(evaluate, account):
    random = np.random.default_rng(1)
    labels = np.repeat(np.arange(20), 11).tolist()
    centres = random.standard_normal((20, 1, 128))
    vectors = normalise((centres + 0.5 * random.standard_normal((20, 11, 128))).reshape(-1, 128))
    ids = [UUID(bytes=random.bytes(16)) for _ in labels]
    store(account, ids, vectors)
    markup = markup_of(ids, labels)

    cropped, whole = result_of(evaluate(markup, cropped=True)), result_of(evaluate(markup))

    assert cropped["AUC"] == pytest.approx(0.75, abs=0.001)
    assert whole["AUC"] > 0.9999
    assert cropped["counts"] == {"people": 20, "objects": 220, "mated": 2200, "nonmated": 45980, "excluded": 0}
    assert cropped["top_hits"] == whole["top_hits"]
    assert "cropped" in cropped["method"]["pairs"]


@pytest.mark.parametrize(("limit", "rows"), [(1, 4096), (3, 7), (1000, 4096)])
def test_cropped_lists_are_evaluated_with_the_rest_below_every_score(hard, evaluate, settings, limit, rows):
    ids, vectors, labels = hard
    settings.LUNATASKS_TILE_ROWS = rows
    wide = vectors.astype(np.float64)
    scores, mated = [], []
    for probe in range(60):
        others = sorted(set(range(60)) - {probe}, key=lambda other: (-float(wide[probe] @ wide[other]), ids[other]))
        for place, other in enumerate(others):
            scores.append(float(wide[probe] @ wide[other]) if place < limit else -2.0)
            mated.append(labels[probe] == labels[other])
    fpr, tpr, thresholds = roc_curve(mated, scores)

    result = result_of(evaluate(markup_of(ids, labels), cropped=True, limit=limit))

    assert np.abs(np.array(result["roc"]["FPR"]) - fpr).max() <= 1e-12
    assert np.abs(np.array(result["roc"]["TPR"]) - tpr).max() <= 1e-12
    last = 0.0 if limit < 59 else similarity(thresholds[-1], SFACE)
    assert result["roc"]["thresholds"][-1] == last
    for point in result["key_points"]:
        assert point["realised_FPR"] <= point["FPR"]
        low, high = point["interval"]
        assert low <= point["FNMR"] <= high
    if limit == 1000:
        whole = result_of(evaluate(markup_of(ids, labels), limit=1000))
        assert whole["roc"] == result["roc"]
        assert whole["top_hits"] == result["top_hits"]
        assert [point["FNMR"] for point in whole["key_points"]] == [point["FNMR"] for point in result["key_points"]]


def test_lists_that_are_too_long_are_refused(hard, evaluate, monkeypatch):
    monkeypatch.setattr(roc, "MOST_LISTED", 100)

    task = evaluate(markup_of(hard[0], hard[2]), cropped=True)

    assert task.task_status == Status.FAILED
    assert TaskError.objects.get().error_code == 12022
