"""A client of the API: JSON in, JSON out."""

import orjson
import pytest
from django.test import Client


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
