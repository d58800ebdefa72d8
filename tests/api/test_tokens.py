"""Access tokens: who may see and do what, where LUNATASKS_API_AUTH is token."""

import io

import pytest
from django.core import checks
from django.core.management import CommandError, call_command
from django.utils import timezone

from lunatasks.api.models import AccessToken, digest_of
from lunatasks.env import is_public_address
from tasks_app.models import Task
from tests.api.conftest import error_of

pytestmark = pytest.mark.django_db
CLUSTERING = {"content": {"objects_type": "faces"}}


@pytest.fixture(autouse=True)
def tokens_on(settings):
    settings.LUNATASKS_API_AUTH = "token"


@pytest.fixture
def bearer():
    """Headers with a new token."""

    def make(account_id=None, *, write=False, **fields):
        text = AccessToken(name="somebody", account_id=account_id, can_write=write, **fields).issue()
        return {"Authorization": f"Bearer {text}"}

    return make


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic bHQ6eA=="},
        {"Authorization": "Bearer " + "x" * 10_000},
        {"Authorization": "Bearer \u00e9\0"},
    ],
)
def test_a_missing_or_wrong_token_is_refused(api, make_task, headers):
    task = make_task()

    for path in ("/tasks", f"/tasks/{task.pk}", "/tasks/errors", "/tasks/clustering"):
        response = api.get(path, headers=headers)
        assert error_of(response) == (401, 28103)
        assert response["WWW-Authenticate"] == "Bearer"
    assert error_of(api.post("/tasks/clustering", CLUSTERING, headers=headers)) == (401, 28103)


def test_a_revoked_token_is_refused(api, bearer):
    assert error_of(api.get("/tasks", headers=bearer(revoke_time=timezone.now()))) == (401, 28103)


def test_what_tells_nothing_of_accounts_needs_no_token(root):
    for path in ("/version", "/docs/spec", "/docs/dev/errors/28103.html", "/docs/dev"):
        assert root.get(path).status_code in (200, 302), path
    assert root.get("/nowhere").status_code == 404


def test_a_token_of_all_accounts_sees_all(api, bearer, make_task, other_account):
    make_task()
    make_task(account_id=other_account)
    headers = bearer()

    assert api.get("/tasks/count", headers=headers).json() == {"count": 2}
    assert api.get("/tasks/count", headers=headers, account_id=str(other_account)).json() == {"count": 1}


def test_a_token_of_one_account_sees_nothing_of_others(api, bearer, make_error, make_task, account, other_account):
    mine, foreign = make_error(make_task()), make_error(make_task(account_id=other_account))
    headers = bearer(account)

    assert api.get("/tasks/count", headers=headers).json() == {"count": 1}
    assert [task["task_id"] for task in api.get("/tasks", headers=headers).json()["tasks"]] == [mine.task_id]
    assert api.get("/tasks/errors/count", headers=headers).json() == {"count": 1}
    for query in ({}, {"account_id": str(other_account)}):
        assert error_of(api.get(f"/tasks/{foreign.task_id}", headers=headers, **query)) == (404, 28001)
        assert error_of(api.get(f"/tasks/errors/{foreign.pk}", headers=headers, **query)) == (404, 28003)
    assert api.get("/tasks", headers=headers, account_id=str(other_account)).json() == {"tasks": []}
    assert error_of(api.get(f"/tasks/{mine.task_id}", headers=headers, account_id=str(other_account))) == (404, 28001)


def test_a_token_to_read_cannot_write(api, bearer, make_task, account):
    task, headers = make_task(), bearer(account)
    owner = {"Luna-Account-Id": str(account)}

    assert error_of(api.post("/tasks/clustering", CLUSTERING, headers=headers | owner)) == (403, 28104)
    assert error_of(api.send("PATCH", f"/tasks/{task.pk}", headers=headers)) == (403, 28104)
    assert error_of(api.send("DELETE", f"/tasks/{task.pk}", headers=headers)) == (403, 28104)
    assert Task.objects.get() == task


def test_a_token_to_write_works_for_its_account_only(api, bearer, sent, account, other_account):
    headers = bearer(account, write=True)

    made = api.post("/tasks/clustering", CLUSTERING, headers=headers | {"Luna-Account-Id": str(account)})
    other = api.post("/tasks/clustering", CLUSTERING, headers=headers | {"Luna-Account-Id": str(other_account)})
    assert made.status_code == 202
    assert error_of(other) == (403, 28104)
    assert error_of(api.post("/tasks/clustering", CLUSTERING, headers=headers)) == (403, 11036)
    assert api.send("PATCH", f"/tasks/{made.json()['task_id']}", headers=headers).status_code == 204


