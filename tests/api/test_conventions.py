"""What holds for every route: accounts, slashes, methods, the error body, the request id."""

import logging
import re

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from lunatasks.api import request_id
from lunatasks.api.models import AccessToken
from lunatasks.errors import CATALOGUE
from tests.api.conftest import error_of

FORM = re.compile(r"[0-9]{10},[a-f0-9]{8}(-[a-f0-9]{4}){3}-[a-f0-9]{12}")

# what each route does to keep accounts apart; a route that is not here fails the test
BY_TASK = {"task", "task-result", "task-subtasks", "task-errors", "task-errors-count"}
BY_ERROR = {"error"}
BY_FILTER = {"tasks", "tasks-count", "errors", "errors-count"}
BY_HEADER = {
    f"create-{name}"
    for name in (
        "clustering",
        "linker",
        "gc",
        "reporter",
        "additional_extract",
        "cross_match",
        "roc",
        "exporter",
        "estimator",
    )
}
WITHOUT_OBJECTS = {
    "version",
    "healthcheck",
    "config",
    "metrics",
    "spec",
    "manual",
    "manual-file",
    "error-page",
    "error-index",
    "start",
    "admin-start",
    "favicon",
    "unknown",
}
METHODS = ("GET", "HEAD", "PATCH", "DELETE")


def routes(patterns=None, above=""):
    """(name, regular expression or route) of all routes outside of the admin."""
    for entry in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(entry, URLResolver) and entry.app_name != "admin":
            yield from routes(entry.url_patterns, above + str(entry.pattern))
        elif isinstance(entry, URLPattern):
            yield entry.name, above + str(entry.pattern)


def test_every_route_has_a_rule_of_accounts():
    assert {name for name, _ in routes()} == BY_TASK | BY_ERROR | BY_FILTER | BY_HEADER | WITHOUT_OBJECTS


def path_of(route: str, number: int) -> str:
    return "/" + re.sub(r"\(\?P<\w+>\[0-9\]\+\)", str(number), route.replace("^", "").replace("/?$", ""))


def comparable(response, number: int) -> tuple[int, bytes]:
    return response.status_code, response.content.replace(f"'{number}'".encode(), b"<id>")


@pytest.fixture(params=["query", "token", "token and query", "gateway"])
def limits(request, api, settings):
    """What limits a request to the account of `api`: (query, headers)."""
    if request.param == "gateway":
        request.getfixturevalue("prefixes")("6")
        return "", {"Luna-Account-Id": str(api.account)}
    query = f"?account_id={api.account}" if "query" in request.param else ""
    if "token" not in request.param:
        return query, {}
    settings.LUNATASKS_API_AUTH = "token"
    token = AccessToken(name="somebody", account_id=api.account, can_write=True).issue()
    return query, {"Authorization": f"Bearer {token}"}


@pytest.mark.django_db
def test_another_accounts_object_answers_exactly_like_an_absent_one(
    api, finished_task, make_error, other_account, limits
):
    task = finished_task(account_id=other_account)
    error = make_error(task)
    query, headers = limits

    for name, route in routes():
        if name not in BY_TASK | BY_ERROR:
            continue
        foreign, absent = (error.pk if name in BY_ERROR else task.pk), 87654321
        for method in METHODS:
            seen, unseen = (
                comparable(api.client.generic(method, path_of(route, number) + query, headers=headers), number)
                for number in (foreign, absent)
            )
            assert seen == unseen, (name, method)
            assert seen[0] in (404, 405), (name, method)
    task.refresh_from_db()


@pytest.mark.django_db
def test_a_malformed_account_is_refused_wherever_one_may_be_given(api, make_error):
    error = make_error()

    for name, route in routes():
        if name not in BY_TASK | BY_ERROR | BY_FILTER:
            continue
        path = path_of(route, error.pk if name in BY_ERROR else error.task_id)
        for method in ("GET", "PATCH", "DELETE"):
            answer = error_of(api.client.generic(method, f"{path}?account_id=x"))
            assert answer in {(400, 12012), (405, 28101)}, (name, method)
    error.refresh_from_db()


@pytest.mark.django_db
def test_lists_and_counts_hold_only_the_accounts_own(api, make_error, make_task, other_account, limits):
    make_error(make_task(account_id=other_account))
    query, headers = limits

    for name, route in routes():
        if name in BY_FILTER:
            (found,) = api.client.get(path_of(route, 0) + query, headers=headers).json().values()
            assert found in ([], 0), name


@pytest.mark.django_db
def test_a_trailing_slash_changes_nothing(api, make_task, make_error):
    error = make_error(make_task())

    for name, route in routes():
        if not route.endswith("/?$") or name in ("healthcheck", "metrics"):
            continue
        path = path_of(route, error.pk if name in BY_ERROR else error.task_id)
        plain, slashed = api.client.get(path), api.client.get(path + "/")
        assert plain.status_code == slashed.status_code, name
        assert plain.status_code not in (301, 302) or name == "manual", name
        assert plain.getvalue() == slashed.getvalue(), name


@pytest.mark.django_db
def test_a_wrong_method_is_named_with_those_that_are_allowed(api, make_task):
    task = make_task()

    for method, path in [
        ("POST", "/1/tasks"),
        ("PUT", f"/1/tasks/{task.pk}"),
        ("POST", f"/1/tasks/{task.pk}"),
        ("GET", "/1/tasks/clustering"),
        ("DELETE", "/1/tasks/linker"),
        ("DELETE", "/1/tasks/errors/1"),
        ("PATCH", f"/1/tasks/{task.pk}/result"),
        ("TRACE", "/1/tasks"),
        ("PROPFIND", "/version"),
        ("POST", "/healthcheck"),
        ("POST", "/"),
        ("POST", "/favicon.ico"),
        ("POST", "/docs/dev/errors/1.html"),
    ]:
        response = api.client.generic(method, path)
        assert error_of(response) == (405, 28101), path
        assert response.json()["detail"] == method
        assert response["Allow"]


