"""A client of the API: JSON in, JSON out."""

import importlib

import orjson
import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from django.urls import clear_url_caches

from lunatasks import urls


class Api:
    """Requests as a client sends them, under `prefix`."""

    def __init__(self, account, prefix: str = "/1"):
        self.account = account
        self.prefix = prefix
        self.client = Client(raise_request_exception=False)

    def get(self, path: str, headers=None, **query):
        return self.client.get(self.prefix + path, query_params=query, headers=headers or {})

    def send(self, method: str, path: str, headers=None, **query):
        return self.client.generic(method, self.prefix + path, query_params=query, headers=headers or {})

    def post(self, path: str, document=None, *, body: bytes | None = None, headers=None, **more):
        sent = {"Luna-Account-Id": str(self.account)} if headers is None else headers
        data = orjson.dumps(document) if body is None else body
        more.setdefault("content_type", "application/json")
        return self.client.generic("POST", self.prefix + path, data, headers=sent, **more)

    def cluster(self, content, **members):
        return self.post("/tasks/clustering", {"content": content, **members})


@pytest.fixture
def api(account) -> Api:
    return Api(account)


@pytest.fixture
def kept_connection(db):
    """Requests through the WSGI application do not close the connection that the test's transaction is in."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def prefixes(settings):
    """Mount the routes of tasks and errors under other prefixes."""

    def mount(*names):
        settings.LUNATASKS_API_PREFIXES = list(names)
        importlib.reload(urls)
        clear_url_caches()

    yield mount
    mount("1")


@pytest.fixture
def gateway(prefixes, account) -> Api:
    """Routes under `/6` too, as behind the platform's gateway."""
    prefixes("1", "6")
    return Api(account, prefix="/6")


@pytest.fixture
def root(account) -> Api:
    """Without a prefix."""
    return Api(account, prefix="")


def error_of(response) -> tuple[int, int]:
    """(HTTP status, error code), once the body is seen to have the contract's form."""
    body = response.json()
    assert set(body) == {"error_code", "desc", "detail", "link"}
    assert response["Content-Type"] == "application/json"
    assert response["Luna-Request-Id"]
    return response.status_code, body["error_code"]
