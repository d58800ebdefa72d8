"""Bodies of POST requests: content type, size, JSON, and the members every task shares."""

from dataclasses import dataclass
from typing import IO, Any

import orjson
from django.conf import settings
from django.http import HttpRequest, UnreadablePostError

from lunatasks.errors import BadBody, BadContentType, BodyTooLarge, EmptyBody, FieldMissing, NotJson

MAX_DESCRIPTION = 4096
DISCARDED = 3
"""How many times the limit of what is over it is read for the sake of the answer."""
BLOCK = 2**20


@dataclass(frozen=True, slots=True)
class TaskBody:
    """What is sent to make a task; `content` is checked by its type's model."""

    content: dict[str, Any]
    description: str


def read_task_body(request: HttpRequest, *, max_description: int = MAX_DESCRIPTION) -> TaskBody:
    """`{"description", "content"!}`, other members ignored.

    Raises BadContentType, BodyTooLarge, EmptyBody, NotJson, FieldMissing, BadBody.
    """
    document = read_json(request)
    if not isinstance(document, dict):
        raise BadBody("", "Input should be an object")
    if "content" not in document:
        raise FieldMissing("content")
    description = _description(document.get("description", ""), max_description)
    if not isinstance(document["content"], dict):
        raise BadBody("content", "Input should be an object")
    return TaskBody(document["content"], description)


def read_json(request: HttpRequest) -> Any:
    """The body as strict JSON: no NaN, no infinity, no lone surrogate, UTF-8 only, bounded depth."""
    content_type = request.META.get("CONTENT_TYPE") or "application/json"
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise BadContentType
    body = _read(request, settings.LUNATASKS_MAX_BODY)
    if not body or body.isspace():
        raise EmptyBody
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NotJson(error) from None


def _read(request: HttpRequest, limit: int) -> bytes:
    length = request.META.get("CONTENT_LENGTH") or ""
    # Django reads nothing when the length is not told; servers end a chunked body by themselves
    chunked = not length and "chunked" in request.headers.get("Transfer-Encoding", "").lower()
    source = request.META["wsgi.input"] if chunked else request
    told = length.isdecimal() and int(length[:20]) > limit
    try:
        body: bytes = b"" if told else source.read(limit + 1)
        if told or len(body) > limit:
            _discard(source, DISCARDED * limit)
            raise BodyTooLarge(limit)
    except UnreadablePostError:
        raise NotJson("the body ended early") from None
    return body


def _discard(source: HttpRequest | IO[bytes], most: int) -> None:
    """Read on for a while: a client that is still sending when the connection ends never sees the answer."""
    while most > 0 and (block := source.read(min(most, BLOCK))):
        most -= len(block)


def _description(value: Any, longest: int) -> str:
    if not isinstance(value, str):
        raise BadBody("description", "Input should be a valid string")
    if len(value) > longest:
        raise BadBody("description", f"String should have at most {longest} characters")
    if "\0" in value:
        raise BadBody("description", "String should not hold a NUL character")
    return value
