"""The request id: on every answer, every log line and in every job."""

import logging
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

HEADER = "Luna-Request-Id"

_FORM = re.compile(r"[0-9]{10},[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}")
_current: ContextVar[str] = ContextVar("request_id", default="-")


def new_request_id() -> str:
    """`<10 digits>,<lower-case uuid>`."""
    return f"{int(time.time()):010d},{uuid.uuid4()}"


def accepted(header: str | None) -> str:
    """The client's id when it has the form, else a new one: nothing else of a header is ever echoed."""
    return header if header is not None and _FORM.fullmatch(header) else new_request_id()


def current() -> str:
    """The id of the request or job at hand, `-` outside of one."""
    return _current.get()


def start_request(environ: Mapping[str, Any], **_: object) -> None:
    """Take over or make the id of a request that begins; it stands until the thread's next one begins."""
    _current.set(accepted(environ.get("HTTP_LUNA_REQUEST_ID")))


@contextmanager
def bound(request_id: str) -> Iterator[None]:
    """Log lines written inside carry this id."""
    token = _current.set(request_id)
    try:
        yield
    finally:
        _current.reset(token)


class RequestIdFilter(logging.Filter):
    """Adds `request_id` to every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = _current.get()
        return True