def test_a_differing_header_is_refused_behind_a_gateway_prefix(bearer, api, account, other_account, make_task):
    from lunatasks.api.accounts import reader
    from lunatasks.api.query import Query
    from lunatasks.api.tokens import Grant
    from lunatasks.errors import OutOfScope

    request = type("R", (), {"headers": {"Luna-Account-Id": str(other_account)}, "META": {"QUERY_STRING": ""}})()
    with pytest.raises(OutOfScope):
        reader(request, Query(request), Grant(account, can_write=False), gateway=True)
    assert reader(request, Query(request), Grant(None, can_write=False), gateway=True) == other_account
    assert reader(request, Query(request), Grant(account, can_write=False), gateway=False) == account


def test_a_token_costs_one_query(api, bearer, account, django_assert_num_queries):
    headers = bearer(account)

    with django_assert_num_queries(2):
        assert api.get("/tasks", headers=headers).status_code == 200


def test_settings_and_metrics_need_a_token_of_all_accounts(root, bearer, account):
    for path in ("/config", "/metrics"):
        assert error_of(root.get(path)) == (401, 28103)
        assert error_of(root.get(path, headers=bearer(account))) == (403, 28104)
        assert root.get(path, headers=bearer()).status_code == 200


def test_only_the_hash_of_a_token_is_stored(bearer):
    text = bearer()["Authorization"].removeprefix("Bearer ")
    row = AccessToken.objects.get()

    assert row.digest == digest_of(text)
    assert text not in str(vars(row))
    assert len(text) > 40


def test_the_command_makes_lists_and_revokes(api, account):
    out = io.StringIO()
    call_command("createtoken", "camera", account=str(account), write=True, stdout=out, stderr=io.StringIO())
    text = out.getvalue().strip()
    headers = {"Authorization": f"bearer {text}"}
    assert api.get("/tasks", headers=headers).status_code == 200

    listed = io.StringIO()
    call_command("createtoken", list=True, stdout=listed)
    assert str(account) in listed.getvalue()
    assert text not in listed.getvalue()

    call_command("createtoken", revoke=AccessToken.objects.get().pk, stdout=io.StringIO())
    assert error_of(api.get("/tasks", headers=headers)) == (401, 28103)


@pytest.mark.parametrize("arguments", [[], ["--revoke=987"], ["x", "--account={x}"], ["x", "--account="]])
def test_the_command_refuses_nonsense(arguments):
    with pytest.raises(CommandError):
        call_command("createtoken", *arguments)

    assert not AccessToken.objects.exists()  # least of all one of all accounts


def test_the_admin_makes_a_token_shows_it_once_and_revokes_it(client, staff, api, account):
    client.force_login(staff)
    page = client.post(
        "/admin/api/accesstoken/add/", {"name": "camera", "account_id": str(account), "can_write": "on"}, follow=True
    )
    token = AccessToken.objects.get()
    text = next(word for word in page.content.decode().split() if word.startswith("lt_"))
    assert digest_of(text) == token.digest
    assert text not in client.get("/admin/api/accesstoken/").content.decode()

    client.post("/admin/api/accesstoken/", {"action": "revoke", "_selected_action": [token.pk]})
    token.refresh_from_db()
    assert token.revoke_time is not None


def test_a_person_without_permission_makes_no_token(client, django_user_model):
    client.force_login(django_user_model.objects.create_user("analyst", password="a-long-password", is_staff=True))

    assert client.post("/admin/api/accesstoken/add/", {"name": "x"}).status_code == 403
    assert not AccessToken.objects.exists()


@pytest.mark.parametrize(
    ("host", "public"),
    [
        ("127.0.0.1", False),
        ("localhost", False),
        ("::1", False),
        ("10.1.2.3", False),
        ("192.168.0.1", False),
        ("0.0.0.0", True),  # noqa: S104
        ("::", True),
        ("::ffff:0.0.0.0", True),
        ("::ffff:8.8.8.8", True),
        ("::ffff:127.0.0.1", False),
        ("8.8.8.8", True),
        ("tasks.example", True),
    ],
)
def test_a_public_bind_without_tokens_is_a_warning(settings, host, public):
    settings.LUNATASKS_HOST = host
    assert is_public_address(host) is public

    for auth, expected in (("off", public), ("token", False)):
        settings.LUNATASKS_API_AUTH = auth
        assert ("lunatasks.W030" in {message.id for message in checks.run_checks()}) is expected
