"""Making tasks: what is stored, and that nothing is stored of what is wrong."""

import io
import math
from uuid import UUID

import pytest
from cryptography.fernet import Fernet
from redis import ConnectionError as RedisDown
from rq import Queue

from lunatasks.errors import SecretsUnreadable
from lunatasks.luna_services import registry
from tasks_app import secrets
from tasks_app.api.urls import CREATIONS
from tasks_app.contents import availability
from tasks_app.models import Task
from tasks_app.states import Status, TaskType
from tests.api.conftest import error_of
from tests.unit.contents import ID, SMALL

pytestmark = pytest.mark.django_db

TYPES = ("linker", "gc", "reporter", "additional_extract", "cross_match", "roc", "exporter", "estimator")
CLUSTERING = "/tasks/clustering"
GOOD = {"content": {"objects_type": "faces"}}


@pytest.fixture(autouse=True)
def nothing_is_stored_of_a_refused_request(request, db):
    yield
    if "refused" in request.node.name:
        assert not Task.objects.exists()


def test_a_clustering_is_accepted_stored_and_sent(api, account, sent, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        response = api.cluster({"objects_type": "faces", "limit": 3}, description="useful faces")

    task = Task.objects.get()
    assert response.status_code == 202
    assert response.json() == {"task_id": task.pk}
    assert response["Location"] == f"/1/tasks/{task.pk}"
    assert (task.account_id, task.task_type, task.task_status) == (account, TaskType.CLUSTERING, Status.PENDING)
    assert (task.description, task.content["limit"]) == ("useful faces", 3)
    assert task.request_id == response["Luna-Request-Id"]
    assert [message.entry for message in sent] == ["split"]


def test_location_leads_to_the_task_also_after_a_trailing_slash(api, sent):
    response = api.post(CLUSTERING + "/", GOOD)

    assert response.status_code == 202
    assert api.client.get(response["Location"]).json()["task_id"] == response.json()["task_id"]


def test_unknown_members_beside_the_content_are_ignored(api, account, sent):
    response = api.post(CLUSTERING, GOOD | {"account_id": str(account), "anything": None})

    assert response.status_code == 202


def test_a_queue_that_is_down_costs_nothing(api, monkeypatch, django_capture_on_commit_callbacks):
    def refuse(*args, **kwargs):
        raise RedisDown

    monkeypatch.setattr(Queue, "enqueue_many", refuse)
    with django_capture_on_commit_callbacks(execute=True):
        response = api.post(CLUSTERING, GOOD)

    assert response.status_code == 202
    assert Task.objects.get().task_status == Status.PENDING


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/json;charset=hex", ""]
)
def test_json_is_taken_with_any_charset_and_without_a_content_type(api, sent, content_type):
    assert api.post(CLUSTERING, GOOD, content_type=content_type).status_code == 202


@pytest.mark.parametrize("content_type", ["text/plain", "application/msgpack", "multipart/form-data; boundary=x", "x"])
def test_another_content_type_is_refused(api, content_type):
    assert error_of(api.post(CLUSTERING, GOOD, content_type=content_type)) == (400, 12017)


def test_a_missing_account_is_refused_as_forbidden(api):
    assert error_of(api.post(CLUSTERING, GOOD, headers={})) == (403, 11036)


@pytest.mark.parametrize(
    "value", ["", "x", "{6d071cca-fda5-4a03-84d5-5bea65904480}", "6d071ccafda54a0384d55bea65904480"]
)
def test_a_malformed_account_is_refused_by_name(api, value):
    response = api.post(CLUSTERING, GOOD, headers={"Luna-Account-Id": value})

    assert error_of(response) == (400, 12012)
    assert "Luna-Account-Id" in response.json()["detail"]


