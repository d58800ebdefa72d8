"""Markups that are wrong or not whole: each is a clear error or is told in the result, and a good one goes on."""

from uuid import UUID

import numpy as np
import pytest

from errors_app.models import TaskError
from lunatasks.errors import LunaError, NotAvailable
from lunatasks.luna_services import registry
from lunatasks.luna_services.descriptors import SFACE, SFACE_MIRRORED, normalise
from lunatasks.luna_services.ports import NewFace, StoredDescriptor
from tasks_app.models import Task
from tasks_app.states import TaskType
from tests.conftest import OTHER_ACCOUNT
from tests.engine.types import create, ended, result_of

pytestmark = pytest.mark.django_db(transaction=True)

MINE = [UUID(int=number) for number in range(1, 9)]
GONE, BARE, OTHER_VERSION, THEIRS = (UUID(int=number) for number in range(20, 24))
PEOPLE = [number // 2 for number in range(8)]
GOOD = list(zip(MINE, PEOPLE, strict=True))
UNDEFINED = {"roc": None, "AUC": None, "EER": None}


@pytest.fixture(autouse=True)
def objects(account):
    """Four people with two images each, and objects that lack something."""
    random = np.random.default_rng(1)
    centres = np.repeat(random.normal(size=(4, SFACE.dimension)), 2, axis=0)
    vectors = normalise(centres + 1.5 * random.normal(size=(8, SFACE.dimension)))
    pairs = zip(MINE, vectors, strict=True)
    faces = [NewFace(face_id, descriptors={SFACE.number: vector}) for face_id, vector in pairs]
    other = NewFace(OTHER_VERSION, descriptors={SFACE_MIRRORED.number: vectors[0]})
    registry.faces().add_faces(account, [*faces, NewFace(BARE), other])
    registry.faces().put_descriptors(account, [StoredDescriptor(MINE[0], SFACE_MIRRORED.number, vectors[5])])
    registry.faces().add_faces(OTHER_ACCOUNT, [NewFace(THEIRS, descriptors={SFACE.number: vectors[0]})])


def content_of(entries, name="face_id"):
    return {"markup": [{name: str(one), "label": label} for one, label in entries], "key_FPRs": [0.1]}


REFUSED = {
    "one image in two people": ([*GOOD, (MINE[0], 77)], 12022),
    "one entry": (GOOD[:1], 12022),
    "nothing": ([], 12022),
    "label by text": ([*GOOD, (GONE, "1")], 12022),
    "label by fraction": ([*GOOD, (GONE, 1.0)], 12022),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_markup_that_is_refused_makes_no_task(account, sent, name):
    entries, code = REFUSED[name]

    with pytest.raises(LunaError) as caught:
        create(account, TaskType.ROC, content_of(entries))

    assert caught.value.code == code
    assert "content.markup" in caught.value.detail
    assert (Task.objects.count(), sent) == (0, [])


TOLD = {
    "an id that does not exist": ([*GOOD, (GONE, 0)], {28023}, {"excluded": 1}),
    "an object without a descriptor": ([*GOOD, (BARE, 0)], {28024}, {"excluded": 1}),
    "a descriptor of another version only": ([*GOOD, (OTHER_VERSION, 0)], {28024}, {"excluded": 1}),
    "an object of another account": ([*GOOD, (THEIRS, 0)], {28023}, {"excluded": 1}),
    "all of these": ([*GOOD, *((one, 0) for one in (GONE, BARE, THEIRS))], {28023, 28024}, {"excluded": 3}),
    "entries twice": (GOOD * 3, set(), {"excluded": 0}),
}


@pytest.mark.parametrize("name", TOLD)
def test_what_is_not_whole_leaves_the_figures_of_the_rest(account, sent, work, name):
    entries, codes, counts = TOLD[name]
    whole = run(account, work, GOOD)

    found = run(account, work, entries)

    assert set(TaskError.objects.values_list("error_code", flat=True)) == codes
    assert found["counts"] == whole["counts"] | counts
    assert [found[figure] for figure in ("roc", "AUC", "EER", "key_points", "scores", "top_hits")] == [
        whole[figure] for figure in ("roc", "AUC", "EER", "key_points", "scores", "top_hits")
    ]
    assert found["method"]["descriptor_version"] == SFACE.number


NO_CURVE = {
    "one label": [(one, 5) for one in MINE],
    "nobody twice": [(one, number) for number, one in enumerate(MINE)],
    "nothing there": [(GONE, 1), (BARE, 2)],
    "one of two there": [(MINE[0], 1), (GONE, 1)],
}


@pytest.mark.parametrize("name", NO_CURVE)
def test_without_both_kinds_of_pairs_there_is_no_curve(account, sent, work, name):
    found = run(account, work, NO_CURVE[name])

    assert {figure: found[figure] for figure in UNDEFINED} == UNDEFINED
    assert [point["supported"] for point in found["key_points"]] == [False]
    assert run(account, work, GOOD)["AUC"] > 0.5


def test_ids_of_attributes_are_refused_when_the_task_is_created(account, sent):
    with pytest.raises(NotAvailable, match="attribute_id"):
        create(account, TaskType.ROC, content_of(GOOD, name="attribute_id"))

    assert not Task.objects.exists()


def run(account, work, entries):
    task = create(account, TaskType.ROC, content_of(entries))
    work()
    return result_of(ended(task))
