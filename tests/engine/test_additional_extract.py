"""Additional extraction from request to result: what is missing, or all again, from stored samples."""

from uuid import uuid4

import numpy as np
import pytest
from PIL import Image

from lunatasks import errors
from lunatasks.luna_services import registry
from lunatasks.luna_services.descriptors import SFACE, SFACE_MIRRORED
from lunatasks.luna_services.ports import BasicAttributes, Detection, FaceFilters, NewEvent, NewFace
from tasks_app import services
from tasks_app.states import Status, TaskType
from tests.engine.types import create, ended, errors_of, result_of
from tests.photos import encoded, extractor, opened, photo

NAMES = ("obama/obama.jpg", "biden/biden.jpg", "Alice Portugal/Alice Portugal.jpg")
OLD, NEW = SFACE.number, SFACE_MIRRORED.number


@pytest.fixture
def faces(transactional_db, account):
    """Faces of three photos, with sample and old descriptor, without attributes; their ids, ascending."""
    ids = sorted(uuid4() for _ in NAMES)
    registry.faces().add_faces(account, [_face(face_id, name) for face_id, name in zip(ids, NAMES, strict=True)])
    return ids


def _face(face_id, name):
    [found] = extractor().extract(photo(name).read_bytes())
    return NewFace(face_id=face_id, descriptors={OLD: found.descriptor}, sample=found.sample)


@pytest.fixture
def events(transactional_db, account):
    """The same as events."""
    ids, bucket = sorted(uuid4() for _ in NAMES), registry.buckets().face_samples
    for event_id, name in zip(ids, NAMES, strict=True):
        [found] = extractor().extract(photo(name).read_bytes())
        sample_id = uuid4()
        registry.image_store().put_image(account, bucket, sample_id, found.sample)
        new = NewEvent(
            event_id=event_id,
            face_detections=(Detection(sample_id=sample_id),),
            face_descriptors={OLD: found.descriptor},
        )
        registry.events().add_events(account, [new])
    return ids


@pytest.fixture
def extract(account, sent, work, transactional_db):
    """The ended task of that target."""

    def run(target="face_descriptor", objects_type="faces", status=Status.DONE, filters=None, **options):
        if target == "face_descriptor":
            options.setdefault("descriptor_version", NEW)
        content = {
            "extraction_target": target,
            "options": options,
            "filters": {"objects_type": objects_type, **(filters or {})},
        }
        task = create(account, TaskType.ADDITIONAL_EXTRACT, content)
        work()
        return ended(task, status)

    return run


def test_missing_descriptors_of_a_version_are_extracted_and_the_old_ones_stay(faces, extract, account):
    task = extract()

    assert [row["object_id"] for row in result_of(task)] == [str(face_id) for face_id in faces]
    assert {row["generation"] for row in result_of(task)} == {1}
    assert all(len(row["samples"]) == 1 for row in result_of(task))
    old, new = (registry.faces().get_descriptors(account, faces, version=version) for version in (OLD, NEW))
    assert [one.object_id for one in new] == faces == [one.object_id for one in old]
    for before, after in zip(old, new, strict=True):
        assert 0.8 < float(before.vector @ after.vector) < 0.9999
    assert errors_of(task) == []


def test_the_result_does_not_depend_on_the_parts(faces, extract, settings):
    settings.LUNATASKS_IMAGES_PER_PART = 1

    task = extract()

    assert task.count_task_parts_all == 3
    assert [row["object_id"] for row in result_of(task)] == [str(face_id) for face_id in faces]


def test_a_second_run_does_nothing(faces, extract, account):
    extract()
    before = registry.faces().get_descriptors(account, faces, version=NEW)

    again = extract()

    assert (result_of(again), again.count_task_parts_all) == ([], 0)
    after = registry.faces().get_descriptors(account, faces, version=NEW)
    assert [one.generation for one in after] == [one.generation for one in before]


