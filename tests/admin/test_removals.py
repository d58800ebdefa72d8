"""Deleting faces, events, lists and handlers: confirmed, logged, and indeed."""

from uuid import uuid4

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.core.files.storage import default_storage

from lunatasks.luna_services import registry
from lunatasks.luna_services.descriptors import SFACE
from lunatasks.luna_services.embedded.models import (
    Event,
    EventDescriptor,
    Face,
    FaceDescriptor,
    FaceList,
    Handler,
    StoredFile,
)
from lunatasks.luna_services.ports import NewHandler

VECTOR = [1.0] + [0.0] * (SFACE.dimension - 1)


def told(answer) -> list[str]:
    return [str(message) for message in get_messages(answer.wsgi_request)]


def act(client, name: str, *ids, **more):
    form = {"action": "remove_selected", "_selected_action": [str(one) for one in ids], "index": "0"}
    return client.post(f"/admin/embedded/{name}/", form | more)


def files() -> list[str]:
    return [row.name for row in StoredFile.objects.all()]


@pytest.fixture
def make_list(db, account):
    def make(*faces):
        list_id = uuid4()
        registry.faces().ensure_list(account, list_id, user_data="Visitors")
        registry.faces().link_faces(account, list_id, list(faces))
        return list_id

    return make


@pytest.fixture
def make_handler(db, account):
    def make(**members):
        return registry.handlers().add_handler(account, NewHandler(policies={}, **members))[0]

    return make


@pytest.fixture
def committed(django_capture_on_commit_callbacks):
    """What follows a commit follows at once: a test's own transaction never commits."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


def test_deleting_asks_first_and_changes_nothing(admin, make_face):
    face_id = make_face(external_id="Ann")

    answer = act(admin, "face", face_id)

    assert b"Ann" in answer.content
    assert b'name="confirmed"' in answer.content
    assert Face.objects.filter(pk=face_id).exists()
    assert not LogEntry.objects.exists()


def test_a_deleted_face_is_gone_with_its_image_descriptor_and_links(admin, make_face, make_list, committed):
    face_id, kept = make_face(descriptors={SFACE.number: VECTOR}), make_face()
    list_id = make_list(face_id, kept)
    stored = files()

    with committed():
        answer = act(admin, "face", face_id, confirmed="yes")

    assert told(answer) == ["1 face deleted."]
    assert list(Face.objects.values_list("pk", flat=True)) == [kept]
    assert not FaceDescriptor.objects.exists()
    assert FaceList.objects.get(pk=list_id).links.count() == 1
    assert [name for name in stored if default_storage.exists(name)] == files()
    assert len(files()) == 1
    entry = LogEntry.objects.get()
    assert (entry.action_flag, entry.object_id) == (DELETION, str(face_id))


def test_a_deleted_event_is_gone_with_all_its_images(admin, make_event, committed):
    event_id = make_event(face_descriptors={SFACE.number: VECTOR}, tags=("vip",))
    stored = files()
    assert len(stored) == 3

    with committed():
        answer = act(admin, "event", event_id, confirmed="yes")

    assert told(answer) == ["1 event deleted."]
    assert not Event.objects.exists()
    assert not EventDescriptor.objects.exists()
    assert files() == []
    assert not any(default_storage.exists(name) for name in stored)
    assert LogEntry.objects.get().object_id == str(event_id)


def test_a_deleted_list_leaves_its_faces(admin, make_face, make_list):
    face_id = make_face()
    list_id = make_list(face_id)

    answer = act(admin, "facelist", list_id, confirmed="yes")

    assert told(answer) == ["1 list deleted."]
    assert not FaceList.objects.exists()
    assert Face.objects.get().links.count() == 0


def test_a_deleted_handler_is_gone(admin, make_handler):
    answer = act(admin, "handler", make_handler(), confirmed="yes")

    assert told(answer) == ["1 handler deleted."]
    assert not Handler.objects.exists()


def test_objects_of_several_accounts_go_in_one_action(admin, make_event, other_account):
    events = [make_event(), make_event(account_id=other_account)]

    answer = act(admin, "event", *events, confirmed="yes")

    assert told(answer) == ["2 events deleted."]
    assert not Event.objects.exists()


def test_what_was_deleted_meanwhile_is_told(admin, account, make_face):
    gone, kept = make_face(), make_face()
    registry.faces().delete_faces(account, [gone])

    answer = act(admin, "face", gone, kept, uuid4(), confirmed="yes")

    assert told(answer) == ["1 face deleted.", "2 faces did not exist any more."]
    assert LogEntry.objects.count() == 1


def test_more_objects_than_allowed_are_refused_as_a_whole(admin, make_face, monkeypatch):
    monkeypatch.setattr("lunatasks.admin_site.removals.MOST_AT_ONCE", 2)
    faces = [make_face() for _ in range(3)]

    answer = act(admin, "face", *faces)

    assert told(answer) == ["At most 2 faces at once; nothing was done."]
    assert Face.objects.count() == 3


@pytest.mark.parametrize("name", ["face", "event", "facelist", "handler"])
def test_nonsense_in_a_selection_is_a_bad_request(admin, db, name):
    assert act(admin, name, "x", confirmed="yes").status_code == 400


@pytest.mark.parametrize("name", ["face", "event", "facelist", "handler"])
def test_without_the_right_nothing_is_offered_and_nothing_deleted(
    operator, make_face, make_event, make_list, make_handler, name
):
    made = {"face": make_face, "event": make_event, "facelist": make_list, "handler": make_handler}[name]()

    act(operator, name, made, confirmed="yes")
    asked = operator.get(f"/admin/embedded/{name}/{made}/remove/")
    done = operator.post(f"/admin/embedded/{name}/{made}/remove/")

    assert (asked.status_code, done.status_code) == (403, 403)
    page = operator.get(f"/admin/embedded/{name}/{made}/change/")
    assert page.status_code == 200
    assert b"/remove/" not in page.content
    assert b"remove_selected" not in operator.get(f"/admin/embedded/{name}/").content


@pytest.mark.parametrize("name", ["face", "event", "facelist", "handler"])
def test_the_right_to_delete_suffices(sign_in, make_face, make_event, make_list, make_handler, name):
    client = sign_in("analysts")
    User.objects.latest("pk").user_permissions.add(Permission.objects.get(codename=f"delete_{name}"))
    made = {"face": make_face, "event": make_event, "facelist": make_list, "handler": make_handler}[name]()
    address = f"/admin/embedded/{name}/{made}/remove/"

    assert address in client.get(f"/admin/embedded/{name}/{made}/change/").content.decode()
    assert b"go for good" in client.get(address).content
    assert client.post(address).url == f"/admin/embedded/{name}/"
    assert client.get(address).status_code == 404


def test_a_removal_without_a_csrf_token_is_refused(staff, make_face):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(staff)

    assert client.post(f"/admin/embedded/face/{make_face()}/remove/").status_code == 403
