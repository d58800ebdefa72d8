"""What is particular to faces in our own tables: files, transactions, races."""

import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.storage import default_storage
from django.db import IntegrityError, connection, models, transaction
from django.utils import timezone

from lunatasks.luna_services.descriptors import SFACE
from lunatasks.luna_services.embedded.faces import EmbeddedFaces
from lunatasks.luna_services.embedded.filters import matching_faces
from lunatasks.luna_services.embedded.models import Face, FaceDescriptor, FaceLink, FaceList, FaceSample, StoredFile
from lunatasks.luna_services.ports import FaceFilters
from lunatasks.storage import AtomicFileSystemStorage
from tests.adapters.conftest import JPEG

TABLES: list[type[models.Model]] = [Face, FaceDescriptor, FaceLink, FaceSample]


def files(folder: str = "visionlabs-samples") -> list[str]:
    """Names of all files in the storage."""
    if not default_storage.exists(folder):
        return []
    folders, names = default_storage.listdir(folder)
    below = [name for one in folders for name in files(f"{folder}/{one}")]
    return below + [f"{folder}/{name}" for name in names]


def at_the_same_time(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Results of `work(0) ... work(count - 1)`, each in a thread with a connection of its own."""
    barrier, results = threading.Barrier(count), [None] * count

    def run(number: int) -> None:
        try:
            barrier.wait(10)
            results[number] = work(number)
        except Exception as error:
            results[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


@pytest.mark.django_db(transaction=True)
def test_a_call_that_fails_in_the_database_leaves_no_file(account, make_face, monkeypatch):
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise IntegrityError

    monkeypatch.setattr(FaceSample.objects, "bulk_create", refuse)

    with pytest.raises(IntegrityError):
        EmbeddedFaces().add_faces(account, [make_face(sample=JPEG) for _ in range(3)])

    assert files() == []
    assert [table.objects.count() for table in TABLES] == [0, 0, 0, 0]


@pytest.mark.django_db(transaction=True)
def test_a_storage_that_fails_leaves_no_row_and_no_file(account, make_face, monkeypatch):
    saved = []

    def save(storage: AtomicFileSystemStorage, name: str, content: Any) -> str:
        if len(saved) == 2:
            raise OSError(28, "No space left on device")
        saved.append(name)
        return real(storage, name, content)

    real = AtomicFileSystemStorage._save
    monkeypatch.setattr(AtomicFileSystemStorage, "_save", save)

    with pytest.raises(OSError):
        EmbeddedFaces().add_faces(account, [make_face(sample=JPEG) for _ in range(3)])

    assert files() == []
    assert Face.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_files_go_after_the_rows_and_stay_when_deletion_is_undone(account, stored):
    faces, ids = EmbeddedFaces(), stored(2, sample=JPEG)

    with transaction.atomic():
        faces.delete_faces(account, ids)
        transaction.set_rollback(True)
    assert len(files()) == 2

    faces.delete_faces(account, ids[:1])
    assert len(files()) == 1
    [card] = faces.get_faces(account, ids[1:])
    assert faces.open_sample(account, card.sample_ids[0]) == JPEG


def test_samples_lie_in_a_folder_of_their_account(account, stored):
    stored(1, sample=JPEG)

    [name] = files()

    assert name.startswith(f"visionlabs-samples/{account}/")


def test_a_sample_whose_file_is_gone_is_nothing(account, stored):
    faces, ids = EmbeddedFaces(), stored(1, sample=JPEG)
    default_storage.delete(files()[0])

    [card] = faces.get_faces(account, ids)

    assert faces.open_sample(account, card.sample_ids[0]) is None


@pytest.mark.django_db(transaction=True)
def test_calls_over_the_same_new_faces_store_each_once(account, make_face):
    list_id = uuid4()
    EmbeddedFaces().ensure_list(account, list_id)
    new = [make_face(sample=JPEG) for _ in range(20)]

    answers = at_the_same_time(4, lambda _: EmbeddedFaces().add_faces(account, new, list_id=list_id))

    stored_ids = sorted(face_id for answer in answers for face_id in answer)
    assert stored_ids == sorted(face.face_id for face in new)
    assert len(files()) == 20
    assert all(default_storage.exists(name) for name in StoredFile.objects.values_list("name", flat=True))
    assert FaceLink.objects.count() == 20


@pytest.mark.django_db(transaction=True)
def test_calls_over_the_same_new_faces_without_a_list_store_each_once(account, make_face):
    new = [make_face(sample=JPEG) for _ in range(20)]

    answers = at_the_same_time(4, lambda _: EmbeddedFaces().add_faces(account, new))

    assert sorted(face_id for answer in answers for face_id in answer) == sorted(face.face_id for face in new)
    assert len(files()) == 20


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seed", range(3))
def test_linking_and_deleting_the_same_faces_leaves_no_link_to_nothing(account, stored, made_list, seed):
    ids = stored(60)

    def work(number: int) -> Any:
        faces = EmbeddedFaces()
        if number % 2:
            return [faces.delete_faces(account, ids[start : start + 6]) for start in range(0, 60, 6)]
        return [faces.link_faces(account, made_list, ids[start : start + 15]) for start in range(0, 60, 15)]

    answers = at_the_same_time(4, work)

    assert [answer for answer in answers if isinstance(answer, Exception)] == []
    assert [table.objects.count() for table in TABLES] == [0, 0, 0, 0]


@pytest.mark.django_db(transaction=True)
def test_a_list_made_by_several_is_made_once(account):
    list_id = uuid4()

    answers = at_the_same_time(4, lambda _: EmbeddedFaces().ensure_list(account, list_id))

    assert sorted(answers) == [False, False, False, True]


def test_a_list_moves_when_faces_come_and_go_and_not_otherwise(account, stored, made_list):
    def time() -> Any:
        return FaceList.objects.get(list_id=made_list).last_update_time

    faces, ids = EmbeddedFaces(), stored(2)
    times = [time()]
    for change in (
        lambda: faces.link_faces(account, made_list, ids),
        lambda: faces.unlink_faces(account, made_list, ids[:1]),
        lambda: faces.delete_faces(account, ids[1:]),
    ):
        change()
        times.append(time())
    faces.unlink_faces(account, made_list, ids)

    assert times == sorted(set(times))
    assert time() == times[-1]


def test_a_call_takes_few_statements_whatever_its_size(account, make_face, made_list, django_assert_max_num_queries):
    new = [make_face() for _ in range(300)]

    with django_assert_max_num_queries(20):
        EmbeddedFaces().add_faces(account, new, list_id=made_list)


def test_cards_take_three_statements_whatever_their_number(account, stored, django_assert_num_queries):
    ids = stored(50, sample=JPEG)

    with django_assert_num_queries(3):
        EmbeddedFaces().get_faces(account, ids)


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"face_ids": [uuid4()]},
        {"external_ids": ["x"]},
        {"create_time__gte": timezone.now()},
        {"face_id__lt": uuid4()},
        {"list_id": uuid4()},
    ],
)
def test_no_filter_reads_a_whole_table(db, account, filters):
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")  # empty tables are scanned whatever the indexes

    plan = matching_faces(FaceFilters(account, **filters)).explain()

    assert "SCAN" not in plan
    assert "Seq Scan" not in plan


def test_stored_vectors_are_little_endian_float32(account, stored):
    stored(1)

    row = FaceDescriptor.objects.get()

    assert (row.version, len(bytes(row.vector))) == (SFACE.number, 512)
