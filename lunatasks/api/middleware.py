"""The request id on every answer."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from lunatasks.api import request_id


class RequestIdMiddleware:
    """Echoes the request id; `request_id.start_request` has set it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers[request_id.HEADER] = request_id.current()
        return response