@pytest.mark.parametrize("body", [b"", b"  \r\n\t "])
def test_an_empty_body_is_refused(api, body):
    assert error_of(api.post(CLUSTERING, body=body)) == (400, 12030)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nonsense",
        b'{"content": NaN}',
        b'{"content": {"threshold": Infinity}}',
        b'{"content": {"threshold": 1e400}}',
        b'{"content": {"user_data": "\\ud800"}}',
        b'{"content": "\xff"}',
        b"\xef\xbb\xbf{}",
        b"{'content': {}}",
        b'{"content": {}} {}',
        b"[" * 100_000,
        b'{"content": ' + b'{"filters": ' * 1100 + b"1" + b"}" * 1101,
        b'{"content":' * 2000 + b"1" + b"}" * 2000,
        '{"content": {}}'.encode("utf-16"),
    ],
    ids=range(14),
)
def test_what_is_not_json_is_refused(api, body):
    assert error_of(api.post(CLUSTERING, body=body)) == (400, 12027)


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"1", b"null", b"true"])
def test_a_document_that_is_no_object_is_refused(api, body):
    assert error_of(api.post(CLUSTERING, body=body)) == (400, 12022)


def test_a_missing_content_is_refused_by_name(api):
    response = api.post(CLUSTERING, {"description": "x"})

    assert error_of(response) == (400, 12003)
    assert response.json()["detail"] == "Field 'content' not found in json"


@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"content": None}, "content"),
        ({"content": []}, "content"),
        ({"content": GOOD["content"], "description": None}, "description"),
        ({"content": GOOD["content"], "description": 1}, "description"),
        ({"content": GOOD["content"], "description": "x" * 4097}, "description"),
        ({"content": GOOD["content"], "description": "a\0b"}, "description"),
        ({"content": {"objects_type": "faces", "threshold": 2}}, "content.threshold"),
        ({"content": {"objects_type": "faces", "filters": {"user_data": "\0"}}}, "content.filters.user_data"),
        ({"content": {"objects_type": "faces", "\0": 1}}, "content.\0"),
        ({"content": {"objects_type": "faces", "é🙂": 1}}, "content.é🙂"),
    ],
)
def test_a_wrong_member_is_refused_with_its_path(api, members, path):
    response = api.post(CLUSTERING, members)

    assert error_of(response) == (400, 12022)
    assert f"Path: '{path}'" in response.json()["detail"]


def test_a_filter_of_another_account_is_refused(api, other_account):
    response = api.cluster({"objects_type": "faces", "filters": {"account_id": str(other_account)}})

    assert error_of(response) == (400, 12022)
    assert "content.filters.account_id" in response.json()["detail"]


def test_an_integer_beyond_64_bits_is_refused(api):
    response = api.post(CLUSTERING, body=b'{"content": {"objects_type": "faces", "limit": 18446744073709551616}}')

    assert error_of(response) == (400, 12022)


def test_a_body_longer_than_the_limit_is_refused_before_it_is_read(api, settings):
    settings.LUNATASKS_MAX_BODY = 2000

    assert api.post(CLUSTERING, GOOD | {"x": "y" * 1900}).status_code == 202
    assert error_of(api.post(CLUSTERING, GOOD | {"x": "y" * 2000})) == (413, 28102)
    Task.objects.all().delete()


def test_the_limit_of_a_body_is_32_mib(api):
    limit = 32 * 2**20

    assert error_of(api.post(CLUSTERING, body=b" " * limit)) == (400, 12030)
    for longer in (limit + 1, 33 * 2**20):
        response = api.post(CLUSTERING, body=b" " * longer)
        assert error_of(response) == (413, 28102)
        assert response.json()["detail"] == f"body larger than {limit}"


def test_a_body_that_hides_its_length_is_refused_while_it_is_read(api, settings):
    settings.LUNATASKS_MAX_BODY = 2000
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}

    long = api.post(CLUSTERING, body=b" ", **chunked | {"wsgi.input": io.BytesIO(b"x" * 3000)})
    short = api.post(CLUSTERING, body=b" ", **chunked | {"wsgi.input": io.BytesIO(b'{"content": 1}')})

    assert error_of(long) == (413, 28102)
    assert error_of(short) == (400, 12022)