def test_all_again_is_a_newer_generation(faces, extract, account):
    extract()

    task = extract(missing=False)

    assert {row["generation"] for row in result_of(task)} == {2}
    stored = registry.faces().get_descriptors(account, faces, version=NEW)
    assert {one.generation for one in stored} == {2}
    assert all(one.sample_ids for one in stored)


def test_only_objects_that_lack_it_are_touched(faces, extract, account):
    extract(filters={"face_id__lt": str(faces[1])})

    task = extract()

    assert [row["object_id"] for row in result_of(task)] == [str(face_id) for face_id in faces[1:]]


def test_missing_attributes_of_faces_are_estimated(faces, extract, account):
    task = extract("basic_attributes")

    assert len(result_of(task)) == 3
    cards = {card.face_id: card for card in registry.faces().get_faces(account, faces)}
    assert [cards[face_id].attributes.gender for face_id in faces] == [1, 1, 0]
    assert all(15 < cards[face_id].attributes.age < 90 for face_id in faces)
    assert {cards[face_id].attributes_generation for face_id in faces} == {1}
    assert result_of(extract("basic_attributes")) == []


@pytest.mark.parametrize("missing", [True, False])
def test_an_ethnic_group_that_is_known_stays_for_nothing_here_estimates_it(account, extract, missing):
    face_id, event_id, sample_id = uuid4(), uuid4(), uuid4()
    [found] = extractor().extract(photo(NAMES[0]).read_bytes())
    registry.faces().add_faces(
        account, [NewFace(face_id, attributes=BasicAttributes(ethnicity=4), sample=found.sample)]
    )
    registry.image_store().put_image(account, registry.buckets().face_samples, sample_id, found.sample)
    event = NewEvent(event_id=event_id, ethnic_group=4, face_detections=(Detection(sample_id=sample_id),))
    registry.events().add_events(account, [event])

    for objects_type in ("faces", "events"):
        assert len(result_of(extract("basic_attributes", objects_type=objects_type, missing=missing))) == 1

    [face], [event] = registry.faces().get_faces(account, [face_id]), registry.events().get_events(account, [event_id])
    assert (face.attributes.gender, face.attributes.ethnicity) == (1, 4)
    assert (event.gender, event.ethnic_group) == (1, 4)


def test_attributes_of_the_same_sample_are_those_of_the_photo(faces, extract, account):
    extract("basic_attributes")

    [found] = extractor().extract(photo(NAMES[0]).read_bytes())
    [card] = registry.faces().get_faces(account, [faces[0]])
    assert abs(card.attributes.age - found.attributes.age) <= 5


def test_events_are_extracted_too(events, extract, account):
    descriptors = extract(objects_type="events")
    attributes = extract("basic_attributes", objects_type="events")

    assert [row["object_id"] for row in result_of(descriptors)] == [str(event_id) for event_id in events]
    assert len(registry.events().get_descriptors(account, events, kind="face", version=NEW)) == 3
    assert len(result_of(attributes)) == 3
    cards = {card.event_id: card for card in registry.events().get_events(account, events)}
    assert [cards[event_id].gender for event_id in events] == [1, 1, 0]
    assert result_of(extract(objects_type="events")) == []
    assert result_of(extract("basic_attributes", objects_type="events")) == []


def test_an_object_without_a_sample_is_a_stored_error_and_the_others_are_extracted(faces, extract, account):
    bare = uuid4()
    registry.faces().add_faces(account, [NewFace(face_id=bare)])

    task = extract()

    assert len(result_of(task)) == 3
    assert errors_of(task) == [(errors.SampleMissing.code, str(bare))]


