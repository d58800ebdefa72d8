"""Files of the image store that no row names: they go after two looks, everything else stays."""

from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction

from lunatasks.luna_services import registry
from lunatasks.luna_services.embedded import samples
from lunatasks.luna_services.embedded.models import StoredFile
from tests.adapters.conftest import JPEG
from workers import orphans
from workers.orphans import OrphanSweep

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass by hand."""
    now = [0.0]
    monkeypatch.setattr(orphans.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def store(account):
    """Store an image; the name of its file."""

    def put():
        image_id, bucket = uuid4(), registry.buckets().face_samples
        registry.image_store().put_image(account, bucket, image_id, JPEG)
        return StoredFile.objects.get(file_id=image_id).name

    return put


def a_round(sweep):
    """Steps until all folders have been looked at."""
    removed = sweep.step()
    while sweep._folders is not None:
        removed += sweep.step()
    return removed


def test_a_file_without_a_row_goes_at_the_second_look(store, clock):
    kept, lost = store(), store()
    StoredFile.objects.filter(name=lost).delete()  # as after a kill between the commit and the removal
    sweep = OrphanSweep()

    assert a_round(sweep) == 0
    assert default_storage.exists(lost)
    clock[0] += orphans.PAUSE_SECONDS
    assert a_round(sweep) == 1

    assert not default_storage.exists(lost)
    assert default_storage.exists(kept)


def test_a_file_that_was_never_finished_goes_too(store, clock):
    name = f"{store().rpartition('/')[0]}/unfinished.tmp"
    default_storage.save(name, ContentFile(b"half"))
    sweep = OrphanSweep()

    a_round(sweep)
    clock[0] += orphans.PAUSE_SECONDS

    assert a_round(sweep) == 1
    assert not default_storage.exists(name)


def test_a_file_whose_row_comes_between_two_looks_stays(account, clock):
    bucket, image_id = registry.buckets().face_samples, uuid4()
    with samples.WrittenFiles() as files:
        row = files.write_image(account, bucket, image_id, JPEG)
    sweep = OrphanSweep()

    a_round(sweep)
    with transaction.atomic():
        samples.save_rows([row])
    clock[0] += orphans.PAUSE_SECONDS

    assert a_round(sweep) == 0
    assert registry.image_store().get_image(account, bucket, image_id) == JPEG


def test_a_second_look_comes_an_hour_after_the_first_round_ended(store, clock):
    lost = store()
    StoredFile.objects.all().delete()
    sweep = OrphanSweep()
    sweep.step()
    clock[0] += orphans.PAUSE_SECONDS
    a_round(sweep)

    clock[0] += orphans.PAUSE_SECONDS - 1
    assert sweep.step() == 0
    assert default_storage.exists(lost)
    clock[0] += 1
    assert a_round(sweep) == 1


def test_a_row_that_comes_at_the_last_moment_is_asked_for(store):
    name = store()

    assert registry.image_store().remove_orphans([name]) == 0
    assert default_storage.exists(name)


def test_what_others_keep_in_the_storage_is_left_alone(store, clock):
    store()
    foreign = f"{registry.buckets().face_samples}/notes/ab/readme"
    default_storage.save(foreign, ContentFile(b"theirs"))
    sweep = OrphanSweep()

    a_round(sweep)
    clock[0] += orphans.PAUSE_SECONDS
    a_round(sweep)

    assert default_storage.exists(foreign)