@pytest.mark.parametrize("name", TYPES)
def test_types_without_a_worker_are_refused_after_their_shape_is_checked(api, monkeypatch, name):
    monkeypatch.setattr(availability, "QUEUE_OF_TYPE", {})
    path = f"/tasks/{name}"

    assert error_of(api.post(path, {"content": SMALL[CREATIONS[name]]})) == (501, 28108)
    assert error_of(api.post(path, {"content": {}})) == (400, 12022)
    assert error_of(api.post(path, {"content": []})) == (400, 12022)
    assert error_of(api.post(path, {})) == (400, 12003)
    assert error_of(api.post(path, {"content": {}}, headers={})) == (403, 11036)


@pytest.fixture
def every_worker(monkeypatch):
    monkeypatch.setattr(availability, "QUEUE_OF_TYPE", dict.fromkeys(TaskType, "x"))


@pytest.mark.usefixtures("every_worker")
@pytest.mark.parametrize("name", TYPES)
def test_every_type_is_accepted_where_its_worker_is(api, sent, finished_task, name):
    content = SMALL[CREATIONS[name]]
    if name == "reporter":
        content = {"filters": {"task_id": finished_task([]).pk}}
    if name == "estimator":
        content = content | {"handler": {"policies": {}}}

    response = api.post(f"/tasks/{name}", {"content": content})

    assert response.status_code == 202, response.content
    task = Task.objects.get(pk=response.json()["task_id"])
    assert task.task_type == CREATIONS[name]


@pytest.mark.usefixtures("every_worker")
class TestLinker:
    def test_a_list_that_does_not_exist_is_refused(self, api):
        response = api.post("/tasks/linker", {"content": {"objects_type": "faces", "list_id": ID}})

        assert error_of(response) == (400, 22003)
        assert ID in response.json()["detail"]

    def test_a_list_of_another_account_is_refused(self, api, other_account):
        registry.faces().ensure_list(other_account, UUID(ID))

        response = api.post("/tasks/linker", {"content": {"objects_type": "faces", "list_id": ID}})

        assert error_of(response) == (400, 22003)

    def test_a_list_of_the_account_is_taken(self, api, account, sent):
        registry.faces().ensure_list(account, UUID(ID))

        response = api.post("/tasks/linker", {"content": {"objects_type": "faces", "list_id": ID}})

        assert response.status_code == 202


@pytest.mark.usefixtures("every_worker")
class TestReporter:
    def report(self, api, task_id, **members):
        return api.post("/tasks/reporter", {"content": {"filters": {"task_id": task_id}, **members}})

    def test_an_unknown_task_and_one_of_another_account_answer_alike(self, api, finished_task, other_account):
        foreign = finished_task([], account_id=other_account)

        assert error_of(self.report(api, 987654)) == (404, 28001)
        assert error_of(self.report(api, foreign.pk)) == (404, 28001)

    def test_a_task_of_another_type_cannot_be_reported(self, api, finished_task):
        task = finished_task([], task_type=TaskType.LINKER)

        response = self.report(api, task.pk)

        assert error_of(response) == (400, 28106)
        assert response.json()["detail"] == f"Task '{task.pk}' of type 1 does not support a build report"

    @pytest.mark.parametrize("status", sorted(set(Status) - {Status.DONE}))
    def test_a_task_that_is_not_done_cannot_be_reported(self, api, make_task, status):
        response = self.report(api, make_task(task_status=status).pk)

        assert error_of(response) == (400, 28015)
        assert response.json()["detail"] == f"Tasks with status '{int(status)}' does not support a build report"

    def test_a_task_without_a_result_cannot_be_reported(self, api, make_task):
        assert error_of(self.report(api, make_task(task_status=Status.DONE).pk)) == (400, 28016)

    def test_columns_are_those_of_the_clusterings_objects(self, api, finished_task, sent):
        task = finished_task([])

        response = self.report(api, task.pk, columns=["user_data", "gender"])

        assert error_of(response) == (400, 12022)
        assert "content.columns.1" in response.json()["detail"]
        assert self.report(api, task.pk, columns=["user_data", "avatar"]).status_code == 202