def test_a_sample_that_is_gone_or_shows_nobody_is_a_stored_error(faces, extract, account):
    gone, nobody = sorted(uuid4() for _ in range(2))
    blank = encoded(Image.new("RGB", (400, 300), "green"))
    small = encoded(opened(NAMES[0]).resize((250, 250)))
    new = [NewFace(face_id=gone, sample=small), NewFace(face_id=nobody, sample=blank)]
    registry.faces().add_faces(account, new)
    [card] = registry.faces().get_faces(account, [gone])
    registry.image_store().delete_images(account, registry.buckets().face_samples, card.sample_ids)

    task = extract()

    assert len(result_of(task)) == 3
    assert errors_of(task) == [(errors.ImageNotFound.code, str(gone)), (errors.ImageRefused.code, str(nobody))]


def test_a_photo_as_a_sample_is_searched_for_its_face(extract, account):
    face_id = uuid4()
    registry.faces().add_faces(account, [NewFace(face_id=face_id, sample=photo(NAMES[0]).read_bytes())])

    extract(descriptor_version=OLD)

    [found] = extractor().extract(photo(NAMES[0]).read_bytes())
    [stored] = registry.faces().get_descriptors(account, [face_id], version=OLD)
    assert float(stored.vector @ found.descriptor) > 0.99


def test_a_face_deleted_after_the_split_is_a_stored_error(faces, account, sent, work):
    content = {"extraction_target": "face_descriptor", "filters": {"objects_type": "faces"}}
    content["options"] = {"descriptor_version": NEW}
    task = create(account, TaskType.ADDITIONAL_EXTRACT, content)
    work(1)
    registry.faces().delete_faces(account, faces[:1])

    work()

    assert len(result_of(ended(task))) == 2
    assert errors_of(task) == [(errors.FacesNotFound.code, str(faces[0]))]


def test_a_part_that_ran_before_tells_the_same_without_extracting_again(faces, account, sent, work, monkeypatch):
    from workers.task_types import additional_extract

    content = {"extraction_target": "face_descriptor", "filters": {"objects_type": "faces"}}
    content["options"] = {"descriptor_version": NEW, "missing": False}
    task = create(account, TaskType.ADDITIONAL_EXTRACT, content)
    work(1)
    vectors = np.eye(128, dtype=np.float32)[:1]
    from lunatasks.luna_services.ports import StoredDescriptor

    done = [StoredDescriptor(face_id, NEW, vectors[0], (), 1) for face_id in faces]
    registry.faces().put_descriptors(account, done)
    monkeypatch.setattr(additional_extract, "_look", None)

    work()

    assert [row["generation"] for row in result_of(ended(task))] == [1, 1, 1]


def test_another_account_is_left_alone(faces, other_account, account, sent, work):
    content = {"extraction_target": "basic_attributes", "filters": {"objects_type": "faces"}}
    task = create(other_account, TaskType.ADDITIONAL_EXTRACT, content)
    work()

    assert result_of(ended(task)) == []
    assert registry.faces().count_faces(FaceFilters(account)) == 3
    assert {card.attributes for card in registry.faces().get_faces(account, faces)} == {BasicAttributes()}


@pytest.mark.parametrize(
    ("target", "options", "objects_type"),
    [
        ("body_descriptor", {}, "events"),
        ("face_descriptor", {"descriptor_version": 2001}, "faces"),
        ("face_descriptor", {"descriptor_version": 59}, "events"),
    ],
)
def test_a_model_that_is_not_there_is_a_clear_error_at_creation(db, account, target, options, objects_type):
    content = {"extraction_target": target, "options": options, "filters": {"objects_type": objects_type}}

    with pytest.raises(errors.NotAvailable):
        services.create_task(account_id=account, task_type=TaskType.ADDITIONAL_EXTRACT, content=content)


@pytest.mark.parametrize("name", ["ethnicity", "ethnic_group", "extract_ethnicities"])
def test_ethnicity_cannot_be_asked_for(db, account, name):
    content = {"extraction_target": "basic_attributes", "options": {name: 1}, "filters": {"objects_type": "faces"}}

    with pytest.raises(errors.BadBody, match=rf"content\.options\.{name}"):
        services.create_task(account_id=account, task_type=TaskType.ADDITIONAL_EXTRACT, content=content)
