"""Requests over a real socket to the real web server: bodies too large, in chunks, and headers that are nonsense."""

import http.client

import orjson
import pytest

from workers.torture.stack import ACCOUNT, Stack

pytestmark = pytest.mark.stack
CLUSTERING = b'{"content": {"objects_type": "faces"}}'
TOO_LARGE = 33 * 2**20
BLOCK = b" " * 2**20


@pytest.fixture(scope="module")
def server():
    with Stack(workers=1) as stack:
        stack.start()
        yield stack


@pytest.fixture
def answer(server):
    """(status, error code or None) of a POST; the request id must be there whatever the answer."""

    def run(body, *, chunked=False, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        headers = {"Luna-Account-Id": ACCOUNT, "Content-Type": "application/json"} | headers
        connection.request("POST", "/1/tasks/clustering", body, headers=headers, encode_chunked=chunked)
        response = connection.getresponse()
        document = orjson.loads(response.read())
        assert response.headers["Luna-Request-Id"]
        connection.close()
        return response.status, document.get("error_code")

    return run


def blocks(size):
    for _ in range(size // len(BLOCK)):
        yield BLOCK


def test_a_body_that_is_too_large_is_told_so(answer):
    assert answer(b" " * TOO_LARGE) == (413, 28102)
    assert answer(CLUSTERING) == (202, None)


def test_chunks_are_read_up_to_the_limit(answer):
    chunks = {"chunked": True, "Transfer-Encoding": "chunked"}

    assert answer(iter([CLUSTERING[:9], CLUSTERING[9:]]), **chunks) == (202, None)
    assert answer(iter([b"{"]), **chunks) == (400, 12027)
    assert answer(blocks(TOO_LARGE), **chunks) == (413, 28102)


@pytest.mark.parametrize("content_type", ["application/json; x*=nope''a", "application/json; charset*=utf-8''%00"])
def test_a_content_type_that_cannot_be_decoded_is_no_reason_to_fail(answer, content_type):
    assert answer(CLUSTERING, **{"Content-Type": content_type}) == (202, None)