@pytest.mark.usefixtures("every_worker")
class TestSecrets:
    content = {
        "handler": {"policies": {}},
        "source": {"source_type": "zip", "reference": "a.zip", "authorization": {"password": "hunter2"}},
    }

    @pytest.fixture
    def task(self, api, sent):
        return Task.objects.get(pk=api.post("/tasks/estimator", {"content": self.content}).json()["task_id"])

    def test_a_password_is_masked_in_every_read_and_encrypted_in_the_row(self, api, task):
        assert api.get(f"/tasks/{task.pk}").json()["content"]["source"]["authorization"] == {"password": "********"}
        assert "hunter2" not in api.get("/tasks").content.decode()
        assert not [value for value in vars(task).values() if "hunter2" in str(value)]

    def test_a_worker_opens_it(self, task):
        assert secrets.open_secrets(task) == {"source.authorization.password": "hunter2"}

    def test_an_older_key_still_opens_it(self, task, settings):
        settings.LUNATASKS_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.LUNATASKS_ENCRYPTION_KEYS]

        assert secrets.open_secrets(task) == {"source.authorization.password": "hunter2"}

    def test_a_missing_key_is_an_error_of_the_catalogue(self, task, settings):
        settings.LUNATASKS_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]

        with pytest.raises(SecretsUnreadable):
            secrets.open_secrets(task)

    def test_a_task_without_secrets_has_no_ciphertext(self, make_task):
        assert make_task().secrets == ""
        assert secrets.open_secrets(make_task()) == {}


def test_events_are_refused_as_not_available_without_their_service(api, monkeypatch):
    monkeypatch.setattr(availability, "_has_events", lambda: False)

    assert error_of(api.cluster({"objects_type": "events"})) == (501, 28108)


def test_the_description_of_an_export_is_refused_beyond_128_characters(api, monkeypatch):
    monkeypatch.setattr(availability, "QUEUE_OF_TYPE", {})
    document = {"content": {"objects_type": "faces", "create_list": 1}, "description": "x" * 129}

    assert error_of(api.post("/tasks/exporter", document)) == (400, 12022)
    assert error_of(api.post("/tasks/linker", document)) == (501, 28108)


@pytest.mark.usefixtures("every_worker", "sent")
@pytest.mark.parametrize("name", sorted(CREATIONS))
def test_the_longest_description_is_128_characters_of_an_export_and_4096_of_others(api, finished_task, name):
    longest = 128 if name == "exporter" else 4096
    special = {
        "reporter": lambda: {"filters": {"task_id": finished_task([]).pk}},
        "estimator": lambda: SMALL[TaskType.ESTIMATOR] | {"handler": {"policies": {}}},
    }
    content = special.get(name, lambda: SMALL[CREATIONS[name]])()

    taken = api.post(f"/tasks/{name}", {"content": content, "description": "\U0001f642" * longest})
    longer = api.post(f"/tasks/{name}", {"content": content, "description": "x" * (longest + 1)})

    assert taken.status_code == 202, taken.content
    assert Task.objects.get(pk=taken.json()["task_id"]).description == "\U0001f642" * longest
    assert error_of(longer) == (400, 12022)
    assert "Path: 'description'" in longer.json()["detail"]


def test_every_threshold_that_is_accepted_is_a_finite_share(api, sent):
    response = api.cluster({"objects_type": "faces", "threshold": 5e-324})

    stored = Task.objects.get(pk=response.json()["task_id"]).content["threshold"]
    assert math.isfinite(stored)
    assert 0 <= stored <= 1