def test_options_tells_the_methods_without_a_body(api):
    response = api.client.options("/1/tasks/1")

    assert (response.status_code, response.content) == (204, b"")
    assert {"GET", "PATCH", "DELETE"} <= set(response["Allow"].split(", "))


@pytest.mark.django_db
def test_head_answers_like_get_without_a_body(api, make_task):
    response = api.client.head(f"/1/tasks/{make_task().pk}")

    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/1",
        "/1/",
        "/2/tasks",
        "/tasks",
        "/1/tasks/x",
        "/1/tasks/-1",
        "/1/tasks/1.0",
        "/1/tasks/1%0A",
        "/1/tasks/%D9%A1",
        "/1/tasks//",
        "/1/tasks/errors/x",
        "/1/tasks/1/nothing",
        "/docs/dev/errors/99999.html",
        "/docs/dev/errors/../errors/x.html",
        f"/docs/dev/errors/{'0' * 300}28010.html",
        f"/docs/dev/{'a' * 300}",
        f"/docs/dev/{'a/' * 3000}",
        "/docs/dev/a%00b",
        "/%00",
        "/%ff%fe",
        "/\u202e",
    ],
)
def test_an_unknown_path_is_not_found_with_the_error_body(api, method, path):
    response = api.client.generic(method, path)

    expected = {(404, 28100), (405, 28101)} if path.startswith("/docs/dev/") else {(404, 28100)}
    assert error_of(response) in expected


def test_a_foreign_host_name_is_refused_with_the_error_body(api):
    response = api.client.get("/version", headers={"Host": "rebound.example"})

    assert error_of(response) == (400, 12012)


@pytest.mark.django_db
def test_an_unexpected_exception_shows_nothing_of_itself(api, monkeypatch, caplog):
    from tasks_app import services

    def explode(**_):
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(services, "get_task", explode)
    response = api.get("/tasks/1/subtasks")

    assert error_of(response) == (500, 1)
    assert b"hunter2" not in response.content
    assert "RuntimeError" in caplog.text


def test_every_error_links_to_a_page_that_exists(root, settings, tmp_path):
    settings.LUNATASKS_MANUAL_DIR = tmp_path  # without a built manual
    for code, error in CATALOGUE.items():
        page = root.client.get(
            error.link.fget(error()) if not error.template.count("{") else f"/docs/dev/errors/{code}.html"
        )
        assert page.status_code == 200, code
        assert page["Content-Type"].startswith("text/html")
        assert str(code) in page.content.decode()
        assert "http" not in page.content.decode().replace("HTTP", "")


def test_every_error_explains_itself_and_has_a_status():
    for code, error in CATALOGUE.items():
        assert error.__doc__, code
        assert error.__doc__ != CATALOGUE[code].__mro__[1].__doc__
        assert 400 <= error.status <= 599


def test_a_well_formed_request_id_is_echoed(root):
    sent = "1536751345,8b8b5937-2e9c-4e8b-a7a7-5caf86621b5a"

    assert root.get("/version", headers={"Luna-Request-Id": sent})["Luna-Request-Id"] == sent
    assert root.get("/nowhere", headers={"Luna-Request-Id": sent})["Luna-Request-Id"] == sent


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "x",
        "1536751345",
        "153675134,8b8b5937-2e9c-4e8b-a7a7-5caf86621b5a",
        "1536751345,8B8B5937-2E9C-4E8B-A7A7-5CAF86621B5A",
        "1536751345,8b8b5937-2e9c-4e8b-a7a7-5caf86621b5a\r\nSet-Cookie: a=b",
        "1536751345,8b8b5937-2e9c-4e8b-a7a7-5caf86621b5a\n",
        "١٥٣٦٧٥١٣٤٥,8b8b5937-2e9c-4e8b-a7a7-5caf86621b5a",
    ],
)
def test_a_malformed_request_id_is_replaced(root, sent):
    response = root.client.get("/version", HTTP_LUNA_REQUEST_ID=sent)

    assert FORM.fullmatch(response["Luna-Request-Id"])
    assert response["Luna-Request-Id"] != sent
    assert "Set-Cookie" not in response.headers


def test_the_server_s_own_log_lines_carry_the_id_of_their_request(root, caplog):
    caplog.handler.addFilter(request_id.RequestIdFilter())

    for headers in ({}, {"Host": "rebound.example"}):
        caplog.clear()
        response = root.get("/nowhere", headers=headers)
        assert {record.request_id for record in caplog.records} == {response["Luna-Request-Id"]}


def test_a_request_without_an_id_gets_one_of_its_own(root):
    first, second = (root.get("/version")["Luna-Request-Id"] for _ in range(2))

    assert FORM.fullmatch(first)
    assert first != second


def test_log_lines_carry_the_request_id_while_it_is_bound():
    record = logging.makeLogRecord({"msg": "x"})
    before = request_id.current()

    with request_id.bound("1536751345,8b8b5937-2e9c-4e8b-a7a7-5caf86621b5a"):
        request_id.RequestIdFilter().filter(record)

    assert record.request_id == "1536751345,8b8b5937-2e9c-4e8b-a7a7-5caf86621b5a"
    assert request_id.current() == before


@pytest.mark.django_db
def test_start_leads_to_the_admin(root):
    assert root.client.get("/")["Location"] == "/admin/"
