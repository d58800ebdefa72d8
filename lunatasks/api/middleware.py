"""Gives every request an id and every answer its header."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from lunatasks.api import request_id


class RequestIdMiddleware:
    """Takes over or makes the request id and echoes it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        value = request_id.accepted(request.headers.get(request_id.HEADER))
        with request_id.bound(value):
            response = self.get_response(request)
        response.headers[request_id.HEADER] = value
        return response
