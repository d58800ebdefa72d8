"""Handlers made and shown in the admin."""

import json
from uuid import uuid4

import pytest
from django.contrib.admin.models import ADDITION, LogEntry

from lunatasks.luna_services import registry
from lunatasks.luna_services.embedded.models import Handler
from lunatasks.luna_services.ports import NewHandler

ADD = "/admin/embedded/handler/add/"


def send(client, account, policies, **more):
    text = policies if isinstance(policies, str) else json.dumps(policies)
    return client.post(ADD, {"account_id": str(account), "description": "Gate", "policies": text} | more)


def test_a_handler_is_made_as_the_command_makes_it(admin, account):
    policies = {"extract_policy": {"extract_basic_attributes": 1}}

    answer = send(admin, account, policies)

    handler = Handler.objects.get()
    assert answer.url == f"/admin/embedded/handler/{handler.pk}/change/"
    assert handler.policies == registry.handlers().check_policies(policies)
    assert (handler.account_id, handler.description) == (account, "Gate")
    assert registry.handlers().add_handler(account, NewHandler(policies=policies, description="Gate")) == (
        handler.pk, False
    )  # fmt: skip
    assert LogEntry.objects.get().action_flag == ADDITION


def test_a_handler_may_be_given_its_id(admin, account):
    handler_id = uuid4()

    send(admin, account, {}, handler_id=str(handler_id))

    assert Handler.objects.get().pk == handler_id


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ("{", "This is no JSON: line 1, column 2."),
        ("[" * 100_000, "This is no JSON."),
        ([], "Input should be an object"),
        ({"detect_policy": {"detect_face": 2}}, "detect_policy.detect_face: "),
        ({"unknown": 1}, "unknown: "),
        ({"detect_policy": {"detect_body": 1}}, "Not available in this installation: a body model."),
        ({"match_policy": [{"label": "a", "candidates": {"list_id": str(uuid4())}}]}, "The account has no list "),
        ({"match_policy": [{"label": "<script>"}]}, "match_policy.0: "),
    ],
)
def test_what_is_wrong_is_told_beside_the_field_and_nothing_is_stored(admin, account, policies, message):
    answer = send(admin, account, policies)

    assert answer.status_code == 200
    assert message in answer.content.decode()
    assert b"<script>" not in answer.content.replace(b'<script src="', b"")
    assert not Handler.objects.exists()


def test_an_id_that_has_other_policies_is_refused(admin, account):
    handler_id = str(uuid4())
    send(admin, account, {}, handler_id=handler_id)

    answer = send(admin, account, {"extract_policy": {"extract_basic_attributes": 1}}, handler_id=handler_id)

    assert "exists and is another one" in answer.content.decode()
    assert Handler.objects.count() == 1


@pytest.mark.parametrize("members", [{"account_id": "x"}, {"handler_id": "x"}, {"description": "x" * 129}])
def test_other_fields_are_checked_too(admin, account, members):
    assert send(admin, account, {}, **members).status_code == 200
    assert not Handler.objects.exists()


@pytest.mark.parametrize("role", ["analysts", "operators"])
def test_making_one_needs_the_right(sign_in, account, role):
    client = sign_in(role)

    assert client.get(ADD).status_code == 403
    assert send(client, account, {}).status_code == 403
    assert not Handler.objects.exists()


def test_the_form_begins_with_an_example_that_is_valid(admin, account):
    page = admin.get(ADD).content.decode()

    from lunatasks.admin_site.handlers import EXAMPLE

    assert "extract_basic_attributes" in page
    assert registry.handlers().check_policies(json.loads(EXAMPLE))


def test_the_page_shows_the_policies_and_how_many_events_it_made(admin, account, make_event):
    policies = {"storage_policy": {"event_policy": {"store_event": 1}}}
    handler_id, _ = registry.handlers().add_handler(account, NewHandler(policies=policies, description="Gate"))
    make_event(handler_id=handler_id)

    page = admin.get(f"/admin/embedded/handler/{handler_id}/change/").content.decode()

    assert "Gate" in page
    assert "multiface_policy" in page
    assert f'/admin/embedded/event/?handler_id={handler_id}">1<' in page


def test_a_handler_cannot_be_changed(admin, account):
    handler_id, _ = registry.handlers().add_handler(account, NewHandler(policies={}, description="Gate"))

    admin.post(f"/admin/embedded/handler/{handler_id}/change/", {"description": "other"})

    assert Handler.objects.get().description == "Gate"
