"""What reaches the application before any view: the request as a server hands it over."""

import io

import orjson
import pytest

from lunatasks.api.handler import Handler

NONSENSE = [
    "application/json; x*=nope''a",
    "application/json; charset*=utf-8''%00",
    "application/json; x*=punycode''%ff",
    "application/json; x*=undefined''a",
    "application/json; charset=base64",
    "application/json; a*=x; a*0=y",
    "application/json; charset=\x00",
    ";" * 1000,
    "\xff",
]


@pytest.fixture
def answer(kept_connection, account):
    """(status, error code or None) of a request through the whole application."""

    def run(method: str, path: str, content_type: str, body: bytes = b""):
        started = []
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "CONTENT_TYPE": content_type,
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_LUNA_ACCOUNT_ID": str(account),
            "wsgi.input": io.BytesIO(body),
            "wsgi.url_scheme": "http",
            "wsgi.errors": io.StringIO(),
        }
        response = Handler()(environ, lambda status, headers: started.append((int(status[:3]), dict(headers))))
        document = orjson.loads(b"".join(response))
        status, headers = started[0]
        assert headers["Luna-Request-Id"]
        return status, document.get("error_code")

    return run


@pytest.mark.parametrize("content_type", NONSENSE)
def test_a_content_type_that_is_nonsense_is_ignored_on_reads(answer, content_type):
    assert answer("GET", "/version", content_type) == (200, None)
    assert answer("GET", "/1/tasks/87654321", content_type) == (404, 28001)


@pytest.mark.parametrize("content_type", NONSENSE)
def test_a_content_type_that_is_nonsense_is_judged_by_its_media_type_where_a_body_is_read(answer, content_type):
    expected = (400, 12003) if content_type.startswith("application/json") else (400, 12017)

    assert answer("POST", "/1/tasks/clustering", content_type, b"{}") == expected
